//! What a request presents: read from its header bytes, strictly, before any token is looked at.

mod request;
mod source;

use std::fmt;

pub use request::{HeaderList, RequestView};
pub use source::{CookieChoice, TokenSource};

use crate::error::InvalidRequest;

/// An authentication scheme (RFC 9110 §11.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Scheme {
    /// `Bearer` (RFC 6750).
    Bearer,
    /// `DPoP` (RFC 9449).
    Dpop,
}

impl Scheme {
    /// The registered name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bearer => "Bearer",
            Self::Dpop => "DPoP",
        }
    }
}

/// A token, and where a request presented it. It is unverified.
#[derive(Clone, Copy)]
pub struct Credential<'a> {
    scheme: Scheme,
    token: &'a str,
    source: Option<&'a TokenSource>,
    request: Option<&'a dyn RequestView>,
}

impl<'a> Credential<'a> {
    /// A bearer token from anywhere but an HTTP request: a WebSocket message, gRPC metadata, a queue.
    #[must_use]
    pub fn bearer(token: &'a str) -> Self {
        Self { scheme: Scheme::Bearer, token, source: None, request: None }
    }

    /// How the token was presented.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The token's text, unverified.
    #[must_use]
    pub fn unverified_token(&self) -> &'a str {
        self.token
    }

    /// Which of the gate's sources it came from; `None` outside of HTTP.
    #[must_use]
    pub fn source(&self) -> Option<&'a TokenSource> {
        self.source
    }

    /// The request that presented it; `None` outside of HTTP.
    #[must_use]
    pub fn request(&self) -> Option<&'a dyn RequestView> {
        self.request
    }
}

impl fmt::Debug for Credential<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential").field("scheme", &self.scheme).field("source", &self.source).finish_non_exhaustive()
    }
}

/// What the sources found.
#[derive(Debug)]
pub(crate) enum Presented<'a> {
    Credential(Credential<'a>),
    /// A scheme that proves possession, which nobody here can check: never anonymous.
    Dpop,
    Nothing,
}

/// Looks through `sources` in order; the first that holds something decides, good or bad.
pub(crate) fn present<'a>(
    request: &'a dyn RequestView,
    sources: &'a [TokenSource],
) -> Result<Presented<'a>, InvalidRequest> {
    let mut dpop = false;
    for source in sources {
        match source.read(request)? {
            source::Found::Nothing => {}
            source::Found::Dpop => dpop = true,
            source::Found::Token(token) => {
                let credential =
                    Credential { scheme: Scheme::Bearer, token, source: Some(source), request: Some(request) };
                return Ok(Presented::Credential(credential));
            }
        }
    }
    Ok(if dpop { Presented::Dpop } else { Presented::Nothing })
}
