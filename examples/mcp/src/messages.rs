//! The messages (JSON-RPC 2.0) and their transport, as far as this server needs them: requests of revision 2026-07-28 and
//! of earlier revisions, which begin with `initialize`.
//!
//! <https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http>

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

const CURRENT: &str = "2026-07-28";
/// The latest revision with a handshake.
const WITH_HANDSHAKE: &str = "2025-11-25";
const SUPPORTED: [&str; 3] = [CURRENT, WITH_HANDSHAKE, "2025-06-18"];

const PARSE_ERROR: i32 = -32700;
const INVALID_REQUEST: i32 = -32600;
const METHOD_NOT_FOUND: i32 = -32601;
const INVALID_PARAMS: i32 = -32602;
const HEADER_MISMATCH: i32 = -32020;
const UNSUPPORTED_VERSION: i32 = -32022;

/// A request or a notification.
pub(crate) struct Message {
    call: Call,
    is_current: bool,
}

#[derive(Deserialize)]
struct Call {
    jsonrpc: String,
    id: Option<Value>,
    method: String,
    #[serde(default)]
    params: Value,
}

/// An answer: a result or an error, with its HTTP status.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// `None` for notifications.
    pub(crate) body: Option<Value>,
}

impl Answer {
    /// The answer to a notification.
    pub(crate) fn accepted() -> Self {
        Self { status: 202, body: None }
    }
}

impl Message {
    /// Reads the body, and compares it with the headers that repeat parts of it.
    pub(crate) fn read<'a>(header: &dyn Fn(&str) -> Option<&'a [u8]>, body: &[u8]) -> Result<Self, Answer> {
        let bad = |id: &Value, code, message: &str, data| error(400, id, code, message, data);
        let value: Value = serde_json::from_slice(body)
            .map_err(|_| bad(&Value::Null, PARSE_ERROR, "the body is not JSON", Value::Null))?;
        // serde would also read the object from an array.
        let object = Some(value).filter(Value::is_object);
        let call = object
            .and_then(|object| serde_json::from_value::<Call>(object).ok())
            .filter(|call| call.jsonrpc == "2.0")
            .ok_or_else(|| bad(&Value::Null, INVALID_REQUEST, "the body is not one JSON-RPC message", Value::Null))?;

        let id = call.id.clone().unwrap_or_default();
        let mismatch =
            |what: &str| bad(&id, HEADER_MISMATCH, &format!("{what} is not what the body says"), Value::Null);
        let header = |name| header(name).map(|value| std::str::from_utf8(value).unwrap_or_default());
        let named = call.params.pointer("/_meta/io.modelcontextprotocol~1protocolVersion").and_then(Value::as_str);
        let version = header("mcp-protocol-version");
        if let Some(version) = version.filter(|version| !SUPPORTED.contains(version)) {
            let data = json!({"supported": SUPPORTED, "requested": version});
            return Err(bad(&id, UNSUPPORTED_VERSION, "Unsupported protocol version", data));
        }
        // Earlier revisions have no version in the body. Those before 2025-06-18 have no header either.
        let is_current = named.is_some() || version == Some(CURRENT);
        // The protocol does not say which headers a notification has.
        if is_current && call.id.is_some() {
            if named != version {
                return Err(mismatch("MCP-Protocol-Version"));
            }
            if header("mcp-method") != Some(call.method.as_str()) {
                return Err(mismatch("Mcp-Method"));
            }
            let name = call.params.get("name").and_then(Value::as_str);
            if call.method == "tools/call" && header("mcp-name").map(decoded) != name.map(|name| Some(name.to_owned()))
            {
                return Err(mismatch("Mcp-Name"));
            }
        }
        Ok(Self { call, is_current })
    }

    pub(crate) fn method(&self) -> &str {
        &self.call.method
    }

    pub(crate) fn is_notification(&self) -> bool {
        self.call.id.is_none()
    }

    /// The name of the tool to call.
    pub(crate) fn tool(&self) -> &str {
        self.call.params.get("name").and_then(Value::as_str).unwrap_or_default()
    }

    pub(crate) fn arguments(&self) -> &Value {
        self.call.params.get("arguments").unwrap_or(&Value::Null)
    }

    /// The handshake of earlier revisions: it agrees on the version that the client asks for, or on the latest of them.
    pub(crate) fn initialized(&self) -> Answer {
        let asked = self.call.params.get("protocolVersion").and_then(Value::as_str);
        let is_asked = |version: &&str| asked == Some(*version) && *version != CURRENT;
        let version = SUPPORTED.into_iter().find(is_asked).unwrap_or(WITH_HANDSHAKE);
        self.result(json!({"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": server_info()}))
    }

    pub(crate) fn discovered(&self) -> Answer {
        self.result(json!({
            "supportedVersions": SUPPORTED,
            "capabilities": {"tools": {}},
            "ttlMs": 3_600_000,
            "cacheScope": "private",
        }))
    }

    pub(crate) fn listed(&self, tools: impl IntoIterator<Item = Value>) -> Answer {
        let tools: Vec<Value> = tools.into_iter().collect();
        self.result(json!({"tools": tools, "ttlMs": 3_600_000, "cacheScope": "private"}))
    }

    pub(crate) fn called(&self, outcome: Result<String, &'static str>) -> Answer {
        let is_error = outcome.is_err();
        let text = outcome.unwrap_or_else(str::to_owned);
        self.result(json!({"content": [{"type": "text", "text": text}], "isError": is_error}))
    }

    pub(crate) fn invalid_params(&self, message: &str) -> Answer {
        error(200, &self.id(), INVALID_PARAMS, message, Value::Null)
    }

    pub(crate) fn unknown_method(&self) -> Answer {
        let status = if self.is_current { 404 } else { 200 };
        error(status, &self.id(), METHOD_NOT_FOUND, "Method not found", Value::Null)
    }

    fn result(&self, mut result: Value) -> Answer {
        if let Some(members) = result.as_object_mut().filter(|_| self.is_current) {
            members.insert("resultType".to_owned(), "complete".into());
            members.insert("_meta".to_owned(), json!({"io.modelcontextprotocol/serverInfo": server_info()}));
        }
        Answer { status: 200, body: Some(json!({"jsonrpc": "2.0", "id": self.id(), "result": result})) }
    }

    fn id(&self) -> Value {
        self.call.id.clone().unwrap_or_default()
    }
}

fn error(status: u16, id: &Value, code: i32, message: &str, data: Value) -> Answer {
    let mut error = json!({"code": code, "message": message});
    if let Some(members) = error.as_object_mut().filter(|_| !data.is_null()) {
        members.insert("data".to_owned(), data);
    }
    Answer { status, body: Some(json!({"jsonrpc": "2.0", "id": id, "error": error})) }
}

fn server_info() -> Value {
    json!({"name": env!("CARGO_PKG_NAME"), "version": env!("CARGO_PKG_VERSION")})
}

/// Decodes a name from a header. Between `=?base64?` and `?=` it is in base64.
fn decoded(value: &str) -> Option<String> {
    match value.strip_prefix("=?base64?").and_then(|value| value.strip_suffix("?=")) {
        Some(encoded) => String::from_utf8(STANDARD.decode(encoded).ok()?).ok(),
        None => Some(value.to_owned()),
    }
}
