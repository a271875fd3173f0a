//! Cases for stores of API keys.

use std::sync::Arc;
use std::time::Duration;

use portcullis::Gate;
use portcullis::clock::ManualClock;

use super::at_once::{ALIKE, START, any_hash, at, at_once, clock, long_ago, subject, winner, with_nul};
use super::{Outcome, check};
use crate::Timestamp;
use crate::api_keys::{ApiKeyError, ApiKeyStore, ApiKeys, StoredApiKey, StoredPreviousSecret, WhichApiKeys};
use crate::token::random_name;

type Store = Arc<dyn ApiKeyStore>;

pub(super) async fn api_keys_are_returned_as_stored(store: Store) -> Outcome {
    let plain = key(&format!("Zoë \u{1F511} {}", random_name()?))?;
    let full = StoredApiKey {
        label: "the “nightly” export % \\ ключ".to_owned(),
        scopes: vec!["orders:read".to_owned(), "https://api.example/write".to_owned(), "a'%_".to_owned()],
        version: 7,
        expires_at: Some(at(100)),
        previous: Some(StoredPreviousSecret { hash: any_hash()?, expires_at: at(-3), last_used_at: Some(at(-4)) }),
        last_used_at: Some(at(-2)),
        revoked_at: Some(at(-1)),
        ..key(&plain.owner)?
    };
    for stored in [&plain, &full] {
        store.insert_api_key(stored).await?;
        check!(store.find_api_key(&stored.id).await?.as_ref() == Some(stored), "the key is not as it was stored");
        let hashes = [Some(stored.hash), stored.previous.map(|previous| previous.hash)];
        for hash in hashes.into_iter().flatten() {
            let found = store.find_api_key_by_hash(&hash).await?;
            check!(found.as_ref() == Some(stored), "a secret does not lead to its key");
        }
    }
    let mut listed = store.api_keys_of(&plain.owner).await?;
    listed.sort_by_key(|key| key.version);
    check!(listed == [plain, full], "the keys of an owner are not as they were stored");
    check!(store.find_api_key(&random_name()?).await?.is_none(), "a key was found that never was");
    check!(store.find_api_key_by_hash(&any_hash()?).await?.is_none(), "a secret was found that never was");
    check!(store.api_keys_of(&subject()?).await?.is_empty(), "an owner has keys of another one");
    Ok(())
}

pub(super) async fn names_of_api_keys_are_unique(store: Store) -> Outcome {
    let one = key(&subject()?)?;
    store.insert_api_key(&one).await?;
    let same_id = StoredApiKey { id: one.id.clone(), ..key(&subject()?)? };
    let same_hash = StoredApiKey { hash: one.hash, ..key(&subject()?)? };
    for other in [&same_id, &same_hash] {
        check!(store.insert_api_key(other).await.is_err(), "a name was used twice");
        check!(store.api_keys_of(&other.owner).await?.is_empty(), "half of a key was stored");
    }
    check!(store.find_api_key(&one.id).await?.as_ref() == Some(&one), "the first key was changed");
    Ok(())
}

pub(super) async fn owners_of_api_keys_are_compared_exactly(store: Store) -> Outcome {
    let name = random_name()?;
    let owners: Vec<String> = ALIKE.iter().map(|each| format!("{name} {each}")).collect();
    for owner in &owners {
        store.insert_api_key(&key(owner)?).await?;
    }
    for (owner, name) in owners.iter().zip(ALIKE) {
        let count = store.api_keys_of(owner).await?.len();
        check!(count == 1, "{name} has {count} keys");
    }
    for (owner, name) in owners.iter().zip(ALIKE) {
        let count = store.revoke_api_keys(WhichApiKeys::AllOf(owner), at(0)).await?;
        check!(count == 1, "{count} keys of {name} were revoked");
    }
    Ok(())
}

pub(super) async fn api_keys_with_a_nul_are_unknown(store: Store) -> Outcome {
    let one = key(&subject()?)?;
    store.insert_api_key(&one).await?;
    for id in with_nul(&one.id) {
        check!(store.find_api_key(&id).await?.is_none(), "a key was found by another name");
        for which in [WhichApiKeys::Key(&id), WhichApiKeys::KeyOf { owner: &one.owner, id: &id }] {
            check!(store.revoke_api_keys(which, at(1)).await? == 0, "a key was revoked by another name");
        }
    }
    for owner in with_nul(&one.owner) {
        check!(store.api_keys_of(&owner).await?.is_empty(), "keys were found by another owner");
        for which in [WhichApiKeys::AllOf(&owner), WhichApiKeys::KeyOf { owner: &owner, id: &one.id }] {
            check!(store.revoke_api_keys(which, at(1)).await? == 0, "a key was revoked by another owner");
        }
    }
    check!(store.find_api_key(&one.id).await? == Some(one), "the key was changed");
    Ok(())
}

pub(super) async fn of_fifty_new_secrets_one_is_stored(store: Store) -> Outcome {
    let first = StoredApiKey { last_used_at: Some(at(-5)), ..key(&subject()?)? };
    store.insert_api_key(&first).await?;
    let mut candidates = Vec::new();
    for number in 0..50 {
        candidates.push(StoredApiKey {
            version: 1,
            hash: any_hash()?,
            issued_at: at(number),
            expires_at: Some(at(1000 + number)),
            previous: Some(StoredPreviousSecret { hash: first.hash, expires_at: at(60), last_used_at: None }),
            ..first.clone()
        });
    }
    let write = |candidate| {
        let store = store.clone();
        async move { store.replace_api_key_secret(&candidate).await }
    };
    let winner = winner(&candidates, write).await?;
    let stored = store.find_api_key(&first.id).await?;
    check!(stored.as_ref() == Some(winner), "the store has not what the winner wrote");
    for candidate in &candidates {
        let found = store.find_api_key_by_hash(&candidate.hash).await?.is_some();
        check!(found == (candidate == winner), "the secret of a loser leads to the key");
    }
    check!(store.find_api_key_by_hash(&first.hash).await? == stored, "the previous secret does not lead to the key");
    let skipping = StoredApiKey { version: 3, ..first.clone() };
    check!(!store.replace_api_key_secret(&skipping).await?, "a replacement skipped a version");
    let unknown = StoredApiKey { version: 1, ..key(&subject()?)? };
    check!(!store.replace_api_key_secret(&unknown).await?, "a key that was never inserted was replaced");
    Ok(())
}

pub(super) async fn revocation_selects_the_right_api_keys(store: Store) -> Outcome {
    let (alice, bob) = (subject()?, subject()?);
    let expired = StoredApiKey { expires_at: Some(at(-5)), ..key(&alice)? };
    let (one, two, other) = (key(&alice)?, key(&alice)?, key(&bob)?);
    for each in [&expired, &one, &two, &other] {
        store.insert_api_key(each).await?;
    }
    let revoke = |which, second| {
        let store = &store;
        async move { store.revoke_api_keys(which, at(second)).await }
    };
    let unknown = random_name()?;
    check!(revoke(WhichApiKeys::Key(&unknown), 1).await? == 0, "an unknown key was revoked");
    let of_other = WhichApiKeys::KeyOf { owner: &bob, id: &one.id };
    check!(revoke(of_other, 1).await? == 0, "a key of another owner was revoked");
    check!(revoke(WhichApiKeys::KeyOf { owner: &alice, id: &one.id }, 1).await? == 1, "a key was not revoked");
    check!(revoke(WhichApiKeys::Key(&one.id), 2).await? == 0, "a key was revoked twice");
    let expected = StoredApiKey { revoked_at: Some(at(1)), version: 1, ..one.clone() };
    check!(store.find_api_key(&one.id).await? == Some(expected), "the revocation is not stored as it was given");
    check!(store.find_api_key(&two.id).await? == Some(two.clone()), "another key was changed");
    check!(revoke(WhichApiKeys::AllOf(&alice), 3).await? == 2, "the other keys were not revoked");
    check!(store.find_api_key(&other.id).await? == Some(other.clone()), "a key of another owner was changed");
    check!(revoke(WhichApiKeys::Key(&other.id), 4).await? == 1, "a key was not revoked");
    Ok(())
}

pub(super) async fn revocation_beats_a_rotation_from_before(store: Store) -> Outcome {
    let read = key(&subject()?)?;
    store.insert_api_key(&read).await?;
    let count = store.revoke_api_keys(WhichApiKeys::Key(&read.id), at(1)).await?;
    check!(count == 1, "{count} keys were revoked");
    for version in [1, 2] {
        let rotated = StoredApiKey { version, hash: any_hash()?, ..read.clone() };
        check!(!store.replace_api_key_secret(&rotated).await?, "a revoked key got another secret");
        check!(store.find_api_key_by_hash(&rotated.hash).await?.is_none(), "the secret leads to a revoked key");
    }
    Ok(())
}

pub(super) async fn last_use_of_an_api_key_never_goes_back(store: Store) -> Outcome {
    let previous = self::previous()?;
    let first = StoredApiKey { previous: Some(previous), ..key(&subject()?)? };
    store.insert_api_key(&first).await?;
    let uses = async || -> Outcome<_> {
        let Some(stored) = store.find_api_key(&first.id).await? else { return Err("the key is gone".into()) };
        check!(stored.version == 0, "the version was changed");
        Ok((stored.last_used_at, stored.previous.and_then(|previous| previous.last_used_at)))
    };
    let steps = [
        (first.hash, 10, (Some(at(10)), None)),
        (first.hash, 5, (Some(at(10)), None)),
        (previous.hash, 7, (Some(at(10)), Some(at(7)))),
        (previous.hash, 6, (Some(at(10)), Some(at(7)))),
        (previous.hash, 12, (Some(at(12)), Some(at(12)))),
        (first.hash, 20, (Some(at(20)), Some(at(12)))),
    ];
    for (hash, second, expected) in steps {
        store.note_api_key_use(&hash, at(second)).await?;
        check!(uses().await? == expected, "after a use at {second}, the times are wrong");
    }
    store.note_api_key_use(&any_hash()?, at(30)).await?;
    check!(uses().await? == (Some(at(20)), Some(at(12))), "the use of another secret was noted");
    let never = StoredApiKey { previous: Some(self::previous()?), ..key(&subject()?)? };
    store.insert_api_key(&never).await?;
    let Some(StoredPreviousSecret { hash, .. }) = never.previous else { return Err("there is no secret".into()) };
    store.note_api_key_use(&hash, at(1)).await?;
    let stored = store.find_api_key(&never.id).await?;
    check!(stored.is_some_and(|key| key.last_used_at == Some(at(1))), "the first use of a key was not noted");
    Ok(())
}

pub(super) async fn ended_api_keys_are_removed_in_batches(store: Store) -> Outcome {
    // Long ago, so that the rows of other cases stay.
    remove_all(&store, long_ago(1000)).await?;
    let owner = subject()?;
    let (mut expired, mut revoked) = (Vec::new(), Vec::new());
    for second in 0..25 {
        let previous = Some(self::previous()?);
        let one = StoredApiKey { expires_at: Some(long_ago(second)), previous, ..key(&owner)? };
        // Without an expiry, or with a later one.
        let expires_at = (second % 2 == 0).then_some(at(0));
        let other = StoredApiKey { revoked_at: Some(long_ago(second)), expires_at, ..key(&owner)? };
        for each in [&one, &other] {
            store.insert_api_key(each).await?;
        }
        expired.push(one);
        revoked.push(other);
    }
    let live = key(&owner)?;
    store.insert_api_key(&live).await?;
    // Those that ended at 0 to 19 ended before 20.
    let mut counts = Vec::new();
    for _ in 0..4 {
        counts.push(store.remove_ended_api_keys(long_ago(20), 8).await?);
    }
    check!(counts == [8 + 8, 8 + 8, 4 + 4, 0], "four batches of 8 removed {counts:?} of 20 and 20 keys");
    for (second, key) in expired.iter().enumerate().chain(revoked.iter().enumerate()) {
        let found = store.find_api_key(&key.id).await?.is_some();
        check!(found == (second >= 20), "the key that ended at {second} is {}", if found { "there" } else { "gone" });
        let found = store.find_api_key_by_hash(&key.hash).await?.is_some();
        check!(found == (second >= 20), "the secret of a key that ended at {second} is wrong");
    }
    check!(store.find_api_key(&live.id).await?.as_ref() == Some(&live), "a key without an end was removed");
    check!(store.api_keys_of(&owner).await?.len() == 11, "a removed key is listed");
    // The names of removed keys are free again.
    if let Some(first) = expired.first() {
        store.insert_api_key(first).await?;
    }
    remove_all(&store, long_ago(1000)).await
}

pub(super) async fn revoked_api_key_is_refused_on_every_machine(store: Store) -> Outcome {
    let clock = clock();
    let (one, other) = (machine(&store, &clock)?, machine(&store, &clock)?);
    let owner = subject()?;
    let made = one.create(&owner, "a label", ["read"], None).await?;
    for keys in [&one, &other] {
        expect(keys, made.secret.as_str(), "accepted").await?;
    }
    check!(one.revoke(&owner, &made.key.id).await?, "the key was not revoked");
    expect(&one, made.secret.as_str(), "revoked").await?;
    clock.advance(Duration::from_secs(5));
    expect(&other, made.secret.as_str(), "revoked").await
}

pub(super) async fn clocks_of_rotations_may_differ_by_five_seconds(store: Store) -> Outcome {
    let (here, ahead) = (clock(), clock());
    ahead.set_unix(START + 5);
    let (one, other) = (machine(&store, &here)?, machine(&store, &ahead)?);
    let owner = subject()?;
    // Made, rotated and revoked by the machine that is ahead.
    let made = other.create(&owner, "", ["read"], Some(Duration::from_secs(1_000))).await?;
    expect(&one, made.secret.as_str(), "accepted").await?;
    let next = other.rotate(&owner, &made.key.id, Duration::from_secs(60)).await?;
    for keys in [&one, &other] {
        expect(keys, next.secret.as_str(), "accepted").await?;
        expect(keys, made.secret.as_str(), "accepted").await?;
    }
    here.advance(Duration::from_secs(60));
    ahead.advance(Duration::from_secs(60));
    // The overlap ends five seconds apart.
    expect(&other, made.secret.as_str(), "expired").await?;
    expect(&one, made.secret.as_str(), "accepted").await?;
    here.advance(Duration::from_secs(5));
    expect(&one, made.secret.as_str(), "expired").await?;
    check!(other.revoke(&owner, &made.key.id).await?, "the key was not revoked");
    here.advance(Duration::from_secs(5));
    expect(&one, next.secret.as_str(), "revoked").await
}

pub(super) async fn racing_rotations_leave_two_secrets(store: Store) -> Outcome {
    let clock = clock();
    let keys = machine(&store, &clock)?;
    let owner = subject()?;
    let made = keys.create(&owner, "", ["read"], None).await?;
    for overlap in [60, 0] {
        let request = |_| {
            let (keys, owner, id) = (keys.clone(), owner.clone(), made.key.id.clone());
            async move { keys.rotate(&owner, &id, Duration::from_secs(overlap)).await }
        };
        let mut secrets = Vec::new();
        for answer in at_once(20, request).await? {
            match answer {
                Ok(next) => secrets.push(next.secret),
                Err(ApiKeyError::InRotation) => {}
                Err(other) => return Err(other.into()),
            }
        }
        check!(!secrets.is_empty(), "no rotation succeeded");
        if overlap > 0 {
            check!(secrets.len() == 1, "{} rotations succeeded at once", secrets.len());
            expect(&keys, made.secret.as_str(), "accepted").await?;
        }
        let mut accepted = 0;
        for secret in &secrets {
            accepted += usize::from(verdict(&keys, secret.as_str()).await? == "accepted");
        }
        check!(accepted == 1, "{accepted} new secrets are accepted");
    }
    Ok(())
}

pub(super) async fn no_secret_survives_a_racing_revocation(store: Store) -> Outcome {
    let clock = clock();
    let keys = machine(&store, &clock)?;
    for _ in 0..5 {
        let owner = subject()?;
        let made = keys.create(&owner, "", ["read"], None).await?;
        let request = |number| {
            let (keys, owner, id) = (keys.clone(), owner.clone(), made.key.id.clone());
            async move {
                match number {
                    10 => keys.revoke_all(&owner).await.map(|_| None).map_err(ApiKeyError::from),
                    _ => match keys.rotate(&owner, &id, Duration::ZERO).await {
                        Ok(next) => Ok(Some(next.secret)),
                        Err(ApiKeyError::InRotation | ApiKeyError::Ended) => Ok(None),
                        Err(other) => Err(other),
                    },
                }
            }
        };
        let answers = at_once(20, request).await?.into_iter().collect::<Result<Vec<_>, _>>()?;
        let secrets = answers.iter().flatten().map(|secret| secret.as_str());
        for secret in secrets.chain([made.secret.as_str()]) {
            let verdict = verdict(&keys, secret).await?;
            check!(verdict != "accepted", "a secret is accepted after the revocation");
        }
    }
    Ok(())
}

/// One of several machines that share the store.
fn machine(store: &Store, clock: &Arc<ManualClock>) -> Outcome<ApiKeys> {
    Ok(ApiKeys::builder(store.clone()).clock(clock.clone()).build()?)
}

/// `accepted`, or the reason or status of the refusal.
async fn verdict(keys: &ApiKeys, secret: &str) -> Outcome<String> {
    Ok(match Gate::new(keys.clone()).verify(secret).await {
        Ok(_) => "accepted".to_owned(),
        Err(denied) => denied.reason().map_or_else(|| denied.status().to_string(), |reason| reason.to_string()),
    })
}

async fn expect(keys: &ApiKeys, secret: &str, expected: &str) -> Outcome {
    let found = verdict(keys, secret).await?;
    check!(found == expected, "a secret is {found}, and should be {expected}");
    Ok(())
}

async fn remove_all(store: &Store, before: Timestamp) -> Outcome {
    while store.remove_ended_api_keys(before, 1000).await? > 0 {}
    Ok(())
}

/// A new key without an end.
fn key(owner: &str) -> Outcome<StoredApiKey> {
    Ok(StoredApiKey {
        id: random_name()?,
        hash: any_hash()?,
        owner: owner.to_owned(),
        label: String::new(),
        scopes: Vec::new(),
        version: 0,
        created_at: at(0),
        issued_at: at(0),
        expires_at: None,
        previous: None,
        last_used_at: None,
        revoked_at: None,
    })
}

fn previous() -> Outcome<StoredPreviousSecret> {
    Ok(StoredPreviousSecret { hash: any_hash()?, expires_at: at(0), last_used_at: None })
}
