//! Clerk for portcullis.
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
//! The gate goes to the extractors and the guards of `portcullis-axum` or `portcullis-actix`.
//!
//! # In Clerk
//!
//! Copy the *publishable key* from the dashboard's *API keys* page: it names the instance, and with it the issuer and
//! the place of the keys. The *JWT public key* on the same page, in PEM, makes verification networkless
//! ([`Clerk::pem`], [`Clerk::from_pem`]). Nothing else has to be set up: the frontend sends what `getToken()` gives as
//! `Authorization: Bearer …`, or the browser sends a cookie ([`Clerk::session_cookies`]).
//!
//! Name the origins of your frontend as [`Clerk::authorized_parties`]: they keep out tokens that another application on
//! your domain obtained. See <https://clerk.com/docs/guides/sessions/manual-jwt-verification>.
//!
//! # The token
//!
//! A session token lives for a minute; the frontend gets a new one in time. Its payload, in version 2:
//!
//! ```json
//! {"azp": "https://app.example.com", "exp": 1767225660, "fea": "o:articles,o:invoices", "fva": [4, -1],
//!  "iat": 1767225600, "iss": "https://clerk.example.com", "jti": "f2b1c5d8a9e04c7b", "nbf": 1767225590,
//!  "o": {"id": "org_1", "slg": "acme", "rol": "admin", "per": "manage,read", "fpm": "3,2"},
//!  "pla": "o:pro", "sid": "sess_1", "sts": "active", "sub": "user_1", "v": 2}
//! ```
//!
//! [`ClerkClaims`] reads this and version 1 alike. Policies see the active organization's role as `org:admin` and its
//! permissions as `org:articles:manage`, in full; [`checks`] are for features, plans and reverification. See
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
//! One key signs all that an instance issues, so only session tokens are accepted unless [`Clerk::token_classes`] says
//! otherwise: tokens made from JWT templates, machines' tokens (`sub` is `mch_…`) and OAuth access tokens (`typ` is
//! `at+jwt`) have to be asked for, best in a verifier of their own with the [`Clerk::audience`] that they are for. The
//! class stands in the header's `cat`; a token without it counts as a session's unless `sub` or `typ` says otherwise,
//! and marks that contradict each other are refused.
//!
//! # What goes wrong
//!
//! | reason | why, mostly |
//! |---|---|
//! | `expired` | the client keeps a token; call `getToken()` for each request |
//! | `wrong_issuer` | the publishable key is that of another instance: development and production differ |
//! | `missing_claim`, `wrong_party` | `azp` is absent, or an origin that is not among the authorized parties |
//! | `session_pending` | the user has still to do something, such as choosing an organization ([`Clerk::allow_pending`]) |
//! | `wrong_token_class` | a template's, a machine's or an OAuth token: see above |
//! | `wrong_audience` | the token has an `aud`, from a template or a custom claim, and [`Clerk::audience`] is not set |
//! | `opaque_token` | an API key (`ak_`) or an opaque token (`mt_`, `oat_`), which Clerk's API alone can verify |

mod claims;
mod cookies;
mod entitlements;
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
