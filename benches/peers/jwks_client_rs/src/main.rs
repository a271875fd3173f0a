//! jwks_client_rs, used as in its README.

use std::process::ExitCode;
use std::time::Duration;

use jwks_client_rs::JwksClient;
use jwks_client_rs::source::WebSource;
use portcullis_bench_driver::{About, Answer, Contender, IssuerSettings, NotBuilt, Outcome, compare};
use serde_json::Value;

fn main() -> ExitCode {
    compare::<Peer>(About {
        name: "jwks_client_rs 0.6.13",
        settings: "WebSource with timeouts of 5 s, defaults; in 3 and 6 a time to live of 1 s; issuer unchecked",
        must_hold: false,
    })
}

struct Peer {
    client: JwksClient<WebSource>,
    audience: String,
}

impl Contender for Peer {
    async fn build(settings: &IssuerSettings) -> Result<Self, NotBuilt> {
        let timeout = Duration::from_secs(5);
        let source = WebSource::builder()
            .with_timeout(timeout)
            .with_connect_timeout(timeout)
            .build(settings.jwks_url.parse().expect("a URL"))
            .map_err(|error| NotBuilt::Failed(error.to_string()))?;
        let mut builder = JwksClient::builder();
        if let Some(lifetime) = settings.lifetime {
            builder = builder.time_to_live(lifetime);
        }
        Ok(Self { client: builder.build(source), audience: settings.audience.clone() })
    }

    async fn verify(&self, token: &str) -> Answer {
        let outcome = match self.client.decode::<Value>(token, &[&self.audience]).await {
            Ok(_) => Outcome::Accepted,
            // The kinds of its error are not public.
            Err(error) if error.to_string().starts_with("Failed fetching the key") => Outcome::Unavailable,
            Err(_) => Outcome::Refused,
        };
        outcome.into()
    }
}
