//! The part that all presets share.

use std::sync::Arc;

use portcullis::jose::AlgorithmSet;
#[cfg(feature = "remote")]
use portcullis::keys::{FirstOf, RemoteKeys};
use portcullis::verifier::JwtVerifierBuilder;
use portcullis::{Audience, ConfigError, Issuer, JwtVerifier, KeyProvider};

use crate::explain::Refused;

/// Settings of a verifier for the tokens of one identity provider.
///
/// They are the issuers, the audience, the algorithms, the key location, and the checks that are particular to the
/// identity provider. Keys are fetched when the first token arrives. [`Self::builder`] returns an error for an invalid
/// setting.
#[derive(Clone, Debug)]
#[must_use = "call verifier() or builder()"]
pub struct Preset<P> {
    pub(crate) provider: P,
    keys: Option<Arc<dyn KeyProvider>>,
}

/// What a preset defines for its identity provider.
pub trait IdentityProvider {
    /// The argument from which the preset makes the key URL. Errors about that URL name this argument.
    const URL_FIELD: &'static str = "issuer";

    /// Checks the arguments and returns the settings that every verifier needs.
    fn settings(&self) -> Result<ProviderSettings, ConfigError>;

    /// Says which kind of token was refused, for the log. Default: it does not know.
    fn explain(_refused: &Refused<'_>) -> Option<&'static str> {
        None
    }

    /// Adds keys that the identity provider does not publish. Default: it adds none.
    fn add_keys(&self, published: Arc<dyn KeyProvider>) -> Arc<dyn KeyProvider> {
        published
    }

    /// Adds the checks, required claims and grants of the identity provider. Default: it adds nothing.
    fn refine(&self, builder: JwtVerifierBuilder) -> JwtVerifierBuilder {
        builder
    }
}

/// The settings that every verifier needs.
#[derive(Debug)]
pub struct ProviderSettings {
    pub(crate) issuers: Vec<String>,
    pub(crate) audience: Audience,
    pub(crate) algorithms: AlgorithmSet,
    pub(crate) keys: KeyLocation,
}

/// The place from which keys are fetched.
#[derive(Debug)]
pub(crate) enum KeyLocation {
    /// Several URLs with keys of one issuer. The first that has the key serves it.
    FirstOf(Vec<String>),
    /// The `jwks_uri` in the metadata of this issuer.
    MetadataOf(String),
    /// This URL.
    Url(String),
}

impl ProviderSettings {
    /// The settings of an identity provider with one issuer, whose metadata says where the keys are.
    pub(crate) fn discovered(issuer: String, audience: &str, algorithms: impl Into<AlgorithmSet>) -> Self {
        Self {
            keys: KeyLocation::MetadataOf(issuer.clone()),
            issuers: vec![issuer],
            audience: Audience::any_of([audience]),
            algorithms: algorithms.into(),
        }
    }
}

impl<P> Preset<P> {
    pub(crate) fn of(provider: P) -> Self {
        Self { provider, keys: None }
    }

    /// Takes the keys from this key provider. Default: they are fetched from the identity provider.
    pub fn keys(mut self, keys: impl KeyProvider + 'static) -> Self {
        self.keys = Some(Arc::new(keys));
        self
    }
}

impl<P: IdentityProvider> Preset<P> {
    /// Returns the general builder, to change further options. It has all settings and checks of the identity provider.
    ///
    /// # Errors
    /// [`ConfigError`] names the invalid field and says what to write instead.
    pub fn builder(&self) -> Result<JwtVerifierBuilder, ConfigError> {
        let ProviderSettings { issuers, audience, algorithms, keys } = self.provider.settings()?;
        let keys = match &self.keys {
            Some(keys) => Arc::clone(keys),
            None => keys.remote_keys(P::URL_FIELD)?,
        };
        let keys = self.provider.add_keys(keys);
        let builder = JwtVerifier::builder(Issuer::any_of(issuers.clone()), audience, keys)
            .algorithms(algorithms)
            .explain(move |token, found| {
                let refused = Refused::new(token, found, &issuers);
                P::explain(&refused).or_else(|| refused.names_another_issuer())
            });
        Ok(self.provider.refine(builder))
    }

    /// Builds the verifier.
    ///
    /// # Errors
    /// [`ConfigError`] names the invalid field and says what to write instead.
    pub fn verifier(&self) -> Result<JwtVerifier, ConfigError> {
        self.builder()?.build()
    }
}

impl KeyLocation {
    /// Returns a key provider that fetches from here. An error names `url_field`.
    #[cfg(feature = "remote")]
    fn remote_keys(&self, url_field: &'static str) -> Result<Arc<dyn KeyProvider>, ConfigError> {
        let named = |keys: Result<RemoteKeys, ConfigError>| keys.map_err(|error| error.with_url_field(url_field));
        Ok(match self {
            Self::FirstOf(urls) => {
                let keys = urls.iter().map(|url| Ok(Arc::new(named(RemoteKeys::at(url))?) as Arc<dyn KeyProvider>));
                Arc::new(FirstOf::new(keys.collect::<Result<Vec<_>, ConfigError>>()?))
            }
            Self::MetadataOf(issuer) => Arc::new(named(RemoteKeys::discover(issuer))?),
            Self::Url(url) => Arc::new(named(RemoteKeys::at(url))?),
        })
    }

    #[cfg(not(feature = "remote"))]
    fn remote_keys(&self, _url_field: &'static str) -> Result<Arc<dyn KeyProvider>, ConfigError> {
        let place = match self {
            Self::FirstOf(urls) => urls.join(" and "),
            Self::MetadataOf(place) | Self::Url(place) => place.clone(),
        };
        let problem = format!("missing, and without the feature `remote` they are not fetched from {place}");
        Err(ConfigError::new("keys", problem, "pass a key provider to keys(), or enable the feature `remote`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::*;

    const ANY_ASYMMETRIC: &str = "any asymmetric";

    /// The issuers, the key location and the algorithms of a preset.
    type Summary = (Vec<String>, String, String);

    fn settings<P: IdentityProvider>(preset: &Preset<P>) -> Summary {
        let ProviderSettings { issuers, algorithms, keys, .. } = preset.provider.settings().unwrap();
        let keys = match keys {
            KeyLocation::FirstOf(urls) => urls.join(", "),
            KeyLocation::MetadataOf(issuer) => format!("metadata of {issuer}"),
            KeyLocation::Url(url) => url,
        };
        (issuers, keys, algorithms.to_string())
    }

    /// One row for each preset: what it sets, and the expected issuers, key location and algorithms.
    fn table() -> Vec<(Summary, &'static [&'static str], &'static str, &'static str)> {
        vec![
            (
                settings(&Authok::new("tenant.us.authok.cn", "api")),
                &["https://tenant.us.authok.cn/"][..],
                "https://tenant.us.authok.cn/.well-known/jwks.json",
                "RS256",
            ),
            (
                settings(&Cognito::new("eu-west-1", "eu-west-1_A", ["client"])),
                &[
                    "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_A",
                    "https://issuer-cognito-idp.eu-west-1.amazonaws.com/eu-west-1_A",
                ],
                "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_A/.well-known/jwks.json",
                "RS256",
            ),
            (
                settings(&Cognito::new("eu-west-1", "eu-west-1_A", ["client"]).replica_region("us-west-2")),
                &[
                    "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_A",
                    "https://issuer-cognito-idp.eu-west-1.amazonaws.com/eu-west-1_A",
                    "https://cognito-idp.us-west-2.amazonaws.com/eu-west-1_A",
                    "https://issuer-cognito-idp.us-west-2.amazonaws.com/eu-west-1_A",
                ],
                "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_A/.well-known/jwks.json, \
                 https://cognito-idp.us-west-2.amazonaws.com/eu-west-1_A/.well-known/jwks.json",
                "RS256",
            ),
            (
                settings(&Firebase::new("project").session_cookies()),
                &["https://session.firebase.google.com/project"],
                "https://identitytoolkit.googleapis.com/v1/sessionCookiePublicKeys",
                "RS256",
            ),
            (
                settings(&Firebase::new("project")),
                &["https://securetoken.google.com/project"],
                "https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com",
                "RS256",
            ),
            (
                settings(&Google::id_tokens("client")),
                &["https://accounts.google.com", "accounts.google.com"],
                "https://www.googleapis.com/oauth2/v3/certs",
                "RS256",
            ),
            (
                settings(&Keycloak::new("https://keycloak.example.com/auth/", "main", "api")),
                &["https://keycloak.example.com/auth/realms/main"],
                "https://keycloak.example.com/auth/realms/main/protocol/openid-connect/certs",
                ANY_ASYMMETRIC,
            ),
            (
                settings(&Logto::new("tenant.logto.app", "api")),
                &["https://tenant.logto.app/oidc"],
                "metadata of https://tenant.logto.app/oidc",
                "ES384, RS256",
            ),
            (
                settings(&Okta::new("dev-1.okta.com", "api")),
                &["https://dev-1.okta.com/oauth2/default"],
                "metadata of https://dev-1.okta.com/oauth2/default",
                "RS256",
            ),
            (
                settings(&Supabase::new("abc")),
                &["https://abc.supabase.co/auth/v1"],
                "https://abc.supabase.co/auth/v1/.well-known/jwks.json",
                "ES256, RS256",
            ),
            (
                settings(&Supabase::new("abc").also_legacy_secret(&[7; 32]).unwrap()),
                &["https://abc.supabase.co/auth/v1"],
                "https://abc.supabase.co/auth/v1/.well-known/jwks.json",
                "ES256, HS256, RS256",
            ),
            (
                settings(&WorkOs::new("acme.authkit.app", "api")),
                &["https://acme.authkit.app"],
                "metadata of https://acme.authkit.app",
                "RS256",
            ),
            (
                settings(&WorkOs::sessions("client_1")),
                &["https://api.workos.com/user_management/client_1"],
                "https://api.workos.com/sso/jwks/client_1",
                "RS256",
            ),
            (
                settings(&Zitadel::new("instance-1.zitadel.cloud", "1")),
                &["https://instance-1.zitadel.cloud"],
                "metadata of https://instance-1.zitadel.cloud",
                ANY_ASYMMETRIC,
            ),
        ]
    }

    #[test]
    fn presets_set_issuers_and_keys() {
        for ((issuers, keys, _), expected_issuers, expected_keys, _) in table() {
            assert_eq!(issuers, expected_issuers);
            assert_eq!(keys, expected_keys);
        }
    }

    #[test]
    fn presets_set_algorithms() {
        let any = AlgorithmSet::ASYMMETRIC.to_string();
        assert!(!any.contains("HS"));
        for ((issuers, _, algorithms), _, _, expected) in table() {
            assert_eq!(algorithms, if expected == ANY_ASYMMETRIC { &any } else { expected }, "{issuers:?}");
        }
    }

    #[cfg(feature = "remote")]
    #[test]
    fn errors_name_the_argument_and_what_to_write() {
        let error = |preset: Result<JwtVerifier, ConfigError>| preset.unwrap_err().to_string();
        let keycloak = |base: &str| error(Keycloak::new(base, "main", "api").verifier());
        assert_eq!(
            keycloak("https://keycloak.example.com/realms/main"),
            "base: it contains a realm; write the part before /realms/, for example https://keycloak.example.com"
        );
        let okta = error(Okta::new("dev-1-admin.okta.com", "api").verifier());
        assert_eq!(okta, "domain: it is the domain of the admin console; leave -admin out: dev-1.okta.com");
        for (error, field) in [
            (keycloak("http://keycloak:8080"), "base"),
            (error(Zitadel::new("http://zitadel:8080", "1").verifier()), "instance"),
            (error(Logto::new("http://logto:3001", "api").verifier()), "endpoint"),
            (error(Supabase::from_url("http://kong:8000").verifier()), "url"),
        ] {
            assert!(error.starts_with(&format!("{field}: it is http, where https is required; ")), "{error}");
        }
    }
}
