//! What the stores of used DPoP proofs have in common.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis::possession::UsedProof;

use crate::timestamp::Timestamp;

/// How far the clocks of two machines may differ: one is 5 seconds ahead, the other one 5 seconds behind.
pub(crate) const CLOCKS: Duration = Duration::from_secs(10);

/// The last moment at which the gate that asks accepts the proof. A gate whose clock is behind accepts it for [`CLOCKS`] longer.
pub(crate) fn kept_until(proof: &UsedProof<'_>) -> Timestamp {
    // Rounded up to the next millisecond, because the last moment belongs to the window.
    Timestamp::from(proof.expires_at.max(proof.now)).plus(Duration::from_millis(1))
}

/// The name of a proof in a store.
pub(crate) fn name_of(proof: &UsedProof<'_>) -> String {
    URL_SAFE_NO_PAD.encode(proof.key)
}
