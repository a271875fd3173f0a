//! Questions about a verified caller that only the service can answer: is the session still open, does the user exist?

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::catch_panic::{Panicked, catch_panic, catch_panic_in};
use crate::credential::{Credential, Scheme};
use crate::error::{AuthError, InvalidToken, Unavailable};
use crate::keys::KeyStatus;
use crate::measure::{Counters, SessionCheckOutcome, table};
use crate::sentence::debug_as_sentence;
use crate::verifier::{CheckReport, Comparison, Recheck, Verified, Verifier};

/// A check of a caller whose token was verified, for example against a list of revoked sessions or a table of users.
///
/// A gate asks its checks on every admission, in the order in which they were
/// [added](crate::Gate::with_check), before it looks at the policy. It also asks about tokens whose signature is cached.
/// It does not ask again for the same request behind a guard, but it does while a connection is open that a
/// [`Watch`](crate::Watch) watches. A check that panics is answered with 500.
///
/// ```
/// use std::collections::HashSet;
/// use std::sync::{Arc, RwLock};
/// use portcullis::session::{SessionCheck, SessionError};
/// use portcullis::{Gate, Verified, async_trait};
///
/// #[derive(Clone, Debug, Default)]
/// struct RevokedTokens(Arc<RwLock<HashSet<String>>>);
///
/// #[async_trait]
/// impl SessionCheck for RevokedTokens {
///     async fn check(&self, caller: &Verified) -> Result<(), SessionError> {
///         // A token without an identifier could not be revoked, so it does not pass.
///         let id = caller.token_id().ok_or(SessionError::Revoked)?;
///         if self.0.read().unwrap().contains(id) { Err(SessionError::Revoked) } else { Ok(()) }
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use portcullis::{Policy, adapter::HeaderList, dangerous};
/// # let gate = dangerous::admit_everyone_as(dangerous::assume_verified(&serde_json::json!({"jti": "t1"}))?);
/// let revoked = RevokedTokens::default();
/// let gate = gate.with_check(revoked.clone());
/// # let request = HeaderList::default();
/// assert!(gate.admit(&request, &Policy::authenticated()).await.is_ok());
/// revoked.0.write().unwrap().insert("t1".to_owned());
/// let refused = gate.admit(&request, &Policy::authenticated()).await.unwrap_err();
/// assert_eq!(refused.reason().unwrap().as_str(), "revoked");
/// # Ok(()) }
/// ```
#[async_trait]
pub trait SessionCheck: fmt::Debug + Send + Sync {
    /// Checks the caller. `Ok` means that the caller may go on.
    ///
    /// # Errors
    /// [`SessionError`] says why not.
    async fn check(&self, caller: &Verified) -> Result<(), SessionError>;

    /// Returns what [`check`](Self::check) would return, if that is known without waiting. With `None`, `check` is asked next.
    /// Default: `None`.
    ///
    /// It saves the memory allocation of a future for each request, so a check that caches answers implements it. It must not
    /// block.
    fn check_at_hand(&self, _caller: &Verified) -> Option<Result<(), SessionError>> {
        None
    }
}

/// A verifier with a check of each caller after the verification. It has the schemes, the issuers, the status and the
/// warm-up of the verifier that it wraps.
///
/// [`Gate::with_check`](crate::Gate::with_check) does the same for all callers of a gate. This type is for one verifier
/// among several, and for code that uses a [`Verifier`] without a gate.
///
/// ```
/// use portcullis::session::{CheckedVerifier, SessionCheck, SessionError};
/// use portcullis::{Gate, JwtVerifier, Verified, async_trait};
///
/// #[derive(Debug)]
/// struct KnownUsers;
///
/// #[async_trait]
/// impl SessionCheck for KnownUsers {
///     async fn check(&self, caller: &Verified) -> Result<(), SessionError> {
///         // Ask a database here.
///         if caller.subject() == Some("alice") { Ok(()) } else { Err(SessionError::UserNotFound) }
///     }
/// }
///
/// fn gate(verifier: JwtVerifier) -> Gate {
///     Gate::new(CheckedVerifier::new(verifier, KnownUsers))
/// }
/// ```
#[derive(Clone, Debug)]
pub struct CheckedVerifier<V, C> {
    verifier: V,
    check: Arc<C>,
    counters: Arc<SessionCheckCounters>,
}

impl<V, C> CheckedVerifier<V, C> {
    /// Asks `check` about each caller that `verifier` verified.
    pub fn new(verifier: V, check: C) -> Self {
        Self { verifier, check: Arc::new(check), counters: Arc::new(Counters::new(&table::SESSION_CHECK)) }
    }
}

#[async_trait]
impl<V: Verifier, C: SessionCheck + 'static> Verifier for CheckedVerifier<V, C> {
    async fn verify(&self, credential: &Credential<'_>) -> Result<Verified, AuthError> {
        let caller = self.verifier.begin(credential).finish().await?;
        ask(&*self.check, &caller, &self.counters).await?;
        Ok(caller.with_recheck(AskAgain(Arc::clone(&self.check), Arc::clone(&self.counters))))
    }

    fn explain(&self, credential: &Credential<'_>, refused: &AuthError) -> Option<&'static str> {
        self.verifier.explain(credential, refused)
    }

    async fn diagnose(&self, credential: &Credential<'_>) -> Vec<CheckReport> {
        self.verifier.diagnose(credential).await
    }

    fn compare(&self, credential: &Credential<'_>) -> Option<Comparison> {
        self.verifier.compare(credential)
    }

    fn schemes(&self) -> &[Scheme] {
        self.verifier.schemes()
    }

    fn issuers(&self) -> Vec<String> {
        self.verifier.issuers()
    }

    async fn warm_up(&self) -> Result<(), AuthError> {
        self.verifier.warm_up().await
    }

    fn status(&self) -> KeyStatus {
        self.verifier.status()
    }
}

/// Asks the check again while a connection of the caller is open.
struct AskAgain<C>(Arc<C>, Arc<SessionCheckCounters>);

#[async_trait]
impl<C: SessionCheck> Recheck for AskAgain<C> {
    async fn recheck(&self, caller: &Verified) -> Result<(), AuthError> {
        ask(&*self.0, caller, &self.1).await
    }
}

/// Why a [`SessionCheck`] does not let a caller go on.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The session or the token was revoked: 401 with the reason `revoked`.
    #[error("revoked")]
    Revoked,
    /// The check cannot tell at the moment: 503. The caller is not let in.
    #[error("{0}")]
    Unavailable(#[from] Unavailable),
    /// The user does not exist: 401 with the reason `user_not_found`.
    #[error("the user does not exist")]
    UserNotFound,
    /// The user is not verified: 401 with the reason `user_unverified`.
    #[error("the user is not verified")]
    UserUnverified,
}

debug_as_sentence!(SessionError);

impl From<SessionError> for AuthError {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Revoked => InvalidToken::Revoked.into(),
            SessionError::Unavailable(unavailable) => unavailable.into(),
            SessionError::UserNotFound => InvalidToken::UserNotFound.into(),
            SessionError::UserUnverified => InvalidToken::UserUnverified.into(),
        }
    }
}

/// Counts the answers of session checks.
pub(crate) type SessionCheckCounters = Counters<(SessionCheckOutcome,)>;

/// Asks `check` about `caller`.
pub(crate) async fn ask(
    check: &dyn SessionCheck,
    caller: &Verified,
    counters: &SessionCheckCounters,
) -> Result<(), AuthError> {
    match ask_at_hand(check, caller, counters) {
        Some(answer) => answer,
        None => counted(catch_panic(async { check.check(caller).await }).await, counters),
    }
}

/// Asks `check` about `caller`, if the answer is at hand.
pub(crate) fn ask_at_hand(
    check: &dyn SessionCheck,
    caller: &Verified,
    counters: &SessionCheckCounters,
) -> Option<Result<(), AuthError>> {
    let answer = catch_panic_in(|| check.check_at_hand(caller)).transpose()?;
    Some(counted(answer, counters))
}

fn counted(
    answer: Result<Result<(), SessionError>, Panicked>,
    counters: &SessionCheckCounters,
) -> Result<(), AuthError> {
    counters.increment((match &answer {
        Ok(Ok(())) => SessionCheckOutcome::Passed,
        Ok(Err(SessionError::Revoked)) => SessionCheckOutcome::Revoked,
        Ok(Err(SessionError::Unavailable(_))) => SessionCheckOutcome::Unavailable,
        Ok(Err(SessionError::UserNotFound)) => SessionCheckOutcome::UserNotFound,
        Ok(Err(SessionError::UserUnverified)) => SessionCheckOutcome::UserUnverified,
        Err(_) => SessionCheckOutcome::Error,
    },));
    match answer {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(AuthError::Server("a session check panicked".into())),
    }
}
