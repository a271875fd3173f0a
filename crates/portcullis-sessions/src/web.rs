//! Sessions of browsers and native clients over HTTP: the responses after a login, a refresh and a logout.

use std::sync::Arc;
use std::time::Duration;

use portcullis::adapter::RequestView;
use portcullis::error::{AuthError, CustomRefusal, Unavailable};
use portcullis::{ConfigError, Gate, Policy, Refusal};
use portcullis_issuer::{Issuer, MintError};
use serde_json::{Map, Value};

use crate::check::{OpenSessionCheck, Users};
use crate::cookies::SessionCookies;
use crate::error::SessionsError;
use crate::origin_rule::{Client, OriginRule};
use crate::session::AuthFacts;
use crate::sessions::{Sessions, SignedIn};

/// Sessions, access tokens, cookies and the rule against cross-site requests, put together for a service that issues its own
/// tokens. Cheap to clone.
///
/// A service that has its own response bodies or claims uses the parts: [`Sessions`], [`SessionCookies`] and
/// [`OriginRule`]. [`Self::with_users`] also asks about the user, and [`Self::log_in_labeled`] keeps a label for the list of
/// sessions.
///
/// | | browser | native client (`X-Client: native`) |
/// |---|---|---|
/// | login and refresh | sets the cookies | gets the refresh token in the body |
/// | refresh and logout | sends its cookie | sends `{"refresh_token": "…"}` |
/// | logout, and a refused refresh | deletes the cookies | |
///
/// The modules `axum` and `actix` have a whole service, and the routes for refresh and logout.
///
/// ```
/// use portcullis::Policy;
/// use portcullis::adapter::HeaderList;
/// use portcullis_issuer::{Issuer, KeyRing};
/// use portcullis_sessions::{AuthFacts, MemoryStore, Sessions, SuccessorKeys, WebSessions};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let url = "https://api.example.com";
/// let issuer = Issuer::builder(url, url, KeyRing::builder().build()?).build()?;
/// let sessions = Sessions::builder(MemoryStore::new(), SuccessorKeys::generate()?).build()?;
/// let web = WebSessions::new(&issuer, sessions, "/auth")?;
///
/// // In the handler of the login: pages of other sites are refused before the password is looked at.
/// let request = HeaderList::new("POST", [("origin", url)]);
/// let client = web.client(&request)?;
/// let response = web.log_in(client, "alice", AuthFacts::now().with_amr(["pwd"])).await?;
///
/// // The browser sends the cookies with every request.
/// let cookie = response.headers.iter().find(|(name, _)| *name == "set-cookie").unwrap().1.split(';').next().unwrap();
/// let request = HeaderList::new("GET", [("cookie", cookie)]);
/// let caller = web.gate().admit(&request, &Policy::authenticated()).await?;
/// assert_eq!(caller.subject(), Some("alice"));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct WebSessions(Arc<Inner>);

#[derive(Clone, Debug)]
struct Inner {
    issuer: Issuer,
    sessions: Sessions,
    cookies: SessionCookies,
    rule: OriginRule,
    check: OpenSessionCheck,
    /// Without the check.
    unchecked: Gate,
    gate: Gate,
    path: String,
}

/// A response about a session, the same for every framework. With the features `axum` and `actix`, handlers return it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SessionResponse {
    /// The status code.
    pub status: u16,
    /// The header fields; names in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: String,
}

impl WebSessions {
    /// Makes the sessions of the service at the URL of `issuer`. `path` is that of the routes for sessions, for example
    /// `/api/auth`: browsers send the refresh token only there.
    ///
    /// # Errors
    /// [`ConfigError`] when the URL is neither https nor http on this machine, or the path cannot be used.
    pub fn new(issuer: &Issuer, sessions: Sessions, path: &str) -> Result<Self, ConfigError> {
        let cookies = SessionCookies::new(issuer.url(), path)?;
        let gate = issuer.gate()?.with_token_sources(cookies.token_sources()).with_public_url(issuer.url())?;
        let check = OpenSessionCheck::new(sessions.clone());
        Ok(Self(Arc::new(Inner {
            gate: gate.clone().with_check(check.clone()),
            unchecked: gate,
            check,
            rule: OriginRule::new(issuer.url())?,
            path: path.trim_end_matches('/').to_owned(),
            issuer: issuer.clone(),
            sessions,
            cookies,
        })))
    }

    /// Allows the pages of a further origin, for example of a front end with its own address.
    ///
    /// # Errors
    /// [`ConfigError`] when it is not an https origin, or an http origin of this machine, without a path.
    pub fn with_client(self, origin: &str) -> Result<Self, ConfigError> {
        let inner = Arc::unwrap_or_clone(self.0);
        let rule = inner.rule.with_client(origin)?;
        let unchecked = inner.unchecked.with_allowed_origins([origin])?;
        let gate = unchecked.clone().with_check(inner.check.clone());
        Ok(Self(Arc::new(Inner { rule, unchecked, gate, ..inner })))
    }

    /// Lets the gate also ask about the user, after the session ([`OpenSessionCheck::with_users`]).
    ///
    /// ```
    /// # use portcullis_issuer::{Issuer, KeyRing};
    /// # use portcullis_sessions::{MemoryStore, Sessions, SuccessorKeys};
    /// use portcullis_sessions::{UserStatus, Users, WebSessions};
    ///
    /// #[derive(Debug)]
    /// struct Accounts;
    ///
    /// #[portcullis::async_trait]
    /// impl Users for Accounts {
    ///     async fn status(&self, subject: &str) -> Result<UserStatus, portcullis::error::Unavailable> {
    ///         Ok(if subject == "alice" { UserStatus::Active } else { UserStatus::Gone })
    ///     }
    /// }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let url = "https://api.example.com";
    /// # let issuer = Issuer::builder(url, url, KeyRing::builder().build()?).build()?;
    /// # let sessions = Sessions::builder(MemoryStore::new(), SuccessorKeys::generate()?).build()?;
    /// let web = WebSessions::new(&issuer, sessions, "/auth")?.with_users(Accounts);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn with_users(self, users: impl Users + 'static) -> Self {
        let inner = Arc::unwrap_or_clone(self.0);
        let check = inner.check.with_users(users);
        let gate = inner.unchecked.clone().with_check(check.clone());
        Self(Arc::new(Inner { check, gate, ..inner }))
    }

    /// Also answers refreshes and logouts by GET, if they have `Sec-Fetch-Site: same-origin` ([`OriginRule::allow_get`]), for
    /// existing clients. The routes of the modules `axum` and `actix` have the method then.
    ///
    /// ```
    /// # use portcullis::adapter::HeaderList;
    /// # use portcullis_issuer::{Issuer, KeyRing};
    /// # use portcullis_sessions::{MemoryStore, Sessions, SuccessorKeys, WebSessions};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let url = "https://api.example.com";
    /// # let issuer = Issuer::builder(url, url, KeyRing::builder().build()?).build()?;
    /// # let sessions = Sessions::builder(MemoryStore::new(), SuccessorKeys::generate()?).build()?;
    /// let web = WebSessions::new(&issuer, sessions, "/auth")?.allow_get();
    ///
    /// // A page of the service, and a link on another site.
    /// for (site, status) in [("same-origin", 400), ("cross-site", 403), ("none", 403)] {
    ///     let request = HeaderList::new("GET", [("sec-fetch-site", site)]);
    ///     assert_eq!(web.refresh(&request, b"").await.unwrap_err().status, status);
    /// }
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn allow_get(self) -> Self {
        let inner = Arc::unwrap_or_clone(self.0);
        Self(Arc::new(Inner { rule: inner.rule.allow_get(), ..inner }))
    }

    #[cfg(any(feature = "actix", feature = "axum"))]
    pub(crate) fn gets_are_allowed(&self) -> bool {
        self.0.rule.get_is_allowed
    }

    /// Returns the gate for access tokens. It reads `Authorization`, then the cookie, asks whether the session is open, and
    /// refuses unsafe requests by cookie from other sites.
    #[must_use]
    pub fn gate(&self) -> &Gate {
        &self.0.gate
    }

    /// Returns the path of the routes for sessions.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.0.path
    }

    /// Finds out which client sends a request that begins a session ([`OriginRule::admit`]). Call it before the password is
    /// compared.
    ///
    /// # Errors
    /// The answer 403 `cross_site_request` when the request may come from another site.
    pub fn client(&self, request: &dyn RequestView) -> Result<Client, Refusal> {
        self.0.rule.admit(request).map_err(|error| self.refuse(error))
    }

    /// Begins a session for `subject`, who has just logged in by the service's own means, and makes the response with its
    /// tokens.
    ///
    /// # Errors
    /// The answer that refuses the request: 503 while the store or the signing key is unavailable, and 500 when the subject or
    /// the facts cannot be stored.
    pub async fn log_in(&self, client: Client, subject: &str, facts: AuthFacts) -> Result<SessionResponse, Refusal> {
        let signed_in = self.0.sessions.start(subject, facts).await.map_err(|error| self.failed(error))?;
        self.respond(client, &signed_in).await
    }

    /// Begins a session as [`log_in`](Self::log_in) does, with a label by which the user recognizes it in a list of sessions
    /// ([`Sessions::start_labeled`]).
    ///
    /// # Errors
    /// See [`log_in`](Self::log_in).
    pub async fn log_in_labeled(
        &self,
        client: Client,
        subject: &str,
        facts: AuthFacts,
        label: &str,
    ) -> Result<SessionResponse, Refusal> {
        let signed_in = self.0.sessions.start_labeled(subject, facts, label).await;
        self.respond(client, &signed_in.map_err(|error| self.failed(error))?).await
    }

    /// Answers a refresh: exchanges the refresh token for the next one, and makes an access token. `body` is that of the
    /// request.
    ///
    /// | case | status |
    /// |---|---|
    /// | there is no refresh token, or several | 400 `no_refresh_token` |
    /// | the token opens nothing | 401 `session_ended`; the cookies are deleted |
    /// | the store is unavailable | 503; the client keeps its cookies |
    /// | the signing key is unavailable | 503, with the next refresh token: in its cookie, or for a native client in the body |
    ///
    /// In the last case the store has the next token already, and the client needs it to try again after the grace.
    ///
    /// # Errors
    /// The answer that refuses the request.
    pub async fn refresh(&self, request: &dyn RequestView, body: &[u8]) -> Result<SessionResponse, Refusal> {
        let client = self.client(request)?;
        let Some(token) = self.refresh_token(client, request, body) else {
            return Err(self.refuse(CustomRefusal::new(
                400,
                "no_refresh_token",
                "The request has no refresh token, or several",
            )));
        };
        match self.0.sessions.refresh(&token).await {
            Ok(signed_in) => {
                let answer = self.respond(client, &signed_in).await;
                answer.map_err(|refusal| self.with_refresh_token(client, &signed_in, refusal))
            }
            Err(SessionsError::Refused(_)) => Ok(self.ended(client)),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Answers a logout: ends the session of the refresh token, also when the access token has expired. Without a refresh
    /// token, it ends the session of the access token. `body` is that of the request. The answer is 200, or 401 `session_ended`
    /// when no open session is found; both delete the cookies of a browser.
    ///
    /// # Errors
    /// The answer that refuses the request.
    pub async fn log_out(&self, request: &dyn RequestView, body: &[u8]) -> Result<SessionResponse, Refusal> {
        let client = self.client(request)?;
        let was_open = match self.refresh_token(client, request, body) {
            Some(token) => match self.0.sessions.log_out(&token).await {
                Ok(()) => true,
                Err(SessionsError::Refused(_)) => false,
                Err(error) => return Err(self.failed(error)),
            },
            None => self.log_out_by_access_token(request).await?,
        };
        if !was_open {
            return Ok(self.ended(client));
        }
        Ok(self.without_cookies(client, 200, tokens(&[])))
    }

    async fn log_out_by_access_token(&self, request: &dyn RequestView) -> Result<bool, Refusal> {
        let caller = match self.0.gate.admit(request, &Policy::authenticated()).await {
            Ok(caller) => caller,
            Err(denied) if denied.status() >= 500 => return Err(self.0.gate.refuse(&denied)),
            Err(_) => return Ok(false),
        };
        let session = caller.claim::<String>("sid").ok().flatten();
        let (Some(subject), Some(session)) = (caller.subject(), session) else { return Ok(false) };
        self.0.sessions.log_out_one(subject, &session).await.map_err(|error| self.failed(error.into()))
    }

    /// A browser has the refresh token in a cookie, a native client in the body. Neither is read from the other's place.
    fn refresh_token(&self, client: Client, request: &dyn RequestView, body: &[u8]) -> Option<String> {
        match client {
            Client::Browser => self.0.cookies.refresh_token(request).map(str::to_owned),
            Client::Native => {
                let body: Value = serde_json::from_slice(body).ok()?;
                Some(body.get("refresh_token")?.as_str()?.to_owned())
            }
        }
    }

    /// Makes an access token, and the response with it.
    async fn respond(&self, client: Client, signed_in: &SignedIn) -> Result<SessionResponse, Refusal> {
        let is_native = client == Client::Native;
        let token = signed_in.session.access_token(if is_native { "native" } else { "web" });
        let token = self.0.issuer.mint(&token).await.map_err(|error| self.not_minted(error))?;
        let access_token = token.as_str();
        if is_native {
            let refresh_token = signed_in.refresh_token.as_str();
            return Ok(SessionResponse::new(
                200,
                [],
                tokens(&[("access_token", access_token), ("refresh_token", refresh_token)]),
            ));
        }
        let lifetime = Duration::from_secs(u64::try_from(token.expires_in()).unwrap_or_default());
        let cookies = self.0.cookies.set(access_token, lifetime, signed_in).map_err(|error| self.failed(error))?;
        Ok(SessionResponse::new(200, cookies, tokens(&[("access_token", access_token)])))
    }

    /// Adds the next refresh token to the answer of a refresh that made no access token.
    fn with_refresh_token(&self, client: Client, signed_in: &SignedIn, mut refusal: Refusal) -> Refusal {
        match client {
            Client::Browser => {
                let cookies = self.0.cookies.of_session(signed_in);
                refusal.headers.extend(cookies.map(|cookie| ("set-cookie".to_owned(), cookie)));
            }
            Client::Native => {
                let mut body: Map<String, Value> = serde_json::from_str(&refusal.body).unwrap_or_default();
                body.insert("refresh_token".to_owned(), signed_in.refresh_token.as_str().into());
                refusal.body = Value::Object(body).to_string();
            }
        }
        refusal
    }

    fn ended(&self, client: Client) -> SessionResponse {
        let refusal = self.refuse(CustomRefusal::new(401, "session_ended", "The session has ended; log in again"));
        self.without_cookies(client, refusal.status, refusal.body)
    }

    fn without_cookies(&self, client: Client, status: u16, body: String) -> SessionResponse {
        match client {
            Client::Browser => SessionResponse::new(status, self.0.cookies.clear(), body),
            Client::Native => SessionResponse::new(status, [], body),
        }
    }

    fn refuse(&self, error: impl Into<AuthError>) -> Refusal {
        self.0.gate.refuse(&error.into())
    }

    fn failed(&self, error: SessionsError) -> Refusal {
        match error {
            SessionsError::Unavailable(unavailable) => self.unavailable(unavailable),
            error => self.refuse(AuthError::Server(error.to_string().into())),
        }
    }

    /// Clients try again soon, because the grace is short.
    fn unavailable(&self, unavailable: Unavailable) -> Refusal {
        let delay = unavailable.retry_after.unwrap_or(Duration::from_secs(1));
        self.refuse(unavailable.with_retry_after(delay))
    }

    fn not_minted(&self, error: MintError) -> Refusal {
        match error {
            error @ (MintError::Ring(_) | MintError::Sign(_)) => {
                self.unavailable(Unavailable::new().with_source(error))
            }
            error => self.refuse(AuthError::Server(error.to_string().into())),
        }
    }
}

/// Makes the body of a success. Its members have this order.
fn tokens(tokens: &[(&str, &str)]) -> String {
    let members: String = tokens.iter().map(|(name, token)| format!(r#","{name}":{}"#, Value::from(*token))).collect();
    format!(r#"{{"status":"success"{members}}}"#)
}

impl SessionResponse {
    fn new(status: u16, cookies: impl IntoIterator<Item = String>, body: String) -> Self {
        let fixed = [("cache-control", "no-store".to_owned()), ("content-type", "application/json".to_owned())];
        let headers = cookies.into_iter().map(|cookie| ("set-cookie", cookie)).chain(fixed).collect();
        Self { status, headers, body }
    }
}
