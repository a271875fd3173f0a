//! Opaque tokens: the issuer's introspection endpoint says what a token means (RFC 7662).
//!
//! Design notes: [Opaque tokens](crate::_docs::introspection).

mod answer;
mod builder;
mod client;
mod endpoint;
mod signed;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use smallvec::SmallVec;

pub use builder::IntrospectionBuilder;
pub use client::{AssertionError, AssertionSigner, ClientAuthentication};

use crate::checks::{Audience, NotSenderConstrained, RequiredClaims, TimeCheck};
use crate::claims::Claims;
use crate::clock::Clock;
use crate::credential::{Credential, Scheme};
use crate::error::{AuthError, InvalidToken};
use crate::hash::sha256;
use crate::introspection::answer::Answer;
use crate::introspection::endpoint::{Endpoint, NoAnswer};
use crate::jose::compact::has_form_of_jwt;
use crate::keys::KeyStatus;
use crate::lookups::{self, Lookups, Name, NoValue};
use crate::measure::{Counters, FromCache, Histograms, IntrospectionOutcome, QuestionOutcome, Stopwatch};
use crate::verifier::{Common, Evidence, Recheck, TokenContents, Verification, Verified, Verifier};

/// Verifies opaque tokens by asking the introspection endpoint of their issuer (RFC 7662).
///
/// The claims of the answer are judged like those of a JWT: issuer, audience, `exp`, `nbf`, `iat`, and the checks of the
/// builder. An answer without `iss` is about a token of the configured issuer. `exp` and `aud` are required, unless the
/// [builder](IntrospectionBuilder) and the audience rule say otherwise.
///
/// ```
/// use portcullis::Gate;
/// use portcullis::introspection::{ClientAuthentication, IntrospectionVerifier};
///
/// # fn secret() -> String { "from a vault".to_owned() }
/// let client = ClientAuthentication::client_secret_basic("orders-api", secret());
/// // The issuer's metadata names the endpoint, unless `endpoint` does.
/// let verifier = IntrospectionVerifier::builder("https://issuer.example", "https://api.example.com", client).build()?;
/// let gate = Gate::new(verifier);
/// # Ok::<(), portcullis::ConfigError>(())
/// ```
///
/// # What is remembered
///
/// A good answer is used for 30 seconds and never after the token's `exp`; "not active" is used for 5 seconds
/// ([`IntrospectionBuilder::cache`]). So a revoked token is refused after at most 30 seconds. The claim checks, the session
/// checks, the proof of a bound token and the policy run on every request.
///
/// While a connection is open ([`Gate::watch`](crate::Gate::watch)), its token is judged again, also by a remembered answer. So a
/// revoked token ends it at most a minute later, the time of the answer and that of the watch together.
///
/// Requests with the same token share one question, and made-up tokens cause a limited number of questions
/// ([`IntrospectionBuilder::made_up_tokens`]). Tokens whose answer is known are not affected by either.
///
/// # Outages
///
/// Where there is no usable answer, the request is answered with 503 and `Retry-After`, and the log says why. Such an answer is
/// also one that refuses the credentials of this service, or in which `active` is not a boolean. While the endpoint is
/// down, answers are used for as long as otherwise.
///
/// # JWTs
///
/// A token of the form of a JWT is not sent to the endpoint, but refused as `wrong_token_class`. To accept both kinds, use
/// [`ByForm`](crate::verifier::ByForm); to ask the endpoint about JWTs, [`IntrospectionBuilder::accept_jwts`].
pub struct IntrospectionVerifier {
    /// Callers keep it, to ask again.
    core: Arc<Core>,
}

/// What the verifier and the callers that it verified share.
struct Core {
    endpoint: Endpoint,
    audience: Audience,
    time: TimeCheck,
    required_claims: RequiredClaims,
    checks: Vec<Box<AnswerCheck>>,
    common: Arc<Common>,
    clock: Arc<dyn Clock>,
    accepts_jwts: bool,
    max_token_bytes: usize,
    /// The hash of the endpoint and of the client, for the names of tokens. With 8 bytes of it, a short token is one block for
    /// SHA-256.
    origin: [u8; 8],
    answers: Lookups<ActiveToken>,
    answered: Counters<(IntrospectionOutcome, FromCache)>,
    asked: Histograms<(QuestionOutcome,)>,
}

/// A check of an answer by a closure, and its name for the log.
type AnswerCheck = dyn Fn(&Claims) -> Result<(), InvalidToken> + Send + Sync;

/// What the endpoint said about an active token.
#[derive(Clone)]
struct ActiveToken {
    contents: Result<Arc<TokenContents>, InvalidToken>,
    class: Result<(), InvalidToken>,
    /// How long the answer may be used.
    longest: Duration,
}

impl IntrospectionVerifier {
    const SCHEMES: &'static [Scheme] = &[Scheme::Bearer];

    /// Starts a verifier for opaque tokens of `issuer`, written as its metadata has it. `client` authenticates this service.
    ///
    /// The audience is required in answers, as in JWTs. For issuers whose answers have none, use
    /// [`Audience::not_issued`].
    pub fn builder(
        issuer: impl Into<String>,
        audience: impl Into<Audience>,
        client: ClientAuthentication,
    ) -> IntrospectionBuilder {
        IntrospectionBuilder::new(issuer.into(), audience.into(), client)
    }

    /// Forgets what the endpoint said about `token`, for example because this service revoked it:
    ///
    /// ```
    /// use portcullis::introspection::IntrospectionVerifier;
    ///
    /// async fn log_out(verifier: &IntrospectionVerifier, token: &str) {
    ///     // Revoke the token at the issuer (RFC 7009) first, and then:
    ///     verifier.forget(token);
    /// }
    /// ```
    pub fn forget(&self, token: &str) {
        self.core.answers.forget(&self.core.name_of(token.as_bytes()));
    }
}

impl Core {
    /// The name under which the answer about a token is remembered: a SHA-256. It depends on the endpoint and the client as well,
    /// because the answer does.
    ///
    /// Anyone can present made-up tokens, and "not active" is remembered too. So the name has a fixed size, no token can be made to
    /// share the name of another one, and no time tells how much of a made-up token agrees with a good one. No token is in the memory
    /// of the cache.
    fn name_of(&self, token: &[u8]) -> Name {
        let (mut short, length) = ([0; 128], self.origin.len() + token.len());
        // A vector would be slower for the usual tokens.
        let Some(text) = short.get_mut(..length) else { return sha256(&[&self.origin, token].concat()) };
        let (origin, rest) = text.split_at_mut(self.origin.len());
        origin.copy_from_slice(&self.origin);
        rest.copy_from_slice(token);
        sha256(text)
    }

    /// Refuses tokens that are never sent to the endpoint.
    fn check_form(&self, token: &[u8]) -> Result<(), InvalidToken> {
        if token.len() > self.max_token_bytes {
            return Err(InvalidToken::TooLarge { limit: self.max_token_bytes });
        }
        if !self.accepts_jwts && has_form_of_jwt(token) {
            return Err(InvalidToken::WrongTokenClass);
        }
        Ok(())
    }

    /// Judges a token by the answer about it, which may be remembered.
    async fn judge(&self, token: &[u8], is_binding_left_to_gate: bool) -> Result<Arc<TokenContents>, AuthError> {
        match self.judge_at_hand(token, is_binding_left_to_gate) {
            Ok(result) => result,
            Err(name) => self.ask_and_judge(name, token, is_binding_left_to_gate).await,
        }
    }

    /// Judges a token without waiting. An error is the name of a token whose answer is not at hand.
    fn judge_at_hand(
        &self,
        token: &[u8],
        is_binding_left_to_gate: bool,
    ) -> Result<Result<Arc<TokenContents>, AuthError>, Name> {
        if let Err(refused) = self.check_form(token) {
            return Ok(Err(refused.into()));
        }
        let name = self.name_of(token);
        let found = self.answers.recall(&name).ok_or(name)?;
        Ok(self.judge_by(found, FromCache::Yes, is_binding_left_to_gate))
    }

    async fn ask_and_judge(
        &self,
        name: Name,
        token: &[u8],
        is_binding_left_to_gate: bool,
    ) -> Result<Arc<TokenContents>, AuthError> {
        let found = self.answers.get(name, |_| self.ask(token)).await;
        self.judge_by(found, FromCache::No, is_binding_left_to_gate)
    }

    /// Counts an answer, and judges its token.
    fn judge_by(
        &self,
        found: Result<ActiveToken, NoValue>,
        cached: FromCache,
        is_binding_left_to_gate: bool,
    ) -> Result<Arc<TokenContents>, AuthError> {
        self.answered.increment((
            match &found {
                Ok(token) if token.contents.is_ok() => IntrospectionOutcome::Active,
                Ok(_) => IntrospectionOutcome::Unusable,
                Err(NoValue::Absent | NoValue::Ambiguous) => IntrospectionOutcome::Inactive,
                Err(NoValue::Unavailable(unavailable)) if unavailable.limited => IntrospectionOutcome::Limited,
                Err(NoValue::Unavailable(_)) => IntrospectionOutcome::Unavailable,
            },
            cached,
        ));
        let ActiveToken { contents, class, .. } = found.map_err(|missing| match missing {
            NoValue::Absent | NoValue::Ambiguous => InvalidToken::Inactive.into(),
            NoValue::Unavailable(unavailable) => AuthError::from(unavailable),
        })?;
        let contents = contents?;
        self.check_claims(&contents.claims, class, is_binding_left_to_gate)?;
        Ok(contents)
    }

    /// Asks the endpoint. Many requests may share the answer.
    async fn ask(&self, token: &[u8]) -> lookups::Answer<ActiveToken> {
        // The bytes of a token are those of a text.
        let token = std::str::from_utf8(token).unwrap_or_default();
        let stopwatch = Stopwatch::start();
        let answer = self.endpoint.ask(token).await;
        let outcome = if answer.is_ok() { QuestionOutcome::Answered } else { QuestionOutcome::Failed };
        self.asked.record((outcome,), stopwatch.elapsed());
        match answer {
            Ok(Answer::Inactive) => lookups::Answer::Absent,
            Ok(Answer::Active { claims, class }) => self.found(Ok(claims), class),
            Ok(Answer::Unusable(invalid)) => self.found(Err(invalid), Ok(())),
            Err(failure) => self.no_answer(&failure),
        }
    }

    fn found(
        &self,
        claims: Result<Claims, InvalidToken>,
        class: Result<(), InvalidToken>,
    ) -> lookups::Answer<ActiveToken> {
        let now = self.clock.now();
        let expires_at = claims.as_ref().ok().and_then(Claims::expires_at);
        // RFC 7662 §4: no answer is used after `exp`, not even for the leeway.
        let longest = expires_at.map_or(Duration::MAX, |expires_at| expires_at.saturating_since(now));
        let (evidence, common) = (Evidence::Introspection, Arc::clone(&self.common));
        let contents = claims.map(|claims| Arc::new(TokenContents { claims, evidence, signed: None, common }));
        lookups::Answer::Found { value: ActiveToken { contents, class, longest }, is_named: true }
    }

    fn no_answer(&self, failure: &NoAnswer) -> lookups::Answer<ActiveToken> {
        let (why, url) = (failure.text(), self.endpoint.shown_url());
        if failure.is_of_the_operator() {
            tracing::error!(url, error = why, "introspection is not possible, so opaque tokens are answered with 503");
        } else {
            tracing::warn!(url, error = why, "introspection failed");
        }
        lookups::Answer::Unavailable { retry_after: failure.retry_after(), why: Some(why), limited: false }
    }

    /// Runs the claim checks, in the order of their reasons. Their result can change over time.
    fn check_claims(
        &self,
        claims: &Claims,
        class: Result<(), InvalidToken>,
        is_binding_left_to_gate: bool,
    ) -> Result<(), InvalidToken> {
        if claims.issuer() != Some(self.endpoint.issuer.as_str()) {
            return Err(InvalidToken::WrongIssuer);
        }
        self.audience.check_claims(claims)?;
        self.time.check_claims(claims, self.clock.now())?;
        class?;
        NotSenderConstrained::check_claims(claims, is_binding_left_to_gate)?;
        self.required_claims.check_claims(claims)?;
        self.checks.iter().try_for_each(|check| check(claims))
    }
}

#[async_trait]
impl Verifier for IntrospectionVerifier {
    async fn verify(&self, credential: &Credential<'_>) -> Result<Verified, AuthError> {
        self.begin(credential).finish().await
    }

    fn begin<'a>(&'a self, credential: &'a Credential<'a>) -> Verification<'a> {
        if !credential.is_understood_by(Self::SCHEMES) {
            return Verification::Done(Err(AuthError::MissingToken));
        }
        let (token, is_binding_left_to_gate) = (credential.unverified_bytes(), credential.is_binding_left_to_gate());
        let caller = move |contents| {
            let (core, token) = (Arc::clone(&self.core), SmallVec::from_slice(token));
            Verified::from_token(contents).with_recheck(Again { core, token, is_binding_left_to_gate })
        };
        match self.core.judge_at_hand(token, is_binding_left_to_gate) {
            Ok(result) => Verification::Done(result.map(caller)),
            Err(name) => Verification::Waits(Box::pin(async move {
                self.core.ask_and_judge(name, token, is_binding_left_to_gate).await.map(caller)
            })),
        }
    }

    fn explain(&self, credential: &Credential<'_>, refused: &AuthError) -> Option<&'static str> {
        let is_jwt = || !self.core.accepts_jwts && has_form_of_jwt(credential.unverified_bytes());
        match refused {
            AuthError::InvalidToken(InvalidToken::WrongTokenClass) if is_jwt() => Some(
                "this has the form of a JWT: ByForm verifies it without the endpoint, and accept_jwts asks about it",
            ),
            _ => None,
        }
    }

    fn schemes(&self) -> &[Scheme] {
        Self::SCHEMES
    }

    fn issuers(&self) -> Vec<String> {
        vec![self.core.endpoint.issuer.clone()]
    }

    /// Reads the metadata, unless the endpoint is configured, and gets the keys of signed answers. No token is sent.
    async fn warm_up(&self) -> Result<(), AuthError> {
        self.core.endpoint.warm_up().await
    }

    /// Ready when the endpoint is known, and the keys of signed answers.
    fn status(&self) -> KeyStatus {
        self.core.endpoint.status()
    }
}

/// Judges a token again while its connection is open.
struct Again {
    core: Arc<Core>,
    /// Most opaque tokens are short, and fit in here.
    token: SmallVec<[u8; 64]>,
    is_binding_left_to_gate: bool,
}

#[async_trait]
impl Recheck for Again {
    async fn recheck(&self, _: &Verified) -> Result<(), AuthError> {
        self.core.judge(&self.token, self.is_binding_left_to_gate).await.map(drop)
    }
}

impl fmt::Debug for IntrospectionVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntrospectionVerifier")
            .field("endpoint", &self.core.endpoint)
            .field("audience", &self.core.audience)
            .field("answers", &self.core.answers)
            .finish_non_exhaustive()
    }
}

/// How much memory an answer takes in the cache, in bytes.
fn weight(token: &ActiveToken) -> u32 {
    /// What the cache needs for an entry in addition to its contents: the key, links, counters, and parts that allocators add.
    const ENTRY_BYTES: usize = 512;
    let contents = token.contents.as_ref().map_or(0, |contents| contents.memory());
    u32::try_from(ENTRY_BYTES + size_of::<ActiveToken>() + contents).unwrap_or(u32::MAX)
}
