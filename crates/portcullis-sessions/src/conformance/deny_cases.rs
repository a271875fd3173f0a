//! Cases for deny-lists.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use portcullis::claims::NumericDate;
use portcullis::clock::ManualClock;
use portcullis::dangerous;
use portcullis::session::{SessionCheck as _, SessionError};

use super::at_once::{START, any_hash, at, at_once, long_ago};
use super::{Outcome, check};
use crate::token::{TokenHash, random_name};
use crate::{DenyList, DenyListStore, StoredDenial, Timestamp};

type Store = Arc<dyn DenyListStore>;

pub(super) async fn later_times_of_an_entry_count(store: Store) -> Outcome {
    let [plain, timed] = [any_hash()?, any_hash()?];
    for (expires_at, issued_before) in [(20, 5), (30, 4), (10, 7), (25, 6)] {
        store.deny(&entry(plain, None, at(expires_at))).await?;
        store.deny(&entry(timed, Some(at(issued_before)), at(expires_at))).await?;
    }
    let found = store.denials(&[plain]).await?;
    check!(found == [entry(plain, None, at(30))], "the later expiry of an entry does not count");
    let found = store.denials(&[timed]).await?;
    check!(found == [entry(timed, Some(at(7)), at(30))], "the later times of an entry do not count");
    Ok(())
}

pub(super) async fn entries_are_found_by_their_names(store: Store) -> Outcome {
    let names = (0..24).map(|_| any_hash()).collect::<Outcome<Vec<_>>>()?;
    let mut expected = BTreeSet::new();
    for (number, name) in (0..).zip(&names) {
        let issued_before = (number % 2 == 0).then(|| at(-number));
        if number % 3 != 0 {
            store.deny(&entry(*name, issued_before, at(number))).await?;
            expected.insert((*name, issued_before, at(number)));
        }
    }
    for count in [1, 2, 5, 6, 11, 24] {
        let asked = names.get(..count).unwrap_or_default();
        let found = store.denials(asked).await?;
        check!(found.len() == asked.len() - asked.len().div_ceil(3), "{} of {count} names are found", found.len());
        let found = found.into_iter().map(|entry| (entry.name, entry.issued_before, entry.expires_at));
        check!(found.into_iter().all(|entry| expected.contains(&entry)), "an entry is not as it was stored");
    }
    check!(store.denials(&[]).await?.is_empty(), "an entry was found without a name");
    Ok(())
}

pub(super) async fn fifty_machines_deny_at_once(store: Store) -> Outcome {
    let name = any_hash()?;
    let request = |number: usize| {
        let store = store.clone();
        async move {
            // In an order that is not that of the numbers.
            let second = i64::try_from(number * 17 % 50).unwrap_or_default();
            store.deny(&entry(name, Some(at(second)), at(100 + second))).await
        }
    };
    at_once(50, request).await?.into_iter().collect::<Result<Vec<_>, _>>()?;
    let found = store.denials(&[name]).await?;
    check!(found == [entry(name, Some(at(49)), at(149))], "an earlier entry replaced a later one");
    Ok(())
}

pub(super) async fn expired_entries_are_removed_in_batches(store: Store) -> Outcome {
    while store.remove_expired_denials(long_ago(1000), 1000).await? > 0 {}
    let mut names = Vec::new();
    for second in 0..25 {
        let (plain, timed) = (any_hash()?, any_hash()?);
        store.deny(&entry(plain, None, long_ago(second))).await?;
        if second < 3 {
            store.deny(&entry(timed, Some(long_ago(0)), long_ago(second))).await?;
        }
        names.push(plain);
    }
    // Those that expire at 0 to 19 have expired before 20.
    let mut removed = 0;
    for _ in 0..23 {
        let count = store.remove_expired_denials(long_ago(20), 4).await?;
        check!(count <= 8, "one batch of 4 removed {count} entries");
        removed += count;
    }
    check!(removed == 23, "{removed} of 23 expired entries were removed");
    for (second, name) in names.iter().enumerate() {
        let found = !store.denials(&[*name]).await?.is_empty();
        let state = if found { "there" } else { "gone" };
        check!(found == (second >= 20), "the entry that expired at {second} is {state}");
    }
    while store.remove_expired_denials(long_ago(1000), 1000).await? > 0 {}
    Ok(())
}

pub(super) async fn renewed_entries_are_not_removed(store: Store) -> Outcome {
    for round in 0..20 {
        let names = (0..8).map(|_| any_hash()).collect::<Outcome<Vec<_>>>()?;
        for name in &names {
            store.deny(&entry(*name, None, long_ago(0))).await?;
        }
        // Several machines remove while others renew.
        let request = |number: usize| {
            let (store, name) = (store.clone(), names.get(number).copied());
            async move {
                match name {
                    Some(name) => store.deny(&entry(name, None, at(100))).await,
                    None => store.remove_expired_denials(long_ago(20), 1000).await.map(drop),
                }
            }
        };
        at_once(names.len() + 4, request).await?.into_iter().collect::<Result<Vec<_>, _>>()?;
        for name in &names {
            let found = store.denials(&[*name]).await?;
            check!(found == [entry(*name, None, at(100))], "round {round}: a removal took an entry that was renewed");
        }
    }
    Ok(())
}

pub(super) async fn denied_token_is_refused_on_other_machines(store: Store) -> Outcome {
    let hour = Duration::from_secs(60 * 60);
    let machine = |seconds: i64| -> Outcome<(DenyList, Arc<ManualClock>)> {
        let clock = Arc::new(ManualClock::at_unix(START + seconds));
        Ok((DenyList::new(store.clone(), hour)?.with_clock(clock.clone()), clock))
    };
    // Their clocks differ by 5 seconds.
    let machines = [machine(0)?, machine(-5)?, machine(5)?];
    let [(here, _), ..] = &machines;
    let (issuer, other) = (format!("https://{}", random_name()?), format!("https://{}", random_name()?));
    let token = |issuer: &str, token_id: &str, session: &str, subject: &str, issued_at: i64| Claims {
        iss: issuer.to_owned(),
        jti: token_id.to_owned(),
        sid: session.to_owned(),
        sub: subject.to_owned(),
        iat: START + issued_at,
        exp: START + issued_at + 3600,
    };
    here.deny_token(&issuer, "t1", NumericDate::from_unix(START + 3600, 0)).await?;
    here.deny_session(&issuer, "s1").await?;
    here.deny_issued_before(&issuer, "bob", NumericDate::from_unix(START, 0)).await?;
    here.deny_subject(&issuer, "carol", NumericDate::from_unix(START + 7200, 0)).await?;
    let table = [
        (token(&issuer, "t1", "s", "alice", 0), true),
        (token(&issuer, "t2", "s", "alice", 0), false),
        (token(&other, "t1", "s", "alice", 0), false),
        (token(&issuer, "t2", "s1", "alice", 0), true),
        (token(&other, "t2", "s1", "alice", 0), false),
        (token(&issuer, "t2", "s", "bob", 0), true),
        (token(&issuer, "t2", "s", "bob", 1), false),
        (token(&issuer, "t2", "s", "Bob", 0), false),
        (token(&issuer, "t2", "s", "carol", 1), true),
        // The name of a token does not deny a session or a subject.
        (token(&issuer, "s1", "t1", "t1", 0), false),
    ];
    for (claims, is_denied) in &table {
        for (machine, _) in &machines {
            let found = denies(machine, claims).await?;
            check!(found == *is_denied, "{claims:?} is denied: {found}");
        }
    }
    // The entries stay until no token that they concern is valid, with the largest leeway, on the machine whose clock is behind.
    for (machine, clock) in &machines {
        clock.advance(Duration::from_secs(3600 + 600));
        machine.remove_expired().await?;
    }
    for (claims, is_denied) in &table {
        let found = denies(here, claims).await?;
        check!(found == *is_denied, "an hour later, {claims:?} is denied: {found}");
    }
    Ok(())
}

/// The claims of an access token.
#[derive(Debug, serde::Serialize)]
struct Claims {
    iss: String,
    jti: String,
    sid: String,
    sub: String,
    iat: i64,
    exp: i64,
}

async fn denies(list: &DenyList, claims: &Claims) -> Outcome<bool> {
    let caller = dangerous::assume_verified(claims)?;
    match list.check().max_age(Duration::ZERO)?.check(&caller).await {
        Ok(()) => Ok(false),
        Err(SessionError::Revoked) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

fn entry(name: TokenHash, issued_before: Option<Timestamp>, expires_at: Timestamp) -> StoredDenial {
    StoredDenial { name, issued_before, expires_at }
}
