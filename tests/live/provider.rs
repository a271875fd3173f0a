//! What the tests ask of a provider, whoever made it.

use std::fmt::Debug;
use std::fs;
use std::path::PathBuf;

use crate::http;
use crate::process::folder;
use crate::scenarios::Shared;
use crate::{glewlwyd, node};

/// The providers that the tests run over.
pub(crate) const MAKES: [&Make; 3] = [&node::OIDC_PROVIDER, &node::OAUTH2_MOCK_SERVER, &glewlwyd::GLEWLWYD];

/// A kind of provider, and what is known of its tokens.
#[derive(Debug)]
pub(crate) struct Make {
    pub(crate) name: &'static str,
    /// Why it can't be started as things are; `None` when it can.
    pub(crate) missing: fn() -> Option<String>,
    /// Installs it if need be, and starts one whose tokens live for this many seconds.
    pub(crate) start: fn(u32) -> Box<dyn Provider>,
    /// The version that is installed.
    pub(crate) version: fn() -> String,
    /// What it signs with, here.
    pub(crate) algorithms: &'static [&'static str],
    /// What a token's caller is greeted with.
    pub(crate) greeting: &'static str,
    /// Why a token is refused whose client named no audience.
    pub(crate) without_audience: &'static str,
    /// What holds with this one alone.
    pub(crate) own: &'static [Shared],
}

/// A provider at a port that is its own as long as this lives, also while it is down. It ends when this is dropped.
pub(crate) trait Provider: Debug + Send + Sync {
    /// As its tokens name it.
    fn issuer(&self) -> &str;

    /// The body of a token request (RFC 6749 §4.4), beside the grant and the scope.
    fn form(&self, wanted: &Wanted<'_>) -> Vec<(&'static str, String)>;

    /// Signs with a new key from now on, perhaps in turn with the old ones, which stay published.
    fn rotate(&mut self);

    /// Publishes the newest keys only.
    fn withdraw_old_keys(&mut self);

    /// Ends it, as a crash would.
    fn kill(&mut self);

    /// Starts it again as the same issuer.
    fn start_again(&mut self);
}

/// The token that a client asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) audience: Option<&'a str>,
    pub(crate) scope: &'a str,
    /// The provider's own choice without; one that chooses by itself takes this for a wish.
    pub(crate) algorithm: Option<&'a str>,
}

impl<'a> Wanted<'a> {
    /// For our API, with the algorithm that the provider chooses.
    pub(crate) fn scoped(scope: &'a str) -> Self {
        Self { audience: Some(crate::API), scope, algorithm: None }
    }
}

impl dyn Provider + '_ {
    /// An access token by the client credentials grant.
    pub(crate) fn token(&self, wanted: &Wanted<'_>) -> String {
        let own = self.form(wanted);
        let mut form = vec![("grant_type", "client_credentials"), ("scope", wanted.scope)];
        form.extend(own.iter().map(|(name, value)| (*name, value.as_str())));
        let answer = http::post_form(&self.endpoint("token_endpoint"), &form).unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }

    /// Its published keys.
    pub(crate) fn keys(&self) -> String {
        let keys = http::get_url(&self.endpoint("jwks_uri")).unwrap();
        assert_eq!(keys.status, 200, "{keys:?}");
        keys.body
    }

    /// Its published keys, saved in a file.
    pub(crate) fn save_keys(&self) -> PathBuf {
        let name: String = self.issuer().chars().filter(char::is_ascii_alphanumeric).collect();
        let file = folder().join(format!("{name}.json"));
        fs::write(&file, self.keys()).unwrap();
        file
    }

    /// What its metadata says, which is found as OpenID Connect Discovery 1.0 §4 has it.
    fn endpoint(&self, member: &str) -> String {
        let metadata = format!("{}/.well-known/openid-configuration", self.issuer().trim_end_matches('/'));
        let metadata = http::get_url(&metadata).unwrap().json();
        assert_eq!(metadata["issuer"], self.issuer());
        metadata[member].as_str().unwrap().to_owned()
    }
}
