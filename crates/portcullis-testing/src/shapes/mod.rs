//! Issuers whose tokens and keys look like those of a provider: its claims, its header, its published keys.
//!
//! Each is a constructor of [`TestIssuer`](crate::TestIssuer); what it gives can be changed like any other issuer.

mod auth0;
mod azure;
mod clerk;
mod oidc;
