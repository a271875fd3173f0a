//! Auth0: <https://auth0.com/docs/secure/tokens/access-tokens/access-token-profiles>.

use portcullis::jose::Algorithm;
use serde_json::{Map, Value};

use crate::issuer::TestIssuer;
use crate::samples;

const CLIENT: &str = "kq3sY8mYtS1mN0oPqRsTuVwXyZ012345";

impl TestIssuer {
    /// Makes an issuer like an Auth0 tenant, for an API with the access-token profile `auth0`.
    ///
    /// Its tokens are a user's, for the API and `userinfo`, with the client in `azp`.
    ///
    /// ```
    /// let tenant = portcullis_testing::TestIssuer::auth0("tenant.eu.auth0.com", "https://api.example.com");
    /// let token = tenant.token();
    /// assert_eq!(token.claims()["iss"], "https://tenant.eu.auth0.com/");
    /// assert_eq!(token.claims()["aud"][1], "https://tenant.eu.auth0.com/userinfo");
    /// ```
    #[must_use]
    pub fn auth0(domain: &str, audience: &str) -> Self {
        let audiences = [audience.to_owned(), format!("https://{domain}/userinfo")];
        tenant(domain, audience).with_tokens(move |token| {
            token
                .header("typ", "JWT")
                .subject("auth0|5f7c8ec7c33c6c004bbafe82")
                .audience(&audiences)
                .scope("openid profile read:messages")
                .claim("azp", CLIENT)
                .without("jti")
        })
    }

    /// Makes an issuer like an Auth0 tenant, for an API with the access-token profile `rfc9068_profile`.
    ///
    /// Its tokens are a machine's, with the `typ` `at+jwt`, the client in `client_id`, and a `jti`.
    #[must_use]
    pub fn auth0_rfc9068(domain: &str, audience: &str) -> Self {
        tenant(domain, audience).with_tokens(|token| {
            token
                .header("typ", "at+jwt")
                .subject(&format!("{CLIENT}@clients"))
                .scope("read:messages")
                .claim("client_id", CLIENT)
                .claim("jti", "w6mXJZ1bq2a4PZcVQGvXqT")
        })
    }
}

fn tenant(domain: &str, audience: &str) -> TestIssuer {
    TestIssuer::from_algorithms([Algorithm::Rs256])
        .with_url(format!("https://{domain}/"))
        .with_audience(audience)
        .with_published_keys(add_certificate)
        .with_samples(samples::auth0)
}

/// Adds a certificate to a key, as Auth0 does. It is not a real one, because no verifier needs to read it.
fn add_certificate(jwk: &mut Map<String, Value>) {
    jwk.insert("x5t".to_owned(), "NjVBRjY5MDlCMUIwNzU4RTA2QzZFMDQ4QzQ2MDAyQjVDNjk1RTM2Qg".into());
    jwk.insert("x5c".to_owned(), Value::Array(vec!["MIIDDTCCAfWgAwIBAgIJAJVkuSv2H8mDMA0G".into()]));
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOMAIN: &str = "tenant.eu.auth0.com";
    const API: &str = "https://api.example.com";

    #[test]
    fn both_profiles_match_the_vendors_documentation() {
        let user = TestIssuer::auth0(DOMAIN, API);
        let token = user.token();
        assert_eq!(token.claims()["aud"][0], API);
        assert_eq!(token.claims()["azp"], CLIENT);
        assert!(!token.claims().contains_key("jti") && !token.claims().contains_key("client_id"));
        assert!(user.jwks().contains("\"x5c\""));

        let machine = TestIssuer::auth0_rfc9068(DOMAIN, API).token();
        assert_eq!(machine.claims()["sub"], format!("{CLIENT}@clients"));
        assert_eq!(machine.claims()["client_id"], CLIENT);
        assert!(machine.claims().contains_key("jti") && !machine.claims().contains_key("gty"));
    }

    #[tokio::test]
    async fn tokens_are_accepted_and_forgeries_refused() {
        for tenant in [TestIssuer::auth0(DOMAIN, API), TestIssuer::auth0_rfc9068(DOMAIN, API)] {
            let gate = tenant.gate();
            assert!(gate.verify(&tenant.token().sign()).await.is_ok());
            for forgery in tenant.forgeries() {
                let refused = gate.verify(&forgery.token).await.unwrap_err();
                assert_eq!(refused.reason(), Some(forgery.reason), "{}", forgery.name);
            }
        }
    }
}
