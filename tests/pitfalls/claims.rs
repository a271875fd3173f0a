//! The checks of the issuer, the audience and other claims.

use portcullis::checks::{ClaimCheck, TokenView};
use portcullis::error::InvalidToken;
use portcullis::keys::FixedKeys;
use portcullis::{Audience, Config, ConfigError, Gate, Issuer, JwtVerifier};
use portcullis_testing::TestIssuer;
use serde_json::{Value, json};

use crate::support::{admitted, builder_with, refused};

#[tokio::test]
async fn an_absent_issuer_is_refused() {
    let issuer = TestIssuer::new();
    let gate = issuer.gate();
    assert_eq!(refused(&gate, &issuer.token().without("iss").sign()).await, InvalidToken::missing("iss"));
    assert_eq!(admitted(&gate, &issuer.token().sign()).await.issuer(), Some(issuer.url()));
}

#[tokio::test]
async fn an_issuer_of_the_wrong_type_is_refused() {
    let issuer = TestIssuer::new();
    let gate = issuer.gate();
    for value in [Value::Null, json!(7), json!(true), json!({}), json!([issuer.url()]), json!([])] {
        let token = issuer.token().claim("iss", &value).sign();
        assert_eq!(refused(&gate, &token).await, InvalidToken::invalid("iss"), "{value}");
    }
    admitted(&gate, &issuer.token().sign()).await;
}

#[tokio::test]
async fn an_absent_audience_is_refused() {
    let issuer = TestIssuer::new();
    let gate = issuer.gate();
    assert_eq!(refused(&gate, &issuer.token().without("aud").sign()).await, InvalidToken::missing("aud"));
    admitted(&gate, &issuer.token().sign()).await;
}

#[tokio::test]
async fn an_audience_of_the_wrong_type_is_refused() {
    let issuer = TestIssuer::new();
    let gate = issuer.gate();
    let ours = issuer.audience();
    for value in [Value::Null, json!(7), json!(true), json!({"aud": ours}), json!([ours, 1]), json!([[ours]])] {
        let token = issuer.token().audience(&value).sign();
        assert_eq!(refused(&gate, &token).await, InvalidToken::invalid("aud"), "{value}");
    }
    admitted(&gate, &issuer.token().audience(["https://other.test", ours]).sign()).await;
}

#[tokio::test]
async fn an_empty_audience_is_refused() {
    let issuer = TestIssuer::new();
    let gate = issuer.gate();
    for value in [json!([]), json!(""), json!([""])] {
        let token = issuer.token().audience(&value).sign();
        assert_eq!(refused(&gate, &token).await, InvalidToken::WrongAudience, "{value}");
    }
    admitted(&gate, &issuer.token().audience([issuer.audience()]).sign()).await;
}

#[tokio::test]
async fn a_custom_audience_claim_is_required() {
    let issuer = TestIssuer::new();
    let verifier = issuer.verifier().audience(Audience::claim("client_id", ["client-1"])).build().unwrap();
    let gate = Gate::new(verifier);
    let token = |value: Value| issuer.token().claim("client_id", value).sign();
    assert_eq!(refused(&gate, &issuer.token().sign()).await, InvalidToken::missing("client_id"));
    assert_eq!(refused(&gate, &token(Value::Null)).await, InvalidToken::missing("client_id"));
    assert_eq!(refused(&gate, &token(json!(1))).await, InvalidToken::invalid("client_id"));
    assert_eq!(refused(&gate, &token(json!("client-2"))).await, InvalidToken::WrongAudience);
    admitted(&gate, &token(json!("client-1"))).await;
}

#[tokio::test]
async fn the_issuer_is_checked() {
    let issuer = TestIssuer::new();
    let gate = issuer.gate();
    for other in ["https://attacker.test/", "", "https://issuer.test", "https://ISSUER.test/", "https://issuer.test//"]
    {
        assert_eq!(refused(&gate, &issuer.token().issuer(other).sign()).await, InvalidToken::WrongIssuer, "{other}");
    }
    admitted(&gate, &issuer.token().sign()).await;
}

#[tokio::test]
async fn naming_a_key_url_keeps_the_issuer_check() {
    let issuer = TestIssuer::new();
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("issuer_check_stays_on.json");
    std::fs::write(&path, issuer.jwks()).unwrap();
    let mut config = Config::new(issuer.url(), issuer.audience());
    config.jwks_file = Some(path.clone());
    let gate = Gate::new(config.verifier().unwrap());
    let other = issuer.token().issuer("https://attacker.test/").sign();
    assert_eq!(refused(&gate, &other).await, InvalidToken::WrongIssuer);
    assert_eq!(refused(&gate, &issuer.token().without("iss").sign()).await, InvalidToken::missing("iss"));
    admitted(&gate, &issuer.token().sign()).await;

    config.issuer.clear();
    assert_eq!(config.verifier().unwrap_err().field(), "issuer");
    std::fs::remove_file(path).unwrap();
}

#[test]
fn issuer_and_audience_cannot_be_left_out() {
    let build = |issuer: Issuer, audience: Audience| -> Result<(), ConfigError> {
        let keys = FixedKeys::secret(&[7; 32]).unwrap();
        JwtVerifier::builder(issuer, audience, keys).build().map(drop)
    };
    let none = Vec::<String>::new;
    let ours = || Audience::any_of(["https://api.test"]);
    for issuer in [Issuer::from(""), Issuer::any_of(none()), Issuer::any_of(["https://issuer.test/", ""])] {
        assert_eq!(build(issuer, ours()).unwrap_err().field(), "issuer");
    }
    for audience in [Audience::any_of(none()), Audience::any_of([""]), Audience::claim("client_id", none())] {
        assert_eq!(build("https://issuer.test/".into(), audience).unwrap_err().field(), "audience");
    }
    assert_eq!(build("https://issuer.test/".into(), ours()), Ok(()));
}

#[tokio::test]
async fn an_absent_azp_is_refused() {
    let issuer = TestIssuer::new();
    let verifier = issuer.verifier().check_fn(
        "authorized party",
        |token| matches!(token.claims().get::<String>("azp"), Ok(Some(party)) if party == "https://app.test"),
    );
    let gate = Gate::new(verifier.build().unwrap());
    let failed = InvalidToken::CheckFailed { name: "authorized party".into() };
    assert_eq!(refused(&gate, &issuer.token().sign()).await, failed, "absent");
    for value in [Value::Null, json!("https://attacker.test"), json!(""), json!(["https://app.test"]), json!(1)] {
        assert_eq!(refused(&gate, &issuer.token().claim("azp", &value).sign()).await, failed, "{value}");
    }
    admitted(&gate, &issuer.token().claim("azp", "https://app.test").sign()).await;
}

#[tokio::test]
async fn a_custom_check_chooses_its_reason() {
    struct AuthorizedParty(&'static str);

    impl ClaimCheck for AuthorizedParty {
        fn check(&self, token: &TokenView<'_>) -> Result<(), InvalidToken> {
            match token.claims().get::<String>("azp")? {
                None => Err(InvalidToken::missing("azp")),
                Some(party) if party == self.0 => Ok(()),
                Some(_) => Err(InvalidToken::WrongParty),
            }
        }
    }

    let issuer = TestIssuer::new();
    let gate = Gate::new(issuer.verifier().check(AuthorizedParty("https://app.test")).build().unwrap());
    let token = |value: Value| issuer.token().claim("azp", value).sign();
    assert_eq!(refused(&gate, &issuer.token().sign()).await, InvalidToken::missing("azp"));
    assert_eq!(refused(&gate, &token(json!(1))).await, InvalidToken::invalid("azp"));
    assert_eq!(refused(&gate, &token(json!("https://attacker.test"))).await, InvalidToken::WrongParty);
    admitted(&gate, &token(json!("https://app.test"))).await;
}

#[tokio::test]
async fn every_check_must_pass() {
    let issuer = TestIssuer::new();
    let is =
        |name: &'static str| move |token: &TokenView<'_>| matches!(token.claims().get::<bool>(name), Ok(Some(true)));
    let verifier = issuer.verifier().check_fn("first", is("first")).check_fn("second", is("second"));
    let gate = Gate::new(verifier.build().unwrap());
    let token = |first: bool, second: bool| issuer.token().claim("first", first).claim("second", second).sign();
    let failed = |name: &'static str| InvalidToken::CheckFailed { name: name.into() };
    assert_eq!(refused(&gate, &token(false, true)).await, failed("first"));
    assert_eq!(refused(&gate, &token(true, false)).await, failed("second"));
    admitted(&gate, &token(true, true)).await;
}

#[tokio::test]
async fn a_required_claim_must_not_be_absent_or_null() {
    let issuer = TestIssuer::new();
    let gate = Gate::new(issuer.verifier().require_claims(["org_id"]).build().unwrap());
    assert_eq!(refused(&gate, &issuer.token().sign()).await, InvalidToken::missing("org_id"));
    let null = issuer.token().claim("org_id", Value::Null).sign();
    assert_eq!(refused(&gate, &null).await, InvalidToken::missing("org_id"));
    admitted(&gate, &issuer.token().claim("org_id", "org_1").sign()).await;
}

#[tokio::test]
async fn keys_verify_only_tokens_of_their_issuer() {
    let ours = TestIssuer::new();
    let theirs = TestIssuer::new().with_url("https://other.test/");
    let gate = ours.gate();
    // Their key has the same `kid` and signs our issuer; then one set has the keys of both issuers.
    let forged = theirs.token().issuer(ours.url()).sign();
    assert_eq!(refused(&gate, &forged).await, InvalidToken::BadSignature);
    assert_eq!(refused(&gate, &theirs.token().sign()).await, InvalidToken::BadSignature);
    let both = Gate::new(builder_with(&ours, ours.keys()).build().unwrap());
    let foreign = ours.token().issuer(theirs.url()).sign();
    assert_eq!(refused(&both, &foreign).await, InvalidToken::WrongIssuer);
    admitted(&gate, &ours.token().sign()).await;
    admitted(&theirs.gate(), &theirs.token().sign()).await;
}

#[tokio::test]
async fn a_token_of_another_type_is_refused() {
    let issuer = TestIssuer::new();
    let strict = Gate::new(issuer.verifier().token_types(["at+jwt"]).build().unwrap());
    for typ in ["JWT", "id+jwt", "logout+jwt", "dpop+jwt", ""] {
        let token = issuer.token().header("typ", typ).sign();
        assert_eq!(refused(&strict, &token).await, InvalidToken::WrongType, "{typ:?}");
    }
    assert_eq!(refused(&strict, &issuer.token().without_header("typ").sign()).await, InvalidToken::WrongType);
    admitted(&strict, &issuer.token().header("typ", "application/at+jwt").sign()).await;
    assert_eq!(
        refused(&issuer.gate(), &issuer.token().header("typ", "logout+jwt").sign()).await,
        InvalidToken::WrongType
    );
}
