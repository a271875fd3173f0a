//! Header parameters that change the meaning of a token.

use portcullis::error::InvalidToken;
use portcullis::jose::AlgorithmSet;
use portcullis::verifier::jws;
use portcullis_testing::TestIssuer;
use serde_json::{Value, json};

use crate::support::{admitted, encoded, refused};

#[tokio::test]
async fn crit_is_refused_for_every_name() {
    let issuer = TestIssuer::new();
    let gate = issuer.gate();
    let lists = [
        json!(["unheard-of"]),
        json!(["exp"]),
        json!(["alg"]),
        json!(["b64"]),
        json!([]),
        json!([1]),
        json!({}),
        json!(""),
        Value::Null,
    ];
    for crit in lists {
        let token = issuer.token().header("crit", &crit).header("unheard-of", true).sign();
        assert_eq!(refused(&gate, &token).await, InvalidToken::CriticalHeader, "{crit}");
    }
    // Other unknown parameters may be ignored (RFC 7515 §4).
    admitted(&gate, &issuer.token().header("unheard-of", true).sign()).await;
}

#[tokio::test]
async fn an_unencoded_payload_is_refused() {
    let issuer = TestIssuer::new();
    let gate = issuer.gate();
    for b64 in [json!(false), json!(true), Value::Null] {
        let token = issuer.token().header("b64", &b64).sign();
        assert_eq!(refused(&gate, &token).await, InvalidToken::CriticalHeader, "{b64}");
    }
    // RFC 7797: the signature covers the payload as it is, without base64url.
    let header = encoded(r#"{"alg":"RS256","kid":"RS256-1","b64":false,"crit":["b64"]}"#);
    let input = format!("{header}.{{\"sub\":\"admin\"}}");
    let token = format!("{input}.{}", encoded(issuer.first_key().sign(input.as_bytes())));
    assert_eq!(refused(&gate, &token).await, InvalidToken::CriticalHeader);
    admitted(&gate, &issuer.token().sign()).await;
}

#[tokio::test]
async fn crit_is_refused_for_other_signed_payloads() {
    let issuer = TestIssuer::new();
    let keys = issuer.keys();
    let token = issuer.token().payload("not claims").header("crit", ["exp"]).sign();
    let error = jws::verify(&token, &keys, AlgorithmSet::ASYMMETRIC).await.unwrap_err();
    assert_eq!(error.reason(), Some(portcullis::Reason::CriticalHeader));
    let token = issuer.token().payload("not claims").sign();
    assert_eq!(jws::verify(&token, &keys, AlgorithmSet::ASYMMETRIC).await.unwrap(), b"not claims");
}
