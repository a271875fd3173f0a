//! Key sets as identity providers publish them: unusual members, encryption keys, missing `alg`.

use std::sync::Arc;

use portcullis::Gate;
use portcullis::error::InvalidToken;
use portcullis::jose::Algorithm;
use portcullis::keys::{FixedKeys, FixedKeysError, InvalidKey, VerifyingKey};
use portcullis_testing::TestIssuer;
use serde_json::{Value, json};

use crate::support::{
    ChangingKeys, admitted, builder_with, decoded, encoded, gate_for_jwks, gate_with, generated, key_set, refused,
    with_member,
};

#[tokio::test]
async fn an_rsa_jwk_without_alg_never_serves_hs256() {
    let issuer = TestIssuer::new();
    let jwk = with_member(issuer.first_key().jwk(), "alg", Value::Null);
    let set = key_set(std::slice::from_ref(&jwk));
    assert_eq!(set.algorithms().to_string(), "PS256, PS384, PS512, RS256, RS384, RS512");
    let gate = gate_for_jwks(&issuer, &[jwk]);
    admitted(&gate, &issuer.token().sign()).await;
    for forgery in issuer.forgeries().iter().filter(|forgery| forgery.name.starts_with("HS256")) {
        assert_eq!(refused(&gate, &forgery.token).await, InvalidToken::AlgorithmNotAllowed, "{}", forgery.name);
    }
}

#[tokio::test]
async fn alg_and_use_are_optional_in_a_jwk() {
    for algorithm in [Algorithm::Es256, Algorithm::Es384, Algorithm::Es512, Algorithm::EdDsa, Algorithm::Ps256] {
        let issuer = TestIssuer::from_algorithms([algorithm]);
        let jwk = with_member(with_member(issuer.first_key().jwk(), "alg", Value::Null), "use", Value::Null);
        admitted(&gate_for_jwks(&issuer, &[jwk]), &issuer.token().sign()).await;
    }
}

#[tokio::test]
async fn oct_and_okp_are_not_confused() {
    let issuer = TestIssuer::from_algorithms([Algorithm::EdDsa]);
    let okp = issuer.first_key().jwk();
    let x = okp["x"].as_str().unwrap().to_owned();
    // Each type, with the members of the other type added.
    let disguised_okp = with_member(okp.clone(), "k", x.as_str());
    let oct = json!({"kty": "oct", "crv": "Ed25519", "x": x, "k": x, "kid": "secret"});
    let set = key_set(&[oct.clone(), disguised_okp.clone()]);
    assert_eq!(set.algorithms(), Algorithm::EdDsa.into());
    assert_eq!(set.skipped()[0].why, InvalidKey::SymmetricInSet);
    assert_eq!(VerifyingKey::from_jwk(&oct.to_string()).unwrap_err(), InvalidKey::SymmetricInSet);
    assert_eq!(VerifyingKey::from_secret_jwk(&okp.to_string()).unwrap_err(), InvalidKey::UnsupportedType);

    // An HMAC with the public bytes as the secret is refused, also when HMAC is allowed.
    let (input, _) = (issuer.token().header("alg", "HS256").signing_input(), ());
    let keyed = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &decoded(&x));
    let token = format!("{input}.{}", encoded(aws_lc_rs::hmac::sign(&keyed, input.as_bytes())));
    let gate = gate_for_jwks(&issuer, &[oct, disguised_okp.clone()]);
    assert_eq!(refused(&gate, &token).await, InvalidToken::AlgorithmNotAllowed);
    let keys = FixedKeys::jwks(&json!({ "keys": [disguised_okp] }).to_string()).unwrap();
    let wide = builder_with(&issuer, keys).algorithms([Algorithm::EdDsa, Algorithm::Hs256]);
    assert_eq!(refused(&Gate::new(wide.build().unwrap()), &token).await, InvalidToken::UnknownKey);
    admitted(&gate, &issuer.token().sign()).await;

    // A configured secret does not verify EdDSA.
    let hmac = TestIssuer::from_algorithms([Algorithm::Hs256]);
    assert_eq!(refused(&hmac.gate(), &issuer.token().sign()).await, InvalidToken::AlgorithmNotAllowed);
    admitted(&hmac.gate(), &hmac.token().sign()).await;
}

#[tokio::test]
async fn one_unusable_key_does_not_fail_the_set() {
    let issuer = TestIssuer::new();
    let good = issuer.first_key().jwk();
    let ec = generated(Algorithm::Es256, "odd").1;
    let okp = generated(Algorithm::EdDsa, "odd").1;
    let ml_dsa = generated(Algorithm::MlDsa65, "odd").1;
    let rsa = with_member(good.clone(), "kid", "odd");
    let shortened = |jwk: &Value, member: &str| {
        let bytes = decoded(jwk[member].as_str().unwrap());
        with_member(jwk.clone(), member, encoded(&bytes[1..]))
    };
    let malformed = |member| InvalidKey::MalformedMember { member };
    let missing = |member| InvalidKey::MissingMember { member };
    let odd = [
        (shortened(&ml_dsa, "pub"), malformed("pub")),
        (with_member(ml_dsa.clone(), "alg", Value::Null), missing("alg")),
        (with_member(ml_dsa, "alg", "SLH-DSA-SHA2-128s"), InvalidKey::AlgorithmUnknown),
        (with_member(rsa.clone(), "kty", "FOO"), InvalidKey::UnsupportedType),
        (with_member(rsa.clone(), "kty", Value::Null), missing("kty")),
        (with_member(rsa.clone(), "kty", 7), malformed("kty")),
        (with_member(rsa.clone(), "alg", "RS1"), InvalidKey::AlgorithmUnknown),
        (with_member(rsa.clone(), "alg", "none"), InvalidKey::AlgorithmUnknown),
        (with_member(rsa.clone(), "alg", "ES256"), InvalidKey::AlgorithmUnfit),
        (with_member(rsa.clone(), "alg", "HS256"), InvalidKey::AlgorithmUnfit),
        (with_member(rsa.clone(), "kid", 7), malformed("kid")),
        (with_member(rsa.clone(), "use", "enc"), InvalidKey::NotForVerifying),
        (with_member(rsa.clone(), "key_ops", json!(["encrypt"])), InvalidKey::NotForVerifying),
        (with_member(rsa.clone(), "n", encoded([0xff; 128])), InvalidKey::RsaModulus { bits: 1024 }),
        (with_member(rsa.clone(), "e", encoded([1])), InvalidKey::RsaExponent),
        (with_member(rsa, "e", "AQAB=="), malformed("e")),
        (with_member(ec.clone(), "crv", "secp256k1"), InvalidKey::UnsupportedCurve),
        (with_member(ec.clone(), "crv", "P-384"), malformed("x")),
        (with_member(ec.clone(), "y", ec["x"].clone()), InvalidKey::NotOnCurve),
        (shortened(&ec, "x"), malformed("x")),
        (with_member(okp.clone(), "crv", "X25519"), InvalidKey::UnsupportedCurve),
        (with_member(okp.clone(), "crv", "Ed448"), InvalidKey::UnsupportedCurve),
        (with_member(okp.clone(), "x", encoded([0; 32])), InvalidKey::WeakPoint),
        (shortened(&okp, "x"), malformed("x")),
        (json!({"kty": "oct", "k": encoded([7; 64])}), InvalidKey::SymmetricInSet),
        (json!({}), missing("kty")),
        (json!(null), InvalidKey::NotAnObject),
        (json!("key"), InvalidKey::NotAnObject),
        (json!([]), InvalidKey::NotAnObject),
    ];
    let token = issuer.token().sign();
    for (jwk, why) in &odd {
        let set = key_set(&[jwk.clone(), good.clone(), jwk.clone()]);
        assert_eq!(set.len(), 1, "{jwk}");
        let skipped: Vec<_> = set.skipped().iter().map(|skipped| (skipped.index, &skipped.why)).collect();
        assert_eq!(skipped, [(0, why), (2, why)], "{jwk}");
        admitted(&gate_for_jwks(&issuer, &[jwk.clone(), good.clone(), jwk.clone()]), &token).await;
    }
    let all: Vec<Value> = odd.iter().map(|(jwk, _)| jwk.clone()).chain([good]).collect();
    admitted(&gate_for_jwks(&issuer, &all), &token).await;
}

#[tokio::test]
async fn a_key_of_a_new_kind_changes_nothing() {
    let issuer = TestIssuer::from_algorithms([Algorithm::Rs256, Algorithm::MlDsa65, Algorithm::EdDsa]);
    let gate = gate_for_jwks(&issuer, &issuer.signing_keys().iter().map(|key| key.jwk()).collect::<Vec<_>>());
    for key in issuer.signing_keys() {
        admitted(&gate, &issuer.token().algorithm(key.algorithm()).sign()).await;
    }
}

#[tokio::test]
async fn a_private_key_in_a_set_serves_as_public_key() {
    // RFC 8037, appendix A.1.
    let private = json!({
        "kty": "OKP", "crv": "Ed25519", "kid": "private",
        "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    });
    let issuer = TestIssuer::new();
    let set = key_set(&[private.clone(), issuer.first_key().jwk()]);
    assert_eq!((set.len(), set.skipped().len()), (2, 0));
    let key = set.keys().next().unwrap();
    assert_eq!(key.member::<String>("d"), None);
    assert!(!format!("{set:?}").contains("nWGx"));
    admitted(&gate_for_jwks(&issuer, &[private, issuer.first_key().jwk()]), &issuer.token().sign()).await;
}

#[tokio::test]
async fn a_key_for_encryption_is_never_used() {
    let issuer = TestIssuer::new();
    let signing = issuer.first_key().jwk();
    let (encrypting, jwk) = generated(Algorithm::Rs256, "enc");
    let purposes = [
        with_member(with_member(jwk.clone(), "use", "enc"), "alg", "RSA-OAEP"),
        with_member(with_member(jwk.clone(), "use", "enc"), "alg", Value::Null),
        with_member(jwk.clone(), "use", "enc"),
        with_member(with_member(jwk.clone(), "use", Value::Null), "key_ops", json!(["encrypt", "wrapKey"])),
        with_member(jwk, "alg", "RSA-OAEP-256"),
    ];
    for jwk in purposes {
        let gate = gate_for_jwks(&issuer, &[jwk.clone(), signing.clone()]);
        let by_it = issuer.token().signed_with(encrypting.clone());
        assert_eq!(refused(&gate, &by_it.sign()).await, InvalidToken::UnknownKey, "{jwk}");
        let unnamed = by_it.without_header("kid").sign();
        assert_eq!(refused(&gate, &unnamed).await, InvalidToken::BadSignature, "{jwk}");
        // It does not make the choice ambiguous for a token without `kid` either.
        admitted(&gate, &issuer.token().without_header("kid").sign()).await;
    }
}

#[tokio::test]
async fn a_set_without_usable_keys_says_why() {
    let issuer = TestIssuer::new();
    let jwk = with_member(issuer.first_key().jwk(), "use", "enc");
    match FixedKeys::jwks(&json!({ "keys": [jwk, {"kty": "FOO"}] }).to_string()) {
        Err(FixedKeysError::NoUsableKey { skipped }) => assert_eq!(
            skipped,
            [
                "key 0 (kid \"RS256-1\"): its use or key_ops do not include verifying signatures",
                "key 1: unsupported key type",
            ]
        ),
        other => panic!("{other:?}"),
    }
    assert!(FixedKeys::jwks(&issuer.jwks()).is_ok());
}

#[tokio::test]
async fn two_fitting_keys_are_not_both_tried() {
    let issuer = TestIssuer::new();
    let (_, other) = generated(Algorithm::Rs256, "RS256-1");
    let gate = gate_for_jwks(&issuer, &[issuer.first_key().jwk(), other.clone()]);
    assert_eq!(refused(&gate, &issuer.token().sign()).await, InvalidToken::AmbiguousKey);
    let gate = gate_for_jwks(&issuer, &[issuer.first_key().jwk(), with_member(other, "kid", "RS256-2")]);
    let unnamed = issuer.token().without_header("kid").sign();
    assert_eq!(refused(&gate, &unnamed).await, InvalidToken::AmbiguousKey);
    admitted(&gate, &issuer.token().sign()).await;
}

#[tokio::test]
async fn unavailable_keys_are_an_outage() {
    let issuer = TestIssuer::new();
    let keys = ChangingKeys::new(issuer.keys());
    let gate = gate_with(&issuer, Arc::clone(&keys));
    let token = issuer.token().sign();
    keys.fail();
    let error = gate.verify(&token).await.unwrap_err();
    assert_eq!(error.reason(), None);
    let refusal = gate.refuse(&error);
    assert_eq!(refusal.status, 503);
    assert!(refusal.headers.contains(&("retry-after".into(), "7".into())), "{refusal:?}");
    assert!(!refusal.headers.iter().any(|(name, _)| name == "www-authenticate"), "{refusal:?}");
    // A token that is bad before its key is needed is still refused as bad.
    let unsigned = issuer.token().header("alg", "none").sign();
    assert_eq!(refused(&gate, &unsigned).await, InvalidToken::AlgorithmNotAllowed);
    // A key that is known to be absent is not an outage.
    keys.replace(FixedKeys::key(generated(Algorithm::Rs256, "other").0.verifying_key()));
    assert_eq!(refused(&gate, &token).await, InvalidToken::UnknownKey);
    keys.replace(issuer.keys());
    admitted(&gate, &token).await;
}
