//! Algorithm and key confusion.

use std::sync::Arc;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis::error::InvalidToken;
use portcullis::jose::{Algorithm, AlgorithmSet};
use portcullis::keys::{FixedKeys, FixedKeysError, InvalidKey, KeyError, KeyQuery, VerifyingKey};
use portcullis::{Gate, KeyProvider, async_trait};
use portcullis_testing::TestIssuer;
use serde_json::{Value, json};

use crate::support::{
    admitted, builder_with, decoded, encoded, gate_for_jwks, gate_with, generated, refused, with_member,
};

/// CVE-2016-5431, CVE-2017-11424, CVE-2022-29217, CVE-2023-48223, CVE-2024-33663, CVE-2024-37568, CVE-2026-34950 and
/// GHSA-xgmm-8j9v-c9wx: a public key in one of these forms was used as the secret of an HMAC.
#[tokio::test]
async fn cve_2022_29217_public_keys_are_not_secrets() {
    let issuer = TestIssuer::new();
    let key = issuer.first_key();
    let der = key.public_key_der().unwrap();
    let pem = issuer.public_key_pem();
    // The RSAPublicKey in the SubjectPublicKeyInfo, after its header, which has 24 bytes for a key of 2048 bits.
    let pkcs1 = der[24..].to_vec();
    assert!(VerifyingKey::from_der(&pkcs1).is_ok());
    let pkcs1_pem = pem_section("RSA PUBLIC KEY", &pkcs1);
    assert!(VerifyingKey::from_pem(&pkcs1_pem).is_ok());
    let forms: Vec<Vec<u8>> = vec![
        pem.clone().into(),
        pem.trim_end().into(),
        pem.replace("\r\n", "\n").into(),
        format!("\n \t{pem}").into(),
        pkcs1_pem.clone().into(),
        format!(" {pkcs1_pem}").into(),
        format!("ssh-rsa {}", encoded(&pkcs1)).into(),
        key.jwk().to_string().into(),
        issuer.jwks().into(),
        decoded(key.jwk()["n"].as_str().unwrap()),
        key.jwk()["n"].as_str().unwrap().into(),
        der,
        pkcs1,
    ];
    let narrow = issuer.gate();
    let wide =
        Gate::new(issuer.verifier().algorithms(AlgorithmSet::ASYMMETRIC.with(Algorithm::Hs256)).build().unwrap());
    for secret in forms {
        for (name, hash) in [("HS256", hmac::HMAC_SHA256), ("HS384", hmac::HMAC_SHA384), ("HS512", hmac::HMAC_SHA512)] {
            let input = issuer.token().header("alg", name).signing_input();
            let token = format!("{input}.{}", encoded(hmac::sign(&hmac::Key::new(hash, &secret), input.as_bytes())));
            assert_eq!(refused(&narrow, &token).await, InvalidToken::AlgorithmNotAllowed);
            let expected = if name == "HS256" { InvalidToken::UnknownKey } else { InvalidToken::AlgorithmNotAllowed };
            assert_eq!(refused(&wide, &token).await, expected);
        }
    }
    admitted(&narrow, &issuer.token().sign()).await;
    admitted(&wide, &issuer.token().sign()).await;
}

/// The allow-list was compared with the header, but the signature was checked with the JWK's `alg`.
#[tokio::test]
async fn cve_2026_48523_header_alg_is_the_alg_used() {
    // The key and the signature are for RS512; the header names an allowed algorithm.
    let issuer = TestIssuer::from_algorithms([Algorithm::Rs512]);
    let jwk = issuer.first_key().jwk();
    let keys = |jwk: &Value| FixedKeys::jwks(&json!({ "keys": [jwk] }).to_string()).unwrap();
    let claims_256 = issuer.token().header("alg", "RS256").sign();
    let both = [Algorithm::Rs256, Algorithm::Rs512];
    let gate = Gate::new(builder_with(&issuer, keys(&jwk)).algorithms(both).build().unwrap());
    assert_eq!(refused(&gate, &claims_256).await, InvalidToken::UnknownKey);
    let unbound = with_member(jwk.clone(), "alg", Value::Null);
    let gate_256 = Gate::new(builder_with(&issuer, keys(&unbound)).algorithms(Algorithm::Rs256).build().unwrap());
    assert_eq!(refused(&gate_256, &claims_256).await, InvalidToken::BadSignature);
    assert_eq!(refused(&gate_256, &issuer.token().sign()).await, InvalidToken::AlgorithmNotAllowed);
    admitted(&gate, &issuer.token().sign()).await;
}

/// With several keys, the algorithm of one key was used with another key.
#[tokio::test]
async fn cve_2021_46743_kid_alg_and_key_must_agree() {
    let issuer = TestIssuer::from_algorithms([Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa]);
    let gate = issuer.gate();
    for signer in issuer.signing_keys() {
        for named in issuer.signing_keys() {
            let token = issuer.token().signed_with(Arc::clone(signer)).header("kid", named.id()).sign();
            if signer.id() == named.id() {
                admitted(&gate, &token).await;
            } else {
                assert_eq!(refused(&gate, &token).await, InvalidToken::UnknownKey);
                let all_of_it = issuer.token().signed_with(Arc::clone(named)).forged_with(Arc::clone(signer));
                assert_eq!(refused(&gate, &all_of_it.sign()).await, InvalidToken::BadSignature);
            }
        }
    }
}

/// CVE-2026-44351 and CVE-2026-45363: an empty secret verified tokens that were signed with an empty secret.
#[tokio::test]
async fn cve_2026_44351_short_secrets_are_refused() {
    let short = |bytes| Err::<(), _>(InvalidKey::SecretTooShort { bytes });
    for bytes in [0, 1, 16, 31] {
        let secret = vec![7; bytes];
        match FixedKeys::secret(&secret) {
            Err(FixedKeysError::Key(why)) => assert_eq!(Err(why), short(bytes)),
            other => panic!("{other:?}"),
        }
        let jwk = json!({"kty": "oct", "k": encoded(&secret)}).to_string();
        assert_eq!(VerifyingKey::from_secret_jwk(&jwk).map(drop), short(bytes));
    }
    let issuer = TestIssuer::from_algorithms([Algorithm::Hs256]);
    let input = issuer.token().signing_input();
    let token = format!("{input}.{}", encoded(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, b""), input.as_bytes())));
    assert_eq!(refused(&issuer.gate(), &token).await, InvalidToken::BadSignature);
    admitted(&issuer.gate(), &issuer.token().sign()).await;
}

/// A failed look-up gave an empty key.
#[tokio::test]
async fn cve_2025_65945_a_failed_look_up_is_an_error() {
    let issuer = TestIssuer::from_algorithms([Algorithm::Hs256]);
    let jwk = with_member(issuer.first_key().jwk(), "kid", "other").to_string();
    let keys = FixedKeys::key(VerifyingKey::from_secret_jwk(&jwk).unwrap());
    let gate = gate_with(&issuer, keys);
    for secret in [&b""[..], b"undefined", b"null"] {
        let input = issuer.token().signing_input();
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), input.as_bytes());
        assert_eq!(refused(&gate, &format!("{input}.{}", encoded(tag))).await, InvalidToken::UnknownKey);
    }
    admitted(&gate, &issuer.token().header("kid", "other").sign()).await;
}

/// A look-up that ignores its query returned a key of another type.
#[tokio::test]
async fn cve_2022_23541_a_wrong_key_of_a_provider_is_refused() {
    #[derive(Debug)]
    struct AlwaysThis(Arc<VerifyingKey>);

    #[async_trait]
    impl KeyProvider for AlwaysThis {
        async fn key(&self, _: &KeyQuery<'_>) -> Result<Arc<VerifyingKey>, KeyError> {
            Ok(Arc::clone(&self.0))
        }

        fn algorithms(&self) -> AlgorithmSet {
            Algorithm::ALL.iter().copied().collect()
        }
    }

    let issuer = TestIssuer::from_algorithms([Algorithm::Rs256, Algorithm::Hs256, Algorithm::Es256]);
    for returned in issuer.signing_keys() {
        let gate = gate_with(&issuer, AlwaysThis(Arc::new(returned.verifying_key())));
        for signer in issuer.signing_keys() {
            let token = issuer.token().signed_with(Arc::clone(signer)).sign();
            if signer.id() == returned.id() {
                admitted(&gate, &token).await;
            } else {
                assert_eq!(refused(&gate, &token).await, InvalidToken::UnknownKey);
            }
        }
    }
}

/// CVE-2026-22817 and CVE-2026-22818: without `alg` in the JWK, the header chose the algorithm.
#[tokio::test]
async fn cve_2026_22817_type_and_curve_decide_without_alg() {
    let issuer = TestIssuer::from_algorithms([Algorithm::Es256]);
    let gate = gate_for_jwks(&issuer, &[with_member(issuer.first_key().jwk(), "alg", Value::Null)]);
    for &algorithm in Algorithm::ALL.iter().filter(|algorithm| **algorithm != Algorithm::Es256) {
        // Signed by the attacker's key, which serves the algorithm.
        let (key, _) = generated(algorithm, issuer.first_key().id());
        let token = issuer.token().signed_with(key).sign();
        assert_eq!(refused(&gate, &token).await, InvalidToken::AlgorithmNotAllowed, "{algorithm}");
    }
    admitted(&gate, &issuer.token().sign()).await;
}

fn pem_section(name: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = (0..text.len()).step_by(64).map(|at| &text[at..text.len().min(at + 64)]).collect();
    format!("-----BEGIN {name}-----\n{}\n-----END {name}-----\n", lines.join("\n"))
}
