//! Tests of the preset for Azure AD B2C.

use portcullis::{Gate, Reason};
use portcullis_azure::{Azure, AzureClaims};
use portcullis_testing::TestIssuer;
use serde_json::json;

use crate::{API, OTHER, TENANT, admits, gate, reason, v2};

const NAME: &str = "contoso";
const POLICY: &str = "B2C_1_susi";

fn b2c() -> Azure {
    Azure::b2c(NAME, TENANT, POLICY, API)
}

#[tokio::test]
async fn b2c_issuer_has_tenant_and_slash() {
    let issuer = TestIssuer::azure_b2c(NAME, TENANT, POLICY, API);
    let gate = gate(&b2c(), &issuer);
    assert!(admits(&gate, &issuer.token().sign()).await);
    for name in [
        format!("https://contoso.b2clogin.com/{TENANT}/v2.0"),
        format!("https://contoso.b2clogin.com/{OTHER}/v2.0/"),
        format!("https://fabrikam.b2clogin.com/{TENANT}/v2.0/"),
        format!("https://contoso.b2clogin.com/tfp/{TENANT}/b2c_1_susi/v2.0/"),
        v2(TENANT),
    ] {
        assert_eq!(reason(&gate, &issuer.token().issuer(&name).sign()).await, Some(Reason::WrongIssuer), "{name}");
    }
    // A token with `tid` must name this tenant.
    assert!(admits(&gate, &issuer.token().claim("tid", TENANT).sign()).await);
    assert_eq!(reason(&gate, &issuer.token().claim("tid", OTHER).sign()).await, Some(Reason::WrongTenant));
}

#[tokio::test]
async fn other_policies_are_refused() {
    let issuer = TestIssuer::azure_b2c(NAME, TENANT, POLICY, API);
    let gate = gate(&b2c(), &issuer);
    for token in [issuer.token().claim("tfp", "b2c_1_SUSI"), issuer.token().without("tfp").claim("acr", "b2c_1_susi")] {
        let caller = gate.verify(&token.sign()).await.unwrap();
        let claims: AzureClaims = caller.claims().unwrap();
        assert!(claims.policy().unwrap().eq_ignore_ascii_case(POLICY));
    }
    for (token, expected) in [
        (issuer.token().claim("tfp", "B2C_1_reset"), Reason::WrongTokenClass),
        (issuer.token().claim("tfp", "B2C_1_susi2"), Reason::WrongTokenClass),
        (issuer.token().claim("tfp", "B2C_1_reset").claim("acr", POLICY), Reason::WrongTokenClass),
        (issuer.token().without("tfp").claim("acr", "1"), Reason::WrongTokenClass),
        (issuer.token().without("tfp"), Reason::MissingClaim),
        (issuer.token().claim("tfp", [POLICY]), Reason::InvalidClaim),
        (issuer.token().without("scp").without("azp"), Reason::WrongTokenClass),
    ] {
        assert_eq!(reason(&gate, &token.sign()).await, Some(expected));
    }
}

#[tokio::test]
async fn keys_are_found_by_the_policy_metadata() {
    let server = TestIssuer::azure_b2c(NAME, TENANT, POLICY, API).serve_under(&format!("/{TENANT}/v2.0/"));
    let authority = format!("http://{}", server.address());
    let base = format!("/{NAME}.onmicrosoft.com/{POLICY}");
    let (metadata, keys) =
        (format!("{base}/v2.0/.well-known/openid-configuration"), format!("{base}/discovery/v2.0/keys"));
    let document = json!({"issuer": server.url(), "jwks_uri": format!("{authority}{keys}")});
    server.serve_at(&metadata, document.to_string());
    server.serve_at(&keys, server.issuer().jwks());
    // A custom domain replaces b2clogin.com, in the issuer too.
    let gate = Gate::new(b2c().authority(authority).verifier().unwrap());
    for _ in 0..5 {
        assert!(admits(&gate, &server.issuer().token().sign()).await);
    }
    assert_eq!((server.hits(&metadata), server.hits(&keys), server.all_hits()), (1, 1, 2));
}

#[tokio::test]
async fn every_forgery_is_refused_for_its_reason() {
    let issuer = TestIssuer::azure_b2c(NAME, TENANT, POLICY, API);
    let gate = gate(&b2c(), &issuer);
    for forgery in issuer.forgeries() {
        assert_eq!(reason(&gate, &forgery.token).await, Some(forgery.reason), "{}", forgery.name);
    }
}
