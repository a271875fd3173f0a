//! The places where Microsoft publishes keys, and the schedule for fetching them.

use std::sync::Arc;
#[cfg(feature = "remote")]
use std::time::Duration;

#[cfg(feature = "remote")]
use portcullis::keys::{RemoteKeys, RemoteKeysBuilder};
use portcullis::{ConfigError, KeyProvider};

/// A place where Microsoft publishes keys.
pub(crate) enum KeySource {
    Keys(String),
    Metadata {
        url: String,
        #[cfg_attr(not(feature = "remote"), allow(dead_code, reason = "only fetched metadata is compared with it"))]
        issuer: String,
    },
}

impl KeySource {
    /// Returns a key provider that fetches from this place. `application` is set for an application with its own keys.
    #[cfg(feature = "remote")]
    pub(crate) fn remote_keys(&self, application: Option<&str>) -> Result<Arc<dyn KeyProvider>, ConfigError> {
        let query = application.map(|id| format!("?appid={id}")).unwrap_or_default();
        let keys = match self {
            Self::Keys(url) => microsofts_schedule().at(&format!("{url}{query}")),
            Self::Metadata { url, issuer } => {
                microsofts_schedule().metadata_at(format!("{url}{query}")).discover(issuer)
            }
        };
        Ok(Arc::new(keys.map_err(|error| error.with_url_field("authority"))?))
    }

    #[cfg(not(feature = "remote"))]
    pub(crate) fn remote_keys(&self, _application: Option<&str>) -> Result<Arc<dyn KeyProvider>, ConfigError> {
        let (Self::Keys(url) | Self::Metadata { url, .. }) = self;
        let problem = format!("missing, and without the feature `remote` they are not fetched from {url}");
        Err(ConfigError::new("keys", problem, "pass a key provider to keys(), or enable the feature `remote`"))
    }
}

/// Returns a builder with Microsoft's schedule: keys are refreshed every hour and kept for a day. An unknown `kid` causes
/// at most one fetch in five minutes.
/// <https://learn.microsoft.com/en-us/entra/identity-platform/signing-key-rollover#keys-metadata-caching-algorithm>
#[cfg(feature = "remote")]
fn microsofts_schedule() -> RemoteKeysBuilder {
    const HOUR: Duration = Duration::from_secs(60 * 60);
    RemoteKeys::builder()
        .lifetime(Duration::from_secs(60), HOUR, HOUR)
        .stale(23 * HOUR)
        // The fetch at the start, and one for an unknown kid.
        .cooldown(Duration::from_secs(5 * 60), 2)
}

#[cfg(test)]
#[cfg(feature = "remote")]
mod tests {
    use portcullis::clock::ManualClock;
    use portcullis::jose::Algorithm;
    use portcullis::{Audience, Gate, JwtVerifier};
    use portcullis_testing::{Fault, IssuerServer, TestIssuer};

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn setup() -> (IssuerServer, Arc<ManualClock>, RemoteKeys, Gate) {
        let server = TestIssuer::new().serve();
        let clock = Arc::new(ManualClock::at_unix(1_700_000_000));
        let keys = microsofts_schedule().clock(Arc::clone(&clock)).at(&server.jwks_url()).unwrap();
        let issuer = server.issuer();
        let verifier = JwtVerifier::builder(issuer.url(), Audience::any_of([issuer.audience()]), keys.clone());
        (server, clock, keys, Gate::new(verifier.build().unwrap()))
    }

    #[tokio::test]
    async fn keys_are_refreshed_hourly_and_kept_a_day() {
        let (server, clock, keys, gate) = setup();
        let token = server.issuer().token().sign();
        assert!(gate.verify(&token).await.is_ok());
        clock.advance(40 * MINUTE);
        assert!(gate.verify(&token).await.is_ok());
        assert_eq!((server.jwks_hits(), keys.status().last_error), (1, None));
        server.misbehave(Fault::status(503));
        clock.advance(23 * 60 * MINUTE);
        assert!(gate.verify(&token).await.is_ok());
        clock.advance(60 * MINUTE);
        assert_eq!(gate.verify(&token).await.unwrap_err().status(), 503);
    }

    #[tokio::test]
    async fn unknown_keys_cause_one_fetch_in_five_minutes() {
        let (server, clock, _, gate) = setup();
        assert!(gate.verify(&server.issuer().token().sign()).await.is_ok());
        for step in 0..20 {
            let token = server.issuer().token().header("kid", format!("unknown-{step}")).sign();
            // Names that are not looked up yet may have a key.
            let expected = if step == 0 { 401 } else { 503 };
            assert_eq!(gate.verify(&token).await.unwrap_err().status(), expected);
            clock.advance(Duration::from_secs(14));
        }
        assert_eq!(server.jwks_hits(), 2);
        // After five minutes, the first token with a new key causes a fetch.
        clock.advance(MINUTE);
        server.rotate(Algorithm::Rs256);
        assert!(gate.verify(&server.issuer().token().sign()).await.is_ok());
        assert_eq!(server.jwks_hits(), 3);
    }
}
