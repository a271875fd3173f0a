//! Metadata of an issuer (OpenID Connect Discovery 1.0 §4, RFC 8414).

use reqwest::Url;
use serde::Deserialize;

use crate::keys::remote::endpoint;

/// Where the metadata of `issuer` is by OpenID Connect Discovery §4: at the end of the issuer's path.
pub(super) fn openid_url(issuer: &Url) -> Url {
    let mut url = issuer.clone();
    let path = format!("{}/.well-known/openid-configuration", issuer.path().trim_end_matches('/'));
    url.set_path(&path);
    url
}

/// Where the metadata of `issuer` is by RFC 8414 §3: before the issuer's path.
pub(super) fn oauth_url(issuer: &Url) -> Url {
    let mut url = issuer.clone();
    let path = format!("/.well-known/oauth-authorization-server{}", issuer.path().trim_end_matches('/'));
    url.set_path(&path);
    url
}

/// Why a document can't be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum MetadataError {
    #[error("expected issuer {expected:?}, got {got:?}{hint}")]
    Issuer { expected: String, got: String, hint: &'static str },
    #[error("jwks_uri can't be used: {0}")]
    KeySetUrl(&'static str),
    #[error("not a JSON object with the strings issuer and jwks_uri")]
    NotMetadata,
}

/// The two members that are looked at. What the document says of algorithms is not: it can't widen an allow-list.
#[derive(Deserialize)]
struct Document {
    issuer: String,
    jwks_uri: String,
}

/// `jwks_uri`, if the document is that of `issuer`, octet by octet (RFC 8414 §3.3).
pub(super) fn key_set_url(body: &[u8], issuer: &str, http_hosts: &[String]) -> Result<Url, MetadataError> {
    if crate::jose::json::depth_exceeds(body, crate::jose::json::MAX_DEPTH) {
        return Err(MetadataError::NotMetadata);
    }
    let document: Document = serde_json::from_slice(body).map_err(|_| MetadataError::NotMetadata)?;
    if document.issuer != issuer {
        let same_but_slash = document.issuer.trim_end_matches('/') == issuer.trim_end_matches('/');
        let hint = if same_but_slash {
            ": they differ in the slash at the end; write the issuer as the provider does"
        } else {
            ": write the issuer as the provider does, if it is the one you mean"
        };
        let got = document.issuer.chars().take(200).collect();
        return Err(MetadataError::Issuer { expected: issuer.to_owned(), got, hint });
    }
    endpoint::parse(&document.jwks_uri, http_hosts).map_err(MetadataError::KeySetUrl)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_well_known_places_have_exactly_one_slash() {
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
    fn an_issuer_that_differs_is_told_with_expected_and_got() {
        let document = br#"{"issuer":"https://i.example/","jwks_uri":"https://k.example/keys"}"#;
        assert_eq!(key_set_url(document, "https://i.example/", &[]).unwrap().as_str(), "https://k.example/keys");
        let error = key_set_url(document, "https://i.example", &[]).unwrap_err().to_string();
        assert!(error.contains(r#"expected issuer "https://i.example", got "https://i.example/""#), "{error}");
        assert!(error.contains("slash at the end"), "{error}");
        for other in ["https://I.example/", "https://j.example/", ""] {
            assert!(matches!(key_set_url(document, other, &[]), Err(MetadataError::Issuer { .. })), "{other}");
        }
    }

    #[test]
    fn a_document_without_usable_members_is_refused() {
        for document in [
            "",
            "[]",
            "{}",
            r#"{"issuer":"i"}"#,
            r#"{"issuer":"i","jwks_uri":1}"#,
            r#"{"issuer":["i"],"jwks_uri":"https://k/"}"#,
            r#"{"jwks_uri":"https://k.example/"}"#,
        ] {
            assert!(
                matches!(key_set_url(document.as_bytes(), "i", &[]), Err(MetadataError::NotMetadata)),
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
            assert!(matches!(key_set_url(document.as_bytes(), "i", &[]), Err(MetadataError::KeySetUrl(_))), "{uri}");
        }
    }
}
