//! Minted tokens: their claims, and what verifies them.

use std::collections::HashSet;
use std::time::Duration;

use jsonwebtoken::{DecodingKey, Validation};
use portcullis::claims::NumericDate;
use portcullis::jose::Algorithm;
use portcullis::keys::FixedKeys;
use portcullis::verifier::SenderConstraint;
use portcullis::{Audience, Gate, JwtVerifier, Reason};
use portcullis_issuer::{AccessToken, Issuer, KeyRing, MintError, SigningKey};
use serde_json::{Value, json};

use crate::keys::algorithms;
use crate::support::{API, START, URL, clock, issuer, kid, mint, minutes, published, ring_at};

fn full() -> AccessToken {
    AccessToken::new("user-1", "web")
        .scopes(["read:messages", "write:messages"])
        .session("session-7")
        .auth_time(NumericDate::from_unix(START - 30, 0))
        .acr("2")
        .amr(["pwd", "otp"])
        .actor(json!({"sub": "support-3"}))
        .claim("tenant", "acme")
        .claim("roles", ["admin"])
}

fn part(token: &str, index: usize) -> Value {
    use base64::Engine as _;
    let text = token.split('.').nth(index).unwrap();
    serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
}

#[tokio::test]
async fn token_has_the_claims_of_rfc_9068() {
    let ring = ring_at(&clock()).build().unwrap();
    let minted = issuer(&ring).mint(&full()).await.unwrap();
    let header = part(minted.as_str(), 0);
    assert_eq!(header, json!({"alg": "EdDSA", "kid": kid(minted.as_str()), "typ": "at+jwt"}));
    let id = minted.id();
    assert_eq!(id.len(), 22, "128 bits in base64url");
    let claims = json!({
        "iss": URL, "sub": "user-1", "aud": API, "client_id": "web", "iat": START, "exp": START + 600, "jti": id,
        "scope": "read:messages write:messages", "sid": "session-7", "auth_time": START - 30, "acr": "2",
        "amr": ["pwd", "otp"], "act": {"sub": "support-3"}, "tenant": "acme", "roles": ["admin"],
    });
    assert_eq!(part(minted.as_str(), 1), claims);
    assert_eq!((minted.expires_in(), minted.expires_at().seconds()), (600, START + 600));
    assert!(!format!("{minted:?}{:?}", full()).contains("user-1"));
}

#[tokio::test]
async fn optional_claims_are_absent_by_default() {
    let ring = ring_at(&clock()).build().unwrap();
    let token = mint(&issuer(&ring)).await;
    let claims = part(&token, 1);
    let names: Vec<_> = claims.as_object().unwrap().keys().map(String::as_str).collect();
    let mut expected = ["iss", "sub", "aud", "client_id", "iat", "exp", "jti"];
    expected.sort_unstable();
    assert_eq!(names, expected);
}

#[tokio::test]
async fn every_algorithm_verifies_here_and_elsewhere() {
    for algorithm in algorithms() {
        let ring = KeyRing::builder().algorithm(algorithm).build().unwrap();
        let issuer = issuer(&ring);
        let token = issuer.mint(&AccessToken::new("user-1", "web").scopes(["a"])).await.unwrap();
        let caller = issuer.gate().unwrap().verify(token.as_str()).await.unwrap();
        assert_eq!((caller.subject(), caller.token_id()), (Some("user-1"), Some(token.id())), "{algorithm}");

        // A cookie holds 4 KiB.
        let fits_in_a_cookie = !matches!(algorithm, Algorithm::MlDsa65 | Algorithm::MlDsa87);
        assert_eq!(token.as_str().len() < 4_096, fits_in_a_cookie, "{algorithm}");

        // Another service, which knows only the published keys.
        let jwks = published(&issuer).await;
        let keys = FixedKeys::jwks(&jwks).unwrap();
        let elsewhere = Gate::new(JwtVerifier::builder(URL, Audience::any_of([API]), keys).build().unwrap());
        assert!(elsewhere.verify(token.as_str()).await.is_ok(), "{algorithm}");

        // The other library does not have ES512 and ML-DSA.
        let Ok(theirs) = jsonwebtoken::Algorithm::try_from(algorithm) else { continue };
        let set: jsonwebtoken::jwk::JwkSet = serde_json::from_str(&jwks).unwrap();
        let jwk = set.find(&kid(token.as_str())).unwrap();
        let mut rules = Validation::new(theirs);
        rules.set_audience(&[API]);
        rules.set_issuer(&[URL]);
        rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        let decoded =
            jsonwebtoken::decode::<Value>(token.as_str(), &DecodingKey::from_jwk(jwk).unwrap(), &rules).unwrap();
        assert_eq!(decoded.claims["jti"], token.id(), "{algorithm}");
    }
}

#[tokio::test]
async fn forged_tokens_are_refused() {
    use base64::Engine as _;
    let encode = |value: Value| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(value.to_string());
    let (ring, other) = (ring_at(&clock()).build().unwrap(), ring_at(&clock()).build().unwrap());
    let (issuer, other) = (issuer(&ring), issuer(&other));
    let gate = issuer.gate().unwrap();
    let token = mint(&issuer).await;
    let (input, signature) = token.rsplit_once('.').unwrap();
    let payload = input.split_once('.').unwrap().1;
    let kid = kid(&token);
    let admin = encode(json!({"iss": URL, "sub": "admin", "aud": API, "client_id": "web", "exp": START + 600}));
    let with_header =
        |header: Value, payload: &str, signature: &str| format!("{}.{payload}.{signature}", encode(header));
    let foreign = mint(&other).await;
    let foreign_signature = foreign.rsplit_once('.').unwrap().1;
    for (token, reason) in [
        (with_header(json!({"alg": "EdDSA", "kid": kid, "typ": "at+jwt"}), &admin, signature), Reason::BadSignature),
        (with_header(json!({"alg": "none", "typ": "at+jwt"}), payload, ""), Reason::AlgorithmNotAllowed),
        (
            with_header(json!({"alg": "HS256", "kid": kid, "typ": "at+jwt"}), payload, signature),
            Reason::AlgorithmNotAllowed,
        ),
        (with_header(json!({"alg": "ES256", "kid": kid, "typ": "at+jwt"}), payload, signature), Reason::UnknownKey),
        (with_header(json!({"alg": "EdDSA", "typ": "at+jwt"}), payload, signature), Reason::UnknownKey),
        (with_header(json!({"alg": "EdDSA", "kid": kid, "typ": "JWT"}), payload, signature), Reason::WrongType),
        (with_header(json!({"alg": "EdDSA", "kid": kid}), payload, signature), Reason::WrongType),
        (foreign.clone(), Reason::UnknownKey),
        (
            with_header(json!({"alg": "EdDSA", "kid": kid, "typ": "at+jwt"}), payload, foreign_signature),
            Reason::BadSignature,
        ),
    ] {
        let refused = gate.verify(&token).await.unwrap_err();
        assert_eq!(refused.reason(), Some(reason), "{token}");
    }
    assert!(gate.verify(&token).await.is_ok(), "the premise");
}

#[tokio::test]
async fn token_expires_by_the_clock_of_the_ring() {
    let clock = clock();
    let ring = ring_at(&clock).build().unwrap();
    let issuer = issuer(&ring);
    let (gate, token) = (issuer.gate().unwrap(), mint(&issuer).await);
    clock.advance(minutes(10));
    assert!(gate.verify(&token).await.is_ok(), "within the leeway");
    clock.advance(Duration::from_secs(6));
    assert_eq!(gate.verify(&token).await.unwrap_err().reason(), Some(Reason::Expired));
}

#[tokio::test]
async fn bound_token_names_its_key() {
    let ring = ring_at(&clock()).build().unwrap();
    let issuer = issuer(&ring);
    let thumbprint = || "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I".to_owned();
    for (key, confirmation) in [
        (SenderConstraint::Dpop { thumbprint: thumbprint() }, json!({"jkt": thumbprint()})),
        (SenderConstraint::Certificate { thumbprint: thumbprint() }, json!({"x5t#S256": thumbprint()})),
        (
            SenderConstraint::CertificateAndDpop { certificate: thumbprint(), dpop: thumbprint() },
            json!({"x5t#S256": thumbprint(), "jkt": thumbprint()}),
        ),
    ] {
        let token = issuer.mint(&AccessToken::new("user-1", "web").bound_to(key)).await.unwrap();
        assert_eq!(part(token.as_str(), 1)["cnf"], confirmation);
        let refused = issuer.gate().unwrap().verify(token.as_str()).await.unwrap_err();
        assert_eq!(refused.reason(), Some(Reason::SenderConstrained));
    }
}

#[tokio::test]
async fn several_audiences_are_an_array() {
    let ring = ring_at(&clock()).build().unwrap();
    let issuer = issuer(&ring);
    let token = issuer.mint(&AccessToken::new("u", "web").audiences([API, "https://other.example"])).await.unwrap();
    assert_eq!(part(token.as_str(), 1)["aud"], json!([API, "https://other.example"]));
    assert!(issuer.gate().unwrap().verify(token.as_str()).await.is_ok());
    let token = issuer.mint(&AccessToken::new("u", "web").audiences(["https://other.example"])).await.unwrap();
    assert_eq!(part(token.as_str(), 1)["aud"], "https://other.example");
    let refused = issuer.gate().unwrap().verify(token.as_str()).await.unwrap_err();
    assert_eq!(refused.reason(), Some(Reason::WrongAudience));
}

#[tokio::test]
async fn claims_that_cannot_be_are_named() {
    let ring = ring_at(&clock()).build().unwrap();
    let issuer = issuer(&ring);
    let start = || AccessToken::new("user-1", "web");
    let mut cases = vec![
        (AccessToken::new("", "web"), "sub"),
        (AccessToken::new("user-1", ""), "client_id"),
        (start().session(""), "sid"),
        (start().acr(""), "acr"),
        (start().amr([""]), "amr"),
        (start().audiences([""]), "aud"),
        (start().scopes(["read admin"]), "scope"),
        (start().scopes([""]), "scope"),
        (start().scopes(["r\"w"]), "scope"),
        (start().scopes(["ä"]), "scope"),
        (start().auth_time(NumericDate::from_unix(START + 61, 0)), "auth_time"),
        (start().actor("support-3"), "act"),
        (start().actor(json!({"sub": 3})), "act"),
        (start().bound_to(SenderConstraint::Other), "cnf"),
        (start().bound_to(SenderConstraint::Dpop { thumbprint: "short".to_owned() }), "cnf"),
        (start().claim("", 1), ""),
    ];
    let registered = [
        "iss",
        "sub",
        "aud",
        "exp",
        "nbf",
        "iat",
        "jti",
        "client_id",
        "scope",
        "sid",
        "auth_time",
        "acr",
        "amr",
        "act",
        "cnf",
        "may_act",
    ];
    cases.extend(registered.map(|name| (start().claim(name, "x"), name)));
    cases.push((start().claim("map", std::collections::HashMap::from([((1, 2), 3)])), "map"));
    for (token, claim) in cases {
        match issuer.mint(&token).await.unwrap_err() {
            MintError::Claim { name, .. } => assert_eq!(name, claim),
            other => panic!("{claim}: {other}"),
        }
    }
    assert!(issuer.mint(&start().auth_time(NumericDate::from_unix(START + 59, 0))).await.is_ok(), "clocks differ");
}

#[tokio::test]
async fn lifetimes_are_bounded() {
    let ring = ring_at(&clock()).build().unwrap();
    let issuer = issuer(&ring);
    for (lifetime, is_allowed) in [
        (Duration::ZERO, false),
        (Duration::from_millis(999), false),
        (Duration::from_secs(1), true),
        (minutes(60), true),
        (minutes(60) + Duration::from_millis(1), false),
        (Duration::MAX, false),
    ] {
        let minted = issuer.mint(&AccessToken::new("u", "web").lifetime(lifetime)).await;
        assert_eq!(minted.is_ok(), is_allowed, "{lifetime:?}");
        let built = Issuer::builder(URL, API, ring.clone()).lifetime(lifetime).build();
        assert_eq!(built.is_ok(), is_allowed, "{lifetime:?}");
        if let Err(error) = built {
            assert_eq!(error.field(), "lifetime");
        }
    }
    let short = ring_at(&clock()).max_token_lifetime(minutes(2)).build().unwrap();
    assert_eq!(issuer_lifetime(&short).await, 120, "the default is not above the maximum");
}

async fn issuer_lifetime(ring: &KeyRing) -> i64 {
    issuer(ring).mint(&AccessToken::new("u", "web")).await.unwrap().expires_in()
}

#[tokio::test]
async fn token_that_verifiers_refuse_is_an_error() {
    let ring = ring_at(&clock()).build().unwrap();
    let issuer = issuer(&ring);
    let with = |bytes: usize| AccessToken::new("u", "web").claim("filler", "x".repeat(bytes));
    assert!(matches!(issuer.mint(&with(16_384)).await, Err(MintError::TooLarge { bytes }) if bytes > 16_384));
    let largest = issuer.mint(&with(11_900)).await.unwrap();
    assert!(largest.as_str().len() <= 16_384);
    assert!(issuer.gate().unwrap().verify(largest.as_str()).await.is_ok());
}

#[tokio::test]
async fn identifiers_of_tokens_do_not_repeat() {
    let ring = ring_at(&clock()).build().unwrap();
    let issuer = issuer(&ring);
    let mut ids = HashSet::new();
    for _ in 0..1_000 {
        assert!(ids.insert(issuer.mint(&AccessToken::new("u", "web")).await.unwrap().id().to_owned()));
    }
}

#[test]
fn wrong_options_of_an_issuer_are_named() {
    let ring = KeyRing::builder().first_key(SigningKey::generate(Algorithm::EdDsa).unwrap()).build().unwrap();
    let start = |url: &str, audience: &str| Issuer::builder(url, audience, ring.clone());
    for (builder, field) in [
        (start("http://api.example.com", API), "issuer"),
        (start("api.example.com", API), "issuer"),
        (start(URL, ""), "audience"),
        (start(URL, API).authorization_endpoint("/authorize"), "authorization_endpoint"),
        (start(URL, API).token_endpoint("http://api.example.com/token"), "token_endpoint"),
        (start(URL, API).scopes_supported(["a b"]), "scopes_supported"),
    ] {
        assert_eq!(builder.build().unwrap_err().field(), field);
    }
    let three = start("api.example.com", "").lifetime(Duration::ZERO).build().unwrap_err();
    assert_eq!(three.fields().collect::<Vec<_>>(), ["issuer", "audience", "lifetime"]);
}
