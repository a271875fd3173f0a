//! The layer around a gRPC service of tonic.

use std::sync::Arc;

use portcullis_testing::TestIssuer;
use portcullis_tower::adapter::Admission;
use portcullis_tower::error::Unavailable;
use portcullis_tower::keys::{KeyError, KeyQuery, VerifyingKey};
use portcullis_tower::{Audience, AuthLayer, Gate, JwtVerifier, KeyProvider, async_trait, scopes};
use tonic::service::InterceptorLayer;
use tonic::{Code, Request, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};
use tower::Layer as _;

/// Calls a service that is for callers with the scope `health`, and returns the code.
async fn call(gate: &Gate, authorization: Option<String>) -> Code {
    let service = HealthServer::new(HealthService::from_health_reporter(HealthReporter::new()));
    let service = InterceptorLayer::new(unless_banned).layer(service);
    let guarded = AuthLayer::new(gate.clone()).require(scopes("health")).layer(service);
    let mut request = Request::new(HealthCheckRequest::default());
    if let Some(text) = authorization {
        request.metadata_mut().insert("authorization", text.parse().unwrap());
    }
    HealthClient::new(guarded).check(request).await.map_or_else(|status| status.code(), |_| Code::Ok)
}

/// The gate with refusals that tonic's clients understand: they derive the code from the HTTP status only when the
/// response has no body.
fn speaking_grpc(gate: Gate) -> Gate {
    gate.with_refusals(|error, refusal| {
        let code = match error.status() {
            401 => Code::Unauthenticated,
            403 => Code::PermissionDenied,
            503 => Code::Unavailable,
            _ => Code::Internal,
        };
        refusal.headers.push(("grpc-status".to_owned(), (code as i32).to_string()));
    })
}

/// Finds the caller as the methods of a service do.
fn unless_banned(request: Request<()>) -> Result<Request<()>, Status> {
    match request.extensions().get::<Admission>().and_then(|admission| admission.caller().subject()) {
        Some("banned") => Err(Status::already_exists("banned")),
        Some(_) => Ok(request),
        None => Err(Status::aborted("no caller behind the layer")),
    }
}

#[tokio::test]
async fn refused_grpc_calls_get_their_code() {
    let issuer = TestIssuer::new();
    let gate = speaking_grpc(issuer.gate());
    let token = || issuer.token().scope("health");
    for (token, expected) in [
        (token(), Code::Ok),
        (token().subject("banned"), Code::AlreadyExists),
        (token().expired(), Code::Unauthenticated),
        (issuer.token(), Code::PermissionDenied),
    ] {
        assert_eq!(call(&gate, Some(format!("Bearer {}", token.sign()))).await, expected);
    }
    assert_eq!(call(&gate, None).await, Code::Unauthenticated);
}

#[derive(Debug)]
struct NoKeys;

#[async_trait]
impl KeyProvider for NoKeys {
    async fn key(&self, _: &KeyQuery<'_>) -> Result<Arc<VerifyingKey>, KeyError> {
        Err(Unavailable::new().into())
    }
}

#[tokio::test]
async fn key_outage_makes_a_grpc_call_unavailable() {
    let issuer = TestIssuer::new();
    let verifier = JwtVerifier::builder(issuer.url(), Audience::any_of([issuer.audience()]), NoKeys).build().unwrap();
    let token = issuer.token().scope("health").sign();
    let gate = speaking_grpc(Gate::new(verifier));
    assert_eq!(call(&gate, Some(format!("Bearer {token}"))).await, Code::Unavailable);
}
