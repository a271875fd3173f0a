//! The preset for Amazon Cognito.

use std::borrow::Cow;

use portcullis::checks::{CheckAbout, ClaimCheck, TokenView};
use portcullis::claims::{Claims, GrantReader, Grants};
use portcullis::error::InvalidToken;
use portcullis::jose::Algorithm;
use portcullis::verifier::JwtVerifierBuilder;
use portcullis::{Audience, ConfigError, dangerous};
use serde::Deserialize;

use crate::explain::Refused;
use crate::preset::{IdentityProvider, KeyLocation, Preset, ProviderSettings};

/// Accepts the access tokens of an Amazon Cognito user pool for its app clients, or their ID tokens.
///
/// ```
/// # fn main() -> Result<(), portcullis::ConfigError> {
/// use portcullis_oidc::Cognito;
///
/// let verifier = Cognito::new("eu-west-1", "eu-west-1_Ab12Cd34E", ["1h57kf5cpq17m0eml12EXAMPLE"]).verifier()?;
/// # Ok(()) }
/// ```
///
/// **In Cognito**: the page of the user pool shows its ID. *App clients* shows the client IDs.
///
/// **A token** has the client in `client_id` and no `aud`. It has `token_use: access`, scopes in `scope`, and the user's
/// groups in `cognito:groups`, which policies see as roles. Pools with several regions write the issuer as
/// `https://issuer-cognito-idp.…`; both forms are accepted.
///
/// **What gets in, and what is refused**: each kind of token that Cognito issues, or that clients send by mistake. "The log
/// adds" is the field `explanation` of the event `request refused`, at the level `DEBUG`.
///
#[doc = include_str!("tokens/cognito.md")]
///
/// See <https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-tokens-verifying-a-jwt.html>.
pub type Cognito = Preset<UserPool>;

/// The settings of an Amazon Cognito user pool.
#[derive(Clone, Debug)]
pub struct UserPool {
    region: String,
    replicas: Vec<String>,
    id: String,
    clients: Vec<String>,
    accepted: TokenUse,
}

/// The accepted values of `token_use`, which tells access tokens from ID tokens. Both are signed with the same key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum TokenUse {
    Access,
    Either,
    Id,
}

impl Preset<UserPool> {
    /// Accepts the access tokens of one user pool for some of its app clients.
    ///
    /// `pool` is the user pool's ID, which begins with its region. `clients` are the client IDs.
    pub fn new<S: Into<String>>(
        region: impl Into<String>,
        pool: impl Into<String>,
        clients: impl IntoIterator<Item = S>,
    ) -> Self {
        Self::of(UserPool {
            region: region.into(),
            replicas: Vec::new(),
            id: pool.into(),
            clients: clients.into_iter().map(Into::into).collect(),
            accepted: TokenUse::Access,
        })
    }

    /// Accepts ID tokens instead of access tokens. Use it only if this service is the client that signed the user in.
    pub fn id_tokens(mut self) -> Self {
        self.provider.accepted = TokenUse::Id;
        self
    }

    /// Accepts ID tokens in addition to access tokens, for example while clients change from one to the other.
    ///
    /// The client must be in `client_id` of an access token, and in `aud` of an ID token. ID tokens have no scopes.
    pub fn access_and_id_tokens(mut self) -> Self {
        self.provider.accepted = TokenUse::Either;
        self
    }

    /// Accepts also tokens that the pool's replica in `region` issued. Each call adds one region.
    ///
    /// A replica has the same pool ID. Its keys are fetched from its region, too, so tokens can be verified while one
    /// region is unavailable. Pools with the updated issuer (`https://issuer-cognito-idp.…`) do not need this option,
    /// because all regions write the issuer of the first one. See
    /// <https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-multi-region.html>.
    pub fn replica_region(mut self, region: impl Into<String>) -> Self {
        self.provider.replicas.push(region.into());
        self
    }
}

impl UserPool {
    /// Checks the client IDs, for tokens whose audience is checked by [`ClientOfUse`].
    fn validate_clients(&self) -> Result<(), ConfigError> {
        let is_name = |client: &String| !client.is_empty() && !client.contains(char::is_whitespace);
        if !self.clients.is_empty() && self.clients.iter().all(is_name) {
            return Ok(());
        }
        Err(ConfigError::new("audience", "not a client ID", "write the IDs of the app clients"))
    }
}

impl IdentityProvider for UserPool {
    fn settings(&self) -> Result<ProviderSettings, ConfigError> {
        let Self { region, replicas, id, clients, accepted } = self;
        let is_word = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !region.split('-').all(is_word) {
            return Err(ConfigError::new("region", "not a region", "write the pool's region, for example eu-west-1"));
        }
        if !replicas.iter().all(|region| region.split('-').all(is_word)) {
            let instead = "write the region of the replica, for example us-west-2";
            return Err(ConfigError::new("replica_region", "not a region", instead));
        }
        let name = id.strip_prefix(region.as_str()).and_then(|rest| rest.strip_prefix('_')).unwrap_or_default();
        if !is_word(name) {
            let instead = format!("write the user pool's ID, for example {region}_Ab12Cd34E");
            return Err(ConfigError::new("pool", "not the ID of a user pool in this region", instead));
        }
        self.validate_clients()?;
        let regions = || std::iter::once(region).chain(replicas);
        let at = |host: &str, region: &str| format!("https://{host}.{region}.amazonaws.com/{id}");
        // Both forms name the same pool, with the same keys.
        let issuers = regions().flat_map(|region| ["cognito-idp", "issuer-cognito-idp"].map(|host| at(host, region)));
        let mut keys: Vec<_> =
            regions().map(|region| format!("{}/.well-known/jwks.json", at("cognito-idp", region))).collect();
        let keys = match (keys.pop(), keys.is_empty()) {
            (Some(only), true) => KeyLocation::Url(only),
            (last, _) => KeyLocation::FirstOf(keys.into_iter().chain(last).collect()),
        };
        // The client is in client_id of an access token, and in aud of an ID token.
        let audience = match accepted {
            TokenUse::Access => Audience::claim("client_id", clients.clone()),
            // `ClientOfUse` checks the audience instead.
            TokenUse::Either => dangerous::any_audience(),
            TokenUse::Id => Audience::any_of(clients.clone()),
        };
        Ok(ProviderSettings { issuers: issuers.collect(), audience, algorithms: Algorithm::Rs256.into(), keys })
    }

    fn refine(&self, builder: JwtVerifierBuilder) -> JwtVerifierBuilder {
        builder.check(ClientOfUse { accepted: self.accepted, clients: self.clients.clone() }).grants(CognitoGrants)
    }

    fn explain(refused: &Refused<'_>) -> Option<&'static str> {
        if matches!(refused.found, InvalidToken::Encrypted) {
            return Some("an encrypted token: a refresh token");
        }
        if refused.text.contains('=') {
            return Some(
                "a padded token: the header x-amzn-oidc-data of a load balancer, which signs with its own key",
            );
        }
        if refused.issuer() == "https://cognito-identity.amazonaws.com" {
            return Some("a token of an identity pool, which is for AWS services");
        }
        match refused.claim("token_use").as_deref() {
            Some("id") if refused.is_of_another_class("client_id") => {
                Some("an ID token: have the client send the access token, or call access_and_id_tokens()")
            }
            Some("access") if refused.is_of_another_class("aud") => {
                Some("an access token: have the client send the ID token, or call access_and_id_tokens()")
            }
            _ => None,
        }
    }
}

/// Checks `token_use`, and that the token is for one of the clients. The claims must have the types that Amazon's own
/// verifier requires: one client, and scopes in one string.
struct ClientOfUse {
    accepted: TokenUse,
    clients: Vec<String>,
}

impl ClaimCheck for ClientOfUse {
    fn check(&self, token: &TokenView<'_>) -> Result<(), InvalidToken> {
        let claims = token.claims();
        let client = match (claims.required::<String>("token_use")?.as_str(), self.accepted) {
            ("access", TokenUse::Access | TokenUse::Either) => "client_id",
            ("id", TokenUse::Id | TokenUse::Either) => "aud",
            _ => return Err(InvalidToken::WrongTokenClass),
        };
        let is_ours = |name: &str| self.clients.iter().any(|client| client == name);
        if client == "aud" && claims.contains("aud") && !claims.audiences().any(is_ours) {
            return Err(InvalidToken::WrongAudience);
        }
        let named = claims.required::<String>(client)?;
        claims.get::<String>("scope")?;
        if is_ours(&named) { Ok(()) } else { Err(InvalidToken::WrongAudience) }
    }

    fn about(&self) -> CheckAbout {
        let (uses, claim) = match self.accepted {
            TokenUse::Access => (r#""access""#, "client_id"),
            TokenUse::Either => (r#""access" or "id""#, "client_id or aud"),
            TokenUse::Id => (r#""id""#, "aud"),
        };
        let expected = format!("token_use {uses}, {claim} {}", self.clients.join(" or "));
        CheckAbout::claim("token_use").reading("client_id").reading("aud").expecting(expected)
    }
}

/// Reads groups as roles. Cognito has no permissions.
#[derive(Debug)]
struct CognitoGrants;

impl GrantReader for CognitoGrants {
    fn roles<'a>(&self, claims: &'a Claims) -> Grants<'a> {
        let groups = claims.get::<Vec<String>>("cognito:groups").ok().flatten().unwrap_or_default();
        groups.into_iter().map(Cow::Owned).collect()
    }
}

/// The claims of an access token or ID token of Amazon Cognito.
///
/// ```
/// use portcullis_oidc::CognitoClaims;
///
/// let claims: CognitoClaims = serde_json::from_str(
///     r#"{"sub": "aaaaaaaa-bbbb", "username": "u", "client_id": "c", "cognito:groups": ["admins"]}"#,
/// )?;
/// assert_eq!(claims.username(), Some("u"));
/// assert_eq!(claims.groups, ["admins"]);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Deserialize)]
#[non_exhaustive]
pub struct CognitoClaims {
    /// The user's identifier, which stays the same when the user name changes. In a token of the client credentials
    /// grant it is the client.
    pub sub: String,
    /// The app client. Only access tokens have it.
    pub client_id: Option<String>,
    /// The user's groups.
    #[serde(default, rename = "cognito:groups")]
    pub groups: Vec<String>,
    username: Option<String>,
    #[serde(rename = "cognito:username")]
    cognito_username: Option<String>,
}

impl CognitoClaims {
    /// Returns the user name: `cognito:username` of an ID token, `username` of an access token.
    #[must_use]
    pub fn username(&self) -> Option<&str> {
        self.cognito_username.as_deref().or(self.username.as_deref())
    }
}

impl std::fmt::Debug for CognitoClaims {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CognitoClaims { .. }")
    }
}
