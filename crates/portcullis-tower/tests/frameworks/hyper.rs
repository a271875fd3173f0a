//! The layer on a hyper server, with requests and responses on the wire.

use std::convert::Infallible;

use http::{Request, Response};
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use portcullis_testing::TestIssuer;
use portcullis_tower::adapter::Admission;
use portcullis_tower::{AuthLayer, Gate, scopes};
use tower::{Layer as _, service_fn};

/// Greets the caller, from the body type that hyper's own examples use.
async fn hello(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let caller = request.extensions().get::<Admission>().map(Admission::caller);
    let name = caller.and_then(|caller| caller.subject()).unwrap_or("stranger").to_owned();
    Ok(Response::new(Full::from(format!("hello, {name}"))))
}

/// Sends one request to a hyper server with the guarded service.
async fn send(gate: &Gate, authorization: Option<String>) -> Response<Bytes> {
    let service = AuthLayer::new(gate.clone()).require(scopes("read")).layer(service_fn(hello));
    let (client, server) = tokio::io::duplex(64 * 1024);
    let server = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(server), TowerToHyperService::new(service));
    let client = async {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(client)).await.unwrap();
        let exchange = async {
            let mut request = Request::get("/").header("host", "api.test");
            if let Some(value) = authorization {
                request = request.header("authorization", value);
            }
            let response = sender.send_request(request.body(Empty::<Bytes>::new()).unwrap()).await.unwrap();
            let (parts, body) = response.into_parts();
            drop(sender);
            Response::from_parts(parts, body.collect().await.unwrap().to_bytes())
        };
        let (response, ended) = tokio::join!(exchange, connection);
        ended.unwrap();
        response
    };
    let (served, response) = tokio::join!(server, client);
    served.unwrap();
    response
}

#[tokio::test]
async fn guarded_service_answers_on_hyper() {
    let issuer = TestIssuer::new();
    let gate = issuer.gate();
    let bearer = |token: portcullis_testing::TokenBuilder| Some(format!("Bearer {}", token.sign()));

    let good = send(&gate, bearer(issuer.token().subject("alice").scope("read"))).await;
    assert_eq!((good.status().as_u16(), &good.body()[..]), (200, &b"hello, alice"[..]));

    let missing = send(&gate, None).await;
    assert_eq!(missing.status(), 401);
    assert_eq!(missing.headers()["www-authenticate"], r#"Bearer realm="api""#);
    assert_eq!(missing.headers()["content-type"], "application/json");
    assert_eq!(missing.headers()["cache-control"], "no-store");
    let body = r#"{"error":"missing_token","error_description":"This resource requires a bearer token"}"#;
    assert_eq!(missing.body(), body);
    assert_eq!(missing.headers()["content-length"], body.len().to_string());

    assert_eq!(send(&gate, bearer(issuer.token().scope("other"))).await.status(), 403);
    assert_eq!(send(&gate, bearer(issuer.token().scope("read").expired())).await.status(), 401);
    assert_eq!(send(&gate, Some("Bearer".to_owned())).await.status(), 400);
}
