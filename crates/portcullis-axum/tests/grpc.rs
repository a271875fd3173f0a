//! The layer around a gRPC service, whose requests and responses have bodies that Axum knows nothing of.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::sync::Arc;

use portcullis_axum::adapter::Admission;
use portcullis_axum::error::Unavailable;
use portcullis_axum::keys::{KeyError, KeyQuery, VerifyingKey};
use portcullis_axum::{Audience, AuthLayer, Gate, JwtVerifier, KeyProvider, async_trait, scopes};
use portcullis_testing::TestIssuer;
use tonic::service::InterceptorLayer;
use tonic::{Code, Request, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};
use tower::Layer as _;

/// What comes of a call with this `authorization` to a service that is for callers with the scope `health`.
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

/// The gate with refusals that tonic's clients understand, which do not derive the code from the status of HTTP as long
/// as there is a body.
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

/// Methods of a service find the caller as this does.
fn unless_banned(request: Request<()>) -> Result<Request<()>, Status> {
    match request.extensions().get::<Admission>().and_then(|admission| admission.caller().subject()) {
        Some("banned") => Err(Status::already_exists("banned")),
        Some(_) => Ok(request),
        None => Err(Status::aborted("nobody behind the layer")),
    }
}

#[tokio::test]
async fn a_grpc_service_admits_whom_a_router_would_and_others_get_their_code() {
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
async fn while_keys_cannot_be_had_a_grpc_service_is_unavailable() {
    let issuer = TestIssuer::new();
    let verifier = JwtVerifier::builder(issuer.url(), Audience::any_of([issuer.audience()]), NoKeys).build().unwrap();
    let token = issuer.token().scope("health").sign();
    let gate = speaking_grpc(Gate::new(verifier));
    assert_eq!(call(&gate, Some(format!("Bearer {token}"))).await, Code::Unavailable);
}
