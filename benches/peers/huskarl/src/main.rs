//! huskarl-resource-server, used as in its guide. The status of its rejection decides the outcome.

use std::process::ExitCode;

use http::header::AUTHORIZATION;
use http::{HeaderMap, Method, Uri};
use huskarl_reqwest::ReqwestClient;
use huskarl_resource_server::core::jwk::JwksSource;
use huskarl_resource_server::core::server_metadata::AuthorizationServerMetadata;
use huskarl_resource_server::validator::rfc9068::Rfc9068Validator;
use portcullis_bench_driver::{About, Answer, Contender, IssuerSettings, NotBuilt, Outcome, compare};

fn main() -> ExitCode {
    compare::<Peer>(About {
        name: "huskarl-resource-server 0.11.12",
        settings: "OpenID metadata, jwks_source, defaults; in 3 and 6 a ttl of 1 s, the least pause between two fetches \
                   (60 s) can't be set",
        must_hold: false,
    })
}

struct Peer {
    validator: Rfc9068Validator,
    uri: Uri,
}

impl Contender for Peer {
    async fn build(settings: &IssuerSettings) -> Result<Self, NotBuilt> {
        let failed = |error: &dyn std::error::Error| NotBuilt::Failed(causes(error));
        let client = ReqwestClient::builder().build().await.map_err(|error| failed(&error))?;
        let metadata = AuthorizationServerMetadata::oidc_fetch()
            .http_client(&client)
            .issuer(&settings.issuer)
            .call()
            .await
            .map_err(|error| failed(&error))?;
        let builder = Rfc9068Validator::builder_from_metadata(&metadata).audience(&settings.audience);
        let validator = match settings.lifetime {
            None => builder.jwks_source(client).build().await,
            Some(lifetime) => {
                let source = JwksSource::builder().http_client(client).ttl(lifetime).build();
                builder.jws_verifier_factory(source).build().await
            }
        };
        let validator = validator.map_err(|error| failed(&error))?;
        Ok(Self { validator, uri: Uri::from_static("https://api.test/messages") })
    }

    async fn verify(&self, token: &str) -> Answer {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, format!("Bearer {token}").parse().expect("a header value"));
        let result = self.validator.validate_request(&headers, &Method::GET, &self.uri, None).await;
        let outcome = match result.rejection(&self.validator.validator_metadata(None), None) {
            None => Outcome::Accepted,
            Some(rejection) if rejection.status.is_server_error() => Outcome::Unavailable,
            Some(_) => Outcome::Refused,
        };
        outcome.into()
    }
}

fn causes(error: &dyn std::error::Error) -> String {
    let texts = std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string);
    texts.collect::<Vec<_>>().join(": ")
}
