//! Clerk: <https://clerk.com/docs/guides/sessions/session-tokens>.

use std::sync::Arc;

use portcullis::jose::Algorithm;
use serde_json::json;

use crate::issuer::TestIssuer;
use crate::samples;
use crate::signing_key::SigningKey;
use crate::token::TokenBuilder;

/// The `kid` of the instance's key. Clerk uses the instance's identifier.
const INSTANCE: &str = "ins_2GIoQhbUpy0hX7B2cVkuTMinXoD";
const USER: &str = "user_2dhLh5iMvVR0yK8WJGxEeXkCfbe";
const MACHINE: &str = "mch_2xNPrLEvSPbwNGVPYqhxQ3lOGCk";

impl TestIssuer {
    /// Makes an issuer like a Clerk instance whose Frontend API is at `frontend_api`.
    ///
    /// Its tokens are session tokens of version 2, of a signed-in user without an organization. They have no `aud`, which
    /// [`Self::gate`] requires, so verify them with the preset for Clerk.
    ///
    /// ```
    /// let instance = portcullis_testing::TestIssuer::clerk("clerk.example.com");
    /// let token = instance.token();
    /// assert_eq!(token.claims()["iss"], "https://clerk.example.com");
    /// assert_eq!((&token.claims()["v"], &token.claims()["sts"]), (&2.into(), &"active".into()));
    /// ```
    #[must_use]
    pub fn clerk(frontend_api: &str) -> Self {
        Self::from_algorithms([])
            .with_signing_keys(vec![Arc::new(SigningKey::generate(Algorithm::Rs256, INSTANCE))])
            .with_url(format!("https://{frontend_api}"))
            .with_samples(samples::clerk)
            .with_tokens(|token| {
                session(token)
                    .claim("v", 2)
                    .claim("jti", "f2b1c5d8a9e04c7b")
                    .claim("sts", "active")
                    .claim("fva", [0, -1])
                    .claim("pla", "u:free")
                    .claim("fea", "u:export")
            })
    }

    /// Returns the same instance with session tokens of version 1.
    #[must_use]
    pub fn clerk_v1(&self) -> Self {
        self.clone().with_tokens(|token| session(token).without("jti"))
    }

    /// Returns the same instance with tokens of a machine for two other machines.
    /// See <https://clerk.com/docs/guides/development/machine-auth/m2m-tokens>.
    #[must_use]
    pub fn clerk_machine(&self) -> Self {
        let others = ["mch_2yHv1k8cRwBqGdQO3XkZr5nTfLa", "mch_2zKq7m4dSxCrHeRP4YlAs6oUgMb"];
        self.clone().with_tokens(move |token| {
            token
                .header("typ", "JWT")
                .header("cat", "cl_B7d4PD333AAA")
                .subject(MACHINE)
                .audience(others)
                .claim("jti", "mt_8XOIucKvqHVr5tYP123456789abcdefghij")
                .claim("scopes", others.join(" "))
        })
    }

    /// Returns the same instance with OAuth access tokens of a user for an application.
    #[must_use]
    pub fn clerk_oauth(&self) -> Self {
        self.clone().with_tokens(|token| {
            token
                .header("typ", "at+jwt")
                .subject(USER)
                .without("aud")
                .claim("client_id", "client_2VTWUzvGC5UhdJCNx6xG1D98edc")
                .claim("scope", "profile email")
                .claim("jti", "oat_8XOIucKvqHVr5tYP123456789abcdefghij")
        })
    }

    /// Returns the same instance with tokens made from a JWT template with an audience.
    /// See <https://clerk.com/docs/guides/sessions/jwt-templates>.
    #[must_use]
    pub fn clerk_template(&self) -> Self {
        self.clone().with_tokens(|token| {
            let audience = token.claims().get("aud").cloned();
            session(token).header("cat", "cl_B7d4PD222AAA").without("sid").claim("aud", audience)
        })
    }
}

/// Sets the claims that both versions of session tokens have: they are valid for one minute, and from ten seconds before
/// `iat`.
fn session(token: TokenBuilder) -> TokenBuilder {
    let issued_at = token.claims().get("iat").and_then(serde_json::Value::as_i64).unwrap_or_default();
    token
        .header("typ", "JWT")
        .header("cat", "cl_B7d4PD111AAA")
        .subject(USER)
        .without("aud")
        .claim("azp", "https://app.example.com")
        .claim("sid", "sess_2Ro7e2IxrffdqBboq8KfB6eGbIy")
        .claim("nbf", issued_at - 10)
        .claim("exp", issued_at + 60)
}

impl TokenBuilder {
    /// Adds an active organization to a session token of Clerk, version 2.
    ///
    /// `features` and `permissions` are lists with commas. `map` has one number for each feature of the organization.
    pub fn clerk_organization(self, role: &str, features: &str, permissions: &str, map: &str) -> Self {
        let organization = json!({"id": "org_2VTVqqyoaGjDo8VCxiCsHOzpVsb", "slg": "acme", "rol": role, "per": permissions,
            "fpm": map});
        self.claim("fea", features).claim("o", organization)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn session_tokens_match_the_vendors_documentation() {
        let instance = TestIssuer::clerk("clerk.example.com");
        let (two, one) = (instance.token(), instance.clerk_v1().token());
        for token in [&two, &one] {
            let claims = token.claims();
            let time = |name: &str| claims.get(name).and_then(Value::as_i64).unwrap();
            assert_eq!((time("exp") - time("iat"), time("iat") - time("nbf")), (60, 10));
            assert!(claims.contains_key("sid") && claims.contains_key("azp") && !claims.contains_key("aud"));
        }
        assert!(!one.claims().contains_key("v") && !one.claims().contains_key("sts"));
        assert!(instance.jwks().contains(INSTANCE));
        let member = two.clerk_organization("admin", "o:articles", "read", "1");
        assert_eq!(member.claims()["o"]["rol"], "admin");
    }

    #[test]
    fn other_classes_have_their_own_claims() {
        let instance = TestIssuer::clerk("clerk.example.com");
        let machine = instance.clerk_machine().token();
        assert_eq!(machine.claims()["sub"], MACHINE);
        assert_eq!(machine.claims()["aud"].as_array().map(Vec::len), Some(2));
        let oauth = instance.clerk_oauth().token();
        assert!(oauth.claims().contains_key("client_id") && !oauth.claims().contains_key("azp"));
        let template = instance.clerk_template().token();
        assert_eq!(template.claims()["aud"], instance.audience());
        // One key signs all of them.
        assert_eq!(instance.clerk_machine().jwks(), instance.jwks());
    }
}
