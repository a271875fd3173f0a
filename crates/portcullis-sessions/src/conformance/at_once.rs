//! What the cases have in common: machines that share a store, names and times, and requests that run at once.

use std::sync::Arc;

use portcullis::clock::ManualClock;
use portcullis::error::Unavailable;

use super::{Outcome, check};
use crate::token::{TokenHash, random, random_name};
use crate::{
    AuthFacts, SessionStore, Sessions, SessionsBuilder, SessionsError, SignedIn, SuccessorKeys, Timestamp, Verdict,
};

/// The time at which most cases begin.
pub(super) const START: i64 = 1_800_000_000;

/// Names that an inexact comparison takes for the same.
pub(super) const ALIKE: [&str; 10] =
    ["Zoe", "zoe", "ZOE", "Zoë", "Zoe\u{308}", "Zoe%", "Zo_", "Zoe ", "Zoe\u{200b}", "Zoe'"];

/// The time this many seconds after [`START`].
pub(super) fn at(second: i64) -> Timestamp {
    Timestamp::from_unix_millis((START + second) * 1000)
}

/// A time in 1980, before the times of all other cases.
pub(super) fn long_ago(second: i64) -> Timestamp {
    Timestamp::from_unix_millis((315_532_800 + second) * 1000)
}

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

/// A hash that no other case has.
pub(super) fn any_hash() -> Outcome<TokenHash> {
    Ok(TokenHash::from_bytes(random()?))
}

/// Names that are never stored, because they have a NUL.
pub(super) fn with_nul(text: &str) -> [String; 3] {
    [format!("{text}\0"), format!("\0{text}"), format!("{text}\0x")]
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
    all_at_once((0..count).map(request)).await
}

/// Writes all candidates at once. Returns the one that was written, and fails unless it is the only one.
pub(super) async fn winner<C, F>(candidates: &[C], write: impl Fn(C) -> F) -> Outcome<&C>
where
    C: Clone,
    F: Future<Output = Result<bool, Unavailable>> + Send + 'static,
{
    let results = all_at_once(candidates.iter().cloned().map(write)).await?;
    let results = results.into_iter().collect::<Result<Vec<_>, _>>()?;
    let winners: Vec<_> = results.iter().zip(candidates).filter(|(won, _)| **won).map(|(_, each)| each).collect();
    match winners[..] {
        [winner] => Ok(winner),
        _ => Err(format!("{} of {} candidates were written", winners.len(), candidates.len()).into()),
    }
}

async fn all_at_once<T, F>(requests: impl Iterator<Item = F>) -> Outcome<Vec<T>>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let tasks: Vec<_> = requests.map(tokio::spawn).collect();
    let mut results = Vec::with_capacity(tasks.len());
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
    check!(found == expected, "a refresh is {found}, and should be {expected}");
    Ok(())
}
