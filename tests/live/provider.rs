//! The interface of the OpenID providers under test.

use std::fmt::Debug;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::http;
use crate::process::folder;
use crate::scenarios::SharedTest;
use crate::{authlib, glewlwyd, node};

/// The OpenID providers that are tested.
pub(crate) const PROVIDER_KINDS: [&ProviderKind; 4] =
    [&node::OIDC_PROVIDER, &node::OAUTH2_MOCK_SERVER, &glewlwyd::GLEWLWYD, &authlib::AUTHLIB];

/// An OpenID provider under test, and the properties of its tokens.
#[derive(Debug)]
pub(crate) struct ProviderKind {
    pub(crate) name: &'static str,
    /// Returns why it cannot be started without an installation. `None` means that it can.
    pub(crate) missing: fn() -> Option<String>,
    /// Installs it if necessary, and starts an instance whose tokens live for this many seconds.
    pub(crate) start: fn(u32) -> Box<dyn IdentityProvider>,
    /// Returns the installed version.
    pub(crate) version: fn() -> String,
    /// The algorithms with which it signs in these tests.
    pub(crate) algorithms: &'static [&'static str],
    /// The greeting for the caller of its tokens.
    pub(crate) greeting: &'static str,
    /// The reason for which a token is refused if the client asked for no audience.
    pub(crate) without_audience: &'static str,
    /// Tests for this provider only.
    pub(crate) own: &'static [SharedTest],
}

/// A running OpenID provider. Its port stays reserved even while it is down. It stops when it is dropped.
pub(crate) trait IdentityProvider: Debug + Send + Sync {
    /// Returns the issuer of its tokens.
    fn issuer(&self) -> &str;

    /// Returns the body of a token request (RFC 6749 §4.4), without grant and scope.
    fn form(&self, request: &TokenRequest<'_>) -> Vec<(&'static str, String)>;

    /// Adds a new key for signing. The old keys stay published, and some providers still sign with them in turn.
    fn rotate(&mut self);

    /// Publishes only the newest keys.
    fn withdraw_old_keys(&mut self);

    /// Kills it, like a crash.
    fn kill(&mut self);

    /// Starts it again with the same issuer.
    fn start_again(&mut self);
}

/// A request for a token.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TokenRequest<'a> {
    pub(crate) audience: Option<&'a str>,
    pub(crate) scope: &'a str,
    /// The algorithm, or `None` for the provider's choice. Some providers ignore it.
    pub(crate) algorithm: Option<&'a str>,
}

impl<'a> TokenRequest<'a> {
    /// Asks for a token for our API, with the algorithm that the provider chooses.
    pub(crate) fn scoped(scope: &'a str) -> Self {
        Self { audience: Some(crate::API), scope, algorithm: None }
    }
}

impl dyn IdentityProvider + '_ {
    /// Gets an access token by the client credentials grant.
    pub(crate) fn token(&self, request: &TokenRequest<'_>) -> String {
        self.token_with(request, &[])
    }

    /// Gets an access token with these header fields. See [`token`](Self::token).
    pub(crate) fn token_with(&self, request: &TokenRequest<'_>, headers: &[(&str, &str)]) -> String {
        let own = self.form(request);
        let mut form = vec![("grant_type", "client_credentials"), ("scope", request.scope)];
        form.extend(own.iter().map(|(name, value)| (*name, value.as_str())));
        let answer = http::post_form_with(&self.endpoint("token_endpoint"), headers, &form).unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }

    /// Returns its published keys.
    pub(crate) fn keys(&self) -> String {
        let keys = http::get_url(&self.endpoint("jwks_uri")).unwrap();
        assert_eq!(keys.status, 200, "{keys:?}");
        keys.body
    }

    /// Saves its published keys in a file.
    pub(crate) fn save_keys(&self) -> PathBuf {
        let name: String = self.issuer().chars().filter(char::is_ascii_alphanumeric).collect();
        let file = folder().join(format!("{name}.json"));
        fs::write(&file, self.keys()).unwrap();
        file
    }

    /// Returns an endpoint from its metadata.
    pub(crate) fn endpoint(&self, member: &str) -> String {
        self.metadata()[member].as_str().unwrap().to_owned()
    }

    /// Returns its metadata (OpenID Connect Discovery 1.0 §4).
    pub(crate) fn metadata(&self) -> Value {
        let metadata = format!("{}/.well-known/openid-configuration", self.issuer().trim_end_matches('/'));
        let metadata = http::get_url(&metadata).unwrap().json();
        assert_eq!(metadata["issuer"], self.issuer());
        metadata
    }
}
