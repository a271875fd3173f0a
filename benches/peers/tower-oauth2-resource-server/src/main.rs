//! tower-oauth2-resource-server, with the issuer's metadata, used as in its documentation.

use std::convert::Infallible;
use std::process::ExitCode;

use http::{Request, Response, StatusCode};
use portcullis_bench_driver::{About, Answer, Contender, IssuerSettings, NotBuilt, Outcome, compare};
use tower::util::BoxCloneSyncService;
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_oauth2_resource_server::claims::DefaultClaims;
use tower_oauth2_resource_server::server::OAuth2ResourceServer;
use tower_oauth2_resource_server::tenant::TenantConfiguration;

fn main() -> ExitCode {
    compare::<Peer>(About {
        name: "tower-oauth2-resource-server 0.12.5",
        settings: "discovery, defaults (refreshes on a timer of 60 s); in 3 and 6 a timer of 1 s",
        must_hold: false,
    })
}

struct Peer(BoxCloneSyncService<Request<String>, Response<String>, Infallible>);

impl Contender for Peer {
    async fn build(settings: &IssuerSettings) -> Result<Self, NotBuilt> {
        let mut tenant = TenantConfiguration::builder(&settings.issuer).audiences(&[&settings.audience]);
        if let Some(lifetime) = settings.lifetime {
            tenant = tenant.jwks_refresh_interval(lifetime);
        }
        let tenant = tenant.build().await.map_err(|error| NotBuilt::Failed(error.to_string()))?;
        let server = <OAuth2ResourceServer<DefaultClaims>>::builder()
            .add_tenant(tenant)
            .build()
            .await
            .map_err(|error| NotBuilt::Failed(error.to_string()))?;
        let handler = service_fn(async |_: Request<String>| Ok::<_, Infallible>(Response::new(String::new())));
        Ok(Self(BoxCloneSyncService::new(server.into_layer().layer(handler))))
    }

    async fn verify(&self, token: &str) -> Answer {
        let request = Request::builder().header("authorization", format!("Bearer {token}")).body(String::new());
        let response = self.0.clone().oneshot(request.expect("a request")).await.expect("infallible");
        let outcome = match response.status() {
            StatusCode::OK => Outcome::Accepted,
            status if status.is_server_error() => Outcome::Unavailable,
            _ => Outcome::Refused,
        };
        outcome.into()
    }
}
