//! What callers meet while the provider is slow, down, attacked, or rotating its keys.
//!
//! The run fails when one of the limits is broken. `benches/peers/run.sh` puts other libraries through the same.
//!
//! `cargo bench -p portcullis-benches --bench scenarios`

#![allow(clippy::unwrap_used, reason = "a bench may stop where it stands")]

use std::process::ExitCode;

use portcullis::keys::RemoteKeys;
use portcullis::{Audience, AuthError, Gate, JwtVerifier};
use portcullis_bench_driver::{About, Answer, Contender, NotBuilt, Outcome, Provider, compare};

fn main() -> ExitCode {
    let version = concat!("portcullis ", env!("CARGO_PKG_VERSION"));
    let at =
        About { name: version, settings: "RemoteKeys::at, defaults; in 3 and 6 a lifetime of 1 s", must_hold: true };
    let discovered = About {
        name: concat!("portcullis ", env!("CARGO_PKG_VERSION"), ", discovery"),
        settings: "RemoteKeys::discover, defaults; in 3 and 6 a lifetime of 1 s",
        must_hold: true,
    };
    let both = [compare::<AtUrl>(at), compare::<Discovered>(discovered)];
    if both.contains(&ExitCode::FAILURE) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// With the key set's URL.
struct AtUrl(Gate);

impl Contender for AtUrl {
    async fn build(provider: &Provider) -> Result<Self, NotBuilt> {
        let keys = options(provider).at(&provider.jwks_url).unwrap();
        Ok(Self(gate(provider, keys)))
    }

    async fn verify(&self, token: &str) -> Answer {
        verify(&self.0, token).await
    }
}

/// With the issuer's name alone.
struct Discovered(Gate);

impl Contender for Discovered {
    async fn build(provider: &Provider) -> Result<Self, NotBuilt> {
        let keys = options(provider).discover(&provider.issuer).unwrap();
        Ok(Self(gate(provider, keys)))
    }

    async fn verify(&self, token: &str) -> Answer {
        verify(&self.0, token).await
    }
}

fn options(provider: &Provider) -> portcullis::keys::RemoteKeysBuilder {
    match provider.lifetime {
        None => RemoteKeys::builder(),
        Some(lifetime) => RemoteKeys::builder().lifetime(lifetime, lifetime, lifetime),
    }
}

fn gate(provider: &Provider, keys: RemoteKeys) -> Gate {
    let audience = Audience::any_of([provider.audience.as_str()]);
    Gate::new(JwtVerifier::builder(provider.issuer.as_str(), audience, keys).build().unwrap())
}

async fn verify(gate: &Gate, token: &str) -> Answer {
    let outcome = match gate.verify(token).await {
        Ok(_) => Outcome::Accepted,
        Err(AuthError::Unavailable(_)) => Outcome::Unavailable,
        Err(_) => Outcome::Refused,
    };
    outcome.into()
}
