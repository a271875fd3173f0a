//! The check that the gate asks after the signature: is the token denied?

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use portcullis::error::Unavailable;
use portcullis::session::{SessionCheck, SessionError};
use portcullis::verifier::Evidence;
use portcullis::{ConfigError, Verified, async_trait};

use super::{Core, DenyList, names};
use crate::answers::Answers;
use crate::counting;
use crate::timestamp::Timestamp;
use crate::token::TokenHash;

/// Lets only callers on whose token is not on a [`DenyList`], for [`Gate::with_check`](portcullis::Gate::with_check).
/// [`DenyList::check`] makes it.
///
/// | the access token | response |
/// |---|---|
/// | no entry concerns it | the caller goes on |
/// | its `jti`, `sid` or `sub` is denied, or it was issued before a time until which its `sub` is denied | 401, `revoked` |
/// | could not be denied: it has no `iss`, no `iat`, no `exp`, or neither `sub` nor `jti` | 401, `revoked` |
/// | lives longer than the list was told, so that its entry could expire first | 401, `revoked`, and a warning in the log |
/// | the store is unavailable | 503 |
///
/// It asks the store at most once for each token in 5 seconds, or in what [`max_age`](Self::max_age) sets. So a token is refused
/// after at most this time. To make sure that tokens can be denied in one certain way, let the verifier require the claim:
/// `require_claims(["sid"])`.
///
/// API keys pass without these claims, because their own store decides about them; its answers are used for
/// the time that [`ApiKeysBuilder::max_age`](crate::api_keys::ApiKeysBuilder::max_age) sets.
#[derive(Clone, Debug)]
pub struct DenyListCheck {
    list: DenyList,
    /// `None` means that the store is always asked.
    answers: Option<Arc<Answers<bool>>>,
    warned: Arc<AtomicBool>,
}

const DEFAULT_AGE: Duration = Duration::from_secs(5);

impl DenyListCheck {
    pub(super) fn new(list: DenyList) -> Self {
        let answers = Answers::new(DEFAULT_AGE).ok().map(Arc::new);
        Self { list, answers, warned: Arc::default() }
    }

    /// Sets for how long an answer of the store is used: zero, so that each request asks the store, or 1 ms to 60 s. So a
    /// token is accepted for up to this time after its entry was made.
    ///
    /// The age counts from when the store was asked. Requests with the same token ask once. Answers are kept for up to
    /// 100,000 tokens and 64 MiB, also those that a token is denied. A failure is never kept, and no older answer replaces it: while
    /// the store is down, callers whose answers are too old get a 503.
    ///
    /// # Errors
    /// [`ConfigError`] when the age is longer than 60 s, or below 1 ms and not zero.
    pub fn max_age(mut self, age: Duration) -> Result<Self, ConfigError> {
        self.answers = if age.is_zero() { None } else { Some(Arc::new(Answers::new(age)?)) };
        Ok(self)
    }

    fn warn_of_lifetime(&self) {
        if !self.warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "an access token lives longer than the `max_token_lifetime` of the deny-list: it is refused"
            );
        }
    }
}

#[async_trait]
impl SessionCheck for DenyListCheck {
    async fn check(&self, caller: &Verified) -> Result<(), SessionError> {
        let token = self.read(caller);
        let is_deniable = token.is_ok();
        let answer = match token {
            Ok(token) => self.answer(&token).await,
            Err(answer) => answer,
        };
        counting::deny_list(&answer, is_deniable);
        answer
    }

    fn check_at_hand(&self, caller: &Verified) -> Option<Result<(), SessionError>> {
        let token = self.read(caller);
        let is_deniable = token.is_ok();
        let answer = match token {
            Ok(token) => verdict(self.answers.as_ref()?.at_hand(&token.texts(), &*self.list.core.clock)?),
            Err(answer) => answer,
        };
        counting::deny_list(&answer, is_deniable);
        Some(answer)
    }
}

impl DenyListCheck {
    /// Reads what the list needs to know. An error is the answer to a token that could not be denied.
    fn read<'a>(&self, caller: &'a Verified) -> Result<Token<'a>, Result<(), SessionError>> {
        Token::read(caller, self.list.core.max_token_lifetime).map_err(|problem| {
            if caller.evidence() == Evidence::ApiKey {
                return Ok(());
            }
            if problem == Problem::LivesTooLong {
                self.warn_of_lifetime();
            }
            Err(SessionError::Revoked)
        })
    }

    async fn answer(&self, token: &Token<'_>) -> Result<(), SessionError> {
        let ask = token.is_denied(&self.list.core);
        verdict(match &self.answers {
            Some(answers) => answers.get(&token.texts(), &*self.list.core.clock, ask).await?,
            None => ask.await?,
        })
    }
}

fn verdict(is_denied: bool) -> Result<(), SessionError> {
    if is_denied { Err(SessionError::Revoked) } else { Ok(()) }
}

/// What the list needs to know about a token.
struct Token<'a> {
    issuer: &'a str,
    token_id: Option<&'a str>,
    session: Option<Cow<'a, str>>,
    subject: Option<&'a str>,
    issued_at: Timestamp,
    /// The milliseconds of `issued_at`, as bytes.
    issued_at_bytes: [u8; 8],
}

/// Why a token could not be denied.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Problem {
    MissingClaim,
    LivesTooLong,
}

impl<'a> Token<'a> {
    fn read(caller: &'a Verified, max_lifetime: Duration) -> Result<Self, Problem> {
        let claims = caller.all_claims();
        let (Some(issuer), Some(issued_at), Some(expires_at)) =
            (claims.issuer(), claims.issued_at(), claims.expires_at())
        else {
            return Err(Problem::MissingClaim);
        };
        let issued_at = Timestamp::from(issued_at);
        if Timestamp::from(expires_at) > issued_at.plus(max_lifetime) {
            return Err(Problem::LivesTooLong);
        }
        // A `sid` that is not text cannot be denied.
        let session = claims.text("sid").map_err(|_| Problem::MissingClaim)?;
        let (token_id, subject) = (claims.token_id(), claims.subject());
        if token_id.is_none() && subject.is_none() {
            return Err(Problem::MissingClaim);
        }
        let issued_at_bytes = issued_at.as_unix_millis().to_be_bytes();
        Ok(Self { issuer, token_id, session, subject, issued_at, issued_at_bytes })
    }

    /// What the answer depends on.
    fn texts(&self) -> [Option<&[u8]>; 5] {
        [
            Some(self.issuer.as_bytes()),
            self.token_id.map(str::as_bytes),
            self.session.as_ref().map(|session| session.as_bytes()),
            self.subject.map(str::as_bytes),
            Some(&self.issued_at_bytes),
        ]
    }

    /// The names of the entries that can concern the token.
    fn entries(&self) -> Vec<TokenHash> {
        let issuer = self.issuer;
        let without_session = self.subject.filter(|_| self.session.is_none());
        let entries = [
            self.token_id.map(|id| names::token(issuer, id)),
            self.session.as_ref().map(|session| names::session(issuer, session)),
            self.subject.map(|subject| names::subject(issuer, subject)),
            self.subject.map(|subject| names::issued_before(issuer, subject)),
            without_session.map(|subject| names::without_session(issuer, subject)),
        ];
        entries.into_iter().flatten().collect()
    }

    async fn is_denied(&self, core: &Core) -> Result<bool, Unavailable> {
        let now = Timestamp::now(&*core.clock);
        let entries = core.store.denials(&self.entries()).await?;
        Ok(entries.iter().filter(|entry| entry.expires_at > now).any(|entry| match entry.issued_before {
            // A token of the same second counts as issued earlier, also if its `iat` has a fraction.
            Some(time) => whole_seconds(self.issued_at) <= whole_seconds(time),
            None => true,
        }))
    }
}

fn whole_seconds(time: Timestamp) -> i64 {
    time.as_unix_millis().div_euclid(1000)
}
