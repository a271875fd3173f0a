//! The ways in which a request meets a gate, each in an app of its framework.

use std::convert::Infallible;

use http::{Request, Response};
use portcullis::adapter::Admission;
use portcullis::{Gate, Require, Verified};
use tower::{Layer as _, ServiceExt as _};

/// An adapter, and the part of it that guards the handler.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Way {
    ActixExtractor,
    ActixMiddleware,
    AxumExtractor,
    AxumLayer,
    TowerLayer,
}

pub(crate) const WAYS: [Way; 5] =
    [Way::ActixExtractor, Way::ActixMiddleware, Way::AxumExtractor, Way::AxumLayer, Way::TowerLayer];

impl Way {
    /// Whether the adapter adds the caller's header fields to the response.
    pub(crate) fn adds_fields(self) -> bool {
        matches!(self, Self::ActixMiddleware | Self::AxumLayer | Self::TowerLayer)
    }
}

/// A request to `/orders`, or to `/v1/orders` in the nested part of the app.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ask {
    path: String,
    fields: Vec<(String, String)>,
}

/// An answer. Its fields are sorted by name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: String,
}

/// What the handlers answer: they are called with the caller.
pub(crate) type Say = fn(&Verified) -> String;

impl Ask {
    pub(crate) fn new(path: &str) -> Self {
        Self { path: path.to_owned(), fields: Vec::new() }
    }

    /// A request to `/orders` with this `Authorization` field.
    pub(crate) fn with_authorization(value: &str) -> Self {
        Self::new("/orders").field("authorization", value)
    }

    pub(crate) fn field(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    fn request(&self) -> Request<axum::body::Body> {
        let mut request = Request::get(&self.path);
        for (name, value) in &self.fields {
            request = request.header(name, value);
        }
        request.body(axum::body::Body::empty()).unwrap()
    }
}

impl Answer {
    /// The values of the fields `name`, in order.
    pub(crate) fn values(&self, name: &str) -> Vec<&str> {
        self.fields.iter().filter(|(field, _)| field == name).map(|(_, value)| value.as_str()).collect()
    }

    fn new(status: u16, fields: impl Iterator<Item = (String, String)>, body: &[u8]) -> Self {
        let mut fields: Vec<_> = fields.filter(|(name, _)| name != "content-length").collect();
        fields.sort_by(|(one, _), (other, _)| one.cmp(other));
        Self { status, fields, body: String::from_utf8(body.to_vec()).unwrap() }
    }
}

/// Asks in each way, where the policy of `P` holds, and returns the one answer. The answers of handlers may differ in
/// their fields.
pub(crate) async fn ask<P: Require + 'static>(gate: &Gate, request: &Ask, say: Say) -> Answer {
    let mut answers = Vec::new();
    for way in WAYS {
        let mut answer = ask_in::<P>(way, gate, request, say).await;
        if answer.status == 200 {
            answer.fields.clear();
        }
        answers.push((way, answer));
    }
    let (_, first) = answers.swap_remove(0);
    for (way, answer) in answers {
        assert_eq!(answer, first, "{way:?}");
    }
    first
}

/// Asks in one way.
pub(crate) async fn ask_in<P: Require + 'static>(way: Way, gate: &Gate, request: &Ask, say: Say) -> Answer {
    match way {
        Way::ActixExtractor => on_actix(|app| actix_extractor::<P>(app, gate, say), request).await,
        Way::ActixMiddleware => on_actix(|app| actix_middleware::<P>(app, gate, say), request).await,
        Way::AxumExtractor => on_axum(axum_extractor::<P>(gate, say), request).await,
        Way::AxumLayer => on_axum(axum_layer::<P>(gate, say), request).await,
        Way::TowerLayer => on_tower::<P>(gate, request, say).await,
    }
}

fn axum_extractor<P: Require + 'static>(gate: &Gate, say: Say) -> axum::Router {
    let handler = move |auth: portcullis_axum::Authorized<P>| async move { say(&auth) };
    nested(axum::Router::new().route("/orders", axum::routing::get(handler))).with_state(gate.clone())
}

/// The routes are guarded before they are nested, so that the layer is behind the prefix.
fn axum_layer<P: Require + 'static>(gate: &Gate, say: Say) -> axum::Router {
    let handler = move |caller: axum::Extension<Admission>| async move { say(caller.caller()) };
    let layer = portcullis_axum::AuthLayer::new(gate.clone()).require(P::policy());
    nested(axum::Router::new().route("/orders", axum::routing::get(handler)).layer(layer))
}

fn nested<S: Clone + Send + Sync + 'static>(routes: axum::Router<S>) -> axum::Router<S> {
    axum::Router::new().merge(routes.clone()).nest("/v1", routes)
}

async fn on_axum(app: axum::Router, request: &Ask) -> Answer {
    of_http(app.oneshot(request.request()).await.unwrap()).await
}

async fn on_tower<P: Require>(gate: &Gate, request: &Ask, say: Say) -> Answer {
    let handler = move |request: Request<axum::body::Body>| async move {
        let text = say(request.extensions().get::<Admission>().unwrap().caller());
        Ok::<_, Infallible>(Response::new(axum::body::Body::from(text)))
    };
    let layer = portcullis_tower::AuthLayer::new(gate.clone()).require(P::policy());
    of_http(layer.layer(tower::service_fn(handler)).oneshot(request.request()).await.unwrap()).await
}

async fn of_http<B>(response: Response<B>) -> Answer
where
    B: axum::body::HttpBody<Data = axum::body::Bytes> + Send + 'static,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let (parts, body) = response.into_parts();
    let fields = parts.headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
    let body = axum::body::to_bytes(axum::body::Body::new(body), 1 << 20).await.unwrap();
    Answer::new(parts.status.as_u16(), fields, &body)
}

type ServiceConfig = actix_web::web::ServiceConfig;

fn actix_extractor<P: Require + 'static>(app: &mut ServiceConfig, gate: &Gate, say: Say) {
    let handler = move |auth: portcullis_actix::Authorized<P>| async move { say(&auth) };
    let route = || actix_web::web::get().to(handler);
    app.app_data(gate.clone()).route("/orders", route());
    app.service(actix_web::web::scope("/v1").route("/orders", route()));
}

fn actix_middleware<P: Require + 'static>(app: &mut ServiceConfig, gate: &Gate, say: Say) {
    let handler = move |caller: actix_web::web::ReqData<Admission>| async move { say(caller.caller()) };
    let guard = || portcullis_actix::AuthMiddleware::new(gate.clone()).require(P::policy());
    let route = || actix_web::web::get().to(handler);
    app.service(actix_web::web::resource("/orders").wrap(guard()).route(route()));
    app.service(actix_web::web::scope("/v1").wrap(guard()).route("/orders", route()));
}

async fn on_actix(configure: impl FnOnce(&mut ServiceConfig), request: &Ask) -> Answer {
    let app = actix_web::test::init_service(actix_web::App::new().configure(configure)).await;
    let mut asked = actix_web::test::TestRequest::with_uri(&request.path);
    for (name, value) in &request.fields {
        asked = asked.append_header((name.as_str(), value.as_str()));
    }
    let response = actix_web::test::call_service(&app, asked.to_request()).await;
    let status = response.status().as_u16();
    let fields = response.headers().iter();
    let fields: Vec<_> = fields.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    Answer::new(status, fields.into_iter(), &actix_web::test::read_body(response).await)
}
