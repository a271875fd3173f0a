//! The guard as a middleware.

use std::future::{Ready, ready};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::http::header::{CACHE_CONTROL, HeaderName, HeaderValue};
use actix_web::{Error, HttpMessage};
use portcullis::adapter::{Admission, Decision, Guard};
use portcullis::{Gate, Policy};

use crate::payload::has_unannounced_body;
use crate::rejection::response;
use crate::state::find_admission;
use crate::view::view;

/// Guards an `App`, a `scope` or a `resource`: verified callers reach it, other requests are refused.
///
/// ```
/// use actix_web::{App, web};
/// use portcullis_actix::{Auth, AuthMiddleware, scopes};
///
/// async fn stop(auth: Auth) -> String {
///     auth.subject().unwrap_or_default().to_owned()
/// }
///
/// # fn main() -> Result<(), portcullis_actix::error::InvalidToken> {
/// # let gate = portcullis_testing::gate_admitting(&serde_json::json!({"sub": "user"}))?;
/// let admin = web::scope("/admin").wrap(AuthMiddleware::new(gate).require(scopes("admin"))).route("/stop", web::get().to(stop));
/// let app = App::new().service(admin);
/// # Ok(()) }
/// ```
///
/// Extractors behind it use its gate and do not verify the token again. Your own middleware behind it finds the caller
/// among the request's extensions, as [`Admission`](portcullis::adapter::Admission). Header fields that belong to the
/// caller ([`Verified::response_headers`](portcullis::Verified::response_headers)) are added to the response. An extractor
/// cannot add them.
///
/// Middleware can be nested. Each lets through only what its own gate verified, and extractors use the innermost gate.
///
/// Unlike a layer of Axum, it also guards routes that are added after `wrap`.
///
/// # One gate, cloned
///
/// Extractors behind the middleware use its gate, and extractors elsewhere that of `app_data`. Each `with_…` method makes
/// another gate. Make the gate once, with all of them, and give clones to `app_data` and to each middleware, so that all
/// refusals have one style.
///
/// `portcullis_testing::open_routes_of_actix` lists the routes and methods that let an anonymous request through, so that a
/// test can pin them.
///
/// # CORS
///
/// Wrap the CORS middleware around this one: call `.wrap(cors)` after `.wrap(guard)`, for example with `actix-cors`. It then
/// answers the preflight requests of browsers, which have no token, and adds its fields to refusals too, so that pages can
/// read them. Where a proxy adds the CORS fields, use [`Self::allow_cors_preflight`]. A CORS middleware behind this one sees
/// no preflight.
#[derive(Clone, Debug)]
#[must_use = "give it to wrap()"]
pub struct AuthMiddleware(Arc<Guard>);

impl AuthMiddleware {
    /// Lets verified callers through.
    pub fn new(gate: Gate) -> Self {
        Guard::new(gate).into()
    }

    /// Lets only callers through that `policy` allows.
    pub fn require(self, policy: Policy) -> Self {
        Arc::unwrap_or_clone(self.0).require(policy).into()
    }

    /// Lets requests without a credential through too. A bad credential is still refused.
    pub fn optional(self) -> Self {
        Arc::unwrap_or_clone(self.0).optional().into()
    }

    pub(crate) fn around<S>(&self, inner: S) -> AuthMiddlewareService<S> {
        AuthMiddlewareService { inner: Rc::new(inner), guard: Arc::clone(&self.0) }
    }

    /// Answers CORS preflight requests with 204. Browsers add no credential to them. They reach neither the policy nor the
    /// routes ([`Guard::allow_cors_preflight`](portcullis::adapter::Guard::allow_cors_preflight)).
    ///
    /// With a CORS middleware around this one it is not needed: see [CORS](Self#cors).
    pub fn allow_cors_preflight(self) -> Self {
        Arc::unwrap_or_clone(self.0).allow_cors_preflight().into()
    }
}

#[cfg(feature = "utoipa")]
impl AuthMiddleware {
    pub(crate) fn guard(&self) -> &Guard {
        &self.0
    }
}

impl From<Guard> for AuthMiddleware {
    fn from(guard: Guard) -> Self {
        Self(Arc::new(guard))
    }
}

impl<S, B> Transform<S, ServiceRequest> for AuthMiddleware
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type InitError = ();
    type Transform = AuthMiddlewareService<S>;
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        ready(Ok(self.around(inner)))
    }
}

/// A service behind [`AuthMiddleware`].
#[derive(Debug)]
pub struct AuthMiddlewareService<S> {
    inner: Rc<S>,
    guard: Arc<Guard>,
}

impl<S, B> Service<ServiceRequest> for AuthMiddlewareService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Error>>>>;

    fn poll_ready(&self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&self, mut request: ServiceRequest) -> Self::Future {
        let (inner, guard) = (Rc::clone(&self.inner), Arc::clone(&self.guard));
        Box::pin(async move {
            let has_unannounced_body = has_unannounced_body(&mut request);
            let known = find_admission(request.request());
            let view = view(request.request()).with_unannounced_body(has_unannounced_body);
            let decision = guard.admit(&view, known.as_ref()).await;
            let admission = match decision {
                Ok(Decision::Pass(admission)) => admission,
                Ok(Decision::Answer(answer)) => {
                    return Ok(request
                        .into_response(response(answer.status, answer.headers.iter().copied(), String::new()))
                        .map_into_right_body());
                }
                Err(refusal) => {
                    let headers = refusal.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
                    let refusal = response(refusal.status, headers, refusal.body);
                    return Ok(request.into_response(refusal).map_into_right_body());
                }
            };
            let has_fields = |admission: &&Admission| !admission.response_headers().is_empty();
            let admitted = admission.as_ref().filter(has_fields).cloned();
            // One value, because each takes memory. Extractors take a gate before that of an admission.
            if let Some(admission) = admission {
                let mut extensions = request.extensions_mut();
                extensions.remove::<Gate>();
                extensions.insert(admission);
            } else {
                request.extensions_mut().insert(guard.gate().clone());
            }
            let mut response = inner.call(request).await?;
            if let Some(admission) = admitted {
                add_headers(&mut response, &admission);
            }
            Ok(response.map_into_left_body())
        })
    }
}

/// Adds the caller's header fields. Fields that HTTP cannot send are left out. A `cache-control` replaces that of the service,
/// which does not know that the response has a nonce.
fn add_headers<B>(response: &mut ServiceResponse<B>, admission: &Admission) {
    let fields = admission.response_headers();
    if fields.iter().any(|(name, _)| name.eq_ignore_ascii_case(CACHE_CONTROL.as_str())) {
        response.headers_mut().remove(CACHE_CONTROL);
    }
    for (name, value) in fields {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name.as_str()), HeaderValue::try_from(value.as_str())) {
            response.headers_mut().append(name, value);
        }
    }
}
