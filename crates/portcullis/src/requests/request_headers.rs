//! The header fields of requests: ours, and those that the user sets.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use reqwest::{RequestBuilder, Url};

use crate::error::ConfigError;
use crate::requests::RequestFailure;
use crate::time_limit;

const DEFAULT_USER_AGENT: HeaderValue = HeaderValue::from_static(concat!("portcullis/", env!("CARGO_PKG_VERSION")));

/// Fields that the user can't set, and why.
const RESERVED: [(&str, &str); 19] = [
    ("accept-encoding", "no content encoding is decoded"),
    ("connection", BY_THE_CLIENT),
    ("content-length", BY_THE_CLIENT),
    ("expect", BY_THE_CLIENT),
    ("host", BY_THE_CLIENT),
    ("http2-settings", BY_THE_CLIENT),
    ("if-match", BY_PORTCULLIS),
    ("if-modified-since", BY_PORTCULLIS),
    ("if-none-match", BY_PORTCULLIS),
    ("if-range", BY_PORTCULLIS),
    ("if-unmodified-since", BY_PORTCULLIS),
    ("keep-alive", BY_THE_CLIENT),
    ("proxy-authorization", "the option proxy takes the credential, in its URL"),
    ("proxy-connection", BY_THE_CLIENT),
    ("range", "only a whole key set is used"),
    ("te", BY_THE_CLIENT),
    ("trailer", BY_THE_CLIENT),
    ("transfer-encoding", BY_THE_CLIENT),
    ("upgrade", BY_THE_CLIENT),
];

const BY_THE_CLIENT: &str = "the HTTP client sets it";
const BY_PORTCULLIS: &str = "it is set from the response before";

/// The longest bearer token that is read from a file, in bytes.
const MAX_TOKEN_BYTES: u64 = 64 * 1024;
/// How long a request waits for the file with its bearer token: a mounted volume may hang.
const TOKEN_FILE_TIMEOUT: Duration = Duration::from_secs(2);

/// The header fields of all requests of one client.
#[derive(Clone, Debug, Default)]
pub(crate) struct RequestHeaders {
    /// What goes to every host.
    general: HeaderMap,
    /// What the user sets, which may be a credential. It goes only to hosts that the configuration names.
    private: HeaderMap,
    /// A file with a bearer token, which is read for each request. The token goes only to hosts that the configuration names.
    token_file: Option<PathBuf>,
    /// The hosts that the configuration names: scheme, host and port.
    named: Vec<Url>,
}

impl RequestHeaders {
    /// Reads the fields that the user sets. `Accept` and `User-Agent` replace ours; `accept` is the default. `token_file`
    /// is a file with the bearer token of requests.
    ///
    /// # Errors
    /// [`ConfigError`] when a field is not one, or can't be set, or when the file has no token now.
    pub(crate) fn of(
        fields: &[(String, String)],
        token_file: Option<&Path>,
        accept: &'static str,
        named: Vec<Url>,
    ) -> Result<Self, ConfigError> {
        let (mut general, mut private) = (HeaderMap::new(), HeaderMap::new());
        for (name, value) in fields {
            let invalid = |_| ConfigError::new("header", "not a header field", "write a name and a value of RFC 9110");
            let name = HeaderName::try_from(name.as_str()).map_err(|_| ()).map_err(invalid)?;
            let mut value = HeaderValue::try_from(value.as_str()).map_err(|_| ()).map_err(invalid)?;
            if let Some((_, why)) = RESERVED.iter().find(|(reserved, _)| name == *reserved) {
                return Err(ConfigError::new("header", format!("{name} can't be set: {why}"), "leave it out"));
            }
            value.set_sensitive(true);
            let fields = if name == ACCEPT || name == USER_AGENT { &mut general } else { &mut private };
            fields.append(name, value);
        }
        for (name, default) in [(ACCEPT, HeaderValue::from_static(accept)), (USER_AGENT, DEFAULT_USER_AGENT)] {
            general.entry(name).or_insert(default);
        }
        if let Some(path) = token_file {
            if private.contains_key(AUTHORIZATION) {
                return Err(ConfigError::new(
                    "bearer_token_file",
                    "the header field authorization is set as well",
                    "leave one of the two out",
                ));
            }
            bearer_token(path).map_err(|error| {
                let problem = format!("{}: {error}", path.display());
                ConfigError::new("bearer_token_file", problem, "name a file that holds the token and nothing else")
            })?;
        }
        Ok(Self { general, private, token_file: token_file.map(Path::to_owned), named })
    }

    /// Adds the fields to a request for `url`.
    ///
    /// # Errors
    /// [`RequestFailure`] when the file with the bearer token has none now.
    pub(crate) async fn add_to(&self, request: RequestBuilder, url: &Url) -> Result<RequestBuilder, RequestFailure> {
        let request = request.headers(self.general.clone());
        if !self.named.iter().any(|named| named.origin() == url.origin()) {
            return Ok(request);
        }
        let request = request.headers(self.private.clone());
        match &self.token_file {
            Some(path) => {
                let token = bearer_token_now(path.clone()).await.map_err(RequestFailure::TokenFile)?;
                Ok(request.header(AUTHORIZATION, token))
            }
            None => Ok(request),
        }
    }
}

/// Reads a bearer token from a file, without blocking the runtime.
async fn bearer_token_now(path: PathBuf) -> io::Result<HeaderValue> {
    let read = tokio::task::spawn_blocking(move || bearer_token(&path));
    let late = || io::Error::new(io::ErrorKind::TimedOut, format!("it was not read within {TOKEN_FILE_TIMEOUT:?}"));
    time_limit::within(TOKEN_FILE_TIMEOUT, read).await.ok_or_else(late)?.map_err(io::Error::other)?
}

/// Reads a bearer token from a file, which is replaced while the service runs. No error shows what the file holds.
fn bearer_token(path: &Path) -> io::Result<HeaderValue> {
    let wrong = |problem| io::Error::new(io::ErrorKind::InvalidData, problem);
    // Before it is opened, because opening a pipe waits for the program at its other end.
    if !std::fs::metadata(path)?.is_file() {
        return Err(wrong("it is a directory, a pipe or a device, not a regular file"));
    }
    let mut text = String::new();
    File::open(path)?.take(MAX_TOKEN_BYTES + 1).read_to_string(&mut text)?;
    let token = text.trim();
    if token.is_empty() {
        return Err(wrong("the file is empty"));
    }
    if text.len() as u64 > MAX_TOKEN_BYTES {
        return Err(wrong("it is longer than 64 KiB"));
    }
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(wrong("it holds more than a token"));
    }
    let mut value = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| wrong("it holds no token"))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(fields: &[(&str, &str)]) -> Result<RequestHeaders, ConfigError> {
        let fields: Vec<_> = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        RequestHeaders::of(&fields, None, "*/*", vec![Url::parse("https://issuer.example/realms/one").unwrap()])
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn bearer_token_is_read_only_from_a_regular_file() {
        let folder = std::env::temp_dir().join(format!("portcullis-bearer-kinds-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (file, pipe) = (folder.join("file"), folder.join("pipe"));
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let named = Url::parse("https://issuer.example/").unwrap();
        let of = |path: &Path| RequestHeaders::of(&[], Some(path), "*/*", vec![named.clone()]);
        // Nothing writes into the pipe, so a program that opens it waits without end.
        for path in [&folder, &pipe, Path::new("/dev/zero")] {
            let error = of(path).unwrap_err().to_string();
            assert!(error.starts_with("bearer_token_file: ") && error.contains("not a regular file"), "{error}");
        }
        std::fs::write(&file, "secret").unwrap();
        let headers = of(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        std::fs::rename(&pipe, &file).unwrap();
        let request = reqwest::Client::new().get(named.clone());
        let error = headers.add_to(request, &named).await.unwrap_err().to_string();
        assert!(error.contains("not a regular file"), "{error}");
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[tokio::test]
    async fn bearer_token_is_read_for_each_request() {
        let path = std::env::temp_dir().join(format!("portcullis-bearer-{}", std::process::id()));
        let named = Url::parse("https://issuer.example/").unwrap();
        let of = |fields: &[(String, String)]| RequestHeaders::of(fields, Some(&path), "*/*", vec![named.clone()]);
        assert_eq!(of(&[]).unwrap_err().field(), "bearer_token_file");
        // Part of a token must not be sent, nor the name of the scheme twice.
        let (long, bytes) = ("secret".repeat(11_000), b"secret\xff");
        let texts = ["", " \n", "one\nsecret", "\u{7f}", "Bearer secret", "\u{feff}secret", "secr\u{e9}t", &long];
        for content in texts.iter().map(|text| text.as_bytes()).chain([&bytes[..]]) {
            std::fs::write(&path, content).unwrap();
            let error = of(&[]).unwrap_err();
            assert_eq!(error.field(), "bearer_token_file", "{error}");
            assert!(!error.to_string().contains("secr"), "{error}");
        }
        std::fs::write(&path, "secret-1\n").unwrap();
        let both = of(&[("Authorization".to_owned(), "Bearer secret".to_owned())]).unwrap_err().to_string();
        assert!(both.starts_with("bearer_token_file: ") && !both.contains("secret"), "{both}");
        let headers = of(&[]).unwrap();
        let client = reqwest::Client::new();
        let sent = async |url: &str| {
            let url = Url::parse(url).unwrap();
            let request = headers.add_to(client.get(url.clone()), &url).await?.build().unwrap();
            Ok::<_, RequestFailure>(
                request.headers().get("authorization").map(|value| value.to_str().unwrap().to_owned()),
            )
        };
        assert_eq!(sent("https://issuer.example/keys").await.unwrap().as_deref(), Some("Bearer secret-1"));
        std::fs::write(&path, "secret-2").unwrap();
        assert_eq!(sent("https://issuer.example/keys").await.unwrap().as_deref(), Some("Bearer secret-2"));
        assert_eq!(sent("https://other.example/keys").await.unwrap(), None);
        std::fs::remove_file(&path).unwrap();
        let error = sent("https://issuer.example/keys").await.unwrap_err().to_string();
        assert!(error.contains("token") && !error.contains("secret"), "{error}");
        assert_eq!(sent("https://other.example/keys").await.unwrap(), None);
    }

    #[test]
    fn reserved_fields_are_errors_that_say_why() {
        for (name, _) in RESERVED {
            for name in [name.to_owned(), name.to_uppercase()] {
                let error = of(&[(&name, "secret")]).unwrap_err().to_string();
                assert!(error.starts_with("header: ") && error.contains(&name.to_lowercase()), "{error}");
                assert!(!error.contains("secret"), "{error}");
            }
        }
        assert!(of(&[("x secret", "1")]).is_err() && of(&[("x", "1\n")]).is_err());
    }

    #[tokio::test]
    async fn private_fields_go_to_named_hosts_only() {
        let headers =
            of(&[("authorization", "Bearer secret"), ("X-Api-Key", "secret"), ("accept", "text/plain")]).unwrap();
        assert!(!format!("{headers:?}").contains("secret"), "{headers:?}");
        let client = reqwest::Client::new();
        for (url, is_named) in [
            ("https://issuer.example/keys", true),
            ("https://ISSUER.example:443/", true),
            ("https://issuer.example:8443/keys", false),
            ("http://issuer.example/keys", false),
            ("https://issuer.example.attacker.example/keys", false),
            ("https://keys.issuer.example/", false),
        ] {
            let url = Url::parse(url).unwrap();
            let request = headers.add_to(client.get(url.clone()), &url).await.unwrap().build().unwrap();
            let sent = request.headers();
            assert_eq!(sent.contains_key("authorization") && sent.contains_key("x-api-key"), is_named, "{url}");
            assert_eq!(sent.contains_key("authorization") || sent.contains_key("x-api-key"), is_named, "{url}");
            assert_eq!(sent.get_all("accept").iter().collect::<Vec<_>>(), ["text/plain"]);
            assert_eq!(sent["user-agent"], DEFAULT_USER_AGENT);
        }
    }
}
