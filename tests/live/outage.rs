//! The provider is down, and comes back.

use portcullis_testing::TestIssuer;

use crate::provider::{Make, Wanted};
use crate::scenarios::LIFETIME;
use crate::services::Services;
use crate::{API, http::Answer};

pub(crate) fn an_outage_is_no_fault_of_the_callers(make: &'static Make) {
    let mut provider = (make.start)(LIFETIME);
    let issuer = provider.issuer().to_owned();
    let wanted = Wanted::scoped("read:messages");
    let variables = [("PORTCULLIS_ISSUER", issuer.as_str()), ("PORTCULLIS_AUDIENCE", API)];
    let holding = Services::start(&variables);
    let old = provider.token(&wanted);

    provider.kill();
    // Keys that are held go on serving, also while a token names a key that can't be looked for.
    assert_eq!(holding.get("/api/private-scoped", Some(&old)).status, 200);
    let unknown = TestIssuer::new().with_url(&issuer).with_audience(API).token().sign();
    assert_unavailable(&holding.get("/api/private", Some(&unknown)));
    assert_eq!(holding.get("/api/private-scoped", Some(&old)).status, 200);
    assert_eq!(holding.get("/readyz", None).status, 200);

    // Started now, a server can't tell a good token from a bad one, and says so.
    let waiting = Services::start_unready(&variables);
    for path in ["/api/private", "/api/private-scoped", "/api/greeting"] {
        assert_unavailable(&waiting.get(path, Some(&old)));
    }
    assert_eq!(waiting.get("/readyz", None).status, 503);
    assert_eq!(waiting.get("/healthz", None).status, 200);
    assert_eq!(waiting.get("/api/public", None).status, 200);
    assert_eq!(waiting.get("/api/greeting", None).json()["greeting"], "hello, anonymous");
    assert_eq!(waiting.get("/api/private", None).status, 401);

    provider.start_again();
    let new = provider.token(&wanted);
    for services in [&waiting, &holding] {
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
