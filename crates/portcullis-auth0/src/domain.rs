//! A tenant's domain, however it is written.

use portcullis::ConfigError;
use url::Url;

/// The issuer of `domain`, with its slash at the end. A scheme and a slash in `domain` are understood.
pub(crate) fn issuer(domain: &str) -> Result<String, ConfigError> {
    let problem = |problem: &'static str| {
        ConfigError::new("domain", problem, "write the domain alone, such as tenant.eu.auth0.com")
    };
    if domain.is_empty() {
        return Err(problem("empty"));
    }
    let with_scheme = if domain.contains("://") { domain.to_owned() } else { format!("https://{domain}") };
    let url = Url::parse(&with_scheme).map_err(|_| problem("not a domain"))?;
    if !matches!(url.scheme(), "https" | "http") || url.host_str().is_none_or(str::is_empty) {
        return Err(problem("not a domain"));
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err(problem("it has a path, a query or a fragment"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(problem("it has user information"));
    }
    // Whether http will do is for the keys to say: on this machine alone.
    Ok(url.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scheme_and_a_slash_are_understood() {
        for domain in [
            "tenant.eu.auth0.com",
            "https://tenant.eu.auth0.com",
            "https://tenant.eu.auth0.com/",
            "Tenant.EU.auth0.com/",
        ] {
            assert_eq!(issuer(domain).as_deref(), Ok("https://tenant.eu.auth0.com/"), "{domain}");
        }
        assert_eq!(issuer("http://127.0.0.1:3000").as_deref(), Ok("http://127.0.0.1:3000/"));
    }

    #[test]
    fn a_path_and_other_mistakes_say_what_to_write() {
        for domain in [
            "",
            " ",
            "tenant.eu.auth0.com/api",
            "https://tenant.eu.auth0.com/.well-known/jwks.json",
            "tenant.auth0.com?x",
            "tenant.auth0.com#x",
            "user@tenant.auth0.com",
            "ftp://tenant.auth0.com",
            "https://",
        ] {
            let error = issuer(domain).unwrap_err();
            assert!(error.to_string().contains("tenant.eu.auth0.com"), "{domain}: {error}");
        }
    }
}
