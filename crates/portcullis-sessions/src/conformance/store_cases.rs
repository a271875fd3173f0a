//! Cases for each operation of a store.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::at_once::{ALIKE, any_hash, at, at_once, facts, long_ago, subject, winner, with_nul};
use super::{Outcome, check};
use crate::token::{RefreshToken, TokenHash, random_name};
use crate::{
    EndReason, Ended, PreviousToken, SessionStore, StoredDenial, StoredPurposeToken, StoredSession, Timestamp, Which,
};

type Store = Arc<dyn SessionStore>;

pub(super) async fn sessions_are_returned_as_stored(store: Store) -> Outcome {
    let plain = session(&format!("Zoë \u{1F511} {}", random_name()?))?;
    let ended = Ended { at: at(-7), reason: EndReason::Stolen };
    let full = StoredSession {
        previous: Some(PreviousToken { hash: any_hash()?, rotated_at: at(3), key_version: u32::MAX }),
        facts: facts().with_acr("urn:x \"quoted\"").with_amr(["pwd", "ключ"]),
        label: Some("Firefox's “tab” % \\".to_owned()),
        version: 7,
        ended: Some(ended),
        ..session(&subject()?)?
    };
    for stored in [&plain, &full] {
        store.insert(stored).await?;
        check!(store.find(&stored.id).await?.as_ref() == Some(stored), "find returns something else");
        let found = store.find_by_family(&stored.family).await?;
        check!(found.as_ref() == Some(stored), "find_by_family returns something else");
    }
    let open = store.open_sessions(&plain.subject, at(0)).await?;
    check!(open.len() == 1 && open.first() == Some(&plain), "open_sessions returns something else");

    let replaced = StoredSession { version: 1, id: plain.id.clone(), family: plain.family, ..full.clone() };
    let replaced = StoredSession { subject: plain.subject.clone(), ..replaced };
    check!(store.replace(&replaced).await?, "the replacement was refused");
    check!(store.find(&plain.id).await?.as_ref() == Some(&replaced), "the replacement is not as it was given");
    check!(store.find(&random_name()?).await?.is_none(), "a session was found that never was");
    check!(store.find_by_family(&any_hash()?).await?.is_none(), "a family was found that never was");
    Ok(())
}

pub(super) async fn names_are_unique(store: Store) -> Outcome {
    let one = session(&subject()?)?;
    store.insert(&one).await?;
    let same_id = StoredSession { id: one.id.clone(), ..session(&subject()?)? };
    let same_family = StoredSession { family: one.family, ..session(&subject()?)? };
    for other in [&same_id, &same_family] {
        check!(store.insert(other).await.is_err(), "a name was used twice");
        check!(store.open_sessions(&other.subject, at(0)).await?.is_empty(), "half of a session was stored");
    }
    check!(store.find(&one.id).await?.as_ref() == Some(&one), "the first session was changed");
    Ok(())
}

pub(super) async fn names_are_compared_exactly(store: Store) -> Outcome {
    let name = random_name()?;
    let subjects: Vec<String> = ALIKE.iter().map(|each| format!("{name} {each}")).collect();
    for subject in &subjects {
        store.insert(&session(subject)?).await?;
    }
    for (subject, name) in subjects.iter().zip(ALIKE) {
        let count = store.open_sessions(subject, at(0)).await?.len();
        check!(count == 1, "{name} has {count} sessions");
    }
    for (subject, name) in subjects.iter().zip(ALIKE) {
        let count = store.end(Which::AllOf(subject), ended(1)).await?;
        check!(count == 1, "{count} sessions of {name} ended");
    }
    let one = session(&subject()?)?;
    store.insert(&one).await?;
    for other in [one.id.to_lowercase(), one.id.to_uppercase(), format!("{} ", one.id), one.id.replace(['-', '_'], "%")]
    {
        check!(other == one.id || store.find(&other).await?.is_none(), "the name of a session is not compared exactly");
    }
    Ok(())
}

pub(super) async fn names_with_a_nul_are_unknown(store: Store) -> Outcome {
    let [one, other] = [session(&subject()?)?, session(&subject()?)?];
    let other = StoredSession { subject: one.subject.clone(), ..other };
    for session in [&one, &other] {
        store.insert(session).await?;
    }
    for id in with_nul(&one.id) {
        check!(store.find(&id).await?.is_none(), "a session was found by another name");
        check!(store.end(Which::Session(&id), ended(1)).await? == 0, "a session ended by another name");
        let of = Which::SessionOf { subject: &one.subject, id: &id };
        check!(store.end(of, ended(1)).await? == 0, "a session ended by another name");
    }
    for subject in with_nul(&one.subject) {
        check!(store.open_sessions(&subject, at(0)).await?.is_empty(), "sessions were found by another subject");
        let others = Which::OthersOf { subject: &subject, keep: &one.id };
        for which in [Which::AllOf(&subject), Which::SessionOf { subject: &subject, id: &one.id }, others] {
            check!(store.end(which, ended(1)).await? == 0, "a session ended by another subject");
        }
    }
    check!(store.open_sessions(&one.subject, at(0)).await?.len() == 2, "a session is missing");
    // No session has the name that stays, so all end.
    let keep = format!("{}\0", one.id);
    let count = store.end(Which::OthersOf { subject: &one.subject, keep: &keep }, ended(1)).await?;
    check!(count == 2, "{count} sessions ended, and none has the name that stays");
    Ok(())
}

pub(super) async fn of_fifty_replacements_one_succeeds(store: Store) -> Outcome {
    let first = session(&subject()?)?;
    store.insert(&first).await?;
    let candidates: Vec<StoredSession> = (0..50)
        .map(|number| StoredSession { version: 1, label: Some(format!("number {number}")), ..first.clone() })
        .collect();
    let write = |candidate| {
        let store = store.clone();
        async move { store.replace(&candidate).await }
    };
    let winner = winner(&candidates, write).await?;
    check!(store.find(&first.id).await?.as_ref() == Some(winner), "the store has not what the winner wrote");
    let skipping = StoredSession { version: 3, ..first.clone() };
    check!(!store.replace(&skipping).await?, "a replacement skipped a version");
    let unknown = StoredSession { version: 1, ..session(&subject()?)? };
    check!(!store.replace(&unknown).await?, "a session that was never inserted was replaced");
    Ok(())
}

pub(super) async fn end_selects_the_right_sessions(store: Store) -> Outcome {
    let (alice, bob) = (subject()?, subject()?);
    let expired = StoredSession { expires_at: at(5), ..session(&alice)? };
    let (one, two, three, other) = (session(&alice)?, session(&alice)?, session(&alice)?, session(&bob)?);
    for each in [&expired, &one, &two, &three, &other] {
        store.insert(each).await?;
    }
    let now = 10;
    let unknown = random_name()?;
    check!(
        store.end(Which::SessionOf { subject: &bob, id: &one.id }, ended(now)).await? == 0,
        "a session of another subject ended"
    );
    check!(store.end(Which::Session(&unknown), ended(now)).await? == 0, "an unknown session ended");
    check!(store.end(Which::Session(&expired.id), ended(now)).await? == 0, "an expired session ended");
    check!(open(&store, &alice, now).await? == names([&one, &two, &three]), "the wrong sessions are open");
    check!(store.end(Which::Session(&one.id), ended(now)).await? == 1, "a session did not end");
    check!(store.end(Which::Session(&one.id), ended(now)).await? == 0, "a session ended twice");
    let stored = store.find(&one.id).await?;
    let expected = StoredSession { ended: Some(ended(now)), version: 1, ..one };
    check!(stored == Some(expected), "the end is not stored as it was given");
    check!(
        store.end(Which::OthersOf { subject: &alice, keep: &two.id }, ended(now)).await? == 1,
        "the others did not end"
    );
    check!(open(&store, &alice, now).await? == names([&two]), "the wrong sessions are open");
    check!(
        store.end(Which::SessionOf { subject: &alice, id: &two.id }, ended(now)).await? == 1,
        "the session of the subject did not end"
    );
    check!(store.end(Which::AllOf(&alice), ended(now)).await? == 0, "sessions ended twice");
    check!(store.end(Which::AllOf(&bob), ended(now)).await? == 1, "the sessions of the other subject did not end");
    check!(store.find(&expired.id).await? == Some(expired), "an expired session was changed");
    Ok(())
}

pub(super) async fn end_beats_a_replacement_from_before(store: Store) -> Outcome {
    let read = session(&subject()?)?;
    store.insert(&read).await?;
    let count = store.end(Which::AllOf(&read.subject), ended(1)).await?;
    check!(count == 1, "{count} sessions ended");
    let rotated = StoredSession { version: 1, ..read.clone() };
    check!(!store.replace(&rotated).await?, "a rotation that had read the session before opened it again");
    check!(store.open_sessions(&read.subject, at(2)).await?.is_empty(), "the session is open again");
    Ok(())
}

pub(super) async fn later_expiry_of_a_revoked_token_counts(store: Store) -> Outcome {
    // Long ago, so that the removal does not touch the rows of other cases.
    let [one, two, unknown] = [any_hash()?, any_hash()?, any_hash()?];
    for (token, expires_at) in [(one, 30), (one, 10), (two, 10), (two, 30)] {
        revoke(&store, token, long_ago(expires_at)).await?;
    }
    remove_all(&store, long_ago(20)).await?;
    check!(is_revoked(&store, one).await?, "an earlier expiry replaced a later one");
    check!(is_revoked(&store, two).await?, "a later expiry did not count");
    check!(!is_revoked(&store, unknown).await?, "a token is revoked that never was");
    remove_all(&store, long_ago(31)).await?;
    check!(!is_revoked(&store, one).await?, "an expired entry was not removed");
    Ok(())
}

pub(super) async fn of_fifty_takers_one_gets_the_purpose_token(store: Store) -> Outcome {
    let token = purpose_token(at(100))?;
    store.insert_purpose_token(&token).await?;
    check!(store.find_purpose_token(&token.hash).await?.as_ref() == Some(&token), "the token is not as it was stored");
    let request = |_| {
        let (store, hash) = (store.clone(), token.hash);
        async move { store.take_purpose_token(&hash).await }
    };
    let results = at_once(50, request).await?.into_iter().collect::<Result<Vec<_>, _>>()?;
    let winners = results.iter().filter(|won| **won).count();
    check!(winners == 1, "{winners} takers got the token");
    check!(store.find_purpose_token(&token.hash).await?.is_none(), "the token is still there");
    Ok(())
}

pub(super) async fn expired_rows_are_removed_in_batches(store: Store) -> Outcome {
    // Long ago, so that the rows of other cases stay.
    remove_all(&store, long_ago(1000)).await?;
    let subject = subject()?;
    let mut sessions = Vec::new();
    for second in 0..25 {
        let expires_at = long_ago(second);
        let one = StoredSession { created_at: long_ago(-100), expires_at, ends_at: expires_at, ..session(&subject)? };
        store.insert(&one).await?;
        sessions.push(one);
    }
    let (token, purpose) = (any_hash()?, purpose_token(long_ago(3))?);
    revoke(&store, token, long_ago(3)).await?;
    store.insert_purpose_token(&purpose).await?;

    // Those that expire at 0 to 19 have expired before 20.
    let mut counts = Vec::new();
    for _ in 0..4 {
        counts.push(store.remove_expired(long_ago(20), 8).await?);
    }
    check!(counts == [8 + 1 + 1, 8, 4, 0], "four batches of 8 removed {counts:?} of 20 sessions and 2 tokens");
    for (second, session) in sessions.iter().enumerate() {
        let found = store.find(&session.id).await?.is_some();
        check!(
            found == (second >= 20),
            "the session that expired at {second} is {}",
            if found { "there" } else { "gone" }
        );
    }
    check!(!is_revoked(&store, token).await?, "the revoked token is still there");
    check!(store.find_purpose_token(&purpose.hash).await?.is_none(), "the purpose token is still there");
    check!(store.open_sessions(&subject, long_ago(-50)).await?.len() == 5, "a removed session is listed");
    // The names of removed sessions are free again.
    if let Some(first) = sessions.first() {
        store.insert(first).await?;
    }
    remove_all(&store, long_ago(1000)).await
}

async fn revoke(store: &Store, name: TokenHash, expires_at: Timestamp) -> Outcome {
    Ok(store.deny(&StoredDenial { name, issued_before: None, expires_at }).await?)
}

async fn is_revoked(store: &Store, name: TokenHash) -> Outcome<bool> {
    Ok(!store.denials(&[name]).await?.is_empty())
}

async fn remove_all(store: &Store, before: Timestamp) -> Outcome {
    while store.remove_expired(before, 1000).await? > 0 {}
    Ok(())
}

async fn open(store: &Store, subject: &str, now: i64) -> Outcome<BTreeSet<String>> {
    Ok(store.open_sessions(subject, at(now)).await?.into_iter().map(|session| session.id).collect())
}

fn names<const N: usize>(sessions: [&StoredSession; N]) -> BTreeSet<String> {
    sessions.iter().map(|session| session.id.clone()).collect()
}

/// A new session that expires after 1000 seconds.
fn session(subject: &str) -> Outcome<StoredSession> {
    let token = RefreshToken::generate()?;
    Ok(StoredSession {
        id: random_name()?,
        family: token.family_hash(),
        subject: subject.to_owned(),
        version: 0,
        current: token.hash(),
        previous: None,
        facts: facts(),
        label: None,
        created_at: at(0),
        last_used_at: at(0),
        expires_at: at(1000),
        ends_at: at(2000),
        ended: None,
    })
}

fn purpose_token(expires_at: Timestamp) -> Outcome<StoredPurposeToken> {
    Ok(StoredPurposeToken {
        hash: any_hash()?,
        purpose: "a purpose".to_owned(),
        subject: subject()?,
        binding: any_hash()?,
        expires_at,
    })
}

fn ended(second: i64) -> Ended {
    Ended { at: at(second), reason: EndReason::LoggedOut }
}
