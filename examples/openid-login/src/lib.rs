//! A login at another OpenID provider that begins a session of this service.
//!
//! The crate `openidconnect` does the protocol: discovery, the redirect with `state`, `nonce` and PKCE, the exchange of the
//! code, and the check of the ID token. What remains is to say who logged in, when and how: [`AuthFacts`].

use openidconnect::core::{CoreAuthenticationFlow, CoreClient, CoreProviderMetadata};
use openidconnect::reqwest;
use openidconnect::{
    AuthorizationCode, ClientId, ClientSecret, CsrfToken, EndpointMaybeSet, EndpointNotSet, EndpointSet, IssuerUrl,
    Nonce, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, TokenResponse as _, url,
};
use portcullis::claims::NumericDate;
use portcullis_sessions::{AuthFacts, Sessions, SessionsError, SignedIn};

/// The provider, with its endpoints from discovery.
type Client =
    CoreClient<EndpointSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointMaybeSet, EndpointMaybeSet>;

/// Logins at one OpenID provider.
pub struct OpenIdLogin {
    client: Client,
    http: reqwest::Client,
    issuer: String,
}

/// What the service keeps between the redirect and the return, for example in a cookie that is encrypted, `HttpOnly`,
/// `SameSite=Lax` and lives for ten minutes. The return must come from the browser that began the login.
pub struct Pending {
    state: CsrfToken,
    nonce: Nonce,
    verifier: PkceCodeVerifier,
}

/// Why a login did not succeed. Texts of the provider are in the sources only.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoginError {
    /// The settings of the provider, or its metadata, cannot be used.
    #[error("the provider cannot be used")]
    Provider(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The return does not belong to this login: another site may have caused it.
    #[error("the login was not begun here")]
    OtherLogin,
    /// The provider did not confirm the login.
    #[error("the provider did not confirm the login")]
    NotConfirmed(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The session did not begin.
    #[error(transparent)]
    Sessions(#[from] SessionsError),
}

impl OpenIdLogin {
    /// Reads the metadata of the provider. `redirect_url` is the route of this service to which the provider returns.
    ///
    /// # Errors
    /// [`LoginError::Provider`] when a URL is wrong or the metadata is unavailable.
    pub async fn discover(issuer: &str, id: &str, secret: &str, redirect_url: &str) -> Result<Self, LoginError> {
        // Redirects could lead a request with secrets to another server.
        let http =
            reqwest::ClientBuilder::new().redirect(reqwest::redirect::Policy::none()).build().map_err(provider)?;
        let url = IssuerUrl::new(issuer.to_owned()).map_err(provider)?;
        let metadata = CoreProviderMetadata::discover_async(url, &http).await.map_err(provider)?;
        let secret = ClientSecret::new(secret.to_owned());
        let client = CoreClient::from_provider_metadata(metadata, ClientId::new(id.to_owned()), Some(secret))
            .set_redirect_uri(RedirectUrl::new(redirect_url.to_owned()).map_err(provider)?);
        Ok(Self { client, http, issuer: issuer.to_owned() })
    }

    /// Begins a login: redirect the browser to the URL, and keep the rest.
    #[must_use]
    pub fn begin(&self) -> (url::Url, Pending) {
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let flow = CoreAuthenticationFlow::AuthorizationCode;
        let request = self.client.authorize_url(flow, CsrfToken::new_random, Nonce::new_random);
        let (url, state, nonce) = request.set_pkce_challenge(challenge).url();
        (url, Pending { state, nonce, verifier })
    }

    /// Finishes the login when the browser returns with `code` and `state`, and begins a session.
    ///
    /// # Errors
    /// [`LoginError`] says why there is no session.
    pub async fn finish(
        &self,
        pending: Pending,
        code: String,
        state: &str,
        sessions: &Sessions,
    ) -> Result<SignedIn, LoginError> {
        if pending.state.secret() != state {
            return Err(LoginError::OtherLogin);
        }
        let request = self.client.exchange_code(AuthorizationCode::new(code)).map_err(provider)?;
        let tokens = request.set_pkce_verifier(pending.verifier).request_async(&self.http).await;
        let tokens = tokens.map_err(not_confirmed)?;
        let id_token = tokens.id_token().ok_or_else(|| not_confirmed("there is no ID token"))?;
        let claims = id_token.claims(&self.client.id_token_verifier(), &pending.nonce).map_err(not_confirmed)?;

        // A subject is unique at its issuer only. Most services look up their own user here, by both.
        let subject = format!("{}|{}", self.issuer, claims.subject().as_str());
        let logged_in_at = claims.auth_time().map(|time| NumericDate::from_unix(time.timestamp(), 0));
        let mut facts = logged_in_at.map_or_else(AuthFacts::now, AuthFacts::at);
        if let Some(acr) = claims.auth_context_ref() {
            facts = facts.with_acr(acr.as_str());
        }
        let methods = claims.auth_method_refs().map(Vec::as_slice).unwrap_or_default();
        let facts = facts.with_amr(methods.iter().map(|method| method.as_str()));
        Ok(sessions.start(&subject, facts).await?)
    }
}

fn provider(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> LoginError {
    LoginError::Provider(error.into())
}

fn not_confirmed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> LoginError {
    LoginError::NotConfirmed(error.into())
}
