//! Proofs on Axum and Actix Web: one proof serves all extractors of a request, and fresh nonces reach the response.

use std::sync::Arc;
use std::time::Duration;

use axum::middleware::from_extractor_with_state;
use portcullis::Gate;
use portcullis::clock::ManualClock;
use portcullis::possession::{Dpop, DpopNonces};
use portcullis_testing::TestIssuer;
use tower::ServiceExt as _;

use crate::support::{Client, ORIGIN, gate, issuer};

/// The fields of a request for `path`.
fn fields(client: &Client, path: &str, nonce: Option<&str>) -> [(&'static str, String); 2] {
    let proof = client.key.proof("GET", &format!("{ORIGIN}{path}"), &client.token);
    let proof = nonce.map_or(proof.clone(), |nonce| proof.claim("nonce", nonce)).sign();
    [("authorization", format!("DPoP {}", client.token)), ("dpop", proof)]
}

/// Status, body, `DPoP-Nonce` and `Cache-Control` of an answer.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Answer {
    status: u16,
    body: String,
    nonces: Vec<String>,
    caching: Vec<String>,
}

mod on_axum {
    use axum::Router;
    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use axum::routing::get;
    use portcullis_axum::{Auth, AuthLayer, Authorized, Gate, Policy, Require, scopes};
    use tower::ServiceExt as _;

    use super::Answer;

    pub(crate) struct Read;

    impl Require for Read {
        fn policy() -> Policy {
            scopes("read")
        }
    }

    async fn several(auth: Auth, maybe: Option<Auth>, authorized: Authorized<Read>) -> String {
        format!(
            "{:?} {:?} {:?}",
            auth.subject(),
            maybe.and_then(|auth| auth.subject().map(str::to_owned)),
            authorized.subject()
        )
    }

    async fn cached(_: Auth) -> ([(&'static str, &'static str); 1], &'static str) {
        ([("cache-control", "max-age=60")], "cached")
    }

    pub(crate) fn app(gate: &Gate, is_guarded: bool) -> Router {
        let routes = Router::new().route("/orders", get(several)).route("/cached", get(cached));
        let app = Router::new().nest("/v1", routes);
        if is_guarded {
            app.layer(AuthLayer::new(gate.clone())).with_state(gate.clone())
        } else {
            app.with_state(gate.clone())
        }
    }

    pub(crate) async fn ask(gate: &Gate, is_guarded: bool, path: &str, fields: &[(&str, String)]) -> Answer {
        send(app(gate, is_guarded), path, fields).await
    }

    pub(crate) async fn send(app: Router, path: &str, fields: &[(&str, String)]) -> Answer {
        let mut request = Request::get(path);
        for (name, value) in fields {
            request = request.header(*name, value);
        }
        let answer = app.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let (parts, body) = answer.into_parts();
        let values =
            |name| parts.headers.get_all(name).iter().map(|value| value.to_str().unwrap().to_owned()).collect();
        let body = to_bytes(body, 1_000).await.unwrap();
        Answer {
            status: parts.status.as_u16(),
            body: String::from_utf8(body.to_vec()).unwrap(),
            nonces: values("dpop-nonce"),
            caching: values("cache-control"),
        }
    }
}

mod on_actix {
    use actix_web::middleware::Condition;
    use actix_web::test::{TestRequest, call_service, init_service, read_body};
    use actix_web::{App, HttpResponse, web};
    use portcullis_actix::{Auth, AuthMiddleware, Authorized, Gate, MaybeAuth};

    use super::Answer;
    use super::on_axum::Read;

    async fn several(auth: Auth, maybe: MaybeAuth, authorized: Authorized<Read>) -> String {
        let maybe = maybe.0.and_then(|auth| auth.subject().map(str::to_owned));
        format!("{:?} {maybe:?} {:?}", auth.subject(), authorized.subject())
    }

    async fn cached(_: Auth) -> HttpResponse {
        HttpResponse::Ok().insert_header(("cache-control", "max-age=60")).body("cached")
    }

    pub(crate) async fn ask(gate: &Gate, is_guarded: bool, path: &str, fields: &[(&str, String)]) -> Answer {
        let scope = web::scope("/v1")
            .wrap(Condition::new(is_guarded, AuthMiddleware::new(gate.clone())))
            .route("/orders", web::get().to(several))
            .route("/cached", web::get().to(cached));
        let app = init_service(App::new().app_data(gate.clone()).service(scope)).await;
        let mut request = TestRequest::get().uri(path);
        for (name, value) in fields {
            request = request.append_header((*name, value.as_str()));
        }
        let answer = call_service(&app, request.to_request()).await;
        let values = |name| answer.headers().get_all(name).map(|value| value.to_str().unwrap().to_owned()).collect();
        let (status, nonces, caching) = (answer.status().as_u16(), values("dpop-nonce"), values("cache-control"));
        let body = String::from_utf8(read_body(answer).await.to_vec()).unwrap();
        Answer { status, body, nonces, caching }
    }
}

/// Asks both frameworks, each with its own gate. Their answers must be equal.
async fn ask(gates: &[Gate; 2], is_guarded: bool, path: &str, fields: &[(&str, String)]) -> Answer {
    let answers = [
        on_axum::ask(&gates[0], is_guarded, path, fields).await,
        on_actix::ask(&gates[1], is_guarded, path, fields).await,
    ];
    assert_eq!(answers[0], answers[1]);
    answers[0].clone()
}

fn client() -> Client {
    let client = Client::new();
    let token = issuer().token().subject("alice").scope("read").bound_to(&client.key).sign();
    Client { token, ..client }
}

/// Two gates that demand the same nonces, and their clock. A nonce of 200 seconds is replaced.
fn gates_with_nonces() -> ([Gate; 2], Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at_unix(1_000));
    let nonces = DpopNonces::generate().unwrap();
    ([(); 2].map(|()| gate(Dpop::required().with_clock(Arc::clone(&clock)).with_nonces(nonces.clone()))), clock)
}

#[actix_web::test]
async fn one_proof_serves_all_extractors_of_a_request() {
    let client = client();
    let gates = [gate(Dpop::required()), gate(Dpop::required())];
    for is_guarded in [false, true] {
        let fields = fields(&client, "/v1/orders", None);
        let answer = ask(&gates, is_guarded, "/v1/orders", &fields).await;
        assert_eq!((answer.status, &*answer.body), (200, r#"Some("alice") Some("alice") Some("alice")"#));
        let again = ask(&gates, is_guarded, "/v1/orders", &fields).await;
        assert_eq!(again.status, 401);
        assert!(again.body.contains("invalid_dpop_proof"), "{}", again.body);
    }
}

#[actix_web::test]
async fn fresh_nonce_reaches_the_response_behind_a_layer_only() {
    const PATH: &str = "/v1/orders";
    let ((gates, clock), client) = (gates_with_nonces(), client());
    let nonce = ask(&gates, true, PATH, &fields(&client, PATH, None)).await.nonces.remove(0);
    let answer = ask(&gates, true, PATH, &fields(&client, PATH, Some(&nonce))).await;
    assert_eq!((answer.status, answer.nonces.len(), answer.caching.len()), (200, 0, 0));
    clock.advance(Duration::from_secs(200));
    let answer = ask(&gates, true, PATH, &fields(&client, PATH, Some(&nonce))).await;
    assert_eq!((answer.status, answer.nonces.len()), (200, 1));
    // RFC 9449 §8.2: a response with a nonce is not cached.
    assert_eq!(answer.caching, ["no-store"]);
    let answer = ask(&gates, false, PATH, &fields(&client, PATH, Some(&nonce))).await;
    assert_eq!((answer.status, answer.nonces.len(), answer.caching.len()), (200, 0, 0));
}

#[actix_web::test]
async fn nonce_replaces_the_caching_of_the_service() {
    const PATH: &str = "/v1/cached";
    let ((gates, clock), client) = (gates_with_nonces(), client());
    let nonce = ask(&gates, true, PATH, &fields(&client, PATH, Some(""))).await.nonces.remove(0);
    clock.advance(Duration::from_secs(200));
    let answer = ask(&gates, true, PATH, &fields(&client, PATH, Some(&nonce))).await;
    assert_eq!((answer.status, answer.nonces.len(), answer.caching), (200, 1, vec!["no-store".to_owned()]));
    let answer = ask(&gates, true, PATH, &fields(&client, PATH, Some(&answer.nonces[0]))).await;
    assert_eq!((answer.status, answer.nonces.len(), answer.caching), (200, 0, vec!["max-age=60".to_owned()]));
}

/// The extractor lets the caller in first, but only the layer can add fields to the response.
#[tokio::test]
async fn extractor_around_a_layer_loses_no_nonce() {
    let (([gate, _], clock), client) = (gates_with_nonces(), client());
    let nonce = on_axum::ask(&gate, true, "/v1/orders", &fields(&client, "/v1/orders", None)).await.nonces.remove(0);
    clock.advance(Duration::from_secs(200));
    let app = on_axum::app(&gate, true).layer(from_extractor_with_state::<portcullis_axum::Auth, _>(gate));
    let answer = on_axum::send(app, "/v1/orders", &fields(&client, "/v1/orders", Some(&nonce))).await;
    assert_eq!((answer.status, answer.nonces.len()), (200, 1), "{}", answer.body);
}

#[tokio::test]
async fn proof_names_the_whole_path_of_a_nested_route() {
    let client = client();
    let stripped = fields(&client, "/orders", None);
    let answer = on_axum::ask(&gate(Dpop::required()), false, "/v1/orders", &stripped).await;
    assert_eq!(answer.status, 401);
}

#[tokio::test]
async fn plain_gates_keep_no_admission_of_an_extractor() {
    let issuer = TestIssuer::new();
    let gate = issuer.gate();
    let handler = |_: portcullis_axum::Auth, request: axum::extract::Request| async move {
        request.extensions().get::<portcullis::adapter::Admission>().is_some().to_string()
    };
    let app = axum::Router::new().route("/", axum::routing::get(handler)).with_state(gate);
    let request = axum::http::Request::get("/").header("authorization", format!("Bearer {}", issuer.token().sign()));
    let answer = app.oneshot(request.body(axum::body::Body::empty()).unwrap()).await.unwrap();
    assert_eq!(axum::body::to_bytes(answer.into_body(), 100).await.unwrap(), "false");
}
