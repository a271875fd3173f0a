//! Compares with Auth0's express-oauth2-jwt-bearer, <https://github.com/auth0/node-oauth2-jwt-bearer>.

use portcullis::jose::Algorithm;
use portcullis::{Gate, Policy, permissions, scopes};
use portcullis_auth0::Auth0;
use portcullis_testing::{IssuerServer, TestIssuer};
use serde_json::{Value, json};

use crate::cases::{self, Case, case};
use crate::compare::{Corpus, compare};
use crate::node;

const API: &str = "https://api.example.com";

pub(crate) fn agrees() {
    let user = serve(TestIssuer::auth0("tenant.eu.auth0.com", API));
    let machine = serve(TestIssuer::auth0_rfc9068("tenant.eu.auth0.com", API));
    let machines = tokens(&machine.issuer());
    let corpora = vec![
        corpus("auth0", &user, Policy::authenticated(), json!({}), tokens(&user.issuer())),
        corpus("rfc9068", &machine, Policy::authenticated(), json!({}), machines.clone()),
        strict(&machine, machines),
        corpus(
            "scope",
            &user,
            scopes("read:messages"),
            json!({"scope": "read:messages"}),
            grants(&user.issuer(), "scope"),
        ),
        corpus(
            "permissions",
            &user,
            permissions(["read:messages"]),
            json!({"permission": "read:messages"}),
            grants(&user.issuer(), "permissions"),
        ),
    ];
    compare("Auth0", || node::program("auth0.mjs"), corpora, 200);
}

/// Serves the tenant on loopback, with keys for more algorithms than Auth0 has.
fn serve(tenant: TestIssuer) -> IssuerServer {
    let more = [Algorithm::Es256, Algorithm::Rs384, Algorithm::EdDsa, Algorithm::Ps256];
    let server = tenant.with_more_algorithms(more).serve();
    let metadata = json!({
        "issuer": server.url(),
        "jwks_uri": server.jwks_url(),
        // As in Auth0's metadata.
        "id_token_signing_alg_values_supported": ["HS256", "RS256", "PS256"],
    });
    server.set_metadata_body(metadata.to_string());
    server
}

fn corpus(name: &'static str, server: &IssuerServer, policy: Policy, settings: Value, cases: Vec<Case>) -> Corpus {
    let mut settings = settings;
    settings["issuer"] = server.url().into();
    settings["audience"] = API.into();
    let domain = format!("http://{}", server.address());
    Corpus { name, settings, gate: Gate::new(Auth0::new(domain, API).verifier().unwrap()), policy, cases }
}

/// Accepts only the profile of RFC 9068, which the vendor calls strict.
fn strict(server: &IssuerServer, cases: Vec<Case>) -> Corpus {
    let corpus = corpus("strict", server, Policy::authenticated(), json!({"strict": true}), cases);
    let auth0 = Auth0::new(format!("http://{}", server.address()), API).builder().unwrap();
    let verifier = auth0.token_types(["at+jwt"]).require_claims(["iat", "sub", "client_id", "jti"]).build();
    Corpus { gate: Gate::new(verifier.unwrap()), ..corpus }
}

fn tokens(tenant: &TestIssuer) -> Vec<Case> {
    let mut all = cases::usual(tenant);
    all.extend(cases::audiences(tenant, "aud", API));
    let claims = ["iss", "sub", "aud", "exp", "iat", "nbf", "jti", "azp", "client_id", "scope", "permissions"];
    all.extend(cases::odd_claims(tenant, &claims));
    let claims = ["gty", "org_id", "org_name", "authorization_details", "cnf", "https://example.com/roles"];
    all.extend(cases::odd_claims(tenant, &claims));
    for cnf in [json!({"x5t#S256": "x"}), json!({"jkt": "x"}), json!({"jwk": {}}), json!({"kid": "x"})] {
        all.push(case(format!("cnf of {cnf}"), &tenant.token().claim("cnf", &cnf)));
    }
    all
}

fn grants(tenant: &TestIssuer, claim: &str) -> Vec<Case> {
    let values = [
        json!("read:messages"),
        json!("write:messages read:messages"),
        json!("read:messages write:messages"),
        json!(["read:messages"]),
        json!(["write:messages", "read:messages"]),
        json!(["write:messages"]),
        json!("write:messages"),
        json!("read"),
        json!("read:message"),
        json!("read:messages:all"),
        json!("READ:MESSAGES"),
        json!("read:messages,write:messages"),
        json!(" read:messages "),
        json!("read:messages\twrite:messages"),
        json!("read:messages\nwrite:messages"),
        json!(["read:messages", 1]),
        json!(["read:messages", null]),
        json!(["read:messages write:messages"]),
        json!({"read:messages": true}),
        json!([["read:messages"]]),
        json!(""),
        json!([]),
        json!(true),
        json!(1),
        json!(null),
    ];
    let mut all = vec![case(format!("{claim} absent"), &tenant.token().without(claim))];
    all.extend(values.map(|value| case(format!("{claim} = {value}"), &tenant.token().claim(claim, &value))));
    all
}
