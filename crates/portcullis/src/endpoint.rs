//! Which URLs keys and metadata may be fetched from.

use url::Url;

use crate::loopback::is_loopback;

/// Parses a URL that keys or metadata may be fetched from: absolute, without user information and fragment, with https,
/// or with http on this machine and on `http_hosts`.
pub(crate) fn parse(text: &str, http_hosts: &[String]) -> Result<Url, &'static str> {
    let url = Url::parse(text).map_err(|_| "not an absolute URL")?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it has user information");
    }
    if url.fragment().is_some() {
        return Err("it has a fragment");
    }
    let host = url.host_str().unwrap_or_default();
    match url.scheme() {
        "https" if !host.is_empty() => Ok(url),
        "http" if is_loopback(host) || http_hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(host)) => Ok(url),
        "http" => Err("it is http, where https is required"),
        _ => Err("its scheme is not https"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn https_and_local_http_are_allowed() {
        for url in [
            "https://issuer.example/keys",
            "https://issuer.example:8443/keys?v=1",
            "http://127.0.0.1:3000/keys",
            "http://127.9.9.9/keys",
            "http://[::1]:3000/keys",
            "http://LOCALHOST/keys",
        ] {
            assert!(parse(url, &[]).is_ok(), "{url}");
        }
        assert!(parse("http://keycloak.cluster/keys", &["keycloak.cluster".to_owned()]).is_ok());
    }

    #[test]
    fn all_other_urls_are_refused() {
        for url in [
            "",
            "/keys",
            "issuer.example/keys",
            "http://issuer.example/keys",
            "http://127.0.0.1.example/keys",
            "http://localhost.example/keys",
            "http://169.254.169.254/keys",
            "http://[::2]/",
            "file:///etc/passwd",
            "data:application/json,{}",
            "ftp://issuer.example/",
            "https://user@issuer.example/keys",
            "https://user:pass@issuer.example/keys",
            "https://issuer.example/keys#fragment",
            "https://",
        ] {
            assert!(parse(url, &["other.example".to_owned()]).is_err(), "{url}");
        }
    }
}
