//! Cases for stores of used DPoP proofs.

use std::sync::Arc;

use portcullis::claims::NumericDate;
use portcullis::possession::{Insertion, ReplayStore, UsedProof};

use super::at_once::{START, at_once};
use super::{Outcome, check};
use crate::token::random;

type Store = Arc<dyn ReplayStore>;

pub(super) async fn of_fifty_uses_of_a_proof_one_is_new(store: Store) -> Outcome {
    let key = random()?;
    let request = |_| {
        let store = store.clone();
        async move { store.insert(&proof(key, 0, 60)).await }
    };
    let results = at_once(50, request).await?.into_iter().collect::<Result<Vec<_>, _>>()?;
    let new = results.iter().filter(|result| **result == Insertion::New).count();
    let replayed = results.iter().filter(|result| **result == Insertion::Replayed).count();
    check!((new, replayed) == (1, 49), "of 50 uses at once, {new} are new and {replayed} are replays");
    Ok(())
}

pub(super) async fn proofs_are_told_apart(store: Store) -> Outcome {
    let first: [u8; 32] = random()?;
    check!(store.insert(&proof(first, 0, 60)).await? == Insertion::New, "the first proof is no new one");
    // They differ in one bit, in each byte.
    for position in 0..32 {
        let mut key = first;
        if let Some(byte) = key.get_mut(position) {
            *byte ^= 0x20;
        }
        check!(store.insert(&proof(key, 0, 60)).await? == Insertion::New, "byte {position} of the key does not count");
        check!(store.insert(&proof(key, 0, 60)).await? == Insertion::Replayed, "a replay is a new proof");
    }
    check!(store.insert(&proof(first, 0, 60)).await? == Insertion::Replayed, "the first proof was forgotten");
    Ok(())
}

pub(super) async fn used_proof_stays_until_its_last_moment(store: Store) -> Outcome {
    let key = random()?;
    check!(store.insert(&proof(key, 0, 60)).await? == Insertion::New, "the proof is no new one");
    for now in [0, 1, 59, 60] {
        // Other proofs come in between, which can make a store remove expired ones.
        for _ in 0..200 {
            store.insert(&proof(random()?, now, now + 60)).await?;
        }
        check!(store.insert(&proof(key, now, 60)).await? == Insertion::Replayed, "a replay after {now} s of 60 is new");
    }
    Ok(())
}

pub(super) async fn clocks_of_gates_may_differ(store: Store) -> Outcome {
    // A machine whose clock is 5 seconds ahead sees the last moment of the window. For another one, 5 seconds behind, it is not
    // over.
    let key = random()?;
    check!(store.insert(&proof(key, 60, 60)).await? == Insertion::New, "the proof is no new one");
    for _ in 0..200 {
        store.insert(&proof(random()?, 61, 120)).await?;
    }
    check!(store.insert(&proof(key, 50, 60)).await? == Insertion::Replayed, "a replay is new on a slower machine");
    Ok(())
}

/// A proof at `now`, whose window ends at `end`, in seconds.
fn proof(key: [u8; 32], now: i64, end: i64) -> UsedProof<'static> {
    let at = |second: i64| NumericDate::from_unix(START + second, 0);
    UsedProof { key, thumbprint: "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I", now: at(now), expires_at: at(end) }
}
