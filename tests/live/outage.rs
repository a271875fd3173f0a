//! Tests an outage of the OpenID provider, and the recovery.

use portcullis_testing::TestIssuer;

use crate::provider::{ProviderKind, TokenRequest};
use crate::scenarios::LIFETIME;
use crate::services::Services;
use crate::{API, http::Answer};

pub(crate) fn outage_is_answered_with_503(kind: &'static ProviderKind) {
    let mut provider = (kind.start)(LIFETIME);
    let issuer = provider.issuer().to_owned();
    let request = TokenRequest::scoped("read:messages");
    let variables = [("PORTCULLIS_ISSUER", issuer.as_str()), ("PORTCULLIS_AUDIENCE", API)];
    let with_keys = Services::start(&variables);
    let old = provider.token(&request);

    provider.kill();
    // Cached keys still work, even after a token names a key that cannot be fetched.
    assert_eq!(with_keys.get("/api/private-scoped", Some(&old)).status, 200);
    let unknown = TestIssuer::new().with_url(&issuer).with_audience(API).token().sign();
    assert_unavailable(&with_keys.get("/api/private", Some(&unknown)));
    assert_eq!(with_keys.get("/api/private-scoped", Some(&old)).status, 200);
    assert_eq!(with_keys.get("/readyz", None).status, 200);

    // A server that is started now has no keys, so it cannot judge any token.
    let without_keys = Services::start_unready(&variables);
    for path in ["/api/private", "/api/private-scoped", "/api/greeting"] {
        assert_unavailable(&without_keys.get(path, Some(&old)));
    }
    assert_eq!(without_keys.get("/readyz", None).status, 503);
    assert_eq!(without_keys.get("/healthz", None).status, 200);
    assert_eq!(without_keys.get("/api/public", None).status, 200);
    assert_eq!(without_keys.get("/api/greeting", None).json()["greeting"], "hello, anonymous");
    assert_eq!(without_keys.get("/api/private", None).status, 401);

    provider.start_again();
    let new = provider.token(&request);
    for services in [&without_keys, &with_keys] {
        services.wait_for_status(200, "/api/private-scoped", Some(&new));
        assert_eq!(services.get("/readyz", None).status, 200);
    }
}

fn assert_unavailable(answer: &Answer) {
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_eq!(answer.json()["error"], "temporarily_unavailable");
    assert!(answer.all("www-authenticate").is_empty(), "{answer:?}");
    let seconds: u32 = answer.all("retry-after")[0].parse().unwrap();
    assert!(seconds >= 1, "{answer:?}");
}
