//! SHA-256, for names and tokens that are cached by their hash, and SHA-1, for thumbprints of certificates.

use aws_lc_rs::digest;

/// The SHA-256 of `bytes`.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    hash
}

/// The SHA-1 of `bytes`. It only names things, and protects nothing.
pub(crate) fn sha1(bytes: &[u8]) -> [u8; 20] {
    let mut hash = [0; 20];
    hash.copy_from_slice(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, bytes).as_ref());
    hash
}

#[cfg(test)]
#[cfg(feature = "fips")]
mod tests {
    #[test]
    fn fips_module_is_in_use() {
        aws_lc_rs::try_fips_mode().unwrap();
    }
}
