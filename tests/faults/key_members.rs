//! Key sets with unusable members. Each is skipped, and the other keys are used.

use std::sync::Arc;

use portcullis::Reason;
use portcullis::jose::Algorithm;
use portcullis_testing::SigningKey;
use serde_json::{Value, json};

use crate::log::Log;
use crate::support::{Scene, key, set_of, with_members};

/// Expects that each of the `odd` members is skipped: the good key next to it is used, and a token with the `kid` of an
/// odd member is refused.
async fn assert_skipped(odd: &[Value]) {
    for member in odd {
        let scene = Scene::cold();
        let good = scene.server.issuer().first_key().jwk();
        scene.server.set_jwks_body(set_of(&[member.clone(), good, member.clone()]));
        scene.admits(&scene.token()).await;
        assert_eq!(scene.keys.status().keys, 1, "{member}");
        if let Some(kid) = member["kid"].as_str() {
            scene.refuses(&scene.token_of_unknown_key(kid), Reason::UnknownKey).await;
        }
    }
    let scene = Scene::cold();
    let good = scene.server.issuer().first_key().jwk();
    scene.server.set_jwks_body(set_of(&[odd, &[good]].concat()));
    scene.admits(&scene.token()).await;
    assert_eq!(scene.keys.status().keys, 1);
}

fn p256() -> Value {
    key(Algorithm::Es256, "odd").jwk()
}

fn rsa() -> Value {
    key(Algorithm::Rs256, "odd").jwk()
}

#[tokio::test]
async fn fault_24_unsupported_types_algorithms_and_curves_are_skipped() {
    let ed25519 = key(Algorithm::EdDsa, "odd").jwk();
    assert_skipped(&[
        json!({"kty": "AKP", "alg": "ML-DSA-99", "pub": "AAAA", "kid": "odd"}),
        json!({"kty": "AKP", "pub": "AAAA", "kid": "odd"}),
        with_members(p256(), json!({"crv": "secp256k1"})),
        with_members(ed25519.clone(), json!({"crv": "X25519"})),
        with_members(ed25519, json!({"crv": "Ed448"})),
        with_members(p256(), json!({"kty": "FOO"})),
        with_members(p256(), json!({"alg": "FOO256"})),
        with_members(p256(), json!({"alg": "RS256"})),
        with_members(p256(), json!({"use": "enc", "alg": "ECDH-ES"})),
        with_members(p256(), json!({"key_ops": ["deriveKey"]})),
    ])
    .await;
}

#[tokio::test]
async fn fault_25_invalid_members_invalidate_only_their_key() {
    let (p256, rsa) = (p256(), rsa());
    let mut odd = vec![json!(null), json!([]), json!("key"), json!(7), json!({})];
    for change in [
        json!({"x": null}),
        json!({"x": 7}),
        json!({"x": "a b"}),
        json!({"x": "AAAA"}),
        json!({"y": null}),
        json!({"crv": null}),
        json!({"crv": 256}),
        json!({"kty": null}),
        json!({"kty": ["EC"]}),
        json!({"kid": 7}),
        json!({"use": 7}),
        json!({"alg": 7}),
        json!({"x5c": "text"}),
        json!({"key_ops": "verify"}),
    ] {
        odd.push(with_members(p256.clone(), change));
    }
    for change in [json!({"n": null}), json!({"n": 65537}), json!({"e": null}), json!({"e": 65537}), json!({"e": ""})] {
        odd.push(with_members(rsa.clone(), change));
    }
    // The point is not on the curve.
    let x = p256["x"].as_str().unwrap().to_owned();
    odd.push(with_members(p256, json!({"y": x})));
    assert_skipped(&odd).await;
}

#[tokio::test]
async fn fault_26_ed25519_key_of_wrong_length_is_skipped() {
    let whole = key(Algorithm::EdDsa, "odd").jwk();
    let x = whole["x"].as_str().unwrap();
    let odd: Vec<_> = [String::new(), x[..40].to_owned(), x[..42].to_owned(), format!("{x}AA"), "A".repeat(400)]
        .into_iter()
        .map(|x| with_members(whole.clone(), json!({ "x": x })))
        .collect();
    assert_skipped(&odd).await;
}

#[tokio::test]
async fn fault_27_same_kid_and_type_is_ambiguous() {
    let scene = Scene::cold();
    let (one, two) = (key(Algorithm::Es256, "same"), key(Algorithm::Es256, "same"));
    let good = scene.server.issuer().first_key().jwk();
    scene.server.set_jwks_body(set_of(&[one.jwk(), two.jwk(), good]));
    for signer in [one, two] {
        let token = scene.server.issuer().token().signed_with(signer).sign();
        for _ in 0..5 {
            scene.refuses(&token, Reason::AmbiguousKey).await;
        }
    }
    scene.admits(&scene.token()).await;
    assert_eq!(scene.server.jwks_hits(), 1);
}

#[tokio::test]
async fn fault_28_same_kid_with_different_types_works() {
    let scene = Scene::cold();
    let keys = [key(Algorithm::Es256, "same"), key(Algorithm::EdDsa, "same"), key(Algorithm::Es384, "same")];
    scene.server.set_jwks_body(set_of(&keys.clone().map(|key| key.jwk())));
    for signer in keys {
        scene.admits(&scene.server.issuer().token().signed_with(signer).sign()).await;
    }
    assert_eq!(scene.server.jwks_hits(), 1);
}

#[tokio::test]
async fn fault_29_single_key_without_kid_serves_every_kid() {
    let (one, two) = (key(Algorithm::Es256, "one"), key(Algorithm::Es256, "two"));
    let nameless = |key: &Arc<SigningKey>| with_members(key.jwk(), json!({"kid": null}));

    let scene = Scene::cold();
    scene.server.set_jwks_body(set_of(&[nameless(&one)]));
    let token = |signer: &Arc<SigningKey>| scene.server.issuer().token().signed_with(Arc::clone(signer));
    scene.admits(&token(&one).sign()).await;
    scene.admits(&token(&one).without_header("kid").sign()).await;
    scene.admits(&token(&one).header("kid", "any").sign()).await;
    scene.refuses(&token(&two).sign(), Reason::BadSignature).await;
    assert_eq!(scene.server.jwks_hits(), 1);

    // Two keys without `kid` are ambiguous.
    let scene = Scene::cold();
    scene.server.set_jwks_body(set_of(&[nameless(&one), nameless(&two)]));
    let token = |signer: &Arc<SigningKey>| scene.server.issuer().token().signed_with(Arc::clone(signer));
    scene.refuses(&token(&one).sign(), Reason::AmbiguousKey).await;
    scene.refuses(&token(&one).without_header("kid").sign(), Reason::AmbiguousKey).await;

    // A key with the right `kid` comes before one without `kid`.
    let scene = Scene::cold();
    scene.server.set_jwks_body(set_of(&[nameless(&one), two.jwk()]));
    let token = |signer: &Arc<SigningKey>| scene.server.issuer().token().signed_with(Arc::clone(signer));
    scene.admits(&token(&two).sign()).await;
    scene.admits(&token(&one).sign()).await;
    scene.refuses(&token(&two).without_header("kid").sign(), Reason::AmbiguousKey).await;
}

#[tokio::test]
async fn fault_30_private_members_and_secrets_are_not_used() {
    const PRIVATE: &str = "cHJpdmF0ZS1wcml2YXRlLXByaXZhdGU";
    let (log, _guards) = Log::capture();
    let scene = Scene::cold();
    let good = scene.server.issuer().first_key().jwk();
    let with_private = with_members(good, json!({"d": PRIVATE, "p": PRIVATE, "q": PRIVATE, "k": PRIVATE}));
    let secret = key(Algorithm::Hs256, "secret");
    scene.server.set_jwks_body(set_of(&[with_private, secret.jwk()]));
    let verified = scene.gate.verify(&scene.token()).await.unwrap();
    assert_eq!(scene.keys.status().keys, 1, "the public part is used, the secret is not");
    let shown = format!("{verified:?} {:?} {:?} {:?}", scene.keys, scene.gate, scene.keys.status());
    assert!(!shown.contains(PRIVATE));
    assert!(log.has_line(&["WARN", "publishes the private part of a key", "index=0"]));
    assert!(!log.text().contains(PRIVATE));

    // An HMAC token is refused, even when the allow-list has its algorithm.
    let by_secret = scene.server.issuer().token().signed_with(secret).sign();
    scene.refuses(&by_secret, Reason::AlgorithmNotAllowed).await;
    let issuer = scene.server.issuer();
    let audience = portcullis::Audience::any_of([issuer.audience()]);
    let verifier = portcullis::JwtVerifier::builder(issuer.url(), audience, scene.keys.clone())
        .algorithms([Algorithm::Es256, Algorithm::Hs256])
        .build()
        .unwrap();
    crate::support::refuses(&portcullis::Gate::new(verifier), &by_secret, Reason::UnknownKey).await;
}

#[tokio::test]
async fn fault_32_weak_keys_are_skipped() {
    let rsa = rsa();
    let n = rsa["n"].as_str().unwrap().to_owned();
    let modulus = |bytes: usize, last: char| format!("{}{last}", "_".repeat(bytes * 4 / 3));
    let odd: Vec<_> = [
        // Moduli of 1,024, 2,040 and 16,384 bits.
        json!({"n": modulus(128, 'w')}),
        json!({"n": modulus(255, '_')[..340]}),
        json!({"n": modulus(2_048, 'w')}),
        // An even modulus.
        json!({"n": format!("{}A", &n[..n.len() - 1])}),
        // Exponents: one, two, zero, and very large ones.
        json!({"e": "AQ"}),
        json!({"e": "Ag"}),
        json!({"e": "AA"}),
        json!({ "e": n }),
        json!({"e": "B".repeat(20_000)}),
    ]
    .into_iter()
    .map(|change| with_members(rsa.clone(), change))
    .collect();
    assert_skipped(&odd).await;
    // A point of small order: one signature would be valid for every message.
    let small = format!("AQ{}", "A".repeat(41));
    assert_skipped(&[json!({"kty": "OKP", "crv": "Ed25519", "x": small, "kid": "odd"})]).await;
}

#[tokio::test]
async fn fault_33_certificates_are_neither_used_nor_fetched() {
    let scene = Scene::cold();
    let good = scene.server.issuer().first_key().jwk();
    let other = key(Algorithm::Es256, "other");
    let certificate = other.public_key_pem().unwrap().lines().filter(|line| !line.starts_with('-')).collect::<String>();
    scene.server.set_jwks_body(set_of(&[with_members(
        good,
        json!({
            "x5c": [certificate],
            "x5t": "AAAA",
            "x5t#S256": "AAAA",
            "x5u": scene.server.url_of("/certificate.pem"),
        }),
    )]));
    scene.admits(&scene.token()).await;
    scene.refuses(&scene.server.issuer().token().forged_with(Arc::clone(&other)).sign(), Reason::BadSignature).await;
    assert_eq!((scene.server.all_hits(), scene.server.hits("/certificate.pem")), (1, 0));
}
