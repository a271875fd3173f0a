//! Compares with Clerk's @clerk/backend, <https://github.com/clerk/javascript/tree/main/packages/backend>.

use portcullis::jose::Algorithm;
use portcullis::{Gate, Policy};
use portcullis_clerk::{Clerk, TokenClass};
use portcullis_testing::{TestIssuer, TokenBuilder};
use serde_json::{Value, json};

use crate::cases::{self, Case, case};
use crate::compare::{Corpus, compare};
use crate::node;

pub(crate) const HOST: &str = "clerk.example.com";
const PUBLISHABLE_KEY: &str = "pk_live_Y2xlcmsuZXhhbXBsZS5jb20k";
const PARTIES: [&str; 2] = ["https://app.example.com", "http://localhost:3000"];
const API: &str = "https://api.example.com";
/// One of the machines in `aud` of machine tokens.
const MACHINE: &str = "mch_2yHv1k8cRwBqGdQO3XkZr5nTfLa";

pub(crate) fn agrees() {
    let instance = instance();
    let with_audience = instance.clone().with_tokens({
        let instance = instance.clone();
        move |_| instance.token().audience(API)
    });
    let (machine, oauth) = (instance.clerk_machine(), instance.clerk_oauth());
    let clerk = || Clerk::from_frontend_api(HOST).pem(instance.public_key_pem());
    let corpora = vec![
        corpus("session", &instance, clerk(), json!({}), sessions(&instance)),
        corpus("version 1", &instance, clerk(), json!({}), sessions_v1(&lasting(instance.clerk_v1()))),
        corpus(
            "parties",
            &instance,
            clerk().authorized_parties(PARTIES),
            json!({"authorizedParties": PARTIES}),
            parties(&instance),
        ),
        corpus(
            "audience",
            &instance,
            clerk().audience(API).audience("other"),
            json!({"audience": [API, "other"]}),
            audiences(&with_audience),
        ),
        corpus("class", &instance, clerk(), json!({}), classes(&instance)),
        corpus(
            "request",
            &instance,
            clerk().authorized_parties(PARTIES),
            json!({"publishableKey": PUBLISHABLE_KEY, "authorizedParties": PARTIES}),
            requests(&instance),
        ),
        corpus(
            "machine",
            &instance,
            clerk().token_classes([TokenClass::MachineToMachine]).audience(MACHINE),
            json!({"machines": "m2m_token", "audience": MACHINE}),
            machines(&machine, &instance),
        ),
        corpus(
            "oauth",
            &instance,
            clerk().token_classes([TokenClass::OAuth]),
            json!({"machines": "oauth_token"}),
            machines(&oauth, &instance),
        ),
    ];
    compare("Clerk", || node::program("clerk.mjs"), corpora, 400);
}

/// Returns the instance with keys for more algorithms than Clerk has.
pub(crate) fn instance() -> TestIssuer {
    let more = [Algorithm::Rs384, Algorithm::Rs512, Algorithm::Ps256, Algorithm::Es256, Algorithm::EdDsa];
    lasting(TestIssuer::clerk(HOST).with_more_algorithms(more))
}

/// Returns the instance with session tokens that live for an hour, so that a slow machine does not change verdicts.
pub(crate) fn lasting(instance: TestIssuer) -> TestIssuer {
    instance.clone().with_tokens(move |_| {
        let token = instance.token();
        let issued_at = token.claims()["iat"].as_i64().unwrap();
        token.claim("exp", issued_at + 3_600)
    })
}

fn corpus(name: &'static str, instance: &TestIssuer, clerk: Clerk, mut settings: Value, cases: Vec<Case>) -> Corpus {
    settings["jwtKey"] = instance.public_key_pem().into();
    settings["clockSkewInMs"] = 5_000.into();
    Corpus { name, settings, gate: Gate::new(clerk.verifier().unwrap()), policy: Policy::authenticated(), cases }
}

fn sessions(instance: &TestIssuer) -> Vec<Case> {
    let mut all = common(instance);
    all.extend(cases::audiences(instance, "aud", API));
    let claims = ["v", "sts", "sid", "fva", "fea", "pla", "o", "act", "jti", "cnf", "scope", "org_id"];
    all.extend(cases::odd_claims(instance, &claims));
    for status in ["active", "pending", "Pending", "ended", "expired", "removed", "active "] {
        all.push(case(format!("sts {status:?}"), &instance.token().claim("sts", status)));
    }
    for (name, permissions, map) in [("all", "manage,read", "3"), ("none", "manage,read", "0"), ("odd", "manage", "x")]
    {
        let token = instance.token().clerk_organization("admin", "o:articles", permissions, map);
        all.push(case(format!("in an organization, permissions {name}"), &token));
    }
    all
}

fn sessions_v1(instance: &TestIssuer) -> Vec<Case> {
    let mut all = common(instance);
    let token = instance.token().claim("org_id", "org_1").claim("org_slug", "acme").claim("org_role", "org:admin");
    all.push(case("in an organization", &token.claim("org_permissions", ["org:articles:read"])));
    all.extend(cases::odd_claims(instance, &["org_id", "org_role", "org_permissions", "act"]));
    all
}

fn common(instance: &TestIssuer) -> Vec<Case> {
    let mut all = cases::usual(instance);
    all.extend(cases::odd_claims(instance, &["iss", "sub", "aud", "exp", "iat", "nbf", "azp"]));
    all
}

fn parties(instance: &TestIssuer) -> Vec<Case> {
    let mut all = cases::odd_claims(instance, &["azp"]);
    let old = lasting(instance.clerk_v1());
    for party in [
        "https://app.example.com",
        "http://localhost:3000",
        "https://app.example.com/",
        "https://APP.example.com",
        "http://app.example.com",
        "https://app.example.com:443",
        "https://app.example.com.attacker.test",
        "https://app.example.co",
        "https://other.example.com",
        "http://localhost:3001",
        "https://app.example.com,http://localhost:3000",
        " https://app.example.com",
        "null",
        "*",
    ] {
        all.push(case(format!("azp {party:?}"), &instance.token().claim("azp", party)));
        all.push(case(format!("version 1, azp {party:?}"), &old.token().claim("azp", party)));
    }
    all.push(case("version 1, azp absent", &old.token().without("azp")));
    all.push(case("azp ours in an array", &instance.token().claim("azp", PARTIES)));
    all
}

fn audiences(instance: &TestIssuer) -> Vec<Case> {
    let mut all = cases::audiences(instance, "aud", API);
    all.extend(cases::odd_claims(instance, &["aud"]));
    all.push(case("the other audience", &instance.token().audience("other")));
    all
}

fn classes(instance: &TestIssuer) -> Vec<Case> {
    let old = lasting(instance.clerk_v1());
    let mut all = vec![
        case("a template's", &lasting(instance.clerk_template()).token().without("aud")),
        case("a machine's", &instance.clerk_machine().token().without("aud")),
        case("an OAuth access token", &instance.clerk_oauth().token()),
    ];
    for category in
        ["cl_B7d4PD111AAA", "cl_B7d4PD222AAA", "cl_B7d4PD333AAA", "cl_I7d4PD111III", "cl_B7d4PD444AAA", "session", ""]
    {
        let with = |token: TokenBuilder| token.header("cat", category);
        all.push(case(format!("cat {category:?}"), &with(instance.token())));
        all.push(case(format!("version 1, cat {category:?}"), &with(old.token())));
        all.push(case(format!("sub of a machine, cat {category:?}"), &with(instance.token().subject("mch_1"))));
    }
    for value in [json!(null), json!(1), json!(["cl_B7d4PD111AAA"]), json!({})] {
        all.push(case(format!("cat = {value}"), &instance.token().header("cat", value)));
    }
    all.push(case("cat absent", &instance.token().without_header("cat")));
    all.push(case("sub of a machine, cat absent", &instance.token().subject("mch_1").without_header("cat")));
    all
}

/// Returns the tokens that are judged as part of a request.
fn requests(instance: &TestIssuer) -> Vec<Case> {
    let mut all = vec![case("as issued", &instance.token()), case("version 1", &lasting(instance.clerk_v1()).token())];
    all.extend(classes(instance));
    all.extend(cases::odd_claims(instance, &["sts", "azp"]));
    for status in ["active", "pending", "Pending", "ended"] {
        all.push(case(format!("sts {status:?}"), &instance.token().claim("sts", status)));
    }
    for prefix in ["ak_", "mt_", "oat_"] {
        all.push(Case { name: format!("opaque {prefix}"), token: format!("{prefix}8XOIucKvqHVr5tYP123456789abcdefg") });
    }
    all
}

fn machines(instance: &TestIssuer, sessions: &TestIssuer) -> Vec<Case> {
    let mut all = vec![case("as issued", &instance.token()), case("a session's", &sessions.token())];
    all.extend(cases::forgeries(instance));
    all.extend(cases::types(instance));
    all.extend(cases::times(instance));
    all.extend(cases::algorithms(instance));
    all.extend(cases::odd_claims(instance, &["sub", "scope", "scopes", "scp", "client_id", "aud", "exp"]));
    for category in ["cl_B7d4PD111AAA", "cl_B7d4PD222AAA", "cl_B7d4PD333AAA", "cl_I7d4PD111III", "other", ""] {
        all.push(case(format!("cat {category:?}"), &instance.token().header("cat", category)));
    }
    all.push(case("cat absent", &instance.token().without_header("cat")));
    for subject in ["user_1", "mch_1", "mch_", "mch", "MCH_1", " mch_1"] {
        all.push(case(format!("sub {subject:?}"), &instance.token().subject(subject)));
    }
    all
}
