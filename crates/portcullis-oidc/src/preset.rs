//! What all presets have in common.

use std::sync::Arc;

use portcullis::jose::AlgorithmSet;
use portcullis::keys::RemoteKeys;
use portcullis::verifier::JwtVerifierBuilder;
use portcullis::{Audience, ConfigError, Issuer, JwtVerifier, KeyProvider};

/// A verifier to be, of the tokens of one provider: issuer, audience, algorithms, where the keys are, and the
/// provider's own rules.
///
/// Nothing is fetched before the first token, and what is wrong with a name shows in [`Self::builder`].
#[derive(Clone, Debug)]
#[must_use = "call verifier() or builder()"]
pub struct Preset<P> {
    pub(crate) provider: P,
    keys: Option<Arc<dyn KeyProvider>>,
}

/// What is particular to a provider.
pub trait IdentityProvider {
    /// The argument that says where the provider is, for what is wrong with the URLs made of it.
    const URL_FIELD: &'static str = "issuer";

    /// What can't be left out.
    fn settings(&self) -> Result<ProviderSettings, ConfigError>;

    /// The rules beyond that.
    fn refine(&self, builder: JwtVerifierBuilder) -> JwtVerifierBuilder {
        builder
    }
}

/// What a verifier can't do without.
#[derive(Debug)]
pub struct ProviderSettings {
    pub(crate) issuers: Vec<String>,
    pub(crate) audience: Audience,
    pub(crate) algorithms: AlgorithmSet,
    pub(crate) keys: KeyLocation,
}

/// Where a provider's keys are.
#[derive(Debug)]
pub(crate) enum KeyLocation {
    /// Where the metadata of this issuer says.
    MetadataOf(String),
    /// At this URL.
    Url(String),
}

impl<P> Preset<P> {
    pub(crate) fn of(provider: P) -> Self {
        Self { provider, keys: None }
    }

    /// Takes the keys from here instead of from the provider.
    pub fn keys(mut self, keys: impl KeyProvider + 'static) -> Self {
        self.keys = Some(Arc::new(keys));
        self
    }
}

impl<P: IdentityProvider> Preset<P> {
    /// The general builder, with everything of the provider set.
    ///
    /// # Errors
    /// [`ConfigError`] names the field that can't be used and what to write instead.
    pub fn builder(&self) -> Result<JwtVerifierBuilder, ConfigError> {
        let ProviderSettings { issuers, audience, algorithms, keys } = self.provider.settings()?;
        let keys = match &self.keys {
            Some(keys) => Arc::clone(keys),
            None => Arc::new(keys.provider().map_err(|error| error.with_field(P::URL_FIELD))?),
        };
        let builder = JwtVerifier::builder(Issuer::any_of(issuers), audience, keys).algorithms(algorithms);
        Ok(self.provider.refine(builder))
    }

    /// The verifier.
    ///
    /// # Errors
    /// [`ConfigError`] names the field that can't be used and what to write instead.
    pub fn verifier(&self) -> Result<JwtVerifier, ConfigError> {
        self.builder()?.build()
    }
}

impl KeyLocation {
    fn provider(&self) -> Result<RemoteKeys, ConfigError> {
        match self {
            Self::MetadataOf(issuer) => RemoteKeys::discover(issuer),
            Self::Url(url) => RemoteKeys::at(url),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Authok, Cognito, Firebase, Google, Keycloak, Logto, Okta, Supabase, WorkOs, Zitadel};

    /// Issuers, and where the keys are: a URL, or the issuer whose metadata says so.
    fn places<P: IdentityProvider>(preset: &Preset<P>) -> (Vec<String>, String) {
        let settings = preset.provider.settings().unwrap();
        let keys = match settings.keys {
            KeyLocation::MetadataOf(issuer) => format!("metadata of {issuer}"),
            KeyLocation::Url(url) => url,
        };
        (settings.issuers, keys)
    }

    #[test]
    fn a_mistake_names_the_argument_and_what_to_write() {
        let error = |preset: Result<JwtVerifier, ConfigError>| preset.unwrap_err().to_string();
        let keycloak = |base: &str| error(Keycloak::new(base, "main", "api").verifier());
        assert_eq!(
            keycloak("https://keycloak.example.com/realms/main"),
            "base: it has a realm in it; write what stands before /realms/, such as https://keycloak.example.com"
        );
        let okta = error(Okta::new("dev-1-admin.okta.com", "api").verifier());
        assert_eq!(okta, "domain: it is the admin console's; leave -admin out: dev-1.okta.com");
        for (error, field) in [
            (keycloak("http://keycloak:8080"), "base"),
            (error(Zitadel::new("http://zitadel:8080", "1").verifier()), "instance"),
            (error(Logto::new("http://logto:3001", "api").verifier()), "endpoint"),
            (error(Supabase::from_url("http://kong:8000").verifier()), "url"),
        ] {
            assert!(error.starts_with(&format!("{field}: it is http, where https is required; ")), "{error}");
        }
    }

    #[test]
    fn each_provider_has_its_issuers_and_its_place_for_keys() {
        let table = [
            (
                places(&Authok::new("tenant.us.authok.cn", "api")),
                &["https://tenant.us.authok.cn/"][..],
                "https://tenant.us.authok.cn/.well-known/jwks.json",
            ),
            (
                places(&Cognito::new("eu-west-1", "eu-west-1_A", ["client"])),
                &[
                    "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_A",
                    "https://issuer-cognito-idp.eu-west-1.amazonaws.com/eu-west-1_A",
                ],
                "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_A/.well-known/jwks.json",
            ),
            (
                places(&Firebase::new("project")),
                &["https://securetoken.google.com/project"],
                "https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com",
            ),
            (
                places(&Google::id_tokens("client")),
                &["https://accounts.google.com", "accounts.google.com"],
                "https://www.googleapis.com/oauth2/v3/certs",
            ),
            (
                places(&Keycloak::new("https://keycloak.example.com/auth/", "main", "api")),
                &["https://keycloak.example.com/auth/realms/main"],
                "https://keycloak.example.com/auth/realms/main/protocol/openid-connect/certs",
            ),
            (
                places(&Logto::new("tenant.logto.app", "api")),
                &["https://tenant.logto.app/oidc"],
                "metadata of https://tenant.logto.app/oidc",
            ),
            (
                places(&Okta::new("dev-1.okta.com", "api")),
                &["https://dev-1.okta.com/oauth2/default"],
                "metadata of https://dev-1.okta.com/oauth2/default",
            ),
            (
                places(&Supabase::new("abc")),
                &["https://abc.supabase.co/auth/v1"],
                "https://abc.supabase.co/auth/v1/.well-known/jwks.json",
            ),
            (
                places(&WorkOs::new("acme.authkit.app", "api")),
                &["https://acme.authkit.app"],
                "metadata of https://acme.authkit.app",
            ),
            (
                places(&WorkOs::sessions("client_1")),
                &["https://api.workos.com/user_management/client_1"],
                "https://api.workos.com/sso/jwks/client_1",
            ),
            (
                places(&Zitadel::new("instance-1.zitadel.cloud", "1")),
                &["https://instance-1.zitadel.cloud"],
                "metadata of https://instance-1.zitadel.cloud",
            ),
        ];
        for ((issuers, keys), expected_issuers, expected_keys) in table {
            assert_eq!(
                (issuers.iter().map(String::as_str).collect::<Vec<_>>().as_slice(), keys.as_str()),
                (expected_issuers, expected_keys)
            );
        }
    }

    #[test]
    fn each_provider_has_its_algorithms() {
        fn algorithms<P: IdentityProvider>(preset: &Preset<P>) -> String {
            preset.provider.settings().unwrap().algorithms.to_string()
        }
        let any = AlgorithmSet::ASYMMETRIC.to_string();
        for (algorithms, expected) in [
            (algorithms(&Authok::new("tenant.us.authok.cn", "api")), "RS256"),
            (algorithms(&Cognito::new("eu-west-1", "eu-west-1_A", ["client"])), "RS256"),
            (algorithms(&Firebase::new("project")), "RS256"),
            (algorithms(&Google::id_tokens("client")), "RS256"),
            (algorithms(&Keycloak::new("https://keycloak.example.com", "main", "api")), any.as_str()),
            (algorithms(&Logto::new("tenant.logto.app", "api")), "ES384, RS256"),
            (algorithms(&Okta::new("dev-1.okta.com", "api")), "RS256"),
            (algorithms(&Supabase::new("abc")), "ES256, RS256"),
            (algorithms(&WorkOs::new("acme.authkit.app", "api")), "RS256"),
            (algorithms(&WorkOs::sessions("client_1")), "RS256"),
            (algorithms(&Zitadel::new("instance-1.zitadel.cloud", "1")), any.as_str()),
        ] {
            assert_eq!(algorithms, expected);
        }
        assert!(!any.contains("HS"));
    }
}
