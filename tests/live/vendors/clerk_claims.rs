//! Compares the claims that Clerk's SDK reads, <https://github.com/clerk/javascript/tree/main/packages/shared>: the
//! organization with role and permissions, and the answers to the same questions.

use std::time::Duration;

use portcullis::Gate;
use portcullis_clerk::{Clerk, ClerkClaims};
use portcullis_testing::TestIssuer;
use serde_json::{Value, json};

use crate::cases::{Case, case};
use crate::clerk::{HOST, instance, lasting};
use crate::deviations::{Deviation, Deviations};
use crate::judge::Judge;
use crate::node;

/// The conditions for the SDK's function `has`.
const ASKS: [(&str, &str); 23] = [
    ("role", "org:admin"),
    ("role", "admin"),
    ("role", "org:member"),
    ("role", ""),
    ("permission", "org:articles:read"),
    ("permission", "articles:manage"),
    ("permission", "org:invoices:read"),
    ("permission", "org:articles"),
    ("feature", "articles"),
    ("feature", "org:articles"),
    ("feature", "o:articles"),
    ("feature", "user:articles"),
    ("feature", "export"),
    ("feature", "u:export"),
    ("feature", "x:export"),
    ("feature", "art"),
    ("plan", "pro"),
    ("plan", "org:pro"),
    ("plan", "organization:pro"),
    ("plan", "user:pro"),
    ("plan", "free"),
    ("plan", "user:free"),
    // The second factor was verified less than ten minutes ago.
    ("reverification", "strict"),
];

pub(crate) fn agrees() {
    let instance = instance();
    // Both factors are enabled and fresh by default.
    let instance = instance.clone().with_tokens(move |_| instance.token().claim("fva", [0, 0]));
    let gate = Gate::new(Clerk::from_frontend_api(HOST).pem(instance.public_key_pem()).verifier().unwrap());
    let asks = ASKS.map(|(kind, name)| json!({ kind: name }));
    let settings = json!({"jwtKey": instance.public_key_pem(), "asks": asks});
    let mut judge = Judge::start(node::program("clerk.mjs"), &settings);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();

    let cases = readings(&instance);
    let mut found = Vec::new();
    for Case { name, token } in &cases {
        let theirs = judge.verdict(token);
        let claims: ClerkClaims = runtime.block_on(gate.verify(token)).unwrap().claims().unwrap();
        if !theirs.accepted {
            let verdicts = Deviation { case: name.clone(), accepted: false, ours: "accepted".to_owned() };
            found.push((verdicts, theirs.why));
            continue;
        }
        for ((what, theirs), (_, ours)) in their_reading(&theirs.decoded).into_iter().zip(our_reading(&claims)) {
            if theirs != ours {
                found.push((Deviation { case: format!("{name}: {what}"), accepted: true, ours }, theirs));
            }
        }
    }
    println!("Clerk claims: {} tokens, {} deviations", cases.len(), found.len());
    assert!(cases.len() >= 60, "{} tokens are too few", cases.len());
    let faults = Deviations::of("Clerk claims").faults(&found);
    assert!(faults.is_empty(), "{} do not agree with DEVIATIONS.md:\n{}", faults.len(), faults.join("\n"));
}

/// The names of the values that are read, and the values as text.
type Reading = Vec<(String, String)>;

fn their_reading(decoded: &Value) -> Reading {
    let text = |name: &str| decoded[name].as_str().unwrap_or("nothing").to_owned();
    let permissions = decoded["orgPermissions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let permissions: Vec<_> = permissions.iter().filter_map(Value::as_str).collect();
    let has = decoded["has"].as_array().unwrap().iter().map(|has| has.as_bool().unwrap());
    reading(text("orgId"), text("orgSlug"), text("orgRole"), &permissions, has)
}

fn our_reading(claims: &ClerkClaims) -> Reading {
    let organization = claims.organization.as_ref();
    let text = |text: Option<&str>| text.unwrap_or("nothing").to_owned();
    let permissions = organization.map(|organization| organization.permissions.as_slice()).unwrap_or_default();
    let permissions: Vec<_> = permissions.iter().map(String::as_str).collect();
    let has = ASKS.into_iter().map(|(kind, name)| match kind {
        "role" => claims.has_role(name),
        "permission" => claims.has_permission(name),
        "feature" => claims.has_feature(name),
        "plan" => claims.has_plan(name),
        _ => claims.second_factor_within(Duration::from_secs(600)),
    });
    reading(
        text(organization.map(|organization| organization.id.as_str())),
        text(organization.and_then(|organization| organization.slug.as_deref())),
        text(organization.and_then(|organization| organization.role.as_deref())),
        &permissions,
        has,
    )
}

fn reading(id: String, slug: String, role: String, permissions: &[&str], has: impl Iterator<Item = bool>) -> Reading {
    let permissions = if permissions.is_empty() { "nothing".to_owned() } else { permissions.join(" ") };
    let parts = [("id", id), ("slug", slug), ("role", role), ("permissions", permissions)];
    let named = parts.map(|(name, text)| (name.to_owned(), text)).into_iter();
    named
        .chain(ASKS.iter().zip(has).map(|((kind, name), has)| (format!("has {kind} {name}"), has.to_string())))
        .collect()
}

fn readings(instance: &TestIssuer) -> Vec<Case> {
    let mut all = vec![case("no organization", &instance.token())];
    let wide: Vec<String> = (0..70).map(|at| format!("p{at}")).collect();
    let wide = wide.join(",");
    let many: Vec<String> = (0..40).map(|at| format!("o:f{at}")).collect();
    let many = many.join(",");
    for (features, permissions, map) in [
        ("o:articles,o:invoices", "manage,read", "3,2"),
        ("o:articles,o:invoices", "manage,read", "0,0"),
        ("o:articles,o:invoices", "manage,read", "3"),
        ("o:articles,o:invoices", "manage,read", "1,2,3"),
        ("o:articles", "manage,read", "2"),
        ("o:articles", "manage,read", "255"),
        ("o:articles", "read", "18446744073709551615"),
        ("o:articles", "read", "18446744073709551616"),
        ("o:articles", "read", "00001"),
        ("u:export,o:articles", "manage,read", "2"),
        ("u:export,o:articles,u:other,o:invoices", "manage,read", "1,2"),
        ("ou:articles,uo:invoices", "manage,read", "1,2"),
        ("ou:export,u:articles,o:articles", "manage,read", "1,2"),
        (" o:articles , o:invoices ", " manage , read ", " 3 , 2 "),
        ("o:articles,o:invoices", "manage,read", "x,2"),
        ("o:articles,o:invoices", "manage,read", ",2"),
        ("o:articles,o:invoices", "manage,read", "-1,2"),
        ("o:articles,o:invoices", "manage,read", "1.0,2"),
        ("o:articles,o:invoices", "manage,read", "1e1,2"),
        ("o:articles,o:invoices", "manage,read", "0x3,2"),
        ("o:articles,o:invoices", "manage,read", "+3,2"),
        ("o:articles,o:invoices", "manage,read", "3 3,2"),
        ("o:articles,o:invoices", "manage,read", "3;2"),
        ("o:articles,o:invoices", "manage,read", "\u{663},2"),
        ("o:articles", "manage,read", ""),
        ("o:articles", "", "3"),
        ("o:articles", "manage,,read", "7"),
        ("o:articles", "manage,read,", "4"),
        ("", "manage,read", "3"),
        ("o:", "manage,read", "3"),
        ("o:articles,x:other,o:invoices", "manage,read", "3,3,3"),
        ("x:other,o:articles", "manage,read", "3,3"),
        ("articles", "manage,read", "3"),
        ("o:articles,invoices", "manage,read", "3,3"),
        ("o:articles,,o:invoices", "manage,read", "3,3"),
        ("o:articles:sub,o:invoices", "manage,read", "3,3"),
        ("O:articles", "manage,read", "3"),
        ("o:articles", wide.as_str(), "1180591620717411303423"),
        ("o:articles", &wide, "590295810358705651712"),
        ("o:articles", &wide, "36893488147419103232"),
        ("o:articles", &wide, "12345678901234567890123456789012345678901234567890"),
        (&many, "manage,read", "3,2,1,0,3,2,1,0,3,2,1,0"),
    ] {
        let token = instance.token().clerk_organization("admin", features, permissions, map);
        let short = |text: &str| text.chars().take(40).collect::<String>();
        all.push(case(format!("{features:.40}; {permissions:.20}; {}", short(map)), &token));
    }
    for role in ["member", "org:admin", "org:org:admin", "", "Admin", "billing:admin"] {
        let token = instance.token().clerk_organization(role, "o:articles", "read", "1");
        all.push(case(format!("role {role:?}"), &token));
    }
    for (name, version) in [("1", json!(1)), ("2.0", json!(2.0)), ("as text", json!("2")), ("3", json!(3))] {
        let token = instance.token().clerk_organization("admin", "o:articles", "read", "1").claim("v", version);
        all.push(case(format!("v {name}"), &token.claim("org_id", "org_1").claim("org_role", "org:admin")));
    }
    for (name, claims) in [
        ("without id", json!({"slg": "acme", "rol": "admin", "per": "read", "fpm": "1"})),
        ("without role", json!({"id": "org_1", "per": "read", "fpm": "1"})),
        ("without permissions", json!({"id": "org_1", "rol": "admin"})),
        ("empty", json!({})),
        ("with empty texts", json!({"id": "", "slg": "", "rol": "", "per": "", "fpm": ""})),
        ("of numbers", json!({"id": "org_1", "rol": "admin", "per": 1, "fpm": 1})),
    ] {
        all.push(case(format!("o {name}"), &instance.token().claim("fea", "o:articles").claim("o", claims)));
    }
    for (features, plans) in [
        ("u:export", "u:free"),
        ("o:export", "o:pro"),
        ("ou:export", "uo:pro"),
        ("o:articles,u:export", "o:pro,u:free"),
        ("export", "pro"),
        ("o:export,x", "o:pro,x"),
        ("x:export", "x:pro"),
        ("o:", "o:"),
        ("", ""),
        ("o:export:x", "o:pro:x"),
    ] {
        let token = instance.token().claim("fea", features).claim("pla", plans);
        all.push(case(format!("features {features:?}, plans {plans:?}"), &token));
    }
    for fva in [
        json!([0, 9]),
        json!([9, 10]),
        json!([60, 0]),
        json!([0, 60]),
        json!([0, -1]),
        json!([60, -1]),
        json!([-1, 0]),
        json!([-1, 60]),
        json!([-1, -1]),
        json!([0, -2]),
        json!([0]),
        json!([0, 0, 0]),
        json!([0, "0"]),
        json!([0, null]),
        json!([0, 1.5]),
        json!("0"),
        json!({"0": 0, "1": 0}),
        json!(0),
        json!(null),
    ] {
        all.push(case(format!("fva {fva}"), &instance.token().claim("fva", &fva)));
    }
    let old = lasting(instance.clerk_v1());
    for (name, token) in [
        ("as issued", old.token()),
        ("role", old.token().claim("org_id", "org_1").claim("org_role", "org:admin")),
        ("role without prefix", old.token().claim("org_id", "org_1").claim("org_role", "admin")),
        ("role without organization", old.token().claim("org_role", "org:admin")),
        (
            "permissions",
            old.token().claim("org_id", "org_1").claim("org_permissions", ["org:articles:read", "org:articles:manage"]),
        ),
        ("permissions without organization", old.token().claim("org_permissions", ["org:articles:read"])),
        (
            "permissions without prefix",
            old.token().claim("org_id", "org_1").claim("org_permissions", ["articles:read"]),
        ),
        ("permissions as text", old.token().claim("org_id", "org_1").claim("org_permissions", "org:articles:read")),
    ] {
        all.push(case(format!("version 1, {name}"), &token));
    }
    all
}
