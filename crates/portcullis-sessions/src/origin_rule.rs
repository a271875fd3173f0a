//! The protection of the routes for sessions against cross-site requests (CSRF).

use portcullis::ConfigError;
use portcullis::adapter::RequestView;
use portcullis::cross_site::AllowedOrigins;
use portcullis::error::CrossSiteRequest;

/// Decides whether a request that begins, refreshes or ends a session may come from the page that sent it.
///
/// [`AllowedOrigins`] has the rule. It has to hold for login and registration too, although no cookie is there yet: otherwise
/// another site logs its visitors into an account of the attacker. All other routes are protected by their gate
/// ([`Gate::with_allowed_origins`](portcullis::Gate::with_allowed_origins)).
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
    origins: AllowedOrigins,
    pub(crate) get_is_allowed: bool,
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

impl OriginRule {
    /// Makes the rule of a service whose own pages are at `public_url`.
    ///
    /// # Errors
    /// [`ConfigError`] when it is not an https URL, or an http URL of this machine.
    pub fn new(public_url: &str) -> Result<Self, ConfigError> {
        Ok(Self { origins: AllowedOrigins::of_service(public_url)?, get_is_allowed: false })
    }

    /// Allows the pages of a further origin, for example of a front end with its own address.
    ///
    /// # Errors
    /// [`ConfigError`] when it is not an https origin, or an http origin of this machine, without a path.
    pub fn with_client(mut self, origin: &str) -> Result<Self, ConfigError> {
        self.origins = self.origins.and([origin]).map_err(|error| error.with_field("client_origin"))?;
        Ok(self)
    }

    /// Also admits GET and HEAD requests, if they have `Sec-Fetch-Site: same-origin`: for existing clients that refresh or
    /// log out with GET. Default: they are refused, because a link on another site leads to a GET request with cookies.
    #[must_use]
    pub fn allow_get(mut self) -> Self {
        self.get_is_allowed = true;
        self
    }

    /// Admits a request that begins, refreshes or ends a session. GET and HEAD of a browser need
    /// [`allow_get`](Self::allow_get); its OPTIONS and TRACE are refused.
    ///
    /// A request with the header field `X-Client: native`, and without `Origin` and Fetch Metadata, is not from a page: no
    /// page can send this field to another origin without its consent, and browsers add the others to such requests.
    ///
    /// # Errors
    /// [`CrossSiteRequest`] when the request may come from another site.
    pub fn admit(&self, request: &dyn RequestView) -> Result<Client, CrossSiteRequest> {
        if is_native(request) {
            return Ok(Client::Native);
        }
        match &*request.method() {
            "GET" | "HEAD" if self.get_is_allowed => self.origins.check_same_origin(request)?,
            "GET" | "HEAD" | "OPTIONS" | "TRACE" => return Err(CrossSiteRequest::Link),
            _ => self.origins.check(request)?,
        }
        Ok(Client::Browser)
    }
}

fn is_native(request: &dyn RequestView) -> bool {
    let of_browsers = ["origin", "sec-fetch-site", "sec-fetch-mode", "sec-fetch-dest", "sec-fetch-user"];
    let mut clients = Vec::new();
    request.header("x-client", &mut |value| clients.push(value));
    let is_absent = |name: &&str| {
        let mut is_absent = true;
        request.header(name, &mut |_| is_absent = false);
        is_absent
    };
    clients == [b"native"] && of_browsers.iter().all(is_absent)
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

    /// The core has the rule and all pairs of values.
    #[test]
    fn rule_of_the_core_holds_for_every_session_route() {
        for (fields, is_admitted) in [
            (&[("origin", OWN), ("sec-fetch-site", "same-origin")][..], true),
            (&[("origin", OWN)], true),
            (&[("origin", CLIENT), ("sec-fetch-site", "same-site")], true),
            (&[("sec-fetch-site", "same-origin")], true),
            (&[], false),
            (&[("sec-fetch-site", "none")], false),
            (&[("origin", OWN), ("sec-fetch-site", "cross-site")], false),
            (&[("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")], false),
            (&[("origin", "null")], false),
            (&[("origin", OWN), ("origin", OWN)], false),
        ] {
            for method in ["POST", "DELETE", "get"] {
                assert_eq!(rule().admit(&request(method, fields)).is_ok(), is_admitted, "{method} {fields:?}");
            }
        }
    }

    #[test]
    fn get_needs_the_switch_and_the_same_origin() {
        let same_origin = ("sec-fetch-site", "same-origin");
        for (fields, is_admitted) in [
            (&[same_origin][..], true),
            (&[same_origin, ("origin", OWN)], true),
            (&[same_origin, ("origin", "https://evil.example")], false),
            (&[], false),
            (&[("origin", OWN)], false),
            (&[("origin", CLIENT), ("sec-fetch-site", "same-site")], false),
            (&[("sec-fetch-site", "none")], false),
            (&[("sec-fetch-site", "cross-site")], false),
        ] {
            for method in ["GET", "HEAD"] {
                let request = request(method, fields);
                assert_eq!(rule().allow_get().admit(&request).is_ok(), is_admitted, "{method} {fields:?}");
                assert!(rule().admit(&request).is_err(), "{method} {fields:?}");
            }
            for method in ["OPTIONS", "TRACE"] {
                assert!(rule().allow_get().admit(&request(method, fields)).is_err(), "{method} {fields:?}");
            }
        }
    }

    #[test]
    fn native_clients_send_nothing_of_a_browser() {
        let native = ("x-client", "native");
        assert_eq!(rule().admit(&request("POST", &[native])), Ok(Client::Native));
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
