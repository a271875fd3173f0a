//! jwt-authorizer, as its README has it. What a caller is told is the status of its own response.

use std::process::ExitCode;
use std::time::Duration;

use axum_core::response::IntoResponse as _;
use jwt_authorizer::{Authorizer, JwtAuthorizer, Refresh, RefreshStrategy, Validation};
use portcullis_bench_driver::{About, Answer, Contender, NotBuilt, Outcome, Provider, compare};

fn main() -> ExitCode {
    compare::<Peer>(About {
        name: "jwt-authorizer 0.15.0",
        settings: "from_jwks_url, defaults; in 3 and 6 RefreshStrategy::Interval of 1 s, the retry interval left at 10 s",
        must_hold: false,
    })
}

struct Peer(Authorizer);

impl Contender for Peer {
    async fn build(provider: &Provider) -> Result<Self, NotBuilt> {
        let rules = Validation::new().iss(&[&provider.issuer]).aud(&[&provider.audience]);
        let mut builder = JwtAuthorizer::from_jwks_url(&provider.jwks_url).validation(rules);
        if let Some(refresh_interval) = provider.lifetime {
            let strategy = RefreshStrategy::Interval;
            let retry_interval = Duration::from_secs(10);
            builder = builder.refresh(Refresh { strategy, refresh_interval, retry_interval });
        }
        builder.build().await.map(Self).map_err(|error| NotBuilt::Failed(error.to_string()))
    }

    async fn verify(&self, token: &str) -> Answer {
        let outcome = match self.0.check_auth(token).await {
            Ok(_) => Outcome::Accepted,
            Err(error) => match error.into_response().status() {
                status if status.is_server_error() => Outcome::Unavailable,
                _ => Outcome::Refused,
            },
        };
        outcome.into()
    }
}
