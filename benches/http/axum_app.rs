//! The routes of the Axum service: open, with a signature check only, with this library, and with jsonwebtoken.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::AUTHORIZATION;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use portcullis_axum::{Auth, AuthLayer, Gate};
use portcullis_bench_driver::{BareCheck, Stand};
use serde::Deserialize;

use crate::nothing::{NoLayer, Nothing};
use crate::server::{self, HELLO, Kind};

/// The route `kind`, at `path`.
pub(crate) fn route(kind: Kind, path: &str, [plain, caching]: &[Gate; 2]) -> Router {
    let extracted = |gate: &Gate| Router::new().route(path, get(guarded)).with_state(gate.clone());
    let layered = |gate: &Gate| Router::new().route(path, get(open).layer(AuthLayer::new(gate.clone())));
    match kind {
        Kind::Open => Router::new().route(path, get(open)),
        Kind::OpenExtractor => Router::new().route(path, get(extracted_nothing)),
        Kind::OpenLayer => Router::new().route(path, get(open).layer(NoLayer)),
        Kind::Auth => extracted(plain),
        Kind::Cached => extracted(caching),
        Kind::AuthLayer => layered(plain),
        Kind::CachedLayer => layered(caching),
    }
}

/// Serves on one thread until the process ends.
pub(crate) fn serve() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let stand = Stand::start();
        let gates = server::gates(&stand).await;
        let app = [(Kind::Open, "/open"), (Kind::Auth, "/auth"), (Kind::Cached, "/cached")]
            .into_iter()
            .fold(Router::new(), |app, (kind, path)| app.merge(route(kind, path, &gates)))
            .merge(with_signature_check(stand.bare_check()))
            .merge(with_jsonwebtoken(Rules::of(&stand)));
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        stand.announce(listener.local_addr().unwrap());
        axum::serve(listener, app).await.unwrap();
    });
}

async fn open() -> &'static str {
    HELLO
}

async fn extracted_nothing(_: Nothing) -> &'static str {
    HELLO
}

async fn guarded(_: Auth) -> &'static str {
    HELLO
}

fn with_signature_check(check: BareCheck) -> Router {
    let checked = async |State(check): State<Arc<BareCheck>>| {
        check.run();
        HELLO
    };
    Router::new().route("/signature", get(checked)).with_state(Arc::new(check))
}

/// The middleware that a service without this library would have: a prepared key, the same checks, and the claims for handlers.
fn with_jsonwebtoken(rules: Rules) -> Router {
    Router::new().route("/jsonwebtoken", get(open)).layer(from_fn_with_state(Arc::new(rules), admit))
}

struct Rules {
    key: DecodingKey,
    validation: Validation,
}

#[derive(Clone, Deserialize)]
#[allow(dead_code, reason = "deserialized as a service would, not read")]
struct Claims {
    sub: String,
    scope: String,
    exp: u64,
}

impl Rules {
    fn of(stand: &Stand) -> Self {
        let mut validation = Validation::new(Algorithm::RS256);
        let settings = stand.settings();
        validation.set_issuer(&[&settings.issuer]);
        validation.set_audience(&[&settings.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        validation.validate_nbf = true;
        Self { key: DecodingKey::try_from(&stand.key()).unwrap(), validation }
    }
}

async fn admit(State(rules): State<Arc<Rules>>, mut request: Request, next: Next) -> Response {
    let field = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let Some(token) = field.and_then(|value| value.strip_prefix("Bearer ")) else {
        return StatusCode::UNAUTHORIZED.into_response();
    };
    match jsonwebtoken::decode::<Claims>(token, &rules.key, &rules.validation) {
        Ok(decoded) => {
            request.extensions_mut().insert(decoded.claims);
            next.run(request).await
        }
        Err(_) => StatusCode::UNAUTHORIZED.into_response(),
    }
}
