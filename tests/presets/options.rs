//! Every option of a preset that names something is an error if it is blank.

use portcullis::ConfigError;
use portcullis::JwtVerifier;
use portcullis_auth0::Auth0;
use portcullis_azure::Azure;
use portcullis_clerk::Clerk;
use portcullis_oidc::{Authok, Cognito, Firebase, Google, Keycloak, Logto, Okta, Supabase, WorkOs, Zitadel};

const API: &str = "https://api.example.com";
const TENANT: &str = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490";
const CLIENT_ID: &str = "535fb089-9ff3-47b6-9bfb-4f1264799865";
const POOL: &str = "eu-west-1_Ab12Cd34E";

type Case = (&'static str, Result<JwtVerifier, ConfigError>);

/// Returns the verifiers in which one option is `blank`, each with the name of the option.
fn with_blank(blank: &str) -> Vec<Case> {
    let azure = || Azure::single_tenant(TENANT, CLIENT_ID);
    let clerk = || Clerk::from_frontend_api("clerk.example.com");
    let cognito = || Cognito::new("eu-west-1", POOL, ["client1"]);
    let google = || Google::id_tokens("client1");
    let keycloak = || Keycloak::new("https://keycloak.example.com", "main", "api");
    let okta = || Okta::new("dev-1.okta.com", "api://default");
    vec![
        ("domain", Auth0::new(blank, API).verifier()),
        ("audience", Auth0::new("tenant.eu.auth0.com", blank).verifier()),
        ("domain", Auth0::new("tenant.eu.auth0.com", API).custom_domain(blank).verifier()),
        ("audience", Auth0::new("tenant.eu.auth0.com", API).audience(blank).verifier()),
        ("domain", Authok::new(blank, API).verifier()),
        ("audience", Authok::new("tenant.us.authok.cn", blank).verifier()),
        ("tenant", Azure::single_tenant(blank, CLIENT_ID).verifier()),
        ("client_id", Azure::common(blank).verifier()),
        ("tenant", Azure::tenants([TENANT, blank], CLIENT_ID).verifier()),
        ("name", Azure::b2c(blank, TENANT, "B2C_1_susi", CLIENT_ID).verifier()),
        ("policy", Azure::b2c("contoso", TENANT, blank, CLIENT_ID).verifier()),
        ("name", Azure::external_id(blank, TENANT, CLIENT_ID).verifier()),
        ("audience", azure().audience(blank).verifier()),
        ("authority", azure().authority(blank).verifier()),
        ("frontend_api", Clerk::from_frontend_api(blank).verifier()),
        ("pem", Clerk::from_pem(blank).verifier()),
        ("pem", clerk().pem(blank).verifier()),
        ("audience", clerk().audience(blank).verifier()),
        ("authorized_parties", clerk().authorized_parties([blank]).verifier()),
        ("secret_key", clerk().secret_key(blank).verifier()),
        ("backend_api", clerk().secret_key("sk_live_x").backend_api(blank).verifier()),
        ("region", Cognito::new(blank, POOL, ["client1"]).verifier()),
        ("pool", Cognito::new("eu-west-1", blank, ["client1"]).verifier()),
        ("audience", Cognito::new("eu-west-1", POOL, [blank]).verifier()),
        ("audience", Cognito::new("eu-west-1", POOL, ["client1", blank]).access_and_id_tokens().verifier()),
        ("replica_region", cognito().replica_region(blank).verifier()),
        ("project", Firebase::new(blank).verifier()),
        ("tenant", Firebase::new("project-1").tenant("acme").tenant(blank).verifier()),
        ("audience", Google::id_tokens(blank).verifier()),
        ("audience", google().client(blank).verifier()),
        ("hosted_domain", google().hosted_domain(blank).verifier()),
        ("authorized_parties", google().authorized_parties(["client1", blank]).verifier()),
        ("base", Keycloak::new(blank, "main", "api").verifier()),
        ("realm", Keycloak::new("https://keycloak.example.com", blank, "api").verifier()),
        ("audience", Keycloak::new("https://keycloak.example.com", "main", blank).verifier()),
        ("client", keycloak().client(blank).verifier()),
        ("authorized_parties", keycloak().authorized_parties(["web", blank]).verifier()),
        ("endpoint", Logto::new(blank, API).verifier()),
        ("audience", Logto::new("https://tenant.logto.app", blank).verifier()),
        ("domain", Okta::new(blank, API).verifier()),
        ("audience", Okta::new("dev-1.okta.com", blank).verifier()),
        ("authorization_server", okta().authorization_server(blank).verifier()),
        ("reference", Supabase::new(blank).verifier()),
        ("url", Supabase::from_url(blank).verifier()),
        ("issuer", WorkOs::new(blank, API).verifier()),
        ("audience", WorkOs::new("acme.authkit.app", blank).verifier()),
        ("client", WorkOs::sessions(blank).verifier()),
        ("issuer", WorkOs::sessions("client_1").issuer(blank).verifier()),
        ("instance", Zitadel::new(blank, "1").verifier()),
        ("audience", Zitadel::new("https://i.zitadel.cloud", blank).verifier()),
    ]
}

#[test]
fn blank_options_are_errors_that_name_the_option() {
    for blank in ["", " ", "\t", "\u{a0}"] {
        for (position, (field, verifier)) in with_blank(blank).into_iter().enumerate() {
            let error = verifier.expect_err(&format!("{position}: {field} is {blank:?}"));
            assert_eq!(error.field(), field, "{position}: {blank:?}: {error}");
        }
    }
    assert!(Clerk::from_publishable_key(" ").is_err() && Azure::from_tenant(" ", CLIENT_ID).is_err());
    assert!(Supabase::new("abc").also_legacy_secret(&[b' '; 31]).is_err());
}

#[test]
fn empty_lists_are_errors_that_name_the_option() {
    let none: [&str; 0] = [];
    for (field, verifier) in [
        ("tenant", Azure::tenants(none, CLIENT_ID).verifier()),
        ("authorized_parties", Clerk::from_frontend_api("clerk.example.com").authorized_parties(none).verifier()),
        ("token_classes", Clerk::from_frontend_api("clerk.example.com").token_classes([]).verifier()),
        ("audience", Cognito::new("eu-west-1", POOL, none).verifier()),
        ("audience", Cognito::new("eu-west-1", POOL, none).access_and_id_tokens().verifier()),
        ("authorized_parties", Google::id_tokens("client1").authorized_parties(none).verifier()),
        (
            "authorized_parties",
            Keycloak::new("https://keycloak.example.com", "main", "api").authorized_parties(none).verifier(),
        ),
    ] {
        assert_eq!(verifier.unwrap_err().field(), field);
    }
}
