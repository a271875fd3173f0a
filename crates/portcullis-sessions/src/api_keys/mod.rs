//! API keys: long-lived credentials that a service gives to the programs of its users.
//!
//! A key passes through the same gate as a token: the same policies, reasons, refusals and metrics.
//!
//! ```
#![doc = include_str!("../../docs/first_api_key_route_axum.rs")]
//! ```
//!
//! On Actix Web, with `App::new().app_data(gate.clone()).service(me)`:
//!
//! ```
#![doc = include_str!("../../docs/first_api_key_route_actix.rs")]
//! ```
//!
//! The first key comes from the command line: `portcullis apikey new --database sqlite:keys.db --owner alice`. Routes with which
//! users manage their own keys call [`ApiKeys::create`], [`ApiKeys::list`], [`ApiKeys::rotate`] and [`ApiKeys::revoke`].
//!
//! # The form of a key
//!
//! `pk_`, 43 random characters (256 bits), and 6 characters of checksum. Scanners for leaked secrets find it by this regular
//! expression, and the checksum tells it from other text:
//!
//! ```text
//! \bpk_[0-9A-Za-z]{49}\b
//! ```
//!
//! [`ApiKeysBuilder::prefix`] sets another prefix, with which scanners tell your keys from those of other services.
//!
//! # What a request gets
//!
//! | the key | response |
//! |---|---|
//! | is good | the caller: `sub` is the owner, `jti` the name of the key, `scope` its scopes, `iat` and `exp` its times |
//! | has another form, or a wrong checksum | 401, `malformed` |
//! | is not in the store | 401, `inactive` |
//! | has expired, or its overlap after a rotation has | 401, `expired` |
//! | was revoked | 401, `revoked` |
//! | cannot be looked up, because the store is down or too many unknown keys are presented | 503 |
//! | comes with the scheme `DPoP`, on a gate that accepts it | 401, `sender_constrained` |
//!
//! # Where a key is read
//!
//! The gate reads the sources that it is given, and the first one with a key decides:
//!
//! | sources | clients send |
//! |---|---|
//! | `[TokenSource::authorization()]`, the default | `Authorization: Bearer pk_…` |
//! | `[TokenSource::header("X-API-Key")]` | `X-API-Key: pk_…` |
//! | `[TokenSource::header("X-API-Key"), TokenSource::authorization()]` | either. If both are there, only `X-API-Key` counts |
//! | `[TokenSource::authorization(), TokenSource::header("X-API-Key")]` | either. If both are there, only `Authorization` counts |
//!
//! A bad credential in the first source is refused, also with a good one in the second. Two fields of one name are a 400.
//! Name only sources that your clients use: a proxy that adds its own `Authorization` must not turn the key of a client into
//! its own, and the other way round.
//!
//! Why it is built this way: [the design notes](https://docs.rs/portcullis/latest/portcullis/_docs/api_keys/).

mod builder;
mod error;
mod format;
mod input;
mod last_use;
mod lookups;
mod memory;
mod record;
mod service;
mod store;
#[cfg(test)]
mod tests;
mod verifier;

pub use self::builder::ApiKeysBuilder;
pub use self::error::ApiKeyError;
pub use self::format::ApiKeySecret;
pub(crate) use self::memory::ApiKeyTable;
pub use self::record::{ApiKey, ApiKeyStatus, NewApiKey, PreviousSecret};
pub use self::service::ApiKeys;
pub use self::store::{ApiKeyStore, StoredApiKey, StoredPreviousSecret, WhichApiKeys};
