//! Sessions of users: they begin, are refreshed, and end.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use portcullis::ConfigError;
use portcullis::claims::NumericDate;
use portcullis::clock::Clock;
use portcullis::error::Unavailable;

use crate::builder::{EventHandler, SessionsBuilder};
use crate::counting;
use crate::deny_list::StoredDenial;
use crate::error::SessionsError;
use crate::input::{self, Wrong};
use crate::keys::SuccessorKeys;
use crate::purpose::PurposeTokens;
use crate::rules::{Decision, Rules};
use crate::session::{AuthFacts, EndReason, Session, SessionEvent, Verdict};
use crate::store::{Ended, SessionStore, StoredSession, Which};
use crate::timestamp::Timestamp;
use crate::token::{RefreshToken, TokenHash, random_name};

/// The sessions of a service. Cheap to clone.
///
/// ```
/// use portcullis::claims::NumericDate;
/// use portcullis_sessions::{AuthFacts, MemoryStore, Sessions, SuccessorKeys, Verdict};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sessions = Sessions::builder(MemoryStore::new(), SuccessorKeys::generate()?).build()?;
///
/// // The user `alice` has just logged in, in whichever way the service has.
/// let facts = AuthFacts::at(NumericDate::from_unix(1_700_000_000, 0)).with_amr(["pwd"]);
/// let login = sessions.start("alice", facts).await?;
/// assert_eq!(login.session.subject, "alice");
///
/// // Every refresh gives another token. Two requests that race get the same one.
/// let first = sessions.refresh(login.refresh_token.as_str()).await?;
/// let second = sessions.refresh(login.refresh_token.as_str()).await?;
/// assert_eq!((first.verdict, second.verdict), (Verdict::Rotated, Verdict::WithinGrace));
/// assert_eq!(first.refresh_token.as_str(), second.refresh_token.as_str());
///
/// sessions.log_out(first.refresh_token.as_str()).await?;
/// assert!(sessions.refresh(first.refresh_token.as_str()).await.is_err());
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Sessions {
    core: Arc<Core>,
}

pub(crate) struct Core {
    pub(crate) store: Arc<dyn SessionStore>,
    pub(crate) keys: SuccessorKeys,
    pub(crate) rules: Rules,
    pub(crate) max_sessions: usize,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) on_event: Option<EventHandler>,
}

/// A session that began or went on: what an access token and the client's refresh token are made from.
#[derive(Debug)]
#[non_exhaustive]
pub struct SignedIn {
    /// The session. Its `id` is the claim `sid`, and its `facts` are `auth_time`, `acr` and `amr`.
    pub session: Session,
    /// The token for the next refresh. It replaces the one that was presented.
    pub refresh_token: RefreshToken,
    /// [`Verdict::Rotated`], also when the session begins, or [`Verdict::WithinGrace`].
    pub verdict: Verdict,
}

/// How often a change is tried when other requests change the same session in between.
const ATTEMPTS: u32 = 16;
/// Expired entries stay a little longer, so that the difference of clocks does not matter and `Expired` can be told from
/// `Unknown`.
const KEPT_AFTER_EXPIRY: Duration = Duration::from_secs(60 * 60);
const REMOVED_AT_ONCE: u32 = 1000;

impl Sessions {
    /// Starts the settings of sessions in `store`. All machines that share a store have the same `keys`.
    pub fn builder(store: impl SessionStore + 'static, keys: SuccessorKeys) -> SessionsBuilder {
        SessionsBuilder::new(Arc::new(store), keys)
    }

    pub(crate) fn from_core(core: Core) -> Self {
        Self { core: Arc::new(core) }
    }

    /// Begins a session of `subject`, who has just logged in. If the subject has too many sessions then, the least recently
    /// used one ends.
    ///
    /// `subject` is the service's name for the user, up to 255 bytes.
    ///
    /// # Errors
    /// [`SessionsError::InvalidInput`] when a value cannot be stored, [`SessionsError::Unavailable`] when the store is.
    pub async fn start(&self, subject: &str, facts: AuthFacts) -> Result<SignedIn, SessionsError> {
        self.begin(subject, facts, None).await
    }

    /// Begins a session as [`start`](Self::start) does, with a label by which the user recognizes it later, for example
    /// `Firefox on Linux`. Control characters and what exceeds 255 bytes are removed.
    ///
    /// Nothing else about the client is stored. An address or a user agent is personal data; decide before you put it here.
    ///
    /// # Errors
    /// See [`start`](Self::start).
    pub async fn start_labeled(&self, subject: &str, facts: AuthFacts, label: &str) -> Result<SignedIn, SessionsError> {
        self.begin(subject, facts, input::label(label)).await
    }

    /// Exchanges a refresh token for its successor.
    ///
    /// # Errors
    /// [`SessionsError::Refused`] when the token opens nothing, [`SessionsError::Unavailable`] when that cannot be told now.
    pub async fn refresh(&self, refresh_token: &str) -> Result<SignedIn, SessionsError> {
        self.present(refresh_token, None).await
    }

    /// Records that the user of a session has authenticated again, for example with a second factor before a payment, and
    /// exchanges the refresh token. Access tokens that are made from the result have the new `auth_time`, `acr` and `amr`.
    ///
    /// # Errors
    /// [`SessionsError::OtherSubject`] when `subject`, who authenticated, is not the user of the session. Otherwise see
    /// [`refresh`](Self::refresh) and [`start`](Self::start).
    pub async fn reauthenticate(
        &self,
        refresh_token: &str,
        subject: &str,
        facts: AuthFacts,
    ) -> Result<SignedIn, SessionsError> {
        self.present(refresh_token, Some((subject, stored_facts(facts)?))).await
    }

    /// Ends the session of a refresh token. The access token is not needed, so this works when it has expired.
    ///
    /// Any token of the session ends it. If the token was used before, the end counts as [`EndReason::Orphaned`] or
    /// [`EndReason::Stolen`].
    ///
    /// # Errors
    /// [`SessionsError::Refused`] when no open session has the token, [`SessionsError::Unavailable`] when that cannot be told.
    pub async fn log_out(&self, refresh_token: &str) -> Result<(), SessionsError> {
        let token = read(refresh_token)?;
        let stored = self.find(&token).await?;
        let now = self.now();
        let reason = match self.core.rules.decide(&stored, &token, &self.core.keys, now) {
            Decision::Refuse(verdict) => return Err(SessionsError::Refused(verdict)),
            Decision::End(reason) => reason,
            Decision::Rotate { .. } | Decision::Repeat { .. } | Decision::CannotTell(_) => EndReason::LoggedOut,
        };
        self.end_one(&stored, Ended { at: now, reason }).await
    }

    /// Ends one session of `subject`, as users do in a list of their sessions. Returns whether it was open and theirs.
    ///
    /// # Errors
    /// [`Unavailable`] when the store is.
    pub async fn log_out_one(&self, subject: &str, id: &str) -> Result<bool, Unavailable> {
        Ok(self.end(Which::SessionOf { subject, id }, EndReason::LoggedOut).await? > 0)
    }

    /// Ends all sessions of `subject` except the session `keep`, for example after a change of the password. Returns their
    /// number.
    ///
    /// # Errors
    /// [`Unavailable`] when the store is.
    pub async fn log_out_others(&self, subject: &str, keep: &str) -> Result<u64, Unavailable> {
        self.end(Which::OthersOf { subject, keep }, EndReason::LoggedOut).await
    }

    /// Ends all sessions of `subject`. Returns their number.
    ///
    /// # Errors
    /// [`Unavailable`] when the store is.
    pub async fn log_out_everywhere(&self, subject: &str) -> Result<u64, Unavailable> {
        self.end(Which::AllOf(subject), EndReason::LoggedOut).await
    }

    /// Revokes a session of any subject. Returns whether it was open.
    ///
    /// # Errors
    /// [`Unavailable`] when the store is.
    pub async fn revoke_session(&self, id: &str) -> Result<bool, Unavailable> {
        Ok(self.end(Which::Session(id), EndReason::Revoked).await? > 0)
    }

    /// Revokes all sessions of `subject`, for example because the account is locked. Returns their number.
    ///
    /// ```
    /// # use portcullis_sessions::{AuthFacts, MemoryStore, Sessions, SuccessorKeys};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sessions = Sessions::builder(MemoryStore::new(), SuccessorKeys::generate()?).build()?;
    /// let [phone, _laptop] = [sessions.start("alice", AuthFacts::now()).await?, sessions.start("alice", AuthFacts::now()).await?];
    ///
    /// // An administrator ends the session on a lost phone, and later locks the account.
    /// assert!(sessions.revoke_session(&phone.session.id).await?);
    /// assert_eq!(sessions.revoke_subject("alice").await?, 1);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Unavailable`] when the store is.
    pub async fn revoke_subject(&self, subject: &str) -> Result<u64, Unavailable> {
        self.end(Which::AllOf(subject), EndReason::Revoked).await
    }

    /// Revokes one access token by its `jti`. `expires_at` is its `exp`; some time after that, the entry is removed.
    ///
    /// # Errors
    /// [`Unavailable`] when the store is.
    pub async fn revoke_token(&self, token_id: &str, expires_at: NumericDate) -> Result<(), Unavailable> {
        let (name, expires_at) = (token_id_hash(token_id), expires_at.into());
        self.core.store.deny(&StoredDenial { name, issued_before: None, expires_at }).await
    }

    /// Returns the open sessions of `subject`, the most recently used one first.
    ///
    /// # Errors
    /// [`Unavailable`] when the store is.
    pub async fn list(&self, subject: &str) -> Result<Vec<Session>, Unavailable> {
        let mut open = self.core.store.open_sessions(subject, self.now()).await?;
        open.sort_by(|one, other| by_use(other).cmp(&by_use(one)));
        Ok(open.into_iter().map(Session::from).collect())
    }

    /// Returns the session with this name if it is open.
    ///
    /// # Errors
    /// [`Unavailable`] when the store is.
    pub async fn find_open(&self, id: &str) -> Result<Option<Session>, Unavailable> {
        let now = self.now();
        Ok(self.core.store.find(id).await?.filter(|stored| stored.is_open(now)).map(Session::from))
    }

    /// Returns whether an access token was revoked by its `jti`.
    ///
    /// # Errors
    /// [`Unavailable`] when the store is.
    pub async fn is_token_revoked(&self, token_id: &str) -> Result<bool, Unavailable> {
        Ok(!self.core.store.denials(&[token_id_hash(token_id)]).await?.is_empty())
    }

    /// Makes the tokens for one purpose, for example `password reset`, in the same store. `lifetime` is at most 24 hours.
    ///
    /// # Errors
    /// [`ConfigError`] when the purpose does not have 1 to 64 bytes, or the lifetime is not from 1 s to 24 hours.
    pub fn purpose_tokens(&self, purpose: &'static str, lifetime: Duration) -> Result<PurposeTokens, ConfigError> {
        PurposeTokens::new(self.core.store.clone(), self.core.clock.clone(), purpose, lifetime)
    }

    /// Removes entries that expired more than an hour ago: up to 1,000 sessions, purpose tokens and entries of a deny-list each.
    /// Returns their number. Call it again if it is not zero.
    ///
    /// Expired entries are never accepted, so this only frees space. Any machine may call it at any time:
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use portcullis_sessions::Sessions;
    /// async fn remove_expired_sessions(sessions: Sessions) {
    ///     loop {
    ///         match sessions.remove_expired().await {
    ///             Ok(1..) => {}
    ///             Ok(0) | Err(_) => tokio::time::sleep(Duration::from_secs(60)).await,
    ///         }
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// [`Unavailable`] when the store is.
    pub async fn remove_expired(&self) -> Result<u64, Unavailable> {
        self.core.store.remove_expired(self.now().minus(KEPT_AFTER_EXPIRY), REMOVED_AT_ONCE).await
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.core.clock
    }

    fn now(&self) -> Timestamp {
        Timestamp::now(&*self.core.clock)
    }

    async fn begin(&self, subject: &str, facts: AuthFacts, label: Option<String>) -> Result<SignedIn, SessionsError> {
        input::check_subject(subject).map_err(invalid)?;
        let facts = stored_facts(facts)?;
        let (token, now) = (RefreshToken::generate()?, self.now());
        let new = StoredSession { facts, label, ..self.core.rules.begin(random_name()?, subject, &token, now) };
        self.core.store.insert(&new).await?;
        // After the insertion: otherwise a crash in between would end a session for nothing, and of two logins at once
        // neither would count the other.
        self.end_surplus(&new, now).await?;
        Ok(SignedIn { session: new.into(), refresh_token: token, verdict: Verdict::Rotated })
    }

    async fn end_surplus(&self, new: &StoredSession, now: Timestamp) -> Result<(), Unavailable> {
        let mut others = self.core.store.open_sessions(&new.subject, now).await?;
        others.retain(|other| other.id != new.id);
        let surplus = (others.len() + 1).saturating_sub(self.core.max_sessions);
        others.sort_by(|one, other| by_use(one).cmp(&by_use(other)));
        for oldest in others.iter().take(surplus) {
            self.end_with_event(oldest, Ended { at: now, reason: EndReason::TooMany }).await?;
        }
        Ok(())
    }

    /// Decides about a refresh token, does what was decided, and answers. With `again`, the subject has authenticated again.
    async fn present(&self, text: &str, again: Option<(&str, AuthFacts)>) -> Result<SignedIn, SessionsError> {
        let result = self.judge(text, again).await;
        counting::presented(&result);
        result
    }

    async fn judge(&self, text: &str, again: Option<(&str, AuthFacts)>) -> Result<SignedIn, SessionsError> {
        let token = read(text)?;
        for _ in 0..ATTEMPTS {
            let stored = self.find(&token).await?;
            let now = self.now();
            let decision = self.core.rules.decide(&stored, &token, &self.core.keys, now);
            let (next, refresh_token, verdict) = match decision {
                Decision::Rotate { next, successor } => (Some(*next), successor, Verdict::Rotated),
                Decision::Repeat { successor } => (None, successor, Verdict::WithinGrace),
                Decision::End(reason) => {
                    self.end_one(&stored, Ended { at: now, reason }).await?;
                    let verdict = if reason == EndReason::Orphaned { Verdict::Orphaned } else { Verdict::Stolen };
                    return Err(SessionsError::Refused(verdict));
                }
                Decision::Refuse(verdict) => return Err(SessionsError::Refused(verdict)),
                Decision::CannotTell(why) => {
                    tracing::error!(cause = why, "a refresh token could not be judged");
                    return Err(Unavailable::new().with_source(why).into());
                }
            };
            let next = match &again {
                Some((subject, _)) if *subject != stored.subject => return Err(SessionsError::OtherSubject),
                Some((_, facts)) => {
                    let version = stored.version.saturating_add(1);
                    let changed = next.unwrap_or_else(|| StoredSession { version, ..stored.clone() });
                    Some(StoredSession { facts: facts.clone(), ..changed })
                }
                None => next,
            };
            let session = match next {
                // Another request was first: look again at what it left.
                Some(next) if !self.core.store.replace(&next).await? => continue,
                Some(next) => next,
                None => stored,
            };
            return Ok(SignedIn { session: session.into(), refresh_token, verdict });
        }
        Err(Unavailable::new().with_source("other requests keep changing the session").into())
    }

    async fn find(&self, token: &RefreshToken) -> Result<StoredSession, SessionsError> {
        let stored = self.core.store.find_by_family(&token.family_hash()).await?;
        stored.ok_or(SessionsError::Refused(Verdict::Unknown))
    }

    async fn end(&self, which: Which<'_>, reason: EndReason) -> Result<u64, Unavailable> {
        self.core.store.end(which, Ended { at: self.now(), reason }).await
    }

    async fn end_one(&self, stored: &StoredSession, ended: Ended) -> Result<(), SessionsError> {
        if ended.reason == EndReason::LoggedOut {
            self.core.store.end(which(stored), ended).await?;
            return Ok(());
        }
        Ok(self.end_with_event(stored, ended).await?)
    }

    /// Ends a session and reports it, unless another request has ended it.
    async fn end_with_event(&self, stored: &StoredSession, ended: Ended) -> Result<(), Unavailable> {
        if self.core.store.end(which(stored), ended).await? == 0 {
            return Ok(());
        }
        tracing::warn!(reason = ended.reason.as_str(), "a session was ended");
        let Some(handler) = &self.core.on_event else { return Ok(()) };
        let event = SessionEvent {
            session: stored.id.clone(),
            subject: stored.subject.clone(),
            at: ended.at.to_date(),
            reason: ended.reason,
        };
        if catch_unwind(AssertUnwindSafe(|| handler(&event))).is_err() {
            tracing::error!("the handler of session events panicked");
        }
        Ok(())
    }
}

/// The store finds a session faster by its subject and its name.
fn which(stored: &StoredSession) -> Which<'_> {
    Which::SessionOf { subject: &stored.subject, id: &stored.id }
}

fn read(refresh_token: &str) -> Result<RefreshToken, SessionsError> {
    RefreshToken::parse(refresh_token).ok_or(SessionsError::Refused(Verdict::Unknown))
}

/// Checks the facts of a login, and rounds their time to milliseconds, as the store does.
fn stored_facts(facts: AuthFacts) -> Result<AuthFacts, SessionsError> {
    input::check_facts(&facts).map_err(invalid)?;
    Ok(AuthFacts { auth_time: Timestamp::from(facts.auth_time).to_date(), ..facts })
}

/// The order in which surplus sessions end.
fn by_use(stored: &StoredSession) -> (Timestamp, Timestamp, &str) {
    (stored.last_used_at, stored.created_at, &stored.id)
}

/// A `jti` may be of any length, so its hash is stored.
fn token_id_hash(token_id: &str) -> TokenHash {
    TokenHash::of("access token", &[token_id.as_bytes()])
}

fn invalid((field, problem): Wrong) -> SessionsError {
    SessionsError::InvalidInput { field, problem }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions")
            .field("store", &self.core.store)
            .field("keys", &self.core.keys)
            .field("rules", &self.core.rules)
            .finish_non_exhaustive()
    }
}
