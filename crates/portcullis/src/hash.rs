//! SHA-256, for names and tokens that are remembered by hash.

use aws_lc_rs::digest;

/// The SHA-256 of `octets`.
pub(crate) fn sha256(octets: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, octets).as_ref());
    hash
}
