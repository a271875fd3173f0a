//! Used DPoP proofs in the same database.

use std::sync::atomic::Ordering;

use portcullis::async_trait;
use portcullis::error::Unavailable;
use portcullis::possession::{Insertion, ReplayStore, UsedProof};

use super::database::Value;
use super::{SqlStore, time};
use crate::replay::{CLOCKS, kept_until, name_of};
use crate::timestamp::Timestamp;

/// After this many proofs, the expired ones are removed, at most twice as many.
const REMOVED_EVERY: u32 = 64;

#[async_trait]
impl ReplayStore for SqlStore {
    async fn insert(&self, proof: &UsedProof<'_>) -> Result<Insertion, Unavailable> {
        let (name, now) = (name_of(proof), Timestamp::from(proof.now));
        let (name, kept) = (Value::Text(&name), time(kept_until(proof)));
        let mut changed = self.execute(&self.statements.insert_proof, &[name, kept]).await?;
        if changed == 0 {
            // The name was there. It is free again if its time is over, and one of several callers gets it.
            changed = self.execute(&self.statements.renew_proof, &[kept, name, time(now.minus(CLOCKS))]).await?;
        }
        // The number of rows does not grow with the number of requests, also if no task ever removes what has expired.
        if self.proofs.fetch_add(1, Ordering::Relaxed) % REMOVED_EVERY == REMOVED_EVERY - 1 {
            let before = [time(now.minus(CLOCKS)), Value::Int((REMOVED_EVERY * 2).into())];
            // The proof is stored also if this fails.
            let _ = self.execute(&self.statements.remove_expired_proofs, &before).await;
        }
        Ok(if changed > 0 { Insertion::New } else { Insertion::Replayed })
    }
}
