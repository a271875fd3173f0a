//! What the cases have in common: machines that share a store, and requests that run at once.

use std::sync::Arc;

use portcullis::clock::ManualClock;

use super::Outcome;
use crate::token::random_name;
use crate::{AuthFacts, SessionStore, Sessions, SessionsBuilder, SessionsError, SignedIn, SuccessorKeys, Verdict};

/// The time at which most cases begin.
pub(super) const START: i64 = 1_800_000_000;

pub(super) fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at_unix(START))
}

pub(super) fn keys() -> Outcome<SuccessorKeys> {
    Ok(SuccessorKeys::new(1, b"a key of the conformance suite, number 1")?)
}

/// The settings of one of several machines that share the store.
pub(super) fn builder(store: &Arc<dyn SessionStore>, clock: &Arc<ManualClock>) -> Outcome<SessionsBuilder> {
    Ok(Sessions::builder(store.clone(), keys()?).clock(clock.clone()))
}

pub(super) fn machine(store: &Arc<dyn SessionStore>, clock: &Arc<ManualClock>) -> Outcome<Sessions> {
    Ok(builder(store, clock)?.build()?)
}

/// A subject that no other case has.
pub(super) fn subject() -> Outcome<String> {
    Ok(format!("subject {}", random_name()?))
}

pub(super) fn facts() -> AuthFacts {
    AuthFacts::at(portcullis::claims::NumericDate::from_unix(START, 0)).with_amr(["pwd"])
}

/// Runs `request` `count` times at once, and returns the results in order.
pub(super) async fn at_once<T, F>(count: usize, request: impl Fn(usize) -> F) -> Outcome<Vec<T>>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let tasks: Vec<_> = (0..count).map(|number| tokio::spawn(request(number))).collect();
    let mut results = Vec::with_capacity(count);
    for task in tasks {
        results.push(task.await?);
    }
    Ok(results)
}

/// The verdict of a refresh, whether it succeeded or not.
pub(super) fn verdict(result: &Result<SignedIn, SessionsError>) -> Outcome<Verdict> {
    match result {
        Ok(signed_in) => Ok(signed_in.verdict),
        Err(SessionsError::Refused(verdict)) => Ok(*verdict),
        Err(other) => Err(format!("no verdict: {other:?}").into()),
    }
}

/// Fails unless a refresh has the expected verdict.
pub(super) async fn expect(sessions: &Sessions, token: &str, expected: Verdict) -> Outcome {
    let found = verdict(&sessions.refresh(token).await)?;
    super::check!(found == expected, "a refresh is {found}, and should be {expected}");
    Ok(())
}
