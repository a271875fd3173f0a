//! A server of the Model Context Protocol that accepts tokens, on Axum and on Actix Web. It does what the protocol's
//! [authorization part][spec], in its revision of 2026-07-28, demands of a resource server.
//!
//! | the protocol demands | the server uses |
//! |---|---|
//! | protected resource metadata (RFC 9728), at the well-known path of the endpoint or of the root | `ResourceMetadata`, and `resource_metadata_routes` |
//! | 401 with `resource_metadata` and `scope` in the challenge | the gate's answer, because the gate has the metadata |
//! | tokens that were issued for this server (RFC 8707) | `Audience`: the endpoint's URL |
//! | tokens only from the Authorization field, with each request | the gate's default |
//! | 403 with `insufficient_scope` and all scopes that the operation needs | `McpLayer` or `McpMiddleware`, with a policy for each tool |
//! | scopes that imply others | [`Gate::with_scope_hierarchy`] |
//! | no token passed on to other services | the header field is removed, and no tool reads `Verified::raw_token` |
//!
//! Proofs of possession (SEP-1932) are DPoP as in RFC 9449, so they are one call on the gate: [`Service::demanding_proofs`].
//!
//! `tests/rmcp.rs` guards a server of the crate `rmcp` in the same way.
//!
//! [spec]: https://modelcontextprotocol.io/specification/2026-07-28/basic/authorization

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod messages;
mod notes;
pub mod on_actix;
pub mod on_axum;

use std::sync::Arc;
use std::time::Duration;

use portcullis_axum::mcp::ToolPolicies;
use portcullis_axum::possession::Dpop;
use portcullis_axum::{ConfigError, Gate, Policy, ResourceMetadata, Verified, Verifier, scopes};

use crate::messages::{Answer, Message};
use crate::notes::{Notes, Tool};

/// The scope that every request needs.
pub const BASE_SCOPE: &str = "notes:read";

/// What the server consists of on every framework.
#[derive(Clone)]
pub struct Service {
    gate: Gate,
    notes: Arc<Notes>,
    /// The origin of the endpoint.
    origin: Arc<str>,
}

impl Service {
    /// Makes the server, for clients that know its endpoint as `resource`, for example `https://notes.example/mcp`. That URL is
    /// also the audience that `verifier` should demand. The endpoint is `/mcp`.
    ///
    /// # Errors
    /// [`ConfigError`] when `resource` is not such a URL.
    pub fn new(verifier: impl Verifier + 'static, resource: &str) -> Result<Self, ConfigError> {
        // Only what basic use needs. A client asks for more when a tool needs it.
        let metadata = ResourceMetadata::new(resource)?.with_scopes([BASE_SCOPE]).with_name("Notes");
        let gate = Gate::new(verifier).with_scope_hierarchy([("notes:admin", "notes:read notes:write")])?;
        let origin: String = resource.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
        Ok(Self { gate: gate.with_resource_metadata(metadata), notes: Arc::default(), origin: origin.into() })
    }

    /// Demands a proof of possession with each request (SEP-1932). A proof may be up to five minutes old, because clients of
    /// the protocol may have clocks that differ by that.
    ///
    /// # Errors
    /// [`ConfigError`] when the origin of the endpoint is not a public URL.
    pub fn demanding_proofs(self) -> Result<Self, ConfigError> {
        let dpop = Dpop::required().with_window(Duration::from_secs(300));
        let gate = self.gate.with_public_url(&self.origin)?.with_dpop(dpop)?;
        Ok(Self { gate, ..self })
    }

    /// The policies of the tools. Calls of other tools are answered with an error. Notes are short: a longer body needs all
    /// scopes.
    fn policies() -> ToolPolicies {
        let policies =
            ToolPolicies::new(scopes(BASE_SCOPE)).other_tools(Policy::authenticated()).with_max_body(64 * 1024);
        Tool::ALL.into_iter().fold(policies, |policies, tool| policies.tool(tool.name(), tool.policy()))
    }

    /// Answers a request that the guard has let in.
    fn answer<'a>(&self, caller: &Verified, header: &dyn Fn(&str) -> Option<&'a [u8]>, body: &[u8]) -> Answer {
        let message = match Message::read(header, body) {
            Ok(message) => message,
            Err(failure) => return failure,
        };
        match message.method() {
            _ if message.is_notification() => Answer::accepted(),
            "initialize" => message.initialized(),
            "server/discover" => message.discovered(),
            "tools/list" => message.listed(Tool::ALL.map(Tool::describe)),
            "tools/call" => match Tool::named(message.tool()) {
                // The guard has demanded the policy of the tool, because it has read the same body.
                Some(tool) => message.called(tool.call(&self.notes, caller, message.arguments())),
                None => message.invalid_params("no such tool"),
            },
            _ => message.unknown_method(),
        }
    }
}
