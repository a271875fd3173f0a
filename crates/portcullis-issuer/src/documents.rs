//! The documents that other services read: the key set and the metadata, and how HTTP serves them.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_lc_rs::digest;
use portcullis::keys::VerifyingKey;
use serde::Serialize;

use crate::encoding;
use crate::issuer::Issuer;

/// How long browsers may cache the answer to a preflight request, in seconds.
const PREFLIGHT_SECONDS: &str = "86400";
const METHODS: &str = "GET, HEAD, OPTIONS";

/// A document that an issuer publishes.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Document {
    /// The public keys (JWK Set, RFC 7517 §5).
    Jwks,
    /// The metadata of an OAuth authorization server (RFC 8414).
    OauthMetadata,
    /// The metadata of an OpenID provider (OpenID Connect Discovery 1.0 §3).
    OpenIdMetadata,
}

/// A document as it is now: the text, and how long it may be cached.
///
/// The features `axum` and `actix` have routes. For another framework, [`Self::respond`] answers a request:
///
/// ```
/// use portcullis_issuer::{Document, Issuer, KeyRing};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), portcullis::ConfigError> {
/// let ring = KeyRing::builder().build()?;
/// let issuer = Issuer::builder("https://api.example.com", "api", ring).build()?;
/// assert_eq!(issuer.path(Document::Jwks), "/.well-known/jwks.json");
///
/// let answer = issuer.document(Document::Jwks).await.respond("GET", None);
/// assert_eq!(answer.status, 200);
/// assert!(answer.headers.contains(&("cache-control", "public, max-age=300".to_owned())));
/// assert!(answer.body.starts_with(r#"{"keys":[{"#));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PublicDocument {
    content_type: &'static str,
    text: String,
    etag: String,
    max_age: Duration,
}

/// The answer to a request for a document, the same for every framework.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct DocumentResponse {
    /// The status code.
    pub status: u16,
    /// The header fields: names in lower case, and values.
    pub headers: Vec<(&'static str, String)>,
    /// The body. For HEAD it is that of GET: the server sends its length and leaves it out.
    pub body: String,
}

impl Document {
    /// Every document.
    pub const ALL: &'static [Self] = &[Self::Jwks, Self::OauthMetadata, Self::OpenIdMetadata];
}

impl Issuer {
    /// Returns the path of a document on the host of the issuer.
    ///
    /// The path of the issuer's URL comes before the well-known path of OpenID Connect, and after that of RFC 8414 §3.1.
    #[must_use]
    pub fn path(&self, document: Document) -> String {
        let path = self.parsed_url().path();
        match document {
            Document::Jwks => format!("{path}/.well-known/jwks.json"),
            Document::OauthMetadata => format!("/.well-known/oauth-authorization-server{path}"),
            Document::OpenIdMetadata => format!("{path}/.well-known/openid-configuration"),
        }
    }

    /// Returns a document as it is now.
    pub async fn document(&self, document: Document) -> PublicDocument {
        let keys = self.ring().published().await;
        let (content_type, text) = match document {
            Document::Jwks => ("application/jwk-set+json", jwks(&keys)),
            Document::OauthMetadata | Document::OpenIdMetadata => ("application/json", self.metadata(document, &keys)),
        };
        let hash = digest::digest(&digest::SHA256, text.as_bytes());
        let etag = format!("\"{}\"", encoding::url(hash.as_ref().get(..16).unwrap_or_default()));
        PublicDocument { content_type, text, etag, max_age: self.ring().cache_lifetime() }
    }

    fn metadata(&self, document: Document, keys: &[std::sync::Arc<VerifyingKey>]) -> String {
        let algorithms: BTreeSet<_> = keys.iter().flat_map(|key| key.algorithms().iter().collect::<Vec<_>>()).collect();
        let is_openid = document == Document::OpenIdMetadata;
        let login = self.login();
        let metadata = Metadata {
            issuer: self.url(),
            authorization_endpoint: login.authorization.as_deref(),
            token_endpoint: login.token.as_deref(),
            jwks_uri: format!("{}{}", self.parsed_url().origin(), self.path(Document::Jwks)),
            scopes_supported: &login.scopes,
            response_types_supported: [if login.authorization.is_some() { "code" } else { "id_token" }],
            subject_types_supported: is_openid.then_some(["public"]),
            id_token_signing_alg_values_supported: is_openid
                .then(|| algorithms.into_iter().map(portcullis::jose::Algorithm::name).collect()),
        };
        // Texts and lists of texts always serialize, so the default is never used.
        serde_json::to_string(&metadata).unwrap_or_default()
    }
}

/// OpenID Connect Discovery 1.0 §3, RFC 8414 §2.
#[derive(Serialize)]
struct Metadata<'a> {
    issuer: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorization_endpoint: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_endpoint: Option<&'a str>,
    jwks_uri: String,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    scopes_supported: &'a [String],
    response_types_supported: [&'static str; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    subject_types_supported: Option<[&'static str; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token_signing_alg_values_supported: Option<Vec<&'static str>>,
}

fn jwks(keys: &[std::sync::Arc<VerifyingKey>]) -> String {
    let keys: Vec<_> = keys.iter().filter_map(|key| key.to_jwk()).collect();
    format!(r#"{{"keys":[{}]}}"#, keys.join(","))
}

impl PublicDocument {
    /// Returns the text, JSON.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Answers a request with this method, and with this value of `If-None-Match`. Several fields of that name are one value,
    /// joined with commas.
    ///
    /// GET and HEAD get the document, or 304 if the client has it. OPTIONS answers a CORS preflight request: every site may
    /// read the document. Other methods get 405.
    #[must_use]
    pub fn respond(self, method: &str, if_none_match: Option<&str>) -> DocumentResponse {
        let any_site = ("access-control-allow-origin", "*".to_owned());
        let empty = |status, headers| DocumentResponse { status, headers, body: String::new() };
        match method {
            "GET" | "HEAD" => {
                let max_age = self.max_age.as_secs();
                let is_known = if_none_match.is_some_and(|tags| names(tags, &self.etag));
                let mut headers =
                    vec![("cache-control", format!("public, max-age={max_age}")), ("etag", self.etag), any_site];
                if is_known {
                    return empty(304, headers);
                }
                headers.push(("content-type", self.content_type.to_owned()));
                headers.push(("x-content-type-options", "nosniff".to_owned()));
                DocumentResponse { status: 200, headers, body: self.text }
            }
            "OPTIONS" => empty(
                204,
                vec![
                    ("allow", METHODS.to_owned()),
                    any_site,
                    ("access-control-allow-methods", METHODS.to_owned()),
                    ("access-control-allow-headers", "*".to_owned()),
                    ("access-control-max-age", PREFLIGHT_SECONDS.to_owned()),
                ],
            ),
            _ => empty(405, vec![("allow", METHODS.to_owned()), any_site]),
        }
    }
}

/// Whether `If-None-Match` names the tag. The comparison is weak (RFC 9110 §13.1.2).
fn names(tags: &str, etag: &str) -> bool {
    // Our tags have no comma, so a split within the tag of another server does no harm.
    tags.split(',').map(str::trim).any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_compared_weakly() {
        let known = |tags| names(tags, "\"a\"");
        for tags in ["\"a\"", "W/\"a\"", "*", "\"b\", \"a\"", "\"b\",W/\"a\"", " \"a\" "] {
            assert!(known(tags), "{tags}");
        }
        for tags in ["", "a", "\"b\"", "\"A\"", "\"a", "w/\"a\"", "\"b\", \"c\""] {
            assert!(!known(tags), "{tags}");
        }
    }
}
