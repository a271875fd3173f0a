//! Actix Web extractors for portcullis: verified callers as handler arguments.
//!
//! ```
//! use actix_web::{App, web};
//! use portcullis_actix::{Auth, Authorized, Config, Gate, MaybeAuth, Policy, Require, scopes};
//!
//! async fn me(auth: Auth) -> String {
//!     format!("hello, {}", auth.subject().unwrap_or("somebody"))
//! }
//!
//! async fn feed(auth: MaybeAuth) -> &'static str {
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
//! # fn main() -> Result<(), portcullis_actix::ConfigError> {
//! // The issuer as tokens have it in `iss`, and the name of this service as they have it in `aud`.
//! let verifier = Config::new("https://issuer.example", "https://api.example.com").verifier()?;
//! let gate = Gate::new(verifier);
//! let app = App::new()
//!     .app_data(gate.clone())
//!     .route("/me", web::get().to(me))
//!     .route("/feed", web::get().to(feed))
//!     .route("/messages", web::get().to(messages));
//! # Ok(()) }
//! ```
//!
//! `portcullis_auth0`, `portcullis_azure`, `portcullis_clerk` and `portcullis_oidc` make the verifier for a provider that
//! they know; [`JwtVerifier::builder`] makes it with keys of your own. [`AuthMiddleware`] guards a whole part of the service.
//!
//! An extractor guards its handler, not a path, so no route is open by a slip of the router. It finds its gate in
//! `app_data`, as `Gate` or as `web::Data<Gate>`: the innermost, so keep to one of the two types. A handler without a gate,
//! or with a different one of each type, is answered with 500, and the log says why.
//!
//! For an optional credential use [`MaybeAuth`], never `Option<Auth>`: Actix implements `Option` for every extractor, and
//! its implementation turns *any* failure into `None`, so a forged token would pass as an anonymous caller. That can't be
//! forbidden at compile time; but a refusal that nobody answers with, or looks at, is logged as an error.
//!
//! # Tests of handlers
//!
//! `portcullis_testing::gate_admitting(&claims)` is a gate that lets every request in with the claims that a test needs,
//! without a token; `portcullis_testing::TestIssuer` mints tokens for tests of the whole way.
//!
//! ```
//! use actix_web::{App, test, web};
//! use portcullis_actix::Auth;
//! use portcullis_testing::gate_admitting;
//!
//! async fn me(auth: Auth) -> String {
//!     format!("hello, {}", auth.subject().unwrap_or("somebody"))
//! }
//!
//! # #[actix_web::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let gate = gate_admitting(&serde_json::json!({"sub": "user-1"}))?;
//! let app = test::init_service(App::new().app_data(gate).route("/me", web::get().to(me))).await;
//! let body = test::call_and_read_body(&app, test::TestRequest::get().uri("/me").to_request()).await;
//! assert_eq!(body, "hello, user-1");
//! # Ok(()) }
//! ```
//!
//! The whole of the core is re-exported, so that one dependency and a provider's crate are enough.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod extract;
mod metadata;
mod middleware;
mod rejection;
mod view;

pub use portcullis::{
    Audience, AuthError, Config, ConfigError, Gate, Issuer, JwtVerifier, KeyProvider, Policy, Reason, Refusal, Require,
    ResourceMetadata, TokenSource, Verified, Verifier, any_permission, any_role, any_scope, async_trait, permissions,
    roles, scopes,
};
pub use portcullis::{adapter, checks, claims, clock, config, dangerous, error, jose, keys, policy, session, verifier};

pub use extract::{Auth, Authorized, MaybeAuth};
pub use metadata::resource_metadata;
pub use middleware::{AuthMiddleware, AuthMiddlewareService};
pub use rejection::Rejection;

/// Compiles the examples of `README.md`.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
