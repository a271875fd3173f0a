//! Missing signatures, keys in the token, other serializations.

use std::io::ErrorKind;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;

use portcullis::error::InvalidToken;
use portcullis::jose::{Algorithm, AlgorithmSet};
use portcullis::verifier::jws;
use portcullis::{Config, Gate, Reason};
use portcullis_testing::{SigningKey, TestIssuer};
use serde_json::json;

use crate::support::{admitted, encoded, refused};

/// CVE-2018-1000531 and many others: `none`, in every spelling and with every check disabled that can be.
#[tokio::test]
async fn cve_2018_1000531_none_is_refused() {
    for name in ["none", "None", "NONE", "nOnE", "", " none"] {
        assert!(name.parse::<Algorithm>().is_err(), "{name:?}");
    }
    let issuer = TestIssuer::new();
    let lax = issuer.verifier().algorithms(Algorithm::ALL).dangerous().allow_missing_expiration();
    let lax = Gate::new(lax.dangerous().accept_sender_constrained_as_bearer().build().unwrap());
    for gate in [issuer.gate(), lax] {
        for name in ["none", "None", "NONE", "nOnE", "", " none"] {
            let input = issuer.token().header("alg", name).signing_input();
            for signature in ["", "AAAA"] {
                let token = format!("{input}.{signature}");
                assert_eq!(refused(&gate, &token).await, InvalidToken::AlgorithmNotAllowed, "{name:?}");
            }
        }
        admitted(&gate, &issuer.token().sign()).await;
    }
}

/// The signature was checked in the core, but not in the function that applications called.
#[tokio::test]
async fn cve_2020_15240_every_verifier_checks_the_signature() {
    let file = |name: &str, text: &[u8]| -> PathBuf {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("every_way_{name}"));
        std::fs::write(&path, text).unwrap();
        path
    };
    let public = TestIssuer::new();
    let secret = TestIssuer::from_algorithms([Algorithm::Hs256]);
    let config = |issuer: &TestIssuer| Config::new(issuer.url(), issuer.audience());
    let (mut jwks, mut pem, mut bytes) = (config(&public), config(&public), config(&secret));
    jwks.jwks_file = Some(file("keys.json", public.jwks().as_bytes()));
    pem.public_key_file = Some(file("key.pem", public.public_key_pem().as_bytes()));
    bytes.secret_file = Some(file("secret", secret.first_key().secret().unwrap()));
    for (issuer, config, names_keys) in [(&public, jwks, true), (&public, pem, false), (&secret, bytes, false)] {
        let gate = Gate::new(config.verifier().unwrap());
        admitted(&gate, &issuer.token().sign()).await;
        for forgery in issuer.forgeries() {
            let why = refused(&gate, &forgery.token).await.reason();
            // An only key without `kid` fits any `kid`, so a token of another key is refused by its signature.
            let by_name = forgery.reason == Reason::UnknownKey && !names_keys;
            let expected = if by_name { Reason::BadSignature } else { forgery.reason };
            assert_eq!(why, expected, "{}", forgery.name);
        }
    }

    let token = public.token().sign();
    assert!(jws::verify(&token, &public.keys(), AlgorithmSet::ASYMMETRIC).await.is_ok());
    for forgery in public.forgeries().iter().filter(|forgery| forgery.reason == Reason::BadSignature) {
        let error = jws::verify(&forgery.token, &public.keys(), AlgorithmSet::ASYMMETRIC).await.unwrap_err();
        assert_eq!(error.reason(), Some(Reason::BadSignature), "{}", forgery.name);
    }
}

/// An encrypted token contained an unsigned one, whose missing signature was not checked.
#[tokio::test]
async fn cve_2026_29000_encrypted_and_nested_tokens_are_refused() {
    let issuer = TestIssuer::new();
    let gate = issuer.gate();
    let plain = format!("{}.", issuer.token().header("alg", "none").signing_input());
    let signed = issuer.token().sign();
    for alg in ["RSA-OAEP-256", "dir", "none", "RS256"] {
        let header = encoded(json!({"alg": alg, "enc": "A256GCM", "cty": "JWT"}).to_string());
        for inner in [&plain, &signed] {
            let token = format!("{header}.AAAA.AAAA.{}.AAAA", encoded(inner));
            assert_eq!(refused(&gate, &token).await, InvalidToken::Encrypted);
        }
    }
    // A signed token with a token as its payload: the payload must be claims.
    for inner in [plain, signed.clone()] {
        let token = issuer.token().header("cty", "JWT").payload(inner).sign();
        assert_eq!(refused(&gate, &token).await, InvalidToken::Malformed { part: "payload" });
    }
    admitted(&gate, &signed).await;
}

/// The claims came from one serialization, the signature from another.
#[tokio::test]
async fn cve_2022_39227_json_serializations_are_refused() {
    let issuer = TestIssuer::new();
    let gate = issuer.gate();
    let good = issuer.token().sign();
    let parts: Vec<&str> = good.split('.').collect();
    let fake = encoded(r#"{"iss":"https://issuer.test/","sub":"admin","aud":"https://api.test","exp":4102444800}"#);
    let flattened = json!({"protected": parts[0], "payload": parts[1], "signature": parts[2]}).to_string();
    // CVE-2016-9122: the general serialization, with one good signature among several.
    let signature = json!({"protected": parts[0], "signature": parts[2]});
    let general = json!({"payload": parts[1], "signatures": [{"signature": ""}, signature]}).to_string();
    for token in [&flattened, &general] {
        assert_eq!(refused(&gate, token).await, InvalidToken::NotCompactJws);
    }
    let mixed = format!("{{\"  {}.{fake}.\":\"\",{}", parts[0], &flattened[1..]);
    assert_eq!(refused(&gate, &mixed).await, InvalidToken::Malformed { part: "header" });
    admitted(&gate, &good).await;
}

/// CVE-2018-0114, CVE-2026-27962 and CVE-2026-34240: the key in `jwk` was trusted.
#[tokio::test]
async fn cve_2018_0114_a_key_in_the_token_is_never_used() {
    let issuer = TestIssuer::new();
    let gate = issuer.gate();
    let theirs = Arc::new(SigningKey::generate(Algorithm::Rs256, "theirs"));
    let certificate = encoded(theirs.public_key_der().unwrap());
    let theirs = issuer.token().signed_with(Arc::clone(&theirs)).header("jwk", theirs.jwk());
    let with_chain = theirs.clone().header("x5c", [certificate]);
    for token in [theirs, with_chain] {
        assert_eq!(refused(&gate, &token.sign()).await, InvalidToken::UnknownKey);
        let unnamed = token.clone().without_header("kid").sign();
        assert_eq!(refused(&gate, &unnamed).await, InvalidToken::BadSignature);
        let under_our_name = token.header("kid", issuer.first_key().id()).sign();
        assert_eq!(refused(&gate, &under_our_name).await, InvalidToken::BadSignature);
    }
    // A good signature of our key is good with any of these hints.
    admitted(&gate, &issuer.token().header("jwk", issuer.first_key().jwk()).sign()).await;
}

/// `jku` was fetched.
#[tokio::test]
async fn cve_2024_21643_no_token_starts_a_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}/keys", listener.local_addr().unwrap());
    let issuer = TestIssuer::new();
    let gate = issuer.gate();
    let token = || issuer.token();
    assert_eq!(refused(&gate, &token().header("kid", &url).sign()).await, InvalidToken::UnknownKey);
    assert_eq!(refused(&gate, &token().issuer(&url).sign()).await, InvalidToken::WrongIssuer);
    admitted(&gate, &token().header("jku", &url).header("x5u", &url).header("iss", &url).sign()).await;
    assert_eq!(listener.accept().map(drop).unwrap_err().kind(), ErrorKind::WouldBlock);
    // No connection arrived at the listener.
    let _connection = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    assert!(listener.accept().is_ok());
}
