//! Keys as credentials of requests.

use std::sync::Arc;

use portcullis::adapter::{Credential, Scheme};
use portcullis::error::InvalidToken;
use portcullis::verifier::{Evidence, Recheck};
use portcullis::{AuthError, Verified, Verifier, async_trait};
use serde_json::{Map, Value};

use super::last_use::Noted;
use super::record::has_ended;
use super::service::ApiKeys;
use super::store::StoredApiKey;
use crate::counting;
use crate::timestamp::Timestamp;
use crate::token::TokenHash;

/// What a request with a secret needs to know about its key.
pub(super) struct Presented {
    pub(super) id: String,
    pub(super) owner: String,
    caller: Verified,
    expires_at: Option<Timestamp>,
    is_revoked: bool,
    noted: Noted,
}

#[async_trait]
impl Verifier for ApiKeys {
    async fn verify(&self, credential: &Credential<'_>) -> Result<Verified, AuthError> {
        let result = self.judge_credential(credential).await;
        counting::api_key(&result);
        result
    }

    fn explain(&self, credential: &Credential<'_>, _: &AuthError) -> Option<&'static str> {
        credential.unverified_token().starts_with("eyJ").then_some("a JWT, and this gate accepts API keys")
    }
}

/// Judges a key again while its connection is open.
struct Again {
    keys: ApiKeys,
    hash: TokenHash,
}

#[async_trait]
impl Recheck for Again {
    async fn recheck(&self, _: &Verified) -> Result<(), AuthError> {
        self.keys.judge(self.hash).await.map(drop)
    }
}

impl ApiKeys {
    async fn judge_credential(&self, credential: &Credential<'_>) -> Result<Verified, AuthError> {
        // A key is bound to nothing, so no proof can fit it.
        if credential.scheme() != Scheme::Bearer {
            return Err(InvalidToken::SenderConstrained.into());
        }
        let hash = self.core.format.hash(credential.unverified_token());
        let hash = hash.ok_or(InvalidToken::Malformed { part: "API key" })?;
        let caller = self.judge(hash).await?;
        Ok(caller.with_recheck(Again { keys: self.clone(), hash }))
    }

    /// Judges the key whose secret has this hash.
    async fn judge(&self, hash: TokenHash) -> Result<Verified, AuthError> {
        let presented = self.look_up(hash).await?.ok_or(InvalidToken::Inactive)?;
        let now = self.now();
        if has_ended(presented.expires_at, now) {
            return Err(InvalidToken::Expired.into());
        }
        if presented.is_revoked {
            return Err(InvalidToken::Revoked.into());
        }
        self.core.last_uses.note(hash, &presented.noted, now);
        Ok(presented.caller.clone())
    }

    async fn look_up(&self, hash: TokenHash) -> Result<Option<Arc<Presented>>, AuthError> {
        let ask = || async move {
            let found = self.core.store.find_api_key_by_hash(&hash).await?;
            let presented = found.map(|key| Presented::new(key, &hash)).transpose();
            // Such claims are not made here. Another program wrote the store.
            presented.map_err(|error| portcullis::error::Unavailable::new().with_source(error))
        };
        Ok(self.core.lookups.get(hash, || self.core.clock.monotonic(), ask).await?)
    }
}

impl Presented {
    /// Judges the secret with this hash as one of `key`.
    fn new(key: StoredApiKey, hash: &TokenHash) -> Result<Self, InvalidToken> {
        let previous = key.previous.filter(|previous| previous.hash == *hash);
        // Of the previous secret, it is only known that it is not older than the key.
        let (issued_at, expires_at, last_used_at) = match previous {
            Some(previous) => (key.created_at, Some(previous.expires_at), previous.last_used_at),
            None => (key.issued_at, key.expires_at, key.last_used_at),
        };
        let mut claims = Map::new();
        claims.insert("sub".to_owned(), key.owner.clone().into());
        claims.insert("jti".to_owned(), key.id.clone().into());
        claims.insert("iat".to_owned(), seconds(issued_at));
        if let Some(expires_at) = expires_at {
            claims.insert("exp".to_owned(), seconds(expires_at));
        }
        if !key.scopes.is_empty() {
            claims.insert("scope".to_owned(), key.scopes.join(" ").into());
        }
        Ok(Self {
            caller: Verified::from_claims(&claims, Evidence::ApiKey)?,
            id: key.id,
            owner: key.owner,
            expires_at,
            is_revoked: key.revoked_at.is_some(),
            noted: Noted::new(last_used_at),
        })
    }
}

/// A NumericDate of whole seconds, as most readers of claims expect.
fn seconds(time: Timestamp) -> Value {
    time.as_unix_millis().div_euclid(1000).into()
}
