//! What the servers of both frameworks share.

use std::time::Duration;

use portcullis::keys::RemoteKeys;
use portcullis::{Audience, Gate, JwtVerifier};
use portcullis_bench_driver::Stand;

/// The body of every good response.
pub(crate) const HELLO: &str = "hello";

/// What a route does before it answers.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Open,
    OpenExtractor,
    OpenLayer,
    Auth,
    Cached,
    AuthLayer,
    CachedLayer,
}

/// Returns a gate without and one with a token cache, with fetched keys as a service has them.
pub(crate) async fn gates(stand: &Stand) -> [Gate; 2] {
    let settings = stand.settings();
    let keys = RemoteKeys::at(&settings.jwks_url).unwrap();
    let verifier = || {
        let audience = Audience::any_of([settings.audience.as_str()]);
        JwtVerifier::builder(settings.issuer.as_str(), audience, keys.clone())
    };
    let gates = [verifier(), verifier().cache_tokens(1_000)].map(|verifier| Gate::new(verifier.build().unwrap()));
    for gate in &gates {
        gate.warm_up_within(Duration::from_secs(5)).await.unwrap();
    }
    gates
}
