//! The result of a verification.

use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::claims::{Claims, GrantReader, Grants, NumericDate};
use crate::credential::Scheme;
use crate::error::InvalidToken;
use crate::jose::{Header, VerifyingKey};

/// Who is calling: the claims of a token that passed every check. Cheap to clone.
#[derive(Clone)]
pub struct Verified {
    signed: Arc<Signed>,
    grants: Arc<dyn GrantReader>,
    response_headers: Option<Arc<[(String, String)]>>,
    scheme: Scheme,
}

/// A token whose signature is good, or that somebody vouches for, who then has no header or key.
pub(crate) struct Signed {
    pub(crate) header: Option<Arc<Header>>,
    pub(crate) claims: Claims,
    pub(crate) key: Option<Arc<VerifyingKey>>,
}

impl Verified {
    pub(crate) fn new(signed: Arc<Signed>, grants: Arc<dyn GrantReader>) -> Self {
        Self { signed, grants, response_headers: None, scheme: Scheme::Bearer }
    }

    /// `sub`: who is calling, within the issuer.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.signed.claims.subject()
    }

    /// `iss`: who says so.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.signed.claims.issuer()
    }

    /// `aud`: for whom it was said.
    pub fn audiences(&self) -> impl Iterator<Item = &str> {
        self.signed.claims.audiences()
    }

    /// The client that the token was issued to: `client_id` (RFC 9068 §2.2), else `azp` (OpenID Connect Core §2).
    #[must_use]
    pub fn client_id(&self) -> Option<String> {
        let claim = |name| self.signed.claims.get::<String>(name).ok().flatten();
        claim("client_id").or_else(|| claim("azp"))
    }

    /// `jti`: the token's identifier.
    #[must_use]
    pub fn token_id(&self) -> Option<&str> {
        self.signed.claims.token_id()
    }

    /// `exp`: until when the token is good; a connection that lives longer than its request should end then.
    #[must_use]
    pub fn expires_at(&self) -> Option<NumericDate> {
        self.signed.claims.expires_at()
    }

    /// The scopes.
    #[must_use]
    pub fn scopes(&self) -> Grants<'_> {
        self.grants.scopes(&self.signed.claims)
    }

    /// The permissions.
    #[must_use]
    pub fn permissions(&self) -> Grants<'_> {
        self.grants.permissions(&self.signed.claims)
    }

    /// The roles.
    #[must_use]
    pub fn roles(&self) -> Grants<'_> {
        self.grants.roles(&self.signed.claims)
    }

    /// All claims as one typed value.
    ///
    /// # Errors
    /// [`InvalidToken::InvalidClaims`] when they do not fit `C`.
    pub fn claims<C: DeserializeOwned>(&self) -> Result<C, InvalidToken> {
        self.signed.claims.deserialize()
    }

    /// The claim `name`; `None` when it is absent or null.
    ///
    /// # Errors
    /// [`InvalidToken::InvalidClaim`] when it does not fit `T`.
    pub fn claim<'a, T: Deserialize<'a>>(&'a self, name: &'static str) -> Result<Option<T>, InvalidToken> {
        self.signed.claims.get(name)
    }

    /// All claims, untyped.
    #[must_use]
    pub fn all_claims(&self) -> &Claims {
        &self.signed.claims
    }

    /// The token's header; `None` when no token was verified but somebody vouches for the claims.
    #[must_use]
    pub fn header(&self) -> Option<&Header> {
        self.signed.header.as_deref()
    }

    /// The scheme under which the request presented its token.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    pub(crate) fn presented_by(mut self, scheme: Scheme) -> Self {
        self.scheme = scheme;
        self
    }

    /// Header fields that the response should carry, such as a fresh nonce of the scheme.
    #[must_use]
    pub fn response_headers(&self) -> &[(String, String)] {
        self.response_headers.as_deref().unwrap_or_default()
    }

    /// With these header fields for the response.
    #[must_use]
    pub fn with_response_headers(mut self, headers: impl IntoIterator<Item = (String, String)>) -> Self {
        self.response_headers = Some(headers.into_iter().collect());
        self
    }

    /// With scopes, permissions and roles read by `grants`.
    #[must_use]
    pub fn with_grants(mut self, grants: impl GrantReader + 'static) -> Self {
        self.grants = Arc::new(grants);
        self
    }
}

impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verified { .. }")
    }
}
