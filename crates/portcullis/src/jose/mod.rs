//! JOSE: tokens taken apart, algorithms, keys and signatures. Nothing here knows of claims or of HTTP.

pub(crate) mod algorithm;
pub(crate) mod base64url;
pub(crate) mod compact;
pub(crate) mod encoding;
pub(crate) mod header;
pub(crate) mod json;
pub(crate) mod jwk;
pub(crate) mod key;
mod key_forms;
pub(crate) mod key_set;
pub(crate) mod material;

pub use algorithm::{Algorithm, AlgorithmSet, UnknownAlgorithm};
pub use header::Header;
pub use key::{InvalidSignature, VerifyingKey};
pub use key_set::{KeySet, KeySetError, SkippedKey};
pub use material::InvalidKey;
