//! The page that sent a request, which decides about requests with cookies.

use std::sync::atomic::Ordering;

use crate::credential::RequestView;
use crate::error::CrossSiteRequest;
use crate::gate::Gate;

impl Gate {
    /// Checks the page that sent `request`, whose token is from a cookie.
    pub(super) fn check_page(&self, request: &dyn RequestView) -> Result<(), CrossSiteRequest> {
        self.0.origins.check_cookie_request(request).inspect_err(|error| {
            if let CrossSiteRequest::NoAllowedOrigins = error
                && !self.0.warned.swap(true, Ordering::Relaxed)
            {
                tracing::warn!(detail = %error, "unsafe requests with cookies are refused");
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;

    use super::*;
    use crate::claims::NoClaims;
    use crate::credential::{Credential, HeaderList, PresentedToken, TokenSource};
    use crate::error::AuthError;
    use crate::policy::Policy;
    use crate::verifier::{Evidence, Verified, Verifier};

    const OWN: (&str, &str) = ("origin", "https://api.example.com");
    const EVIL: (&str, &str) = ("origin", "https://evil.example");
    const COOKIE: (&str, &str) = ("cookie", "a=b; session=alice");

    /// Counts the tokens that it verifies. `bad` is refused.
    #[derive(Debug, Default)]
    struct Counting(AtomicUsize);

    #[async_trait]
    impl Verifier for &'static Counting {
        async fn verify(&self, credential: &Credential<'_>) -> Result<Verified, AuthError> {
            self.0.fetch_add(1, Ordering::SeqCst);
            Ok(Verified::from_claims(&serde_json::json!({"sub": credential.unverified_token()}), Evidence::Session)?)
        }
    }

    fn gate(sources: impl IntoIterator<Item = TokenSource>) -> (&'static Counting, Gate) {
        let verifier: &'static Counting = Box::leak(Box::default());
        (
            verifier,
            Gate::new(verifier).with_token_sources(sources).with_public_url("https://api.example.com/v1").unwrap(),
        )
    }

    /// The status of the answer on a route where the credential is required, and where it is optional.
    async fn statuses(gate: &Gate, method: &str, fields: &[(&str, &str)]) -> [u16; 2] {
        let (request, policy) = (HeaderList::new(method, fields.iter().copied()), Policy::authenticated());
        let required = gate.extract::<NoClaims>(&request, None, &policy).await.map(|_| ());
        let optional = gate.extract_optional::<NoClaims>(&request, None, &policy).await.map(|_| ());
        [required, optional].map(|answer| answer.map_or_else(|refusal| refusal.status, |()| 200))
    }

    #[tokio::test]
    async fn unsafe_request_by_cookie_needs_an_allowed_page() {
        let (verifier, gate) = gate([TokenSource::authorization(), TokenSource::cookie("session")]);
        for method in ["POST", "PUT", "PATCH", "DELETE", "CONNECT", "BREW", "get"] {
            for (fields, expected) in [(&[COOKIE, EVIL][..], 403), (&[COOKIE], 403), (&[COOKIE, OWN], 200)] {
                assert_eq!(statuses(&gate, method, fields).await, [expected; 2], "{method} {fields:?}");
                // A refused request never reaches the verifier.
                assert_eq!(verifier.0.swap(0, Ordering::SeqCst) > 0, expected == 200);
            }
        }
        for method in ["GET", "HEAD", "OPTIONS", "TRACE"] {
            assert_eq!(statuses(&gate, method, &[COOKIE, EVIL]).await, [200; 2], "{method}");
            assert_eq!(statuses(&gate, method, &[COOKIE, EVIL, ("upgrade", "websocket")]).await, [403; 2], "{method}");
        }
    }

    #[tokio::test]
    async fn source_that_authenticates_decides() {
        const HEADER: (&str, &str) = ("authorization", "Bearer alice");
        let sources = || [TokenSource::authorization(), TokenSource::cookie("session")];
        let (_, header_first) = gate(sources());
        let (_, cookie_first) = gate(sources().into_iter().rev());
        for gate in [&header_first, &cookie_first] {
            assert_eq!(statuses(gate, "POST", &[HEADER, EVIL]).await, [200; 2]);
            assert_eq!(statuses(gate, "POST", &[HEADER]).await, [200; 2]);
            assert_eq!(statuses(gate, "POST", &[EVIL]).await, [401, 200]);
        }
        assert_eq!(statuses(&header_first, "POST", &[HEADER, COOKIE, EVIL]).await, [200; 2]);
        assert_eq!(statuses(&cookie_first, "POST", &[HEADER, COOKIE, EVIL]).await, [403; 2]);
        // Another scheme does not count, so the cookie authenticates.
        assert_eq!(statuses(&header_first, "POST", &[("authorization", "Basic eA=="), COOKIE, EVIL]).await, [403; 2]);
    }

    #[tokio::test]
    async fn every_kind_of_cookie_source_counts() {
        let custom = |field: &'static str| {
            TokenSource::custom(field, move |request| {
                let mut token = None;
                request.header(field, &mut |value| token = std::str::from_utf8(value).ok());
                Ok(token.and_then(|value| value.strip_prefix("v1=")).map(PresentedToken::bearer))
            })
        };
        for (source, field, expected) in [
            (TokenSource::cookies(["one", "session"], |_| 0), COOKIE, 403),
            (custom("Cookie"), ("cookie", "v1=alice"), 403),
            (custom("x-session"), ("x-session", "v1=alice"), 200),
            (TokenSource::header("x-session"), ("x-session", "alice"), 200),
            (TokenSource::header("Cookie"), ("cookie", "alice"), 403),
            (TokenSource::header_with_scheme("Cookie"), ("cookie", "Bearer alice"), 403),
            (TokenSource::websocket_protocol(), ("sec-websocket-protocol", "bearer, alice"), 200),
        ] {
            let (_, gate) = gate([source]);
            assert_eq!(statuses(&gate, "POST", &[field, EVIL]).await, [expected; 2], "{field:?}");
            assert_eq!(statuses(&gate, "POST", &[field, OWN]).await, [200; 2], "{field:?}");
        }
    }

    #[tokio::test]
    async fn origins_are_added_to_that_of_the_public_url() {
        let (_, gate) = gate([TokenSource::cookie("session")]);
        let gate = gate.with_allowed_origins(["https://app.example.com"]).unwrap();
        let gate = gate.with_allowed_origins(["http://localhost:3000"]).unwrap();
        for (origin, expected) in [
            ("https://api.example.com", 200),
            ("https://app.example.com", 200),
            ("http://localhost:3000", 200),
            ("https://api.example.com/v1", 403),
            ("https://example.com", 403),
            ("null", 403),
        ] {
            assert_eq!(statuses(&gate, "POST", &[COOKIE, ("origin", origin)]).await, [expected; 2], "{origin}");
        }
        let gate = gate.with_public_url("https://new.example.com").unwrap();
        assert_eq!(statuses(&gate, "POST", &[COOKIE, OWN]).await, [403; 2]);
        assert_eq!(statuses(&gate, "POST", &[COOKIE, ("origin", "https://app.example.com")]).await, [200; 2]);
        assert_eq!(gate.with_allowed_origins(["app"]).unwrap_err().field(), "allowed_origins");
    }
}
