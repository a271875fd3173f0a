//! Actix Web extractors and a middleware for portcullis: verified callers as handler arguments.
//!
//! ```
//! use actix_web::{App, web};
//! use portcullis_actix::{Auth, Authorized, Config, Gate, MaybeAuth, Policy, Require, scopes};
//!
//! async fn me(auth: Auth) -> String {
//!     format!("hello, {}", auth.subject().unwrap_or("stranger"))
//! }
//!
//! async fn feed(auth: MaybeAuth) -> &'static str {
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
//! # fn main() -> Result<(), portcullis_actix::ConfigError> {
//! // The issuer as in the claim `iss`, and the name of this service as in the claim `aud`.
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
//! The presets `portcullis-auth0`, `portcullis-azure`, `portcullis-clerk` and `portcullis-oidc` make the verifier for an
//! identity provider. [`Config`] serves all other issuers, and [`JwtVerifier::builder`] a custom key provider.
//!
//! # Extractors
//!
//! [`Auth`] is a verified caller, and [`MaybeAuth`] an optional one. [`Authorized`] also checks a policy. Their type
//! parameter `C` is the type of the claims: `auth.claims`.
//!
//! An extractor guards its handler, so a handler with one is never open by an error in the routes.
//!
//! Never take `Option<Auth>`. Actix implements `Option` for every extractor and turns *every* failure into `None`, so a
//! forged token would pass as an anonymous caller. The compiler cannot forbid it. A refusal that is dropped this way is
//! logged as an error.
//!
//! # Where extractors find the gate
//!
//! They take the gate of the innermost [`AuthMiddleware`]. Without a middleware they take the gate in `app_data`, a
//! `Gate` or a `web::Data<Gate>`. Keep to one of the two types. Without a gate, or with two gates of the two types, the
//! answer is 500, and the log says what to write.
//!
//! # A guard before a part of the service
//!
//! [`AuthMiddleware`] guards an `App`, a `scope` or a `resource`.
//!
//! # Long connections
//!
//! A token is checked when a connection begins. [`Gate::watch`] ends the connection when the token expires or is revoked. Server-sent
//! events:
//!
//! ```
//! # #[cfg(feature = "remote")] {
//! use actix_web::web::Bytes;
//! use actix_web::{Error, HttpResponse, web};
//! use futures_core::Stream;
//! use portcullis_actix::{Auth, Gate};
//!
//! async fn events(gate: web::Data<Gate>, auth: Auth) -> HttpResponse {
//!     HttpResponse::Ok().content_type("text/event-stream").streaming(gate.watch(&auth).limit(prices()))
//! }
//! # fn prices() -> impl Stream<Item = Result<Bytes, Error>> { futures_util::stream::empty() }
//! # let _ = actix_web::App::new()
//! #     .app_data(web::Data::new(portcullis_testing::TestIssuer::new().gate()))
//! #     .route("/", web::get().to(events));
//! # }
//! ```
//!
//! Behind an [`AuthMiddleware`], the gate is a `web::ReqData<Gate>`. A browser then connects again, and the gate refuses its
//! token. A WebSocket, with `actix-ws`:
//!
//! ```
//! # #[cfg(feature = "remote")] {
//! use std::time::Duration;
//! use actix_web::{Error, HttpRequest, HttpResponse, rt, web};
//! use actix_ws::{CloseReason, Message, MessageStream, Session};
//! use portcullis_actix::{Auth, Gate, Watch};
//!
//! async fn connect(
//!     gate: web::Data<Gate>,
//!     auth: Auth,
//!     request: HttpRequest,
//!     body: web::Payload,
//! ) -> Result<HttpResponse, Error> {
//!     let (response, session, messages) = actix_ws::handle(&request, body)?;
//!     rt::spawn(serve(session, messages, gate.watch(&auth)));
//!     Ok(response)
//! }
//!
//! async fn serve(session: Session, messages: MessageStream, watch: Watch) {
//!     // `echo` stops when the client disconnects, and when the caller may no longer be connected.
//!     let Err(ended) = watch.run(echo(session.clone(), messages)).await else { return };
//!     let close = CloseReason {
//!         code: ended.websocket_close_code().into(),
//!         description: Some(ended.description().to_owned()),
//!     };
//!     // A client that does not read must not keep the connection open.
//!     let _ = rt::time::timeout(Duration::from_secs(5), session.close(Some(close))).await;
//! }
//!
//! async fn echo(mut session: Session, mut messages: MessageStream) {
//!     while let Some(Ok(message)) = messages.recv().await {
//!         let sent = match message {
//!             Message::Text(text) => session.text(text).await,
//!             Message::Ping(bytes) => session.pong(&bytes).await,
//!             _ => break,
//!         };
//!         if sent.is_err() {
//!             break;
//!         }
//!     }
//! }
//! # let _ = actix_web::App::new()
//! #     .app_data(web::Data::new(portcullis_testing::TestIssuer::new().gate()))
//! #     .route("/", web::get().to(connect));
//! # }
//! ```
//!
//! # Behind a proxy that strips a prefix
//!
//! [`Gate::with_public_url`] names the URL of the service. The path of a request is the one that the server received, also
//! within a `scope`. A middleware outside that changes the URI hides it, for example `NormalizePath`.
//!
//! # Tokens that are bound to a client certificate
//!
//! Such a token is let in only with its certificate (RFC 8705), here from nginx with
//! `proxy_set_header X-Client-Cert $ssl_client_escaped_cert;`:
//!
//! ```
//! use actix_web::{App, HttpServer, web};
//! use portcullis_actix::possession::{ClientCertificates, TrustedProxies};
//! use portcullis_actix::{Auth, Gate};
//!
//! async fn me(auth: Auth) -> String {
//!     format!("hello, {}", auth.subject().unwrap_or("stranger"))
//! }
//!
//! # async fn serve(gate: Gate) -> Result<(), Box<dyn std::error::Error>> {
//! let certificates = ClientCertificates::nginx("X-Client-Cert", TrustedProxies::at(["10.0.0.0/24"])?)?;
//! let gate = gate.with_client_certificates(certificates);
//! let app = move || App::new().app_data(gate.clone()).route("/me", web::get().to(me));
//! HttpServer::new(app).bind("0.0.0.0:8080")?.run().await?;
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
//! use actix_web::{App, web};
//! use portcullis_actix::possession::Dpop;
//! use portcullis_actix::{Auth, Config, ConfigError, Gate};
//!
//! async fn me(auth: Auth) -> String {
//!     format!("hello, {}", auth.subject().unwrap_or("stranger"))
//! }
//!
//! # fn main() -> Result<(), ConfigError> {
//! let verifier = Config::new("https://issuer.example", "https://api.example.com").verifier()?;
//! let gate = Gate::new(verifier).with_public_url("https://api.example.com")?.with_dpop(Dpop::required())?;
//! let app = App::new().app_data(gate).route("/me", web::get().to(me));
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
//! use actix_web::{App, web};
//! use portcullis_actix::introspection::{ClientAuthentication, IntrospectionVerifier};
//! use portcullis_actix::{Auth, ConfigError, Gate};
//!
//! async fn me(auth: Auth) -> String {
//!     format!("hello, {}", auth.subject().unwrap_or("stranger"))
//! }
//!
//! # fn app(secret: String) -> Result<(), ConfigError> {
//! let client = ClientAuthentication::client_secret_basic("orders-api", secret);
//! let verifier = IntrospectionVerifier::builder("https://issuer.example", "https://api.example.com", client).build()?;
//! let gate = Gate::new(verifier);
//! let app = App::new().app_data(gate).route("/me", web::get().to(me));
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
//! use actix_web::{App, test, web};
//! use portcullis_actix::Auth;
//! use portcullis_testing::gate_admitting;
//!
//! async fn me(auth: Auth) -> String {
//!     format!("hello, {}", auth.subject().unwrap_or("stranger"))
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
//! # OpenAPI
//!
//! With the feature `utoipa`, the guard that is really there writes the security requirements and the answers 400, 401, 403 and 503
//! of each operation into the document of `utoipa-actix-web`: `ScopeGuards` has an example.
//!
//! # Features and re-exports
//!
//! `jsonwebtoken` and `remote` are those of portcullis, and both are on by default. `fips` and `metrics` are those of portcullis,
//! and off. `rustls` adds `keep_client_certificate`, for tokens that are bound to a client certificate; it goes with the feature `rustls-0_23` of
//! actix-web. `utoipa` adds `OpenApiGuards` and `ScopeGuards`. `ws` adds `websocket::first_message` and `websocket::close`, for
//! the crate `actix-ws`.
//!
//! The modules and the daily names of portcullis are re-exported, so one dependency and the crate of your identity
//! provider are enough.
//!
//! Design notes: [Adapters](https://docs.rs/portcullis/latest/portcullis/_docs/adapters/).

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "utoipa")]
mod document;
mod extract;
mod mcp_middleware;
mod metadata;
mod middleware;
mod payload;
mod rejection;
mod state;
#[cfg(feature = "rustls")]
mod tls;
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
pub use document::{Described, GuardExtractor, OpenApiGuards, ScopeGuards};
pub use extract::{Auth, Authorized, MaybeAuth};
pub use mcp_middleware::{McpMiddleware, McpMiddlewareService};
pub use metadata::{resource_metadata, resource_metadata_routes};
pub use middleware::{AuthMiddleware, AuthMiddlewareService};
pub use rejection::Rejection;
#[cfg(feature = "rustls")]
pub use tls::keep_client_certificate;

/// Compiles the examples of `README.md`.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
