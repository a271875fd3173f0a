//! Provider-agnostic verification of bearer tokens: who is calling, and what they may do.
//!
//! A request's octets become a [`Credential`], its token a verified signature and checked claims, and those a
//! [`Verified`] caller, whom a [`Policy`] lets in or not. The flow is one way, and so are the modules: each imports only
//! from those before it.
//!
//! Most services use an adapter, `portcullis-axum` or `portcullis-actix`, and a preset of their provider, which
//! `portcullis-auth0`, `portcullis-azure`, `portcullis-clerk` and `portcullis-oidc` have; [`Config`] is for all other
//! issuers, [`KeyProvider`] for keys of one's own. This crate is enough for anything else:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use portcullis::{Audience, FixedKeys, Gate, JwtVerifier};
//!
//! let keys = FixedKeys::jwk(r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#)?;
//! let verifier = JwtVerifier::builder("https://issuer.example", Audience::any_of(["api"]), keys).build()?;
//! let gate = Gate::new(verifier);
//! match gate.verify("eyJhbGciOiJFZERTQSJ9.e30.c2ln").await {
//!     Ok(caller) => println!("{:?} may do {:?}", caller.subject(), caller.scopes()),
//!     Err(refused) => assert_eq!(refused.reason().unwrap().as_str(), "bad_signature"),
//! }
//! # Ok(()) }
//! ```
//!
//! Three levels: [`VerifyingKey::verify`] for a signature, [`jws::verify`] for a signed payload, [`JwtVerifier`] for a
//! token.
//!
//! # Features
//!
//! - `jsonwebtoken` (default): conversions from and to the types of the crate jsonwebtoken.
//! - `remote` (default): [`RemoteKeys`], fetched with reqwest on tokio. Without it this crate never touches the network.

mod challenge;
mod checks;
mod claims;
mod clock;
mod config;
mod credential;
pub mod dangerous;
mod environment;
mod error;
mod gate;
mod guard;
mod hash;
#[cfg(feature = "jsonwebtoken")]
mod interop;
mod jose;
pub mod jws;
mod keys;
mod loopback;
mod policy;
#[cfg(feature = "remote")]
pub mod preset;
mod refusal;
mod resource_metadata;
mod verifier;

pub use async_trait::async_trait;

pub use crate::challenge::Challenge;
pub use crate::checks::{Audience, AuthorizedParties, ClaimCheck, Issuer, TokenView};
pub use crate::claims::{Claims, FromClaims, GrantReader, Grants, NoClaims, NumericDate, StandardGrants};
pub use crate::clock::{Clock, ManualClock, SystemClock};
pub use crate::config::{Config, ConfigMembers, IssuersConfig, KeySource};
pub use crate::credential::{CookieChoice, Credential, HeaderList, RequestView, Scheme, TokenSource};
pub use crate::error::{AuthError, ConfigError, CustomRefusal, InvalidRequest, InvalidToken, Reason, Unavailable};
pub use crate::gate::Gate;
pub use crate::guard::{Admission, Guard};
pub use crate::jose::{
    Algorithm, AlgorithmSet, Header, InvalidKey, InvalidSignature, KeySet, KeySetError, SkippedKey, UnknownAlgorithm,
    VerifyingKey,
};
pub use crate::keys::{CachedKeys, FirstOf, FixedKeys, FixedKeysError, KeyError, KeyProvider, KeyQuery, KeyStatus};
#[cfg(feature = "remote")]
pub use crate::keys::{KeySetCache, RemoteKeys, RemoteKeysBuilder, TimeLimited};
pub use crate::policy::{Policy, Require, any_permission, any_role, any_scope, permissions, roles, scopes};
pub use crate::refusal::Refusal;
pub use crate::resource_metadata::ResourceMetadata;
pub use crate::verifier::{
    ByIssuer, IssuerDirectory, JwtVerifier, JwtVerifierBuilder, OpenIssuers, UnverifiedToken, Verified, Verifier,
};
