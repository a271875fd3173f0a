//! For those who write a preset of a provider: the names that people write down, read in one way everywhere.
//!
//! ```
//! use portcullis::keys::RemoteKeys;
//! use portcullis::verifier::JwtVerifierBuilder;
//! use portcullis::{Audience, ConfigError, JwtVerifier, preset};
//!
//! fn example_id(domain: &str, api: &str) -> Result<JwtVerifierBuilder, ConfigError> {
//!     let issuer = preset::origin("domain", domain, "tenant.id.example")?;
//!     let keys = RemoteKeys::discover(&issuer).map_err(|error| error.with_field("domain"))?;
//!     Ok(JwtVerifier::builder(issuer, Audience::any_of([api]), keys))
//! }
//! ```

use reqwest::Url;

use crate::environment;
use crate::error::ConfigError;
use crate::keys::endpoint;

/// `text` as scheme, host and port, without a slash at the end. A missing `https://` is added, a slash taken away;
/// anything more is a mistake, about which the error names `field` and `example`. Plain http is for this machine alone.
///
/// ```
/// use portcullis::preset::origin;
///
/// assert_eq!(origin("domain", "Tenant.id.example/", "tenant.id.example")?, "https://tenant.id.example");
/// assert!(origin("domain", "tenant.id.example/api", "tenant.id.example").is_err());
/// # Ok::<(), portcullis::ConfigError>(())
/// ```
///
/// # Errors
/// [`ConfigError`] when it is no such name.
pub fn origin(field: &'static str, text: &str, example: &str) -> Result<String, ConfigError> {
    let url = parse(field, text, example)?;
    endpoint::parse(url.as_str(), &[]).map_err(|problem| wrong(field, problem, example))?;
    if url.path().chars().any(|char| char != '/') {
        return Err(wrong(field, "it has a path", example));
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// `text` as a URL without a slash at the end, with a path where there is one, such as `https://example.com/auth`: for
/// providers that people host themselves. Plain http may be the name of one inside a cluster; whether keys are fetched
/// over it is for [`RemoteKeys`](crate::keys::RemoteKeys) to say, and by default they are not.
///
/// # Errors
/// [`ConfigError`] when it is no such URL.
pub fn base_url(field: &'static str, text: &str, example: &str) -> Result<String, ConfigError> {
    Ok(parse(field, text, example)?.as_str().trim_end_matches('/').to_owned())
}

/// `text` for one segment of a path, such as the name of a realm: letters, digits, `-`, `.`, `_`, `~` and `:`.
///
/// # Errors
/// [`ConfigError`] when it has anything else in it; `instead` says what to write.
pub fn path_segment<'a>(field: &'static str, text: &'a str, instead: &'static str) -> Result<&'a str, ConfigError> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b':');
    if text.is_empty() || text == "." || text == ".." || !text.bytes().all(is_plain) {
        return Err(ConfigError::new(field, "not a name", instead));
    }
    Ok(text)
}

/// The environment variable `name`. What is not Unicode in it is replaced by U+FFFD: a variable that can't be read must not
/// pass for one that is not set, since that may leave a check out.
#[must_use]
pub fn variable(name: &str) -> Option<String> {
    environment::variable(name)
}

/// What the variable `name` holds in an environment that `lookup` knows, such as [`variable`]; `None` when it is not set,
/// or blank, which is how many deployments say "not set".
#[must_use]
pub fn given(lookup: impl Fn(&str) -> Option<String>, name: &str) -> Option<String> {
    environment::given(lookup, name)
}

/// What the variable `name` lists, separated by commas, in an environment that `lookup` knows, such as [`variable`].
///
/// ```
/// use portcullis::preset::listed;
///
/// let lookup = |name: &str| (name == "EXAMPLE_DOMAIN").then(|| "one.example, two.example".to_owned());
/// assert_eq!(listed(lookup, "EXAMPLE_DOMAIN", "write the tenant's domain")?, ["one.example", "two.example"]);
/// assert!(listed(lookup, "EXAMPLE_API", "write the API's identifier").is_err());
/// # Ok::<(), portcullis::ConfigError>(())
/// ```
///
/// # Errors
/// [`ConfigError`] when it is not set, or blank; `instead` says what to write.
pub fn listed(
    lookup: impl Fn(&str) -> Option<String>,
    name: &'static str,
    instead: &'static str,
) -> Result<Vec<String>, ConfigError> {
    let text = given(lookup, name).ok_or_else(|| ConfigError::new(name, "not set", instead))?;
    Ok(environment::items(&text))
}

fn parse(field: &'static str, text: &str, example: &str) -> Result<Url, ConfigError> {
    let wrong = |problem: &'static str| wrong(field, problem, example);
    if text.is_empty() {
        return Err(wrong("empty"));
    }
    // The parser would drop some of these, and turn others, without a word.
    if text.chars().any(|char| char.is_whitespace() || char.is_control() || char == '\\') {
        return Err(wrong("it has white space or a backslash in it"));
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

fn wrong(field: &'static str, problem: &'static str, example: &str) -> ConfigError {
    ConfigError::new(field, problem, format!("write it as in {example}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scheme_and_slashes_are_understood() {
        for text in ["a.example", "https://a.example", "https://a.example/", "A.example//", "https://a.example:443"] {
            assert_eq!(origin("domain", text, "b.example").as_deref(), Ok("https://a.example"), "{text}");
        }
        assert_eq!(origin("domain", "http://127.0.0.1:3000", "x").as_deref(), Ok("http://127.0.0.1:3000"));
        assert_eq!(base_url("base", "a.example/auth/", "x").as_deref(), Ok("https://a.example/auth"));
        assert_eq!(base_url("base", "https://a.example", "x").as_deref(), Ok("https://a.example"));
        assert_eq!(base_url("base", "http://keycloak:8080", "x").as_deref(), Ok("http://keycloak:8080"));
    }

    #[test]
    fn mistakes_name_the_field_and_what_to_write() {
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
        ] {
            let error = origin("domain", text, "b.example").unwrap_err();
            assert_eq!(error.field(), "domain", "{text}");
            assert!(error.to_string().ends_with("write it as in b.example"), "{text}: {error}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        for text in
            ["a.example/auth?x", "a.example/#x", "user@a.example/auth", ":secret@a.example", "a.example/a b", ""]
        {
            assert_eq!(base_url("base", text, "b").unwrap_err().field(), "base", "{text}");
        }
    }

    #[test]
    fn a_list_is_there_or_an_error() {
        let read = |value: Option<&'static str>| listed(|_| value.map(str::to_owned), "DOMAIN", "write the domain");
        assert_eq!(read(Some(" a.example ,b.example")), Ok(vec!["a.example".to_owned(), "b.example".to_owned()]));
        // An item that is empty is kept, for whoever reads it to refuse.
        assert_eq!(read(Some("a.example,")), Ok(vec!["a.example".to_owned(), String::new()]));
        for value in [None, Some(""), Some(" ")] {
            assert_eq!(read(value).unwrap_err().to_string(), "DOMAIN: not set; write the domain");
        }
    }

    #[test]
    fn a_segment_stays_one() {
        assert_eq!(path_segment("realm", "main-1.x_y~z:0", "write"), Ok("main-1.x_y~z:0"));
        for text in ["", ".", "..", "a/b", "a b", "a?b", "a#b", "a%2Fb", "ä"] {
            assert_eq!(path_segment("realm", text, "write").unwrap_err().field(), "realm", "{text}");
        }
    }
}
