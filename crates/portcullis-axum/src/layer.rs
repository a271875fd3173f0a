//! A guard as a tower layer.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum_core::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, Request};
use portcullis::adapter::Guard;
use portcullis::{Gate, Policy, Verified};
use tower_layer::Layer;
use tower_service::Service;

use crate::rejection::Rejection;
use crate::view::PartsView;

/// Guards all routes of a router, or any tower service whose responses axum understands.
///
/// ```
/// use axum::{Router, routing::get};
/// use portcullis_axum::{Auth, AuthLayer, scopes};
///
/// # fn main() -> Result<(), portcullis_axum::error::InvalidToken> {
/// # let gate = portcullis_testing::gate_admitting(&serde_json::json!({"sub": "user"}))?;
/// let admin = Router::new().route("/stop", get(|auth: Auth| async move { auth.subject().unwrap_or_default().to_owned() }));
/// let app: Router = Router::new().nest("/admin", admin.layer(AuthLayer::new(gate).require(scopes("admin"))));
/// # Ok(()) }
/// ```
///
/// Extractors behind it use its gate, and do not verify again what it let in. Where layers are nested, each lets through
/// only what its own gate verified, and the innermost gate is the extractors'.
///
/// A layer of your own that stands within finds the caller among the request's extensions, as
/// [`Admission`](portcullis::adapter::Admission), and so do the methods of a gRPC service, such as tonic's. Clients read the code of a refusal from the status of HTTP; those of tonic want a
/// field `grpc-status` as well, which [`Gate::with_refusals`] adds (`tests/grpc.rs` of this crate).
#[derive(Clone, Debug)]
#[must_use = "give it to Router::layer"]
pub struct AuthLayer(Arc<Guard>);

impl AuthLayer {
    /// Lets verified callers through, and nobody else.
    pub fn new(gate: Gate) -> Self {
        Guard::new(gate).into()
    }

    /// Lets through those whom `policy` allows.
    pub fn require(self, policy: Policy) -> Self {
        Arc::unwrap_or_clone(self.0).require(policy).into()
    }

    /// Lets requests without a credential through as well; a bad one is refused all the same.
    pub fn optional(self) -> Self {
        Arc::unwrap_or_clone(self.0).optional().into()
    }

    /// Lets CORS preflight requests through, to which browsers add no credential.
    pub fn allow_cors_preflight(self) -> Self {
        Arc::unwrap_or_clone(self.0).allow_cors_preflight().into()
    }
}

impl From<Guard> for AuthLayer {
    fn from(guard: Guard) -> Self {
        Self(Arc::new(guard))
    }
}

impl<S> Layer<S> for AuthLayer {
    type Service = AuthService<S>;

    fn layer(&self, inner: S) -> AuthService<S> {
        AuthService { inner, guard: Arc::clone(&self.0) }
    }
}

/// A service behind an [`AuthLayer`].
#[derive(Clone, Debug)]
pub struct AuthService<S> {
    inner: S,
    guard: Arc<Guard>,
}

impl<S, B> Service<Request<B>> for AuthService<S>
where
    S: Service<Request<B>> + Clone + Send + 'static,
    S::Response: IntoResponse,
    S::Future: Send,
    B: Send + 'static,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The service that was polled ready is the one to call; its clone is ready for the next request.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let guard = Arc::clone(&self.guard);
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            let admission = match guard.admit(&PartsView(&parts)).await {
                Ok(admission) => admission,
                Err(error) => return Ok(Rejection::from(guard.refuse(&error)).into_response()),
            };
            let caller = admission.as_ref().map(|admission| admission.caller().clone());
            parts.extensions.insert(guard.gate().clone());
            if let Some(admission) = admission {
                parts.extensions.insert(admission);
            }
            let mut response = inner.call(Request::from_parts(parts, body)).await?.into_response();
            if let Some(caller) = caller {
                add_headers(&mut response, &caller);
            }
            Ok(response)
        })
    }
}

/// What the scheme has to say with each response, such as a fresh nonce.
fn add_headers(response: &mut Response, caller: &Verified) {
    for (name, value) in caller.response_headers() {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().append(name, value);
        }
    }
}
