//! Verifies the access tokens of one [Auth0](https://auth0.com/docs) tenant with portcullis.
//!
//! [`Auth0`] makes a verifier from the tenant's domain and the API's identifier. [`Auth0Claims`] are the claims of a
//! token. Login pages, sessions and the Management API are not part of this crate.
//!
//! ```
//! # fn main() -> Result<(), portcullis::ConfigError> {
//! use portcullis::Gate;
//! use portcullis_auth0::Auth0;
//!
//! let gate = Gate::new(Auth0::new("tenant.eu.auth0.com", "https://api.example.com").verifier()?);
//! # Ok(()) }
//! ```
//!
//! Pass the gate to the extractors or the guard of `portcullis-axum` or `portcullis-actix`.
//!
//! # In Auth0
//!
//! 1. *Applications → APIs*: create an API. Its *Identifier* is the audience in the code above.
//! 2. In the API's settings, switch on *RBAC* and *Add Permissions in the Access Token*. Tokens then contain
//!    permissions, for [`Auth0Claims::permissions`] and for policies such as `permissions(["read:messages"])`.
//! 3. In each client, ask for the API's identifier as `audience`. Without it, Auth0 issues an opaque token
//!    (<https://auth0.com/docs/secure/tokens/access-tokens#opaque-access-tokens>), which is refused as `encrypted` or
//!    `not_compact_jws`.
//!
//! Both access-token profiles work (<https://auth0.com/docs/secure/tokens/access-tokens/access-token-profiles>):
//! `auth0` has `typ: JWT` and the client in `azp`; `rfc9068_profile` has `typ: at+jwt` and the client in `client_id`. To
//! accept only the second, call `builder()?.token_types(["at+jwt"])`.
//!
//! # The token
//!
//! ```json
//! {"iss": "https://tenant.eu.auth0.com/", "sub": "auth0|5f7c8ec7c33c6c004bbafe82",
//!  "aud": ["https://api.example.com", "https://tenant.eu.auth0.com/userinfo"], "azp": "kq3sY8mYtS1mN0oPqRsTuVwXyZ012345",
//!  "iat": 1767225600, "exp": 1767312000, "scope": "openid read:messages", "permissions": ["read:messages"]}
//! ```
//!
//! [`Auth0Claims`] reads tokens of both profiles. Auth0 does not put roles into a token. An Action can add them as a
//! custom claim (<https://auth0.com/docs/secure/tokens/json-web-tokens/create-custom-claims>). Policies such as
//! `roles(["editor"])` find them there when you give the claim's name to `StandardGrants`:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use portcullis::claims::StandardGrants;
//! use portcullis::{Gate, roles, scopes};
//! use portcullis_auth0::{Auth0, Auth0Claims};
//! use portcullis_testing::TestIssuer;
//!
//! // Issues tokens like those of an Auth0 tenant.
//! let tenant = TestIssuer::auth0("tenant.eu.auth0.com", "https://api.example.com");
//! let auth0 = Auth0::new("tenant.eu.auth0.com", "https://api.example.com").keys(tenant.keys());
//! let grants = StandardGrants::new().with_roles_at(["https://example.com/roles"]);
//! let gate = Gate::new(auth0.builder()?.grants(grants).build()?);
//!
//! let token = tenant.token().scope("read:messages").claim("https://example.com/roles", ["editor"]);
//! let caller = gate.verify(&token.sign()).await?;
//! scopes("read:messages").and(roles(["editor"])).check(&caller)?;
//! assert!(!caller.claims::<Auth0Claims>()?.is_machine());
//! # Ok(()) }
//! ```
//!
//! # What gets in, and what is refused
//!
//! Each kind of token that Auth0 issues, or that clients send by mistake. "The log adds" is the field `explanation` of the
//! event `request refused`, at the level `DEBUG`.
//!
#![doc = include_str!("tokens.md")]
//!
//! A good token without the scope or permission of a policy is refused as `insufficient_scope` (403). Let the client ask for
//! the scope, and switch on *Add Permissions in the Access Token*.
//!
//! # Features
//!
//! - `jsonwebtoken` (default): enables the feature of the same name in portcullis.
//! - `remote` (default): fetches the keys. Without it, this crate never touches the network: pass the keys to [`Auth0::keys`].
//!
//! Design notes: [Presets](https://docs.rs/portcullis/latest/portcullis/_docs/presets/).

#![cfg_attr(docsrs, feature(doc_cfg))]

mod claims;
mod explain;

pub use claims::Auth0Claims;

use std::sync::Arc;

use portcullis::checks::{CheckAbout, ClaimCheck, TokenView};
use portcullis::config::{values, variables};
use portcullis::error::InvalidToken;
use portcullis::jose::Algorithm;
use portcullis::verifier::JwtVerifierBuilder;
use portcullis::{Audience, ConfigError, Issuer, JwtVerifier, KeyProvider};

/// Settings of a verifier for the access tokens that one Auth0 tenant issues for one API.
#[derive(Clone, Debug)]
#[must_use = "call verifier() or builder()"]
pub struct Auth0 {
    domains: Vec<String>,
    audiences: Vec<String>,
    keys: Option<Arc<dyn KeyProvider>>,
}

impl Auth0 {
    /// Accepts the tokens of one tenant for one API.
    ///
    /// `domain` is the tenant's domain, for example `tenant.eu.auth0.com`, or its custom domain. `audience` is the API's
    /// identifier, exactly as in Auth0. [`Self::builder`] returns an error when one of them is invalid.
    pub fn new(domain: impl Into<String>, audience: impl Into<String>) -> Self {
        Self { domains: vec![domain.into()], audiences: vec![audience.into()], keys: None }
    }

    /// Reads `AUTH0_DOMAIN` and `AUTH0_AUDIENCE`. Each of them may be a list, separated by commas.
    ///
    /// # Errors
    /// [`ConfigError`] names the variable and says what to write.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_variables(variables::environment)
    }

    /// Reads the same variables as [`Self::from_env`] through `lookup`.
    ///
    /// # Errors
    /// [`ConfigError`] names the variable and says what to write.
    pub fn from_variables(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let domains =
            variables::listed(&lookup, "AUTH0_DOMAIN", "write the tenant's domain, such as tenant.eu.auth0.com");
        let domains = domains.and_then(|domains| {
            let faults = domains.iter().filter_map(|domain| issuer(domain).err());
            ConfigError::all(faults.map(|error| error.with_field("AUTH0_DOMAIN"))).map(|()| domains)
        });
        let audiences = variables::listed(
            &lookup,
            "AUTH0_AUDIENCE",
            "write the identifier of the API, such as https://api.example.com",
        );
        let (domains, audiences) = ConfigError::both(domains, audiences)?;
        Ok(Self { domains, audiences, keys: None })
    }

    /// Also accepts tokens that clients got through `domain`, a custom domain of the same tenant.
    ///
    /// Auth0 writes the domain that the client used into `iss`. The keys are the same for all domains of a tenant.
    pub fn custom_domain(mut self, domain: impl Into<String>) -> Self {
        self.domains.push(domain.into());
        self
    }

    /// Also accepts tokens for this API.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.push(audience.into());
        self
    }

    /// Takes the keys from this key provider. Default: they are fetched from the tenant's JWKS endpoint.
    pub fn keys(mut self, keys: impl KeyProvider + 'static) -> Self {
        self.keys = Some(Arc::new(keys));
        self
    }

    /// Returns the general builder, to change further options.
    ///
    /// It has the algorithms RS256 and PS256, the issuers of all domains, the audiences, and the keys of the first domain.
    ///
    /// # Errors
    /// [`ConfigError`] names the invalid field and says what to write instead.
    pub fn builder(&self) -> Result<JwtVerifierBuilder, ConfigError> {
        let issuers = self.domains.iter().map(|domain| issuer(domain)).collect::<Result<Vec<_>, _>>()?;
        let keys: Arc<dyn KeyProvider> = match (&self.keys, issuers.first()) {
            (Some(keys), _) => Arc::clone(keys),
            (None, Some(issuer)) => remote_keys(issuer)?,
            (None, None) => return Err(ConfigError::new("domain", "missing", "write the tenant's domain")),
        };
        let audience = Audience::any_of(self.audiences.clone());
        let algorithms = [Algorithm::Rs256, Algorithm::Ps256];
        Ok(JwtVerifier::builder(Issuer::any_of(issuers.clone()), audience, keys)
            .algorithms(algorithms)
            .check(ClientIdIsString)
            .explain(move |token, found| explain::explain(&issuers, token, found)))
    }

    /// Builds the verifier.
    ///
    /// # Errors
    /// [`ConfigError`] names the invalid field and says what to write instead.
    pub fn verifier(&self) -> Result<JwtVerifier, ConfigError> {
        self.builder()?.build()
    }
}

/// Checks that `client_id` is a string or absent, as Auth0's own verifiers do.
struct ClientIdIsString;

impl ClaimCheck for ClientIdIsString {
    fn check(&self, token: &TokenView<'_>) -> Result<(), InvalidToken> {
        token.claims().get::<String>("client_id").map(drop)
    }

    fn about(&self) -> CheckAbout {
        CheckAbout::claim("client_id").expecting("a string, or absent")
    }
}

/// Returns a key provider that fetches the keys of the tenant with this issuer.
#[cfg(feature = "remote")]
fn remote_keys(issuer: &str) -> Result<Arc<dyn KeyProvider>, ConfigError> {
    let keys = portcullis::keys::RemoteKeys::at(&format!("{issuer}.well-known/jwks.json"));
    Ok(Arc::new(keys.map_err(|error| error.with_url_field("domain"))?))
}

#[cfg(not(feature = "remote"))]
fn remote_keys(_issuer: &str) -> Result<Arc<dyn KeyProvider>, ConfigError> {
    let instead = "pass a key provider to keys(), or enable the feature `remote`";
    Err(ConfigError::new("keys", "missing, and without the feature `remote` they are not fetched", instead))
}

/// Returns the issuer of `domain`. The slash at the end is part of its name.
fn issuer(domain: &str) -> Result<String, ConfigError> {
    values::origin("domain", domain, "tenant.eu.auth0.com").map(|origin| format!("{origin}/"))
}

#[cfg(test)]
#[cfg(feature = "remote")]
mod tests {
    use portcullis::{Gate, Reason, permissions};
    use portcullis_testing::TestIssuer;

    use super::*;

    const DOMAIN: &str = "tenant.eu.auth0.com";
    const API: &str = "https://api.example.com";

    fn tenant() -> TestIssuer {
        TestIssuer::from_algorithms([Algorithm::Rs256, Algorithm::Ps256, Algorithm::Es256, Algorithm::Hs256])
            .with_url(format!("https://{DOMAIN}/"))
            .with_audience(API)
    }

    fn gate(auth0: &Auth0, tenant: &TestIssuer) -> Gate {
        Gate::new(auth0.clone().keys(tenant.keys()).verifier().unwrap())
    }

    async fn reason(gate: &Gate, token: String) -> Option<Reason> {
        gate.verify(&token).await.err().and_then(|error| error.reason())
    }

    #[tokio::test]
    async fn issuer_ends_with_a_slash() {
        let tenant = tenant();
        let gate = gate(&Auth0::new(DOMAIN, API), &tenant);
        assert!(gate.verify(&tenant.token().sign()).await.is_ok());
        let without = tenant.token().issuer(&format!("https://{DOMAIN}")).sign();
        assert_eq!(reason(&gate, without).await, Some(Reason::WrongIssuer));
    }

    #[tokio::test]
    async fn only_configured_custom_domains_are_accepted() {
        let tenant = tenant();
        let gate = gate(&Auth0::new(DOMAIN, API).custom_domain("login.example.com"), &tenant);
        for issuer in [format!("https://{DOMAIN}/"), "https://login.example.com/".to_owned()] {
            assert!(gate.verify(&tenant.token().issuer(&issuer).sign()).await.is_ok(), "{issuer}");
        }
        let other = tenant.token().issuer("https://login.example.org/").sign();
        assert_eq!(reason(&gate, other).await, Some(Reason::WrongIssuer));
    }

    #[tokio::test]
    async fn only_rs256_and_ps256_are_allowed() {
        let tenant = tenant();
        let gate = gate(&Auth0::new(DOMAIN, API), &tenant);
        for algorithm in [Algorithm::Rs256, Algorithm::Ps256] {
            assert!(gate.verify(&tenant.token().algorithm(algorithm).sign()).await.is_ok(), "{algorithm}");
        }
        for algorithm in [Algorithm::Es256, Algorithm::Hs256] {
            let token = tenant.token().algorithm(algorithm).sign();
            assert_eq!(reason(&gate, token).await, Some(Reason::AlgorithmNotAllowed), "{algorithm}");
        }
    }

    #[tokio::test]
    async fn one_matching_audience_of_several_is_enough() {
        let tenant = tenant();
        let gate = gate(&Auth0::new(DOMAIN, API), &tenant);
        let userinfo = format!("https://{DOMAIN}/userinfo");
        assert!(gate.verify(&tenant.token().audience([API, &userinfo]).sign()).await.is_ok());
        // An ID token is for the client, not for the API.
        let id_token = tenant.token().header("typ", "JWT").audience("kq3sY8mYtS1mN0oPqRsTuVwXyZ012345").sign();
        assert_eq!(reason(&gate, id_token).await, Some(Reason::WrongAudience));
    }

    #[tokio::test]
    async fn policies_see_permissions() {
        let tenant = tenant();
        let gate = gate(&Auth0::new(DOMAIN, API), &tenant);
        let caller = gate.verify(&tenant.token().claim("permissions", ["read:messages"]).sign()).await.unwrap();
        assert!(permissions(["read:messages"]).check(&caller).is_ok());
        assert!(permissions(["write:messages"]).check(&caller).is_err());
    }

    #[tokio::test]
    async fn every_forgery_is_refused_for_its_reason() {
        let tenant = TestIssuer::new().with_url(format!("https://{DOMAIN}/")).with_audience(API);
        let gate = gate(&Auth0::new(DOMAIN, API), &tenant);
        for forgery in tenant.forgeries() {
            assert_eq!(reason(&gate, forgery.token).await, Some(forgery.reason), "{}", forgery.name);
        }
    }

    #[test]
    fn errors_name_the_environment_variable() {
        let read = |domain: Option<&str>, audience: Option<&str>| {
            Auth0::from_variables(|name| {
                let value = match name {
                    "AUTH0_DOMAIN" => domain,
                    "AUTH0_AUDIENCE" => audience,
                    _ => None,
                };
                value.map(str::to_owned)
            })
        };
        let auth0 = read(Some("tenant.eu.auth0.com, login.example.com"), Some(API)).unwrap();
        assert_eq!(auth0.domains, [DOMAIN, "login.example.com"]);
        assert!(auth0.verifier().is_ok());
        assert_eq!(read(None, Some(API)).unwrap_err().field(), "AUTH0_DOMAIN");
        assert_eq!(read(Some("tenant.eu.auth0.com/api"), Some(API)).unwrap_err().field(), "AUTH0_DOMAIN");
        assert_eq!(read(Some(DOMAIN), Some(" ")).unwrap_err().field(), "AUTH0_AUDIENCE");
        let both = read(Some("tenant"), None).unwrap_err();
        assert_eq!(both.fields().collect::<Vec<_>>(), ["AUTH0_DOMAIN", "AUTH0_AUDIENCE"]);
        assert!(both.to_string().contains("not a host name with a dot"), "{both}");
    }

    #[test]
    fn errors_name_the_invalid_field() {
        assert_eq!(Auth0::new("", API).verifier().unwrap_err().field(), "domain");
        assert_eq!(Auth0::new(DOMAIN, "").verifier().unwrap_err().field(), "audience");
        assert_eq!(Auth0::new("http://tenant.eu.auth0.com", API).verifier().unwrap_err().field(), "domain");
    }
}

/// Compiles the examples of `README.md`.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
