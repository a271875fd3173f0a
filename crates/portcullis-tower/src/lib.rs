//! A tower layer for portcullis: verified callers reach the service behind it, other requests are refused.
//!
//! It works with every tower service whose requests and responses are those of the crate `http`: routers of axum, gRPC
//! services of tonic, services on a hyper server, and other frameworks on tower. Users of axum take `portcullis-axum`,
//! which has this layer and extractors for handlers as well.
//!
//! ```
//! use http::{Request, Response};
//! use portcullis_tower::adapter::Admission;
//! use portcullis_tower::{AuthLayer, Config, Gate};
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! async fn hello(request: Request<String>) -> Result<Response<String>, std::convert::Infallible> {
//!     let caller = request.extensions().get::<Admission>().map(Admission::caller);
//!     Ok(Response::new(format!("hello, {}", caller.and_then(|caller| caller.subject()).unwrap_or("stranger"))))
//! }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // The issuer as in the claim `iss`, and the name of this service as in the claim `aud`.
//! let verifier = Config::new("https://issuer.example", "https://api.example.com").verifier()?;
//! let service = AuthLayer::new(Gate::new(verifier)).layer(service_fn(hello));
//!
//! // A request without a token does not reach it.
//! let response = service.oneshot(Request::new(String::new())).await?;
//! assert_eq!(response.status(), 401);
//! # Ok(()) }
//! ```
//!
//! # What the service behind it knows
//!
//! The request's extensions hold the [`Gate`] and, when there is a caller, its
//! [`Admission`](adapter::Admission). `caller.claims::<C>()` reads the claims as your own type, and
//! `gate.authorize(caller, &policy)` asks for more than the layer did. [`response`] makes the answer to such a refusal.
//!
//! # The response
//!
//! [`AuthBody`] is the body of all responses: the service's own body, or the text of a refusal. It implements
//! [`http_body::Body`], which is what axum, tonic and hyper ask for.
//!
//! gRPC clients read the code of a refusal from the HTTP status. tonic's clients also need a header field
//! `grpc-status`, which [`Gate::with_refusals`] adds.
//!
//! # Features
//!
//! `jsonwebtoken` and `remote` are those of portcullis, and both are on by default. `fips` and `metrics` are those of portcullis,
//! and off.
//!
//! The modules and the daily names of portcullis are re-exported, so one dependency and the crate of your identity
//! provider are enough.
//!
//! Design notes: [Adapters](https://docs.rs/portcullis/latest/portcullis/_docs/adapters/).

#![cfg_attr(docsrs, feature(doc_cfg))]

mod body;
mod layer;
mod rejection;
mod view;

pub use portcullis::{
    Audience, AuthError, Config, ConfigError, Gate, Issuer, JwtVerifier, KeyProvider, Policy, Reason, Refusal, Require,
    ResourceMetadata, TokenSource, Verified, Verifier, any_permission, any_role, any_scope, async_trait, permissions,
    roles, scopes,
};
pub use portcullis::{
    adapter, checks, claims, clock, config, dangerous, error, jose, keys, policy, possession, session, verifier,
};

#[cfg(feature = "metrics")]
#[cfg_attr(docsrs, doc(cfg(feature = "metrics")))]
pub use portcullis::metrics;

pub use body::AuthBody;
pub use layer::{AuthLayer, AuthService};
pub use rejection::response;
pub use view::PartsView;

/// Compiles the examples of `README.md`.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
