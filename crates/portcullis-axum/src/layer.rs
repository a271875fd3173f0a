//! The guard as a layer of a router.

use portcullis::adapter::Guard;
use portcullis::{Gate, Policy};
use portcullis_tower::AuthService;
use tower_layer::Layer;

use crate::view::{original_uri, peer_address};

/// Guards the routes of a router: verified callers reach them, other requests are refused.
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
/// Extractors behind it use its gate and do not verify the token again. Your own layer behind it finds the caller among
/// the request's extensions, as [`Admission`](portcullis::adapter::Admission). Header fields that belong to the caller
/// ([`Verified::response_headers`](portcullis::Verified::response_headers)) are added to the response. An extractor
/// cannot add them.
///
/// Layers can be nested. Each lets through only what its own gate verified, and extractors use the innermost gate.
///
/// # Routes that are added later stay open
///
/// axum applies a layer to the routes that the router has at that moment. A route that is added afterwards is not
/// guarded. Add the layer last:
///
/// ```
/// # use axum::{Router, routing::get};
/// # use portcullis_axum::AuthLayer;
/// # async fn handler() {}
/// # fn both(layer: AuthLayer) -> (Router, Router) {
/// let guarded = Router::new().route("/orders", get(handler)).layer(layer.clone());
/// let open = Router::new().layer(layer).route("/orders", get(handler)); // wrong: /orders is open
/// # (guarded, open) }
/// ```
///
/// The same holds for `merge`, `nest` and `fallback`, and for the methods of one route. `route_layer` never guards the
/// fallback. On one route:
///
/// ```
/// # use axum::routing::{MethodRouter, get, post};
/// # use portcullis_axum::AuthLayer;
/// # async fn a() {}
/// # async fn b() {}
/// # fn all(guard: AuthLayer, readers: AuthLayer, writers: AuthLayer) -> [MethodRouter; 4] {
/// let both = get(a).post(b).layer(guard.clone());
/// let each_its_own = get(a).layer(readers.clone()).merge(post(b).layer(writers.clone()));
/// let open = get(a).layer(guard).post(b); // wrong: POST is open
/// let twice = get(a).layer(readers).post(b).layer(writers); // wrong: GET needs both
/// # [both, each_its_own, open, twice] }
/// ```
///
/// `portcullis_testing::open_routes_of_axum` lists the routes and methods that let an anonymous request through, so that a
/// test can pin them.
///
/// These forms guard every route of the part:
///
/// - `.route(…).layer(layer)`: the layer is the last call.
/// - `.nest("/admin", admin.layer(layer))` and `.merge(admin.layer(layer))`: the part is finished before it is added.
/// - An extractor in each handler ([`Auth`](crate::Auth), [`Authorized`](crate::Authorized)): it guards its handler
///   wherever the route is added.
///
/// # One gate, cloned
///
/// Extractors behind the layer use the layer's gate, and extractors elsewhere that of the state. Each `with_…` method makes
/// another gate. Make the gate once, and clone it, so that all refusals have one style:
///
/// ```
/// # use axum::{Router, routing::get};
/// # use portcullis_axum::{Auth, AuthLayer, Gate};
/// # async fn handler(_: Auth) {}
/// # fn app(gate: Gate) -> Router {
/// let gate = gate.with_realm("orders").with_refusals(|refused, refusal| refusal.body = refused.code().to_owned());
/// Router::new()
///     .route("/orders", get(handler).layer(AuthLayer::new(gate.clone())))
///     .route("/me", get(handler))
///     .with_state(gate) // wrong: .with_state(gate.with_refusals(..)), whose refusals the layer does not have
/// # }
/// ```
///
/// # CORS
///
/// Add the CORS layer after this one, so that it is around it: `.layer(AuthLayer::new(gate)).layer(cors)`, for example with
/// `CorsLayer` of `tower-http`. It then answers the preflight requests of browsers, which have no token, and adds its fields
/// to refusals too, so that pages can read them. Where a proxy adds the CORS fields, use [`Self::allow_cors_preflight`]. A
/// CORS layer behind this layer sees no preflight.
#[derive(Clone, Debug)]
#[must_use = "give it to Router::layer"]
pub struct AuthLayer(portcullis_tower::AuthLayer);

impl AuthLayer {
    /// Lets verified callers through.
    pub fn new(gate: Gate) -> Self {
        Guard::new(gate).into()
    }

    /// Lets only callers through that `policy` allows.
    pub fn require(self, policy: Policy) -> Self {
        Self(self.0.require(policy))
    }

    /// Lets requests without a credential through too. A bad credential is still refused.
    pub fn optional(self) -> Self {
        Self(self.0.optional())
    }

    /// Answers CORS preflight requests with 204. Browsers add no credential to them. They reach neither the policy nor the
    /// routes ([`Guard::allow_cors_preflight`](portcullis::adapter::Guard::allow_cors_preflight)).
    ///
    /// With a CORS layer around this layer it is not needed: see [CORS](Self#cors).
    pub fn allow_cors_preflight(self) -> Self {
        Self(self.0.allow_cors_preflight())
    }
}

#[cfg(feature = "utoipa")]
impl AuthLayer {
    pub(crate) fn guard(&self) -> &Guard {
        self.0.guard()
    }
}

impl From<Guard> for AuthLayer {
    fn from(guard: Guard) -> Self {
        let layer = portcullis_tower::AuthLayer::from(guard);
        Self(layer.with_original_uri(original_uri).with_peer_address(peer_address))
    }
}

impl<S> Layer<S> for AuthLayer {
    type Service = AuthService<S>;

    fn layer(&self, inner: S) -> AuthService<S> {
        self.0.layer(inner)
    }
}
