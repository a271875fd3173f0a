//! Microsoft Entra ID (Azure) for portcullis.
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
//! The gate goes to the extractors and the guards of `portcullis-axum` or `portcullis-actix`.
//!
//! # In the Entra admin center
//!
//! 1. *App registrations → New registration*: one for the API, beside those of its clients. Its *Directory (tenant) ID*
//!    and *Application (client) ID* are the two arguments above. The choice of account types decides the constructor:
//!    *this organizational directory only* is [`Azure::single_tenant`], *any organizational directory*
//!    [`Azure::organizations`] or, better, [`Azure::tenants`], *and personal Microsoft accounts* [`Azure::common`].
//! 2. *Expose an API*: set the Application ID URI (`api://{client id}` is accepted as it is; one of your own goes to
//!    [`Azure::audience`]) and add scopes, for users: policies of `scopes("Files.Read")`.
//! 3. *App roles*: add roles, for applications, for users or for both: policies of `roles(["Files.Read.All"])`.
//! 4. *Manifest*: `requestedAccessTokenVersion: 2` makes tokens of version 2.0. Both are accepted here, unless
//!    [`Azure::versions`] says otherwise.
//! 5. *Token configuration*, optional: the claim `idtyp`, with `include_user_token`, makes [`AzureClaims::caller`] certain.
//!
//! Clients ask for a scope of the API, `api://{client id}/Files.Read`, or `api://{client id}/.default` for themselves.
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
//! // A stand-in for the tenant, with tokens and keys like those of Entra ID.
//! let tenant = TestIssuer::azure(TENANT, CLIENT_ID);
//! let gate = Gate::new(Azure::single_tenant(TENANT, CLIENT_ID).keys(tenant.keys()).verifier()?);
//!
//! let caller = gate.verify(&tenant.token().claim("scp", "Files.Read Files.Write").sign()).await?;
//! assert!(scopes("Files.Write").check(&caller).is_ok());
//!
//! let claims: AzureClaims = caller.claims()?;
//! // Who it is: the object in its tenant. Never the user name or the e-mail address.
//! assert!(claims.is_delegated() && claims.tid.as_deref() == Some(TENANT) && claims.oid.is_some());
//! assert_eq!(claims.groups, Groups::NotIssued);
//! # Ok(()) }
//! ```
//!
//! [`Azure::from_env`] reads `AZURE_TENANT_ID` and `AZURE_CLIENT_ID`. With several tenants, an object is only unique within
//! its own: [`AzureClaims::tid`] is part of every key under which something is stored.
//!
//! # What is checked
//!
//! Besides signature, times and audience: `iss` is the name of a tenant that is accepted, of version 1.0
//! (`https://sts.windows.net/{tenant}/`) or 2.0 (`https://login.microsoftonline.com/{tenant}/v2.0`); `tid` is that tenant; the
//! key is for that tenant, as its own member `issuer` says; the algorithm is RS256 and `typ` is `JWT`; the token is an
//! access token that grants something. An ID token of the same application has the same audience: having neither a scope
//! nor a client in `azp` or `appid`, it is refused.
//!
//! Keys are fetched from `https://login.microsoftonline.com/{tenant}/discovery/v2.0/keys` with the first token, refreshed each
//! hour and kept for a day if Microsoft can't be reached, as
//! <https://learn.microsoft.com/en-us/entra/identity-platform/signing-key-rollover> has it.
//!
//! # What goes wrong
//!
//! | refused as | because | do this |
//! |---|---|---|
//! | `wrong_audience`, "the token is for Microsoft Graph" | the client asked for `User.Read` or the like, which is a scope of Graph | ask for a scope of the API, `api://{client id}/…` |
//! | `wrong_audience` | the registration has an Application ID URI of its own | [`Azure::audience`] |
//! | `wrong_issuer` | a token of another tenant or cloud, or of a version that [`Azure::versions`] leaves out | [`Azure::tenants`], [`Azure::cloud`] |
//! | `wrong_tenant` | the tenant is not on the list; or `iss` and `tid` differ | [`Azure::tenants`] |
//! | `wrong_token_class` | an ID token; a token without scope and role; the wrong kind of caller; another policy of B2C | send the access token; assign a role; [`Azure::allow_tokens_without_grants`] |
//! | `unknown_key` | the application has a claims-mapping policy, and so keys of its own | [`Azure::claims_mapping`] |
//! | `not_compact_jws`, `encrypted` | tokens for another API of Microsoft, in a format of its own | ask for a scope of this API |
//!
//! B2C and External ID have their own constructors, [`Azure::b2c`] and [`Azure::external_id`].

mod caller;
mod claims;
mod cloud;
mod environment;
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
