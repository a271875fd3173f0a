//! Tests what the log says about things that belong in tests only.

use portcullis::adapter::HeaderList;
use portcullis::{Policy, TokenSource};
use portcullis_testing::TestIssuer;

use crate::log::Log;

#[test]
fn gate_that_admits_everyone_is_logged_as_an_error() {
    let log = Log::of(|| drop(portcullis_testing::gate_admitting(&serde_json::json!({"sub": "alice"})).unwrap()));
    assert_eq!(log.matches("ERROR").count(), 1, "{log}");
    assert!(log.contains("lets every request in without a token") && !log.contains("alice"), "{log}");
}

/// Its own pages are refused too, so the log has to say what to set. Anyone can send such requests, so it says that once.
#[test]
fn cookies_without_allowed_origins_are_logged_once() {
    let issuer = TestIssuer::new();
    let cookie = format!("session={}", issuer.token().sign());
    let request = HeaderList::new("POST", [("cookie", cookie.as_str()), ("origin", "https://app.example.com")]);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let log = Log::of(|| {
        let gate = issuer.gate().with_token_sources([TokenSource::cookie("session")]);
        for gate in [gate.clone(), gate.clone(), gate.with_realm("other")] {
            let refused = runtime.block_on(gate.admit(&request, &Policy::authenticated())).unwrap_err();
            assert_eq!(refused.code(), "cross_site_request");
        }
    });
    assert_eq!(log.matches("WARN").count(), 1, "{log}");
    assert!(log.contains("no origin is allowed: set the public URL of the gate, or its allowed origins"), "{log}");
}
