//! A test for each demand that the authorization part of the Model Context Protocol, revision 2026-07-28, makes of a
//! resource server. The sections are those of
//! <https://modelcontextprotocol.io/specification/2026-07-28/basic/authorization>.
//!
//! Each request is sent to the server on Axum and to the one on Actix Web. The answers are equal.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests may fail by panic; clippy can't tell that these functions are tests"
)]

use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig};
use actix_web::{App, HttpRequest};
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request};
use axum::routing::post;
use example_mcp::{Service, on_actix, on_axum};
use portcullis_actix::{Auth as ActixAuth, McpMiddleware};
use portcullis_axum::jose::Algorithm;
use portcullis_axum::mcp::ToolPolicies;
use portcullis_axum::{Auth, McpLayer, Policy, ResourceMetadata};
use portcullis_testing::{DpopKey, TestIssuer, TokenBuilder};
use serde_json::{Value, json};
use tower::ServiceExt as _;

const RESOURCE: &str = "https://notes.example/mcp";
const ROOT_METADATA: &str = "/.well-known/oauth-protected-resource";
const METADATA: &str = "/.well-known/oauth-protected-resource/mcp";
const NO_TOKEN: &str = r#"Bearer realm="api", scope="notes:read", resource_metadata="https://notes.example/.well-known/oauth-protected-resource/mcp""#;

struct Server {
    issuer: TestIssuer,
    axum: Router,
    actix: Service,
}

#[derive(Debug, Eq, PartialEq)]
struct Answer {
    status: u16,
    challenge: Option<String>,
    body: String,
}

impl Server {
    fn new() -> Self {
        Self::at(RESOURCE)
    }

    /// A server for each framework, with its own notes.
    fn at(resource: &str) -> Self {
        let issuer = TestIssuer::from_algorithms([Algorithm::Es256]).with_audience(resource);
        let service = || Service::new(issuer.verifier().build().unwrap(), resource).unwrap();
        Self { axum: on_axum::app(&service()).unwrap(), actix: service(), issuer }
    }

    fn token(&self, scope: &str) -> TokenBuilder {
        self.issuer.token().subject("alice").scope(scope)
    }

    /// Asks both servers, which answer alike.
    async fn send(&self, request: Request<Body>) -> Answer {
        let (parts, body) = request.into_parts();
        let body = axum::body::to_bytes(body, 10_000_000).await.unwrap();
        let actix = actix_request(&parts, body.to_vec());
        let from_actix = ask_actix(on_actix::routes(&self.actix).unwrap(), actix).await;
        let from_axum = ask_axum(&self.axum, Request::from_parts(parts, Body::from(body))).await;
        assert_eq!(from_axum, from_actix, "left: the answer of axum, right: that of actix");
        from_axum
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    /// A message with this token.
    async fn say(&self, token: &TokenBuilder, message: &Value) -> Answer {
        self.send(saying(message, &[("authorization", &format!("Bearer {}", token.sign()))])).await
    }
}

async fn ask_axum(app: &Router, request: Request<Body>) -> Answer {
    let response = app.clone().oneshot(request).await.unwrap();
    let challenges: Vec<_> = response.headers().get_all("www-authenticate").iter().cloned().collect();
    assert!(challenges.len() <= 1, "{challenges:?}");
    let challenge = challenges.first().map(|value| value.to_str().unwrap().to_owned());
    let status = response.status().as_u16();
    let body = axum::body::to_bytes(response.into_body(), 100_000).await.unwrap();
    Answer { status, challenge, body: String::from_utf8(body.to_vec()).unwrap() }
}

fn actix_request(parts: &axum::http::request::Parts, body: Vec<u8>) -> actix_web::test::TestRequest {
    let method = actix_web::http::Method::from_bytes(parts.method.as_str().as_bytes()).unwrap();
    let request = actix_web::test::TestRequest::default().method(method).uri(&parts.uri.to_string()).set_payload(body);
    parts.headers.iter().fold(request, |request, (name, value)| {
        let name = HeaderName::try_from(name.as_str()).unwrap();
        request.append_header((name, HeaderValue::from_bytes(value.as_bytes()).unwrap()))
    })
}

async fn ask_actix(routes: impl FnOnce(&mut ServiceConfig), request: actix_web::test::TestRequest) -> Answer {
    let app = actix_web::test::init_service(App::new().configure(routes)).await;
    let response = actix_web::test::call_service(&app, request.to_request()).await;
    let status = response.status().as_u16();
    let challenge = response.headers().get("www-authenticate").map(|value| value.to_str().unwrap().to_owned());
    let body = actix_web::test::read_body(response).await;
    Answer { status, challenge, body: String::from_utf8(body.to_vec()).unwrap() }
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// A message of the current revision.
fn message(method: &str, mut params: Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
}

fn list() -> Value {
    message("tools/call", json!({"name": "list_notes"}))
}

fn add(text: &str) -> Value {
    message("tools/call", json!({"name": "add_note", "arguments": {"text": text}}))
}

/// A request with the message and the headers that repeat parts of it. `fields` are added, or replace such headers.
fn saying(message: &Value, fields: &[(&'static str, &str)]) -> Request<Body> {
    let mut headers = HeaderMap::new();
    let mut set = |name, value: Option<&str>| value.map(|value| headers.insert(name, value.parse().unwrap()));
    set("mcp-protocol-version", message.pointer(VERSION).and_then(Value::as_str));
    set("mcp-method", message["method"].as_str());
    set("mcp-name", message["params"]["name"].as_str());
    for (name, value) in fields {
        set(name, Some(value));
    }
    let mut request = Request::post("/mcp").body(Body::from(message.to_string())).unwrap();
    *request.headers_mut() = headers;
    request
}

const VERSION: &str = "/params/_meta/io.modelcontextprotocol~1protocolVersion";

// Authorization Server Discovery

#[actix_web::test]
async fn authorization_server_location_is_in_the_metadata() {
    let metadata = Server::new().get(METADATA).await;
    assert_eq!(metadata.status, 200);
    assert_eq!(
        metadata.json(),
        json!({
            "resource": RESOURCE,
            "authorization_servers": ["https://issuer.test/"],
            "scopes_supported": ["notes:read"],
            "bearer_methods_supported": ["header"],
            "resource_name": "Notes",
        })
    );
}

#[actix_web::test]
async fn protected_resource_metadata_discovery_at_both_well_known_uris() {
    let server = Server::new();
    // Without a token, and without a challenge before.
    let (of_path, of_root) = (server.get(METADATA).await, server.get(ROOT_METADATA).await);
    assert_eq!((of_path.status, of_root.status), (200, 200));
    assert_eq!(of_path.body, of_root.body);
    // A server at the root has one path for both.
    let at_root = Server::at("https://notes.example");
    assert_eq!(at_root.get(ROOT_METADATA).await.json()["resource"], "https://notes.example");
}

#[actix_web::test]
async fn protected_resource_metadata_discovery_from_a_401() {
    let server = Server::new();
    let answer = server.send(saying(&list(), &[])).await;
    assert_eq!((answer.status, answer.challenge.as_deref()), (401, Some(NO_TOKEN)));
    let expired = server.say(&server.token("notes:read").expired(), &list()).await.challenge.unwrap();
    let url = format!("https://notes.example{METADATA}");
    assert!(expired.ends_with(&format!(r#", resource_metadata="{url}""#)), "{expired}");
}

// Scope Selection Strategy

#[actix_web::test]
async fn scope_selection_from_a_401() {
    let server = Server::new();
    for (answer, error) in [
        (server.send(saying(&list(), &[])).await, None),
        (server.say(&server.token("notes:read").expired(), &list()).await, Some("invalid_token")),
    ] {
        let challenge = answer.challenge.unwrap();
        assert_eq!(answer.status, 401);
        assert!(challenge.contains(r#"scope="notes:read""#), "{challenge}");
        assert_eq!(challenge.contains("error="), error.is_some(), "{challenge}");
    }
}

#[actix_web::test]
async fn scope_selection_from_scopes_supported() {
    let server = Server::new();
    let supported = server.get(METADATA).await.json()["scopes_supported"].clone();
    assert_eq!(supported, json!(["notes:read"]));
    for basic in [message("server/discover", json!({})), message("tools/list", json!({})), list()] {
        assert_eq!(server.say(&server.token("notes:read"), &basic).await.status, 200, "{basic}");
    }
}

#[actix_web::test]
async fn refresh_tokens_need_no_offline_access_here() {
    let server = Server::new();
    let told = [
        server.get(METADATA).await.body,
        server.send(saying(&list(), &[])).await.challenge.unwrap(),
        server.say(&server.token("notes:read"), &add("x")).await.challenge.unwrap(),
    ];
    assert!(told.iter().all(|told| !told.contains("offline_access")), "{told:?}");
}

// Resource Parameter Implementation

#[test]
fn canonical_server_uri_must_be_a_url_without_fragment() {
    for resource in ["mcp.example.com", "https://mcp.example.com#fragment", ""] {
        let verifier = TestIssuer::from_algorithms([Algorithm::Es256]).verifier().build().unwrap();
        assert!(Service::new(verifier, resource).is_err(), "{resource}");
    }
}

// Access Token Usage

#[actix_web::test]
async fn token_requirements_hold_for_every_request() {
    let server = Server::new();
    let good = server.token("notes:read");
    assert_eq!(server.say(&good, &list()).await.status, 200);
    // The token of one request does not count for the next.
    for method in ["initialize", "server/discover", "tools/list", "tools/call", "ping", "nothing"] {
        let answer = server.send(saying(&message(method, json!({})), &[])).await;
        assert_eq!((answer.status, answer.challenge.as_deref()), (401, Some(NO_TOKEN)), "{method}");
    }
    let notification = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    assert_eq!(server.send(saying(&notification, &[])).await.status, 401);
    assert_eq!(server.say(&good, &notification).await.status, 202);
    for method in ["GET", "DELETE", "PUT"] {
        let request = Request::builder().method(method).uri("/mcp").body(Body::empty()).unwrap();
        assert_eq!(server.send(request).await.status, 401, "{method}");
    }
}

#[actix_web::test]
async fn token_requirements_no_token_in_query_or_body() {
    let server = Server::new();
    let token = server.token("notes:read").sign();
    let mut in_query = saying(&list(), &[]);
    *in_query.uri_mut() = format!("/mcp?access_token={token}").parse().unwrap();
    let in_body = saying(&message("tools/list", json!({"access_token": token})), &[]);
    let in_form = Request::post("/mcp")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from(format!("access_token={token}")))
        .unwrap();
    let in_cookie = saying(&list(), &[("cookie", &format!("access_token={token}"))]);
    for request in [in_query, in_body, in_form, in_cookie] {
        let answer = server.send(request).await;
        assert_eq!((answer.status, answer.challenge.as_deref()), (401, Some(NO_TOKEN)));
    }
}

#[actix_web::test]
async fn token_handling_refuses_tokens_for_other_servers() {
    let server = Server::new();
    let good = server.token("notes:read");
    for audience in [json!(RESOURCE), json!(["https://other.example", RESOURCE])] {
        let answer = server.say(&good.clone().audience(&audience), &list()).await;
        assert_eq!(answer.status, 200, "{audience}");
    }
    for audience in [
        json!("https://notes.example"),
        json!("https://notes.example/"),
        json!("https://notes.example/mcp/"),
        json!("https://notes.example/mcp/admin"),
        json!("https://other.example/mcp"),
        json!(["https://other.example/mcp"]),
        json!([]),
        json!("*"),
    ] {
        let answer = server.say(&good.clone().audience(&audience), &list()).await;
        assert_eq!(answer.status, 401, "{audience}");
        assert!(answer.challenge.unwrap().contains(r#"error="invalid_token""#), "{audience}");
    }
    assert_eq!(server.say(&good.without("aud"), &list()).await.status, 401);
}

#[actix_web::test]
async fn token_handling_refuses_other_authorization_servers() {
    let server = Server::new();
    let stranger = TestIssuer::from_algorithms([Algorithm::Es256]).with_audience(RESOURCE);
    assert_eq!(server.say(&stranger.token().scope("notes:read"), &list()).await.status, 401);
    let forgeries = server.issuer.forgeries();
    assert!(!forgeries.is_empty());
    for forgery in forgeries {
        let field = format!("Bearer {}", forgery.token);
        let answer = server.send(saying(&list(), &[("authorization", &field)])).await;
        assert_eq!(answer.status, 401, "{}", forgery.name);
        assert!(!answer.body.contains("result"), "{}", forgery.name);
    }
}

// Error Handling

#[actix_web::test]
async fn error_handling_with_400_401_and_403() {
    let server = Server::new();
    let good = format!("Bearer {}", server.token("notes:read").sign());
    assert_eq!(server.send(saying(&list(), &[("authorization", &good)])).await.status, 200);
    assert_eq!(server.send(saying(&list(), &[])).await.status, 401);
    assert_eq!(server.say(&server.token("notes:read").expired(), &list()).await.status, 401);
    assert_eq!(server.say(&server.token("other"), &list()).await.status, 403);
    for malformed in ["Bearer", "Bearer  ", "Bearer a b", "Bearer a,b"] {
        let answer = server.send(saying(&list(), &[("authorization", malformed)])).await;
        assert_eq!(answer.status, 400, "{malformed}");
        assert!(answer.challenge.unwrap().contains(r#"error="invalid_request""#), "{malformed}");
    }
    let mut twice = saying(&list(), &[("authorization", &good)]);
    twice.headers_mut().append("authorization", good.parse().unwrap());
    assert_eq!(server.send(twice).await.status, 400);
}

#[actix_web::test]
async fn runtime_insufficient_scope_names_all_scopes_at_once() {
    let server = Server::new();
    let answer = server.say(&server.token("notes:read profile"), &add("x")).await;
    assert_eq!(answer.status, 403);
    assert_eq!(
        answer.challenge.as_deref(),
        Some(
            r#"Bearer realm="api", error="insufficient_scope", error_description="The access token does not grant what this resource requires", scope="notes:read notes:write", resource_metadata="https://notes.example/.well-known/oauth-protected-resource/mcp""#
        )
    );
    // A token without any of them is told the same.
    for scope in ["profile", ""] {
        assert_eq!(server.say(&server.token(scope), &add("x")).await, answer, "{scope}");
    }
    // A scope is a whole word. It implies no other, unless the gate says so.
    for scope in ["notes:reader", "notes", "notes:*", "NOTES:READ", "notes:write", ""] {
        let answer = server.say(&server.token(scope), &list()).await;
        assert_eq!(answer.status, 403, "{scope}");
        assert!(answer.challenge.unwrap().contains(r#"scope="notes:read""#), "{scope}");
    }
}

#[actix_web::test]
async fn runtime_insufficient_scope_accounts_for_hierarchies() {
    let server = Server::new();
    for call in [list(), add("x")] {
        assert_eq!(server.say(&server.token("notes:admin"), &call).await.status, 200, "{call}");
    }
    // The challenge names what is needed, and not what implies it.
    let refused = server.say(&server.token("notes:read"), &add("x")).await.challenge.unwrap();
    assert!(refused.contains(r#"scope="notes:read notes:write""#), "{refused}");
}

#[actix_web::test]
async fn step_up_with_the_challenged_scopes_succeeds() {
    let server = Server::new();
    let refused = server.say(&server.token("notes:read"), &add("buy milk")).await.challenge.unwrap();
    let named = refused.split(r#"scope=""#).nth(1).unwrap().split('"').next().unwrap();
    assert_eq!(server.say(&server.token(named), &add("buy milk")).await.status, 200);
    let notes = server.say(&server.token("notes:read"), &list()).await.json();
    assert_eq!(notes["result"]["content"], json!([{"type": "text", "text": "buy milk"}]));
}

// Security Considerations

#[actix_web::test]
async fn access_token_privilege_restriction_hides_the_token() {
    let issuer = TestIssuer::from_algorithms([Algorithm::Es256]).with_audience(RESOURCE);
    let gate = issuer.gate().with_resource_metadata(ResourceMetadata::new(RESOURCE).unwrap());
    let policies = || ToolPolicies::new(Policy::authenticated()).other_tools(Policy::authenticated());
    let token = issuer.token().subject("alice").sign();
    let request = || saying(&list(), &[("authorization", &format!("Bearer {token}"))]);
    // Every header that a handler sees and could pass on.
    let echo = |auth: Auth, headers: HeaderMap| async move { format!("{:?} {headers:?}", auth.subject()) };
    let guard = McpLayer::new(gate.clone(), policies()).unwrap();
    let from_axum = ask_axum(&on_axum::behind(guard, Router::new().route("/mcp", post(echo))), request()).await;

    let echo = |auth: ActixAuth, request: HttpRequest| async move {
        format!("{:?} {:?}", auth.subject(), request.headers().iter().collect::<Vec<_>>())
    };
    let guard = McpMiddleware::new(gate, policies()).unwrap();
    let endpoint = web::resource("/mcp").route(web::post().to(echo)).wrap(from_fn(on_actix::forget_token)).wrap(guard);
    let routes = |app: &mut ServiceConfig| {
        app.service(endpoint);
    };
    let from_actix = ask_actix(routes, actix_request(&request().into_parts().0, Vec::new())).await;

    for seen in [from_axum.body, from_actix.body] {
        assert!(seen.contains(r#"Some("alice")"#) && seen.contains("mcp-method"), "{seen}");
        assert!(!seen.contains("authorization") && !seen.contains(&token[..20]), "{seen}");
    }
}

#[actix_web::test]
async fn access_token_privilege_restriction_separates_users() {
    let server = Server::new();
    let scope = "notes:read notes:write";
    server.say(&server.token(scope), &add("alice's")).await;
    let of_bob = server.say(&server.token(scope).subject("bob"), &list()).await;
    assert_eq!((of_bob.status, of_bob.body.contains("alice's")), (200, false));
    // A caller without a subject has no notes, which the next one could see.
    for call in [add("whose"), list()] {
        for nobody in [server.token(scope).without("sub"), server.token(scope).subject("")] {
            assert_eq!(server.say(&nobody, &call).await.json()["result"]["isError"], true, "{call}");
        }
    }
}

// Streamable HTTP, as far as it concerns authorization

#[actix_web::test]
async fn security_and_endpoint_refuses_a_foreign_origin_first() {
    let server = Server::new();
    let field = format!("Bearer {}", server.token("notes:read").sign());
    let from = |origin: &str| saying(&list(), &[("authorization", &field), ("origin", origin)]);
    assert_eq!(server.send(from("https://notes.example")).await.status, 200);
    for origin in ["https://evil.example", "http://notes.example", "https://notes.example.evil.example", "null", ""] {
        assert_eq!(server.send(from(origin)).await.status, 403, "{origin}");
    }
    // Two readers could take different ones.
    let mut both = from("https://notes.example");
    both.headers_mut().append("origin", "https://evil.example".parse().unwrap());
    assert_eq!(server.send(both).await.status, 403);
}

#[actix_web::test]
async fn server_validation_refuses_headers_that_contradict_the_body() {
    let server = Server::new();
    let field = format!("Bearer {}", server.token("notes:read notes:write").sign());
    let with =
        |fields: &[(&'static str, &str)]| saying(&add("x"), &[&[("authorization", field.as_str())], fields].concat());
    assert_eq!(server.send(with(&[])).await.status, 200);
    assert_eq!(server.send(with(&[("mcp-name", "=?base64?YWRkX25vdGU=?=")])).await.status, 200);
    for (name, value) in [
        ("mcp-name", "list_notes"),
        ("mcp-name", "=?base64?bGlzdF9ub3Rlcw==?="),
        ("mcp-name", "=?base64?***?="),
        ("mcp-method", "tools/list"),
        ("mcp-protocol-version", "2025-11-25"),
    ] {
        let answer = server.send(with(&[(name, value)])).await;
        assert_eq!((answer.status, &answer.json()["error"]["code"]), (400, &json!(-32020)), "{name}: {value}");
    }
    for name in ["mcp-name", "mcp-method", "mcp-protocol-version"] {
        let mut request = with(&[]);
        request.headers_mut().remove(name);
        let answer = server.send(request).await;
        assert_eq!((answer.status, &answer.json()["error"]["code"]), (400, &json!(-32020)), "no {name}");
    }
}

#[actix_web::test]
async fn policy_is_that_of_the_tool_in_the_body() {
    let server = Server::new();
    let field = format!("Bearer {}", server.token("notes:read").sign());
    let mut earlier = add("x");
    earlier["params"].as_object_mut().unwrap().remove("_meta");
    // A client of an earlier revision has no such headers, so they are neither compared nor used.
    let request = saying(
        &earlier,
        &[("authorization", &field), ("mcp-name", "list_notes"), ("mcp-protocol-version", "2025-11-25")],
    );
    assert_eq!(server.send(request).await.status, 403);
}

/// A server that decompresses bodies would read another message than the guard, which does not.
#[actix_web::test]
async fn compressed_body_needs_all_scopes() {
    let server = Server::new();
    for encoding in ["br", "gzip", "identity", "x"] {
        for (scope, expected) in [("notes:read", 403), ("notes:read notes:write", 200)] {
            let field = format!("Bearer {}", server.token(scope).sign());
            let request = saying(&list(), &[("authorization", &field), ("content-encoding", encoding)]);
            let answer = server.send(request).await;
            assert_eq!(answer.status == 403, expected == 403, "{encoding} {scope} {}", answer.status);
            if expected == 403 {
                let challenge = answer.challenge.unwrap();
                assert!(challenge.contains(r#"scope="notes:read notes:write""#), "{challenge}");
            }
        }
    }
}

/// The reader of the guard and that of the server may disagree, for example about members that appear twice.
#[actix_web::test]
async fn body_that_cannot_be_read_needs_all_scopes() {
    let server = Server::new();
    let named =
        |name: &str| format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{name}"}}}}"#);
    let twice = named("list_notes").replace("}}", r#","name":"add_note"}}"#);
    let batch = format!("[{},{}]", named("list_notes"), named("add_note"));
    // Longer than what the guard reads.
    let long =
        |length| named("list_notes").replace("}}", &format!(r#","arguments":{{"text":"{}"}}}}}}"#, "x".repeat(length)));
    for body in [twice, batch, "{".to_owned(), "\u{feff}{}".to_owned(), long(66_000), long(1_100_000)] {
        for (scope, statuses) in [("notes:read", [403, 403]), ("notes:read notes:write", [400, 200])] {
            let field = format!("Bearer {}", server.token(scope).sign());
            let request = Request::post("/mcp").header("authorization", field).body(Body::from(body.clone())).unwrap();
            let answer = server.send(request).await;
            assert!(statuses.contains(&answer.status), "{} {scope} {}", answer.status, &body[..body.len().min(200)]);
            if answer.status == 403 {
                let challenge = answer.challenge.unwrap();
                assert!(challenge.contains(r#"scope="notes:read notes:write""#), "{challenge}");
            }
        }
    }
}

#[actix_web::test]
async fn proofs_of_possession_are_one_call_on_the_gate() {
    let issuer = TestIssuer::from_algorithms([Algorithm::Es256]).with_audience(RESOURCE);
    let service = || {
        let plain = Service::new(issuer.verifier().build().unwrap(), RESOURCE).unwrap();
        plain.demanding_proofs().unwrap()
    };
    let server = Server { axum: on_axum::app(&service()).unwrap(), actix: service(), issuer: issuer.clone() };
    // A bearer token is not enough, and the challenge says which proofs are.
    let refused = server.say(&server.token("notes:read"), &list()).await;
    let challenge = refused.challenge.unwrap();
    assert_eq!(refused.status, 401);
    assert!(challenge.starts_with("DPoP ") && challenge.contains("algs="), "{challenge}");
    assert!(challenge.contains("resource_metadata="), "{challenge}");

    // A good proof is one for this URL, and serves once.
    let key = DpopKey::new();
    let token = server.token("notes:read").bound_to(&key).sign();
    let field = format!("DPoP {token}");
    let with = |proof: &str, message: &Value| saying(message, &[("authorization", &field), ("dpop", proof)]);
    let proof = || key.proof("POST", RESOURCE, &token);
    let good = proof().sign();
    let answer = server.send(with(&good, &list())).await;
    assert_eq!((answer.status, &answer.json()["result"]["isError"]), (200, &json!(false)), "{}", answer.body);
    for bad in [good, key.proof("POST", "https://notes.example/other", &token).sign()] {
        let refused = server.send(with(&bad, &list())).await;
        let challenge = refused.challenge.unwrap();
        assert!(refused.status == 401 && challenge.contains(r#"error="invalid_dpop_proof""#), "{challenge}");
    }
    // It may be five minutes old.
    let now = proof().claims()["iat"].as_i64().unwrap();
    for (age, expected) in [(290, 200), (310, 401)] {
        let answer = server.send(with(&proof().claim("iat", now - age).sign(), &list())).await;
        assert_eq!(answer.status, expected, "{age}");
    }
    // A proof does not replace a scope.
    let refused = server.send(with(&proof().sign(), &add("x"))).await;
    let challenge = refused.challenge.unwrap();
    assert!(refused.status == 403 && challenge.starts_with("DPoP "), "{challenge}");
    assert!(challenge.contains(r#"scope="notes:read notes:write""#), "{challenge}");
}

#[actix_web::test]
async fn earlier_protocol_versions_are_understood() {
    let server = Server::new();
    let good = server.token("notes:read");
    let discovered = server.say(&good, &message("server/discover", json!({}))).await.json();
    assert_eq!(discovered["result"]["supportedVersions"], json!(["2026-07-28", "2025-11-25", "2025-06-18"]));
    assert_eq!(discovered["result"]["resultType"], "complete");

    let initialize = |version: &str| json!({"jsonrpc": "2.0", "id": "i", "method": "initialize", "params": {"protocolVersion": version}});
    for (asked, agreed) in [("2025-06-18", "2025-06-18"), ("2025-11-25", "2025-11-25"), ("2024-11-05", "2025-11-25")] {
        let answer = server.say(&good, &initialize(asked)).await.json();
        assert_eq!((&answer["id"], &answer["result"]["protocolVersion"]), (&json!("i"), &json!(agreed)));
    }
    let field = format!("Bearer {}", good.sign());
    let unknown =
        server.send(saying(&list(), &[("authorization", &field), ("mcp-protocol-version", "1900-01-01")])).await;
    assert_eq!((unknown.status, &unknown.json()["error"]["code"]), (400, &json!(-32022)));
    let nothing = server.say(&good, &message("nothing", json!({}))).await;
    assert_eq!((nothing.status, &nothing.json()["error"]["code"]), (404, &json!(-32601)));
    let get = Request::get("/mcp").header("authorization", &field).body(Body::empty()).unwrap();
    assert_eq!(server.send(get).await.status, 405);
}

#[actix_web::test]
async fn invalid_messages_and_unknown_tools_are_errors() {
    let server = Server::new();
    let field = format!("Bearer {}", server.token("notes:read notes:write").sign());
    for (body, code) in [
        ("", -32700),
        ("{", -32700),
        ("[]", -32600),
        (r#"["2.0",1,"tools/list",{}]"#, -32600),
        (r#"[{"jsonrpc":"2.0","id":1,"method":"tools/list"}]"#, -32600),
        (r#"{"jsonrpc":"1.0","id":1,"method":"tools/list"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1}"#, -32600),
    ] {
        let request = Request::post("/mcp").header("authorization", &field).body(Body::from(body)).unwrap();
        let answer = server.send(request).await;
        assert_eq!((answer.status, &answer.json()["error"]["code"]), (400, &json!(code)), "{body}");
    }
    let said = |message| saying(&message, &[("authorization", &field)]);
    let no_tool = server.send(said(message("tools/call", json!({"name": "drop_notes"})))).await.json();
    assert_eq!(no_tool["error"]["code"], -32602);
    let no_text = server.send(said(message("tools/call", json!({"name": "add_note"})))).await.json();
    assert_eq!(no_text["result"]["isError"], true);
    let tools = server.send(said(message("tools/list", json!({})))).await.json();
    let names: Vec<_> = tools["result"]["tools"].as_array().unwrap().iter().map(|tool| &tool["name"]).collect();
    assert_eq!(names, ["add_note", "list_notes"]);
}
