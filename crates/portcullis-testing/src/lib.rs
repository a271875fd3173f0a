//! An issuer for the tests of services that use portcullis. **For tests only.**
//!
//! **Never use this crate in production.** Its issuers give a valid token to every caller, [`TestIssuer::clerk`] and the
//! other constructors use the names of real identity providers, and [`gate_admitting`] admits every request. Add the
//! crate under `[dev-dependencies]`.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use portcullis_testing::TestIssuer;
//!
//! let issuer = TestIssuer::new();
//! let gate = issuer.gate();
//! let token = issuer.token().subject("user-7").scope("read:messages").sign();
//! assert_eq!(gate.verify(&token).await?.subject(), Some("user-7"));
//! # Ok(()) }
//! ```
//!
//! | to do this | use |
//! |---|---|
//! | issue valid tokens, and change one claim or header member at a time | [`TestIssuer::token`], [`TokenBuilder`] |
//! | issue tokens like those of an identity provider | [`TestIssuer::auth0`], [`TestIssuer::azure`], [`TestIssuer::clerk`], [`TestIssuer::keycloak`] and the other constructors |
//! | try every kind of token that the clients of an identity provider may send | [`TestIssuer::samples`] |
//! | try every kind of bad token, each with the reason for its refusal | [`TestIssuer::forgeries`] |
//! | bind tokens to a key, and make good and damaged DPoP proofs | [`DpopKey`], [`TokenBuilder::bound_to`] |
//! | give the service a gate or keys without any network access | [`TestIssuer::gate`], [`TestIssuer::verifier`], [`TestIssuer::keys`] |
//! | serve keys and metadata over HTTP on loopback, and rotate or withdraw keys | [`TestIssuer::serve`], [`IssuerServer`] |
//! | issue opaque tokens, and answer introspection plain and signed | [`IssuerServer::opaque_token`] |
//! | log in from a page on this machine, for example Swagger UI | [`IssuerServer::offer_login`] |
//! | make that server fail: slow, broken, oversized or missing answers | [`IssuerServer::misbehave`], [`Fault`] |
//! | test a handler without any token | [`gate_admitting`] |
//! | accept the unsigned tokens of a Firebase emulator on this machine | [`FirebaseEmulator`] |
//! | list the routes of an app that are open to anonymous requests | `open_routes_of_axum`, `open_routes_of_actix` |
//! | compare an OpenAPI document with the guards that are really there | `document_differences_of_axum`, `document_differences_of_actix` |
//!
//! All tokens pass through the verifier that production uses. Only [`gate_admitting`] skips it.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let issuer = portcullis_testing::TestIssuer::new();
//! # let gate = issuer.gate();
//! for forgery in issuer.forgeries() {
//!     let refused = gate.verify(&forgery.token).await.unwrap_err();
//!     assert_eq!(refused.reason(), Some(forgery.reason), "{}", forgery.name);
//! }
//! # Ok(()) }
//! ```
//!
//! # Features
//!
//! - `server` (default): [`IssuerServer`], which serves the issuer on loopback, and [`FirebaseEmulator`].
//! - `axum`: `open_routes_of_axum`, and `actix`: `open_routes_of_actix`.
//! - `openapi`: with them also `document_differences_of_axum` and `document_differences_of_actix`.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(all(feature = "openapi", any(feature = "actix", feature = "axum")))]
mod document;
mod dpop;
#[cfg(feature = "server")]
mod emulator;
mod forgery;
mod issuer;
#[cfg(any(feature = "actix", feature = "axum"))]
mod open_routes;
mod samples;
#[cfg(feature = "server")]
mod server;
mod shapes;
mod signing_key;
mod token;

#[cfg(all(feature = "actix", feature = "openapi"))]
pub use document::document_differences_of_actix;
#[cfg(all(feature = "axum", feature = "openapi"))]
pub use document::document_differences_of_axum;
pub use dpop::{DamagedProof, DpopKey};
#[cfg(feature = "server")]
pub use emulator::FirebaseEmulator;
pub use forgery::Forgery;
pub use issuer::TestIssuer;
#[cfg(feature = "actix")]
pub use open_routes::open_routes_of_actix;
#[cfg(feature = "axum")]
pub use open_routes::open_routes_of_axum;
pub use samples::Sample;
#[cfg(feature = "server")]
pub use server::{Endpoint, Fault, IssuerServer, RequestHead};
pub use signing_key::SigningKey;
pub use token::TokenBuilder;

use portcullis::error::InvalidToken;
use portcullis::{Gate, dangerous};
use serde::Serialize;

/// Returns a gate that admits every request with these claims, without any token. **For tests of handlers only.**
///
/// A log event (`error`) says that such a gate was made, so that it is noticed if it reaches production.
///
/// Policies still apply. They see scopes in `scope`, permissions in the array `permissions`, and roles in the array
/// `roles`, even if your identity provider uses other claims.
///
/// ```
/// let gate = portcullis_testing::gate_admitting(&serde_json::json!({"sub": "user", "scope": "read:messages"}))?;
/// # Ok::<(), portcullis::error::InvalidToken>(())
/// ```
///
/// # Errors
/// [`InvalidToken`] if the claims are not a JSON object, or a registered claim has the wrong type.
pub fn gate_admitting(claims: &impl Serialize) -> Result<Gate, InvalidToken> {
    Ok(dangerous::admit_everyone_as(dangerous::assume_verified(claims)?))
}

/// Compiles the examples of `README.md`.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
