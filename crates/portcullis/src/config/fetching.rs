//! How the keys of a configuration are fetched.

use std::time::Duration;

use reqwest::Url;

use crate::config::{Config, MetadataKind, read_file};
use crate::error::ConfigError;
use crate::keys::{RemoteKeys, RemoteKeysBuilder};

impl Config {
    /// Returns the builder of fetched keys, with all options set.
    ///
    /// # Errors
    /// [`ConfigError`] names each member that is wrong.
    pub(super) fn remote_keys(&self) -> Result<RemoteKeysBuilder, ConfigError> {
        let seconds = |seconds: Option<u64>| seconds.map(Duration::from_secs);
        let mut keys = RemoteKeys::builder().lifetimes(
            seconds(self.key_lifetime_min_seconds),
            seconds(self.key_lifetime_seconds),
            seconds(self.key_lifetime_max_seconds),
        );
        if let Some(stale) = seconds(self.key_stale_seconds) {
            keys = keys.stale(stale);
        }
        if let Some(timeout) = seconds(self.fetch_timeout_seconds) {
            keys = keys.timeout(timeout);
        }
        if let Some(url) = &self.metadata_url {
            keys = keys.metadata_at(url);
        }
        if self.metadata_kind == Some(MetadataKind::OauthAuthorizationServer) {
            keys = keys.oauth_metadata();
        }
        if let Some(url) = &self.internal_issuer_url {
            keys = keys.issuer_at(url);
        }
        if let Some(url) = &self.proxy {
            keys = keys.proxy(url);
        }
        let mut faults = Vec::new();
        for host in self.dangerous_allow_http_hosts.iter().flatten() {
            faults.extend(check_host(host).err());
            keys = keys.allow_http_to(host.clone());
        }
        for header in self.request_headers(&mut faults) {
            keys = keys.header(header.0, header.1);
        }
        if let Some(path) = &self.root_certificates_file {
            match read_file("root_certificates_file", path) {
                Ok(pem) => keys = keys.root_certificate(pem),
                Err(error) => faults.push(error),
            }
        }
        if let Some(path) = &self.key_seed_file {
            match read_file("key_seed_file", path) {
                Ok(json) => keys = keys.seed(json),
                Err(error) => faults.push(error),
            }
        }
        ConfigError::all(faults)?;
        Ok(keys)
    }

    /// Returns the header fields of the file. No error repeats its text, which is often a secret.
    fn request_headers(&self, faults: &mut Vec<ConfigError>) -> Vec<(String, String)> {
        const FIELD: &str = "request_headers_file";
        let Some(path) = &self.request_headers_file else { return Vec::new() };
        let text = match read_file(FIELD, path) {
            Ok(text) => text,
            Err(error) => {
                faults.push(error);
                return Vec::new();
            }
        };
        let (mut headers, before) = (Vec::new(), faults.len());
        for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            match line.split_once(':') {
                Some((name, value)) => headers.push((name.to_owned(), value.trim().to_owned())),
                None => {
                    let problem = format!("line {} is not a header field", index + 1);
                    faults.push(ConfigError::new(FIELD, problem, "write one header field per line, as name: value"));
                }
            }
        }
        if headers.is_empty() && faults.len() == before {
            let hint = "write one header field per line, as name: value, or leave the file out";
            faults.push(ConfigError::new(FIELD, "no header field", hint));
        }
        headers
    }
}

/// Checks that `host` is written as it is in a URL, because it would allow nothing otherwise.
fn check_host(host: &str) -> Result<(), ConfigError> {
    let url = Url::parse(&format!("http://{host}/")).ok();
    match url.as_ref().and_then(Url::host_str) {
        Some(parsed) if parsed.eq_ignore_ascii_case(host) => Ok(()),
        _ => Err(ConfigError::new(
            "dangerous_allow_http_hosts",
            "not a host name",
            "list host names without scheme and port, for example keycloak",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(change: impl FnOnce(&mut Config)) -> Config {
        let mut config = Config::new("https://issuer.example", "api");
        change(&mut config);
        config
    }

    fn fields(change: impl FnOnce(&mut Config)) -> Vec<String> {
        config(change).verifier().unwrap_err().fields().map(str::to_owned).collect()
    }

    #[test]
    fn unusable_option_is_named() {
        assert_eq!(fields(|config| config.proxy = Some("http://".to_owned())), ["proxy"]);
        assert_eq!(fields(|config| config.key_lifetime_min_seconds = Some(0)), ["key_lifetime_seconds"]);
        assert_eq!(fields(|config| config.fetch_timeout_seconds = Some(0)), ["fetch_timeout_seconds"]);
        assert_eq!(fields(|config| config.metadata_url = Some("x".to_owned())), ["metadata_url"]);
        assert_eq!(fields(|config| config.internal_issuer_url = Some("http://i".to_owned())), ["internal_issuer_url"]);
        for host in ["", "http://keycloak", "keycloak:8080", "key cloak"] {
            let hosts = vec!["good".to_owned(), host.to_owned()];
            assert_eq!(
                fields(|config| config.dangerous_allow_http_hosts = Some(hosts)),
                ["dangerous_allow_http_hosts"]
            );
        }
        let all = fields(|config| {
            config.root_certificates_file = Some("/nonexistent".into());
            config.request_headers_file = Some("/nonexistent".into());
            config.key_seed_file = Some("/nonexistent".into());
        });
        assert_eq!(all, ["request_headers_file", "root_certificates_file", "key_seed_file"]);
    }

    #[test]
    fn lifetimes_that_are_not_set_follow_the_others() {
        type Seconds = Option<u64>;
        let builds = |min: Seconds, default: Seconds, max: Seconds| {
            let config = config(|config| {
                config.key_lifetime_min_seconds = min;
                config.key_lifetime_seconds = default;
                config.key_lifetime_max_seconds = max;
            });
            config.verifier().is_ok()
        };
        for seconds in [1, 60, 600, 3600, 86400] {
            let seconds = Some(seconds);
            assert!(builds(seconds, None, None) && builds(None, seconds, None) && builds(None, None, seconds));
        }
        assert!(!builds(Some(100), None, Some(50)) && !builds(Some(100), Some(50), None));
        assert!(!builds(None, Some(100), Some(50)));
    }

    #[test]
    fn header_file_is_read_line_by_line_and_never_repeated() {
        let path = std::env::temp_dir().join(format!("portcullis-headers-{}", std::process::id()));
        let build = |text: &str| {
            std::fs::write(&path, text).unwrap();
            config(|config| config.request_headers_file = Some(path.clone())).verifier().map(drop)
        };
        assert_eq!(build("authorization: Bearer secret\r\n\nx-key:secret\n"), Ok(()));
        for text in ["authorization\n", "secret secret: 1\n", "a: 1\nsecret", "", " \n\n"] {
            let error = build(text).unwrap_err();
            assert_eq!(error.field(), "request_headers_file");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn option_that_would_do_nothing_is_refused() {
        let with = |members: &str| {
            let json = format!(r#"{{"issuer":"https://i.example","audience":"a",{members}}}"#);
            match serde_json::from_str::<Config>(&json) {
                Ok(_) => String::new(),
                Err(error) => error.to_string(),
            }
        };
        assert!(with(r#""jwks_file":"k","proxy":"http://p:1""#).starts_with("proxy: keys are not fetched; "));
        let url = r#""jwks_url":"https://i.example/k""#;
        assert_eq!(with(&format!(r#"{url},"proxy":"http://p:1""#)), "");
        let error = with(&format!(r#"{url},"metadata_kind":"oauth-authorization-server""#));
        assert!(error.starts_with("metadata_kind: the metadata is not read; "), "{error}");
        let error = with(r#""metadata_kind":"openid-configuration","metadata_url":"https://i.example/m""#);
        assert!(error.starts_with("metadata_kind: metadata_url is set as well; "), "{error}");
        assert!(
            with(r#""metadata_kind":"oidc""#).starts_with("metadata_kind: unknown kind; write openid-configuration")
        );
        assert!(
            with(r#""token_sources":["query:t"]"#).starts_with("token_sources: not a list of token sources; list ")
        );
    }
}
