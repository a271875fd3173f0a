//! Presets for portcullis: each knows what its provider writes into tokens, where the keys are, and what must be
//! checked beyond issuer and audience.
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
//! The gate goes to the extractors and the guards of `portcullis-axum` or `portcullis-actix`.
//!
//! | preset | tokens | keys | roles of policies |
//! |---|---|---|---|
//! | [`Authok`] | access tokens for an API | `{issuer}.well-known/jwks.json` | `roles` |
//! | [`Cognito`] | access tokens for app clients | `{issuer}/.well-known/jwks.json` | `cognito:groups` |
//! | [`Firebase`] | ID tokens of a project | of `securetoken@system.gserviceaccount.com` | `roles` |
//! | [`Google`] | ID tokens for a client | `https://www.googleapis.com/oauth2/v3/certs` | `roles` |
//! | [`Keycloak`] | access tokens of a realm | `{issuer}/protocol/openid-connect/certs` | the realm's, or one client's |
//! | [`Logto`] | access tokens for an API resource | by discovery | `roles` |
//! | [`Okta`] | access tokens of a custom authorization server | by discovery | `roles` |
//! | [`Supabase`] | access tokens of signed-in users | `{issuer}/.well-known/jwks.json` | `roles` |
//! | [`WorkOs`] | access tokens for an API, or of sessions | by discovery, or the client's | `roles`, else `role` |
//! | [`Zitadel`] | access tokens for a project | by discovery | `urn:zitadel:iam:org:project:{id}:roles` |
//!
//! Each page says what to click at the provider, what a token looks like, and what goes wrong. Whatever a preset sets
//! can be changed: [`Preset::builder`] gives the general builder. A provider that is not here needs no preset, only its
//! issuer and your audience: `portcullis::Config`.

mod authok;
mod cognito;
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
