//! Verifies the bearer tokens of any issuer: who is calling, and what they may do.
//!
//! A [`Gate`] reads the credential of a request ([`TokenSource`]), verifies the token ([`Verifier`]) and checks what the
//! caller may do ([`Policy`]). The result is a [`Verified`] caller, or a [`Refusal`] that every web framework answers
//! with in the same bytes.
//!
//! Most services use an adapter, `portcullis-axum` or `portcullis-actix`, and the preset of their identity provider from
//! `portcullis-auth0`, `portcullis-azure`, `portcullis-clerk` or `portcullis-oidc`. [`Config`] serves all other issuers.
//! To use keys from your own source, implement [`KeyProvider`]. To issue your own tokens, use `portcullis-issuer`. This
//! crate is enough for everything else:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use portcullis::keys::FixedKeys;
//! use portcullis::{Gate, JwtVerifier};
//!
//! let keys = FixedKeys::jwk(r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#)?;
//! let gate = Gate::new(JwtVerifier::builder("https://issuer.example", "api", keys).build()?);
//!
//! // Signed with the key of RFC 8037, appendix A. It expires in the year 2100.
//! let token = "eyJhbGciOiJFZERTQSIsInR5cCI6ImF0K2p3dCJ9.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwiYXVkIjoiYXBpIiwic3ViIjoiYWxpY2UiLCJzY29wZSI6InJlYWQ6bWVzc2FnZXMiLCJleHAiOjQxMDI0NDQ4MDB9.G2jDGyJQreLm2xSAAmETDSw_DYymEqUkpZCejbeK4OXZhItrMxWpdJHcAuACJXM_DViME56eV4zaZ-sXgwhzAQ";
//! let caller = gate.verify(token).await?;
//! assert_eq!(caller.subject(), Some("alice"));
//! assert_eq!(caller.scopes(), ["read:messages"]);
//!
//! // Without its last character, the signature is wrong.
//! let refused = gate.verify(&token[..token.len() - 2]).await.unwrap_err();
//! assert_eq!((refused.status(), refused.reason().unwrap().as_str()), (401, "bad_signature"));
//! # Ok(()) }
//! ```
//!
//! The crate works at three levels: [`keys::VerifyingKey::verify`] checks a signature, [`verifier::jws::verify`] a signed
//! payload, and [`JwtVerifier`] a token with its claims.
//!
//! Why it is built this way: [the design notes](crate::_docs).
//!
//! # Features
//!
//! - `fips`: cryptography by the FIPS module of AWS-LC. [Building](crate::_docs::building) says what it needs.
//! - `jsonwebtoken` (default): converts to and from the types of the crate jsonwebtoken.
//! - `metrics`: adds the module `metrics`, and counts decisions, keys and stores through the facade of the crate metrics
//!   ([names and labels](crate::_docs::metrics)).
//! - `openapi`: adds `openapi`, what an OpenAPI document says about a gate.
//! - `presets`: adds `config::values`, with which presets of identity providers read their fields. `remote` includes it.
//! - `remote` (default): adds `keys::RemoteKeys`, which fetches keys with reqwest on tokio, and `introspection`. Without it,
//!   this crate never touches the network.
//! - `utoipa`: `openapi`, also with the types of utoipa. The feature `utoipa` of an adapter includes it.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(doc)]
pub mod _docs;
pub mod adapter;
mod attempts;
mod budget;
mod catch_panic;
mod challenge;
pub mod checks;
pub mod claims;
pub mod clock;
pub mod config;
mod credential;
pub mod cross_site;
pub mod dangerous;
#[cfg(feature = "presets")]
mod endpoint;
pub mod error;
mod gate;
mod guard;
mod hash;
#[cfg(feature = "remote")]
pub mod introspection;
pub mod jose;
pub mod keys;
mod lookups;
pub mod loopback;
pub mod mcp;
#[cfg_attr(not(all(feature = "metrics", feature = "remote")), allow(dead_code, reason = "a part counts nothing"))]
mod measure;
#[cfg(feature = "metrics")]
pub mod metrics;
#[cfg(feature = "openapi")]
pub mod openapi;
pub mod policy;
pub mod possession;
mod preflight;
mod refusal;
#[cfg(feature = "remote")]
mod requests;
mod resource_metadata;
mod sentence;
pub mod session;
#[cfg(feature = "remote")]
pub mod tickets;
mod time_limit;
pub mod verifier;
mod web_url;
pub mod websocket;

pub use async_trait::async_trait;

#[doc(inline)]
pub use crate::checks::{Audience, Issuer};
#[doc(inline)]
pub use crate::config::Config;
pub use crate::credential::TokenSource;
#[doc(inline)]
pub use crate::error::{AuthError, ConfigError, Reason};
pub use crate::gate::Gate;
#[cfg(feature = "remote")]
pub use crate::gate::Watch;
#[doc(inline)]
pub use crate::keys::KeyProvider;
#[doc(inline)]
pub use crate::policy::{Policy, Require, any_permission, any_role, any_scope, permissions, roles, scopes};
pub use crate::refusal::Refusal;
pub use crate::resource_metadata::ResourceMetadata;
#[doc(inline)]
pub use crate::verifier::{JwtVerifier, Verified, Verifier};

/// Compiles the examples of `README.md`.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
