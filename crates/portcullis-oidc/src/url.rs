//! URLs of identity providers that users host themselves.

use portcullis::ConfigError;
use portcullis::config::values;

/// Reads a base URL that must not have a path. Plain http is allowed, for an identity provider inside a cluster.
pub(crate) fn origin(field: &'static str, text: &str, example: &str) -> Result<String, ConfigError> {
    let url = values::base_url(field, text, example)?;
    if url.matches('/').count() > 2 {
        return Err(ConfigError::new(field, "it has a path", format!("write it without a path, such as {example}")));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_for_a_path_says_what_to_write() {
        assert_eq!(origin("instance", "a.example/", "b.example").as_deref(), Ok("https://a.example"));
        assert_eq!(origin("instance", "http://zitadel:8080", "b.example").as_deref(), Ok("http://zitadel:8080"));
        let error = origin("instance", "a.example/ui", "b.example").unwrap_err();
        assert_eq!(error.field(), "instance");
        assert!(error.to_string().contains("b.example"), "{error}");
    }
}
