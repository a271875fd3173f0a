//! The metadata of an issuer (OpenID Connect Discovery 1.0 §4, RFC 8414).

use std::collections::HashMap;

use reqwest::Url;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::endpoint;
use crate::jose::json;
use crate::keys::remote::limits;

/// The URL of `issuer`'s metadata by OpenID Connect Discovery §4: below the issuer's path.
pub(super) fn openid_url(issuer: &Url) -> Url {
    let mut url = issuer.clone();
    let path = format!("{}/.well-known/openid-configuration", issuer.path().trim_end_matches('/'));
    url.set_path(&path);
    url
}

/// The URL of `issuer`'s metadata by RFC 8414 §3: the well-known path comes before the issuer's path.
pub(super) fn oauth_url(issuer: &Url) -> Url {
    let mut url = issuer.clone();
    let path = format!("/.well-known/oauth-authorization-server{}", issuer.path().trim_end_matches('/'));
    url.set_path(&path);
    url
}

/// An issuer that is reached at another URL than the one in its name, for example inside a cluster.
#[derive(Clone, Debug)]
pub(super) struct InternalIssuer {
    pub(super) issuer: Url,
    pub(super) internal: Url,
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
pub(super) enum MetadataError {
    #[error("expected issuer {expected:?}, got {got:?}{hint}")]
    Issuer { expected: String, got: String, hint: &'static str },
    #[error("jwks_uri can't be used: {0}")]
    KeySetUrl(&'static str),
    #[error("not a JSON object with the strings issuer and jwks_uri")]
    NotMetadata,
}

/// The two members that are used. The algorithms in the document are ignored, so it can't widen an allow-list.
#[derive(Deserialize)]
struct MetadataDocument {
    issuer: String,
    jwks_uri: String,
    /// With this member, serde does not accept an array in place of the object.
    #[serde(flatten)]
    _others: HashMap<String, IgnoredAny>,
}

/// Returns the `jwks_uri` of the document that was fetched from `metadata`. Its `issuer` must equal the configured one byte
/// by byte (RFC 8414 §3.3).
pub(super) fn key_set_url(
    body: &[u8],
    metadata: &Url,
    issuer: &str,
    internal: Option<&InternalIssuer>,
    http_hosts: &[String],
) -> Result<Url, MetadataError> {
    if json::depth_exceeds(body, json::MAX_DEPTH) {
        return Err(MetadataError::NotMetadata);
    }
    // A byte order mark is ignored, as in key sets (RFC 8259 §8.1).
    let body = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body);
    let document: MetadataDocument = serde_json::from_slice(body).map_err(|_| MetadataError::NotMetadata)?;
    if document.issuer != issuer {
        let only_slash_differs = document.issuer.trim_end_matches('/') == issuer.trim_end_matches('/');
        let hint = if only_slash_differs {
            ": they differ in the slash at the end; write the issuer as its metadata does"
        } else if internal.is_none() {
            ": write the issuer as its metadata does, if it is the one you mean; if the service reaches it at another \
             address, configure internal_issuer_url too"
        } else {
            ": write the issuer as its metadata does, if it is the one you mean"
        };
        let got = document.issuer.chars().take(limits::MAX_SHOWN_ISSUER_CHARS).collect();
        return Err(MetadataError::Issuer { expected: issuer.to_owned(), got, hint });
    }
    let jwks_uri = match (internal, Url::parse(&document.jwks_uri)) {
        (Some(internal), Ok(url)) => internal.reach(url).into(),
        _ => document.jwks_uri,
    };
    let url = endpoint::parse(&jwks_uri, http_hosts).map_err(MetadataError::KeySetUrl)?;
    // A configured URL may use http on this machine. A document that came over https may not lead to it.
    let allowed = |host: &str| http_hosts.iter().any(|http_host| http_host.eq_ignore_ascii_case(host));
    if metadata.scheme() == "https" && url.scheme() != "https" && !url.host_str().is_some_and(allowed) {
        return Err(MetadataError::KeySetUrl("it is http, where https is required"));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata() -> Url {
        Url::parse("https://i.example/.well-known/openid-configuration").unwrap()
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
                    Err(MetadataError::NotMetadata)
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
                    Err(MetadataError::KeySetUrl(_))
                ),
                "{uri}"
            );
        }
    }

    #[test]
    fn only_local_metadata_leads_to_local_http() {
        let document = br#"{"issuer":"i","jwks_uri":"http://127.0.0.1:1/keys"}"#;
        let local = Url::parse("http://localhost/metadata").unwrap();
        assert!(key_set_url(document, &local, "i", None, &[]).is_ok());
        assert!(matches!(key_set_url(document, &metadata(), "i", None, &[]), Err(MetadataError::KeySetUrl(_))));
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
        assert!(matches!(url(&[]), Err(MetadataError::KeySetUrl(_))));
        assert_eq!(url(&["keycloak".to_owned()]).unwrap().as_str(), "http://keycloak:8080/keys");
    }
}
