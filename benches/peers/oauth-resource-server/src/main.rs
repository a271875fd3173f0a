//! oauth-resource-server, used as in its quickstart. The status of its refusal decides the outcome.
//!
//! With the argument `serve`, it is a server for the bench `http`.

mod serve;

use std::process::ExitCode;
use std::sync::Arc;

use oauth_resource_server::{ConfigError, KeyNaming, OAuthConfig, OAuthValidator, ResolvedOAuthConfig, refusal};
use portcullis_bench_driver::{About, Answer, Contender, IssuerSettings, NotBuilt, Outcome, compare};

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("serve") {
        serve::serve();
    }
    compare::<Peer>(About {
        name: "oauth-resource-server 0.4.1",
        settings: "discovery, spawn_background_refresh, defaults",
        must_hold: false,
    })
}

struct Peer(Arc<OAuthValidator>);

impl Contender for Peer {
    async fn build(settings: &IssuerSettings) -> Result<Self, NotBuilt> {
        if settings.lifetime.is_some() {
            return Err(NotBuilt::NoSuchOption("not configurable, keys are refreshed hourly"));
        }
        let config = resolved(settings).map_err(|error| NotBuilt::Failed(error.to_string()))?;
        let validator = OAuthValidator::new(&config);
        let validator = Arc::new(validator.map_err(|error| NotBuilt::Failed(error.to_string()))?);
        validator.spawn_background_refresh();
        Ok(Self(validator))
    }

    async fn verify(&self, token: &str) -> Answer {
        let outcome = match self.0.validate(token).await {
            Ok(_) => Outcome::Accepted,
            Err(rejection) if refusal(&rejection, Some(&self.0)).status >= 500 => Outcome::Unavailable,
            Err(_) => Outcome::Refused,
        };
        outcome.into()
    }
}

fn resolved(settings: &IssuerSettings) -> Result<ResolvedOAuthConfig, ConfigError> {
    let config = OAuthConfig {
        enabled: true,
        issuer: settings.issuer.clone(),
        audience: settings.audience.clone(),
        resource: "https://api.example.com".into(),
        required_scope: Some("read:messages".into()),
        ..OAuthConfig::default()
    };
    Ok(config.resolve(KeyNaming::Dotted("oauth"))?.expect("it is enabled"))
}
