//! Axum extractors and a layer for portcullis: verified callers as handler arguments.
//!
//! ```
//! use axum::{Router, routing::get};
//! use portcullis_axum::{Auth, Authorized, Config, Gate, Policy, Require, scopes};
//!
//! async fn me(auth: Auth) -> String {
//!     format!("hello, {}", auth.subject().unwrap_or("stranger"))
//! }
//!
//! async fn feed(auth: Option<Auth>) -> &'static str {
//!     if auth.is_some() { "personal" } else { "public" }
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
//! // The issuer as in the claim `iss`, and the name of this service as in the claim `aud`.
//! let verifier = Config::new("https://issuer.example", "https://api.example.com").verifier()?;
//! let app: Router = Router::new()
//!     .route("/me", get(me))
//!     .route("/feed", get(feed))
//!     .route("/messages", get(messages))
//!     .with_state(Gate::new(verifier));
//! # Ok(()) }
//! ```
//!
//! The presets `portcullis-auth0`, `portcullis-azure`, `portcullis-clerk` and `portcullis-oidc` make the verifier for an
//! identity provider. [`Config`] serves all other issuers, and [`JwtVerifier::builder`] a custom key provider.
//!
//! # Extractors
//!
//! [`Auth`] is a verified caller, and `Option<Auth>` an optional one. [`Authorized`] also checks a policy. Their type
//! parameter `C` is the type of the claims: `auth.claims`.
//!
//! An extractor guards its handler, so a handler with one is never open by an error in the routes.
//!
//! # Where extractors find the gate
//!
//! They take the gate of the innermost layer: [`AuthLayer`], or `axum::Extension(gate)`. Without a layer they take the
//! gate of the router's state, which is a [`Gate`] or implements [`HasGate`]. If only layers have a gate, the state still
//! implements it, and returns `None`. Without any gate, the answer is 500, and the log says what to write.
//!
//! # A guard before a part of the service
//!
//! [`AuthLayer`] guards all routes of a router. It is the layer of `portcullis-tower` and works around any tower service.
//! Add it after the routes and their methods:
//! [what is added later stays open](AuthLayer#routes-that-are-added-later-stay-open). Make the gate once, and
//! [clone it](AuthLayer#one-gate-cloned) for the state and the layers.
//!
//! # Long connections
//!
//! A token is checked when a connection begins. [`Gate::watch`] ends the connection when the token expires or is revoked. Server-sent
//! events:
//!
//! ```
//! # #[cfg(feature = "remote")] {
//! use std::convert::Infallible;
//! use axum::extract::State;
//! use axum::response::Sse;
//! use axum::response::sse::Event;
//! use futures_core::Stream;
//! use portcullis_axum::{Auth, Gate};
//!
//! async fn events(State(gate): State<Gate>, auth: Auth) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
//!     Sse::new(gate.watch(&auth).limit(prices()))
//! }
//! # fn prices() -> impl Stream<Item = Result<Event, Infallible>> { futures_util::stream::empty() }
//! # let _: axum::Router = axum::Router::new().route("/", axum::routing::get(events))
//! #     .with_state(portcullis_testing::TestIssuer::new().gate());
//! # }
//! ```
//!
//! A browser then connects again, and the gate refuses its token. A WebSocket, with the feature `ws` of axum:
//!
//! ```
//! # #[cfg(feature = "remote")] {
//! use std::time::Duration;
//! use axum::extract::State;
//! use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
//! use axum::response::Response;
//! use portcullis_axum::{Auth, Gate, Watch};
//!
//! async fn connect(State(gate): State<Gate>, auth: Auth, upgrade: WebSocketUpgrade) -> Response {
//!     let watch = gate.watch(&auth);
//!     upgrade.on_upgrade(|socket| serve(socket, watch))
//! }
//!
//! async fn serve(mut socket: WebSocket, watch: Watch) {
//!     // `echo` stops when the client disconnects, and when the caller may no longer be connected.
//!     let Err(ended) = watch.run(echo(&mut socket)).await else { return };
//!     let close = CloseFrame { code: ended.websocket_close_code(), reason: ended.description().to_owned().into() };
//!     // A client that does not read must not keep the connection open.
//!     let _ = tokio::time::timeout(Duration::from_secs(5), socket.send(Message::Close(Some(close)))).await;
//! }
//!
//! async fn echo(socket: &mut WebSocket) {
//!     while let Some(Ok(message)) = socket.recv().await {
//!         if socket.send(message).await.is_err() {
//!             break;
//!         }
//!     }
//! }
//! # let _: axum::Router = axum::Router::new().route("/", axum::routing::get(connect))
//! #     .with_state(portcullis_testing::TestIssuer::new().gate());
//! # }
//! ```
//!
//! # Behind a proxy that strips a prefix
//!
//! [`Gate::with_public_url`] names the URL of the service. The path of a request is the one that the server received, also
//! within `nest`. A layer outside of the router that changes the URI hides it, for example `NormalizePathLayer`.
//!
//! # Tokens that are bound to a client certificate
//!
//! Such a token is let in only with its certificate (RFC 8705), here from nginx with
//! `proxy_set_header X-Client-Cert $ssl_client_escaped_cert;`. The address of the proxy comes from
//! `ConnectInfo<SocketAddr>`.
//!
//! ```
//! use std::net::SocketAddr;
//!
//! use axum::{Router, routing::get};
//! use portcullis_axum::possession::{ClientCertificates, TrustedProxies};
//! use portcullis_axum::{Auth, Gate};
//!
//! async fn me(auth: Auth) -> String {
//!     format!("hello, {}", auth.subject().unwrap_or("stranger"))
//! }
//!
//! # async fn serve(gate: Gate, listener: tokio::net::TcpListener) -> Result<(), Box<dyn std::error::Error>> {
//! let certificates = ClientCertificates::nginx("X-Client-Cert", TrustedProxies::at(["10.0.0.0/24"])?)?;
//! let app = Router::new().route("/me", get(me)).with_state(gate.with_client_certificates(certificates));
//! axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await?;
//! # Ok(()) }
//! ```
//!
//! Other proxies, and a service that ends TLS itself:
//! [Proof of possession](https://docs.rs/portcullis/latest/portcullis/_docs/proof_of_possession/).
//!
//! # Tokens that a thief cannot use
//!
//! A token can be bound to a key of its client. With DPoP (RFC 9449), each request proves that key:
//!
//! ```
//! use axum::{Router, routing::get};
//! use portcullis_axum::possession::Dpop;
//! use portcullis_axum::{Auth, Config, ConfigError, Gate};
//!
//! async fn me(auth: Auth) -> String {
//!     format!("hello, {}", auth.subject().unwrap_or("stranger"))
//! }
//!
//! # fn main() -> Result<(), ConfigError> {
//! let verifier = Config::new("https://issuer.example", "https://api.example.com").verifier()?;
//! let gate = Gate::new(verifier).with_public_url("https://api.example.com")?.with_dpop(Dpop::required())?;
//! let app: Router = Router::new().route("/me", get(me)).with_state(gate);
//! # Ok(()) }
//! ```
//!
//! [`Dpop`](possession::Dpop) has the options: bearer tokens next to bound ones, nonces, and the store of used proofs.
//!
//! # Opaque tokens
//!
//! The issuer's introspection endpoint (RFC 7662) says what an opaque token means. Its metadata names the endpoint:
//!
//! ```
//! use axum::{Router, routing::get};
//! use portcullis_axum::introspection::{ClientAuthentication, IntrospectionVerifier};
//! use portcullis_axum::{Auth, ConfigError, Gate};
//!
//! async fn me(auth: Auth) -> String {
//!     format!("hello, {}", auth.subject().unwrap_or("stranger"))
//! }
//!
//! # fn app(secret: String) -> Result<(), ConfigError> {
//! let client = ClientAuthentication::client_secret_basic("orders-api", secret);
//! let verifier = IntrospectionVerifier::builder("https://issuer.example", "https://api.example.com", client).build()?;
//! let app: Router = Router::new().route("/me", get(me)).with_state(Gate::new(verifier));
//! # Ok(()) }
//! ```
//!
//! [`ByForm`](verifier::ByForm) accepts JWTs and opaque tokens behind one gate.
//!
//! # Tests of handlers
//!
//! `portcullis_testing::gate_admitting(&claims)` makes a gate that admits every request with these claims, without a
//! token. `portcullis_testing::TestIssuer` mints tokens, for tests that include the verification.
//!
//! ```
//! use axum::{Router, body::Body, http::Request, routing::get};
//! use portcullis_axum::Auth;
//! use portcullis_testing::gate_admitting;
//! use tower::ServiceExt;
//!
//! async fn me(auth: Auth) -> String {
//!     format!("hello, {}", auth.subject().unwrap_or("stranger"))
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
//! # OpenAPI
//!
//! With the feature `utoipa`, the guard that is really there writes the security requirements and the answers 400, 401, 403 and 503
//! of each operation into the document of `utoipa-axum`: `OpenApiGuards` has an example.
//!
//! # Features and re-exports
//!
//! `jsonwebtoken` and `remote` are those of portcullis. `connect-info` reads the address of a request's peer from
//! `ConnectInfo<SocketAddr>`, for client certificates that a proxy forwards. All of these are on by default.
//! `utoipa` adds `OpenApiGuards`. `ws` adds `websocket::first_message` and `websocket::close`; it goes with the feature `ws` of axum.
//! `metrics` and `fips`, off by default, are those of portcullis as well.
//!
//! The modules and the daily names of portcullis are re-exported, so one dependency and the crate of your identity
//! provider are enough.
//!
//! Design notes: [Adapters](https://docs.rs/portcullis/latest/portcullis/_docs/adapters/).

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "utoipa")]
mod document;
mod extract;
mod layer;
mod mcp_layer;
mod metadata;
mod rejection;
mod state;
mod view;
pub mod websocket;

#[cfg(feature = "remote")]
pub use portcullis::Watch;
#[cfg(feature = "remote")]
#[cfg_attr(docsrs, doc(cfg(feature = "remote")))]
pub use portcullis::introspection;
#[cfg(feature = "metrics")]
#[cfg_attr(docsrs, doc(cfg(feature = "metrics")))]
pub use portcullis::metrics;
#[cfg(feature = "utoipa")]
#[cfg_attr(docsrs, doc(cfg(feature = "utoipa")))]
pub use portcullis::openapi;
#[cfg(feature = "remote")]
#[cfg_attr(docsrs, doc(cfg(feature = "remote")))]
pub use portcullis::tickets;
pub use portcullis::{
    Audience, AuthError, Config, ConfigError, Gate, Issuer, JwtVerifier, KeyProvider, Policy, Reason, Refusal, Require,
    ResourceMetadata, TokenSource, Verified, Verifier, any_permission, any_role, any_scope, async_trait, permissions,
    roles, scopes,
};
pub use portcullis::{
    adapter, checks, claims, clock, config, dangerous, error, jose, keys, mcp, policy, possession, session, verifier,
};

#[cfg(feature = "utoipa")]
#[cfg_attr(docsrs, doc(cfg(feature = "utoipa")))]
pub use document::{GuardExtractor, OpenApiGuards};
pub use extract::{Auth, Authorized};
pub use layer::AuthLayer;
pub use mcp_layer::{McpLayer, McpService};
pub use metadata::{MetadataDocument, resource_metadata, resource_metadata_routes};
pub use portcullis_tower::{AuthBody, AuthService};
pub use rejection::Rejection;
pub use state::HasGate;

/// Compiles the examples of `README.md`.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
