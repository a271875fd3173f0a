//! Verifies the tokens and claims that RFC 7523, 7797, 7800, 8705, 9068 and 9449 print.

use portcullis::clock::ManualClock;
use portcullis::jose::AlgorithmSet;
use portcullis::keys::{FixedKeys, InvalidKey, VerifyingKey};
use portcullis::verifier::jws;
use portcullis::{AuthError, Gate, JwtVerifier, Reason, Verified, dangerous};
use portcullis_testing::TestIssuer;
use serde_json::Value;

use crate::vectors::{read, text};

/// Verifies at `seconds` since 1970, with any issuer and audience, because the examples vary.
async fn verify(keys: FixedKeys, token: &str, seconds: i64) -> Result<Verified, AuthError> {
    let builder = JwtVerifier::builder(dangerous::any_issuer(), dangerous::any_audience(), keys);
    let verifier = builder.clock(ManualClock::at_unix(seconds)).build().unwrap();
    Ok(Gate::new(verifier).verify(token).await?)
}

fn reason(result: Result<Verified, AuthError>) -> Option<Reason> {
    result.unwrap_err().reason()
}

#[tokio::test]
async fn dpop_proofs_and_bound_tokens_are_refused() {
    let Some(examples) = read("rfc/rfc9449_dpop.json") else { return };
    let issuer = TestIssuer::new();
    let (mut proofs, mut bound) = (0, 0);
    for example in examples.as_array().unwrap() {
        if let Some(proof) = example.get("proof").and_then(Value::as_str) {
            let keys = || FixedKeys::jwk(&example["jwk"].to_string()).unwrap();
            assert!(jws::verify(proof, &keys(), AlgorithmSet::ASYMMETRIC).await.is_ok(), "its signature is good");
            let now = example["now"].as_i64().unwrap();
            assert_eq!(reason(verify(keys(), proof, now).await), Some(Reason::WrongType));
            // The key in its header is not used.
            let strangers = TestIssuer::from_algorithms([portcullis::jose::Algorithm::Es256]).keys();
            assert_eq!(
                jws::verify(proof, &strangers, AlgorithmSet::ASYMMETRIC).await.unwrap_err().reason(),
                Some(Reason::BadSignature)
            );
            proofs += 1;
        } else {
            // The RFC does not print the key of this token's issuer, so we sign its claims.
            let claims = &example["claims"];
            let token = issuer.token().payload(claims.to_string()).sign();
            let now = claims["exp"].as_i64().unwrap() - 1;
            assert_eq!(reason(verify(issuer.keys(), &token, now).await), Some(Reason::SenderConstrained));
            assert_eq!(
                reason(verify(issuer.keys(), text(example, "token"), now).await),
                Some(Reason::AlgorithmNotAllowed)
            );
            bound += 1;
        }
    }
    println!("rfc9449_dpop: {proofs} proofs rejected as tokens, {bound} bound token rejected as a bearer token");
    assert_eq!((proofs, bound), (2, 1));
}

#[tokio::test]
async fn printed_claims() {
    let Some(examples) = read("rfc/rfc_claims_and_metadata_examples.json") else { return };
    let issuer = TestIssuer::new();
    let (mut bound, mut accepted, mut keys, mut others) = (0, 0, 0, 0);
    for example in examples.as_array().unwrap() {
        let object = &example["object"];
        let is_token = object.get("exp").is_some();
        if is_token {
            let token = issuer.token().payload(object.to_string()).sign();
            let result = verify(issuer.keys(), &token, object["exp"].as_i64().unwrap() - 1).await;
            if object.get("cnf").is_some() {
                assert_eq!(reason(result), Some(Reason::SenderConstrained), "{object}");
                bound += 1;
            } else {
                assert_eq!(result.unwrap().claims::<Value>().as_ref(), Ok(object));
                accepted += 1;
            }
        } else if let Some(key_type) = object.get("kty") {
            let key = VerifyingKey::from_jwk(&object.to_string());
            match key_type.as_str() {
                Some("oct") => assert_eq!(key.unwrap_err(), InvalidKey::SymmetricInSet),
                _ => assert_eq!(key.unwrap().algorithms().to_string(), "ES256"),
            }
            keys += 1;
        } else {
            others += 1;
        }
    }
    println!(
        "rfc_claims_and_metadata_examples: {bound} rejected as bound to a key, {accepted} accepted before they expire, \
         {keys} keys, {others} headers and metadata left out"
    );
    assert_eq!((bound, accepted, keys, others), (6, 2, 2, 7));
}

#[tokio::test]
async fn an_unencoded_payload_is_refused_in_every_form() {
    let Some(examples) = read("rfc/rfc7797.json") else { return };
    let key = VerifyingKey::from_secret_jwk(&examples[0]["jwk"].to_string()).unwrap();
    let algorithms = key.algorithms();
    let keys = FixedKeys::key(key);
    let json = &examples[2]["json"][0];
    let (protected, signature) = (text(json, "protected"), text(json, "signature"));
    let mut rejected = 0;
    // Its payload `$.02`: as it is, without the dot, encoded, and left out.
    for payload in ["$.02", "$02", "JC4wMg", ""] {
        let token = format!("{protected}.{payload}.{signature}");
        let reason = jws::verify(&token, &keys, algorithms).await.unwrap_err().reason().unwrap();
        let expected = if payload == "$.02" { Reason::NotCompactJws } else { Reason::CriticalHeader };
        assert_eq!(reason, expected, "{payload}");
        rejected += 1;
    }
    println!("rfc7797: b64 false rejected in {rejected} forms");
}
