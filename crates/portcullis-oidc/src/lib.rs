//! Verifies the tokens of ten identity providers with portcullis, from Okta to Zitadel.
//!
//! Each preset knows the issuer, the key location and the algorithms of its identity provider, and the checks that its
//! tokens need beyond issuer and audience. Presets for Auth0, Clerk and Microsoft Entra ID are in `portcullis-auth0`,
//! `portcullis-clerk` and `portcullis-azure`. Login pages and sessions are not part of this crate.
//!
//! ```
//! # fn main() -> Result<(), portcullis::ConfigError> {
//! use portcullis::Gate;
//! use portcullis_oidc::Okta;
//!
//! let gate = Gate::new(Okta::new("dev-1.okta.com", "api://default").verifier()?);
//! # Ok(()) }
//! ```
//!
//! Pass the gate to the extractors or the guard of `portcullis-axum` or `portcullis-actix`.
//!
//! | preset | tokens | keys | roles for policies |
//! |---|---|---|---|
//! | [`Authok`] | access tokens for an API | `{issuer}.well-known/jwks.json` | `roles` |
//! | [`Cognito`] | access tokens for app clients, or ID tokens | `{issuer}/.well-known/jwks.json` | `cognito:groups` |
//! | [`Firebase`] | ID tokens of a project, or session cookies | the keys of `securetoken@system.gserviceaccount.com` | `roles` |
//! | [`Google`] | ID tokens for a client | `https://www.googleapis.com/oauth2/v3/certs` | `roles` |
//! | [`Keycloak`] | access tokens of a realm | `{issuer}/protocol/openid-connect/certs` | roles of the realm or of one client |
//! | [`Logto`] | access tokens for an API resource | by discovery | `roles` |
//! | [`Okta`] | access tokens of a custom authorization server | by discovery | `roles` |
//! | [`Supabase`] | access tokens of signed-in users | `{issuer}/.well-known/jwks.json` | `roles` |
//! | [`WorkOs`] | access tokens for an API, or of sessions | by discovery, or the client's key set | `roles`, else `role` |
//! | [`Zitadel`] | access tokens for a project | by discovery | `urn:zitadel:iam:org:project:{id}:roles` |
//!
//! The page of each preset says what to click at the identity provider, what a token looks like, and what happens to each
//! kind of token: who gets in, and what the log says about the others.
//!
//! A check keeps out callers for which a preset has no option. Logto, for example, also issues tokens for other organizations
//! of the tenant:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use portcullis::Gate;
//! use portcullis_oidc::Logto;
//! use portcullis_testing::TestIssuer;
//!
//! // Issues tokens like those of a Logto tenant.
//! let tenant = TestIssuer::logto("https://tenant.logto.app", "https://api.example.com");
//! let logto = Logto::new("https://tenant.logto.app", "https://api.example.com").keys(tenant.keys());
//! let verifier = logto.builder()?.check_fn("organization", |token| {
//!     matches!(token.claims().get::<String>("organization_id"), Ok(Some(id)) if id == "org1")
//! });
//! let gate = Gate::new(verifier.build()?);
//!
//! assert!(gate.verify(&tenant.token().claim("organization_id", "org1").sign()).await.is_ok());
//! for other in [tenant.token(), tenant.token().claim("organization_id", "org2")] {
//!     let refused = gate.verify(&other.sign()).await.unwrap_err();
//!     assert_eq!(refused.reason().unwrap().as_str(), "check_failed");
//! }
//! # Ok(()) }
//! ```
//!
//! To change anything that a preset sets, use the general builder from [`Preset::builder`]. Any other OpenID provider
//! works without a preset: `portcullis::Config` needs only its issuer and your audience.
//!
//! # Features
//!
//! - `jsonwebtoken` (default): enables the feature of the same name in portcullis.
//! - `remote` (default): fetches the keys. Without it, this crate never touches the network: pass the keys to
//!   [`Preset::keys`].
//!
//! Design notes: [Presets](https://docs.rs/portcullis/latest/portcullis/_docs/presets/).

#![cfg_attr(docsrs, feature(doc_cfg))]

mod authok;
mod cognito;
mod explain;
mod firebase;
mod google;
mod id_token;
mod keycloak;
mod logto;
mod okta;
mod preset;
mod supabase;
mod url;
mod workos;
mod zitadel;

pub use authok::Authok;
pub use cognito::{Cognito, CognitoClaims};
pub use firebase::Firebase;
pub use google::Google;
pub use keycloak::{Keycloak, KeycloakClaims};
pub use logto::Logto;
pub use okta::Okta;
pub use preset::Preset;
pub use supabase::Supabase;
pub use workos::WorkOs;
pub use zitadel::Zitadel;

/// Compiles the examples of `README.md`.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
