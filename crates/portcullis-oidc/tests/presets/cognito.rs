use std::sync::Arc;

use portcullis::jose::Algorithm;
use portcullis::{Reason, any_role};
use portcullis_oidc::{Cognito, CognitoClaims};
use portcullis_testing::TestIssuer;
use serde_json::json;

use crate::TestGate;

const REGION: &str = "eu-west-1";
const POOL: &str = "eu-west-1_Ab12Cd34E";
const CLIENT: &str = "1h57kf5cpq17m0eml12EXAMPLE";

fn pool() -> (TestIssuer, TestGate) {
    let pool = TestIssuer::cognito(REGION, POOL, CLIENT);
    let cognito = Cognito::new(REGION, POOL, [CLIENT]).keys(pool.keys());
    (pool, TestGate::new(cognito.verifier().unwrap()))
}

#[tokio::test]
async fn access_token_has_client_id_instead_of_aud() {
    let (pool, gate) = pool();
    assert!(!pool.token().claims().contains_key("aud"));
    let caller = gate.admits(&pool.token()).await;
    let claims: CognitoClaims = caller.claims().unwrap();
    assert_eq!((claims.username(), claims.client_id.as_deref()), (Some("my-test-user"), Some(CLIENT)));
    assert_eq!(format!("{claims:?}"), "CognitoClaims { .. }");
    assert_eq!(gate.refuses(&pool.token().claim("client_id", "another")).await, Reason::WrongAudience);
    assert_eq!(gate.refuses(&pool.token().without("client_id").audience(CLIENT)).await, Reason::MissingClaim);
    assert_eq!(gate.refuses(&pool.token().claim("client_id", [CLIENT])).await, Reason::InvalidClaim);
}

#[tokio::test]
async fn both_issuer_forms_are_accepted() {
    let (pool, gate) = pool();
    for issuer in [
        "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Ab12Cd34E",
        "https://issuer-cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Ab12Cd34E",
    ] {
        gate.admits(&pool.token().issuer(issuer)).await;
    }
    for issuer in [
        "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Other",
        "https://cognito-idp.us-east-1.amazonaws.com/eu-west-1_Ab12Cd34E",
        "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Ab12Cd34E/",
    ] {
        assert_eq!(gate.refuses(&pool.token().issuer(issuer)).await, Reason::WrongIssuer, "{issuer}");
    }
}

#[tokio::test]
async fn token_use_must_match() {
    let (pool, gate) = pool();
    for other in ["id", "refresh", "Access", ""] {
        assert_eq!(gate.refuses(&pool.token().claim("token_use", other)).await, Reason::WrongTokenClass, "{other}");
    }
    assert_eq!(gate.refuses(&pool.token().without("token_use")).await, Reason::MissingClaim);
    assert_eq!(gate.refuses(&pool.token().claim("token_use", ["access"])).await, Reason::InvalidClaim);

    let id = TestIssuer::cognito_id_tokens(REGION, POOL, CLIENT);
    let gate = TestGate::new(Cognito::new(REGION, POOL, [CLIENT]).id_tokens().keys(id.keys()).verifier().unwrap());
    let caller = gate.admits(&id.token()).await;
    assert_eq!(caller.claims::<CognitoClaims>().unwrap().username(), Some("my-test-user"));
    assert_eq!(gate.refuses(&id.token().claim("token_use", "access")).await, Reason::WrongTokenClass);
    assert_eq!(gate.refuses(&id.token().audience("another")).await, Reason::WrongAudience);
    assert_eq!(gate.refuses(&id.token().audience([CLIENT])).await, Reason::InvalidClaim);
}

#[tokio::test]
async fn access_and_id_tokens_can_be_accepted_together() {
    let pool = TestIssuer::cognito(REGION, POOL, CLIENT);
    let ids = TestIssuer::cognito_id_tokens(REGION, POOL, CLIENT);
    let preset = Cognito::new(REGION, POOL, [CLIENT, "second"]).access_and_id_tokens();
    let gate = TestGate::new(preset.clone().keys(pool.keys()).verifier().unwrap());
    let id = || ids.token().signed_with(Arc::clone(pool.first_key()));
    assert!(gate.admits(&pool.token()).await.scopes().contains(&"https://api.example.com/read".into()));
    assert!(gate.admits(&id()).await.scopes().is_empty());
    gate.admits(&pool.token().claim("client_id", "second")).await;
    gate.admits(&id().audience("second")).await;
    for (token, reason) in [
        (pool.token().claim("client_id", "another"), Reason::WrongAudience),
        (id().audience("another"), Reason::WrongAudience),
        // Each kind of token names the client in its own claim.
        (pool.token().claim("client_id", "another").audience(CLIENT), Reason::WrongAudience),
        (id().audience("another").claim("client_id", CLIENT), Reason::WrongAudience),
        (pool.token().without("client_id").audience(CLIENT), Reason::MissingClaim),
        (id().without("aud").claim("client_id", CLIENT), Reason::MissingClaim),
        (pool.token().claim("client_id", [CLIENT]), Reason::InvalidClaim),
        (id().audience([CLIENT]), Reason::InvalidClaim),
        (pool.token().claim("token_use", "refresh"), Reason::WrongTokenClass),
        (pool.token().without("token_use"), Reason::MissingClaim),
    ] {
        assert_eq!(gate.refuses(&token).await, reason, "{:?}", token.claims());
    }
    let gate_of_ids = TestGate::new(preset.keys(ids.keys()).verifier().unwrap());
    gate_of_ids.refuses_forgeries_except(&ids, &[]).await;
    gate.refuses_forgeries_except(&pool, &["aud missing", "aud of another", "aud empty", "aud as a prefix"]).await;
}

#[tokio::test]
async fn replica_regions_must_be_named() {
    let pool = TestIssuer::cognito(REGION, POOL, CLIENT);
    let issuer = |form: &str, region: &str| format!("https://{form}.{region}.amazonaws.com/{POOL}");
    let preset = Cognito::new(REGION, POOL, [CLIENT]).keys(pool.keys());
    let [without, with] =
        [preset.clone(), preset.replica_region("us-west-2")].map(|preset| TestGate::new(preset.verifier().unwrap()));
    for form in ["cognito-idp", "issuer-cognito-idp"] {
        let replica = pool.token().issuer(&issuer(form, "us-west-2"));
        assert_eq!(without.refuses(&replica).await, Reason::WrongIssuer, "{form}");
        with.admits(&replica).await;
        with.admits(&pool.token().issuer(&issuer(form, REGION))).await;
        let other = pool.token().issuer(&issuer(form, "us-east-2"));
        assert_eq!(with.refuses(&other).await, Reason::WrongIssuer, "{form}");
    }
    let other_pool = pool.token().issuer("https://cognito-idp.us-west-2.amazonaws.com/us-west-2_Ab12Cd34E");
    assert_eq!(with.refuses(&other_pool).await, Reason::WrongIssuer);
}

#[tokio::test]
async fn policies_see_groups_as_roles() {
    let (pool, gate) = pool();
    let caller = gate.admits(&pool.token()).await;
    assert_eq!(caller.roles(), ["admins"]);
    assert!(any_role(["admins", "staff"]).check(&caller).is_ok() && any_role(["staff"]).check(&caller).is_err());
    for groups in [json!("admins"), json!(["admins", 1]), json!({"admins": true}), json!(null)] {
        let caller = gate.admits(&pool.token().claim("cognito:groups", &groups)).await;
        assert_eq!(caller.roles(), [""; 0], "{groups}");
    }
}

#[tokio::test]
async fn only_rs256_is_allowed() {
    let pool = TestIssuer::cognito(REGION, POOL, CLIENT).with_more_algorithms([Algorithm::Es256, Algorithm::Rs512]);
    let gate = TestGate::new(Cognito::new(REGION, POOL, [CLIENT]).keys(pool.keys()).verifier().unwrap());
    gate.admits(&pool.token()).await;
    for algorithm in [Algorithm::Es256, Algorithm::Rs512] {
        assert_eq!(gate.refuses(&pool.token().algorithm(algorithm)).await, Reason::AlgorithmNotAllowed, "{algorithm}");
    }
}

#[tokio::test]
async fn every_forgery_is_refused_for_its_reason() {
    let (pool, gate) = pool();
    // The preset reads client_id instead of aud.
    let good = ["aud missing", "aud of another", "aud empty", "aud as a prefix"];
    gate.refuses_forgeries_except(&pool, &good).await;

    let id = TestIssuer::cognito_id_tokens(REGION, POOL, CLIENT);
    let cognito = Cognito::new(REGION, POOL, [CLIENT]).id_tokens().keys(id.keys());
    TestGate::new(cognito.verifier().unwrap()).refuses_forgeries_except(&id, &[]).await;
}

#[test]
fn errors_name_the_invalid_field() {
    for (region, pool, clients, field) in [
        ("", POOL, vec![CLIENT], "region"),
        ("eu/west", "eu/west_A", vec![CLIENT], "region"),
        ("us-east-1", POOL, vec![CLIENT], "pool"),
        (REGION, "eu-west-1_", vec![CLIENT], "pool"),
        (REGION, "eu-west-1_A/../B", vec![CLIENT], "pool"),
        (REGION, POOL, vec![], "audience"),
        (REGION, POOL, vec![""], "audience"),
        (REGION, POOL, vec![CLIENT, " "], "audience"),
    ] {
        for preset in [
            Cognito::new(region, pool, clients.clone()),
            Cognito::new(region, pool, clients.clone()).id_tokens(),
            Cognito::new(region, pool, clients.clone()).access_and_id_tokens(),
        ] {
            let error = preset.verifier().unwrap_err();
            assert_eq!(error.field(), field, "{region} {pool}: {error}");
        }
    }
    for replica in ["", "us/west", "us-west-2 "] {
        let error = Cognito::new(REGION, POOL, [CLIENT]).replica_region(replica).verifier().unwrap_err();
        assert_eq!(error.field(), "replica_region", "{replica}");
    }
}
