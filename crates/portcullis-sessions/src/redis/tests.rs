//! Tests on the server that `PORTCULLIS_TEST_REDIS_URL` names.

use std::io::Write;
use std::time::Duration;

use super::*;
use crate::conformance;
use crate::session::EndReason;
use crate::token::{RefreshToken, random_name};
use crate::{AuthFacts, PreviousToken, Sessions, SuccessorKeys};

/// A store with its own prefix. `None` if there is no server.
async fn store() -> Option<(RedisStore, String)> {
    let Ok(url) = std::env::var("PORTCULLIS_TEST_REDIS_URL") else {
        static TOLD: std::sync::Once = std::sync::Once::new();
        // Not with `println`, whose output is only shown for failures.
        TOLD.call_once(|| {
            drop(std::io::stdout().write_all(b"SKIPPED sessions: PORTCULLIS_TEST_REDIS_URL is not set\n"))
        });
        return None;
    };
    let prefix = format!("test-{}:", random_name().unwrap());
    let store = RedisStore::builder(&url).key_prefix(&prefix).connect().await.unwrap();
    Some((store, prefix))
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_unix_millis((1_800_000_000 + second) * 1000)
}

fn session(subject: &str) -> StoredSession {
    let token = RefreshToken::generate().unwrap();
    let lifetime = Duration::from_secs(1000);
    let rules = crate::rules::Rules { idle: lifetime, absolute: lifetime * 2, grace: Duration::from_secs(10) };
    rules.begin(random_name().unwrap(), subject, &token, at(0))
}

/// The names of all keys of a test.
async fn all_keys(store: &RedisStore, prefix: &str) -> Vec<String> {
    store.connection().run(redis::cmd("KEYS").arg(format!("{prefix}*"))).await.unwrap()
}

/// Checks that a session is there for every operation that finds it, or for none. Returns which.
async fn is_there(store: &RedisStore, session: &StoredSession) -> bool {
    let by_id = store.find(&session.id).await.unwrap().is_some();
    let by_family = store.find_by_family(&session.family).await.unwrap().is_some();
    let listed = store.open_sessions(&session.subject, at(1)).await.unwrap().iter().any(|one| one.id == session.id);
    assert_eq!((by_id, by_family, listed), (by_id, by_id, by_id));
    by_id
}

/// Runs `operation` once for each of its commands, which fails, and so do those after it. Calls `afterwards` with the number
/// of the command.
async fn at_each_command<T>(
    store: &RedisStore,
    prepare: impl AsyncFn() -> T,
    operation: impl AsyncFn(&T),
    afterwards: impl AsyncFn(T, String),
) {
    for number in 0..30 {
        for after in [false, true] {
            let subject = prepare().await;
            store.connection().faults.plan(number, after);
            operation(&subject).await;
            let failed = store.connection().faults.clear();
            afterwards(subject, format!("command {number}, after: {after}")).await;
            if !failed {
                assert!(number > 0);
                return;
            }
        }
    }
    panic!("the operation has too many commands");
}

#[tokio::test]
async fn crash_in_an_insertion_leaves_all_or_nothing() {
    let Some((store, prefix)) = store().await else { return };
    let seen = std::sync::Mutex::new(Vec::new());
    at_each_command(
        &store,
        async || session("alice"),
        async |session| drop(store.insert(session).await),
        async |session, _| {
            let there = is_there(&store, &session).await;
            seen.lock().unwrap().push(there);
            if there {
                assert_eq!(store.end(Which::AllOf("alice"), ended(2)).await.unwrap(), 1);
            }
            // The user logs in again.
            let again = StoredSession { subject: session.subject.clone(), ..self::session("alice") };
            store.insert(&again).await.unwrap();
            assert_eq!(store.end(Which::AllOf("alice"), ended(2)).await.unwrap(), 1);
        },
    )
    .await;
    let seen = seen.into_inner().unwrap();
    // Four commands, and a fifth for a server that does not know the script. The last one adds the session.
    assert!((9..=13).contains(&seen.len()), "{seen:?}");
    assert_eq!(seen.iter().filter(|there| **there).count(), 2, "{seen:?}");
    assert_expires(&store, &prefix).await;
}

#[tokio::test]
async fn crash_in_a_replacement_leaves_one_version() {
    let Some((store, prefix)) = store().await else { return };
    at_each_command(
        &store,
        async || {
            let session = session("bob");
            store.insert(&session).await.unwrap();
            session
        },
        async |session| drop(store.replace(&rotated(session)).await),
        async |session, context| {
            let found = store.find_by_family(&session.family).await.unwrap().unwrap();
            assert!(found == session || found == rotated(&session), "{context}");
            assert!(is_there(&store, &session).await);
            // The removal does not take a session whose later expiry it does not know.
            store.remove_expired(at(1500), 1000).await.unwrap();
            assert_eq!(store.find(&session.id).await.unwrap().is_some(), found == rotated(&session), "{context}");
            store.remove_expired(at(5000), 1000).await.unwrap();
            assert!(!is_there(&store, &session).await, "{context}");
        },
    )
    .await;
    assert_expires(&store, &prefix).await;
}

#[tokio::test]
async fn crash_in_an_end_ends_all_or_none() {
    let Some((store, _)) = store().await else { return };
    at_each_command(
        &store,
        async || {
            let sessions = [session("carol"), session("carol"), session("carol")];
            for session in &sessions {
                store.insert(session).await.unwrap();
            }
            sessions
        },
        async |sessions| drop(store.end(Which::OthersOf { subject: "carol", keep: &sessions[0].id }, ended(2)).await),
        async |sessions, context| {
            let mut open = 0;
            for session in &sessions {
                open += usize::from(store.find(&session.id).await.unwrap().unwrap().ended.is_none());
            }
            assert!([1, 3].contains(&open), "{open} open after {context}");
            assert_eq!(store.end(Which::AllOf("carol"), ended(3)).await.unwrap(), open as u64);
        },
    )
    .await;
}

#[tokio::test]
async fn crash_in_a_removal_is_completed_by_the_next() {
    let Some((store, prefix)) = store().await else { return };
    at_each_command(
        &store,
        async || {
            let session = session("dave");
            store.insert(&session).await.unwrap();
            session
        },
        async |_| drop(store.remove_expired(at(3000), 1000).await),
        async |session, context| {
            while store.remove_expired(at(3000), 1000).await.unwrap() > 0 {}
            assert!(!is_there(&store, &session).await, "{context}");
            // The names are free again.
            store.insert(&session).await.unwrap();
            while store.remove_expired(at(3000), 1000).await.unwrap() > 0 {}
            assert_eq!(all_keys(&store, &prefix).await.len(), 1, "{context}: only the list of days is left");
        },
    )
    .await;
}

#[tokio::test]
async fn every_key_expires_by_itself() {
    let Some((store, prefix)) = store().await else { return };
    let report = conformance::run(store.clone()).await;
    assert!(report.passed(), "{report}");
    assert!(assert_expires(&store, &prefix).await > 100);
}

/// Checks that no key stays forever. Returns their number.
async fn assert_expires(store: &RedisStore, prefix: &str) -> usize {
    let keys = all_keys(store, prefix).await;
    for key in &keys {
        let left: i64 = store.connection().run(redis::cmd("PTTL").arg(key)).await.unwrap();
        assert!(left > 0, "{key} does not expire");
    }
    keys.len()
}

#[tokio::test]
async fn list_that_changed_ends_nothing() {
    let Some((store, _)) = store().await else { return };
    let sessions = [session("erin"), session("erin")];
    for session in &sessions {
        store.insert(session).await.unwrap();
    }
    let tag = tag("erin");
    // As if one was read, and the other began afterwards; and as if one was read that has ended since.
    for (ids, length) in [(vec![sessions[0].id.clone()], "1"), (vec![sessions[0].id.clone(), "gone".to_owned()], "2")] {
        let mut arguments = vec!["5", "revoked", length, ""];
        arguments.extend(ids.iter().map(String::as_str));
        let keys = store.keys_of(&tag, &ids);
        let count: i64 = store.connection().call(&store.scripts().end, &keys, &arguments[..]).await.unwrap();
        assert_eq!(count, -1);
    }
    assert_eq!(store.open_sessions("erin", at(1)).await.unwrap().len(), 2);
}

#[tokio::test]
async fn server_that_forgot_the_scripts_learns_them() {
    let Some((store, _)) = store().await else { return };
    let session = session("frank");
    store.connection().run::<()>(redis::cmd("SCRIPT").arg("FLUSH")).await.unwrap();
    store.insert(&session).await.unwrap();
    assert!(store.replace(&rotated(&session)).await.unwrap());
}

#[tokio::test]
async fn unreadable_entry_is_an_error() {
    let Some((store, prefix)) = store().await else { return };
    let session = session("grace");
    store.insert(&session).await.unwrap();
    let key = format!("{prefix}session:{{{}}}:{}", tag("grace"), session.id);
    let set = async |name: &str, value: &str| {
        store.connection().run::<i64>(redis::cmd("HSET").arg(&key).arg(name).arg(value)).await.unwrap();
    };
    set("ended_at", "5").await;
    set("end_reason", "a later reason").await;
    assert_eq!(store.find(&session.id).await.unwrap().unwrap().ended.unwrap().reason, EndReason::Revoked);
    set("current", "x").await;
    assert!(store.find(&session.id).await.is_err());
}

#[tokio::test]
async fn redis_holds_no_token() {
    let Some((store, prefix)) = store().await else { return };
    let sessions = Sessions::builder(store.clone(), SuccessorKeys::generate().unwrap()).build().unwrap();
    let facts = AuthFacts::at(portcullis::claims::NumericDate::from_unix(0, 0));
    let first = sessions.start("heidi", facts).await.unwrap().refresh_token;
    let second = sessions.refresh(first.as_str()).await.unwrap().refresh_token;
    let purpose = sessions.purpose_tokens("reset", Duration::from_secs(60)).unwrap();
    let purpose = purpose.issue("heidi", b"the hash of a password").await.unwrap();
    sessions.revoke_token("the name of a token", portcullis::claims::NumericDate::from_unix(0, 0)).await.unwrap();
    let mut all = String::new();
    for key in all_keys(&store, &prefix).await {
        let dump: Vec<u8> = store.connection().run(redis::cmd("DUMP").arg(&key)).await.unwrap();
        all.push_str(&key);
        all.push_str(&String::from_utf8_lossy(&dump));
    }
    assert!(all.contains("heidi"));
    for secret in [first.as_str(), second.as_str(), purpose.as_str(), "the hash of a password", "the name of a token"] {
        for part in [&secret[..secret.len() / 2], &secret[secret.len() / 2..]] {
            assert!(!all.contains(part), "{part}");
        }
    }
}

fn rotated(session: &StoredSession) -> StoredSession {
    let previous = PreviousToken { hash: session.current, rotated_at: at(900), key_version: 1 };
    StoredSession {
        version: session.version + 1,
        current: TokenHash::from_bytes([7; 32]),
        previous: Some(previous),
        last_used_at: at(900),
        expires_at: at(1900),
        ..session.clone()
    }
}

fn ended(second: i64) -> Ended {
    Ended { at: at(second), reason: EndReason::Revoked }
}
