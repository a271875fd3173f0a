//! Servers of the Model Context Protocol: a policy for each tool, found in the body of the request.
//!
//! Design notes: [Policy and refusals](crate::_docs::policy).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::value::RawValue;

use crate::credential::{RequestView, is_absent};
use crate::error::ConfigError;
use crate::gate::Gate;
use crate::jose::json::JsonObject;
use crate::policy::Policy;

const DEFAULT_MAX_BODY: usize = 1024 * 1024;
/// A scope that asks the authorization server for a refresh token. No resource server needs it.
const OFFLINE_ACCESS: &str = "offline_access";

/// The policies of the tools of a server. The adapters read the body of a request, and demand what its messages need
/// (`McpLayer` of `portcullis-axum`, `McpMiddleware` of `portcullis-actix`).
///
/// | the body | the policy |
/// |---|---|
/// | is empty | that of all requests |
/// | calls a tool (`tools/call`) | in addition, that of the tool |
/// | calls another method | in addition, that of the method, if it has one |
/// | is a batch | all policies of its messages together |
/// | cannot be read: no JSON-RPC, a member appears twice, a name is not a text | the strictest: all policies together |
/// | is longer than the limit, so it is not read | the strictest |
/// | has a `Content-Encoding`, or follows an `Upgrade`, so it is not read | the strictest |
/// | calls a tool that is not listed | [`Self::other_tools`], or else the strictest |
///
/// Members that appear twice count as unreadable because readers of JSON disagree which of them counts (RFC 8259 §4). So the
/// server behind it may read the body in its own way: it never finds a call whose policy was not demanded.
///
/// ```
/// use portcullis::mcp::ToolPolicies;
/// use portcullis::{Policy, scopes};
///
/// let policies = ToolPolicies::new(scopes("notes:read"))
///     .tool("list_notes", Policy::authenticated())
///     .tool("add_note", scopes("notes:write"));
///
/// let body = br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add_note"}}"#;
/// assert_eq!(policies.policy(body).alternatives().named_scopes(), ["notes:read", "notes:write"]);
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use = "give it to the layer or middleware of an adapter"]
pub struct ToolPolicies {
    base: Policy,
    tools: BTreeMap<String, Policy>,
    methods: BTreeMap<String, Policy>,
    other_tools: Option<Policy>,
    max_body: usize,
}

/// What the messages of one body ask for, each once.
#[derive(Debug, Default, Eq, PartialEq)]
struct Calls {
    methods: BTreeSet<String>,
    tools: BTreeSet<String>,
}

impl ToolPolicies {
    /// Every request needs `base`. A policy that is not listed here demands nothing more.
    pub fn new(base: Policy) -> Self {
        Self { base, tools: BTreeMap::new(), methods: BTreeMap::new(), other_tools: None, max_body: DEFAULT_MAX_BODY }
    }

    /// Calls of the tool `name` also need `policy`. List every tool, with [`Policy::authenticated`] if it needs nothing more.
    pub fn tool(mut self, name: impl Into<String>, policy: Policy) -> Self {
        self.tools.insert(name.into(), policy);
        self
    }

    /// Calls of tools that are not listed also need `policy`, instead of the policies of all tools and methods.
    pub fn other_tools(mut self, policy: Policy) -> Self {
        self.other_tools = Some(policy);
        self
    }

    /// Calls of the method `name`, for example `resources/read`, also need `policy`.
    pub fn method(mut self, name: impl Into<String>, policy: Policy) -> Self {
        self.methods.insert(name.into(), policy);
        self
    }

    /// Reads bodies of up to this many bytes, instead of 1 MiB.
    pub fn with_max_body(mut self, bytes: usize) -> Self {
        self.max_body = bytes;
        self
    }

    /// Returns what an adapter demands before it reads the body: a verified caller, so that an anonymous client cannot make it hold
    /// bodies. The challenges name the scopes of all requests. The policy of all requests is part of [`Self::policy`], so a caller
    /// without any of the scopes is told all of them at once.
    pub fn before_body(&self) -> Policy {
        self.base.clone().or(Policy::authenticated())
    }

    /// The longest body that is read, in bytes.
    #[must_use]
    pub fn max_body(&self) -> usize {
        self.max_body
    }

    /// Returns the policy of a request with this body.
    pub fn policy(&self, body: &[u8]) -> Policy {
        if body.is_empty() {
            return self.base.clone();
        }
        match Calls::read(body) {
            Some(calls) => self.policy_of(&calls),
            None => self.strictest(),
        }
    }

    /// Whether the body of the request is what the server will read, so that [`Self::policy`] may decide.
    ///
    /// It is not with `Content-Encoding`, because the server may decompress the body, and a request with `Upgrade` that is not a
    /// POST has no end.
    pub fn can_read(&self, request: &dyn RequestView) -> bool {
        is_absent(request, "content-encoding") && (request.method() == "POST" || is_absent(request, "upgrade"))
    }

    /// Returns the policy of a request whose body is not read, because it is too long or ends early: all policies together.
    pub fn strictest(&self) -> Policy {
        let all = self.methods.values().chain(self.tools.values()).chain(&self.other_tools);
        all.fold(self.base.clone(), |strictest, policy| strictest.and(policy.clone()))
    }

    /// Checks that `gate` tells clients what the protocol demands (MCP 2026-07-28, Authorization).
    ///
    /// # Errors
    /// [`ConfigError`] when the gate has no protected resource metadata, or when its scopes or a policy name `offline_access`,
    /// which is a scope of authorization servers.
    pub fn check(&self, gate: &Gate) -> Result<(), ConfigError> {
        let Some(metadata) = gate.resource_metadata() else {
            return Err(ConfigError::new(
                "resource metadata",
                "not set, but clients of the Model Context Protocol need it",
                "write gate.with_resource_metadata(ResourceMetadata::new(\"https://api.example.com/mcp\")?)",
            ));
        };
        let strictest = self.strictest();
        let alternatives = strictest.alternatives();
        let mut named = alternatives.named_scopes().iter().copied().chain(metadata.scopes());
        if named.any(|scope| scope == OFFLINE_ACCESS) {
            let hint = "remove it: clients ask the authorization server for it on their own";
            return Err(ConfigError::new("scopes", "offline_access is not a scope of this server", hint));
        }
        Ok(())
    }

    fn policy_of(&self, calls: &Calls) -> Policy {
        let mut policies: Vec<&Policy> = calls.methods.iter().filter_map(|name| self.methods.get(name)).collect();
        for name in &calls.tools {
            match self.tools.get(name).or(self.other_tools.as_ref()) {
                Some(policy) => policies.push(policy),
                None => return self.strictest(),
            }
        }
        policies.into_iter().fold(self.base.clone(), |all, policy| all.and(policy.clone()))
    }
}

impl Calls {
    /// Reads one message, or a batch. `None` means that another reader may find other calls in it.
    fn read(body: &[u8]) -> Option<Self> {
        let mut calls = Self::default();
        let start = body.iter().find(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
        if start == Some(&b'[') {
            let messages: Vec<&RawValue> = serde_json::from_slice(body).ok()?;
            if messages.is_empty() {
                return None;
            }
            for message in messages {
                calls.add(message.get().as_bytes())?;
            }
        } else {
            calls.add(body)?;
        }
        Some(calls)
    }

    fn add(&mut self, message: &[u8]) -> Option<()> {
        let message = JsonObject::parse(message.to_vec()).ok()?;
        let Some(method) = message.optional_string("method").ok()? else {
            // The answer of a client to the server.
            return (message.raw("result").is_some() || message.raw("error").is_some()).then_some(());
        };
        let method = method.of(message.text());
        if method == "tools/call" {
            let params = JsonObject::parse(message.raw("params")?.as_bytes().to_vec()).ok()?;
            let name = params.optional_string("name").ok()??;
            self.tools.insert(name.of(params.text()).to_owned());
        }
        self.methods.insert(method.to_owned());
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dangerous::{admit_everyone_as, assume_verified};
    use crate::policy::scopes;
    use crate::resource_metadata::ResourceMetadata;

    fn policies() -> ToolPolicies {
        ToolPolicies::new(scopes("base"))
            .tool("read", Policy::authenticated())
            .tool("write", scopes("write"))
            .tool("pay", scopes("write pay"))
            .method("resources/read", scopes("files"))
    }

    const STRICTEST: &str = "base files write pay";

    fn needed(policies: &ToolPolicies, body: &str) -> String {
        policies.policy(body.as_bytes()).alternatives().named_scopes().join(" ")
    }

    fn call(name: &str) -> String {
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{name}","arguments":{{"a":[1]}}}}}}"#
        )
    }

    #[test]
    fn each_tool_has_its_policy() {
        for (body, expected) in [
            ("", "base"),
            (&call("read"), "base"),
            (&call("write"), "base write"),
            (&call("pay"), "base write pay"),
            (&call("\\u0070ay"), "base write pay"),
            (&format!(" \r\n\t{} ", call("write")), "base write"),
            (r#"{"method":"resources/read","params":{"uri":"file:///a"}}"#, "base files"),
            (r#"{"method":"tools\/call","params":{"name":"write"}}"#, "base write"),
            (r#"{"method":"tools/list"}"#, "base"),
            (r#"{"method":"initialize","params":{"name":"pay"}}"#, "base"),
            (r#"{"method":"notifications/initialized"}"#, "base"),
            (r#"{"jsonrpc":"2.0","id":7,"result":{"method":"tools/call"}}"#, "base"),
            (r#"{"jsonrpc":"2.0","id":7,"error":{"code":1}}"#, "base"),
        ] {
            assert_eq!(needed(&policies(), body), expected, "{body}");
        }
    }

    #[test]
    fn verified_caller_is_demanded_before_the_body() {
        let nobody = assume_verified(&serde_json::json!({})).unwrap();
        let policy = policies().before_body();
        assert!(policy.check(&nobody).is_ok());
        assert_eq!(policy.alternatives().named_scopes(), ["base"]);
        assert!(policies().policy(b"").check(&nobody).is_err());
    }

    #[test]
    fn batch_needs_all_its_policies() {
        let batch = |calls: &[&str]| format!("[{}]", calls.iter().map(|name| call(name)).collect::<Vec<_>>().join(","));
        assert_eq!(needed(&policies(), &batch(&["read", "write"])), "base write");
        assert_eq!(needed(&policies(), &batch(&["pay", "read", "pay", "write"])), "base write pay");
        let mixed = format!(r#"[{{"method":"resources/read"}},{}]"#, call("write"));
        assert_eq!(needed(&policies(), &mixed), "base files write");
        assert_eq!(needed(&policies(), &format!("[{},7]", call("read"))), STRICTEST);
        assert_eq!(needed(&policies(), &format!("[{},[{}]]", call("read"), call("write"))), STRICTEST);
        assert_eq!(needed(&policies(), &format!("[{},", call("read"))), STRICTEST);
        assert_eq!(needed(&policies(), "[]"), STRICTEST);
    }

    #[test]
    fn unreadable_body_needs_the_strictest_policy() {
        for body in [
            " ",
            "null",
            "7",
            "\"tools/call\"",
            "{",
            "{}",
            r#"{"jsonrpc":"2.0","id":1}"#,
            &format!("{}x", call("read")),
            &format!("{}{}", call("read"), call("write")),
            &format!("\u{feff}{}", call("read")),
            // Which of two members counts depends on the reader.
            r#"{"method":"tools/list","method":"tools/call","params":{"name":"write"}}"#,
            r#"{"method":"tools/list","m\u0065thod":"tools/call","params":{"name":"write"}}"#,
            r#"{"method":"tools/call","params":{"name":"read","name":"write"}}"#,
            r#"{"method":"tools/call","params":{"name":"read"},"params":{"name":"write"}}"#,
            r#"{"method":"tools/call","id":1,"id":2,"params":{"name":"read"}}"#,
            r#"{"method":7}"#,
            r#"{"method":null}"#,
            r#"{"method":["tools/call"],"params":{"name":"write"}}"#,
            r#"{"method":"tools/call"}"#,
            r#"{"method":"tools/call","params":["write"]}"#,
            r#"{"method":"tools/call","params":null}"#,
            r#"{"method":"tools/call","params":{}}"#,
            r#"{"method":"tools/call","params":{"name":7}}"#,
            r#"{"method":"tools/call","params":{"name":null}}"#,
        ] {
            assert_eq!(needed(&policies(), body), STRICTEST, "{body}");
        }
        let deep = format!(r#"{{"method":"tools/list","params":{}1{}}}"#, "[".repeat(500), "]".repeat(500));
        assert_eq!(needed(&policies(), &deep), STRICTEST);
        let in_utf_16: Vec<u8> = call("read").encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(policies().policy(&in_utf_16), policies().strictest());
        let invalid = [call("read").as_bytes(), b"\xff"].concat();
        assert_eq!(policies().policy(&invalid), policies().strictest());
    }

    #[test]
    fn tool_that_is_not_listed_needs_the_strictest_policy() {
        for name in ["drop", "Write", "write ", ""] {
            assert_eq!(needed(&policies(), &call(name)), STRICTEST, "{name}");
            assert_eq!(needed(&policies().other_tools(scopes("other")), &call(name)), "base other", "{name}");
        }
        let batch = format!("[{},{}]", call("read"), call("drop"));
        assert_eq!(needed(&policies(), &batch), STRICTEST);
        // The strictest policy has that of other tools as well.
        assert_eq!(needed(&policies().other_tools(scopes("other")), "{"), "base files write pay other");
    }

    #[test]
    fn gate_must_tell_clients_what_they_need() {
        let gate = || admit_everyone_as(assume_verified(&serde_json::json!({})).unwrap());
        let metadata = || ResourceMetadata::new("https://api.example/mcp").unwrap();
        assert_eq!(policies().check(&gate()).unwrap_err().field(), "resource metadata");
        assert!(policies().check(&gate().with_resource_metadata(metadata())).is_ok());
        let offline = gate().with_resource_metadata(metadata().with_scopes(["base", "offline_access"]));
        assert_eq!(policies().check(&offline).unwrap_err().field(), "scopes");
        let offline = policies().tool("sync", scopes("offline_access"));
        assert_eq!(offline.check(&gate().with_resource_metadata(metadata())).unwrap_err().field(), "scopes");
    }
}
