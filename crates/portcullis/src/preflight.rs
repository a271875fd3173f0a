//! CORS preflight requests, which a guard answers itself.

use crate::credential::{RequestView, is_absent, is_token, the_only_field, trim};

/// The answer to a CORS preflight request, without a body. It has no CORS fields: these come from the CORS layer or the
/// proxy around the guard.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct PreflightAnswer {
    /// The status code: 204.
    pub status: u16,
    /// The header fields; names in lower case.
    pub headers: &'static [(&'static str, &'static str)],
}

impl PreflightAnswer {
    pub(crate) const fn new() -> Self {
        const VARY: &str = "origin, access-control-request-method, access-control-request-headers";
        Self { status: 204, headers: &[("vary", VARY)] }
    }
}

/// Whether `request` is a CORS preflight request, as a browser sends it (Fetch Standard, §4.8): OPTIONS, one origin, one
/// method, no body and no upgrade. It is false for all that two readers could understand differently.
pub(crate) fn is_preflight(request: &dyn RequestView) -> bool {
    request.method() == "OPTIONS"
        && the_only_value(request, "origin").is_some_and(is_origin)
        && the_only_value(request, "access-control-request-method").is_some_and(is_token)
        && has_no_body(request)
        && is_absent(request, "upgrade")
}

/// One origin, or `null` (RFC 6454 §7): no list, and no white space.
fn is_origin(value: &[u8]) -> bool {
    !value.is_empty() && value.iter().all(|byte| byte.is_ascii_graphic() && *byte != b',')
}

/// A body has a length or is in chunks (RFC 9112 §6).
fn has_no_body(request: &dyn RequestView) -> bool {
    let mut is_zero = true;
    request.header("content-length", &mut |value| is_zero &= value == b"0");
    is_zero && is_absent(request, "transfer-encoding") && !request.may_have_unannounced_body()
}

fn the_only_value<'a>(request: &'a dyn RequestView, name: &str) -> Option<&'a [u8]> {
    the_only_field(request, name).ok().flatten().map(trim)
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;
    use crate::credential::HeaderList;

    const ORIGIN: (&str, &str) = ("Origin", "https://a.example");
    const METHOD: (&str, &str) = ("Access-Control-Request-Method", "DELETE");

    #[test]
    fn preflight_has_one_origin_and_one_method() {
        let is_one = |fields: &[(&str, &str)]| is_preflight(&HeaderList::new("OPTIONS", fields.iter().copied()));
        for fields in [
            &[ORIGIN, METHOD][..],
            &[METHOD, ORIGIN, ("Access-Control-Request-Headers", "authorization")],
            &[("origin", "null"), ("access-control-request-method", "x-custom")],
            &[ORIGIN, METHOD, ("content-length", "0")],
            // Methods that other fields claim do not count, and neither does a token.
            &[ORIGIN, METHOD, ("x-http-method-override", "DELETE"), ("authorization", "Bearer x")],
        ] {
            assert!(is_one(fields), "{fields:?}");
        }
        for fields in [
            &[][..],
            &[ORIGIN],
            &[METHOD],
            &[ORIGIN, ORIGIN, METHOD],
            &[ORIGIN, METHOD, METHOD],
            &[("origin", ""), METHOD],
            &[("origin", " "), METHOD],
            &[("origin", "https://a.example https://b.example"), METHOD],
            &[("origin", "https://a.example,https://b.example"), METHOD],
            &[("origin", "https://\u{e9}.example"), METHOD],
            &[ORIGIN, ("access-control-request-method", "")],
            &[ORIGIN, ("access-control-request-method", " \t")],
            &[ORIGIN, ("access-control-request-method", "GET POST")],
            &[ORIGIN, ("access-control-request-method", "GET, POST")],
            &[ORIGIN, ("access-control-request-method", "G(T")],
            &[ORIGIN, ("access-control-request-method", "G\u{e9}T")],
            &[ORIGIN, ("access-control-request-method-x", "GET")],
        ] {
            assert!(!is_one(fields), "{fields:?}");
        }
    }

    #[test]
    fn preflight_has_no_body_and_no_upgrade() {
        for more in [
            &[("content-length", "1")][..],
            &[("content-length", "00")],
            &[("content-length", "")],
            &[("content-length", "0, 0")],
            &[("content-length", "0"), ("content-length", "5")],
            &[("transfer-encoding", "chunked")],
            &[("transfer-encoding", "")],
            &[("upgrade", "websocket")],
        ] {
            let request = HeaderList::new("OPTIONS", [ORIGIN, METHOD].iter().chain(more).copied());
            assert!(!is_preflight(&request), "{more:?}");
        }
        for method in ["GET", "options", "OPTION", "OPTIONS ", "POST", ""] {
            assert!(!is_preflight(&HeaderList::new(method, [ORIGIN, METHOD])), "{method:?}");
        }
    }

    /// A request over HTTP/2 whose stream is not at its end.
    struct WithBody(HeaderList);

    impl RequestView for WithBody {
        fn header<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
            self.0.header(name, visit);
        }

        fn method(&self) -> Cow<'_, str> {
            self.0.method()
        }

        fn may_have_unannounced_body(&self) -> bool {
            true
        }
    }

    #[test]
    fn unannounced_body_is_a_body() {
        assert!(!is_preflight(&WithBody(HeaderList::new("OPTIONS", [ORIGIN, METHOD]))));
    }
}
