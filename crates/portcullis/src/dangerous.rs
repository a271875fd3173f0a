//! Options that weaken verification, under names that say so. Nothing outside this module weakens it.

use std::borrow::Cow;

use serde::Serialize;

use crate::checks::{Audience, Issuer};
use crate::credential::TokenSource;
use crate::error::InvalidToken;
use crate::gate::Gate;
use crate::possession::TrustedProxies;
pub use crate::verifier::DangerousBuilder;
use crate::verifier::{Evidence, Verified};

/// Accepts tokens of any issuer if their signature verifies: safe only where all keys belong to one issuer with an unknown
/// name.
#[must_use]
pub fn any_issuer() -> Issuer {
    Issuer::any()
}

/// Accepts tokens for any audience: another service that receives a token of the same issuer can present it here.
#[must_use]
pub fn any_audience() -> Audience {
    Audience::any()
}

/// Makes a [`Verified`] caller from claims that nothing verified: for tests. Only the form is checked: the claims have to
/// be a JSON object, and its registered members have to be of the right types.
///
/// A [`Verifier`](crate::Verifier) that verifies by other means uses [`Verified::from_claims`] instead.
///
/// ```
/// let verified = portcullis::dangerous::assume_verified(&serde_json::json!({"sub": "user", "scope": "read"}))?;
/// assert_eq!(verified.subject(), Some("user"));
/// # Ok::<(), portcullis::error::InvalidToken>(())
/// ```
///
/// # Errors
/// [`InvalidToken`] when the claims have another form.
pub fn assume_verified(claims: &impl Serialize) -> Result<Verified, InvalidToken> {
    Verified::from_claims(claims, Evidence::Assumed)
}

/// Reads a bearer token from the parameter `name` of the query, of requests with the method GET, or CONNECT for a WebSocket over
/// HTTP/2. RFC 6750 §2.3 names it `access_token`; any other name works.
///
/// URLs are written down in many places: the log of each proxy, the history of the browser, `Referer` fields, error reports.
/// A reader of one of them can use the token until it expires. A [ticket](crate::Gate::with_tickets) serves one request, so use it
/// where you can.
///
/// This crate logs no URL of a request. For the log of your framework, [`hide_parameters`](crate::adapter::hide_parameters) takes the value
/// out. Send responses with `Cache-Control: no-store` and `Referrer-Policy: no-referrer`.
///
/// ```
/// use portcullis::{Gate, TokenSource, dangerous};
///
/// # fn gate(gate: Gate) -> Gate {
/// gate.with_token_sources([TokenSource::authorization(), dangerous::token_in_query("access_token")])
/// # }
/// ```
pub fn token_in_query(name: impl Into<Cow<'static, str>>) -> TokenSource {
    TokenSource::query(name.into())
}

/// Makes a gate that lets every request in as `caller`, also without a token: for tests of handlers. Policies and session
/// checks still apply, so a handler that requires a scope refuses a caller without it.
///
/// A log event (`error`) says that such a gate was made, so that it is noticed in production.
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
    tracing::error!("a gate lets every request in without a token: it is for tests, never for production");
    Gate::admitting(caller)
}

/// Shows names and dates of refused tokens in the log, in every build: the event `request refused` (level `DEBUG`) has the fields
/// `expected`, with the issuer, the audience and the leeway of the configuration, and `actual`, with `kid`, issuer, audience and
/// dates of the unverified token.
///
/// A client chooses these values, so they are shortened and have only printable ASCII characters. The token, its subject and its
/// other claims do not appear, and the answer to the client stays the same. Without this function, debug builds say in `actual` only
/// how the token differs, for example `iss differs in the slash at the end`, and release builds have neither field.
///
/// ```
/// # fn gate(gate: portcullis::Gate) -> portcullis::Gate {
/// // While a problem is looked for.
/// portcullis::dangerous::log_refused_tokens(gate)
/// # }
/// ```
#[must_use]
pub fn log_refused_tokens(gate: Gate) -> Gate {
    gate.with_values_in_log()
}

/// Makes a gate that lets every request in as `caller`, and skips policies: for tests that compare an OpenAPI document with the
/// guards and extractors that are really there. The recorder says which of them a request passed.
///
/// A log event (`error`) says that such a gate was made, so that it is noticed in production.
/// `portcullis_testing` does the whole comparison.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use portcullis::adapter::HeaderList;
/// use portcullis::claims::NoClaims;
/// use portcullis::{dangerous, scopes};
///
/// let caller = dangerous::assume_verified(&serde_json::json!({"sub": "user"}))?;
/// let (gate, recorder) = dangerous::admit_everyone_and_record(caller);
/// assert!(gate.extract::<NoClaims>(&HeaderList::default(), None, &scopes("write")).await.is_ok());
/// let mut operation = serde_json::Map::new();
/// recorder.take().iter().for_each(|guard| guard.describe("GET", &mut operation));
/// assert_eq!(operation["security"], serde_json::json!([{"api": ["write"]}]));
/// # Ok(()) }
/// ```
#[cfg(feature = "openapi")]
#[must_use]
pub fn admit_everyone_and_record(caller: Verified) -> (Gate, crate::openapi::GuardRecorder) {
    tracing::error!("a gate lets every request in without a token: it is for tests, never for production");
    let recorder = crate::openapi::GuardRecorder::new(caller);
    (Gate::recording(recorder.clone()), recorder)
}

/// Trusts the header field with a client certificate from every peer: for a service that only its proxy can reach, for
/// example on a Unix socket. If a client can reach it too, that client can name any certificate, and a stolen token that is
/// bound to one is of use to it.
///
/// ```
/// use portcullis::possession::ClientCertificates;
/// use portcullis::dangerous;
///
/// let certificates = ClientCertificates::rfc9440(dangerous::every_peer_is_a_proxy());
/// ```
#[must_use]
pub fn every_peer_is_a_proxy() -> TrustedProxies {
    TrustedProxies::every_peer()
}

/// Allows requests of `options` to `host` over plain HTTP, for an issuer inside a cluster: those of
/// [`RemoteKeysBuilder`](crate::keys::RemoteKeysBuilder) or
/// [`IntrospectionBuilder`](crate::introspection::IntrospectionBuilder). An attacker that can change data on that network can
/// replace keys and answers, and then forge any token.
///
/// ```
/// let keys = portcullis::dangerous::allow_http(portcullis::keys::RemoteKeys::builder(), "keycloak.cluster")
///     .at("http://keycloak.cluster/realms/main/protocol/openid-connect/certs")?;
/// # Ok::<(), portcullis::ConfigError>(())
/// ```
#[cfg(feature = "remote")]
pub fn allow_http<B: AllowsHttp>(options: B, host: impl Into<String>) -> B {
    options.allow_http(host.into())
}

/// The options of requests for which [`allow_http`] is.
#[cfg(feature = "remote")]
pub trait AllowsHttp: sealed::AllowsHttp {}

#[cfg(feature = "remote")]
impl<B: sealed::AllowsHttp> AllowsHttp for B {}

#[cfg(feature = "remote")]
mod sealed {
    use crate::introspection::IntrospectionBuilder;
    use crate::keys::RemoteKeysBuilder;

    pub trait AllowsHttp {
        fn allow_http(self, host: String) -> Self;
    }

    impl AllowsHttp for RemoteKeysBuilder {
        fn allow_http(self, host: String) -> Self {
            self.allow_http_to(host)
        }
    }

    impl AllowsHttp for IntrospectionBuilder {
        fn allow_http(self, host: String) -> Self {
            self.allow_http_to(host)
        }
    }
}
