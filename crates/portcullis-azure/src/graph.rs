//! Recognizes tokens for Microsoft Graph, which clients often send to other APIs by mistake.
//!
//! They look like any other token, but only Graph can verify their signature:
//! <https://learn.microsoft.com/en-us/entra/identity-platform/access-tokens#validate-tokens>.

/// The values of `aud` for Microsoft Graph: its application ID, and its URL in each cloud
/// (<https://learn.microsoft.com/en-us/graph/deployments>).
const AUDIENCES: [&str; 5] = [
    "00000003-0000-0000-c000-000000000000",
    "https://graph.microsoft.com",
    "https://graph.microsoft.us",
    "https://dod-graph.microsoft.us",
    "https://microsoftgraph.chinacloudapi.cn",
];

/// Tells whether `audience` is Microsoft Graph.
pub(crate) fn is_graph(audience: &str) -> bool {
    let audience = audience.strip_suffix('/').unwrap_or(audience);
    AUDIENCES.iter().any(|graph| audience.eq_ignore_ascii_case(graph))
}
