//! Verifies the access tokens of Microsoft Entra ID (Azure AD), Azure AD B2C and Entra External ID with portcullis.
//!
//! [`Azure`] makes a verifier for one API, from the tenant or tenants and the application's client ID. [`AzureClaims`]
//! are the claims of a token. Sign-in pages and calls to Microsoft Graph are not part of this crate.
//!
//! ```
//! # fn main() -> Result<(), portcullis::ConfigError> {
//! # const TENANT: &str = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490";
//! # const CLIENT_ID: &str = "535fb089-9ff3-47b6-9bfb-4f1264799865";
//! use portcullis::Gate;
//! use portcullis_azure::Azure;
//!
//! let gate = Gate::new(Azure::single_tenant(TENANT, CLIENT_ID).verifier()?);
//! # Ok(()) }
//! ```
//!
//! Pass the gate to the extractors or the guard of `portcullis-axum` or `portcullis-actix`.
//!
//! # In the Entra admin center
//!
//! 1. *App registrations → New registration*: register the API, separately from its clients. *Directory (tenant) ID* and
//!    *Application (client) ID* are the two arguments above. The account types decide the constructor:
//!    - *this organizational directory only*: [`Azure::single_tenant`];
//!    - *any organizational directory*: [`Azure::tenants`] if you know the tenants, else [`Azure::organizations`];
//!    - *and personal Microsoft accounts*: [`Azure::common`].
//! 2. *Expose an API*: set the Application ID URI. `api://{client id}` is accepted by default; pass any other to
//!    [`Azure::audience`]. Add scopes for users, for policies such as `scopes("Files.Read")`.
//! 3. *App roles*: add roles for applications, for users or for both, for policies such as `roles(["Files.Read.All"])`.
//! 4. *Manifest*: `requestedAccessTokenVersion: 2` gives tokens of version 2.0. Both versions are accepted by default
//!    ([`Azure::versions`]).
//! 5. *Token configuration* (optional): add the claim `idtyp` with `include_user_token`. [`AzureClaims::caller`] then
//!    always tells users and applications apart.
//!
//! Clients ask for a scope of the API, `api://{client id}/Files.Read`. Daemons ask for `api://{client id}/.default`.
//!
//! # In the service
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # const TENANT: &str = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490";
//! # const CLIENT_ID: &str = "535fb089-9ff3-47b6-9bfb-4f1264799865";
//! use portcullis::{Gate, scopes};
//! use portcullis_azure::{Azure, AzureClaims, Groups};
//! use portcullis_testing::TestIssuer;
//!
//! // Issues tokens like those of an Entra ID tenant.
//! let tenant = TestIssuer::azure(TENANT, CLIENT_ID);
//! let gate = Gate::new(Azure::single_tenant(TENANT, CLIENT_ID).keys(tenant.keys()).verifier()?);
//!
//! let caller = gate.verify(&tenant.token().claim("scp", "Files.Read Files.Write").sign()).await?;
//! assert!(scopes("Files.Write").check(&caller).is_ok());
//!
//! let claims: AzureClaims = caller.claims()?;
//! // Identify the user by `tid` and `oid`, never by user name or e-mail address.
//! assert!(claims.is_delegated() && claims.tid.as_deref() == Some(TENANT) && claims.oid.is_some());
//! assert_eq!(claims.groups, Groups::NotIssued);
//! # Ok(()) }
//! ```
//!
//! [`Azure::from_env`] reads `AZURE_TENANT_ID` and `AZURE_CLIENT_ID`. With several tenants, `oid` is unique only within one
//! tenant, so store users under [`AzureClaims::tid`] and [`AzureClaims::oid`] together. For B2C and External ID, use
//! [`Azure::b2c`] and [`Azure::external_id`].
//!
//! # What is checked
//!
//! In addition to signature, times and audience:
//!
//! - `iss` is the name of an accepted tenant, in version 1.0 (`https://sts.windows.net/{tenant}/`) or 2.0
//!   (`https://login.microsoftonline.com/{tenant}/v2.0`), and `tid` is that tenant.
//! - The key is for that tenant: the key's own member `issuer` says so. With one tenant, a key without this member is bound
//!   to the tenant by its URL. With several tenants, such a key verifies no token, because it could be the key of any
//!   tenant. A key of a sovereign cloud names that cloud ([`Azure::cloud`]), so it verifies no token of another cloud.
//! - The algorithm is RS256, and `typ` is `JWT`.
//! - The token is an access token and grants a scope or a role. An ID token of the same application has the same
//!   audience. It has neither a scope nor a client in `azp` or `appid`, and is refused.
//!
//! Keys are fetched from `https://login.microsoftonline.com/{tenant}/discovery/v2.0/keys` when the first token arrives,
//! refreshed every hour, and kept for a day if Microsoft is unreachable. This follows
//! <https://learn.microsoft.com/en-us/entra/identity-platform/signing-key-rollover>.
//!
//! # What gets in, and what is refused
//!
//! Each kind of token that Entra ID issues, or that clients send by mistake, with [`Azure::single_tenant`]. "The log adds" is
//! the field `explanation` of the event `request refused`, at the level `DEBUG`.
//!
#![doc = include_str!("tokens/entra_id.md")]
//!
//! A token of a version that [`Azure::versions`] excludes is refused as `wrong_issuer`, and one of the wrong kind of caller
//! ([`Azure::app_only`], [`Azure::delegated_only`]) as `wrong_token_class`. If every token is refused as `wrong_issuer`, the keys come from another cloud ([`Azure::cloud`]), or from your own key
//! provider and have no member `issuer` ([`Azure::keys`]).
//!
//! With [`Azure::b2c`]:
//!
#![doc = include_str!("tokens/b2c.md")]
//!
//! With [`Azure::external_id`]:
//!
#![doc = include_str!("tokens/external_id.md")]
//!
//! # Features
//!
//! - `jsonwebtoken` (default): enables the feature of the same name in portcullis.
//! - `remote` (default): fetches the keys. Without it, this crate never touches the network: pass the keys to [`Azure::keys`].
//!
//! Design notes: [Entra ID](https://docs.rs/portcullis/latest/portcullis/_docs/entra_id/).

#![cfg_attr(docsrs, feature(doc_cfg))]

mod caller;
mod claims;
mod cloud;
mod environment;
mod explain;
mod grants;
mod graph;
mod groups;
mod guid;
mod keys;
mod policy;
mod preset;
mod tenancy;

pub use caller::Caller;
pub use claims::AzureClaims;
pub use cloud::Cloud;
pub use groups::Groups;
pub use preset::Azure;
pub use tenancy::TokenVersions;

/// Compiles the examples of `README.md`.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
