//! Names of providers' hosts, however they are written.

use portcullis::ConfigError;
use url::Url;

/// `text` as a URL without a slash at the end: `https://` is understood, a path is not taken. `example` is what to
/// write.
pub(crate) fn origin(field: &'static str, text: &str, example: &str) -> Result<String, ConfigError> {
    let url = base(field, text, example)?;
    if url.matches('/').count() > 2 {
        return Err(ConfigError::new(field, "it has a path", format!("write it without a path, such as {example}")));
    }
    Ok(url)
}

/// [`origin`], with a path where there is one.
pub(crate) fn base(field: &'static str, text: &str, example: &str) -> Result<String, ConfigError> {
    let wrong = |problem: &'static str| ConfigError::new(field, problem, format!("write it as in {example}"));
    if text.is_empty() {
        return Err(wrong("empty"));
    }
    let with_scheme = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    let url = Url::parse(&with_scheme).map_err(|_| wrong("not a host or URL"))?;
    if !matches!(url.scheme(), "https" | "http") || url.host_str().is_none_or(str::is_empty) {
        return Err(wrong("not a host or https URL"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("it has a query or a fragment"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("it has user information"));
    }
    // Whether http will do is for the keys to say: on this machine alone.
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// `text`, which goes into a path: one segment that needs no encoding.
pub(crate) fn segment<'a>(field: &'static str, text: &'a str, instead: &str) -> Result<&'a str, ConfigError> {
    let is_plain = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_' | b'~' | b':');
    if text.is_empty() || text == "." || text == ".." || !text.bytes().all(is_plain) {
        return Err(ConfigError::new(field, "not a name", instead.to_owned()));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scheme_and_slashes_are_understood() {
        for text in ["a.example", "https://a.example", "https://a.example/", "A.example//"] {
            assert_eq!(origin("domain", text, "b.example").as_deref(), Ok("https://a.example"), "{text}");
        }
        assert_eq!(base("base", "a.example/auth/", "b.example").as_deref(), Ok("https://a.example/auth"));
        assert_eq!(base("base", "http://127.0.0.1:8080", "b.example").as_deref(), Ok("http://127.0.0.1:8080"));
    }

    #[test]
    fn mistakes_name_the_field_and_what_to_write() {
        for text in
            ["", " ", "a.example?x", "a.example#x", "user@a.example", "ftp://a.example", "https://", "a.example/x"]
        {
            let error = origin("domain", text, "b.example").unwrap_err();
            assert_eq!(error.field(), "domain", "{text}");
            assert!(error.to_string().contains("b.example"), "{text}: {error}");
        }
    }

    #[test]
    fn a_segment_stays_one() {
        assert_eq!(segment("realm", "my-realm_1", "x"), Ok("my-realm_1"));
        for text in ["", ".", "..", "a/b", "a b", "a?b", "a#b", "a%2Fb", "ä"] {
            assert!(segment("realm", text, "write the realm").is_err(), "{text}");
        }
    }
}
