//! jwtk: a remote key set. It checks signatures and times; issuer and audience are the application's.

use std::process::ExitCode;

use jwtk::jwk::RemoteJwksVerifier;
use portcullis_bench_driver::{About, Answer, Contender, IssuerSettings, NotBuilt, Outcome, compare};
use serde_json::{Map, Value};

fn main() -> ExitCode {
    compare::<Peer>(About {
        name: "jwtk 0.5.0",
        settings: "RemoteJwksVerifier, defaults; in 3 and 6 a cache duration of 1 s; issuer and audience unchecked",
        must_hold: false,
    })
}

struct Peer(RemoteJwksVerifier);

impl Contender for Peer {
    async fn build(settings: &IssuerSettings) -> Result<Self, NotBuilt> {
        let mut builder = RemoteJwksVerifier::builder(settings.jwks_url.clone());
        if let Some(lifetime) = settings.lifetime {
            builder = builder.with_cache_duration(lifetime);
        }
        Ok(Self(builder.build()))
    }

    async fn verify(&self, token: &str) -> Answer {
        let outcome = match self.0.verify::<Map<String, Value>>(token).await {
            Ok(_) => Outcome::Accepted,
            Err(jwtk::Error::Reqwest(_)) => Outcome::Unavailable,
            Err(_) => Outcome::Refused,
        };
        outcome.into()
    }
}
