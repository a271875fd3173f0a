//! Tokens for one purpose, such as a link to reset a password.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis::ConfigError;
use portcullis::clock::Clock;

use crate::error::PurposeTokenError;
use crate::input::{self, Wrong};
use crate::store::{SessionStore, StoredPurposeToken};
use crate::timestamp::Timestamp;
use crate::token::{TokenHash, random};

/// The tokens for one purpose: opaque, used once, short-lived, and bound to a subject and a state.
///
/// The state is any bytes that change when the token must die. A link to reset a password has the hash of the password: when
/// the password changes, all links that were sent before are dead. The store has only hashes of the token and the state.
///
/// How the token reaches the user, how often one may be requested, and that the response does not tell whether the account
/// exists, is up to the service.
///
/// ```
/// use std::time::Duration;
/// # use portcullis_sessions::{MemoryStore, Sessions, SuccessorKeys};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let sessions = Sessions::builder(MemoryStore::new(), SuccessorKeys::generate()?).build()?;
/// let resets = sessions.purpose_tokens("password reset", Duration::from_secs(20 * 60))?;
///
/// // Alice asks for a link.
/// let token = resets.issue("alice", b"hash of the current password").await?;
///
/// // She opens it and enters a new password. Read her record first, then redeem the token, then change the password.
/// let subject = resets.subject(token.as_str()).await?;
/// assert_eq!(subject, "alice");
/// resets.redeem(token.as_str(), b"hash of the current password").await?;
///
/// // It works once.
/// assert!(resets.redeem(token.as_str(), b"hash of the current password").await.is_err());
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct PurposeTokens {
    store: Arc<dyn SessionStore>,
    clock: Arc<dyn Clock>,
    purpose: &'static str,
    lifetime: Duration,
}

/// A token for one purpose: 256 random bits behind the prefix `pcp1_`. `Debug` does not print it.
#[derive(Clone)]
pub struct PurposeToken(String);

const PREFIX: &str = "pcp1_";
const LIFETIMES: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(24 * 60 * 60);

impl PurposeToken {
    /// Returns the token's text, which can be part of a URL. It is a secret.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl PurposeTokens {
    pub(crate) fn new(
        store: Arc<dyn SessionStore>,
        clock: Arc<dyn Clock>,
        purpose: &'static str,
        lifetime: Duration,
    ) -> Result<Self, ConfigError> {
        let mut errors = Vec::new();
        if !(1..=64).contains(&purpose.len()) || purpose.chars().any(char::is_control) {
            let hint = "write a name such as `password reset`";
            errors.push(ConfigError::new("purpose", "not 1 to 64 bytes without control characters", hint));
        }
        if !LIFETIMES.contains(&lifetime) {
            errors.push(ConfigError::new("lifetime", "not from 1 s to 24 hours", "write for example 20 minutes"));
        }
        ConfigError::all(errors)?;
        Ok(Self { store, clock, purpose, lifetime })
    }

    /// Makes a token for `subject`, whose state is `state` now.
    ///
    /// # Errors
    /// [`PurposeTokenError::InvalidInput`] when the subject cannot be stored, [`PurposeTokenError::Unavailable`] when the
    /// store is.
    pub async fn issue(&self, subject: &str, state: &[u8]) -> Result<PurposeToken, PurposeTokenError> {
        input::check_subject(subject)
            .map_err(|(field, problem): Wrong| PurposeTokenError::InvalidInput { field, problem })?;
        let secret: [u8; 32] = random()?;
        self.store
            .insert_purpose_token(&StoredPurposeToken {
                hash: hash(&secret),
                purpose: self.purpose.to_owned(),
                subject: subject.to_owned(),
                binding: self.binding(subject, state),
                expires_at: Timestamp::now(&*self.clock).plus(self.lifetime),
            })
            .await?;
        Ok(PurposeToken(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(secret))))
    }

    /// Returns whose token this is, so that the service can read their state. The token stays as it is.
    ///
    /// # Errors
    /// [`PurposeTokenError::Refused`] when the token is not valid, except that the state is not compared, and
    /// [`PurposeTokenError::Unavailable`] when the store is.
    pub async fn subject(&self, token: &str) -> Result<String, PurposeTokenError> {
        Ok(self.find(token).await?.subject)
    }

    /// Uses the token up, if it was made for this purpose and the state is the same. Returns the subject. Of several requests
    /// with one token, one succeeds.
    ///
    /// # Errors
    /// [`PurposeTokenError::Refused`] when the token is not valid, [`PurposeTokenError::Unavailable`] when the store is.
    pub async fn redeem(&self, token: &str, state: &[u8]) -> Result<String, PurposeTokenError> {
        let stored = self.find(token).await?;
        let fits = stored.binding.matches(&self.binding(&stored.subject, state));
        if fits && self.store.take_purpose_token(&stored.hash).await? {
            return Ok(stored.subject);
        }
        Err(PurposeTokenError::Refused)
    }

    async fn find(&self, token: &str) -> Result<StoredPurposeToken, PurposeTokenError> {
        let stored = match read(token) {
            Some(secret) => self.store.find_purpose_token(&hash(&secret)).await?,
            None => None,
        };
        stored
            .filter(|stored| stored.purpose == self.purpose && stored.expires_at > Timestamp::now(&*self.clock))
            .ok_or(PurposeTokenError::Refused)
    }

    fn binding(&self, subject: &str, state: &[u8]) -> TokenHash {
        TokenHash::of("purpose", &[self.purpose.as_bytes(), subject.as_bytes(), state])
    }
}

fn hash(secret: &[u8; 32]) -> TokenHash {
    TokenHash::of("purpose token", &[secret])
}

fn read(token: &str) -> Option<[u8; 32]> {
    let mut secret = [0; 32];
    let length = URL_SAFE_NO_PAD.decode_slice(token.strip_prefix(PREFIX)?, &mut secret).ok()?;
    (length == secret.len()).then_some(secret)
}

impl fmt::Debug for PurposeTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PurposeTokens")
            .field("purpose", &self.purpose)
            .field("lifetime", &self.lifetime)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for PurposeToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PurposeToken(..)")
    }
}
