//! The protection against cross-site requests (CSRF): which pages may send a request that a cookie authenticates.
//!
//! Design notes: [Policy and refusals](crate::_docs::policy).

mod origin;

use crate::credential::{RequestView, is_absent, the_only_field};
use crate::error::{ConfigError, CrossSiteRequest};
use origin::Origin;

/// The origins whose pages may send requests that cookies authenticate.
///
/// Browsers send cookies on their own, also with requests that other sites cause. The rule reads what browsers say about the
/// page: `Origin`, and `Sec-Fetch-Site` (Fetch Metadata). Scripts cannot set either.
///
/// | `Origin` | `Sec-Fetch-Site` | result |
/// |---|---|---|
/// | the service's own | `same-origin`, or absent | allowed |
/// | another allowed one | `same-origin`, `same-site`, `cross-site`, or absent | allowed |
/// | absent | `same-origin` | allowed |
/// | absent | absent | refused: with curl, send `-H 'Origin: …'` |
/// | anything else | any | refused |
///
/// `Origin` is compared byte by byte with the origin as browsers write it. A field that appears twice counts as anything
/// else.
///
/// A [`Gate`](crate::Gate) applies it to every unsafe request whose token is in a cookie
/// ([`Gate::with_allowed_origins`](crate::Gate::with_allowed_origins)). This type is for routes without a gate that set or
/// read cookies themselves, for example a login.
///
/// ```
/// use portcullis::adapter::HeaderList;
/// use portcullis::cross_site::AllowedOrigins;
/// use portcullis::error::AuthError;
///
/// # fn main() -> Result<(), portcullis::ConfigError> {
/// let origins = AllowedOrigins::of_service("https://api.example.com")?.and(["https://app.example.com"])?;
///
/// let ours = HeaderList::new("POST", [("origin", "https://app.example.com"), ("sec-fetch-site", "same-site")]);
/// assert!(origins.check(&ours).is_ok());
///
/// let other = HeaderList::new("POST", [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")]);
/// let refused = AuthError::from(origins.check(&other).unwrap_err());
/// assert_eq!((refused.status(), refused.code()), (403, "cross_site_request"));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default)]
pub struct AllowedOrigins {
    own: Option<Origin>,
    others: Vec<Origin>,
}

impl AllowedOrigins {
    /// Allows the pages of the service itself, which is at `public_url`.
    ///
    /// # Errors
    /// [`ConfigError`] for `public_url` unless it is an https URL, or an http URL of this machine.
    pub fn of_service(public_url: &str) -> Result<Self, ConfigError> {
        Self::default().with_own(public_url)
    }

    /// Also allows the pages of `origins`, for example of a front end with its own address.
    ///
    /// # Errors
    /// [`ConfigError`] for `allowed_origins` unless there is at least one, and each is an https origin, or an http origin of
    /// this machine, without a path.
    pub fn and<S: AsRef<str>>(mut self, origins: impl IntoIterator<Item = S>) -> Result<Self, ConfigError> {
        let (mut faults, mut found) = (Vec::new(), false);
        for origin in origins {
            found = true;
            match Origin::parse(ALLOWED_ORIGINS, origin.as_ref()) {
                Ok(origin) => self.others.push(origin),
                Err(fault) => faults.push(fault),
            }
        }
        if !found {
            let hint = "list the origins of the pages that may send requests, for example https://app.example.com";
            faults.push(ConfigError::new(ALLOWED_ORIGINS, "empty", hint));
        }
        ConfigError::all(faults)?;
        Ok(self)
    }

    /// Checks the page that sent `request`, for any method. Routes that begin, refresh or end a session call it
    /// for every request: another site could otherwise log its visitors into an account of the attacker.
    ///
    /// # Errors
    /// [`CrossSiteRequest`] if the request may come from another site.
    pub fn check(&self, request: &dyn RequestView) -> Result<(), CrossSiteRequest> {
        match (self.page(request)?, FetchSite::of(request)) {
            (Page::Unknown, FetchSite::Absent) => Err(CrossSiteRequest::UnknownPage),
            (Page::Own | Page::Unknown, FetchSite::SameOrigin) | (Page::Own, FetchSite::Absent) => Ok(()),
            (Page::Other, FetchSite::SameOrigin | FetchSite::SameSite | FetchSite::CrossSite | FetchSite::Absent) => {
                Ok(())
            }
            _ => Err(CrossSiteRequest::WrongSite),
        }
    }

    /// Like [`Self::check`], and demands `Sec-Fetch-Site: same-origin`: for clients that change something with GET and cannot
    /// use another method. A link on another site leads to a GET request with cookies and without `Origin`.
    ///
    /// # Errors
    /// [`CrossSiteRequest`] if the request may come from another origin.
    pub fn check_same_origin(&self, request: &dyn RequestView) -> Result<(), CrossSiteRequest> {
        match (self.page(request)?, FetchSite::of(request)) {
            (_, FetchSite::SameOrigin) => Ok(()),
            (Page::Unknown, FetchSite::Absent) => Err(CrossSiteRequest::UnknownPage),
            _ => Err(CrossSiteRequest::WrongSite),
        }
    }

    /// Checks a request whose token is in a cookie. Safe methods pass (RFC 9110 §9.2.1): they change nothing, and another
    /// site cannot read the response. An upgrade is not safe, because another site can use the connection that it opens.
    pub(crate) fn check_cookie_request(&self, request: &dyn RequestView) -> Result<(), CrossSiteRequest> {
        let is_safe = matches!(&*request.method(), "GET" | "HEAD" | "OPTIONS" | "TRACE");
        if is_safe && is_absent(request, "upgrade") { Ok(()) } else { self.check(request) }
    }

    pub(crate) fn with_own(self, public_url: &str) -> Result<Self, ConfigError> {
        Ok(Self { own: Some(Origin::of_url("public_url", public_url)?), ..self })
    }

    /// Finds the page among the allowed ones.
    fn page(&self, request: &dyn RequestView) -> Result<Page, CrossSiteRequest> {
        match the_only_field(request, "origin") {
            Ok(None) => Ok(Page::Unknown),
            Ok(Some(origin)) if self.own.as_ref().is_some_and(|own| own == origin) => Ok(Page::Own),
            Ok(Some(origin)) if self.others.iter().any(|other| other == origin) => Ok(Page::Other),
            _ if self.own.is_none() && self.others.is_empty() => Err(CrossSiteRequest::NoAllowedOrigins),
            Ok(Some(_)) | Err(_) => Err(CrossSiteRequest::OtherOrigin),
        }
    }
}

const ALLOWED_ORIGINS: &str = "allowed_origins";

/// The page that sent a request, by `Origin`.
#[derive(Clone, Copy)]
enum Page {
    /// Of the service itself.
    Own,
    /// Of another allowed origin.
    Other,
    /// `Origin` is absent.
    Unknown,
}

/// How the page's site relates to the service, by `Sec-Fetch-Site`.
#[derive(Clone, Copy)]
enum FetchSite {
    Absent,
    SameOrigin,
    SameSite,
    CrossSite,
    /// Another value, or several.
    Unclear,
}

impl FetchSite {
    fn of(request: &dyn RequestView) -> Self {
        match the_only_field(request, "sec-fetch-site") {
            Ok(None) => Self::Absent,
            Ok(Some(b"same-origin")) => Self::SameOrigin,
            Ok(Some(b"same-site")) => Self::SameSite,
            Ok(Some(b"cross-site")) => Self::CrossSite,
            Ok(Some(_)) | Err(_) => Self::Unclear,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credential::HeaderList;

    const OWN: &str = "https://api.example.com";
    const CLIENT: &str = "https://app.example.com:8443";

    fn origins() -> AllowedOrigins {
        AllowedOrigins::of_service("https://API.example.com:443/base/").unwrap().and([CLIENT]).unwrap()
    }

    fn request(method: &str, fields: &[(&str, &str)]) -> HeaderList {
        HeaderList::new(method, fields.iter().copied())
    }

    /// All pairs of values. `true` in the columns means that the request is allowed.
    #[test]
    fn origin_and_site_must_agree() {
        let values = [
            None,
            Some(OWN),
            Some(CLIENT),
            Some("null"),
            Some(""),
            Some("https://evil.example"),
            Some("http://api.example.com"),
            Some("https://api.example.com:443"),
            Some("https://api.example.com:444"),
            Some("https://api.example.com.evil.example"),
            Some("https://api.example.com/"),
            Some("https://api.example.com https://api.example.com"),
            Some("https://api.example.com, https://api.example.com"),
            Some("HTTPS://API.EXAMPLE.COM"),
        ];
        let sites = [None, Some("same-origin"), Some("same-site"), Some("cross-site"), Some("none"), Some("x")];
        for origin in values {
            // In the order of `sites`.
            let (by_post, same_origin) = match origin {
                None => ([false, true, false, false, false, false], [false, true, false, false, false, false]),
                Some(OWN) => ([true, true, false, false, false, false], [false, true, false, false, false, false]),
                Some(CLIENT) => ([true, true, true, true, false, false], [false, true, false, false, false, false]),
                Some(_) => ([false; 6], [false; 6]),
            };
            for (index, site) in sites.iter().enumerate() {
                let fields = [("origin", origin), ("sec-fetch-site", *site)];
                let fields: Vec<_> = fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
                for method in ["POST", "PUT", "DELETE", "PATCH", "CONNECT", "PURGE", "get", ""] {
                    let request = request(method, &fields);
                    assert_eq!(origins().check(&request).is_ok(), by_post[index], "{method} {fields:?}");
                    assert_eq!(
                        origins().check_same_origin(&request).is_ok(),
                        same_origin[index],
                        "{method} {fields:?}"
                    );
                    assert_eq!(origins().check_cookie_request(&request).is_ok(), by_post[index], "{method} {fields:?}");
                }
                for method in ["GET", "HEAD", "OPTIONS", "TRACE"] {
                    assert_eq!(origins().check_cookie_request(&request(method, &fields)), Ok(()));
                    let upgrade = [&fields[..], &[("upgrade", "websocket")]].concat();
                    let checked = origins().check_cookie_request(&request(method, &upgrade));
                    assert_eq!(checked.is_ok(), by_post[index], "{method} {upgrade:?}");
                }
            }
        }
    }

    #[test]
    fn repeated_fields_are_refused() {
        for fields in [
            &[("origin", OWN), ("origin", OWN)][..],
            &[("origin", OWN), ("origin", "https://evil.example")],
            &[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "same-origin")],
            &[("origin", OWN), ("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")],
        ] {
            assert!(origins().check(&request("POST", fields)).is_err(), "{fields:?}");
        }
    }

    #[test]
    fn refusals_say_what_is_wrong() {
        let none = AllowedOrigins::default();
        let same_origin = ("sec-fetch-site", "same-origin");
        for (origins, fields, expected) in [
            (origins(), &[("origin", "https://evil.example")][..], Err(CrossSiteRequest::OtherOrigin)),
            (origins(), &[("origin", OWN), ("sec-fetch-site", "same-site")], Err(CrossSiteRequest::WrongSite)),
            (origins(), &[], Err(CrossSiteRequest::UnknownPage)),
            // Without any allowed origin, only the browser can say that the page is of the service.
            (none.clone(), &[("origin", OWN)], Err(CrossSiteRequest::NoAllowedOrigins)),
            (none.clone(), &[("origin", OWN), same_origin], Err(CrossSiteRequest::NoAllowedOrigins)),
            (none.clone(), &[], Err(CrossSiteRequest::UnknownPage)),
            (none, &[same_origin], Ok(())),
        ] {
            assert_eq!(origins.check(&request("POST", fields)), expected, "{fields:?}");
        }
    }

    #[test]
    fn wrong_origins_are_configuration_errors() {
        for url in ["", "api.example.com", "http://api.example.com", "ftp://api.example.com", "https://a@b", "null"] {
            assert_eq!(AllowedOrigins::of_service(url).unwrap_err().field(), "public_url", "{url}");
        }
        let wrong =
            ["*", "null", "https://app.example.com/path", "http://app.example.com", "https://app.example.com/?a"];
        let error = origins().and(wrong).unwrap_err();
        assert_eq!(error.fields().collect::<Vec<_>>(), ["allowed_origins"; 5]);
        assert!(error.to_string().contains("write scheme, host and port, for example https://app.example.com"));
        assert_eq!(origins().and::<&str>([]).unwrap_err().field(), "allowed_origins");
    }
}
