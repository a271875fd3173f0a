//! From a request to a verified caller, or to the answer that refuses it.
//!
//! Most requests wait for nothing: the keys are at hand, and so are the answers of session checks. They are admitted without a
//! future that the rest would need, because making and moving it takes a large part of the time of a repeated token.

use std::future::poll_fn;
use std::pin::{Pin, pin};

use tracing::Span;
use tracing::field::Empty;

use crate::catch_panic::{catch_panic, catch_panic_in};
use crate::claims::FromClaims;
use crate::credential::{Credential, Presented, RequestView, present};
use crate::error::AuthError;
use crate::gate::{Admission, Denied, Gate};
use crate::measure::{Label, SchemeLabel, Stopwatch, Verdict};
use crate::policy::{Policy, Require};
use crate::possession::Unproven;
use crate::refusal::{LoggedComparison, Refusal, logs_explanations};
use crate::session;
use crate::verifier::{Verification, Verified};

/// An admission that has begun.
enum Begun<'a> {
    /// The caller, for which nothing had to be waited.
    Caller(Verified),
    /// The request has no credential, and may go on without one.
    Anonymous,
    Denied(Denied),
    /// What is left to do.
    Waits(Waiting<'a, Result<Option<Verified>, Denied>>),
}

impl Begun<'_> {
    /// Waits for the result, if that is needed.
    async fn finish(self) -> Result<Option<Verified>, Denied> {
        match self {
            Self::Caller(caller) => Ok(Some(caller)),
            Self::Anonymous => Ok(None),
            Self::Denied(denied) => Err(denied),
            Self::Waits(rest) => or_panicked(rest).await,
        }
    }
}

/// What the request presents. It stays here while an admission waits.
struct Place<'a> {
    presented: Presented<'a>,
    credential: Option<Credential<'a>>,
}

/// What is left to do for a credential when something has to be waited for.
enum Rest<'a> {
    Verification(Waiting<'a, Result<Verified, AuthError>>),
    Proof(Verified, Unproven),
    /// The session checks from this position on.
    Checks(Verified, usize),
}

type Waiting<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

impl Gate {
    /// Does what an adapter's extractor needs: admits the caller of `request` and reads the claims as `C`.
    ///
    /// `known` is the admission of a guard that the request passed, if any. Where this gate made it, the caller is not
    /// verified again, only checked against `policy`; the admission of another gate does not count.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use portcullis::adapter::HeaderList;
    /// use portcullis::{dangerous, scopes};
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Tenant {
    ///     tenant: String,
    /// }
    ///
    /// let caller = serde_json::json!({"sub": "user", "scope": "read", "tenant": "t1"});
    /// let gate = dangerous::admit_everyone_as(dangerous::assume_verified(&caller)?);
    /// let request = HeaderList::new("GET", [("authorization", "Bearer …")]);
    ///
    /// let (caller, Tenant { tenant }) = gate.extract(&request, None, &scopes("read")).await.unwrap();
    /// assert_eq!((caller.subject(), tenant.as_str()), (Some("user"), "t1"));
    ///
    /// let refusal = gate.extract::<Tenant>(&request, None, &scopes("write")).await.err().unwrap();
    /// assert_eq!(refusal.status, 403);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// The answer that refuses the request.
    pub async fn extract<C: FromClaims>(
        &self,
        request: &dyn RequestView,
        known: Option<&Admission>,
        policy: &Policy,
    ) -> Result<(Verified, C), Refusal> {
        let known = known.and_then(|known| known.by(self));
        match self.extract_or_deny(request, known, policy, false).await {
            Ok(Some(admitted)) => Ok(admitted),
            Ok(None) => Err(self.answer_extractor(missing_token(), request, known, policy)),
            Err(denied) => Err(self.answer_extractor(denied, request, known, policy)),
        }
    }

    /// Like [`Self::extract`], but a request without a credential has no caller: `None`. A bad credential is refused.
    ///
    /// # Errors
    /// The answer that refuses the request.
    pub async fn extract_optional<C: FromClaims>(
        &self,
        request: &dyn RequestView,
        known: Option<&Admission>,
        policy: &Policy,
    ) -> Result<Option<(Verified, C)>, Refusal> {
        let known = known.and_then(|known| known.by(self));
        let admitted = self.extract_or_deny(request, known, policy, true).await;
        admitted.map_err(|denied| self.answer_extractor(denied, request, known, policy))
    }

    /// Returns the policy of `P`, for extractors that require it.
    ///
    /// # Errors
    /// The answer 500 if the code of `P` panics.
    pub fn policy_of<P: Require>(&self) -> Result<Policy, Refusal> {
        let panicked = |_| Denied::panicked("the code that makes a policy panicked").after_admission(true);
        catch_panic_in(P::policy).map_err(panicked).map_err(|denied| self.answer(denied, None, || None))
    }

    /// Admits the caller of `request` if `policy` allows it.
    ///
    /// # Errors
    /// Why the caller is not let in, which is logged; [`Self::refuse`] makes the answer.
    pub async fn admit(&self, request: &dyn RequestView, policy: &Policy) -> Result<Verified, Denied> {
        let admitted = self.admit_or_deny(request, policy, false).await;
        let admitted = admitted.and_then(|caller| caller.ok_or_else(missing_token));
        admitted.map_err(|denied| self.logged(denied, request, policy))
    }

    /// Like [`Self::admit`], but a request without a credential is let in anonymously: `None`. Optional means absent,
    /// never invalid: a bad credential is refused.
    ///
    /// # Errors
    /// Why the caller is not let in, which is logged; [`Self::refuse`] makes the answer.
    pub async fn admit_optional(&self, request: &dyn RequestView, policy: &Policy) -> Result<Option<Verified>, Denied> {
        let admitted = self.admit_or_deny(request, policy, true).await;
        admitted.map_err(|denied| self.logged(denied, request, policy))
    }

    /// Checks a caller that this gate let in against a further policy: for handlers that learn only from the request's
    /// body what the request needs.
    ///
    /// ```
    /// use portcullis::{Gate, Refusal, Verified, scopes};
    ///
    /// fn delete(gate: &Gate, caller: &Verified, drafts_only: bool) -> Result<(), Refusal> {
    ///     gate.authorize(caller, &scopes(if drafts_only { "drafts:delete" } else { "messages:delete" }))?;
    ///     // …
    ///     Ok(())
    /// }
    /// ```
    ///
    /// In a handler of an adapter that returns the adapter's `Rejection`, `?` converts the [`Refusal`].
    ///
    /// # Errors
    /// The answer that refuses the request.
    pub fn authorize(&self, caller: &Verified, policy: &Policy) -> Result<(), Refusal> {
        let caller = &self.with_implied_scopes(caller.clone());
        let checked = catch_panic_in(|| readmit(caller, policy)).unwrap_or_else(|_| Err(checks_panicked()));
        let answer = |denied: Denied| self.answer(denied.after_admission(true), None, || policy.named_scopes());
        checked.map(|_| ()).map_err(answer)
    }

    /// Verifies a bearer token that no HTTP request presents: it comes from a WebSocket message, gRPC metadata or a queue.
    /// A blank text is a missing token.
    ///
    /// # Errors
    /// Why the caller is not let in, which is logged.
    pub async fn verify(&self, token: &str) -> Result<Verified, Denied> {
        self.verify_for(token, &Policy::authenticated()).await
    }

    /// Like [`Self::verify`], for a caller that `policy` has to allow.
    pub(super) async fn verify_for(&self, token: &str, policy: &Policy) -> Result<Verified, Denied> {
        let credential = Credential::bearer(token).with_gate(self.rules());
        let verified = async {
            if token.trim().is_empty() {
                return Err(missing_token());
            }
            let caller = self.verify_credential(&credential, policy).await?.ok_or_else(missing_token)?;
            caught(|| self.pass(Some(&caller), None))?;
            Ok(caller)
        };
        verified.await.map_err(|denied| self.noted(denied, None))
    }

    /// Finds the caller, unless this gate let it in before, and reads the claims. `None` means that an optional credential
    /// is absent.
    async fn extract_or_deny<C: FromClaims>(
        &self,
        request: &dyn RequestView,
        known: Option<&Verified>,
        policy: &Policy,
        is_optional: bool,
    ) -> Result<Option<(Verified, C)>, Denied> {
        #[cfg(feature = "openapi")]
        if let Some(caller) = caught(|| Ok(self.recorded(policy, is_optional)))? {
            return caught(|| self.typed(caller).map(Some));
        }
        if let Some(caller) = known {
            return caught(|| self.typed(readmit(caller, policy)?).map(Some));
        }
        let caller = self.find_caller(request, policy, is_optional).await?;
        caught(|| {
            let caller = caller.map(|caller| self.typed(caller)).transpose()?;
            self.pass(caller.as_ref().map(|(caller, _)| caller), Some(request))?;
            Ok(caller)
        })
    }

    async fn admit_or_deny(
        &self,
        request: &dyn RequestView,
        policy: &Policy,
        is_optional: bool,
    ) -> Result<Option<Verified>, Denied> {
        let caller = self.find_caller(request, policy, is_optional).await?;
        caught(|| self.pass(caller.as_ref(), Some(request)))?;
        Ok(caller)
    }

    /// Reads the credential once, and verifies it where there is one.
    async fn find_caller(
        &self,
        request: &dyn RequestView,
        policy: &Policy,
        is_optional: bool,
    ) -> Result<Option<Verified>, Denied> {
        let mut place = Place { presented: Presented::Nothing, credential: None };
        self.begin(request, policy, is_optional, &mut place).finish().await
    }

    /// Does what needs no waiting. Only this much of the code runs for most requests, so the rest is kept out of it.
    fn begin<'a>(
        &'a self,
        request: &'a dyn RequestView,
        policy: &'a Policy,
        is_optional: bool,
        place: &'a mut Place<'a>,
    ) -> Begun<'a> {
        let begun = catch_panic_in(|| {
            if let Some(caller) = &self.0.assumed {
                return Begun::Waits(Box::pin(async { self.check_assumed(caller, policy).await.map(Some) }));
            }
            let Place { presented, credential } = place;
            if let Err(denied) = self.present(request, presented) {
                return Begun::Denied(denied);
            }
            match presented.credential(self.rules()) {
                Some(found) => self.begin_credential(credential.insert(found), policy),
                None => self.begin_without_token(request, presented, policy, is_optional),
            }
        });
        begun.unwrap_or_else(|_| Begun::Denied(checks_panicked()))
    }

    #[cold]
    #[inline(never)]
    fn begin_without_token<'a>(
        &'a self,
        request: &'a dyn RequestView,
        presented: &Presented<'_>,
        policy: &'a Policy,
        is_optional: bool,
    ) -> Begun<'a> {
        let decide = move |caller: Option<Verified>| match caller {
            None if !is_optional => Err(missing_token()),
            caller => Ok(caller),
        };
        if !matches!(presented, Presented::Nothing) {
            return Begun::Denied(Denied::new(AuthError::MissingToken, presented.scheme()));
        }
        #[cfg(feature = "remote")]
        if self.0.tickets.is_some() {
            return Begun::Waits(Box::pin(async move { decide(self.admit_by_ticket(request, policy).await?) }));
        }
        #[cfg(not(feature = "remote"))]
        let _ = (request, policy);
        match decide(None) {
            Ok(_) => Begun::Anonymous,
            Err(denied) => Begun::Denied(denied),
        }
    }

    async fn check_assumed(&self, caller: &Verified, policy: &Policy) -> Result<Verified, Denied> {
        let caller = self.with_implied_scopes(caller.clone());
        self.check(&caller, policy, 0).await.map_err(|error| self.denied(&caller, error))?;
        Ok(caller)
    }

    /// Reads the credential, and looks at the page that sent it.
    fn present<'a>(&'a self, request: &'a dyn RequestView, presented: &mut Presented<'a>) -> Result<(), Denied> {
        match present(request, &self.0.sources, self.schemes()) {
            Ok(found) => *presented = found,
            Err(unreadable) => return Err(Denied::new(unreadable.error, unreadable.scheme)),
        }
        if presented.is_from_cookie() {
            self.check_page(request).map_err(|error| Denied::new(error, presented.scheme()))?;
        }
        Ok(())
    }

    async fn verify_credential(
        &self,
        credential: &Credential<'_>,
        policy: &Policy,
    ) -> Result<Option<Verified>, Denied> {
        let begun = catch_panic_in(|| self.begin_credential(credential, policy));
        begun.map_err(|_| checks_panicked())?.finish().await
    }

    /// Begins to verify a credential, and measures how long it takes.
    fn begin_credential<'a>(&'a self, credential: &'a Credential<'a>, policy: &'a Policy) -> Begun<'a> {
        let stopwatch = Stopwatch::start();
        // Where no span of this level is wanted, its fields are not made either.
        if tracing::level_enabled!(tracing::Level::DEBUG) {
            return self.begin_in_span(credential, policy, stopwatch);
        }
        match self.verify_at_hand(credential, policy) {
            Ok(result) => self.done(result, &Span::none(), stopwatch),
            Err(rest) => self.begin_waiting(rest, credential, policy, Span::none(), stopwatch),
        }
    }

    /// Like [`Self::begin_credential`], in a span.
    #[cold]
    #[inline(never)]
    fn begin_in_span<'a>(
        &'a self,
        credential: &'a Credential<'a>,
        policy: &'a Policy,
        stopwatch: Stopwatch,
    ) -> Begun<'a> {
        let scheme = SchemeLabel::from(Some(credential.scheme())).value();
        let span = tracing::debug_span!("portcullis.verify", scheme, outcome = Empty, reason = Empty);
        match span.in_scope(|| self.verify_at_hand(credential, policy)) {
            Ok(result) => self.done(result, &span, stopwatch),
            Err(rest) => self.begin_waiting(rest, credential, policy, span, stopwatch),
        }
    }

    #[inline]
    fn done(&self, result: Result<Verified, Denied>, span: &Span, stopwatch: Stopwatch) -> Begun<'static> {
        self.measured(&result, span, stopwatch);
        match result {
            Ok(caller) => Begun::Caller(caller),
            Err(denied) => Begun::Denied(denied),
        }
    }

    #[inline(never)]
    fn begin_waiting<'a>(
        &'a self,
        rest: Rest<'a>,
        credential: &'a Credential<'a>,
        policy: &'a Policy,
        span: Span,
        stopwatch: Stopwatch,
    ) -> Begun<'a> {
        Begun::Waits(Box::pin(async move {
            let mut rest = pin!(self.wait(rest, credential, policy));
            let verified = poll_fn(|context| {
                let _entered = span.enter();
                rest.as_mut().poll(context)
            })
            .await;
            self.measured(&verified, &span, stopwatch);
            verified.map(Some)
        }))
    }

    #[inline]
    fn measured(&self, verified: &Result<Verified, Denied>, span: &Span, stopwatch: Stopwatch) {
        if span.is_none() && !cfg!(feature = "metrics") {
            return;
        }
        let verdict = verified.as_ref().map_or_else(|denied| Verdict::of(&denied.error), |_| Verdict::Accepted);
        if !span.is_none() {
            span.record("outcome", verdict.outcome()).record("reason", verdict.reason());
        }
        self.0.metrics.took(stopwatch, verdict);
    }

    /// Verifies as much as needs no waiting. An error is what is left to do.
    fn verify_at_hand<'a>(
        &'a self,
        credential: &'a Credential<'a>,
        policy: &Policy,
    ) -> Result<Result<Verified, Denied>, Rest<'a>> {
        let result = match self.0.verifier.begin(credential) {
            Verification::Done(result) => result,
            Verification::Waits(rest) => return Err(Rest::Verification(rest)),
        };
        let caller = match self.presented_by(credential, result) {
            Ok(caller) => caller,
            Err(denied) => return Ok(Err(denied)),
        };
        match self.bound_to(&caller, credential) {
            Ok(Some(unproven)) => Err(Rest::Proof(caller, unproven)),
            Ok(None) => {
                let caller = self.with_implied_scopes(caller);
                match self.check_at_hand(&caller, policy) {
                    Ok(Ok(())) => Ok(Ok(caller)),
                    Ok(Err(error)) => Ok(Err(self.denied(&caller, error))),
                    Err(position) => Err(Rest::Checks(caller, position)),
                }
            }
            Err(denied) => Ok(Err(denied)),
        }
    }

    /// Does what is left to do.
    async fn wait(&self, rest: Rest<'_>, credential: &Credential<'_>, policy: &Policy) -> Result<Verified, Denied> {
        let (caller, unproven, position) = match rest {
            Rest::Verification(rest) => {
                let caller = self.presented_by(credential, rest.await)?;
                let unproven = self.bound_to(&caller, credential)?;
                (caller, unproven, 0)
            }
            Rest::Proof(caller, unproven) => (caller, Some(unproven), 0),
            Rest::Checks(caller, position) => (caller, None, position),
        };
        let caller = match (unproven, &self.0.possession) {
            (Some(unproven), Some(possession)) => {
                let issuer = self.0.metrics.label_of(caller.issuer());
                let denied = |error| Denied { issuer, ..Denied::new(error, Some(credential.scheme())) };
                // The future is large, and most tokens have no proof.
                Box::pin(possession.prove(caller, unproven, credential)).await.map_err(denied)?
            }
            _ => caller,
        };
        let caller = self.with_implied_scopes(caller);
        self.check(&caller, policy, position).await.map_err(|error| self.denied(&caller, error))?;
        Ok(caller)
    }

    /// The caller, as the request presents it, or why the verifier refused it.
    fn presented_by(
        &self,
        credential: &Credential<'_>,
        result: Result<Verified, AuthError>,
    ) -> Result<Verified, Denied> {
        match result {
            Ok(caller) => Ok(caller.presented_by(credential.scheme())),
            Err(error) => Err(self.refused_by_verifier(credential, error)),
        }
    }

    #[cold]
    #[inline(never)]
    fn refused_by_verifier(&self, credential: &Credential<'_>, error: AuthError) -> Denied {
        let (explanation, comparison) = self.explain(credential, &error);
        Denied { explanation, comparison, ..Denied::new(error, Some(credential.scheme())) }
    }

    /// Checks the keys that the token is bound to. Returns the one that a DPoP proof has to prove.
    fn bound_to(&self, caller: &Verified, credential: &Credential<'_>) -> Result<Option<Unproven>, Denied> {
        let Some(possession) = &self.0.possession else { return Ok(None) };
        possession.check(caller, credential).map_err(|error| {
            let issuer = self.0.metrics.label_of(caller.issuer());
            Denied { issuer, ..Denied::new(error, Some(credential.scheme())) }
        })
    }

    /// Returns what only the log says about a refused token.
    fn explain(
        &self,
        credential: &Credential<'_>,
        error: &AuthError,
    ) -> (Option<&'static str>, Option<Box<LoggedComparison>>) {
        if !logs_explanations() {
            return (None, None);
        }
        let verifier = &self.0.verifier;
        // Debug builds compare the token with the configuration, without a value of the token.
        let compares = (self.0.logs_values || cfg!(debug_assertions)) && error.reason().is_some();
        let comparison = if compares { verifier.compare(credential) } else { None };
        let comparison = comparison.map(|comparison| {
            let actual = if self.0.logs_values { comparison.unverified_actual } else { comparison.relation };
            Box::new(LoggedComparison { expected: comparison.expected, actual })
        });
        (verifier.explain(credential, error), comparison)
    }

    /// The refusal of a caller whose token was verified.
    #[cold]
    #[inline(never)]
    fn denied(&self, caller: &Verified, error: impl Into<AuthError>) -> Denied {
        let issuer = self.0.metrics.label_of(caller.issuer());
        Denied { issuer, ..Denied::new(error, Some(caller.scheme())) }
    }

    pub(super) fn with_implied_scopes(&self, caller: Verified) -> Verified {
        match &self.0.scope_hierarchy {
            Some(hierarchy) => caller.with_scope_hierarchy(hierarchy),
            None => caller,
        }
    }

    /// Runs the checks that every admission needs after the token was verified: session checks from a position on, then the
    /// policy.
    async fn check(&self, caller: &Verified, policy: &Policy, position: usize) -> Result<(), AuthError> {
        for check in self.0.checks.iter().skip(position) {
            session::ask(&**check, caller, self.0.metrics.session_checks()).await?;
        }
        policy.check(caller)
    }

    /// Like [`Self::check`]. An error is the position of the first check whose answer is not at hand.
    fn check_at_hand(&self, caller: &Verified, policy: &Policy) -> Result<Result<(), AuthError>, usize> {
        for (position, check) in self.0.checks.iter().enumerate() {
            let answer = session::ask_at_hand(&**check, caller, self.0.metrics.session_checks()).ok_or(position)?;
            if answer.is_err() {
                return Ok(answer);
            }
        }
        Ok(policy.check(caller))
    }

    fn typed<C: FromClaims>(&self, caller: Verified) -> Result<(Verified, C), Denied> {
        match C::from_claims(caller.all_claims()) {
            Ok(claims) => Ok((caller, claims)),
            Err(error) => Err(self.denied(&caller, error)),
        }
    }

    /// The answer of an extractor that found the caller `known`.
    #[cold]
    #[inline(never)]
    fn answer_extractor(
        &self,
        denied: Denied,
        request: &dyn RequestView,
        known: Option<&Verified>,
        policy: &Policy,
    ) -> Refusal {
        self.answer(denied.after_admission(known.is_some()), Some(request), || policy.named_scopes())
    }

    /// Logs `denied`, which [`Self::refuse`] may answer later.
    fn logged(&self, denied: Denied, request: &dyn RequestView, policy: &Policy) -> Denied {
        let scope = self.0.resource_metadata.as_ref().and_then(|_| policy.named_scopes());
        Denied { scope, ..self.noted(denied, Some(request)) }
    }
}

/// Answers a panic in user code, for example in a token source, a verifier or a check, with an error of the service. Only
/// this request fails; the connection goes on.
async fn or_panicked<T>(admission: impl Future<Output = Result<T, Denied>>) -> Result<T, Denied> {
    catch_panic(admission).await.unwrap_or_else(|_| Err(checks_panicked()))
}

/// Like [`or_panicked`], for user code that waits for nothing.
fn caught<T>(admission: impl FnOnce() -> Result<T, Denied>) -> Result<T, Denied> {
    catch_panic_in(admission).unwrap_or_else(|_| Err(checks_panicked()))
}

#[cold]
fn missing_token() -> Denied {
    Denied::new(AuthError::MissingToken, None)
}

#[cold]
fn checks_panicked() -> Denied {
    Denied::panicked("the code that checks requests panicked")
}

/// Checks a caller that the gate let in before.
fn readmit(caller: &Verified, policy: &Policy) -> Result<Verified, Denied> {
    policy.check(caller).map(|()| caller.clone()).map_err(|error| Denied::new(error, Some(caller.scheme())))
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use async_trait::async_trait;

    use super::*;
    use crate::adapter::Decision;
    use crate::claims::NoClaims;
    use crate::credential::{HeaderList, PresentedToken, Scheme, TokenSource};
    use crate::dangerous::{admit_everyone_as, assume_verified};
    use crate::error::{InvalidToken, Unavailable};
    use crate::policy::{any_scope, scopes};
    use crate::session::{SessionCheck, SessionError};
    use crate::verifier::{Evidence, Verifier};

    /// Understands two schemes. The token is the subject, and `bad` is refused.
    #[derive(Debug)]
    struct BothSchemes;

    #[async_trait]
    impl Verifier for BothSchemes {
        async fn verify(&self, credential: &Credential<'_>) -> Result<Verified, AuthError> {
            match credential.unverified_token() {
                "bad" => Err(InvalidToken::Revoked.into()),
                "panic-in-verifier" => panic!("an error in the verifier"),
                subject => {
                    let claims = serde_json::json!({"sub": subject, "scope": "read", "uri": credential.target_uri()});
                    Ok(Verified::from_claims(&claims, Evidence::Session)?)
                }
            }
        }

        fn schemes(&self) -> &[Scheme] {
            &[Scheme::Dpop, Scheme::Bearer]
        }
    }

    fn with(authorization: &str) -> HeaderList {
        HeaderList::new("GET", [("authorization", authorization)])
    }

    /// Status and challenges of the answer.
    async fn refusal(gate: &Gate, request: &dyn RequestView, policy: &Policy) -> (u16, Vec<String>) {
        let refusal = gate.extract::<NoClaims>(request, None, policy).await.err().unwrap();
        let challenges = refusal.headers.into_iter().filter(|(name, _)| name == "www-authenticate");
        (refusal.status, challenges.map(|(_, value)| value).collect())
    }

    #[tokio::test]
    async fn only_the_used_scheme_has_the_error() {
        let gate = Gate::new(BothSchemes);
        let authenticated = Policy::authenticated();
        let plain = [r#"DPoP realm="api""#, r#"Bearer realm="api""#];
        for request in [HeaderList::default(), with("Basic dTpw")] {
            assert_eq!(refusal(&gate, &request, &authenticated).await, (401, plain.map(str::to_owned).into()));
        }
        let error = r#", error="invalid_token", error_description="The access token was revoked""#;
        let (dpop, bearer) = (plain[0].to_owned(), plain[1].to_owned());
        let expected = (401, vec![format!("{dpop}{error}"), bearer.clone()]);
        assert_eq!(refusal(&gate, &with("DPoP bad"), &authenticated).await, expected);
        let expected = (401, vec![dpop.clone(), format!("{bearer}{error}")]);
        assert_eq!(refusal(&gate, &with("Bearer bad"), &authenticated).await, expected);
        let error = r#", error="insufficient_scope", error_description="The access token does not grant what this resource requires", scope="write""#;
        let expected = (403, vec![format!("{dpop}{error}"), bearer.clone()]);
        assert_eq!(refusal(&gate, &with("DPoP alice"), &scopes("write")).await, expected);
        let caller = gate.admit(&with("DPoP alice"), &authenticated).await.unwrap();
        assert_eq!(caller.scheme(), Scheme::Dpop);
        let refused = gate.authorize(&caller, &scopes("write")).unwrap_err();
        assert_eq!(refused.headers[0].1, expected.1[0]);
        let error =
            r#", error="invalid_request", error_description="The Authorization field is not of the form Bearer token""#;
        let expected = (400, vec![format!("{dpop}{error}"), bearer.clone()]);
        assert_eq!(refusal(&gate, &with("DPoP a b"), &authenticated).await, expected);
        // Where the scheme is unknown, the error is on the challenge of `Bearer`.
        assert_eq!(refusal(&gate, &with("\"a\" b"), &authenticated).await.1[0], dpop);
    }

    #[tokio::test]
    async fn other_tokens_are_refused_not_anonymous() {
        let keys = || crate::keys::FixedKeys::secret(&[7; 32]).unwrap();
        let verifier = || crate::JwtVerifier::builder("https://i.example", "api", keys()).build().unwrap();
        let several = crate::verifier::ByIssuer::new([verifier()]).unwrap();
        assert_eq!(several.schemes(), [Scheme::Bearer]);
        for gate in [Gate::new(verifier()), Gate::new(several)] {
            let policy = Policy::authenticated();
            assert!(gate.admit_optional(&with("Basic dTpw"), &policy).await.unwrap().is_none());
            let refused = gate.admit_optional(&with("DPoP a.b.c"), &policy).await.unwrap_err();
            assert_eq!((refused.status(), refused.code()), (401, "missing_token"));
            assert_eq!(gate.refuse(&refused).headers[0].1, r#"Bearer realm="api""#);
            let dpop = TokenSource::custom("dpop", |_| Ok(Some(PresentedToken::new(Scheme::Dpop, "a.b.c"))));
            let gate = gate.with_token_sources([dpop]);
            assert_eq!(gate.admit_optional(&with("Bearer a"), &policy).await.unwrap_err().code(), "missing_token");
        }
    }

    #[tokio::test]
    async fn verifiers_see_the_target_uri() {
        let gate = Gate::new(BothSchemes).with_public_url("https://api.example.com/base").unwrap();
        let forwarded =
            [("authorization", "DPoP alice"), ("host", "evil.example"), ("x-forwarded-host", "evil.example")];
        let request = HeaderList::new("GET", forwarded).with_original_path("/orders");
        let caller = gate.admit(&request, &Policy::authenticated()).await.unwrap();
        assert_eq!(caller.claim("uri"), Ok(Some("https://api.example.com/base/orders")));
        assert_eq!(gate.with_public_url("http://api.example.com").unwrap_err().field(), "public_url");
    }

    /// Counts how often a field is read.
    #[derive(Default)]
    struct CountedReads(HeaderList, AtomicUsize);

    impl RequestView for CountedReads {
        fn header<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
            self.1.fetch_add(1, Ordering::SeqCst);
            self.0.header(name, visit);
        }

        fn method(&self) -> Cow<'_, str> {
            self.0.method()
        }
    }

    #[tokio::test]
    async fn credential_is_read_once() {
        let gate = Gate::new(BothSchemes);
        for (request, expected) in [(HeaderList::default(), None), (with("Bearer alice"), Some("alice"))] {
            let request = CountedReads(request, AtomicUsize::new(0));
            let caller = gate.admit_optional(&request, &Policy::authenticated()).await.unwrap();
            assert_eq!(caller.as_ref().and_then(Verified::subject), expected);
            assert_eq!(request.1.load(Ordering::SeqCst), 1);
        }
        let choose = |_: &[&str]| panic!("there is one cookie at most");
        let gate = gate.with_token_sources([TokenSource::cookies(["session"], choose)]);
        let request = CountedReads::default();
        assert!(gate.admit_optional(&request, &Policy::authenticated()).await.unwrap().is_none());
        assert_eq!(request.1.load(Ordering::SeqCst), 1);
    }

    /// Answers as the caller's subject says, and counts the questions.
    #[derive(Clone, Debug, Default)]
    struct AsTold(Arc<AtomicUsize>);

    #[async_trait]
    impl SessionCheck for AsTold {
        async fn check(&self, caller: &Verified) -> Result<(), SessionError> {
            self.0.fetch_add(1, Ordering::SeqCst);
            match caller.subject() {
                Some("revoked") => Err(SessionError::Revoked),
                Some("gone") => Err(SessionError::UserNotFound),
                Some("unverified") => Err(SessionError::UserUnverified),
                Some("outage") => Err(Unavailable::new().with_retry_after(Duration::from_secs(7)).into()),
                Some("panic") => panic!("an error in the check"),
                _ => Ok(()),
            }
        }
    }

    #[tokio::test]
    async fn session_checks_have_closed_outcomes() {
        let gate = Gate::new(BothSchemes).with_check(AsTold::default());
        for (subject, status, body) in [
            (
                "revoked",
                401,
                r#"{"error":"invalid_token","error_description":"The access token was revoked","reason":"revoked"}"#,
            ),
            (
                "gone",
                401,
                r#"{"error":"invalid_token","error_description":"The user of the access token does not exist","reason":"user_not_found"}"#,
            ),
            (
                "unverified",
                401,
                r#"{"error":"invalid_token","error_description":"The user of the access token is not verified","reason":"user_unverified"}"#,
            ),
            (
                "outage",
                503,
                r#"{"error":"temporarily_unavailable","error_description":"The access token cannot be verified at the moment"}"#,
            ),
            (
                "panic",
                500,
                r#"{"error":"server_error","error_description":"The service is not configured to authenticate requests"}"#,
            ),
        ] {
            // The check comes before the policy, which would answer with 403. Optional routes are checked as well.
            let request = with(&format!("Bearer {subject}"));
            let refusal = gate.extract::<NoClaims>(&request, None, &scopes("write")).await.err().unwrap();
            assert_eq!((refusal.status, refusal.body.as_str()), (status, body));
            let refusal = gate.extract_optional::<NoClaims>(&request, None, &scopes("read")).await.err().unwrap();
            assert_eq!((refusal.status, refusal.body.as_str()), (status, body));
            assert_eq!(gate.verify(subject).await.unwrap_err().status(), status);
        }
        assert_eq!(gate.verify("alice").await.unwrap().subject(), Some("alice"));
    }

    /// Has its answer at hand for subjects that begin with `known-`, and counts the answers of both kinds.
    #[derive(Clone, Debug, Default)]
    struct AtHand(AsTold, Arc<AtomicUsize>);

    #[async_trait]
    impl SessionCheck for AtHand {
        async fn check(&self, caller: &Verified) -> Result<(), SessionError> {
            self.0.check(caller).await
        }

        fn check_at_hand(&self, caller: &Verified) -> Option<Result<(), SessionError>> {
            let known = caller.subject()?.strip_prefix("known-")?;
            self.1.fetch_add(1, Ordering::SeqCst);
            Some(match known {
                "revoked" => Err(SessionError::Revoked),
                "panic" => panic!("an error in the check"),
                _ => Ok(()),
            })
        }
    }

    /// Verifies without waiting. The token is the subject.
    #[derive(Debug)]
    struct AtOnce;

    #[async_trait]
    impl Verifier for AtOnce {
        async fn verify(&self, credential: &Credential<'_>) -> Result<Verified, AuthError> {
            self.begin(credential).finish().await
        }

        fn begin<'a>(&'a self, credential: &'a Credential<'a>) -> Verification<'a> {
            let claims = serde_json::json!({"sub": credential.unverified_token(), "scope": "read"});
            Verification::Done(Verified::from_claims(&claims, Evidence::Session).map_err(AuthError::from))
        }
    }

    #[tokio::test]
    async fn answers_at_hand_are_not_asked_for() {
        for gate in [Gate::new(AtOnce), Gate::new(BothSchemes)] {
            let (first, second, third) = (AtHand::default(), AsTold::default(), AtHand::default());
            let asked = |check: &AsTold| check.0.swap(0, Ordering::SeqCst);
            let at_hand = |check: &AtHand| (check.1.swap(0, Ordering::SeqCst), asked(&check.0));
            let gate = gate.with_check(first.clone());
            for (subject, expected, counts) in [
                ("known-alice", Ok(()), (1, 0)),
                ("known-revoked", Err(401), (1, 0)),
                ("known-panic", Err(500), (1, 0)),
                ("alice", Ok(()), (0, 1)),
                ("revoked", Err(401), (0, 1)),
            ] {
                let admitted = gate.admit(&with(&format!("Bearer {subject}")), &Policy::authenticated()).await;
                assert_eq!(admitted.map(drop).map_err(|denied| denied.status()), expected, "{subject}");
                assert_eq!(at_hand(&first), counts, "{subject}");
            }
            // The policy is checked after them.
            let denied = gate.admit(&with("Bearer known-alice"), &scopes("write")).await.unwrap_err();
            assert_eq!((denied.status(), at_hand(&first)), (403, (1, 0)));
            // Each check answers once, in their order.
            let gate = gate.with_check(second.clone()).with_check(third.clone());
            assert!(gate.admit(&with("Bearer known-alice"), &Policy::authenticated()).await.is_ok());
            assert_eq!((at_hand(&first), asked(&second), at_hand(&third)), ((1, 0), 1, (1, 0)));
            assert!(gate.admit(&with("Bearer known-revoked"), &Policy::authenticated()).await.is_err());
            assert_eq!((at_hand(&first), asked(&second), at_hand(&third)), ((1, 0), 0, (0, 0)));
        }
    }

    #[test]
    fn admission_needs_little_memory() {
        // What waits is in boxes, so that requests that wait for nothing do not move it.
        let (gate, request, policy) = (Gate::new(BothSchemes), HeaderList::default(), Policy::authenticated());
        assert!(size_of_val(&gate.admit(&request, &policy)) <= 800);
        assert!(size_of_val(&gate.extract::<NoClaims>(&request, None, &policy)) <= 800);
        assert!(size_of_val(&gate.verify("a.b.c")) <= 800);
    }

    #[tokio::test]
    async fn blank_token_is_a_missing_token() {
        for token in ["", " ", "\r\n\t"] {
            let refused = Gate::new(BothSchemes).verify(token).await.unwrap_err();
            assert_eq!((refused.status(), refused.code(), refused.reason()), (401, "missing_token", None));
        }
    }

    #[tokio::test]
    async fn session_checks_run_in_order_on_every_admission() {
        let (first, second) = (AsTold::default(), AsTold::default());
        let gate = Gate::new(BothSchemes).with_check(first.clone()).with_check(second.clone());
        let counts = || [&first, &second].map(|check| check.0.load(Ordering::SeqCst));
        for expected in [1, 2] {
            assert!(gate.admit(&with("Bearer alice"), &Policy::authenticated()).await.is_ok());
            assert_eq!(counts(), [expected; 2]);
        }
        assert!(gate.admit(&with("Bearer revoked"), &Policy::authenticated()).await.is_err());
        assert_eq!(counts(), [3, 2]);
        // Only verified callers are checked.
        assert!(gate.admit(&with("Bearer bad"), &Policy::authenticated()).await.is_err());
        assert!(gate.admit_optional(&with("Basic dTpw"), &Policy::authenticated()).await.unwrap().is_none());
        assert_eq!(counts(), [3, 2]);
        // A caller that a guard of the same gate let in is not checked again.
        let guard = crate::adapter::Guard::new(gate.clone());
        let request = with("Bearer alice");
        let Decision::Pass(admission) = guard.admit(&request, None).await.unwrap() else { panic!("no preflight") };
        let renewed = guard.admit(&request, admission.as_ref()).await.unwrap();
        let Decision::Pass(renewed) = renewed else { panic!("no preflight") };
        assert!(gate.extract::<NoClaims>(&request, renewed.as_ref(), &scopes("read")).await.is_ok());
        assert_eq!(counts(), [4, 3]);
        let other = Gate::new(BothSchemes);
        assert!(other.extract::<NoClaims>(&with("Bearer bad"), renewed.as_ref(), &scopes("read")).await.is_err());
        // An assumed caller is checked.
        let caller = assume_verified(&serde_json::json!({"sub": "revoked"})).unwrap();
        let gate = admit_everyone_as(caller).with_check(first.clone());
        assert_eq!(gate.admit(&with(""), &Policy::authenticated()).await.unwrap_err().status(), 401);
    }

    /// Claims that nothing can be read as.
    #[derive(Debug)]
    struct Unreadable;

    impl FromClaims for Unreadable {
        fn from_claims(_: &crate::claims::Claims) -> Result<Self, InvalidToken> {
            panic!("an error in the type of the claims")
        }
    }

    #[tokio::test]
    async fn panic_of_user_code_is_a_500() {
        let gate = Gate::new(BothSchemes);
        let policy = Policy::authenticated();
        let (good, bad) = (with("Bearer alice"), with("Bearer panic-in-verifier"));
        assert_eq!(gate.admit(&bad, &policy).await.unwrap_err().status(), 500);
        assert_eq!(gate.admit_optional(&bad, &policy).await.unwrap_err().status(), 500);
        assert_eq!(gate.verify("panic-in-verifier").await.unwrap_err().status(), 500);
        assert_eq!(gate.extract::<NoClaims>(&bad, None, &policy).await.err().unwrap().status, 500);
        assert_eq!(gate.extract::<Unreadable>(&good, None, &policy).await.err().unwrap().status, 500);
        assert_eq!(gate.extract_optional::<Unreadable>(&good, None, &policy).await.err().unwrap().status, 500);
        let gate = gate.with_token_sources([TokenSource::custom("panic", |_| panic!("an error in the source"))]);
        assert_eq!(gate.admit_optional(&good, &policy).await.unwrap_err().status(), 500);
    }

    #[tokio::test]
    async fn step_up_is_a_401_with_its_demands() {
        let gate = Gate::new(BothSchemes);
        let fresh = any_scope("read write").and(Policy::authenticated_within(Duration::from_millis(300_900)));
        let policy = fresh.and(Policy::acr(["gold", "silver"]));
        let refusal = gate.extract::<NoClaims>(&with("Bearer alice"), None, &policy).await.err().unwrap();
        assert_eq!(refusal.status, 401);
        assert_eq!(
            refusal.headers[1].1,
            r#"Bearer realm="api", error="insufficient_user_authentication", error_description="A more recent or stronger authentication is required", acr_values="gold silver", max_age="300""#
        );
        assert_eq!(
            refusal.body,
            r#"{"error":"insufficient_user_authentication","error_description":"A more recent or stronger authentication is required","acr_values":"gold silver","max_age":300}"#
        );
        assert_eq!(refusal.reason, None);
    }
}
