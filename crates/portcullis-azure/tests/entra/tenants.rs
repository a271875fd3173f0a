//! Tests of the tenants whose tokens are accepted.

use portcullis::Reason;
use portcullis::error::InvalidToken;
use portcullis_azure::{Azure, Cloud, TokenVersions};
use portcullis_testing::{TestIssuer, TokenBuilder};
use serde_json::{Value, json};

use crate::{API, CONSUMERS, OTHER, TENANT, admits, gate, reason, v1, v2};

/// A token of `tenant`, signed with the key that Entra ID uses for all tenants.
fn of(issuer: &TestIssuer, tenant: &str) -> TokenBuilder {
    issuer.token().issuer(&v2(tenant)).claim("tid", tenant)
}

/// The issuer, with `published` as member `issuer` of its keys.
fn with_keys_for(issuer: TestIssuer, published: Value) -> TestIssuer {
    issuer.with_published_keys(move |jwk| {
        jwk.remove("alg");
        jwk.insert("issuer".to_owned(), published.clone());
    })
}

/// Every constructor that accepts the tokens of [`TENANT`].
fn modes() -> [(&'static str, Azure); 4] {
    [
        ("single tenant", Azure::single_tenant(TENANT, API)),
        ("common", Azure::common(API)),
        ("organizations", Azure::organizations(API)),
        ("tenants", Azure::tenants([TENANT], API)),
    ]
}

#[tokio::test]
async fn version_2_issuer_has_no_slash() {
    let issuer = TestIssuer::azure(TENANT, API);
    for (mode, azure) in modes() {
        let gate = gate(&azure, &issuer);
        assert!(admits(&gate, &issuer.token().sign()).await, "{mode}");
        for name in [
            format!("https://login.microsoftonline.com/{TENANT}/v2.0/"),
            format!("https://login.microsoftonline.com/{TENANT}/v2"),
            format!("https://login.microsoftonline.com/{TENANT}"),
            format!("https://login.microsoftonline.com/{TENANT}/v1.0"),
            format!("https://LOGIN.microsoftonline.com/{TENANT}/v2.0"),
            format!("http://login.microsoftonline.com/{TENANT}/v2.0"),
            format!("https://login.microsoftonline.com//{TENANT}/v2.0"),
            format!("https://login.microsoftonline.com/x/{TENANT}/v2.0"),
            format!("https://login.microsoftonline.com.attacker.example/{TENANT}/v2.0"),
            format!("https://attacker.example/{TENANT}/v2.0"),
            format!("https://sts.windows.net/{TENANT}/v2.0"),
            String::new(),
        ] {
            let token = issuer.token().issuer(&name).sign();
            assert_eq!(reason(&gate, &token).await, Some(Reason::WrongIssuer), "{mode}: {name}");
        }
    }
}

#[tokio::test]
async fn version_1_issuer_has_a_slash() {
    let issuer = with_keys_for(TestIssuer::azure_v1(TENANT, API), json!(v2("{tenantid}")));
    for (mode, azure) in modes() {
        let gate = gate(&azure, &issuer);
        assert!(admits(&gate, &issuer.token().sign()).await, "{mode}");
        for name in [
            format!("https://sts.windows.net/{TENANT}"),
            format!("https://sts.windows.net/{TENANT}//"),
            format!("https://sts.windows.net/x/{TENANT}/"),
            format!("https://login.microsoftonline.com/{TENANT}/"),
        ] {
            let token = issuer.token().issuer(&name).sign();
            assert_eq!(reason(&gate, &token).await, Some(Reason::WrongIssuer), "{mode}: {name}");
        }
    }
}

#[tokio::test]
async fn both_versions_are_accepted_by_default() {
    let issuer = TestIssuer::azure(TENANT, API);
    let (first, second) = (issuer.token().issuer(&v1(TENANT)).sign(), issuer.token().sign());
    for (mode, azure) in modes() {
        for (versions, accepts) in [
            (TokenVersions::Both, [true, true]),
            (TokenVersions::V1, [true, false]),
            (TokenVersions::V2, [false, true]),
        ] {
            let gate = gate(&azure.clone().versions(versions), &issuer);
            assert_eq!([admits(&gate, &first).await, admits(&gate, &second).await], accepts, "{mode}: {versions:?}");
        }
    }
}

#[tokio::test]
async fn other_tenants_are_refused_in_every_mode() {
    let issuer = TestIssuer::azure(TENANT, API);
    // Anyone can create a tenant and get a token for this API there. The signing keys are the same.
    for (name, azure, expected) in [
        ("single tenant", Azure::single_tenant(TENANT, API), [Reason::WrongIssuer, Reason::WrongIssuer]),
        ("tenants", Azure::tenants([TENANT, CONSUMERS], API), [Reason::WrongTenant, Reason::WrongTenant]),
        ("consumers", Azure::consumers(API), [Reason::WrongTenant, Reason::WrongTenant]),
    ] {
        let gate = gate(&azure, &issuer);
        for (iss, expected) in [v2(OTHER), v1(OTHER)].into_iter().zip(expected) {
            let token = issuer.token().issuer(&iss).claim("tid", OTHER).sign();
            assert_eq!(reason(&gate, &token).await, Some(expected), "{name}: {iss}");
        }
    }
    for azure in [Azure::common(API), Azure::organizations(API)] {
        assert!(admits(&gate(&azure, &issuer), &of(&issuer, OTHER).sign()).await);
    }
}

#[tokio::test]
async fn tid_and_iss_must_agree() {
    let issuer = TestIssuer::azure(TENANT, API);
    for (mode, azure) in modes() {
        let gate = gate(&azure, &issuer);
        let single = mode == "single tenant";
        for iss in [v2(TENANT), v1(TENANT)] {
            let token = issuer.token().issuer(&iss).claim("tid", OTHER).sign();
            let expected = if single { Reason::WrongTenant } else { Reason::WrongIssuer };
            assert_eq!(reason(&gate, &token).await, Some(expected), "{mode}: {iss}");
        }
        for iss in [v2(OTHER), v1(OTHER)] {
            let token = issuer.token().issuer(&iss).sign();
            assert_eq!(reason(&gate, &token).await, Some(Reason::WrongIssuer), "{mode}: {iss}");
        }
    }
}

#[tokio::test]
async fn tid_must_be_a_guid() {
    let issuer = TestIssuer::azure(TENANT, API);
    for (mode, azure) in modes() {
        let gate = gate(&azure, &issuer);
        let without = gate.verify(&issuer.token().without("tid").sign()).await.unwrap_err();
        assert_eq!(without.to_string(), InvalidToken::missing("tid").to_string(), "{mode}");
        for tid in [json!(7), json!([TENANT]), json!({})] {
            let token = issuer.token().claim("tid", tid).sign();
            assert_eq!(reason(&gate, &token).await, Some(Reason::InvalidClaim), "{mode}");
        }
    }
    let many = gate(&Azure::common(API), &issuer);
    for tid in ["common", "organizations", "", "contoso.com", "{tenantid}", "../common", &TENANT.to_uppercase()] {
        assert_eq!(reason(&many, &of(&issuer, tid).sign()).await, Some(Reason::InvalidClaim), "{tid}");
    }
    // In upper case, the tenant of personal accounts would not be recognized.
    let organizations = gate(&Azure::organizations(API), &issuer);
    let token = of(&issuer, &CONSUMERS.to_uppercase()).sign();
    assert_eq!(reason(&organizations, &token).await, Some(Reason::InvalidClaim));
}

#[tokio::test]
async fn literal_template_is_refused() {
    let issuer = TestIssuer::azure(TENANT, API);
    for (mode, azure) in modes() {
        let gate = gate(&azure, &issuer);
        for iss in [v2("{tenantid}"), v1("{tenantid}"), v2("{tid}"), v2("%7Btenantid%7D")] {
            let token = issuer.token().issuer(&iss).sign();
            assert_eq!(reason(&gate, &token).await, Some(Reason::WrongIssuer), "{mode}: {iss}");
            let token = issuer.token().issuer(&iss).claim("tid", "{tenantid}").sign();
            assert!(!admits(&gate, &token).await, "{mode}: {iss}");
        }
    }
}

#[tokio::test]
async fn personal_accounts_are_kept_apart() {
    let issuer = TestIssuer::azure(TENANT, API);
    let (person, employee) = (of(&issuer, CONSUMERS).sign(), of(&issuer, TENANT).sign());
    for (azure, of_person, of_employee) in [
        (Azure::organizations(API), Some(Reason::WrongTenant), None),
        (Azure::consumers(API), None, Some(Reason::WrongTenant)),
        (Azure::common(API), None, None),
        (Azure::tenants([CONSUMERS], API), None, Some(Reason::WrongTenant)),
    ] {
        let gate = gate(&azure, &issuer);
        assert_eq!((reason(&gate, &person).await, reason(&gate, &employee).await), (of_person, of_employee));
    }
}

#[tokio::test]
async fn unlisted_tenants_are_refused() {
    let issuer = TestIssuer::azure(TENANT, API);
    let gate = gate(&Azure::tenants([TENANT, &OTHER.to_uppercase()], API), &issuer);
    assert!(admits(&gate, &of(&issuer, TENANT).sign()).await);
    assert!(admits(&gate, &of(&issuer, OTHER).sign()).await);
    assert_eq!(reason(&gate, &of(&issuer, CONSUMERS).sign()).await, Some(Reason::WrongTenant));
}

#[tokio::test]
async fn key_must_be_for_the_tokens_tenant() {
    let issuer = TestIssuer::azure(TENANT, API);
    for (mode, azure) in modes() {
        for (published, accepted) in [
            (json!(v2("{tenantid}")), true),
            (json!(v2(TENANT)), true),
            (json!(null), mode == "single tenant"),
            (json!(v2(CONSUMERS)), false),
            (json!(v2(OTHER)), false),
            (json!(v2(&TENANT.to_uppercase())), false),
            (json!(v2("{TenantId}")), false),
            (json!(format!("{}/", v2(TENANT))), false),
            (json!("https://login.microsoftonline.us/{tenantid}/v2.0"), false),
            (json!("https://attacker.example/{tenantid}/v2.0"), false),
            (json!(""), false),
            (json!(7), false),
            (json!([v2(TENANT)]), false),
        ] {
            let published_for = with_keys_for(issuer.clone(), published.clone());
            let gate = gate(&azure, &published_for);
            let expected = (!accepted).then_some(Reason::WrongIssuer);
            assert_eq!(reason(&gate, &issuer.token().sign()).await, expected, "{mode}: {published}");
            // A token of version 1.0, signed with a key of version 2.0.
            let first = issuer.token().issuer(&v1(TENANT)).sign();
            assert_eq!(reason(&gate, &first).await, expected, "{mode}: {published}");
        }
        let own = with_keys_for(issuer.clone(), json!(v1(TENANT)));
        assert!(admits(&gate(&azure, &own), &issuer.token().issuer(&v1(TENANT)).sign()).await, "{mode}");
    }
    // The key of personal accounts is published together with those of all organizations.
    let of_consumers = with_keys_for(issuer.clone(), json!(v2(CONSUMERS)));
    let common = gate(&Azure::common(API), &of_consumers);
    assert!(admits(&common, &of(&issuer, CONSUMERS).sign()).await);
    assert_eq!(reason(&common, &of(&issuer, TENANT).sign()).await, Some(Reason::WrongIssuer));
}

/// Microsoft publishes the keys of all tenants together and writes into each for which tenants it is:
/// <https://learn.microsoft.com/en-us/entra/identity-platform/access-tokens#validate-the-issuer>.
#[tokio::test]
async fn key_without_issuer_is_refused_for_many_tenants() {
    let second = TestIssuer::azure(TENANT, API).with_published_keys(|jwk| {
        jwk.remove("alg");
        jwk.remove("issuer");
    });
    let first = TestIssuer::azure_v1(TENANT, API);
    assert!(!second.jwks().contains("\"issuer\"") && !first.jwks().contains("\"issuer\""));
    for (azure, accepted) in [
        (Azure::single_tenant(TENANT, API), true),
        (Azure::common(API), false),
        (Azure::organizations(API), false),
        (Azure::tenants([TENANT], API), false),
        (Azure::consumers(API), false),
    ] {
        for (issuer, own) in [(&first, TokenVersions::V1), (&second, TokenVersions::V2)] {
            for versions in [TokenVersions::Both, own] {
                let gate = gate(&azure.clone().versions(versions), issuer);
                let expected = (!accepted).then_some(Reason::WrongIssuer);
                assert_eq!(reason(&gate, &issuer.token().sign()).await, expected, "{azure:?}");
            }
        }
    }
}

/// A sovereign cloud has its own tenants, and publishes its own keys under its own name.
#[tokio::test]
async fn keys_of_another_cloud_are_refused() {
    let clouds = [
        (Cloud::Public, "https://login.microsoftonline.com/"),
        (Cloud::UsGovernment, "https://login.microsoftonline.us/"),
        (Cloud::China, "https://login.partner.microsoftonline.cn/"),
    ];
    for (cloud, login) in clouds {
        for (of_key, published) in clouds {
            let issuer = TestIssuer::azure(TENANT, API).with_url(format!("{login}{TENANT}/v2.0"));
            for tenant in ["{tenantid}", TENANT] {
                let issuer = with_keys_for(issuer.clone(), json!(format!("{published}{tenant}/v2.0")));
                for (mode, azure) in modes() {
                    let expected = (cloud != of_key).then_some(Reason::WrongIssuer);
                    let found = reason(&gate(&azure.cloud(cloud), &issuer), &issuer.token().sign()).await;
                    assert_eq!(found, expected, "{mode}: {cloud:?}: {of_key:?}");
                }
            }
        }
    }
}

#[tokio::test]
async fn clouds_have_their_own_issuers() {
    let issuer = TestIssuer::azure(TENANT, API);
    let of = |host: &str, end: &str| issuer.token().issuer(&format!("https://{host}/{TENANT}{end}")).sign();
    let hosts = [
        (Cloud::Public, "login.microsoftonline.com", "sts.windows.net"),
        (Cloud::UsGovernment, "login.microsoftonline.us", "sts.windows.net"),
        (Cloud::China, "login.partner.microsoftonline.cn", "sts.chinacloudapi.cn"),
    ];
    for (cloud, login, sts) in hosts {
        let published = with_keys_for(issuer.clone(), json!(format!("https://{login}/{{tenantid}}/v2.0")));
        for azure in [Azure::single_tenant(TENANT, API), Azure::organizations(API)] {
            let gate = gate(&azure.cloud(cloud), &published);
            for (other, other_login, other_sts) in hosts {
                let expected = (cloud != other).then_some(Reason::WrongIssuer);
                assert_eq!(reason(&gate, &of(other_login, "/v2.0")).await, expected, "{cloud:?}: {other:?}");
                let expected = (sts != other_sts).then_some(Reason::WrongIssuer);
                assert_eq!(reason(&gate, &of(other_sts, "/")).await, expected, "{cloud:?}: {other:?}");
            }
            assert_eq!(reason(&gate, &of(login, "/")).await, Some(Reason::WrongIssuer));
        }
    }
}

/// CVE-2025-55241: tokens of one tenant were accepted for another. All claims that name a tenant must agree.
#[tokio::test]
async fn disagreeing_tenant_names_are_refused() {
    let issuer = TestIssuer::azure(TENANT, API);
    for (mode, azure) in modes() {
        for iss in [TENANT, OTHER] {
            for tid in [TENANT, OTHER] {
                for key in [TENANT, OTHER] {
                    let gate = gate(&azure, &with_keys_for(issuer.clone(), json!(v2(key))));
                    let token = issuer.token().issuer(&v2(iss)).claim("tid", tid).sign();
                    let all_agree = iss == tid && tid == key;
                    let is_accepted = iss == TENANT || matches!(mode, "common" | "organizations");
                    assert_eq!(admits(&gate, &token).await, all_agree && is_accepted, "{mode}: {iss} {tid} {key}");
                }
            }
        }
    }
}
