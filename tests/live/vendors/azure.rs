//! Compares with fastapi-azure-auth for Entra ID, <https://github.com/intility/fastapi-azure-auth>. Microsoft has a
//! verifier only for .NET, and this one is used by services in Python.

use portcullis::jose::Algorithm;
use portcullis::keys::FixedKeys;
use portcullis::{Gate, Policy, scopes};
use portcullis_azure::Azure;
use portcullis_testing::{TestIssuer, TokenBuilder};
use serde_json::{Value, json};

use crate::cases::{self, Case, case};
use crate::compare::{Corpus, compare};
use crate::python;

const TENANT: &str = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490";
const OTHER: &str = "82229342-1101-4ab6-817b-70c0747630f3";
const CONSUMERS: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";
const API: &str = "535fb089-9ff3-47b6-9bfb-4f1264799865";
const POLICY: &str = "B2C_1_susi";
const TEMPLATE: &str = "https://login.microsoftonline.com/{tenantid}/v2.0";

pub(crate) fn agrees() {
    let user = with_more_keys(TestIssuer::azure(TENANT, API));
    let app = with_more_keys(TestIssuer::azure_app(TENANT, API));
    let first = with_more_keys(TestIssuer::azure_v1(TENANT, API));
    let b2c = with_more_keys(TestIssuer::azure_b2c("contoso", TENANT, POLICY, API));
    let single = Azure::single_tenant(TENANT, API);
    let anyone = Policy::authenticated;
    let two = Some(vec![TENANT, CONSUMERS]);
    let corpora = vec![
        corpus("user", &user, &single, anyone(), "single", None, tokens(&user)),
        corpus("app", &app, &single, anyone(), "single", None, of_applications(&app)),
        corpus("version 1", &first, &single, anyone(), "single", None, tokens(&first)),
        corpus("scope", &user, &single, scopes("Files.Read"), "single", None, of_scopes(&user)),
        corpus("common", &user, &Azure::common(API), anyone(), "multi", None, of_tenants(&user)),
        corpus("tenants", &user, &Azure::tenants([TENANT, CONSUMERS], API), anyone(), "multi", two, of_tenants(&user)),
        corpus("b2c", &b2c, &Azure::b2c("contoso", TENANT, POLICY, API), anyone(), "b2c", None, of_policies(&b2c)),
    ];
    compare("Entra ID", || python::program("vendors/azure.py"), corpora, 200);
}

/// Adds RSA keys. The vendor's verifier fails for a set with keys of another type.
fn with_more_keys(tenant: TestIssuer) -> TestIssuer {
    tenant.with_more_algorithms([Algorithm::Rs384, Algorithm::Ps256])
}

fn corpus(
    name: &'static str,
    tenant: &TestIssuer,
    azure: &Azure,
    policy: Policy,
    kind: &str,
    tenants: Option<Vec<&str>>,
    cases: Vec<Case>,
) -> Corpus {
    let settings = json!({
        "kind": kind,
        "audience": tenant.audience(),
        "tenant": TENANT,
        "tenants": tenants,
        "issuer": if kind == "multi" { TEMPLATE } else { tenant.url() },
        "scopes": if name == "scope" { vec!["Files.Read"] } else { Vec::new() },
        "jwks": serde_json::from_str::<Value>(&tenant.jwks()).unwrap(),
    });
    let keys = FixedKeys::jwks(&tenant.jwks()).unwrap();
    Corpus { name, settings, gate: Gate::new(azure.clone().keys(keys).verifier().unwrap()), policy, cases }
}

fn tokens(tenant: &TestIssuer) -> Vec<Case> {
    let mut all = cases::usual(tenant);
    all.extend(cases::audiences(tenant, "aud", tenant.audience()));
    all.extend(cases::odd_claims(tenant, &["iss", "sub", "aud", "exp", "iat", "nbf", "tid", "oid", "ver", "scp"]));
    all.extend(cases::odd_claims(tenant, &["roles", "groups", "azp", "appid", "idtyp", "uti", "name", "cnf"]));
    for (name, audience) in [
        ("the client", API.to_owned()),
        ("the application's URI", format!("api://{API}")),
        ("Graph", "00000003-0000-0000-c000-000000000000".to_owned()),
        ("Graph's address", "https://graph.microsoft.com".to_owned()),
        ("another client", OTHER.to_owned()),
    ] {
        all.push(case(format!("for {name}"), &tenant.token().audience(audience)));
    }
    all.extend(versions(tenant));
    all.extend(id_tokens(tenant));
    all
}

/// Returns tokens that name a version, in `iss` or in `ver`.
fn versions(tenant: &TestIssuer) -> Vec<Case> {
    let mut all = Vec::new();
    for (name, iss) in [
        ("of version 1", format!("https://sts.windows.net/{TENANT}/")),
        ("of version 2", format!("https://login.microsoftonline.com/{TENANT}/v2.0")),
        ("of version 1 of another tenant", format!("https://sts.windows.net/{OTHER}/")),
        ("of version 2 of another tenant", format!("https://login.microsoftonline.com/{OTHER}/v2.0")),
        ("of another cloud", format!("https://login.microsoftonline.us/{TENANT}/v2.0")),
        ("of a template", TEMPLATE.to_owned()),
        ("of common", "https://login.microsoftonline.com/common/v2.0".to_owned()),
    ] {
        all.push(case(format!("iss {name}"), &tenant.token().issuer(&iss)));
    }
    for version in ["1.0", "2.0", "3.0"] {
        all.push(case(format!("ver {version}"), &tenant.token().claim("ver", version)));
    }
    all
}

/// Returns ID tokens of the same application, and access tokens with fewer grants.
fn id_tokens(tenant: &TestIssuer) -> Vec<Case> {
    let id_token = tenant.token().without("scp").without("azp").without("appid").claim("nonce", "n");
    vec![
        case("ID token", &id_token),
        case("ID token with a role", &id_token.clone().claim("roles", ["Admin"])),
        case("no scope, but a client", &tenant.token().without("scp")),
        case("no scope, but a role", &tenant.token().without("scp").claim("roles", ["Admin"])),
        case("scope and role", &tenant.token().claim("roles", ["Admin"])),
        case("scope, but no client", &tenant.token().without("azp").without("appid")),
    ]
}

fn of_applications(tenant: &TestIssuer) -> Vec<Case> {
    let mut all = vec![case("as issued", &tenant.token())];
    all.extend(cases::forgeries(tenant));
    all.extend(cases::odd_claims(tenant, &["roles", "azp", "scp", "idtyp"]));
    for idtyp in ["app", "user", "device"] {
        all.push(case(format!("idtyp {idtyp}"), &tenant.token().claim("idtyp", idtyp)));
    }
    for roles in [json!(["Files.Read.All", "Files.Write.All"]), json!(["Files.Read.All", 1]), json!("Files.Read.All")] {
        all.push(case(format!("roles {roles}"), &tenant.token().claim("roles", &roles)));
    }
    all
}

fn of_scopes(tenant: &TestIssuer) -> Vec<Case> {
    let values = [
        json!("Files.Read"),
        json!("Files.Write Files.Read"),
        json!("Files.Read Files.Write"),
        json!("Files.Write"),
        json!("Files.Read.All"),
        json!("Files"),
        json!("files.read"),
        json!("Files.Read,Files.Write"),
        json!(" Files.Read "),
        json!("Files.Write  Files.Read"),
        json!("Files.Write\tFiles.Read"),
        json!("Files.Write\nFiles.Read"),
        json!(["Files.Read"]),
        json!({"Files.Read": true}),
        json!(""),
        json!(" "),
        json!(true),
        json!(1),
        json!(null),
    ];
    let mut all = vec![
        case("no scope", &tenant.token().without("scp")),
        case("no scope, but a role of its name", &tenant.token().without("scp").claim("roles", ["Files.Read"])),
        case("a scope in scope alone", &tenant.token().without("scp").scope("Files.Read")),
    ];
    all.extend(values.map(|value| case(format!("scp {value}"), &tenant.token().claim("scp", &value))));
    all
}

fn of_tenants(tenant: &TestIssuer) -> Vec<Case> {
    let name = |tid: &str| TEMPLATE.replace("{tenantid}", tid);
    let of = |iss: &str, tid: &str| -> TokenBuilder { tenant.token().issuer(&name(iss)).claim("tid", tid) };
    let mut all = vec![case("as issued", &tenant.token())];
    all.extend(cases::forgeries(tenant));
    all.extend(cases::odd_claims(tenant, &["tid", "iss"]));
    all.extend(versions(tenant));
    all.extend(id_tokens(tenant));
    for (label, tid) in [
        ("ours", TENANT),
        ("another", OTHER),
        ("personal accounts", CONSUMERS),
        ("common", "common"),
        ("a domain", "contoso.com"),
        ("the template", "{tenantid}"),
        ("nothing", ""),
        ("a path", "../common"),
        ("a space", " "),
        ("None", "None"),
    ] {
        all.push(case(format!("of {label} throughout"), &of(tid, tid)));
        if tid != TENANT {
            all.push(case(format!("tid of {label} alone"), &of(TENANT, tid)));
            all.push(case(format!("iss of {label} alone"), &of(tid, TENANT)));
        }
    }
    let capitals = TENANT.to_uppercase();
    all.push(case("of ours in capitals throughout", &of(&capitals, &capitals)));
    all.push(case("tid in capitals alone", &of(TENANT, &capitals)));
    all.push(case("iss in capitals alone", &of(&capitals, TENANT)));
    let braces = [("{tenantid}", "{tid}"), ("{tid}", "{tenantid}"), ("%7Btenantid%7D", "{tenantid}")];
    all.extend(braces.map(|(iss, tid)| case(format!("iss of {iss} and tid of {tid}"), &of(iss, tid))));
    let first = |tid: &str| tenant.token().issuer(&format!("https://sts.windows.net/{tid}/")).claim("tid", tid);
    all.push(case("version 1 of another throughout", &first(OTHER)));
    all
}

fn of_policies(tenant: &TestIssuer) -> Vec<Case> {
    let mut all = vec![case("as issued", &tenant.token())];
    all.extend(cases::forgeries(tenant));
    all.extend(cases::issuers(tenant));
    all.extend(cases::odd_claims(tenant, &["tfp", "tid", "scp"]));
    for policy in ["b2c_1_susi", "B2C_1_reset", "B2C_1_susi2"] {
        all.push(case(format!("tfp {policy}"), &tenant.token().claim("tfp", policy)));
        all.push(case(format!("acr {policy}"), &tenant.token().without("tfp").claim("acr", policy)));
    }
    for (label, tid) in [("ours", TENANT), ("another", OTHER)] {
        all.push(case(format!("tid of {label}"), &tenant.token().claim("tid", tid)));
    }
    all
}
