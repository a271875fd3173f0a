//! Compares an OpenAPI document with the guards that are really there.

use std::collections::{BTreeMap, BTreeSet};

use portcullis::adapter::Guard;
use portcullis::dangerous;
use portcullis::openapi::{GuardRecorder, REFUSAL_SCHEMA};
use portcullis::{Gate, Verified};
use serde::Serialize;
use serde_json::{Map, Value};

const METHODS: [&str; 9] = ["get", "put", "post", "delete", "options", "head", "patch", "trace", "query"];
const POLICIES: &str = "x-portcullis-policies";

/// Lists where the OpenAPI document of a router differs from its guards: a test that expects an empty list fails when a document
/// and a policy drift apart.
///
/// `app` makes the router and its document with a gate of this test, which lets every request in as a caller with `claims`, skips
/// policies, and notes which guards and extractors ask it. Each operation of the document is called once, so its handler runs. A
/// parameter of the path is its `example` in the document, or else `1`.
///
/// A line names the operation and what differs: the security requirements, an answer of the guard that is missing, demands other
/// than scopes, a security scheme that is not among the components. Routes that the document does not have are not seen.
///
/// ```
/// use axum::{Router, routing::get};
/// use portcullis_axum::{AuthLayer, Gate, scopes};
/// use portcullis_testing::document_differences_of_axum;
///
/// fn app(gate: Gate) -> (Router, serde_json::Value) {
///     let guard = AuthLayer::new(gate).require(scopes("orders:read"));
///     let router = Router::new().route("/orders", get(|| async { "orders" })).layer(guard);
///     // A document that says nothing of the guard. With utoipa, `OpenApiGuards` of portcullis-axum says it.
///     let document = serde_json::json!({"paths": {"/orders": {"get": {"responses": {"200": {}}}}}});
///     (router, document)
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let differences = document_differences_of_axum(&serde_json::json!({"sub": "user"}), app).await;
/// assert_eq!(differences[0], r#"GET /orders: the document demands [], the guards demand [{"api":["orders:read"]}]"#);
/// assert_eq!(differences[1], "GET /orders: the document has no response 400");
/// # }
/// ```
///
/// # Panics
/// If `claims` are not those of a caller, the document is not JSON, or a handler panics.
#[cfg(feature = "axum")]
#[allow(clippy::expect_used, reason = "a path that is none is an error in the test")]
pub async fn document_differences_of_axum<D: Serialize>(
    claims: &impl Serialize,
    app: impl FnOnce(Gate) -> (axum::Router, D),
) -> Vec<String> {
    use axum::http::Request;
    use tower_service::Service as _;

    let (gate, recorder) = recording_gate(claims);
    let (router, document) = app(gate);
    let mut comparison = Comparison::new(&document, recorder);
    for operation in comparison.operations() {
        let request =
            Request::builder().method(&*operation.method).uri(&operation.target).body(axum::body::Body::empty());
        let Ok(_) = router.clone().call(request.expect("a method and a path")).await;
        comparison.compare(&operation);
    }
    comparison.differences
}

/// Lists where the OpenAPI document of an app differs from its guards: a test that expects an empty list fails when a document and
/// a policy drift apart. The app is an `App`, as for `actix_web::test::init_service`.
///
/// `app` makes the app and its document with a gate of this test, which lets every request in as a caller with `claims`, skips
/// policies, and notes which guards and extractors ask it. Each operation of the document is called once, so its handler runs. A
/// parameter of the path is its `example` in the document, or else `1`.
///
/// A line names the operation and what differs: the security requirements, an answer of the guard that is missing, demands other
/// than scopes, a security scheme that is not among the components. Routes that the document does not have are not seen.
///
/// ```
/// use actix_web::{App, web};
/// use portcullis_actix::Auth;
/// use portcullis_testing::document_differences_of_actix;
///
/// # #[actix_web::main] async fn main() {
/// let app = |gate| {
///     let app = App::new().app_data(gate).route("/me", web::get().to(|_: Auth| async { "you" }));
///     // A document that says nothing of the extractor. With utoipa, `OpenApiGuards` of portcullis-actix says it.
///     let document = serde_json::json!({"paths": {"/me": {"get": {"responses": {"200": {}}}}}});
///     (app, document)
/// };
/// let differences = document_differences_of_actix(&serde_json::json!({"sub": "user"}), app).await;
/// assert_eq!(differences[0], r#"GET /me: the document demands [], the guards demand [{"api":[]}]"#);
/// # }
/// ```
///
/// # Panics
/// If `claims` are not those of a caller, the document is not JSON, or a handler panics.
#[cfg(feature = "actix")]
#[allow(clippy::expect_used, reason = "a method that is none is an error in the test")]
pub async fn document_differences_of_actix<D, A, S, B>(
    claims: &impl Serialize,
    app: impl FnOnce(Gate) -> (A, D),
) -> Vec<String>
where
    D: Serialize,
    A: actix_service::IntoServiceFactory<S, actix_http::Request>,
    S: actix_web::dev::ServiceFactory<
            actix_http::Request,
            Config = actix_web::dev::AppConfig,
            Response = actix_web::dev::ServiceResponse<B>,
            Error = actix_web::Error,
        >,
    S::InitError: std::fmt::Debug,
    B: actix_web::body::MessageBody,
{
    use actix_web::http::Method;
    use actix_web::test::{TestRequest, init_service, try_call_service};

    let (gate, recorder) = recording_gate(claims);
    let (app, document) = app(gate);
    let app = init_service(app).await;
    let mut comparison = Comparison::new(&document, recorder);
    for operation in comparison.operations() {
        let method = Method::from_bytes(operation.method.as_bytes()).expect("a method");
        let request = TestRequest::with_uri(&operation.target).method(method).to_request();
        // An error is the answer of a handler or a guard.
        let _ = try_call_service(&app, request).await;
        comparison.compare(&operation);
    }
    comparison.differences
}

#[allow(clippy::expect_used, reason = "claims that are none are an error in the test")]
fn recording_gate(claims: &impl Serialize) -> (Gate, GuardRecorder) {
    let caller: Verified = dangerous::assume_verified(claims).expect("claims of a caller");
    dangerous::admit_everyone_and_record(caller)
}

struct Comparison {
    document: Value,
    recorder: GuardRecorder,
    differences: Vec<String>,
}

/// An operation of the document, and where to call it.
struct Operation {
    method: String,
    path: String,
    target: String,
    members: Map<String, Value>,
}

impl Comparison {
    #[allow(clippy::expect_used, reason = "a document that is none is an error in the test")]
    fn new(document: &impl Serialize, recorder: GuardRecorder) -> Self {
        let document = serde_json::to_value(document).expect("a document in JSON");
        Self { document, recorder, differences: Vec::new() }
    }

    fn operations(&self) -> Vec<Operation> {
        let mut operations = Vec::new();
        for (path, item) in self.document.get("paths").and_then(Value::as_object).into_iter().flatten() {
            let shared = item.get("parameters");
            let known = METHODS.iter().filter_map(|method| Some((*method, item.get(method)?)));
            let others = item.get("additionalOperations").and_then(Value::as_object).into_iter().flatten();
            for (method, members) in known.chain(others.map(|(method, members)| (method.as_str(), members))) {
                let Some(members) = members.as_object() else { continue };
                operations.push(Operation {
                    method: method.to_uppercase(),
                    path: path.clone(),
                    target: target(path, [shared, members.get("parameters")]),
                    members: members.clone(),
                });
            }
        }
        operations
    }

    /// Compares an operation that was called with the guards that were asked.
    fn compare(&mut self, operation: &Operation) {
        let mut expected = Map::new();
        for guard in self.recorder.take() {
            Guard::describe(&guard, &operation.method, &mut expected);
        }
        let Operation { method, path, members, .. } = operation;
        let mut report = |difference: String| self.differences.push(format!("{method} {path}: {difference}"));

        let documented = requirements(members.get("security").or(self.document.get("security")));
        let demanded = requirements(expected.get("security"));
        if documented != demanded {
            let json = |set: &Requirements| serde_json::to_string(set).unwrap_or_default();
            report(format!("the document demands {}, the guards demand {}", json(&documented), json(&demanded)));
        }
        if set(members.get(POLICIES)) != set(expected.get(POLICIES)) {
            let json = |value: Option<&Value>| value.map_or_else(|| "nothing".to_owned(), Value::to_string);
            let (documented, demanded) = (json(members.get(POLICIES)), json(expected.get(POLICIES)));
            report(format!("{POLICIES} says {documented}, the guards demand {demanded}"));
        }
        for status in expected.get("responses").and_then(Value::as_object).into_iter().flat_map(Map::keys) {
            if members.get("responses").and_then(|responses| responses.get(status)).is_none() {
                report(format!("the document has no response {status}"));
            }
        }
        for name in names(expected.get("parameters")).difference(&names(members.get("parameters"))) {
            report(format!("the document has no parameter {name}"));
        }
        let components = self.document.get("components");
        for name in documented.iter().flat_map(BTreeMap::keys).collect::<BTreeSet<_>>() {
            if components.and_then(|components| components.get("securitySchemes")?.get(name)).is_none() {
                report(format!("the security scheme {name} is not among the components"));
            }
        }
        let refers = members.get("responses").is_some_and(|responses| responses.to_string().contains(REFUSAL_SCHEMA));
        if refers && components.and_then(|components| components.get("schemas")?.get(REFUSAL_SCHEMA)).is_none() {
            report(format!("the schema {REFUSAL_SCHEMA} is not among the components"));
        }
    }
}

type Requirements = BTreeSet<BTreeMap<String, BTreeSet<String>>>;

/// Reads the member `security`, without its order.
fn requirements(security: Option<&Value>) -> Requirements {
    security.and_then(|security| serde::Deserialize::deserialize(security).ok()).unwrap_or_default()
}

fn set(list: Option<&Value>) -> BTreeSet<String> {
    list.and_then(Value::as_array).into_iter().flatten().map(Value::to_string).collect()
}

fn names(parameters: Option<&Value>) -> BTreeSet<String> {
    let parameters = parameters.and_then(Value::as_array).into_iter().flatten();
    parameters.filter_map(|parameter| parameter.get("name")?.as_str()).map(str::to_owned).collect()
}

/// Returns the path with a value for each parameter.
fn target(path: &str, parameters: [Option<&Value>; 2]) -> String {
    let example = |name: &str| {
        // Those of the operation replace those of the path.
        let all = parameters.into_iter().rev().flatten().filter_map(Value::as_array).flatten();
        let mut named = all.filter(|parameter| parameter.get("name").is_some_and(|other| other == name));
        match named.next().and_then(|parameter| parameter.get("example")) {
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => "1".to_owned(),
        }
    };
    let mut target = String::new();
    let mut rest = path;
    while let Some((before, (name, after))) =
        rest.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?)))
    {
        target.push_str(before);
        target.push_str(&example(name.trim_start_matches('*')));
        rest = after;
    }
    target + rest
}
