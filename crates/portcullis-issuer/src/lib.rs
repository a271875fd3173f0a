//! Issues your own access tokens: a ring of signing keys that rotates, tokens as RFC 9068 has them, and the documents from
//! which other services learn the keys.
//!
//! **In this crate:** keys and their rotation, minting, the key set and the metadata. **Not in this crate:** user tables,
//! password rules, e-mail, passkeys, one-time passwords, social login, login pages and refresh tokens. Your service decides
//! who a user is; this crate writes the decision into a token that [`portcullis`] verifies.
//!
//! ```
//! use portcullis_issuer::{AccessToken, Issuer, KeyRing};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let issuer = Issuer::builder("https://api.example.com", "https://api.example.com", KeyRing::builder().build()?).build()?;
//! let gate = issuer.gate()?; // for the extractors of portcullis-axum or portcullis-actix
//!
//! let token = issuer.mint(&AccessToken::new("user-1", "web").scopes(["read:messages"])).await?;
//! assert_eq!(gate.verify(token.as_str()).await?.subject(), Some("user-1"));
//! # Ok(()) }
//! ```
//!
//! | to do this | use |
//! |---|---|
//! | mint a token, verify tokens in the same process | [`Issuer`], [`AccessToken`] |
//! | a first protected route on your own tokens | the modules `axum` and `actix`, by feature |
//! | keep the key in the environment or in a file | [`SigningKey::from_env`], [`SigningKey::from_pem`] |
//! | keep the key in a KMS | [`Signer`] |
//! | rotate keys, by call or by schedule | [`KeyRing`] |
//! | share the ring between machines | [`KeyRingBuilder::open`], [`RingSecret`], and `SqlStore` or `RedisStore` of `portcullis-sessions`, or your own [`RingStore`] |
//! | let other services find the keys | [`Document`], [`Issuer::document`] |
//!
//! # The lifetime of a token is the staleness of your service
//!
//! A token is valid until it expires. What happens in between (a logout, a changed password, a withdrawn role) does not
//! reach it, unless the gate asks a session check ([`Gate::with_check`](portcullis::Gate::with_check)). The default is 10
//! minutes, and more than an hour is an error unless you raise [`KeyRingBuilder::max_token_lifetime`].
//!
//! # Other services
//!
//! They need only the URL of the issuer: `Config::new(issuer, audience)` finds the metadata, and `jwks_uri` in it names the
//! keys. The metadata has the members that verifiers read. The members of a login (`authorization_endpoint`,
//! `token_endpoint`) are absent unless you name them, because this crate has no login.
//!
//! # Features
//!
//! - `introspection`: [`SigningKey`] and [`Signer`] sign the assertions with which a service authenticates itself at an
//!   introspection endpoint (`ClientAuthentication::private_key_jwt` of portcullis).
//! - `actix`: the documents as routes of Actix Web.
//! - `axum`: the documents as routes of Axum.
//!
//! Design notes: [Your own tokens](https://docs.rs/portcullis/latest/portcullis/_docs/issuing/).

#![cfg_attr(docsrs, feature(doc_cfg))]

mod access_token;
#[cfg(feature = "actix")]
pub mod actix;
#[cfg(feature = "axum")]
pub mod axum;
#[cfg(feature = "introspection")]
mod client_assertion;
mod documents;
mod encoding;
mod environment;
mod issuer;
mod issuer_url;
mod key_pair;
mod private_pem;
mod ring;
mod signer;
mod signing_key;

pub use access_token::AccessToken;
pub use documents::{Document, DocumentResponse, PublicDocument};
pub use issuer::{Issuer, IssuerBuilder, MintError, MintedToken};
pub use ring::{
    KeyRing, KeyRingBuilder, MemoryRingStore, RingError, RingSecret, RingStore, Rotation, StoreError, StoredRing,
};
pub use signer::{SignError, Signer};
pub use signing_key::{InvalidSigningKey, PrivatePem, SigningKey};

/// Compiles the examples of `README.md`.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
