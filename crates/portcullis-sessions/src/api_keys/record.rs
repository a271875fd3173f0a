//! A key as its owner and operators may see it.

use std::fmt;

use portcullis::claims::NumericDate;

use super::format::ApiKeySecret;
use super::store::StoredApiKey;
use crate::session::debug_without_contents;
use crate::timestamp::Timestamp;

/// A key that was made or rotated, with its secret.
#[derive(Debug)]
#[non_exhaustive]
pub struct NewApiKey {
    /// The text of the key. Show it once.
    pub secret: ApiKeySecret,
    /// Everything else about the key.
    pub key: ApiKey,
}

/// A key, as its owner and operators may see it. It has no secret.
#[derive(Clone, Eq, PartialEq)]
#[non_exhaustive]
pub struct ApiKey {
    /// The name of the key, the claim `jti`. It opens nothing.
    pub id: String,
    /// Whose key it is, the claim `sub`.
    pub owner: String,
    /// What the owner calls it.
    pub label: String,
    /// What it may do, the claim `scope`.
    pub scopes: Vec<String>,
    /// Whether it is accepted.
    pub status: ApiKeyStatus,
    /// When it was made.
    pub created_at: NumericDate,
    /// When the current secret was made: at the last rotation, or with the key.
    pub issued_at: NumericDate,
    /// When the current secret expires. `None` means never.
    pub expires_at: Option<NumericDate>,
    /// When it was last used, within some minutes.
    pub last_used_at: Option<NumericDate>,
    /// When it was revoked.
    pub revoked_at: Option<NumericDate>,
    /// The secret before the last rotation, as long as it is accepted.
    pub previous: Option<PreviousSecret>,
}

/// The secret of a key before its last rotation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct PreviousSecret {
    /// Until when it is accepted.
    pub expires_at: NumericDate,
    /// When it was used since the rotation, within some minutes. If it is used, a client does not have the current secret yet.
    pub last_used_at: Option<NumericDate>,
}

/// Whether a key is accepted.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum ApiKeyStatus {
    /// It is accepted.
    Active,
    /// It has expired.
    Expired,
    /// It was revoked.
    Revoked,
}

impl ApiKeyStatus {
    /// Returns the name, for lists and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

impl ApiKey {
    pub(super) fn at(stored: StoredApiKey, now: Timestamp) -> Self {
        let status = match stored.revoked_at {
            Some(_) => ApiKeyStatus::Revoked,
            None if has_ended(stored.expires_at, now) => ApiKeyStatus::Expired,
            None => ApiKeyStatus::Active,
        };
        let is_accepted = |expires_at| status == ApiKeyStatus::Active && !has_ended(Some(expires_at), now);
        let previous = stored.previous.filter(|previous| is_accepted(previous.expires_at));
        Self {
            id: stored.id,
            owner: stored.owner,
            label: stored.label,
            scopes: stored.scopes,
            status,
            created_at: stored.created_at.to_date(),
            issued_at: stored.issued_at.to_date(),
            expires_at: stored.expires_at.map(Timestamp::to_date),
            last_used_at: stored.last_used_at.map(Timestamp::to_date),
            revoked_at: stored.revoked_at.map(Timestamp::to_date),
            previous: previous.map(|previous| PreviousSecret {
                expires_at: previous.expires_at.to_date(),
                last_used_at: previous.last_used_at.map(Timestamp::to_date),
            }),
        }
    }
}

/// Whether a secret that expires at `expires_at` has expired at `now`.
pub(super) fn has_ended(expires_at: Option<Timestamp>, now: Timestamp) -> bool {
    expires_at.is_some_and(|expires_at| expires_at <= now)
}

debug_without_contents!(ApiKey);
