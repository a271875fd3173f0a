//! Axum extractors for portcullis: verified callers as handler arguments.
//!
//! ```
//! use axum::{Router, routing::get};
//! use portcullis_axum::{Auth, Authorized, Config, Gate, Policy, Require, scopes};
//!
//! async fn me(auth: Auth) -> String {
//!     format!("hello, {}", auth.subject().unwrap_or("somebody"))
//! }
//!
//! async fn feed(auth: Option<Auth>) -> &'static str {
//!     if auth.is_some() { "yours" } else { "everybody's" }
//! }
//!
//! struct ReadMessages;
//! impl Require for ReadMessages {
//!     fn policy() -> Policy { scopes("read:messages") }
//! }
//!
//! async fn messages(_: Authorized<ReadMessages>) -> &'static str {
//!     "your messages"
//! }
//!
//! # fn main() -> Result<(), portcullis_axum::ConfigError> {
//! // The issuer as tokens have it in `iss`, and the name of this service as they have it in `aud`.
//! let verifier = Config::new("https://issuer.example", "https://api.example.com").verifier()?;
//! let app: Router = Router::new()
//!     .route("/me", get(me))
//!     .route("/feed", get(feed))
//!     .route("/messages", get(messages))
//!     .with_state(Gate::new(verifier));
//! # Ok(()) }
//! ```
//!
//! `portcullis_auth0`, `portcullis_azure`, `portcullis_clerk` and `portcullis_oidc` make the verifier for a provider that
//! they know; [`JwtVerifier::builder`] makes it with keys of your own. [`AuthLayer`] guards a whole part of the service.
//!
//! An extractor guards its handler, not a path, so no route is open by a slip of the router. Where it finds its gate: in
//! the request's extensions (`.layer(Extension(gate))`, the innermost counts), else in the application's state, through
//! [`HasGate`]. A handler without either is answered with 500, and the log says why.
//!
//! # Tests of handlers
//!
//! `portcullis_testing::gate_admitting(&claims)` is a gate that lets every request in with the claims that a test needs,
//! without a token; `portcullis_testing::TestIssuer` mints tokens for tests of the whole way.
//!
//! ```
//! use axum::{Router, body::Body, http::Request, routing::get};
//! use portcullis_axum::Auth;
//! use portcullis_testing::gate_admitting;
//! use tower::ServiceExt;
//!
//! async fn me(auth: Auth) -> String {
//!     format!("hello, {}", auth.subject().unwrap_or("somebody"))
//! }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let gate = gate_admitting(&serde_json::json!({"sub": "user-1"}))?;
//! let app: Router = Router::new().route("/me", get(me)).with_state(gate);
//! let response = app.oneshot(Request::get("/me").body(Body::empty())?).await?;
//! let body = axum::body::to_bytes(response.into_body(), 1024).await?;
//! assert_eq!(body, "hello, user-1");
//! # Ok(()) }
//! ```
//!
//! The whole of the core is re-exported, so that one dependency and a provider's crate are enough.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod extract;
mod layer;
mod metadata;
mod rejection;
mod state;
mod view;

pub use portcullis::{
    Audience, AuthError, Config, ConfigError, Gate, Issuer, JwtVerifier, KeyProvider, Policy, Reason, Refusal, Require,
    ResourceMetadata, TokenSource, Verified, Verifier, any_permission, any_role, any_scope, async_trait, permissions,
    roles, scopes,
};
pub use portcullis::{adapter, checks, claims, clock, config, dangerous, error, jose, keys, policy, session, verifier};

pub use extract::{Auth, Authorized};
pub use layer::AuthLayer;
pub use metadata::{MetadataDocument, resource_metadata};
pub use portcullis_tower::{AuthBody, AuthService};
pub use rejection::Rejection;
pub use state::HasGate;

/// Compiles the examples of `README.md`.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
