//! What several tests need.

use std::sync::Arc;
use std::time::Duration;

use portcullis::clock::ManualClock;
use portcullis::jose::Algorithm;
use portcullis_issuer::{AccessToken, Document, Issuer, KeyRing, KeyRingBuilder, RingSecret};

pub(crate) const URL: &str = "https://issuer.example/auth";
pub(crate) const API: &str = "https://api.example.com";
pub(crate) const START: i64 = 1_800_000_000;

pub(crate) fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(minutes * 60)
}

pub(crate) fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at_unix(START))
}

/// A ring with the fastest algorithm.
pub(crate) fn ring_at(clock: &Arc<ManualClock>) -> KeyRingBuilder {
    KeyRing::builder().algorithm(Algorithm::EdDsa).clock(Arc::clone(clock))
}

pub(crate) fn issuer(ring: &KeyRing) -> Issuer {
    Issuer::builder(URL, API, ring.clone()).build().unwrap()
}

pub(crate) async fn mint(issuer: &Issuer) -> String {
    issuer.mint(&AccessToken::new("user-1", "web")).await.unwrap().into_string()
}

pub(crate) async fn published(issuer: &Issuer) -> String {
    issuer.document(Document::Jwks).await.text().to_owned()
}

pub(crate) fn secret() -> RingSecret {
    RingSecret::from_base64("q83vASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4k=").unwrap()
}

pub(crate) fn kid(token: &str) -> String {
    use base64::Engine as _;
    let header = token.split('.').next().unwrap();
    let header = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(header).unwrap();
    serde_json::from_slice::<serde_json::Value>(&header).unwrap()["kid"].as_str().unwrap().to_owned()
}
