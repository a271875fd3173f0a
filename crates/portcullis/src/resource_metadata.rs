//! Protected resource metadata (RFC 9728): tells clients the authorization servers that a service trusts.

use serde::Serialize;

use crate::error::ConfigError;
use crate::possession::Possession;
use crate::web_url::split;

const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// The metadata that a service publishes about itself at a well-known path. The gate's challenges name its URL.
///
/// ```
/// use portcullis::ResourceMetadata;
///
/// let metadata = ResourceMetadata::new("https://api.example.com/mcp")?.with_scopes(["read:messages"]);
/// assert_eq!(metadata.path(), "/.well-known/oauth-protected-resource/mcp");
/// # Ok::<(), portcullis::ConfigError>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct ResourceMetadata {
    resource: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    authorization_servers: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    scopes_supported: Vec<String>,
    bearer_methods_supported: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_documentation: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    tls_client_certificate_bound_access_tokens: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dpop_signing_alg_values_supported: Vec<&'static str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dpop_bound_access_tokens_required: bool,
}

/// The answer to a request for the metadata, which every adapter sends alike.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct MetadataAnswer {
    /// The status code.
    pub status: u16,
    /// The header fields; names in lower case.
    pub headers: &'static [(&'static str, &'static str)],
    /// The body.
    pub body: String,
}

/// Pages of every origin may read the document: it is public, and the request needs no credential (Fetch Standard, §3.3).
const ANY_ORIGIN: (&str, &str) = ("access-control-allow-origin", "*");

impl MetadataAnswer {
    /// Answers a request with `method`. `None` is the metadata of a gate without metadata: 404.
    pub(crate) fn new(metadata: Option<&ResourceMetadata>, method: &str) -> Self {
        match metadata {
            None => Self { status: 404, headers: &[], body: String::new() },
            // A browser asks before it sends a custom field, for example `MCP-Protocol-Version`.
            Some(_) if method == "OPTIONS" => Self {
                status: 204,
                headers: &[
                    ("allow", "GET, HEAD, OPTIONS"),
                    ("access-control-allow-headers", "*"),
                    ("access-control-allow-methods", "GET, HEAD"),
                    ANY_ORIGIN,
                ],
                body: String::new(),
            },
            Some(metadata) => Self {
                status: 200,
                headers: &[("content-type", "application/json"), ANY_ORIGIN],
                body: metadata.to_json(),
            },
        }
    }
}

impl ResourceMetadata {
    /// The metadata of the service that clients know as `resource`. It is an https URL without a fragment (RFC 9728 §1.2),
    /// or an http URL of this machine. Tokens for the service have it in `aud`.
    ///
    /// # Errors
    /// [`ConfigError`] when it is another URL.
    pub fn new(resource: impl Into<String>) -> Result<Self, ConfigError> {
        let resource = resource.into();
        if split(&resource).is_none() {
            return Err(ConfigError::new(
                "resource",
                "not an absolute https URL without fragment",
                "write the service's URL as clients know it, for example https://api.example.com",
            ));
        }
        Ok(Self {
            resource,
            authorization_servers: Vec::new(),
            scopes_supported: Vec::new(),
            bearer_methods_supported: vec!["header"],
            resource_name: None,
            resource_documentation: None,
            tls_client_certificate_bound_access_tokens: false,
            dpop_signing_alg_values_supported: Vec::new(),
            dpop_bound_access_tokens_required: false,
        })
    }

    /// With these issuers, from which clients may get tokens. Default: the issuers of the gate's verifier.
    #[must_use]
    pub fn with_authorization_servers<S: Into<String>>(mut self, issuers: impl IntoIterator<Item = S>) -> Self {
        self.authorization_servers = issuers.into_iter().map(Into::into).collect();
        self
    }

    /// With these scopes, which clients may ask for.
    #[must_use]
    pub fn with_scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes_supported = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// With a name of the service for people.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.resource_name = Some(name.into());
        self
    }

    /// With the URL of the service's documentation for developers.
    #[must_use]
    pub fn with_documentation(mut self, url: impl Into<String>) -> Self {
        self.resource_documentation = Some(url.into());
        self
    }

    /// The path to serve it at (RFC 9728 §3.1): the well-known path, followed by the path of the resource.
    #[must_use]
    pub fn path(&self) -> String {
        let (_, rest) = split(&self.resource).unwrap_or_default();
        let path = rest.split('?').next().unwrap_or_default();
        format!("{WELL_KNOWN}{}", if path == "/" { "" } else { path })
    }

    /// Both paths where clients look: [`path`](Self::path), and the well-known path without that of the resource, which some
    /// clients try next, for example those of the Model Context Protocol. One path if they are equal.
    #[must_use]
    pub fn paths(&self) -> Vec<String> {
        let mut paths = vec![self.path(), WELL_KNOWN.to_owned()];
        paths.dedup();
        paths
    }

    /// The URL of the document for clients.
    #[must_use]
    pub fn url(&self) -> String {
        let (origin, rest) = split(&self.resource).unwrap_or_default();
        let query = rest.split_once('?').map(|(_, query)| format!("?{query}")).unwrap_or_default();
        format!("{origin}{}{query}", self.path())
    }

    /// The document as JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Strings and lists of strings always serialize, so the default is never used.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Says which proofs of possession the gate checks.
    pub(crate) fn describe(&mut self, possession: &Possession) {
        self.tls_client_certificate_bound_access_tokens = possession.has_certificates();
        self.dpop_signing_alg_values_supported = possession.proof_algorithm_list();
        self.dpop_bound_access_tokens_required = possession.needs_dpop();
    }

    pub(crate) fn scopes(&self) -> impl Iterator<Item = &str> {
        self.scopes_supported.iter().map(String::as_str)
    }

    pub(crate) fn or_issuers(mut self, issuers: Vec<String>) -> Self {
        if self.authorization_servers.is_empty() {
            self.authorization_servers = issuers;
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_known_path_precedes_the_resource_path() {
        for (resource, url) in [
            ("https://api.example.com", "https://api.example.com/.well-known/oauth-protected-resource"),
            ("https://api.example.com/", "https://api.example.com/.well-known/oauth-protected-resource"),
            ("https://api.example.com/mcp", "https://api.example.com/.well-known/oauth-protected-resource/mcp"),
            (
                "https://api.example.com:8443/a/b",
                "https://api.example.com:8443/.well-known/oauth-protected-resource/a/b",
            ),
            ("https://api.example.com?k=v", "https://api.example.com/.well-known/oauth-protected-resource?k=v"),
            ("http://127.0.0.1:3000/mcp", "http://127.0.0.1:3000/.well-known/oauth-protected-resource/mcp"),
            ("http://localhost", "http://localhost/.well-known/oauth-protected-resource"),
            ("http://[::1]:3000", "http://[::1]:3000/.well-known/oauth-protected-resource"),
            ("http://[::1]/x", "http://[::1]/.well-known/oauth-protected-resource/x"),
        ] {
            assert_eq!(ResourceMetadata::new(resource).unwrap().url(), url);
        }
        assert_eq!(
            ResourceMetadata::new("https://a.example/mcp?x").unwrap().path(),
            "/.well-known/oauth-protected-resource/mcp"
        );
    }

    #[test]
    fn other_urls_are_configuration_errors() {
        for resource in [
            "",
            "api",
            "api.example.com",
            "https://",
            "https:///x",
            "https://:8443/x",
            "http://api.example.com",
            "http://127.0.0.1.example.com",
            "http://localhost.example.com:3000/mcp",
            "ftp://a.example",
            "https://a.example/#f",
            "https://u@a.example",
            "https://a.example/\"",
            "https://a.example/ x",
        ] {
            assert_eq!(ResourceMetadata::new(resource).unwrap_err().field(), "resource", "{resource}");
        }
    }

    #[test]
    fn document_has_the_members_of_rfc_9728() {
        let metadata =
            ResourceMetadata::new("https://api.example.com").unwrap().with_scopes(["a", "b"]).with_name("Orders");
        assert_eq!(
            metadata.or_issuers(vec!["https://issuer.example/".to_owned()]).to_json(),
            r#"{"resource":"https://api.example.com","authorization_servers":["https://issuer.example/"],"scopes_supported":["a","b"],"bearer_methods_supported":["header"],"resource_name":"Orders"}"#
        );
    }

    #[test]
    fn pages_of_every_origin_may_read_the_document() {
        let metadata = ResourceMetadata::new("https://api.example.com/mcp").unwrap();
        for method in ["GET", "HEAD"] {
            let answer = MetadataAnswer::new(Some(&metadata), method);
            assert_eq!((answer.status, answer.body), (200, metadata.to_json()));
            assert!(answer.headers.contains(&("access-control-allow-origin", "*")));
        }
        let answer = MetadataAnswer::new(Some(&metadata), "OPTIONS");
        assert_eq!((answer.status, answer.body.as_str()), (204, ""));
        assert!(answer.headers.contains(&("access-control-allow-origin", "*")));
        assert!(answer.headers.contains(&("access-control-allow-headers", "*")));
        for method in ["GET", "OPTIONS"] {
            let answer = MetadataAnswer::new(None, method);
            assert_eq!((answer.status, answer.headers.len()), (404, 0));
        }
    }

    #[test]
    fn named_authorization_servers_stay() {
        let metadata = ResourceMetadata::new("https://api.example.com").unwrap();
        let named = metadata
            .with_authorization_servers(["https://as.example"])
            .or_issuers(vec!["https://i.example".to_owned()]);
        assert_eq!(named.authorization_servers, ["https://as.example"]);
    }
}
