//! Tokens that name no key, and keys without names, as in a rotation of a secret. The inputs were made for these tests.

use std::sync::Arc;

use portcullis::adapter::Credential;
use portcullis::error::InvalidToken;
use portcullis::keys::{FirstOf, FixedKeys, VerifyingKey};
use portcullis::verifier::JwtVerifierBuilder;
use portcullis::{Audience, Gate, JwtVerifier, KeyProvider, Verifier};
use portcullis_testing::TestIssuer;

use crate::support::{admitted, refused};

const NEW: &[u8] = b"the-new-secret-of-at-least-32-octets!!";
const OLD: &[u8] = b"the-old-secret-of-at-least-32-octets!!";

fn verifier(keys: impl KeyProvider + 'static) -> JwtVerifierBuilder {
    JwtVerifier::builder("https://issuer.example/", "api", keys)
}

fn gate(builder: JwtVerifierBuilder) -> Gate {
    Gate::new(builder.build().unwrap())
}

fn token(name: &str) -> String {
    let path = format!("{}/pitfalls/inputs/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap().trim().to_owned()
}

fn key_set(name: &str) -> FixedKeys {
    FixedKeys::jwks_file(format!("{}/pitfalls/inputs/{name}.jwks.json", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

#[tokio::test]
async fn both_secrets_of_a_rotation_work() {
    let (new, old) = (token("new_secret"), token("old_secret"));
    let fixed = |secret| FixedKeys::secret(secret).unwrap();
    let both = || FirstOf::new([Arc::new(fixed(NEW)) as Arc<dyn KeyProvider>, Arc::new(fixed(OLD))]);
    let key = |secret: &[u8]| Arc::new(VerifyingKey::from_secret(secret).unwrap());
    let in_one = || FixedKeys::keys([key(NEW), key(OLD)]);
    let gates = [
        gate(verifier(both())),
        gate(verifier(in_one())),
        gate(verifier(both()).cache_tokens(10)),
        gate(verifier(in_one()).cache_tokens(10)),
    ];
    for gate in gates {
        for _ in 0..2 {
            admitted(&gate, &new).await;
            admitted(&gate, &old).await;
        }
        let other =
            TestIssuer::from_algorithms([portcullis::jose::Algorithm::Hs256]).with_url("https://issuer.example/");
        assert_eq!(refused(&gate, &other.token().sign()).await, InvalidToken::BadSignature);
    }
    assert_eq!(refused(&gate(verifier(fixed(NEW))), &old).await, InvalidToken::BadSignature);
    // More than four could hide an error in the configuration.
    let five = FixedKeys::keys((0..5).map(|byte| key(&[byte; 32])));
    assert_eq!(refused(&gate(verifier(five)), &new).await, InvalidToken::AmbiguousKey);
}

#[tokio::test]
async fn thumbprint_selects_one_of_several_keys() {
    let gate = gate(verifier(key_set("thumbprints")));
    admitted(&gate, &token("thumbprint_only")).await;
    // Without any name it would be ambiguous.
    assert_eq!(refused(&gate, &token("no_kid")).await, InvalidToken::AmbiguousKey);
}

#[tokio::test]
async fn token_without_any_name_is_tried_by_an_option() {
    let token = token("no_kid");
    let keys = || verifier(key_set("two_keys"));
    assert_eq!(refused(&gate(keys()), &token).await, InvalidToken::AmbiguousKey);
    admitted(&gate(keys().try_keys(2)), &token).await;
    let forged = format!("{}AAAA", &token[..token.len() - 4]);
    assert_eq!(refused(&gate(keys().try_keys(2)), &forged).await, InvalidToken::BadSignature);
    for number in [0, 9] {
        assert_eq!(keys().try_keys(number).build().unwrap_err().field(), "try_keys");
    }
}

#[tokio::test]
async fn empty_list_of_audiences_is_no_audience() {
    let token = token("empty_audience");
    let keys = || key_set("one_key");
    admitted(&gate(verifier(keys()).audience(Audience::not_issued())), &token).await;
    assert_eq!(refused(&gate(verifier(keys())), &token).await, InvalidToken::WrongAudience);
}

#[tokio::test]
async fn subject_that_is_a_number_is_accepted_by_an_option() {
    let token = token("subject_is_a_number");
    let keys = || verifier(key_set("one_key"));
    assert_eq!(refused(&gate(keys()), &token).await, InvalidToken::invalid("sub"));
    let caller = admitted(&gate(keys().accept_integer_ids()), &token).await;
    assert_eq!((caller.subject(), caller.raw_token()), (Some("4"), Some(token)));
}

#[tokio::test]
async fn log_says_what_to_remove_from_a_copied_text() {
    let verifier = verifier(key_set("one_key")).build().unwrap();
    let good = token("empty_audience");
    for (text, what) in [
        (format!("Bearer {good}"), "`Bearer `"),
        (format!("\"{good}\""), "quotes"),
        (format!("{good}\n"), "line breaks"),
        (good.replacen('.', "\r\n.", 1), "line breaks"),
    ] {
        let credential = Credential::bearer(&text);
        let error = verifier.verify(&credential).await.unwrap_err();
        assert_eq!(error.status(), 401, "{text:?}");
        let explanation = verifier.explain(&credential, &error).unwrap_or_default();
        assert!(explanation.contains(what), "{text:?}: {explanation}");
    }
}
