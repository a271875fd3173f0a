//! jwt-authorizer, used as in its README. The status of its response decides the outcome.
//!
//! With the argument `serve`, it is a server for the bench `http`.

mod serve;

use std::process::ExitCode;
use std::time::Duration;

use axum_core::response::IntoResponse as _;
use jwt_authorizer::{Authorizer, JwtAuthorizer, Refresh, RefreshStrategy, Validation};
use portcullis_bench_driver::{About, Answer, Contender, IssuerSettings, NotBuilt, Outcome, compare};

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("serve") {
        serve::serve();
    }
    compare::<Peer>(About {
        name: "jwt-authorizer 0.15.0",
        settings: "from_jwks_url, defaults; in 3 and 6 RefreshStrategy::Interval of 1 s, the retry interval left at 10 s",
        must_hold: false,
    })
}

struct Peer(Authorizer);

impl Contender for Peer {
    async fn build(settings: &IssuerSettings) -> Result<Self, NotBuilt> {
        let rules = Validation::new().iss(&[&settings.issuer]).aud(&[&settings.audience]);
        let mut builder = JwtAuthorizer::from_jwks_url(&settings.jwks_url).validation(rules);
        if let Some(refresh_interval) = settings.lifetime {
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
