//! The check that the gate asks after the signature: is the session still open?

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use portcullis::async_trait;
use portcullis::error::Unavailable;
use portcullis::session::{SessionCheck, SessionError};
use portcullis::{ConfigError, Verified};

use crate::answers::Answers;
use crate::sessions::Sessions;

/// Lets only callers on whose session is open and whose access token was not revoked, for
/// [`Gate::with_check`](portcullis::Gate::with_check).
///
/// | the access token, its session or its user | response |
/// |---|---|
/// | the session is open, the token was not revoked, and the user may go on | the caller goes on |
/// | the session has ended, has expired, was never there, or belongs to another subject | 401, `revoked` |
/// | the token has no `sid` or no `sub`, or its `jti` was revoked | 401, `revoked` |
/// | the user does not exist ([`with_users`](Self::with_users)) | 401, `user_not_found` |
/// | the user is not verified | 401, `user_unverified` |
/// | the store or the users are unavailable | 503 |
///
/// It asks the store on each request, so the end of a session takes effect at once. [`cached`](Self::cached) asks less often.
///
/// ```
/// use portcullis_sessions::{MemoryStore, OpenSessionCheck, Sessions, SuccessorKeys};
/// # use portcullis::{Gate, Policy, adapter::HeaderList, claims::NumericDate, dangerous};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sessions = Sessions::builder(MemoryStore::new(), SuccessorKeys::generate()?).build()?;
/// # let login = sessions.start("alice", portcullis_sessions::AuthFacts::at(NumericDate::from_unix(0, 0))).await?;
/// # let claims = serde_json::json!({"sub": "alice", "sid": login.session.id});
/// # let gate = dangerous::admit_everyone_as(dangerous::assume_verified(&claims)?);
/// let gate = gate.with_check(OpenSessionCheck::new(sessions.clone()));
/// # let request = HeaderList::default();
/// assert!(gate.admit(&request, &Policy::authenticated()).await.is_ok());
///
/// sessions.log_out_everywhere("alice").await?;
/// let refused = gate.admit(&request, &Policy::authenticated()).await.unwrap_err();
/// assert_eq!(refused.reason().unwrap().as_str(), "revoked");
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct OpenSessionCheck {
    sessions: Sessions,
    users: Option<Arc<dyn Users>>,
}

/// The users of the service, as [`OpenSessionCheck`] asks about them.
#[async_trait]
pub trait Users: fmt::Debug + Send + Sync {
    /// Returns what is known about the user with the name `subject`.
    ///
    /// # Errors
    /// [`Unavailable`] when that cannot be told now. The response is a 503.
    async fn status(&self, subject: &str) -> Result<UserStatus, Unavailable>;
}

/// What is known about a user.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum UserStatus {
    /// The user may go on.
    Active,
    /// There is no such user any more.
    Gone,
    /// The user has not been verified, for example by a confirmed address.
    Unverified,
}

impl OpenSessionCheck {
    /// Makes the check for these sessions.
    #[must_use]
    pub fn new(sessions: Sessions) -> Self {
        Self { sessions, users: None }
    }

    /// Also asks about the user, after the session.
    #[must_use]
    pub fn with_users(mut self, users: impl Users + 'static) -> Self {
        self.users = Some(Arc::new(users));
        self
    }

    /// Makes a check that uses each answer for up to `max_age`: 1 ms to 60 s. So a session that ended is refused after at
    /// most this time.
    ///
    /// The age counts from when the store was asked. Requests with the same access token ask once. Answers are kept for each
    /// access token, up to 100,000 of them and 64 MiB. A failure is never kept, and no older answer replaces it: while the store is down,
    /// callers whose answers are too old get a 503.
    ///
    /// # Errors
    /// [`ConfigError`] when the age is not from 1 ms to 60 s.
    pub fn cached(self, max_age: Duration) -> Result<CachedSessionCheck, ConfigError> {
        CachedSessionCheck::new(self, max_age)
    }

    async fn answer(&self, caller: &Caller<'_>) -> Result<Answer, Unavailable> {
        if let Some(token_id) = caller.token_id
            && self.sessions.is_token_revoked(token_id).await?
        {
            return Ok(Answer::Revoked);
        }
        let session = self.sessions.find_open(&caller.session).await?;
        if session.is_none_or(|session| session.subject != caller.subject) {
            return Ok(Answer::Revoked);
        }
        let status = match &self.users {
            Some(users) => users.status(caller.subject).await?,
            None => UserStatus::Active,
        };
        Ok(match status {
            UserStatus::Active => Answer::GoOn,
            UserStatus::Gone => Answer::UserNotFound,
            UserStatus::Unverified => Answer::UserUnverified,
        })
    }
}

#[async_trait]
impl SessionCheck for OpenSessionCheck {
    async fn check(&self, caller: &Verified) -> Result<(), SessionError> {
        self.answer(&Caller::read(caller)?).await?.into()
    }
}

/// An [`OpenSessionCheck`] that remembers answers for a short time. [`OpenSessionCheck::cached`] makes it.
#[derive(Clone)]
pub struct CachedSessionCheck {
    check: OpenSessionCheck,
    answers: Arc<Answers<Answer>>,
}

impl CachedSessionCheck {
    fn new(check: OpenSessionCheck, max_age: Duration) -> Result<Self, ConfigError> {
        Ok(Self { check, answers: Arc::new(Answers::new(max_age)?) })
    }
}

#[async_trait]
impl SessionCheck for CachedSessionCheck {
    async fn check(&self, caller: &Verified) -> Result<(), SessionError> {
        let caller = Caller::read(caller)?;
        let ask = self.check.answer(&caller);
        self.answers.get(&caller.texts(), self.check.sessions.clock(), ask).await?.into()
    }

    fn check_at_hand(&self, caller: &Verified) -> Option<Result<(), SessionError>> {
        match Caller::read(caller) {
            Ok(caller) => Some(self.answers.at_hand(&caller.texts(), self.check.sessions.clock())?.into()),
            Err(refused) => Some(Err(refused)),
        }
    }
}

impl fmt::Debug for CachedSessionCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedSessionCheck")
            .field("check", &self.check)
            .field("max_age", &self.answers.max_age())
            .finish_non_exhaustive()
    }
}

/// What a token says about its session.
struct Caller<'a> {
    session: Cow<'a, str>,
    subject: &'a str,
    token_id: Option<&'a str>,
}

impl<'a> Caller<'a> {
    /// Reads the claims. A token without a session cannot be checked, so it does not pass.
    fn read(caller: &'a Verified) -> Result<Self, SessionError> {
        match (caller.all_claims().text("sid"), caller.subject()) {
            (Ok(Some(session)), Some(subject)) => Ok(Self { session, subject, token_id: caller.token_id() }),
            _ => Err(SessionError::Revoked),
        }
    }

    /// What the answer depends on.
    fn texts(&self) -> [Option<&[u8]>; 3] {
        [Some(self.session.as_bytes()), Some(self.subject.as_bytes()), self.token_id.map(str::as_bytes)]
    }
}

#[derive(Clone, Copy)]
enum Answer {
    GoOn,
    Revoked,
    UserNotFound,
    UserUnverified,
}

impl From<Answer> for Result<(), SessionError> {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::GoOn => Ok(()),
            Answer::Revoked => Err(SessionError::Revoked),
            Answer::UserNotFound => Err(SessionError::UserNotFound),
            Answer::UserUnverified => Err(SessionError::UserUnverified),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use portcullis::adapter::HeaderList;
    use portcullis::claims::NumericDate;
    use portcullis::clock::ManualClock;
    use portcullis::{Policy, dangerous};
    use serde_json::{Value, json};

    use super::*;
    use crate::{AuthFacts, MemoryStore, SuccessorKeys};

    fn sessions() -> Sessions {
        Sessions::builder(MemoryStore::new(), SuccessorKeys::generate().unwrap()).build().unwrap()
    }

    async fn begin(sessions: &Sessions, subject: &str) -> String {
        sessions.start(subject, AuthFacts::at(NumericDate::from_unix(0, 0))).await.unwrap().session.id
    }

    /// The status and the reason with which the gate answers.
    async fn answer(check: impl SessionCheck + 'static, claims: Value) -> (u16, Option<&'static str>) {
        let gate = dangerous::admit_everyone_as(dangerous::assume_verified(&claims).unwrap()).with_check(check);
        match gate.admit(&HeaderList::default(), &Policy::authenticated()).await {
            Ok(_) => (200, None),
            Err(refusal) => (refusal.status(), refusal.reason().map(|reason| reason.as_str())),
        }
    }

    const REVOKED: (u16, Option<&str>) = (401, Some("revoked"));
    const PASSES: (u16, Option<&str>) = (200, None);

    #[tokio::test]
    async fn only_open_sessions_pass() {
        let sessions = sessions();
        let (alice, bob) = (begin(&sessions, "alice").await, begin(&sessions, "bob").await);
        sessions.revoke_token("t2", NumericDate::from_unix(4_000_000_000, 0)).await.unwrap();
        for (claims, expected) in [
            (json!({"sub": "alice", "sid": alice}), PASSES),
            (json!({"sub": "alice", "sid": alice, "jti": "t1"}), PASSES),
            (json!({"sub": "alice", "sid": alice, "jti": "t2"}), REVOKED),
            (json!({"sub": "alice", "sid": bob}), REVOKED),
            (json!({"sub": "Alice", "sid": alice}), REVOKED),
            (json!({"sub": "alice", "sid": "unknown"}), REVOKED),
            (json!({"sub": "alice", "sid": ""}), REVOKED),
            (json!({"sub": "alice", "sid": 1}), REVOKED),
            (json!({"sub": "alice"}), REVOKED),
            (json!({"sid": alice}), REVOKED),
        ] {
            let check = OpenSessionCheck::new(sessions.clone());
            let cached = check.clone().cached(Duration::from_secs(5)).unwrap();
            assert_eq!(answer(check, claims.clone()).await, expected, "{claims}");
            assert_eq!(answer(cached.clone(), claims.clone()).await, expected, "{claims}");
            assert_eq!(answer(cached, claims.clone()).await, expected, "{claims}");
        }
        sessions.log_out_one("alice", &alice).await.unwrap();
        assert_eq!(answer(OpenSessionCheck::new(sessions), json!({"sub": "alice", "sid": alice})).await, REVOKED);
    }

    /// Users with a status that the test sets. `None` means that they are unavailable.
    #[derive(Clone, Debug)]
    struct TestUsers {
        status: Arc<Mutex<Option<UserStatus>>>,
        asked: Arc<AtomicUsize>,
    }

    #[async_trait]
    impl Users for TestUsers {
        async fn status(&self, _: &str) -> Result<UserStatus, Unavailable> {
            self.asked.fetch_add(1, Ordering::SeqCst);
            self.status.lock().unwrap().ok_or_else(Unavailable::new)
        }
    }

    fn users(status: Option<UserStatus>) -> TestUsers {
        TestUsers { status: Arc::new(Mutex::new(status)), asked: Arc::default() }
    }

    #[tokio::test]
    async fn users_are_asked_after_the_session() {
        let sessions = sessions();
        let sid = begin(&sessions, "alice").await;
        for (status, expected) in [
            (Some(UserStatus::Active), PASSES),
            (Some(UserStatus::Gone), (401, Some("user_not_found"))),
            (Some(UserStatus::Unverified), (401, Some("user_unverified"))),
            (None, (503, None)),
        ] {
            let check = OpenSessionCheck::new(sessions.clone()).with_users(users(status));
            assert_eq!(answer(check.clone(), json!({"sub": "alice", "sid": sid})).await, expected);
            let cached = check.cached(Duration::from_secs(5)).unwrap();
            assert_eq!(answer(cached, json!({"sub": "alice", "sid": sid})).await, expected);
        }
        let users = users(Some(UserStatus::Gone));
        let check = OpenSessionCheck::new(sessions).with_users(users.clone());
        assert_eq!(answer(check, json!({"sub": "alice", "sid": "ended"})).await, REVOKED);
        assert_eq!(users.asked.load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn cached_answers_have_a_bounded_age() {
        let (clock, users) = (Arc::new(ManualClock::at_unix(0)), users(Some(UserStatus::Active)));
        let sessions = Sessions::builder(MemoryStore::new(), SuccessorKeys::generate().unwrap());
        let sessions = sessions.clock(clock.clone()).build().unwrap();
        let sid = begin(&sessions, "alice").await;
        let check = OpenSessionCheck::new(sessions.clone()).with_users(users.clone());
        let check = check.cached(Duration::from_secs(5)).unwrap();
        let claims = json!({"sub": "alice", "sid": sid, "jti": "t1"});
        let ask = || answer(check.clone(), claims.clone());

        assert_eq!(ask().await, PASSES);
        sessions.log_out_everywhere("alice").await.unwrap();
        clock.advance(Duration::from_millis(4_999));
        assert_eq!((ask().await, users.asked.load(Ordering::SeqCst)), (PASSES, 1));
        clock.advance(Duration::from_millis(1));
        assert_eq!(ask().await, REVOKED);
    }

    #[tokio::test]
    async fn failure_is_not_cached_and_not_covered() {
        let (clock, users) = (Arc::new(ManualClock::at_unix(0)), users(Some(UserStatus::Active)));
        let sessions = Sessions::builder(MemoryStore::new(), SuccessorKeys::generate().unwrap());
        let sessions = sessions.clock(clock.clone()).build().unwrap();
        let sid = begin(&sessions, "alice").await;
        let check = OpenSessionCheck::new(sessions).with_users(users.clone());
        let check = check.cached(Duration::from_secs(5)).unwrap();
        let claims = json!({"sub": "alice", "sid": sid});
        let ask = || answer(check.clone(), claims.clone());

        assert_eq!(ask().await, PASSES);
        *users.status.lock().unwrap() = None;
        assert_eq!(ask().await, PASSES);
        clock.advance(Duration::from_secs(5));
        assert_eq!(ask().await, (503, None));
        *users.status.lock().unwrap() = Some(UserStatus::Active);
        assert_eq!(ask().await, PASSES);
    }

    #[test]
    fn age_of_the_cache_has_bounds() {
        for (age, fits) in [(0, false), (1, true), (60_000, true), (60_001, false)] {
            let check = OpenSessionCheck::new(sessions()).cached(Duration::from_millis(age));
            assert_eq!(check.is_ok(), fits, "{age} ms");
        }
    }
}
