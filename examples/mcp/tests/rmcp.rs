//! A server of the crate `rmcp` behind `McpLayer`: its own transport answers, and each tool has its policy.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests may fail by panic; clippy can't tell that these functions are tests"
)]

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::http::request::Parts;
use portcullis_axum::adapter::Admission;
use portcullis_axum::jose::Algorithm;
use portcullis_axum::mcp::ToolPolicies;
use portcullis_axum::{Gate, McpLayer, Policy, ResourceMetadata, resource_metadata_routes, scopes};
use portcullis_testing::TestIssuer;
use rmcp::model::{CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock};
use rmcp::model::{ServerCapabilities, ServerConfig};
use rmcp::service::RequestContext;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::{Value, json};
use tower::ServiceExt as _;

const RESOURCE: &str = "https://notes.example/mcp";

struct Greeter;

impl ServerHandler for Greeter {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn call_tool(
        &self,
        call: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        // rmcp hands over the parts of the HTTP request, and the guard has put the caller among its extensions.
        let parts = context.extensions.get::<Parts>();
        let admission = parts.and_then(|parts| parts.extensions.get::<Admission>());
        let caller = admission.and_then(|admission| admission.caller().subject());
        let caller = caller.ok_or_else(|| ErrorData::internal_error("no caller", None))?;
        Ok(CallToolResult::success(vec![ContentBlock::text(format!("{} for {caller}", call.name))]).into())
    }
}

fn app(gate: Gate) -> Router {
    let metadata = ResourceMetadata::new(RESOURCE).unwrap().with_scopes(["notes:read"]);
    let gate = gate.with_resource_metadata(metadata);
    let policies = ToolPolicies::new(scopes("notes:read"))
        .tool("greet", Policy::authenticated())
        .tool("add_note", scopes("notes:write"))
        .method("resources/read", scopes("notes:files"));
    // Without sessions, each request is answered on its own, and with JSON.
    let config = StreamableHttpServerConfig::default()
        .with_allowed_hosts(["notes.example"])
        .with_legacy_session_mode(false)
        .with_json_response(true);
    let server = StreamableHttpService::new(|| Ok(Greeter), Arc::new(LocalSessionManager::default()), config);
    Router::new()
        .route_service("/mcp", server)
        .layer(McpLayer::new(gate.clone(), policies).unwrap())
        .merge(resource_metadata_routes(&gate))
}

async fn call(app: &Router, token: &str, tool: &str) -> (u16, String, String) {
    say(app, token, "tools/call", tool, json!({"name": tool, "arguments": {}})).await
}

async fn say(app: &Router, token: &str, method: &str, name: &str, mut params: Value) -> (u16, String, String) {
    let version = "2026-07-28";
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": version,
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    let request = Request::post("/mcp")
        .header("host", "notes.example")
        .header("authorization", format!("Bearer {token}"))
        .header("accept", "application/json, text/event-stream")
        .header("content-type", "application/json")
        .header("mcp-protocol-version", version)
        .header("mcp-method", method)
        .header("mcp-name", name)
        .body(Body::from(message.to_string()))
        .unwrap();
    let response = app.clone().oneshot(request).await.unwrap();
    let challenge = response.headers().get("www-authenticate").map(|value| value.to_str().unwrap().to_owned());
    let status = response.status().as_u16();
    let body = axum::body::to_bytes(response.into_body(), 100_000).await.unwrap();
    (status, challenge.unwrap_or_default(), String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn each_tool_of_an_rmcp_server_has_its_policy() {
    let issuer = TestIssuer::from_algorithms([Algorithm::Es256]).with_audience(RESOURCE);
    let app = app(issuer.gate());
    let token = |scope: &str| issuer.token().subject("alice").scope(scope).sign();
    let (status, _, body) = call(&app, &token("notes:read"), "greet").await;
    assert_eq!(status, 200, "{body}");
    let answer: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(answer["result"]["content"][0]["text"], "greet for alice", "{body}");

    let (status, challenge, _) = call(&app, &token("notes:read"), "add_note").await;
    assert_eq!(status, 403);
    assert!(challenge.contains(r#"scope="notes:read notes:write""#), "{challenge}");
    let (status, _, body) = call(&app, &token("notes:read notes:write"), "add_note").await;
    assert!(status == 200 && body.contains("add_note for alice"), "{status} {body}");

    // A method can have a policy too.
    let uri = "notes://alice/1";
    for (scope, is_refused) in [("notes:read", true), ("notes:read notes:files", false)] {
        let params = json!({"uri": uri});
        let (status, challenge, body) = say(&app, &token(scope), "resources/read", uri, params).await;
        assert_eq!(status == 403, is_refused, "{status} {body}");
        assert_eq!(challenge.contains(r#"scope="notes:read notes:files""#), is_refused, "{challenge}");
    }

    // A tool that is not listed needs all scopes.
    assert_eq!(call(&app, &token("notes:read"), "drop_notes").await.0, 403);
    assert_eq!(call(&app, &issuer.token().expired().sign(), "greet").await.0, 401);
}
