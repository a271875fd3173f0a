//! What callers get while the issuer is slow, down, attacked, or rotates its keys.
//!
//! The run fails when a limit is broken. `benches/peers/run.sh` runs the same scenarios with other libraries.
//!
//! `cargo bench -p portcullis-benches --bench scenarios`

#![allow(clippy::unwrap_used, reason = "a bench may panic")]

use std::process::ExitCode;

use portcullis::keys::RemoteKeys;
use portcullis::{Audience, AuthError, Gate, JwtVerifier};
use portcullis_bench_driver::{About, Answer, Contender, IssuerSettings, NotBuilt, Outcome, compare};

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

/// Keys from a configured URL.
struct AtUrl(Gate);

impl Contender for AtUrl {
    async fn build(settings: &IssuerSettings) -> Result<Self, NotBuilt> {
        let keys = options(settings).at(&settings.jwks_url).unwrap();
        Ok(Self(gate(settings, keys)))
    }

    async fn verify(&self, token: &str) -> Answer {
        verify(&self.0, token).await
    }
}

/// Keys from a URL in the metadata.
struct Discovered(Gate);

impl Contender for Discovered {
    async fn build(settings: &IssuerSettings) -> Result<Self, NotBuilt> {
        let keys = options(settings).discover(&settings.issuer).unwrap();
        Ok(Self(gate(settings, keys)))
    }

    async fn verify(&self, token: &str) -> Answer {
        verify(&self.0, token).await
    }
}

fn options(settings: &IssuerSettings) -> portcullis::keys::RemoteKeysBuilder {
    match settings.lifetime {
        None => RemoteKeys::builder(),
        Some(lifetime) => RemoteKeys::builder().lifetime(lifetime, lifetime, lifetime),
    }
}

fn gate(settings: &IssuerSettings, keys: RemoteKeys) -> Gate {
    let audience = Audience::any_of([settings.audience.as_str()]);
    Gate::new(JwtVerifier::builder(settings.issuer.as_str(), audience, keys).build().unwrap())
}

async fn verify(gate: &Gate, token: &str) -> Answer {
    let outcome = match gate.verify(token).await.map_err(AuthError::from) {
        Ok(_) => Outcome::Accepted,
        Err(AuthError::Unavailable(_)) => Outcome::Unavailable,
        Err(_) => Outcome::Refused,
    };
    outcome.into()
}
