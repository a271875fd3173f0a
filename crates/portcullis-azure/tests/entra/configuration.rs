//! Tests of the configuration, valid and invalid.

use std::collections::HashMap;

use portcullis::{ConfigError, Reason};
use portcullis_azure::{Azure, Cloud, TokenVersions};
use portcullis_testing::TestIssuer;

use crate::{API, CONSUMERS, OTHER, TENANT, admits, gate, reason};

fn read(variables: &[(&str, &str)]) -> Result<Azure, ConfigError> {
    let variables: HashMap<&str, &str> = variables.iter().copied().collect();
    Azure::from_variables(|name| variables.get(name).map(|value| (*value).to_owned()))
}

#[tokio::test]
async fn tenant_variable_is_one_several_or_all() {
    let issuer = TestIssuer::azure(TENANT, API);
    let of = |tenant: &str| {
        let iss = format!("https://login.microsoftonline.com/{tenant}/v2.0");
        issuer.token().issuer(&iss).claim("tid", tenant).sign()
    };
    let [ours, other, person] = [of(TENANT), of(OTHER), of(CONSUMERS)];
    let two = format!("{TENANT}, {}", OTHER.to_uppercase());
    for (tenant, accepts) in [
        (TENANT, [true, false, false]),
        (&format!(" {} ", TENANT.to_uppercase()), [true, false, false]),
        (&two, [true, true, false]),
        ("common", [true, true, true]),
        ("organizations", [true, true, false]),
        ("consumers", [false, false, true]),
    ] {
        let azure = read(&[("AZURE_TENANT_ID", tenant), ("AZURE_CLIENT_ID", API)]).unwrap();
        let gate = gate(&azure, &issuer);
        let found = [admits(&gate, &ours).await, admits(&gate, &other).await, admits(&gate, &person).await];
        assert_eq!(found, accepts, "{tenant}");
    }
}

#[tokio::test]
async fn authority_variable_is_a_cloud_or_a_host() {
    let issuer = TestIssuer::azure(TENANT, API).with_published_keys(|jwk| {
        jwk.remove("alg");
    });
    for (host, login) in [
        ("", "https://login.microsoftonline.com"),
        ("https://login.microsoftonline.us/", "https://login.microsoftonline.us"),
        ("login.chinacloudapi.cn", "https://login.partner.microsoftonline.cn"),
        ("http://127.0.0.1:3999", "http://127.0.0.1:3999"),
    ] {
        let variables = [("AZURE_TENANT_ID", TENANT), ("AZURE_CLIENT_ID", API), ("AZURE_AUTHORITY_HOST", host)];
        let gate = gate(&read(&variables).unwrap(), &issuer);
        let token = |base: &str| issuer.token().issuer(&format!("{base}/{TENANT}/v2.0")).sign();
        assert!(admits(&gate, &token(login)).await, "{host}");
        assert_eq!(reason(&gate, &token("https://login.example")).await, Some(Reason::WrongIssuer), "{host}");
    }
}

#[test]
fn errors_name_the_environment_variable() {
    for (tenant, client, authority, field, says) in [
        ("", API, "", "AZURE_TENANT_ID", "Directory (tenant) ID"),
        ("contoso.onmicrosoft.com", API, "", "AZURE_TENANT_ID", "write the Directory (tenant) ID, a GUID"),
        ("common,organizations", API, "", "AZURE_TENANT_ID", "it means many tenants"),
        (&format!("{TENANT},"), API, "", "AZURE_TENANT_ID", "empty"),
        ("Common", API, "", "AZURE_TENANT_ID", "not a GUID"),
        (TENANT, " ", "", "AZURE_CLIENT_ID", "not set"),
        (TENANT, &format!("api://{API}"), "", "AZURE_CLIENT_ID", "Application (client) ID"),
        (TENANT, API, "http://login.example", "AZURE_AUTHORITY_HOST", "https"),
        (TENANT, API, "https://login.example/tenant", "AZURE_AUTHORITY_HOST", "path"),
    ] {
        let variables = [("AZURE_TENANT_ID", tenant), ("AZURE_CLIENT_ID", client), ("AZURE_AUTHORITY_HOST", authority)];
        let error = read(&variables).unwrap_err();
        assert_eq!(error.field(), field, "{error}");
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[test]
fn errors_name_the_invalid_field() {
    let b2c = |name: &str, tenant: &str, policy: &str| Azure::b2c(name, tenant, policy, API);
    for (azure, field) in [
        (Azure::single_tenant("", API), "tenant"),
        (Azure::single_tenant("common", API), "tenant"),
        (Azure::single_tenant("contoso.com", API), "tenant"),
        (Azure::single_tenant(TENANT, ""), "client_id"),
        (Azure::single_tenant(TENANT, format!("api://{API}")), "client_id"),
        (Azure::common("my-api"), "client_id"),
        (Azure::tenants(Vec::<String>::new(), API), "tenant"),
        (Azure::tenants([TENANT, "contoso.com"], API), "tenant"),
        (Azure::common(API).authority("http://login.example"), "authority"),
        (Azure::common(API).authority("login.example/path"), "authority"),
        (Azure::common(API).audience(""), "audience"),
        (Azure::common(API).audience("https://graph.microsoft.com"), "audience"),
        (b2c("contoso.onmicrosoft.com", TENANT, "B2C_1_susi"), "name"),
        (b2c("", TENANT, "B2C_1_susi"), "name"),
        (b2c("contoso", "contoso", "B2C_1_susi"), "tenant"),
        (b2c("contoso", TENANT, ""), "policy"),
        (b2c("contoso", TENANT, "B2C_1_susi/v2.0"), "policy"),
        (b2c("contoso", TENANT, "B2C_1_susi").versions(TokenVersions::V1), "versions"),
        (b2c("contoso", TENANT, "B2C_1_susi").cloud(Cloud::China), "cloud"),
        (Azure::external_id("contoso.ciamlogin.com", TENANT, API), "name"),
        (Azure::external_id("contoso", TENANT, API).cloud(Cloud::UsGovernment), "cloud"),
    ] {
        assert_eq!(azure.verifier().unwrap_err().field(), field, "{azure:?}");
    }
}

#[test]
fn every_constructor_builds_without_a_request() {
    for azure in [
        Azure::single_tenant(TENANT, API),
        Azure::common(API),
        Azure::organizations(API),
        Azure::consumers(API),
        Azure::tenants([TENANT, OTHER], API),
        Azure::b2c("contoso", TENANT, "B2C_1A_signup_signin", API).authority("login.contoso.com"),
        Azure::external_id("contoso", TENANT, API),
        Azure::organizations(API).cloud(Cloud::China).claims_mapping(),
    ] {
        assert!(azure.verifier().is_ok(), "{azure:?}");
    }
}
