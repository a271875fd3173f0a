//! The list of denied tokens, sessions and subjects, for tokens of any issuer.

mod check;
mod names;
mod store;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use portcullis::ConfigError;
use portcullis::claims::NumericDate;
use portcullis::clock::{Clock, SystemClock};
use portcullis::error::Unavailable;

pub use self::check::DenyListCheck;
pub use self::store::{DenyListStore, StoredDenial};
use crate::timestamp::Timestamp;
use crate::token::TokenHash;

/// A list of tokens, sessions and subjects that are denied: "log this person out now", before the tokens expire.
/// It is for tokens of any issuer, for example of Auth0, and several services and machines can share it. Cheap to clone.
///
/// [`check`](Self::check) makes a gate ask the list. [`BackchannelLogout`](crate::BackchannelLogout) and
/// [`EventReceiver`](crate::EventReceiver) fill it with what an identity provider reports.
///
/// ```
/// use std::time::Duration;
/// use portcullis::Gate;
/// use portcullis_sessions::{DenyList, MemoryStore};
///
/// # async fn example(gate: Gate, now: portcullis::claims::NumericDate) -> Result<(), Box<dyn std::error::Error>> {
/// // The issuer's access tokens live for at most a day.
/// let deny_list = DenyList::new(MemoryStore::new(), Duration::from_secs(24 * 60 * 60))?;
/// let gate = gate.with_check(deny_list.check());
///
/// // Within 5 seconds, no token that the user has now is accepted.
/// deny_list.deny_issued_before("https://tenant.auth0.com/", "auth0|42", now).await?;
/// # Ok(()) }
/// ```
///
/// An entry stays until no token that it concerns can be valid any more. For that, the list has to know how long access
/// tokens live at most, and the check refuses those that live longer.
#[derive(Clone)]
pub struct DenyList {
    core: Arc<Core>,
}

struct Core {
    store: Arc<dyn DenyListStore>,
    max_token_lifetime: Duration,
    clock: Arc<dyn Clock>,
}

const SHORTEST_LIFETIME: Duration = Duration::from_secs(60);
const LONGEST_LIFETIME: Duration = Duration::from_secs(400 * 24 * 60 * 60);
/// How much longer an entry stays than the tokens that it concerns. A verifier accepts an expired token for up to 10 minutes
/// ([`leeway`](portcullis::verifier::JwtVerifierBuilder::leeway)), and the clocks of machines may differ by a minute.
const KEPT_LONGER: Duration = Duration::from_secs(11 * 60);
/// When expired entries are removed.
const KEPT_AFTER_EXPIRY: Duration = Duration::from_secs(60 * 60);
const REMOVED_AT_ONCE: u32 = 1000;

impl DenyList {
    /// Makes the list in `store`. `max_token_lifetime` is the longest time from the `iat` of an access token to its `exp`: 1
    /// minute to 400 days.
    ///
    /// # Errors
    /// [`ConfigError`] when the lifetime is outside of these bounds.
    pub fn new(store: impl DenyListStore + 'static, max_token_lifetime: Duration) -> Result<Self, ConfigError> {
        if !(SHORTEST_LIFETIME..=LONGEST_LIFETIME).contains(&max_token_lifetime) {
            let hint = "write the longest time from `iat` to `exp` of the access tokens, for example 24 hours";
            return Err(ConfigError::new("max_token_lifetime", "not from 1 minute to 400 days", hint));
        }
        let core = Core { store: Arc::new(store), max_token_lifetime, clock: Arc::new(SystemClock::new()) };
        Ok(Self { core: Arc::new(core) })
    }

    /// Returns the list with another clock, for tests. Earlier clones keep theirs.
    #[must_use]
    pub fn with_clock(self, clock: impl Clock + 'static) -> Self {
        let Core { store, max_token_lifetime, .. } = &*self.core;
        let core = Core { store: store.clone(), max_token_lifetime: *max_token_lifetime, clock: Arc::new(clock) };
        Self { core: Arc::new(core) }
    }

    /// Returns the check for [`Gate::with_check`](portcullis::Gate::with_check). It uses answers of the store for up to 5
    /// seconds, unless [`DenyListCheck::max_age`] changes that.
    #[must_use]
    pub fn check(&self) -> DenyListCheck {
        DenyListCheck::new(self.clone())
    }

    /// Denies the token of `issuer` with this `jti`. `expires_at` is its `exp`.
    ///
    /// # Errors
    /// [`Unavailable`] when the store is. This also holds for the other methods.
    pub async fn deny_token(&self, issuer: &str, token_id: &str, expires_at: NumericDate) -> Result<(), Unavailable> {
        let expires_at = Timestamp::from(expires_at).plus(KEPT_LONGER);
        self.add(names::token(issuer, token_id), None, expires_at).await
    }

    /// Denies all tokens of `issuer` with this `sid`. It has no effect on tokens without `sid`.
    ///
    /// The entry ends when every token that there is now has expired. So the issuer has to end the session too: otherwise the
    /// tokens of this session that it makes until then are denied, and those after that are accepted.
    ///
    /// # Errors
    /// See [`deny_token`](Self::deny_token).
    pub async fn deny_session(&self, issuer: &str, session: &str) -> Result<(), Unavailable> {
        self.deny_session_at(issuer, session, self.now()).await
    }

    /// Denies all tokens of `issuer` with this `sub` until a date, also those that the issuer makes later: for a user who is
    /// locked here and not at the issuer.
    ///
    /// # Errors
    /// See [`deny_token`](Self::deny_token).
    pub async fn deny_subject(&self, issuer: &str, subject: &str, until: NumericDate) -> Result<(), Unavailable> {
        self.add(names::subject(issuer, subject), None, until.into()).await
    }

    /// Denies the tokens of `issuer` with this `sub` that were issued at `time` or earlier, by their `iat`. The user may log
    /// in again.
    ///
    /// `time` is of the clock of the issuer. A token of the same second counts as issued earlier.
    ///
    /// # Errors
    /// See [`deny_token`](Self::deny_token).
    pub async fn deny_issued_before(&self, issuer: &str, subject: &str, time: NumericDate) -> Result<(), Unavailable> {
        self.add_before(names::issued_before(issuer, subject), time.into()).await
    }

    /// Removes up to 2,000 entries that expired more than an hour ago. Returns their number. Call it again if it is not zero, as
    /// [`Sessions::remove_expired`](crate::Sessions::remove_expired) shows, which removes them as well. Expired entries change
    /// no answer, so this only frees space.
    ///
    /// # Errors
    /// See [`deny_token`](Self::deny_token).
    pub async fn remove_expired(&self) -> Result<u64, Unavailable> {
        self.core.store.remove_expired_denials(self.now().minus(KEPT_AFTER_EXPIRY), REMOVED_AT_ONCE).await
    }

    /// Denies all tokens with this `sid` because of something that happened at `time`.
    pub(crate) async fn deny_session_at(
        &self,
        issuer: &str,
        session: &str,
        time: Timestamp,
    ) -> Result<(), Unavailable> {
        self.add(names::session(issuer, session), None, self.last_expiry(time)).await
    }

    /// Denies the tokens with this `sub` and without `sid` that were issued at `time` or earlier: one session of the subject has
    /// ended, and these tokens do not say of which session they are.
    pub(crate) async fn deny_without_session(
        &self,
        issuer: &str,
        subject: &str,
        time: Timestamp,
    ) -> Result<(), Unavailable> {
        self.add_before(names::without_session(issuer, subject), time).await
    }

    /// Whether the logout token or event with this `jti` was [processed](Self::set_received).
    pub(crate) async fn is_received(&self, issuer: &str, token_id: &str) -> Result<bool, Unavailable> {
        let (name, now) = (names::received(issuer, token_id), self.now());
        Ok(self.core.store.denials(&[name]).await?.iter().any(|entry| entry.expires_at > now))
    }

    /// Remembers that a logout token or event of `time` was processed, for as long as a token that was issued until then can be
    /// valid. After that, it could be processed again: a logout token has expired before, and an event has no effect on tokens
    /// that were issued later, unless it names a session or a token that the issuer has not ended.
    pub(crate) async fn set_received(&self, issuer: &str, token_id: &str, time: Timestamp) -> Result<(), Unavailable> {
        self.add(names::received(issuer, token_id), None, self.last_expiry(time)).await
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::now(&*self.core.clock)
    }

    /// When every token that there is now has expired.
    pub(crate) fn latest_expiry(&self) -> NumericDate {
        self.now().plus(self.core.max_token_lifetime).to_date()
    }

    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.core.clock
    }

    /// When the last token that was issued until `time` is certainly expired.
    fn last_expiry(&self, time: Timestamp) -> Timestamp {
        time.plus(self.core.max_token_lifetime).plus(KEPT_LONGER)
    }

    async fn add_before(&self, name: TokenHash, time: Timestamp) -> Result<(), Unavailable> {
        self.add(name, Some(time), self.last_expiry(time)).await
    }

    async fn add(
        &self,
        name: TokenHash,
        issued_before: Option<Timestamp>,
        expires_at: Timestamp,
    ) -> Result<(), Unavailable> {
        self.core.store.deny(&StoredDenial { name, issued_before, expires_at }).await
    }
}

impl fmt::Debug for DenyList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DenyList")
            .field("store", &self.core.store)
            .field("max_token_lifetime", &self.core.max_token_lifetime)
            .finish_non_exhaustive()
    }
}
