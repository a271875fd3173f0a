//! Entra ID: <https://learn.microsoft.com/en-us/entra/identity-platform/access-token-claims-reference>.

use portcullis::jose::Algorithm;
use serde_json::{Map, Value};

use crate::issuer::TestIssuer;
use crate::samples;
use crate::token::TokenBuilder;

const CLIENT: &str = "7c1f6b2e-0d3a-4c55-9f0e-3a1b5c7d9e11";
const USER: &str = "1f0a4c66-8f7b-4d5e-9a43-6f2b0c9d8e77";
const SERVICE: &str = "b4e7d2a1-5c3f-4a88-8e6d-0f9c1b2a3d44";
const PAIRWISE: &str = "AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ";
/// The member `issuer` of keys for version 2.0: a tenant, or this template for all tenants.
const TEMPLATE_ISSUER: &str = "https://login.microsoftonline.com/{tenantid}/v2.0";

impl TestIssuer {
    /// Makes an issuer like a tenant of Entra ID, for an API with tokens of version 2.0.
    ///
    /// Its tokens are a user's, with the scope `Files.Read`. Its published keys have no `alg`, and have the member `issuer`
    /// with the template for all tenants.
    ///
    /// ```
    /// # let (tenant, api) = ("8eaef023-2b34-4da1-9baa-8bc8c9d6a490", "535fb089-9ff3-47b6-9bfb-4f1264799865");
    /// let issuer = portcullis_testing::TestIssuer::azure(tenant, api);
    /// let token = issuer.token();
    /// assert_eq!(token.claims()["iss"], format!("https://login.microsoftonline.com/{tenant}/v2.0"));
    /// assert_eq!((&token.claims()["tid"], &token.claims()["aud"]), (&tenant.into(), &api.into()));
    /// ```
    #[must_use]
    pub fn azure(tenant: &str, client_id: &str) -> Self {
        let tid = tenant.to_owned();
        version_2(tenant, client_id)
            .with_tokens(move |token| user_token(token, &tid).claim("azp", CLIENT).claim("azpacr", "1"))
    }

    /// Makes an issuer like [`Self::azure`] whose tokens are an application's.
    ///
    /// They have no scope, the role `Files.Read.All`, and equal `oid` and `sub`. They have no `idtyp`, because Entra ID adds
    /// it only for APIs that ask for it.
    #[must_use]
    pub fn azure_app(tenant: &str, client_id: &str) -> Self {
        let tid = tenant.to_owned();
        version_2(tenant, client_id).with_tokens(move |token| {
            entra_token(token, &tid, "2.0")
                .subject(SERVICE)
                .claim("oid", SERVICE)
                .claim("roles", ["Files.Read.All"])
                .claim("azp", CLIENT)
                .claim("azpacr", "1")
        })
    }

    /// Makes an issuer like a tenant of Entra ID, for an API with tokens of version 1.0, the default of a registration.
    ///
    /// The audience is the Application ID URI, the client is in `appid`, and the published keys have no `issuer`.
    #[must_use]
    pub fn azure_v1(tenant: &str, client_id: &str) -> Self {
        let tid = tenant.to_owned();
        version_1(tenant, client_id).with_tokens(move |token| {
            with_version_1_header(user_token(token, &tid))
                .claim("ver", "1.0")
                .claim("appid", CLIENT)
                .claim("appidacr", "1")
                .claim("acr", "1")
                .claim("amr", ["pwd"])
                .claim("unique_name", "frida@contoso.com")
                .claim("upn", "frida@contoso.com")
                .without("preferred_username")
        })
    }

    /// Makes an issuer like [`Self::azure_v1`] whose tokens are an application's.
    #[must_use]
    pub fn azure_v1_app(tenant: &str, client_id: &str) -> Self {
        let tid = tenant.to_owned();
        version_1(tenant, client_id).with_tokens(move |token| {
            with_version_1_header(entra_token(token, &tid, "1.0"))
                .subject(SERVICE)
                .claim("oid", SERVICE)
                .claim("roles", ["Files.Read.All"])
                .claim("appid", CLIENT)
                .claim("appidacr", "1")
        })
    }

    /// Makes an issuer like a tenant of Azure AD B2C, with tokens of a user who signed in through the user flow `policy`.
    ///
    /// Only `iss` names the tenant, and the published keys have no `issuer`.
    #[must_use]
    pub fn azure_b2c(name: &str, tenant: &str, policy: &str, client_id: &str) -> Self {
        let policy = policy.to_owned();
        TestIssuer::from_algorithms([Algorithm::Rs256])
            .with_url(format!("https://{name}.b2clogin.com/{tenant}/v2.0/"))
            .with_audience(client_id)
            .with_published_keys(|jwk| {
                jwk.remove("alg");
            })
            .with_samples(samples::b2c)
            .with_tokens(move |token| {
                not_before_issued(token.header("typ", "JWT").without("jti"))
                    .subject(USER)
                    .claim("oid", USER)
                    .claim("tfp", &policy)
                    .claim("scp", "Files.Read")
                    .claim("azp", CLIENT)
                    .claim("ver", "1.0")
            })
    }

    /// Makes an issuer like an external tenant (Entra External ID), with a user's tokens. The issuer's host is the tenant.
    #[must_use]
    pub fn azure_external_id(tenant: &str, client_id: &str) -> Self {
        Self::azure(tenant, client_id)
            .with_url(format!("https://{tenant}.ciamlogin.com/{tenant}/v2.0"))
            .with_samples(samples::external_id)
    }
}

fn version_2(tenant: &str, client_id: &str) -> TestIssuer {
    TestIssuer::from_algorithms([Algorithm::Rs256])
        .with_url(format!("https://login.microsoftonline.com/{tenant}/v2.0"))
        .with_audience(client_id)
        .with_published_keys(|jwk| {
            as_microsoft_publishes(jwk);
            jwk.insert("issuer".to_owned(), TEMPLATE_ISSUER.into());
        })
        .with_samples(samples::entra_id)
}

fn version_1(tenant: &str, client_id: &str) -> TestIssuer {
    TestIssuer::from_algorithms([Algorithm::Rs256])
        .with_url(format!("https://sts.windows.net/{tenant}/"))
        .with_audience(format!("api://{client_id}"))
        .with_published_keys(as_microsoft_publishes)
}

/// Changes a key as Microsoft publishes it: without `alg`, and with a thumbprint that equals `kid`.
fn as_microsoft_publishes(jwk: &mut Map<String, Value>) {
    jwk.remove("alg");
    jwk.insert("x5c".to_owned(), Value::Array(vec!["MIIC/TCCAeWgAwIBAgIICHb5qy8hKKgw".into()]));
    if let Some(name) = jwk.get("kid").cloned() {
        jwk.insert("x5t".to_owned(), name);
    }
}

fn user_token(token: TokenBuilder, tenant: &str) -> TokenBuilder {
    entra_token(token, tenant, "2.0")
        .subject(PAIRWISE)
        .claim("oid", USER)
        .claim("scp", "Files.Read")
        .claim("name", "Frida")
        .claim("preferred_username", "frida@contoso.com")
}

fn entra_token(token: TokenBuilder, tenant: &str, version: &str) -> TokenBuilder {
    not_before_issued(token.header("typ", "JWT").without("jti"))
        .claim("tid", tenant)
        .claim("ver", version)
        .claim("uti", "q8HnYyX2cEq2gQ1vS1wHAA")
        .claim("rh", "0.AXoA")
        .claim("aio", "E2ZgYDj")
}

fn not_before_issued(token: TokenBuilder) -> TokenBuilder {
    let issued = token.claims().get("iat").cloned().unwrap_or_default();
    token.claim("nbf", issued)
}

fn with_version_1_header(token: TokenBuilder) -> TokenBuilder {
    token.header("x5t", "RS256-1")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENANT: &str = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490";
    const API: &str = "535fb089-9ff3-47b6-9bfb-4f1264799865";

    fn all() -> [TestIssuer; 6] {
        [
            TestIssuer::azure(TENANT, API),
            TestIssuer::azure_app(TENANT, API),
            TestIssuer::azure_v1(TENANT, API),
            TestIssuer::azure_v1_app(TENANT, API),
            TestIssuer::azure_b2c("contoso", TENANT, "B2C_1_susi", API),
            TestIssuer::azure_external_id(TENANT, API),
        ]
    }

    #[test]
    fn tokens_and_keys_match_the_vendors_documentation() {
        for issuer in all() {
            let (token, keys) = (issuer.token(), issuer.jwks());
            assert!(token.claims().contains_key("nbf") && !token.claims().contains_key("jti"));
            assert!(!keys.contains("\"alg\"") && keys.contains("\"use\":\"sig\""), "{keys}");
        }
        let [user, app, v1, v1_app, b2c, external] = all();
        assert!(user.jwks().contains("/{tenantid}/v2.0\"") && !v1.jwks().contains("\"issuer\""));
        assert!(v1.jwks().contains("\"x5t\":\"RS256-1\""));
        for (issuer, client, version) in
            [(&user, "azp", "2.0"), (&app, "azp", "2.0"), (&v1, "appid", "1.0"), (&v1_app, "appid", "1.0")]
        {
            let token = issuer.token();
            assert_eq!((&token.claims()[client], &token.claims()["ver"]), (&CLIENT.into(), &version.into()));
            assert_eq!(token.claims()["tid"], TENANT);
        }
        for app in [app, v1_app] {
            let token = app.token();
            assert_eq!(token.claims()["oid"], token.claims()["sub"]);
            assert!(!token.claims().contains_key("scp") && token.claims().contains_key("roles"));
        }
        assert_eq!(v1.url(), format!("https://sts.windows.net/{TENANT}/"));
        assert_eq!(v1.audience(), format!("api://{API}"));
        assert_eq!(b2c.url(), format!("https://contoso.b2clogin.com/{TENANT}/v2.0/"));
        assert_eq!(external.url(), format!("https://{TENANT}.ciamlogin.com/{TENANT}/v2.0"));
    }

    #[tokio::test]
    async fn tokens_are_accepted_and_forgeries_refused() {
        for issuer in all() {
            let verifier = issuer.verifier().algorithms([Algorithm::Rs256]).build().unwrap();
            let gate = portcullis::Gate::new(verifier);
            assert!(gate.verify(&issuer.token().sign()).await.is_ok());
            for forgery in issuer.forgeries() {
                let refused = gate.verify(&forgery.token).await.unwrap_err();
                assert_eq!(refused.reason(), Some(forgery.reason), "{}", forgery.name);
            }
        }
    }
}
