//! The protection against cross-site requests (CSRF).

use std::fmt;

use portcullis::ConfigError;
use portcullis::adapter::RequestView;
use portcullis::error::{AuthError, CustomRefusal};

use crate::public_url::PublicUrl;

/// Decides whether a request that cookies authenticate, or that sets cookies, may come from the page that sent it.
///
/// Browsers send cookies on their own, also with requests that other sites cause. The rule reads what browsers say about the
/// page: `Origin`, and `Sec-Fetch-Site` (Fetch Metadata). Scripts cannot set either.
///
/// | `Origin` | `Sec-Fetch-Site` | result |
/// |---|---|---|
/// | the service's own | `same-origin`, or absent | allowed |
/// | an allowed client's | `same-origin`, `same-site`, `cross-site`, or absent | allowed |
/// | absent | `same-origin` | allowed |
/// | absent | absent | refused: with curl, send `-H 'Origin: …'` |
/// | anything else | any | refused |
///
/// It has to hold for login and registration too, although no cookie is there yet: otherwise another site logs its visitors
/// into an account of the attacker. Values that appear twice count as anything else.
///
/// ```
/// use portcullis::adapter::HeaderList;
/// use portcullis::error::AuthError;
/// use portcullis_sessions::{Client, OriginRule};
///
/// # fn main() -> Result<(), portcullis::ConfigError> {
/// let rule = OriginRule::new("https://api.example.com")?.with_client("https://app.example.com")?;
///
/// let ours = HeaderList::new("POST", [("origin", "https://app.example.com"), ("sec-fetch-site", "same-site")]);
/// assert_eq!(rule.admit(&ours), Ok(Client::Browser));
///
/// let other = HeaderList::new("POST", [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")]);
/// let refused = AuthError::from(rule.admit(&other).unwrap_err());
/// assert_eq!((refused.status(), refused.code()), (403, "cross_site_request"));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct OriginRule {
    own: String,
    clients: Vec<String>,
}

/// How the client of an admitted request keeps its tokens.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Client {
    /// A browser: tokens are in cookies.
    Browser,
    /// A native application: the refresh token is in the body of requests and responses. Its cookies are neither read nor
    /// set.
    Native,
}

/// The request may come from the page of another site. The response is 403 `cross_site_request`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CrossSiteRequest;

impl OriginRule {
    /// Makes the rule of a service whose own pages are at `public_url`.
    ///
    /// # Errors
    /// [`ConfigError`] when it is not an https URL, or an http URL of this machine.
    pub fn new(public_url: &str) -> Result<Self, ConfigError> {
        Ok(Self { own: PublicUrl::parse("public_url", public_url)?.origin(), clients: Vec::new() })
    }

    /// Allows the pages of a further origin, for example of a front end with its own address.
    ///
    /// # Errors
    /// [`ConfigError`] when it is not an https origin, or an http origin of this machine, without a path.
    pub fn with_client(mut self, origin: &str) -> Result<Self, ConfigError> {
        let url = PublicUrl::parse("client_origin", origin)?;
        if !url.path().is_empty() {
            let hint = "write only scheme, host and port, such as `https://app.example.com`";
            return Err(ConfigError::new("client_origin", "has a path", hint));
        }
        self.clients.push(url.origin());
        Ok(self)
    }

    /// Admits a request that begins, refreshes or ends a session.
    ///
    /// A request with the header field `X-Client: native`, and without `Origin` and Fetch Metadata, is not from a page: no
    /// page can send this field to another origin without its consent, and browsers add the others to such requests.
    ///
    /// Such routes should be POST. `GET` and `HEAD` are admitted only with `Sec-Fetch-Site: same-origin`: a link on another
    /// site leads to a navigation that has cookies and no `Origin`.
    ///
    /// # Errors
    /// [`CrossSiteRequest`] when the request may come from another site.
    pub fn admit(&self, request: &dyn RequestView) -> Result<Client, CrossSiteRequest> {
        if is_native(request) {
            return Ok(Client::Native);
        }
        let (origin, site) = (self.origin(request), FetchSite::of(request));
        let fits = match (origin, site) {
            _ if is_safe(request) => origin != Page::Other && site == FetchSite::SameOrigin,
            (Page::Own, FetchSite::SameOrigin | FetchSite::Absent) | (Page::Absent, FetchSite::SameOrigin) => true,
            (Page::Client, FetchSite::SameOrigin | FetchSite::SameSite | FetchSite::CrossSite | FetchSite::Absent) => {
                true
            }
            _ => false,
        };
        if fits { Ok(Client::Browser) } else { Err(CrossSiteRequest) }
    }

    /// Checks a request whose access token came from a cookie. Safe methods (`GET`, `HEAD`, `OPTIONS`) pass: they change
    /// nothing, and another site cannot read the response.
    ///
    /// # Errors
    /// [`CrossSiteRequest`] when the request may change something and may come from another site.
    pub fn check_cookie_request(&self, request: &dyn RequestView) -> Result<(), CrossSiteRequest> {
        if is_safe(request) {
            return Ok(());
        }
        // A cookie is only sent by browsers, so there is no exception for native clients.
        match self.admit(request)? {
            Client::Browser => Ok(()),
            Client::Native => Err(CrossSiteRequest),
        }
    }

    fn origin(&self, request: &dyn RequestView) -> Page {
        match single(request, "origin") {
            Field::Absent => Page::Absent,
            Field::One(origin) if origin == self.own.as_bytes() => Page::Own,
            Field::One(origin) if self.clients.iter().any(|client| client.as_bytes() == origin) => Page::Client,
            Field::One(_) | Field::Several => Page::Other,
        }
    }
}

impl fmt::Display for CrossSiteRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the request may come from another site")
    }
}

impl std::error::Error for CrossSiteRequest {}

impl From<CrossSiteRequest> for AuthError {
    fn from(_: CrossSiteRequest) -> Self {
        CustomRefusal::new(403, "cross_site_request", "The request comes from a page that may not send it").into()
    }
}

/// Whose page sent the request, by `Origin`.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Page {
    Absent,
    Own,
    Client,
    Other,
}

/// How the page's site relates to the service, by `Sec-Fetch-Site`.
#[derive(Clone, Copy, Eq, PartialEq)]
enum FetchSite {
    Absent,
    SameOrigin,
    SameSite,
    CrossSite,
    Other,
}

impl FetchSite {
    fn of(request: &dyn RequestView) -> Self {
        match single(request, "sec-fetch-site") {
            Field::Absent => Self::Absent,
            Field::One(b"same-origin") => Self::SameOrigin,
            Field::One(b"same-site") => Self::SameSite,
            Field::One(b"cross-site") => Self::CrossSite,
            Field::One(_) | Field::Several => Self::Other,
        }
    }
}

enum Field<'a> {
    Absent,
    One(&'a [u8]),
    Several,
}

fn single<'a>(request: &'a dyn RequestView, name: &str) -> Field<'a> {
    let mut found = Field::Absent;
    request.header(name, &mut |value| {
        found = if matches!(found, Field::Absent) { Field::One(value) } else { Field::Several };
    });
    found
}

fn is_native(request: &dyn RequestView) -> bool {
    let of_browsers = ["origin", "sec-fetch-site", "sec-fetch-mode", "sec-fetch-dest", "sec-fetch-user"];
    matches!(single(request, "x-client"), Field::One(b"native"))
        && of_browsers.iter().all(|name| matches!(single(request, name), Field::Absent))
}

fn is_safe(request: &dyn RequestView) -> bool {
    matches!(&*request.method(), "GET" | "HEAD" | "OPTIONS")
}

#[cfg(test)]
mod tests {
    use portcullis::adapter::HeaderList;

    use super::*;

    const OWN: &str = "https://api.example.com";
    const CLIENT: &str = "https://app.example.com:8443";

    fn rule() -> OriginRule {
        OriginRule::new("https://API.example.com:443/base/").unwrap().with_client(CLIENT).unwrap()
    }

    fn request(method: &str, fields: &[(&str, &str)]) -> HeaderList {
        HeaderList::new(method, fields.iter().map(|(name, value)| (*name, *value)))
    }

    /// All pairs of values. `true` in the columns means that the request is admitted.
    #[test]
    fn origin_and_site_must_agree() {
        let origins = [
            None,
            Some(OWN),
            Some(CLIENT),
            Some("null"),
            Some(""),
            Some("https://evil.example"),
            Some("http://api.example.com"),
            Some("https://api.example.com:444"),
            Some("https://api.example.com.evil.example"),
            Some("https://api.example.com/"),
            Some("HTTPS://API.EXAMPLE.COM"),
        ];
        let sites = [None, Some("same-origin"), Some("same-site"), Some("cross-site"), Some("none"), Some("x")];
        for origin in origins {
            // In the order of `sites`.
            let (by_post, by_get) = match origin {
                None => ([false, true, false, false, false, false], [false, true, false, false, false, false]),
                Some(OWN) => ([true, true, false, false, false, false], [false, true, false, false, false, false]),
                Some(CLIENT) => ([true, true, true, true, false, false], [false, true, false, false, false, false]),
                Some(_) => ([false; 6], [false; 6]),
            };
            for (index, site) in sites.iter().enumerate() {
                let fields: Vec<_> = [("origin", origin), ("sec-fetch-site", *site)]
                    .into_iter()
                    .filter_map(|(n, v)| Some((n, v?)))
                    .collect();
                for method in ["POST", "PUT", "DELETE", "PATCH", "get", "TRACE", ""] {
                    let request = request(method, &fields);
                    assert_eq!(rule().admit(&request).is_ok(), by_post[index], "{method} {origin:?} {site:?}");
                    assert_eq!(rule().check_cookie_request(&request).is_ok(), by_post[index]);
                }
                for method in ["GET", "HEAD"] {
                    let request = request(method, &fields);
                    assert_eq!(rule().admit(&request).is_ok(), by_get[index], "{method} {origin:?} {site:?}");
                    assert_eq!(rule().check_cookie_request(&request), Ok(()));
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
            assert_eq!(rule().admit(&request("POST", fields)), Err(CrossSiteRequest), "{fields:?}");
        }
    }

    #[test]
    fn native_clients_send_nothing_of_a_browser() {
        let native = ("x-client", "native");
        assert_eq!(rule().admit(&request("POST", &[native])), Ok(Client::Native));
        // A cookie shows a browser.
        assert!(rule().check_cookie_request(&request("POST", &[native])).is_err());
        for field in [
            ("origin", "https://evil.example"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "cors"),
            ("sec-fetch-dest", "empty"),
            ("sec-fetch-user", "?1"),
            ("x-client", "native"),
        ] {
            assert!(rule().admit(&request("POST", &[native, field])).is_err(), "{field:?}");
        }
        assert_eq!(rule().admit(&request("POST", &[native, ("origin", OWN)])), Ok(Client::Browser));
        for value in ["Native", "browser", ""] {
            assert!(rule().admit(&request("POST", &[("x-client", value)])).is_err(), "{value}");
        }
    }

    #[test]
    fn wrong_origins_are_configuration_errors() {
        for url in ["", "api.example.com", "http://api.example.com", "ftp://api.example.com", "https://a@b", "null"] {
            assert_eq!(OriginRule::new(url).unwrap_err().field(), "public_url", "{url}");
        }
        for origin in ["*", "https://app.example.com/path", "http://app.example.com", "https://app.example.com/?a"] {
            assert_eq!(rule().with_client(origin).unwrap_err().field(), "client_origin", "{origin}");
        }
        for own in ["http://localhost:8000", "http://127.0.0.1:8000/", "http://[::1]:8000", "http://app.localhost"] {
            let rule = OriginRule::new(own).unwrap();
            let origin = own.trim_end_matches('/');
            assert!(rule.admit(&request("POST", &[("origin", origin)])).is_ok(), "{own}");
        }
    }
}
