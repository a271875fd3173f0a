//! axum-jwt-auth, used as in its README.

use std::process::ExitCode;

use axum_jwt_auth::{Error, JwtDecoder, RemoteJwksDecoder, RemoteJwksDecoderConfig};
use jsonwebtoken::{Algorithm, TokenData, Validation};
use portcullis_bench_driver::{About, Answer, Contender, IssuerSettings, NotBuilt, Outcome, compare};
use serde_json::Value;
use tokio_util::sync::{CancellationToken, DropGuard};

fn main() -> ExitCode {
    compare::<Peer>(About {
        name: "axum-jwt-auth 0.7.0",
        settings: "RemoteJwksDecoder with initialize, defaults (hourly); in 3 and 6 a cache duration of 1 s",
        must_hold: false,
    })
}

struct Peer {
    decoder: RemoteJwksDecoder,
    _refresh: DropGuard,
}

impl Contender for Peer {
    async fn build(settings: &IssuerSettings) -> Result<Self, NotBuilt> {
        let mut rules = Validation::new(Algorithm::RS256);
        rules.set_audience(&[&settings.audience]);
        rules.set_issuer(&[&settings.issuer]);
        let mut config = RemoteJwksDecoderConfig::builder();
        if let Some(lifetime) = settings.lifetime {
            config = config.cache_duration(lifetime);
        }
        let decoder = RemoteJwksDecoder::builder()
            .jwks_url(settings.jwks_url.clone())
            .validation(rules)
            .config(config.build())
            .build()
            .map_err(|error| NotBuilt::Failed(error.to_string()))?;
        let refresh: CancellationToken =
            decoder.initialize().await.map_err(|error| NotBuilt::Failed(error.to_string()))?;
        Ok(Self { decoder, _refresh: refresh.drop_guard() })
    }

    async fn verify(&self, token: &str) -> Answer {
        let decoded: Result<TokenData<Value>, Error> = self.decoder.decode(token).await;
        let outcome = match decoded {
            Ok(_) => Outcome::Accepted,
            Err(Error::Reqwest(_) | Error::JwksRefresh { .. } | Error::Configuration(_)) => Outcome::Unavailable,
            Err(_) => Outcome::Refused,
        };
        outcome.into()
    }
}
