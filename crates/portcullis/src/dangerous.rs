//! What weakens verification, under names that say so. Nothing outside this module does.

use serde::Serialize;

use crate::checks::{Audience, Issuer};
use crate::error::InvalidToken;
use crate::gate::Gate;
pub use crate::verifier::DangerousBuilder;
use crate::verifier::{Evidence, Verified};

/// Accepts tokens of any issuer whose signature verifies: safe only where the keys belong to one issuer, whose name is
/// unknown.
#[must_use]
pub fn any_issuer() -> Issuer {
    Issuer::any()
}

/// Accepts tokens for any audience: any service that receives a token of the same issuer can present it here.
#[must_use]
pub fn any_audience() -> Audience {
    Audience::any()
}

/// A [`Verified`] from claims that somebody else vouches for: a test, an introspection endpoint, a trusted proxy.
/// Nothing is checked but that the claims are a JSON object whose registered members are of the right types.
///
/// ```
/// let verified = portcullis::dangerous::assume_verified(&serde_json::json!({"sub": "user", "scope": "read"}))?;
/// assert_eq!(verified.subject(), Some("user"));
/// # Ok::<(), portcullis::error::InvalidToken>(())
/// ```
///
/// # Errors
/// [`InvalidToken`] when the claims are no such object.
pub fn assume_verified(claims: &impl Serialize) -> Result<Verified, InvalidToken> {
    Verified::from_claims(claims, Evidence::Assumed)
}

/// A gate that lets every request in as `caller`, whatever it presents: for the tests of handlers. Policies still
/// apply, so a handler that requires a scope refuses a caller without it.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use portcullis::adapter::HeaderList;
/// use portcullis::{dangerous, scopes};
///
/// let caller = dangerous::assume_verified(&serde_json::json!({"sub": "user", "scope": "read"}))?;
/// let gate = dangerous::admit_everyone_as(caller);
/// assert!(gate.admit(&HeaderList::default(), &scopes("read")).await.is_ok());
/// assert_eq!(gate.admit(&HeaderList::default(), &scopes("write")).await.unwrap_err().status(), 403);
/// # Ok(()) }
/// ```
#[must_use]
pub fn admit_everyone_as(caller: Verified) -> Gate {
    Gate::admitting(caller)
}

/// Lets `keys` be fetched from `host` over plain HTTP, for a provider inside a cluster. Whoever can change what passes
/// on that network can put in keys of their own, and then forge any token.
///
/// ```
/// let keys = portcullis::dangerous::allow_http(portcullis::keys::RemoteKeys::builder(), "keycloak.cluster")
///     .at("http://keycloak.cluster/realms/main/protocol/openid-connect/certs")?;
/// # Ok::<(), portcullis::ConfigError>(())
/// ```
#[cfg(feature = "remote")]
pub fn allow_http(keys: crate::keys::RemoteKeysBuilder, host: impl Into<String>) -> crate::keys::RemoteKeysBuilder {
    keys.allow_http(host.into())
}
