//! Used DPoP proofs on the same server.

use portcullis::async_trait;
use portcullis::error::Unavailable;
use portcullis::possession::{Insertion, ReplayStore, UsedProof};

use super::RedisStore;
use crate::replay::{CLOCKS, kept_until, name_of};
use crate::timestamp::{Timestamp, millis};

#[async_trait]
impl ReplayStore for RedisStore {
    async fn insert(&self, proof: &UsedProof<'_>) -> Result<Insertion, Unavailable> {
        // The clock of Redis does not matter, only how long it waits.
        let lifetime = kept_until(proof).millis_since(Timestamp::from(proof.now)).saturating_add(millis(CLOCKS));
        let mut command = redis::cmd("SET");
        command.arg(self.keys().used_proof(&name_of(proof))).arg("").arg("NX").arg("PX").arg(lifetime);
        let is_new = self.connection().run::<Option<String>>(&command).await?.is_some();
        Ok(if is_new { Insertion::New } else { Insertion::Replayed })
    }
}
