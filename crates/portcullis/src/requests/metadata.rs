//! The metadata of an issuer (OpenID Connect Discovery 1.0 §4, RFC 8414).

use std::collections::HashMap;

use reqwest::Url;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::endpoint;
use crate::error::ConfigError;
use crate::jose::json;
use crate::requests::RequestOptions;

/// The longest part of a wrong issuer that is shown in an error, in characters.
const MAX_SHOWN_ISSUER_CHARS: usize = 200;

/// Where the metadata of an issuer is.
#[derive(Clone, Debug, Default)]
pub(crate) struct MetadataLocation {
    pub(crate) kind: MetadataUrl,
    /// The URL at which the issuer is reached, if it is not the issuer's name.
    pub(crate) internal_issuer: Option<String>,
}

#[derive(Clone, Debug, Default)]
pub(crate) enum MetadataUrl {
    Oauth,
    #[default]
    OpenId,
    Url(String),
}

/// The metadata of one issuer.
#[derive(Clone, Debug)]
pub(crate) struct Metadata {
    pub(crate) issuer: String,
    pub(crate) url: Url,
    pub(crate) internal: Option<InternalIssuer>,
}

impl MetadataLocation {
    /// Whether it is the default: below the issuer's own URL.
    pub(crate) fn is_default(&self) -> bool {
        self.internal_issuer.is_none() && matches!(self.kind, MetadataUrl::OpenId)
    }

    /// Returns the metadata of `issuer`.
    pub(crate) fn of(&self, issuer: &str, options: &RequestOptions) -> Result<Metadata, ConfigError> {
        let internal = match &self.internal_issuer {
            Some(url) => Some(InternalIssuer {
                issuer: public_issuer_url(issuer)?,
                internal: checked_issuer_url("internal_issuer_url", options.endpoint("internal_issuer_url", url)?)?,
            }),
            None => None,
        };
        let reached_at = || match &internal {
            Some(internal) => Ok(internal.internal.clone()),
            None => checked_issuer_url("issuer", options.endpoint("issuer", issuer)?),
        };
        let url = match &self.kind {
            MetadataUrl::Oauth => oauth_url(&reached_at()?),
            MetadataUrl::OpenId => openid_url(&reached_at()?),
            MetadataUrl::Url(url) => options.endpoint("metadata_url", url)?,
        };
        Ok(Metadata { issuer: issuer.to_owned(), url, internal })
    }
}

impl Metadata {
    /// The URLs that the configuration names.
    pub(crate) fn named_urls(&self) -> Vec<Url> {
        let internal = self.internal.iter().map(|internal| internal.internal.clone());
        [self.url.clone()].into_iter().chain(internal).chain(Url::parse(&self.issuer).ok()).collect()
    }

    /// Returns the `jwks_uri` of the document `body`.
    pub(crate) fn key_set_url(&self, body: &[u8], http_hosts: &[String]) -> Result<Url, MetadataError> {
        let KeySetMetadata { issuer, jwks_uri, .. } = parse(body, KEY_SET_MEMBER)?;
        self.endpoint(&issuer, KEY_SET_MEMBER, jwks_uri, http_hosts)
    }

    /// Returns the `introspection_endpoint` of the document `body` (RFC 8414 §2).
    pub(crate) fn introspection_url(&self, body: &[u8], http_hosts: &[String]) -> Result<Url, MetadataError> {
        let IntrospectionMetadata { issuer, introspection_endpoint, .. } = parse(body, INTROSPECTION_MEMBER)?;
        self.endpoint(&issuer, INTROSPECTION_MEMBER, introspection_endpoint, http_hosts)
    }

    /// Checks the URL in the member `member`. The `issuer` of the document must equal the configured one byte by byte (RFC 8414
    /// §3.3).
    fn endpoint(
        &self,
        issuer: &str,
        member: &'static str,
        url: String,
        http_hosts: &[String],
    ) -> Result<Url, MetadataError> {
        if issuer != self.issuer {
            return Err(self.wrong_issuer(issuer));
        }
        let url = match (&self.internal, Url::parse(&url)) {
            (Some(internal), Ok(url)) => internal.reach(url).into(),
            _ => url,
        };
        let unusable = |problem| MetadataError::Endpoint { member, problem };
        let url = endpoint::parse(&url, http_hosts).map_err(unusable)?;
        // A configured URL may use http on this machine. A document that came over https may not lead to it.
        let allowed = |host: &str| http_hosts.iter().any(|http_host| http_host.eq_ignore_ascii_case(host));
        if self.url.scheme() == "https" && url.scheme() != "https" && !url.host_str().is_some_and(allowed) {
            return Err(unusable("it is http, where https is required"));
        }
        Ok(url)
    }

    fn wrong_issuer(&self, got: &str) -> MetadataError {
        let only_slash_differs = got.trim_end_matches('/') == self.issuer.trim_end_matches('/');
        let hint = if only_slash_differs {
            ": they differ in the slash at the end; write the issuer as its metadata does"
        } else if self.internal.is_none() {
            ": write the issuer as its metadata does, if it is the one you mean; if the service reaches it at another \
             address, configure internal_issuer_url too"
        } else {
            ": write the issuer as its metadata does, if it is the one you mean"
        };
        let got = got.chars().take(MAX_SHOWN_ISSUER_CHARS).collect();
        MetadataError::Issuer { expected: self.issuer.clone(), got, hint }
    }
}

/// The URL of `issuer`'s metadata by OpenID Connect Discovery §4: below the issuer's path.
fn openid_url(issuer: &Url) -> Url {
    let mut url = issuer.clone();
    let path = format!("{}/.well-known/openid-configuration", issuer.path().trim_end_matches('/'));
    url.set_path(&path);
    url
}

/// The URL of `issuer`'s metadata by RFC 8414 §3: the well-known path comes before the issuer's path.
fn oauth_url(issuer: &Url) -> Url {
    let mut url = issuer.clone();
    let path = format!("/.well-known/oauth-authorization-server{}", issuer.path().trim_end_matches('/'));
    url.set_path(&path);
    url
}

/// An issuer that is reached at another URL than the one in its name, for example inside a cluster.
#[derive(Clone, Debug)]
pub(crate) struct InternalIssuer {
    pub(crate) issuer: Url,
    pub(crate) internal: Url,
}

impl InternalIssuer {
    /// Returns the URL at which `url` is reached: below the issuer, the internal URL replaces the issuer; elsewhere on the
    /// issuer's origin, the internal origin replaces it. Other URLs are unchanged.
    fn reach(&self, url: Url) -> Url {
        if url.origin() != self.issuer.origin() {
            return url;
        }
        let below = url.path().strip_prefix(self.issuer.path().trim_end_matches('/'));
        let path = match below.filter(|rest| rest.starts_with('/')) {
            Some(rest) => format!("{}{rest}", self.internal.path().trim_end_matches('/')),
            None => url.path().to_owned(),
        };
        let mut internal = self.internal.clone();
        internal.set_path(&path);
        internal.set_query(url.query());
        internal
    }
}

/// Why the metadata can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MetadataError {
    #[error("{member} can't be used: {problem}")]
    Endpoint { member: &'static str, problem: &'static str },
    #[error("expected issuer {expected:?}, got {got:?}{hint}")]
    Issuer { expected: String, got: String, hint: &'static str },
    #[error("not a JSON object with the strings issuer and {0}")]
    NotMetadata(&'static str),
}

const KEY_SET_MEMBER: &str = "jwks_uri";
const INTROSPECTION_MEMBER: &str = "introspection_endpoint";

/// The two members that are used. The algorithms in the document are ignored, so it can't widen an allow-list.
#[derive(Deserialize)]
struct KeySetMetadata {
    issuer: String,
    jwks_uri: String,
    /// With this member, serde does not accept an array in place of the object.
    #[serde(flatten)]
    _others: HashMap<String, IgnoredAny>,
}

#[derive(Deserialize)]
struct IntrospectionMetadata {
    issuer: String,
    introspection_endpoint: String,
    #[serde(flatten)]
    _others: HashMap<String, IgnoredAny>,
}

fn parse<'a, D: Deserialize<'a>>(body: &'a [u8], member: &'static str) -> Result<D, MetadataError> {
    if json::depth_exceeds(body, json::MAX_DEPTH) {
        return Err(MetadataError::NotMetadata(member));
    }
    // A byte order mark is ignored, as in key sets (RFC 8259 §8.1).
    let body = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body);
    serde_json::from_slice(body).map_err(|_| MetadataError::NotMetadata(member))
}

/// Returns the URL in the name of an issuer from which nothing is fetched.
fn public_issuer_url(issuer: &str) -> Result<Url, ConfigError> {
    let url = Url::parse(issuer).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let url = url.ok_or_else(|| {
        ConfigError::new("issuer", "not an absolute URL", "write a URL, for example https://issuer.example/")
    })?;
    checked_issuer_url("issuer", url)
}

/// Checks that `url` has the form of an issuer's URL (RFC 8414 §2).
fn checked_issuer_url(field: &'static str, url: Url) -> Result<Url, ConfigError> {
    if url.path().contains("/.well-known/") {
        let instead = "write the issuer, as iss and the metadata have it: the part before /.well-known/";
        return Err(ConfigError::new(field, "it is the URL of the metadata", instead));
    }
    match url.query() {
        None => Ok(url),
        Some(_) => Err(ConfigError::new(field, "it has a query", "write an issuer as RFC 8414 section 2 has it")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata() -> Url {
        Url::parse("https://i.example/.well-known/openid-configuration").unwrap()
    }

    fn key_set_url(
        body: &[u8],
        url: &Url,
        issuer: &str,
        internal: Option<&InternalIssuer>,
        http_hosts: &[String],
    ) -> Result<Url, MetadataError> {
        let metadata = Metadata { issuer: issuer.to_owned(), url: url.clone(), internal: internal.cloned() };
        metadata.key_set_url(body, http_hosts)
    }

    #[test]
    fn well_known_urls_have_exactly_one_slash() {
        for (issuer, openid, oauth) in [
            (
                "https://i.example",
                "https://i.example/.well-known/openid-configuration",
                "https://i.example/.well-known/oauth-authorization-server",
            ),
            (
                "https://i.example/",
                "https://i.example/.well-known/openid-configuration",
                "https://i.example/.well-known/oauth-authorization-server",
            ),
            (
                "https://i.example/realms/one",
                "https://i.example/realms/one/.well-known/openid-configuration",
                "https://i.example/.well-known/oauth-authorization-server/realms/one",
            ),
        ] {
            let issuer = Url::parse(issuer).unwrap();
            assert_eq!(openid_url(&issuer).as_str(), openid);
            assert_eq!(oauth_url(&issuer).as_str(), oauth);
        }
    }

    #[test]
    fn wrong_issuer_error_names_both_issuers() {
        let document = br#"{"issuer":"https://i.example/","jwks_uri":"https://k.example/keys"}"#;
        let key_set_url = |document: &[u8], issuer| key_set_url(document, &metadata(), issuer, None, &[]);
        assert_eq!(key_set_url(document, "https://i.example/").unwrap().as_str(), "https://k.example/keys");
        let marked = [&b"\xef\xbb\xbf"[..], document].concat();
        assert!(key_set_url(&marked, "https://i.example/").is_ok(), "a byte order mark is ignored");
        let error = key_set_url(document, "https://i.example").unwrap_err().to_string();
        assert!(error.contains(r#"expected issuer "https://i.example", got "https://i.example/""#), "{error}");
        assert!(error.contains("slash at the end"), "{error}");
        for other in ["https://I.example/", "https://j.example/", ""] {
            assert!(matches!(key_set_url(document, other), Err(MetadataError::Issuer { .. })), "{other}");
        }
    }

    #[test]
    fn document_without_usable_members_is_refused() {
        for document in [
            "",
            "[]",
            r#"["i","https://k.example/"]"#,
            "{}",
            r#"{"issuer":"i"}"#,
            r#"{"issuer":"i","jwks_uri":1}"#,
            r#"{"issuer":["i"],"jwks_uri":"https://k/"}"#,
            r#"{"jwks_uri":"https://k.example/"}"#,
        ] {
            assert!(
                matches!(
                    key_set_url(document.as_bytes(), &metadata(), "i", None, &[]),
                    Err(MetadataError::NotMetadata("jwks_uri"))
                ),
                "{document}"
            );
        }
        for uri in [
            "/keys",
            "http://k.example/keys",
            "file:///keys",
            "data:,{}",
            "https://u@k.example/",
            "https://k.example/#f",
        ] {
            let document = format!(r#"{{"issuer":"i","jwks_uri":"{uri}"}}"#);
            assert!(
                matches!(
                    key_set_url(document.as_bytes(), &metadata(), "i", None, &[]),
                    Err(MetadataError::Endpoint { .. })
                ),
                "{uri}"
            );
        }
    }

    #[test]
    fn introspection_endpoint_is_that_of_the_issuer() {
        let url = |document: &str| {
            let metadata = Metadata { issuer: "https://i.example".to_owned(), url: metadata(), internal: None };
            metadata.introspection_url(document.as_bytes(), &[]).map_err(|error| error.to_string())
        };
        let good = r#"{"issuer":"https://i.example","introspection_endpoint":"https://i.example/ask","jwks_uri":7}"#;
        assert_eq!(url(good).unwrap().as_str(), "https://i.example/ask");
        for (document, expected) in [
            (r#"{"issuer":"https://j.example","introspection_endpoint":"https://i.example/ask"}"#, "expected issuer"),
            (r#"{"issuer":"https://i.example"}"#, "the strings issuer and introspection_endpoint"),
            (r#"{"issuer":"https://i.example","introspection_endpoint":7}"#, "the strings issuer and"),
            (r#"{"issuer":"https://i.example","introspection_endpoint":"http://i.example/ask"}"#, "it is http"),
            (r#"{"issuer":"https://i.example","introspection_endpoint":"http://127.0.0.1/ask"}"#, "it is http"),
            (r#"{"issuer":"https://i.example","introspection_endpoint":"/ask"}"#, "not an absolute URL"),
        ] {
            let error = url(document).unwrap_err();
            assert!(error.contains(expected), "{document}: {error}");
        }
    }

    #[test]
    fn only_local_metadata_leads_to_local_http() {
        let document = br#"{"issuer":"i","jwks_uri":"http://127.0.0.1:1/keys"}"#;
        let local = Url::parse("http://localhost/metadata").unwrap();
        assert!(key_set_url(document, &local, "i", None, &[]).is_ok());
        assert!(matches!(key_set_url(document, &metadata(), "i", None, &[]), Err(MetadataError::Endpoint { .. })));
        assert!(key_set_url(document, &metadata(), "i", None, &["127.0.0.1".to_owned()]).is_ok());
    }

    #[test]
    fn internal_issuer_is_reached_at_its_internal_url() {
        let reach = |issuer: &str, internal: &str, url: &str| {
            let [issuer, internal, url] = [issuer, internal, url].map(|url| Url::parse(url).unwrap());
            String::from(InternalIssuer { issuer, internal }.reach(url))
        };
        for (issuer, internal, url, expected) in [
            (
                "http://localhost:8080/r/main",
                "http://keycloak:8080/r/main",
                "http://localhost:8080/r/main/certs",
                "http://keycloak:8080/r/main/certs",
            ),
            ("https://i.example/auth/", "http://i:80/", "https://i.example/auth/keys?v=1", "http://i/keys?v=1"),
            ("https://i.example", "http://i:8080/base", "https://i.example/keys", "http://i:8080/base/keys"),
            // Not below the issuer: only the origin is replaced.
            ("https://i.example/one", "http://i:8080/one", "https://i.example/ones/keys", "http://i:8080/ones/keys"),
            // Another origin is not replaced.
            ("https://i.example", "http://i:8080", "https://keys.example/i", "https://keys.example/i"),
            ("https://i.example", "http://i:8080", "https://i.example:8443/i", "https://i.example:8443/i"),
        ] {
            assert_eq!(reach(issuer, internal, url), expected);
        }
    }

    #[test]
    fn internal_host_needs_permission_for_http() {
        let document = br#"{"issuer":"http://localhost:8080","jwks_uri":"http://localhost:8080/keys"}"#;
        let internal = InternalIssuer {
            issuer: Url::parse("http://localhost:8080").unwrap(),
            internal: Url::parse("http://keycloak:8080").unwrap(),
        };
        let at = Url::parse("http://keycloak:8080/.well-known/openid-configuration").unwrap();
        let url = |hosts: &[String]| key_set_url(document, &at, "http://localhost:8080", Some(&internal), hosts);
        assert!(matches!(url(&[]), Err(MetadataError::Endpoint { .. })));
        assert_eq!(url(&["keycloak".to_owned()]).unwrap().as_str(), "http://keycloak:8080/keys");
    }
}
