//! A guard for servers of the Model Context Protocol, which finds the policy of a request in its body.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::response::{IntoResponse, Response};
use http::Request;
use http_body::{Frame, SizeHint};
use portcullis::claims::NoClaims;
use portcullis::mcp::ToolPolicies;
use portcullis::{ConfigError, Gate};
use portcullis_tower::AuthService;
use tower_layer::Layer;
use tower_service::Service;

use crate::layer::AuthLayer;
use crate::rejection::Rejection;
use crate::view::view;

/// Guards the endpoint of a server of the Model Context Protocol: each tool has its policy ([`ToolPolicies`]).
///
/// It first demands a verified caller, like [`AuthLayer`]. Then it reads the body, up to a limit, and demands what all requests
/// and its messages need. The service behind it gets the whole body. The answer to a caller without the scopes is 403, whose
/// challenge names all scopes that the request needs.
///
/// ```
/// use axum::{Router, routing::post};
/// use portcullis_axum::mcp::ToolPolicies;
/// use portcullis_axum::{Gate, McpLayer, ResourceMetadata, resource_metadata_routes, scopes};
///
/// # async fn answer(_: String) {}
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let gate = portcullis_testing::TestIssuer::new().gate();
/// let gate = gate.with_resource_metadata(ResourceMetadata::new("https://notes.example/mcp")?);
/// let policies = ToolPolicies::new(scopes("notes:read")).tool("add_note", scopes("notes:write"));
/// let app: Router = Router::new()
///     .route("/mcp", post(answer))
///     .layer(McpLayer::new(gate.clone(), policies)?)
///     .merge(resource_metadata_routes(&gate));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use = "give it to Router::layer"]
pub struct McpLayer {
    gate: Gate,
    policies: Arc<ToolPolicies>,
}

impl McpLayer {
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

impl<S> Layer<S> for McpLayer {
    type Service = AuthService<McpService<S>>;

    fn layer(&self, inner: S) -> Self::Service {
        let guard = AuthLayer::new(self.gate.clone()).require(self.policies.before_body());
        guard.layer(McpService { inner, layer: self.clone() })
    }
}

/// A service behind a [`McpLayer`].
#[derive(Clone, Debug)]
pub struct McpService<S> {
    inner: S,
    layer: McpLayer,
}

impl<S> Service<Request<Body>> for McpService<S>
where
    S: Service<Request<Body>> + Clone + Send + 'static,
    S::Response: IntoResponse,
    S::Future: Send,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // The service that was polled ready is the one to call. Its clone serves the next request.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let McpLayer { gate, policies } = self.layer.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let (whole, body) =
                if policies.can_read(&view(&parts)) { read(body, policies.max_body()).await } else { (None, body) };
            let policy = whole.map_or_else(|| policies.strictest(), |whole| policies.policy(&whole));
            let admitted = gate.extract::<NoClaims>(&view(&parts), parts.extensions.get(), &policy).await;
            if let Err(refusal) = admitted {
                return Ok(Rejection::from(refusal).into_response());
            }
            Ok(inner.call(Request::from_parts(parts, body)).await?.into_response())
        })
    }
}

/// Reads the body, and returns it again. The first value is `None` if it has more than `limit` bytes, or cannot be read to its
/// end.
async fn read(mut body: Body, limit: usize) -> (Option<Vec<u8>>, Body) {
    let (mut frames, mut whole) = (VecDeque::new(), Vec::new());
    loop {
        match poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
            None => return (Some(whole), put_back(frames, Body::empty())),
            // Empty pieces take memory, and a client can send any number of them.
            Some(Ok(frame)) if frame.data_ref().is_some_and(Bytes::is_empty) => {}
            Some(Ok(frame)) => {
                whole.extend_from_slice(frame.data_ref().map_or(&[], |piece| piece));
                frames.push_back(Ok(frame));
                if whole.len() > limit {
                    return (None, put_back(frames, body));
                }
            }
            Some(Err(error)) => {
                frames.push_back(Err(error));
                return (None, put_back(frames, body));
            }
        }
    }
}

fn put_back(frames: VecDeque<Result<Frame<Bytes>, axum::Error>>, rest: Body) -> Body {
    Body::new(PutBack { frames, rest })
}

/// A body whose first frames were read. Trailers are a frame too.
struct PutBack {
    frames: VecDeque<Result<Frame<Bytes>, axum::Error>>,
    rest: Body,
}

impl HttpBody for PutBack {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        match self.frames.pop_front() {
            Some(frame) => Poll::Ready(Some(frame)),
            None => Pin::new(&mut self.rest).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.frames.is_empty() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let pieces = self.frames.iter().flatten().filter_map(Frame::data_ref);
        let read =
            pieces.fold(0_u64, |read, piece| read.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX)));
        let (rest, mut hint) = (self.rest.size_hint(), SizeHint::new());
        hint.set_lower(rest.lower().saturating_add(read));
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper.saturating_add(read));
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::routing::post;
    use http::HeaderMap;
    use portcullis::{ResourceMetadata, scopes};
    use portcullis_testing::TestIssuer;
    use tower::ServiceExt as _;

    use super::*;

    /// A body that must not be read.
    struct Unread;

    impl HttpBody for Unread {
        type Data = Bytes;
        type Error = axum::Error;

        fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
            panic!("the body was read");
        }
    }

    #[tokio::test]
    async fn body_of_an_anonymous_client_is_not_read() {
        let metadata = ResourceMetadata::new("https://api.test/mcp").unwrap();
        let gate = TestIssuer::new().gate().with_resource_metadata(metadata);
        let layer = McpLayer::new(gate, ToolPolicies::new(scopes("read"))).unwrap();
        let app: Router = Router::new().route("/mcp", post(|| async {})).layer(layer);
        let refused = app.oneshot(Request::post("/mcp").body(Body::new(Unread)).unwrap()).await.unwrap();
        let challenge = refused.headers()["www-authenticate"].to_str().unwrap();
        assert!(refused.status() == 401 && challenge.contains(r#"scope="read""#), "{challenge}");
    }

    async fn frames_of(mut body: Body) -> Vec<Frame<Bytes>> {
        let mut frames = Vec::new();
        while let Some(Ok(frame)) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
            frames.push(frame);
        }
        frames
    }

    #[tokio::test]
    async fn pieces_and_trailers_of_a_body_are_put_back() {
        let trailers = HeaderMap::from_iter([(http::header::ETAG, http::HeaderValue::from_static("1"))]);
        let body = || {
            let pieces = ["ab", "", "cd"].map(|piece| Ok(Frame::data(Bytes::from_static(piece.as_bytes()))));
            put_back(pieces.into_iter().chain([Ok(Frame::trailers(trailers.clone()))]).collect(), Body::empty())
        };
        for (limit, expected) in [(4, Some(b"abcd".to_vec())), (3, None)] {
            let (whole, body) = read(body(), limit).await;
            assert_eq!((whole, body.size_hint().exact()), (expected, Some(4)));
            let frames = frames_of(body).await;
            let data: Vec<_> = frames.iter().filter_map(Frame::data_ref).collect();
            assert_eq!(data, ["ab", "cd"]);
            assert_eq!(frames.last().and_then(Frame::trailers_ref), Some(&trailers));
        }
    }
}
