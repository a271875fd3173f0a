//! Verifies the tokens of one [Clerk](https://clerk.com/docs) instance with portcullis.
//!
//! [`Clerk`] makes a verifier from a publishable key, a Frontend API host or a public key. [`ClerkClaims`] are the claims
//! of a token. Sign-in pages, session refresh and Clerk's Backend API are not part of this crate.
//!
//! ```
//! # fn main() -> Result<(), portcullis::ConfigError> {
//! use portcullis::Gate;
//! use portcullis_clerk::Clerk;
//!
//! let clerk = Clerk::from_publishable_key("pk_live_Y2xlcmsuZXhhbXBsZS5jb20k")?
//!     .authorized_parties(["https://app.example.com"]);
//! let gate = Gate::new(clerk.verifier()?);
//! # let _ = gate;
//! # Ok(()) }
//! ```
//!
//! Pass the gate to the extractors or the guard of `portcullis-axum` or `portcullis-actix`.
//!
//! # In Clerk
//!
//! 1. Copy the *publishable key* from the dashboard's *API keys* page. It names the instance, and with it the issuer and
//!    the key URL.
//! 2. To verify without any network access, also copy the *JWT public key* (PEM) from the same page, and pass it to
//!    [`Clerk::pem`] or [`Clerk::from_pem`].
//! 3. Pass the origins of your frontend to [`Clerk::authorized_parties`]. Tokens that another application on your domain
//!    got are then refused. See <https://clerk.com/docs/guides/sessions/manual-jwt-verification>.
//!
//! Nothing else needs to be configured. The frontend sends the result of `getToken()` as `Authorization: Bearer …`, or
//! the browser sends a cookie ([`Clerk::session_cookies`]).
//!
//! # The token
//!
//! A session token lives for one minute, and the frontend renews it. Its payload, in version 2:
//!
//! ```json
//! {"azp": "https://app.example.com", "exp": 1767225660, "fea": "o:articles,o:invoices", "fva": [4, -1],
//!  "iat": 1767225600, "iss": "https://clerk.example.com", "jti": "f2b1c5d8a9e04c7b", "nbf": 1767225590,
//!  "o": {"id": "org_1", "slg": "acme", "rol": "admin", "per": "manage,read", "fpm": "3,2"},
//!  "pla": "o:pro", "sid": "sess_1", "sts": "active", "sub": "user_1", "v": 2}
//! ```
//!
//! [`ClerkClaims`] reads versions 1 and 2. Policies see the role in the active organization as `org:admin`, and the
//! permissions as `org:articles:manage`. [`checks`] has checks for features, plans and reverification. See
//! <https://clerk.com/docs/guides/sessions/session-tokens>.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use portcullis::{Gate, permissions, roles};
//! use portcullis_clerk::{Clerk, ClerkClaims};
//! use portcullis_testing::TestIssuer;
//!
//! let instance = TestIssuer::clerk("clerk.example.com");
//! let gate = Gate::new(Clerk::from_frontend_api("clerk.example.com").keys(instance.keys()).verifier()?);
//!
//! let token = instance.token().clerk_organization("admin", "o:articles,o:invoices", "manage,read", "3,2");
//! let caller = gate.verify(&token.sign()).await?;
//! roles(["org:admin"]).and(permissions(["org:invoices:read"])).check(&caller)?;
//! assert!(!caller.claims::<ClerkClaims>()?.has_permission("org:invoices:manage"));
//! # Ok(()) }
//! ```
//!
//! # Other tokens
//!
//! An instance signs all its tokens with one key. By default, only session tokens are accepted. [`Clerk::token_classes`]
//! accepts others: tokens made from JWT templates, machine tokens (`sub` is `mch_…`) and OAuth access tokens (`typ` is
//! `at+jwt`). Give each class its own verifier, with the audience of its tokens ([`Clerk::audience`]).
//!
//! The header's `cat` names the class. A token without `cat` is a session token, unless `sub` or `typ` says otherwise. A
//! token with contradicting marks is refused.
//!
//! # What gets in, and what is refused
//!
//! Each kind of token that an instance issues, or that clients send by mistake, with [`Clerk::authorized_parties`] set. "The
//! log adds" is the field `explanation` of the event `request refused`, at the level `DEBUG`.
//!
#![doc = include_str!("tokens.md")]
//!
//! A token that the client uses again after its minute is refused as `expired`. Let the client call `getToken()` for each
//! request. Clerk has no guests: everyone who signed in is a user. Where users can sign up, anyone is a user.
//!
//! # Features
//!
//! - `jsonwebtoken` (default): enables the feature of the same name in portcullis.
//! - `remote` (default): fetches the keys. Without it, this crate never touches the network: use
//!   [`Clerk::from_pem`], [`Clerk::pem`] or [`Clerk::keys`].
//!
//! Design notes: [Clerk](https://docs.rs/portcullis/latest/portcullis/_docs/clerk/).

#![cfg_attr(docsrs, feature(doc_cfg))]

mod claims;
mod cookies;
mod entitlements;
mod explain;
mod frontend_api;
mod grants;
mod jwt_key;
mod organization;
mod preset;
mod publishable_key;
mod rules;
mod token_class;

pub mod checks;

pub use claims::{Actor, ClerkClaims, SessionStatus};
pub use entitlements::Entitlements;
pub use grants::ClerkGrants;
pub use organization::Organization;
pub use preset::Clerk;
pub use token_class::TokenClass;

/// Compiles the examples of `README.md`.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
