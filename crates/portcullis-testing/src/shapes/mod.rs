//! Issuers with tokens and keys like those of an identity provider: its claims, its header, its published keys.
//!
//! Each is a constructor of [`TestIssuer`](crate::TestIssuer). Its result can be changed like any other issuer.

mod auth0;
mod azure;
mod clerk;
mod clouds;
mod machines;
mod oidc;
mod proxies;
