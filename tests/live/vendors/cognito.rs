//! Compares with Amazon's aws-jwt-verify for Cognito, <https://github.com/awslabs/aws-jwt-verify>.

use portcullis::jose::Algorithm;
use portcullis::keys::FixedKeys;
use portcullis::{Gate, Policy, any_role};
use portcullis_oidc::Cognito;
use portcullis_testing::TestIssuer;
use serde_json::{Value, json};

use crate::cases::{self, Case, case};
use crate::compare::{Corpus, compare};
use crate::node;

const REGION: &str = "eu-west-1";
const POOL: &str = "eu-west-1_Ab12Cd34E";
const CLIENT: &str = "1h57kf5cpq17m0eml12EXAMPLE";
const OTHER_CLIENT: &str = "2i68lg6dqr28n1fnm23EXAMPLE";

pub(crate) fn agrees() {
    let access = with_more_keys(TestIssuer::cognito(REGION, POOL, CLIENT));
    let id = with_more_keys(TestIssuer::cognito_id_tokens(REGION, POOL, CLIENT));
    let cognito = Cognito::new(REGION, POOL, [CLIENT, OTHER_CLIENT]);
    let groups = ["admins", "staff"];
    let corpora = vec![
        corpus("access", &access, &cognito, Policy::authenticated(), Value::Null, tokens(&access, "client_id")),
        corpus("id", &id, &cognito.clone().id_tokens(), Policy::authenticated(), Value::Null, tokens(&id, "aud")),
        corpus("groups", &access, &cognito, any_role(groups), json!(groups), memberships(&access)),
    ];
    compare("Amazon Cognito", || node::program("cognito.mjs"), corpora, 200);
}

fn with_more_keys(pool: TestIssuer) -> TestIssuer {
    pool.with_more_algorithms([Algorithm::Es256, Algorithm::Rs384, Algorithm::EdDsa, Algorithm::Ps256])
}

fn corpus(
    name: &'static str,
    pool: &TestIssuer,
    cognito: &Cognito,
    policy: Policy,
    groups: Value,
    cases: Vec<Case>,
) -> Corpus {
    let settings = json!({
        "userPoolId": POOL,
        "tokenUse": if name == "id" { "id" } else { "access" },
        "clientId": [CLIENT, OTHER_CLIENT],
        "groups": groups,
        "jwks": serde_json::from_str::<Value>(&pool.jwks()).unwrap(),
    });
    let keys = FixedKeys::jwks(&pool.jwks()).unwrap();
    Corpus { name, settings, gate: Gate::new(cognito.clone().keys(keys).verifier().unwrap()), policy, cases }
}

fn tokens(pool: &TestIssuer, client_claim: &'static str) -> Vec<Case> {
    let mut all = cases::usual(pool);
    all.extend(cases::audiences(pool, client_claim, CLIENT));
    let claims = ["iss", "sub", "aud", "client_id", "token_use", "exp", "iat", "nbf", "auth_time", "jti"];
    all.extend(cases::odd_claims(pool, &claims));
    all.extend(cases::odd_claims(
        pool,
        &["scope", "cognito:groups", "username", "version", "origin_jti", "device_key"],
    ));
    for token_use in ["access", "id", "refresh", "ACCESS", "access ", "access id"] {
        all.push(case(format!("token_use {token_use:?}"), &pool.token().claim("token_use", token_use)));
    }
    all.push(case("the other client", &pool.token().claim(client_claim, OTHER_CLIENT)));
    for (name, issuer) in [
        ("of the other form", format!("https://issuer-cognito-idp.{REGION}.amazonaws.com/{POOL}")),
        ("of another pool", format!("https://cognito-idp.{REGION}.amazonaws.com/{REGION}_Zz99Yy88X")),
        ("of another region", format!("https://cognito-idp.us-east-1.amazonaws.com/{POOL}")),
        ("of another region's pool", "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_Ab12Cd34E".to_owned()),
    ] {
        all.push(case(format!("iss {name}"), &pool.token().issuer(&issuer)));
    }
    all
}

fn memberships(pool: &TestIssuer) -> Vec<Case> {
    let values = [
        json!(["admins"]),
        json!(["guests", "staff"]),
        json!(["staff", "admins"]),
        json!(["guests"]),
        json!(["Admins"]),
        json!(["admins "]),
        json!(["admins,staff"]),
        json!("admins"),
        json!("guests"),
        json!("admins staff"),
        json!(["admins", 1]),
        json!([1, "admins"]),
        json!([["admins"]]),
        json!({"admins": true}),
        json!([]),
        json!(""),
        json!(true),
        json!(null),
    ];
    let mut all = vec![case("no groups", &pool.token().without("cognito:groups"))];
    all.extend(values.map(|groups| case(format!("groups {groups}"), &pool.token().claim("cognito:groups", &groups))));
    all
}
