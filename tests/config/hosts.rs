//! Tests what each preset says about a host name that is only a part of one.

use portcullis::ConfigError;
use portcullis_auth0::Auth0;
use portcullis_azure::Azure;
use portcullis_clerk::Clerk;
use portcullis_oidc::{Authok, Keycloak, Logto, Okta, Supabase, WorkOs, Zitadel};
use portcullis_workload::{AwsRole, CloudflareAccess, GitHubActions, GitLab};

const TENANT: &str = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490";

/// Builds each preset that takes a host name, with `host`.
fn build(host: &str) -> [(&'static str, Option<ConfigError>); 15] {
    let variable = |name: &'static str| {
        move |asked: &str| match asked {
            "AUTH0_AUDIENCE" | "AUTHOK_AUDIENCE" => Some("api".to_owned()),
            asked => (asked == name).then(|| host.to_owned()),
        }
    };
    [
        ("domain", Auth0::new(host, "api").verifier().err()),
        ("AUTH0_DOMAIN", Auth0::from_variables(variable("AUTH0_DOMAIN")).err()),
        ("AUTHOK_DOMAIN", Authok::from_variables(variable("AUTHOK_DOMAIN")).err()),
        ("domain", Okta::new(host, "api").verifier().err()),
        ("issuer", WorkOs::new(host, "api").verifier().err()),
        ("frontend_api", Clerk::from_frontend_api(host).verifier().err()),
        ("authority", Azure::single_tenant(TENANT, TENANT).authority(host).verifier().err()),
        ("base", Keycloak::new(host, "main", "api").verifier().err()),
        ("endpoint", Logto::new(host, "api").verifier().err()),
        ("url", Supabase::from_url(host).verifier().err()),
        ("instance", Zitadel::new(host, "1").verifier().err()),
        ("host", GitHubActions::new("api").repository(1).enterprise_server(host).verifier().err()),
        ("issuer", AwsRole::new(host, "api").any_role().verifier().err()),
        ("team_domain", CloudflareAccess::new(host, "0".repeat(64)).verifier().err()),
        ("instance", GitLab::new(host, "api").project(1).verifier().err()),
    ]
}

#[test]
fn part_of_a_host_name_is_refused_by_every_preset() {
    for host in ["tenant", "tenant:8443", "tenant."] {
        for (field, error) in build(host) {
            let error = error.unwrap_or_else(|| panic!("{field}: {host} was taken"));
            assert_eq!(error.field(), field, "{host}");
            assert!(error.to_string().contains("not a host name with a dot; write it as in "), "{error}");
        }
    }
    for host in ["tenant.example.com", "https://tenant.example.com", "http://localhost:8080", "http://127.0.0.1:8080"] {
        for (field, error) in build(host) {
            assert_eq!(error, None, "{field}: {host}");
        }
    }
}
