//! A guard for servers of the Model Context Protocol, which finds the policy of a request in its body.

use std::future::{Ready, ready};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::{Error, HttpMessage, ResponseError};
use portcullis::claims::NoClaims;
use portcullis::mcp::ToolPolicies;
use portcullis::{ConfigError, Gate};

use crate::middleware::{AuthMiddleware, AuthMiddlewareService};
use crate::payload::read;
use crate::rejection::Rejection;
use crate::state::find_admission;
use crate::view::view;

/// Guards the endpoint of a server of the Model Context Protocol: each tool has its policy ([`ToolPolicies`]).
///
/// It first demands a verified caller, like [`AuthMiddleware`]. Then it reads the body, up to a limit, and demands what all
/// requests and its messages need. The handler behind it gets the whole body. The answer to a caller without the scopes is 403,
/// whose challenge names all scopes that the request needs.
///
/// ```
/// use actix_web::{App, web};
/// use portcullis_actix::mcp::ToolPolicies;
/// use portcullis_actix::{Gate, McpMiddleware, ResourceMetadata, resource_metadata_routes, scopes};
///
/// # async fn answer(_: String) -> &'static str { "" }
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let gate = portcullis_testing::TestIssuer::new().gate();
/// let gate = gate.with_resource_metadata(ResourceMetadata::new("https://notes.example/mcp")?);
/// let policies = ToolPolicies::new(scopes("notes:read")).tool("add_note", scopes("notes:write"));
/// let guard = McpMiddleware::new(gate.clone(), policies)?;
/// let app = App::new()
///     .service(web::resource("/mcp").wrap(guard).route(web::post().to(answer)))
///     .configure(resource_metadata_routes(&gate));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use = "give it to wrap()"]
pub struct McpMiddleware {
    gate: Gate,
    policies: Arc<ToolPolicies>,
}

impl McpMiddleware {
    /// Lets callers through that the policies allow.
    ///
    /// # Errors
    /// [`ConfigError`] when the gate has no protected resource metadata, or a scope is `offline_access`
    /// ([`ToolPolicies::check`]).
    pub fn new(gate: Gate, policies: ToolPolicies) -> Result<Self, ConfigError> {
        policies.check(&gate)?;
        Ok(Self { gate, policies: Arc::new(policies) })
    }
}

impl<S, B> Transform<S, ServiceRequest> for McpMiddleware
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<EitherBody<B>>>;
    type Error = Error;
    type InitError = ();
    type Transform = AuthMiddlewareService<McpMiddlewareService<S>>;
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        let guard = AuthMiddleware::new(self.gate.clone()).require(self.policies.before_body());
        ready(Ok(guard.around(McpMiddlewareService { inner: Rc::new(inner), middleware: self.clone() })))
    }
}

/// A service behind a [`McpMiddleware`].
#[derive(Debug)]
pub struct McpMiddlewareService<S> {
    inner: Rc<S>,
    middleware: McpMiddleware,
}

impl<S, B> Service<ServiceRequest> for McpMiddlewareService<S>
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
        let (inner, McpMiddleware { gate, policies }) = (Rc::clone(&self.inner), self.middleware.clone());
        Box::pin(async move {
            let mut whole = None;
            if policies.can_read(&view(request.request())) {
                let (read, payload) = read(request.take_payload(), policies.max_body()).await;
                request.set_payload(payload);
                whole = read;
            }
            let policy = whole.map_or_else(|| policies.strictest(), |whole| policies.policy(&whole));
            let known = find_admission(request.request());
            let admitted = gate.extract::<NoClaims>(&view(request.request()), known.as_ref(), &policy).await;
            if let Err(refusal) = admitted {
                let response = Rejection::from(refusal).error_response().map_into_right_body();
                return Ok(request.into_response(response));
            }
            Ok(inner.call(request).await?.map_into_left_body())
        })
    }
}
