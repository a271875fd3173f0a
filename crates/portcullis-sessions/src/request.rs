//! The parts of a request that decide about a session.

use std::borrow::Cow;

use portcullis::adapter::{HeaderList, RequestView};

/// The parts of a request that decide about a session: the method, the page, the kind of client and the credentials. With the
/// features `axum` and `actix` it is an extractor, which refuses nothing.
///
/// It is for [`OriginRule::admit`](crate::OriginRule::admit), [`SessionCookies::refresh_token`](crate::SessionCookies::refresh_token)
/// and `WebSessions`. `Debug` shows no value.
#[derive(Clone, Debug)]
pub struct SessionRequest(HeaderList);

/// The header fields that are kept.
const FIELDS: [&str; 8] = [
    "authorization",
    "cookie",
    "origin",
    "sec-fetch-dest",
    "sec-fetch-mode",
    "sec-fetch-site",
    "sec-fetch-user",
    "x-client",
];

impl SessionRequest {
    /// Copies these parts of `request`.
    pub fn of(request: &dyn RequestView) -> Self {
        let mut fields: Vec<(&str, Vec<u8>)> = Vec::new();
        for name in FIELDS {
            request.header(name, &mut |value| fields.push((name, value.to_vec())));
        }
        Self(HeaderList::new(request.method(), fields))
    }
}

impl RequestView for SessionRequest {
    fn header<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
        self.0.header(name, visit);
    }

    fn method(&self) -> Cow<'_, str> {
        self.0.method()
    }
}
