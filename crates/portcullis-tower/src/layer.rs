//! The guard as a tower layer.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Extensions, Request, Response, Uri};
use http_body::Body;
use portcullis::adapter::{Admission, Decision, Guard};
use portcullis::{Gate, Policy};
use tower_layer::Layer;
use tower_service::Service;

use crate::body::AuthBody;
use crate::rejection::{add_fields_of_caller, preflight_response, response};
use crate::view::PartsView;

/// Guards a tower service: verified callers reach it, other requests are refused.
///
/// ```
/// use http::{Request, Response};
/// use portcullis_tower::adapter::Admission;
/// use portcullis_tower::{AuthLayer, scopes};
/// use tower::{Layer, ServiceExt, service_fn};
///
/// async fn stop(request: Request<String>) -> Result<Response<String>, std::convert::Infallible> {
///     let caller = request.extensions().get::<Admission>().map(Admission::caller);
///     Ok(Response::new(format!("stopped by {:?}", caller.and_then(|caller| caller.subject()))))
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let gate = portcullis_testing::gate_admitting(&serde_json::json!({"sub": "user-1", "scope": "admin"}))?;
/// let service = AuthLayer::new(gate).require(scopes("admin")).layer(service_fn(stop));
/// let response = service.oneshot(Request::new(String::new())).await?;
/// assert_eq!(response.status(), 200);
/// # Ok(()) }
/// ```
///
/// The service behind it finds the caller among the request's extensions, as
/// [`Admission`](portcullis::adapter::Admission), which has the gate too. When the request passed without a caller
/// ([`Self::optional`]), it finds only the [`Gate`]. Header fields that belong to the caller
/// ([`Verified::response_headers`](portcullis::Verified::response_headers)) are added to the service's response.
///
/// Layers can be nested. Each lets through only what its own gate verified, and the innermost gate is the one that the
/// service finds.
///
/// # CORS
///
/// Put the CORS layer around this layer, for example `CorsLayer` of `tower-http`. It then answers the preflight requests of
/// browsers, which have no token, and adds its fields to refusals too, so that pages can read them. Where a proxy adds the
/// CORS fields, use [`Self::allow_cors_preflight`]. A CORS layer behind this layer sees no preflight.
#[derive(Clone, Debug)]
#[must_use = "give it to a service"]
pub struct AuthLayer {
    guard: Arc<Guard>,
    original_uri: OriginalUri,
    peer_address: PeerAddress,
}

type OriginalUri = fn(&Extensions) -> Option<&Uri>;
type PeerAddress = fn(&Extensions) -> Option<IpAddr>;

impl AuthLayer {
    /// Lets verified callers through.
    pub fn new(gate: Gate) -> Self {
        Guard::new(gate).into()
    }

    /// Lets only callers through that `policy` allows.
    pub fn require(self, policy: Policy) -> Self {
        self.with(|guard| guard.require(policy))
    }

    /// Lets requests without a credential through too. A bad credential is still refused.
    pub fn optional(self) -> Self {
        self.with(|guard| guard.optional())
    }

    /// Answers CORS preflight requests with 204. Browsers add no credential to them. They reach neither the policy nor the
    /// service ([`Guard::allow_cors_preflight`](portcullis::adapter::Guard::allow_cors_preflight)).
    ///
    /// With a CORS layer around this layer it is not needed: see [CORS](Self#cors).
    pub fn allow_cors_preflight(self) -> Self {
        self.with(|guard| guard.allow_cors_preflight())
    }

    /// With the URI as the server received it, which `find` finds among the request's extensions. It is for frameworks
    /// that remove a prefix from the path before a nested service sees it. The layer of `portcullis-axum` does this. `find` is
    /// called where the URI is needed.
    ///
    /// ```
    /// use portcullis_tower::{AuthLayer, Gate};
    ///
    /// #[derive(Clone)]
    /// struct WholeUri(http::Uri);
    ///
    /// fn layer(gate: Gate) -> AuthLayer {
    ///     AuthLayer::new(gate).with_original_uri(|extensions| extensions.get().map(|WholeUri(uri)| uri))
    /// }
    /// ```
    pub fn with_original_uri(self, find: fn(&Extensions) -> Option<&Uri>) -> Self {
        Self { original_uri: find, ..self }
    }

    /// With the address of the connection's peer, which `find` finds among the request's extensions. It is for client
    /// certificates that a proxy writes into a header field
    /// ([`ClientCertificates`](portcullis::possession::ClientCertificates)). The layer of `portcullis-axum` does this. `find` is
    /// called where the address is needed.
    ///
    /// ```
    /// use std::net::SocketAddr;
    ///
    /// use portcullis_tower::{AuthLayer, Gate};
    ///
    /// // The server adds it to each request.
    /// #[derive(Clone)]
    /// struct Peer(SocketAddr);
    ///
    /// fn layer(gate: Gate) -> AuthLayer {
    ///     AuthLayer::new(gate).with_peer_address(|extensions| extensions.get().map(|Peer(address)| address.ip()))
    /// }
    /// ```
    pub fn with_peer_address(self, find: fn(&Extensions) -> Option<IpAddr>) -> Self {
        Self { peer_address: find, ..self }
    }

    /// Returns the guard that decides about the requests of this layer.
    pub fn guard(&self) -> &Guard {
        &self.guard
    }

    fn with(self, change: impl FnOnce(Guard) -> Guard) -> Self {
        Self { guard: Arc::new(change(Arc::unwrap_or_clone(self.guard))), ..self }
    }
}

impl From<Guard> for AuthLayer {
    fn from(guard: Guard) -> Self {
        Self { guard: Arc::new(guard), original_uri: |_| None, peer_address: |_| None }
    }
}

impl<S> Layer<S> for AuthLayer {
    type Service = AuthService<S>;

    fn layer(&self, inner: S) -> AuthService<S> {
        AuthService { inner, layer: self.clone() }
    }
}

/// A service behind an [`AuthLayer`].
#[derive(Clone, Debug)]
pub struct AuthService<S> {
    inner: S,
    layer: AuthLayer,
}

impl<S, RequestBody, ResponseBody> Service<Request<RequestBody>> for AuthService<S>
where
    S: Service<Request<RequestBody>, Response = Response<ResponseBody>> + Clone + Send + 'static,
    S::Future: Send,
    RequestBody: Body + Send + 'static,
{
    type Response = Response<AuthBody<ResponseBody>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        // The service that was polled ready is the one to call. Its clone serves the next request.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let layer = self.layer.clone();
        Box::pin(async move {
            let guard = &layer.guard;
            let (mut parts, body) = request.into_parts();
            // `find` of either is the service's code. A panic there is caught like any other of such code that the gate calls.
            let view = PartsView::new(&parts).with_body(&body);
            let view = view.with_original_uri(layer.original_uri).with_peer_address(layer.peer_address);
            let decision = guard.admit(&view, parts.extensions.get()).await;
            let admission = match decision {
                Ok(Decision::Pass(admission)) => admission,
                Ok(Decision::Answer(answer)) => return Ok(preflight_response(answer).map(AuthBody::of_refusal)),
                Err(refusal) => return Ok(response(refusal).map(AuthBody::of_refusal)),
            };
            let has_fields = |admission: &&Admission| !admission.response_headers().is_empty();
            let admitted = admission.as_ref().filter(has_fields).cloned();
            // One value, because each takes memory. Extractors take a gate before that of an admission.
            if let Some(admission) = admission {
                parts.extensions.remove::<Gate>();
                parts.extensions.insert(admission);
            } else {
                parts.extensions.insert(guard.gate().clone());
            }
            let mut response = inner.call(Request::from_parts(parts, body)).await?;
            if let Some(admission) = admitted {
                add_fields_of_caller(response.headers_mut(), admission.response_headers());
            }
            Ok(response.map(AuthBody::of_service))
        })
    }
}
