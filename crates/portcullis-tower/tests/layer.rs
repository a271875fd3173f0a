//! The layer around any tower service: who reaches it, and what it finds.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, Version};
use http_body::{Body, Frame};
use http_body_util::{BodyExt as _, Full};
use portcullis_testing::{TestIssuer, gate_admitting};
use portcullis_tower::adapter::{Admission, ClientCertificate, Credential};
use portcullis_tower::possession::{ClientCertificates, TrustedProxies};
use portcullis_tower::{
    AuthBody, AuthError, AuthLayer, Gate, Verified, Verifier, async_trait, dangerous, response, scopes,
};
use serde_json::json;
use tower::{Layer as _, Service, ServiceExt as _, service_fn};

/// Returns where the gate is, and the caller.
async fn echo(request: Request<String>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (gate, admission) = (request.extensions().get::<Gate>(), request.extensions().get::<Admission>());
    let place = match (gate, admission) {
        (Some(_), _) => "gate",
        (None, Some(_)) => "admission",
        (None, None) => "nothing",
    };
    let caller = admission.and_then(|admission| admission.caller().subject());
    Ok(Response::new(Full::from(format!("{place} {}", caller.unwrap_or("none")))))
}

async fn send(layer: AuthLayer, method: &str, fields: &[(&str, &str)]) -> (u16, HeaderMap, String) {
    let mut request = Request::builder().method(method).uri("/");
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let request = request.body("body".to_owned()).unwrap();
    let (parts, body) = layer.layer(service_fn(echo)).oneshot(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (parts.status.as_u16(), parts.headers, String::from_utf8(body.into()).unwrap())
}

#[tokio::test]
async fn service_finds_gate_and_caller() {
    let issuer = TestIssuer::new();
    let bearer = format!("Bearer {}", issuer.token().subject("alice").sign());
    let good = [("authorization", bearer.as_str())];
    let layer = || AuthLayer::new(issuer.gate());
    for (layer, method, fields, expected) in [
        (layer(), "GET", &good[..], "admission alice"),
        (layer().optional(), "GET", &good[..], "admission alice"),
        (layer().optional(), "GET", &[][..], "gate none"),
    ] {
        let (status, _, body) = send(layer, method, fields).await;
        assert_eq!((status, body.as_str()), (200, expected));
    }
}

#[tokio::test]
async fn preflight_does_not_reach_the_service() {
    let issuer = TestIssuer::new();
    let preflight = [("origin", "https://app.test"), ("access-control-request-method", "GET")];
    for layer in [AuthLayer::new(issuer.gate()), AuthLayer::new(issuer.gate()).optional()] {
        let (status, headers, body) = send(layer.allow_cors_preflight(), "OPTIONS", &preflight).await;
        assert_eq!((status, body.as_str()), (204, ""));
        assert_eq!(headers["vary"], "origin, access-control-request-method, access-control-request-headers");
    }
    assert_eq!(send(AuthLayer::new(issuer.gate()), "OPTIONS", &preflight).await.0, 401);
}

/// Over HTTP/2 a body needs no header field.
#[tokio::test]
async fn preflight_has_no_body_over_http_2() {
    let layer = AuthLayer::new(TestIssuer::new().gate()).allow_cors_preflight();
    for (version, body, expected) in [
        (Version::HTTP_2, "", 204),
        (Version::HTTP_2, "body", 401),
        (Version::HTTP_3, "body", 401),
        (Version::HTTP_11, "", 204),
    ] {
        let request = Request::options("/").header("origin", "null").header("access-control-request-method", "GET");
        let request = request.version(version).body(body.to_owned()).unwrap();
        let response = layer.layer(service_fn(echo)).oneshot(request).await.unwrap();
        assert_eq!(response.status(), expected, "{version:?} {body}");
    }
}

/// A map of header fields holds at most 24,576 of them, and panics beyond.
#[tokio::test]
async fn too_many_fields_are_left_out() {
    let gate = TestIssuer::new().gate().with_refusals(|_, refusal| {
        refusal.headers.extend((0..40_000).map(|number| (format!("x-{number}"), "1".to_owned())));
    });
    let (status, headers, body) = send(AuthLayer::new(gate), "GET", &[]).await;
    assert_eq!((status, body.contains("missing_token")), (401, true));
    assert!(headers.contains_key("www-authenticate") && headers.len() < 40_000, "{}", headers.len());
}

#[tokio::test]
async fn realm_of_any_length_is_sent() {
    let gate = TestIssuer::new().gate().with_realm("x".repeat(1 << 20));
    let (status, headers, _) = send(AuthLayer::new(gate), "GET", &[]).await;
    assert_eq!((status, headers["www-authenticate"].len()), (401, (1 << 20) + r#"Bearer realm="""#.len()));
}

#[tokio::test]
async fn panic_in_the_search_for_uri_or_peer_is_a_500() {
    let gate = TestIssuer::new().gate();
    let uses_path = gate.clone().with_observer(|observed| assert!(observed.request.unwrap().original_path().is_some()));
    let uses_peer = gate.with_observer(|observed| assert!(observed.request.unwrap().peer_address().is_none()));
    for gate in [uses_path, uses_peer] {
        let layer = AuthLayer::new(gate).with_original_uri(|_| panic!("a bug")).with_peer_address(|_| panic!("a bug"));
        let (status, _, body) = send(layer, "GET", &[]).await;
        assert_eq!((status, body.contains("server_error")), (500, true));
    }
}

#[tokio::test]
async fn refused_requests_do_not_reach_the_service() {
    let issuer = TestIssuer::new();
    let good = format!("Bearer {}", issuer.token().scope("read").sign());
    let expired = format!("Bearer {}", issuer.token().expired().sign());
    let admin = || AuthLayer::new(issuer.gate()).require(scopes("admin"));
    for (layer, authorization, status, code) in [
        (admin(), None, 401, "missing_token"),
        (admin(), Some("Bearer"), 400, "invalid_request"),
        (admin(), Some(expired.as_str()), 401, "invalid_token"),
        (admin(), Some(good.as_str()), 403, "insufficient_scope"),
        (admin().optional(), Some(expired.as_str()), 401, "invalid_token"),
        (admin().optional(), Some(good.as_str()), 403, "insufficient_scope"),
    ] {
        let field = authorization.map(|value| ("authorization", value));
        let (answered, headers, body) = send(layer, "GET", field.as_slice()).await;
        assert_eq!(answered, status, "{body}");
        assert!(body.contains(code), "{body}");
        assert!(headers.contains_key("www-authenticate") && headers["content-type"] == "application/json");
    }
}

#[tokio::test]
async fn forgeries_do_not_reach_the_service() {
    let issuer = TestIssuer::new();
    for layer in [AuthLayer::new(issuer.gate()), AuthLayer::new(issuer.gate()).optional().allow_cors_preflight()] {
        for forgery in issuer.forgeries() {
            let bearer = format!("Bearer {}", forgery.token);
            let (status, _, body) = send(layer.clone(), "GET", &[("authorization", &bearer)]).await;
            assert_eq!(status, 401, "{}", forgery.name);
            assert!(body.contains(&format!(r#""reason":"{}""#, forgery.reason)), "{}: {body}", forgery.name);
        }
    }
}

#[tokio::test]
async fn service_can_ask_for_more_than_the_layer() {
    let gate = gate_admitting(&json!({"sub": "alice", "scope": "read"})).unwrap();
    let delete = |request: Request<String>| async move {
        let admission = request.extensions().get::<Admission>().unwrap();
        let answer = admission
            .gate()
            .authorize(admission.caller(), &scopes("delete"))
            .map(|()| Response::new("deleted".to_owned()));
        Ok::<_, Infallible>(answer.unwrap_or_else(response))
    };
    let answer = AuthLayer::new(gate).layer(service_fn(delete)).oneshot(Request::new(String::new())).await.unwrap();
    assert_eq!(answer.status(), 403);
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    assert!(body.ends_with(br#","scope":"delete"}"#), "{body:?}");
}

/// Gives each caller a header field for the response.
#[derive(Debug)]
struct GivesNonce;

#[async_trait]
impl Verifier for GivesNonce {
    async fn verify(&self, _: &Credential<'_>) -> Result<Verified, AuthError> {
        let caller = dangerous::assume_verified(&json!({"sub": "alice"}))?;
        let fields = [("DPoP-Nonce", "n-1"), ("x name", "a space in the name"), ("x-line", "a\nb")];
        Ok(caller.with_response_headers(fields.map(|(name, value)| (name.to_owned(), value.to_owned()))))
    }
}

#[tokio::test]
async fn header_fields_of_the_caller_reach_the_response() {
    let layer = AuthLayer::new(Gate::new(GivesNonce));
    let (status, headers, _) = send(layer, "GET", &[("authorization", "Bearer x")]).await;
    assert_eq!((status, &headers["dpop-nonce"], headers.len()), (200, &"n-1".parse().unwrap(), 1));
}

#[tokio::test]
async fn frames_and_trailers_of_the_service_pass() {
    let gate = gate_admitting(&json!({"sub": "alice"})).unwrap();
    let stream = |_: Request<String>| async {
        let trailers: HeaderMap = [("grpc-status".parse().unwrap(), "0".parse().unwrap())].into_iter().collect();
        let frames = vec![Frame::data(Bytes::from("one")), Frame::data(Bytes::from("two")), Frame::trailers(trailers)];
        Ok::<_, Infallible>(Response::new(Frames(frames.into_iter())))
    };
    let answer = AuthLayer::new(gate).layer(service_fn(stream)).oneshot(Request::new(String::new())).await.unwrap();
    assert!(!answer.body().is_end_stream());
    assert_eq!(answer.body().size_hint().exact(), None);
    let collected = answer.into_body().collect().await.unwrap();
    assert_eq!(collected.trailers().unwrap()["grpc-status"], "0");
    assert_eq!(collected.to_bytes(), "onetwo");
}

/// A body of these frames.
struct Frames(std::vec::IntoIter<Frame<Bytes>>);

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.next().map(Ok))
    }
}

#[tokio::test]
async fn body_of_a_refusal_has_a_known_length() {
    let refused = |gate: Gate| AuthLayer::new(gate).layer(service_fn(echo)).oneshot(Request::new(String::new()));
    let body = refused(TestIssuer::new().gate()).await.unwrap().into_body();
    let length = body.size_hint().exact();
    assert!(!body.is_end_stream());
    assert_eq!(body.collect().await.unwrap().to_bytes().len() as u64, length.unwrap());

    let empty = TestIssuer::new().gate().with_refusals(|_, refusal| refusal.body.clear());
    let body: AuthBody<_> = refused(empty).await.unwrap().into_body();
    assert!(body.is_end_stream());
    assert_eq!(body.size_hint().exact(), Some(0));
    assert!(matches!(pin!(body).poll_frame(&mut Context::from_waker(Waker::noop())), Poll::Ready(None)));
}

/// Panics when it is called before it was polled ready.
#[derive(Debug, Default)]
struct Strict {
    ready: bool,
}

impl Clone for Strict {
    fn clone(&self) -> Self {
        Self { ready: false }
    }
}

impl Service<Request<String>> for Strict {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<String>) -> Self::Future {
        assert!(std::mem::take(&mut self.ready), "called without having been polled ready");
        ready(Ok(Response::new(Full::default())))
    }
}

#[tokio::test]
async fn service_that_was_polled_ready_is_called() {
    let issuer = TestIssuer::new();
    let mut service = AuthLayer::new(issuer.gate()).layer(Strict::default());
    for _ in 0..3 {
        let bearer = format!("Bearer {}", issuer.token().sign());
        let request = Request::get("/").header("authorization", bearer).body(String::new()).unwrap();
        assert_eq!(service.ready().await.unwrap().call(request).await.unwrap().status(), 200);
    }
}

/// The server adds both to the extensions of a request.
#[tokio::test]
async fn certificate_and_peer_are_those_of_the_connection() {
    #[derive(Clone)]
    struct Peer(IpAddr);

    let issuer = TestIssuer::new();
    let certificate = b"a certificate";
    let bearer = format!("Bearer {}", issuer.token().bound_to_certificate(certificate).sign());
    let request = || Request::get("/").header("authorization", &bearer).header("client-cert", ":YSBjZXJ0aWZpY2F0ZQ==:");
    let status = async |layer: AuthLayer, request: http::request::Builder| {
        let request = request.body("body".to_owned()).unwrap();
        layer.layer(service_fn(echo)).oneshot(request).await.unwrap().status().as_u16()
    };

    let of_tls = || AuthLayer::new(issuer.gate().with_client_certificates(ClientCertificates::from_tls()));
    let of = |certificate: &[u8]| ClientCertificate::from_tls(Some(&[certificate]));
    assert_eq!(status(of_tls(), request().extension(of(certificate))).await, 200);
    assert_eq!(status(of_tls(), request().extension(of(b"another"))).await, 401);
    assert_eq!(status(of_tls(), request().extension(ClientCertificate::absent())).await, 401);
    assert_eq!(status(of_tls(), request()).await, 500);

    let proxies = TrustedProxies::at(["10.0.0.0/24"]).unwrap();
    let gate = issuer.gate().with_client_certificates(ClientCertificates::rfc9440(proxies));
    let of_proxy = || AuthLayer::new(gate.clone());
    let layer = || of_proxy().with_peer_address(|extensions| extensions.get().map(|Peer(address)| *address));
    let from = |peer: [u8; 4]| request().extension(Peer(peer.into()));
    assert_eq!(status(layer(), from([10, 0, 0, 7])).await, 200);
    assert_eq!(status(layer(), from([10, 0, 1, 7])).await, 401);
    assert_eq!(status(layer(), request()).await, 500);
    assert_eq!(status(of_proxy(), from([10, 0, 0, 7])).await, 500);
}
