//! No kind of token passes as another one.

use std::time::Duration;

use portcullis::{Gate, JwtVerifier, Reason};
use portcullis_sessions::{BackchannelLogout, EventReceiver};
use serde_json::json;

use crate::provider::{LOGOUT, Provider, SESSION_REVOKED};

#[tokio::test]
async fn reports_are_no_access_tokens() {
    let provider = Provider::new();
    let audience = provider.issuer.audience();
    let types = [Some("secevent+jwt"), Some("logout+jwt"), Some("application/secevent+jwt"), Some("JWT"), None];
    // As much like an access token as possible: with the audience of the API, and an expiry.
    for events in [json!({SESSION_REVOKED: {}}), json!({LOGOUT: {}}), json!({})] {
        for typ in types {
            let token = provider.issuer.token().audience(audience).claim("events", &events);
            let token = match typ {
                Some(typ) => token.header("typ", typ),
                None => token.without_header("typ"),
            };
            let refused = provider.gate.verify(&token.sign()).await.unwrap_err();
            let expected = match typ {
                Some("JWT") | None => Reason::WrongTokenClass,
                _ => Reason::WrongType,
            };
            assert_eq!(refused.reason(), Some(expected), "{typ:?} {events}");
        }
    }
    let mislabeled = provider.issuer.token().claim("events", json!({LOGOUT: {}})).sign();
    let strict = provider.issuer.verifier().token_types(["at+jwt"]).build().unwrap();
    for gate in [provider.gate.clone(), Gate::new(strict)] {
        assert_eq!(gate.verify(&mislabeled).await.unwrap_err().reason(), Some(Reason::WrongTokenClass));
    }
}

#[tokio::test]
async fn access_tokens_are_no_reports() {
    let provider = Provider::new();
    let audience = provider.issuer.audience();
    let (url, keys) = (provider.issuer.url(), || provider.issuer.keys());
    let logout = BackchannelLogout::accepting_untyped(url, audience, keys(), &provider.deny_list).unwrap();
    let events = EventReceiver::builder(url, audience, keys(), &provider.deny_list).build().unwrap();
    let id_token = provider.issuer.token().header("typ", "JWT").claim("nonce", "n");
    for token in [
        provider.issuer.token(),
        provider.issuer.token().header("typ", "JWT"),
        provider.issuer.token().without_header("typ"),
        provider.issuer.token().without("exp"),
        id_token.clone(),
        // An ID token with an event is not a logout token, because of its nonce.
        id_token.claim("events", json!({LOGOUT: {}})),
    ] {
        let token = token.sign();
        assert!(logout.log_out(&token).await.is_err());
        assert!(events.process(&token).await.is_err());
    }
    let logout_token = provider.logout_token().audience(audience).sign();
    assert!(events.process(&logout_token).await.is_err());
    let event = provider.event(SESSION_REVOKED, json!({})).audience(audience).expires_in(Duration::from_secs(60));
    assert!(logout.log_out(&event.sign()).await.is_err());
}

/// A verifier with the options of people who are in a hurry.
#[tokio::test]
async fn lax_verifiers_refuse_reports() {
    let provider = Provider::new();
    let token = provider.logout_token().without_header("typ").without("exp").sign();
    let verifier = JwtVerifier::builder(
        portcullis::dangerous::any_issuer(),
        portcullis::dangerous::any_audience(),
        provider.issuer.keys(),
    );
    let verifier = verifier.dangerous().allow_missing_expiration().build().unwrap();
    assert_eq!(Gate::new(verifier).verify(&token).await.unwrap_err().reason(), Some(Reason::WrongTokenClass));
}
