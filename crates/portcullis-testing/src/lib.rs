//! An issuer for tests: it mints good tokens, forges bad ones, and serves its keys, well or badly.
//!
//! Everything here makes tokens that a [`Gate`] judges on its production path; only
//! [`gate_admitting`] goes around it, for the tests of handlers.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use portcullis_testing::TestIssuer;
//!
//! let issuer = TestIssuer::new();
//! let gate = issuer.gate();
//!
//! let caller = gate.verify(&issuer.token().subject("user-7").scope("read:messages").sign()).await?;
//! assert_eq!(caller.subject(), Some("user-7"));
//!
//! for forgery in issuer.forgeries() {
//!     let refused = gate.verify(&forgery.token).await.unwrap_err();
//!     assert_eq!(refused.reason(), Some(forgery.reason), "{}", forgery.name);
//! }
//! # Ok(()) }
//! ```
//!
//! Constructors such as [`TestIssuer::auth0`] and [`TestIssuer::keycloak`] give it the tokens and keys of a provider.
//!
//! # Features
//!
//! - `server` (default): [`IssuerServer`], the issuer at a port of this machine.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod forgery;
mod issuer;
#[cfg(feature = "server")]
mod server;
mod shapes;
mod signing_key;
mod token;

pub use forgery::Forgery;
pub use issuer::TestIssuer;
#[cfg(feature = "server")]
pub use server::{Endpoint, Fault, IssuerServer, RequestHead};
pub use signing_key::SigningKey;
pub use token::TokenBuilder;

use portcullis::error::InvalidToken;
use portcullis::{Gate, dangerous};
use serde::Serialize;

/// A gate that lets every request in with these claims and without any token: for the tests of handlers. Policies still
/// apply: whatever the provider, to scopes in `scope`, permissions in the array `permissions` and roles in `roles`.
///
/// ```
/// let gate = portcullis_testing::gate_admitting(&serde_json::json!({"sub": "user", "scope": "read:messages"}))?;
/// # Ok::<(), portcullis::error::InvalidToken>(())
/// ```
///
/// # Errors
/// [`InvalidToken`] when the claims are no JSON object, or a registered one is of the wrong type.
pub fn gate_admitting(claims: &impl Serialize) -> Result<Gate, InvalidToken> {
    Ok(dangerous::admit_everyone_as(dangerous::assume_verified(claims)?))
}

/// Compiles the examples of `README.md`.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
