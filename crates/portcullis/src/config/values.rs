//! The values of a configuration: domains, URLs and names as people write them.
//!
//! A preset of an identity provider reads its fields with these functions and its environment variables with those of
//! [`variables`](crate::config::variables), so that all presets understand the same spellings.
//!
//! ```
//! use portcullis::config::values;
//! use portcullis::keys::RemoteKeys;
//! use portcullis::verifier::JwtVerifierBuilder;
//! use portcullis::{Audience, ConfigError, JwtVerifier};
//!
//! fn example_id(domain: &str, api: &str) -> Result<JwtVerifierBuilder, ConfigError> {
//!     let issuer = values::origin("domain", domain, "tenant.id.example")?;
//!     let keys = RemoteKeys::discover(&issuer).map_err(|error| error.with_field("domain"))?;
//!     Ok(JwtVerifier::builder(issuer, Audience::any_of([api]), keys))
//! }
//! ```
//!
//! Design notes: [Presets](crate::_docs::presets).

use url::{Host, Url};

use crate::endpoint;
use crate::error::ConfigError;
use crate::loopback::is_loopback;

/// Reads `text` as scheme, host and port, and returns it without a slash at the end.
///
/// A missing `https://` is added. A path, query, fragment or user information is an error, which names `field` and
/// `example`. So is a host name without a dot, because it is only a part of one. Plain http is allowed for loopback
/// addresses only.
///
/// ```
/// use portcullis::config::values::origin;
///
/// assert_eq!(origin("domain", "Tenant.id.example/", "tenant.id.example")?, "https://tenant.id.example");
/// assert!(origin("domain", "tenant.id.example/api", "tenant.id.example").is_err());
/// assert!(origin("domain", "tenant", "tenant.id.example").is_err());
/// # Ok::<(), portcullis::ConfigError>(())
/// ```
///
/// # Errors
/// [`ConfigError`] if `text` is not an origin.
pub fn origin(field: &'static str, text: &str, example: &str) -> Result<String, ConfigError> {
    let url = parse(field, text, example)?;
    endpoint::parse(url.as_str(), &[]).map_err(|problem| wrong(field, problem, example))?;
    if url.path().chars().any(|char| char != '/') {
        return Err(wrong(field, "it has a path", example));
    }
    if !is_complete_host(&url) {
        return Err(wrong(field, NOT_A_HOST, example));
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// Reads `text` as a URL that may have a path, and returns it without a slash at the end, for example
/// `https://example.com/auth`. It is for identity providers that people host themselves.
///
/// Plain http is accepted, because it may be the issuer of a server inside a cluster. Whether keys are fetched over it is
/// up to [`RemoteKeys`](crate::keys::RemoteKeys), which refuses by default. A host name without a dot needs its scheme
/// (`https://keycloak`), because without one it is more likely a part of a name.
///
/// # Errors
/// [`ConfigError`] if `text` is not such a URL.
pub fn base_url(field: &'static str, text: &str, example: &str) -> Result<String, ConfigError> {
    let url = parse(field, text, example)?;
    if !text.contains("://") && !is_complete_host(&url) {
        return Err(wrong(field, NOT_A_HOST, example));
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// Checks that `text` fits into one segment of a URL's path, for example the name of a realm: letters, digits, `-`, `.`,
/// `_`, `~` and `:`.
///
/// # Errors
/// [`ConfigError`] if `text` has any other character; `instead` says what to write.
pub fn path_segment<'a>(field: &'static str, text: &'a str, instead: &'static str) -> Result<&'a str, ConfigError> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b':');
    if text.is_empty() || text == "." || text == ".." || !text.bytes().all(is_plain) {
        return Err(ConfigError::new(field, "not a name", instead));
    }
    Ok(text)
}

fn parse(field: &'static str, text: &str, example: &str) -> Result<Url, ConfigError> {
    let wrong = |problem: &'static str| wrong(field, problem, example);
    if text.is_empty() {
        return Err(wrong("empty"));
    }
    // The parser would silently drop or change these characters.
    if text.chars().any(|char| char.is_whitespace() || char.is_control() || char == '\\') {
        return Err(wrong("it has white space or a backslash"));
    }
    let with_scheme = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    let url = Url::parse(&with_scheme).map_err(|_| wrong("neither a host nor a URL"))?;
    if !matches!(url.scheme(), "https" | "http") || url.host_str().is_none_or(str::is_empty) {
        return Err(wrong("neither a host nor an https URL"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("it has a query or a fragment"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("it has user information"));
    }
    Ok(url)
}

const NOT_A_HOST: &str = "not a host name with a dot";

/// Whether the host is an address, this machine, or a name with a dot between two labels.
fn is_complete_host(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            is_loopback(name) || (name.contains('.') && name.split('.').all(|label| !label.is_empty()))
        }
        Some(Host::Ipv4(_) | Host::Ipv6(_)) => true,
        None => false,
    }
}

fn wrong(field: &'static str, problem: &'static str, example: &str) -> ConfigError {
    ConfigError::new(field, problem, format!("write it as in {example}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scheme_and_slashes_are_normalized() {
        for text in ["a.example", "https://a.example", "https://a.example/", "A.example//", "https://a.example:443"] {
            assert_eq!(origin("domain", text, "b.example").as_deref(), Ok("https://a.example"), "{text}");
        }
        assert_eq!(origin("domain", "http://127.0.0.1:3000", "x").as_deref(), Ok("http://127.0.0.1:3000"));
        assert_eq!(base_url("base", "a.example/auth/", "x").as_deref(), Ok("https://a.example/auth"));
        assert_eq!(base_url("base", "https://a.example", "x").as_deref(), Ok("https://a.example"));
        assert_eq!(base_url("base", "http://keycloak:8080", "x").as_deref(), Ok("http://keycloak:8080"));
    }

    #[test]
    fn errors_name_field_and_example() {
        for text in [
            "",
            " ",
            "a.example ",
            "a.exa\tmple",
            "a.example?x",
            "a.example#x",
            "user@a.example",
            "user:secret@a.example",
            "a.example\\@b.example",
            "ftp://a.example",
            "https://",
            "a.example/x",
            "a.example//x",
            "https://a.example/.well-known/jwks.json",
            "http://a.example",
            "http://127.0.0.1.example",
            "tenant",
            "tenant:8443",
            "https://tenant",
            "tenant.",
            ".example",
            "a..example",
        ] {
            let error = origin("domain", text, "b.example").unwrap_err();
            assert_eq!(error.field(), "domain", "{text}");
            assert!(error.to_string().ends_with("write it as in b.example"), "{text}: {error}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        assert_eq!(
            origin("domain", "tenant", "b.example").unwrap_err().to_string(),
            "domain: not a host name with a dot; write it as in b.example"
        );
        for text in ["tenant", "tenant/auth", "keycloak:8080", "tenant."] {
            assert_eq!(base_url("base", text, "b").unwrap_err().field(), "base", "{text}");
        }
        for text in ["https://keycloak", "http://keycloak:8080/auth", "localhost:8443", "10.0.0.1", "[::1]:8080"] {
            assert!(base_url("base", text, "b").is_ok(), "{text}");
        }
        for text in
            ["a.example/auth?x", "a.example/#x", "user@a.example/auth", ":secret@a.example", "a.example/a b", ""]
        {
            assert_eq!(base_url("base", text, "b").unwrap_err().field(), "base", "{text}");
        }
    }

    #[test]
    fn path_segment_stays_one_segment() {
        assert_eq!(path_segment("realm", "main-1.x_y~z:0", "write"), Ok("main-1.x_y~z:0"));
        for text in ["", ".", "..", "a/b", "a b", "a?b", "a#b", "a%2Fb", "ä"] {
            assert_eq!(path_segment("realm", text, "write").unwrap_err().field(), "realm", "{text}");
        }
    }
}
