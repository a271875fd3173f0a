//! JOSE (RFC 7515, RFC 7517, RFC 7518): headers, algorithms, keys and signatures, without claims and without HTTP.
//!
//! Design notes: [Tokens and algorithms](crate::_docs::tokens).

pub(crate) mod algorithm;
pub(crate) mod algorithm_set;
pub(crate) mod base64url;
pub(crate) mod compact;
#[cfg(feature = "jsonwebtoken")]
mod convert_jsonwebtoken;
pub(crate) mod header;
pub(crate) mod json;
mod json_plain;
pub(crate) mod json_start;
pub(crate) mod jwk;
pub(crate) mod key;
mod key_forms;
pub(crate) mod key_set;
pub(crate) mod material;
mod pem_der;
mod public_material;

pub use algorithm::{Algorithm, UnknownAlgorithm};
pub use algorithm_set::AlgorithmSet;
pub use header::Header;
pub use key::InvalidSignature;
pub(crate) use key::VerifyingKey;
pub(crate) use key_set::{KeySet, KeySetError};
pub(crate) use material::InvalidKey;
