//! OpenID Connect Back-Channel Logout 1.0.

use std::fmt;
use std::sync::Arc;

use portcullis::adapter::RequestView;
use portcullis::error::{InvalidToken, Unavailable};
use portcullis::{Audience, ConfigError, Issuer, KeyProvider};
use serde::Deserialize;
use serde_json::json;

use super::report::{Kind, Members, NotVerified, Report, ReportVerifier, not_valid, present};
use super::request::{EventResponse, MAX_BODY_BYTES, has_type};
use crate::deny_list::DenyList;

/// Receives the logout tokens of an OpenID provider ([OpenID Connect Back-Channel Logout 1.0][spec]) and denies the access
/// tokens of the session or the user that was logged out. Cheap to clone.
///
/// The modules `axum` and `actix` have its route. A service that also has its own sessions calls
/// [`log_out_with`](Self::log_out_with) in its own route:
///
/// ```
/// use portcullis_sessions::{BackchannelLogout, LoggedOut, LogoutError, Sessions};
///
/// async fn log_out(logout: &BackchannelLogout, sessions: &Sessions, token: &str) -> Result<(), LogoutError> {
///     let end_sessions = async |logged_out: LoggedOut| {
///         if let Some(subject) = &logged_out.subject {
///             // Here, the service has the same names for its users as the provider.
///             sessions.revoke_subject(subject).await?;
///         }
///         Ok(())
///     };
///     logout.log_out_with(token, end_sessions).await?;
///     Ok(())
/// }
/// ```
///
/// | the logout token has | what is denied |
/// |---|---|
/// | `sub` | all tokens of this subject that were issued at the `iat` of the logout token or earlier |
/// | `sid` | all tokens of this session |
/// | both | all tokens of this session, and those of the subject without `sid` that were issued earlier |
///
/// Access tokens without `sid` are not affected by a logout token without `sub`.
///
/// [spec]: https://openid.net/specs/openid-connect-backchannel-1_0.html
#[derive(Clone)]
pub struct BackchannelLogout(Arc<Inner>);

struct Inner {
    verifier: ReportVerifier,
    deny_list: DenyList,
}

/// Who was logged out. `Debug` shows no value.
#[derive(Clone, Eq, PartialEq)]
#[non_exhaustive]
pub struct LoggedOut {
    /// The issuer of the logout token.
    pub issuer: String,
    /// Its `sub`.
    pub subject: Option<String>,
    /// Its `sid`. `None` means that all sessions of the subject have ended.
    pub session: Option<String>,
}

/// Why a logout token had no effect.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogoutError {
    /// It is not valid.
    #[error("the logout token is not valid: {0}")]
    Invalid(InvalidToken),
    /// It is valid, but not what Back-Channel Logout §2.4 demands.
    #[error("the logout token is not valid: {0}")]
    Malformed(&'static str),
    /// A logout token with this `jti` was received before.
    #[error("the logout token was received before")]
    Repeated,
    /// The keys or the store are unavailable.
    #[error("logouts are unavailable at the moment")]
    Unavailable(#[from] Unavailable),
}

/// The event of a logout token (§2.4).
const LOGOUT: &str = "http://schemas.openid.net/event/backchannel-logout";

impl BackchannelLogout {
    /// Makes the receiver for the logout tokens of `issuer`, whose audience is the client id of the service. They have the `typ`
    /// `logout+jwt`.
    ///
    /// # Errors
    /// [`ConfigError`] when the issuer, the audience or the keys cannot be used.
    pub fn new(
        issuer: impl Into<Issuer>,
        client_id: impl Into<Audience>,
        keys: impl KeyProvider + 'static,
        deny_list: &DenyList,
    ) -> Result<Self, ConfigError> {
        Self::of(Kind::LogoutToken { untyped: false }, issuer.into(), client_id.into(), keys, deny_list)
    }

    /// Makes the receiver for a provider that writes the `typ` `JWT` in its logout tokens, which the specification allows. They
    /// differ from other tokens only in their claims.
    ///
    /// # Errors
    /// See [`new`](Self::new).
    pub fn accepting_untyped(
        issuer: impl Into<Issuer>,
        client_id: impl Into<Audience>,
        keys: impl KeyProvider + 'static,
        deny_list: &DenyList,
    ) -> Result<Self, ConfigError> {
        Self::of(Kind::LogoutToken { untyped: true }, issuer.into(), client_id.into(), keys, deny_list)
    }

    fn of(
        kind: Kind,
        issuer: Issuer,
        client_id: Audience,
        keys: impl KeyProvider + 'static,
        deny_list: &DenyList,
    ) -> Result<Self, ConfigError> {
        let verifier = ReportVerifier::new(kind, issuer, client_id, keys, deny_list.clock().clone())?;
        Ok(Self(Arc::new(Inner { verifier, deny_list: deny_list.clone() })))
    }

    /// Answers a logout request (§2.5): a form with `logout_token`, of at most 32 KiB.
    ///
    /// | case | status |
    /// |---|---|
    /// | the tokens of the session or the subject are denied | 200 |
    /// | the request or the logout token is wrong, or was received before | 400, `invalid_request` |
    /// | keys or the store are unavailable | 400, `temporarily_unavailable`, as §2.8 demands, with `Retry-After` |
    pub async fn receive(&self, request: &dyn RequestView, body: &[u8]) -> EventResponse {
        let token = match read_form(request, body) {
            Ok(token) => token,
            Err(problem) => return refused(problem),
        };
        match self.log_out(&token).await {
            Ok(_) => EventResponse::empty(200),
            Err(error) => {
                tracing::warn!(error = %error, "a logout token had no effect");
                match error {
                    LogoutError::Invalid(invalid) => refused(&not_valid(&invalid)),
                    LogoutError::Malformed(problem) => refused(problem),
                    LogoutError::Repeated => refused("The logout token was received before"),
                    LogoutError::Unavailable(unavailable) => EventResponse::unavailable(400, unavailable),
                }
            }
        }
    }

    /// Verifies a logout token (§2.6) and denies the access tokens of the session or subject. Returns who was logged out.
    ///
    /// # Errors
    /// [`LogoutError`] says why not. With [`LogoutError::Unavailable`], the same logout token may be presented again.
    pub async fn log_out(&self, logout_token: &str) -> Result<LoggedOut, LogoutError> {
        self.log_out_with(logout_token, |_| std::future::ready(Ok(()))).await
    }

    /// Does what [`log_out`](Self::log_out) does, and then awaits `also`, for example to end sessions of the service.
    ///
    /// The logout token counts as received only after that. So if `also` fails, or the process dies, the provider may present
    /// the same token again, and `also` is called again.
    ///
    /// # Errors
    /// See [`log_out`](Self::log_out). A failure of `also` is [`LogoutError::Unavailable`].
    pub async fn log_out_with<F>(
        &self,
        logout_token: &str,
        also: impl FnOnce(LoggedOut) -> F,
    ) -> Result<LoggedOut, LogoutError>
    where
        F: Future<Output = Result<(), Unavailable>>,
    {
        let report = self.0.verifier.verify(logout_token).await?;
        let list = &self.0.deny_list;
        let logged_out = read(&report)?;
        if list.is_received(&report.issuer, &report.token_id).await? {
            return Err(LogoutError::Repeated);
        }
        let LoggedOut { issuer, subject, session } = &logged_out;
        match (session, subject) {
            (Some(session), subject) => {
                list.deny_session_at(issuer, session, report.issued_at).await?;
                if let Some(subject) = subject {
                    list.deny_without_session(issuer, subject, report.issued_at).await?;
                }
            }
            (None, Some(subject)) => list.deny_issued_before(issuer, subject, report.issued_at.to_date()).await?,
            // `read` refuses it.
            (None, None) => {}
        }
        also(logged_out.clone()).await?;
        // Last, so that a logout that failed can be repeated.
        list.set_received(issuer, &report.token_id, report.issued_at).await?;
        Ok(logged_out)
    }
}

/// The claims that only logout tokens have.
#[derive(Deserialize)]
struct Claims {
    sid: Option<String>,
    events: Members,
    #[serde(default, deserialize_with = "present")]
    nonce: bool,
}

fn read(report: &Report) -> Result<LoggedOut, LogoutError> {
    let claims: Claims = report.claims.claims().map_err(|_| LogoutError::Malformed("A claim has a wrong type"))?;
    if !claims.events.get(LOGOUT).is_some_and(serde_json::Value::is_object) {
        return Err(LogoutError::Malformed("The logout token has no logout event"));
    }
    if claims.nonce {
        return Err(LogoutError::Malformed("The logout token has a nonce"));
    }
    let (subject, session) = (report.claims.subject().map(str::to_owned), claims.sid);
    if [&subject, &session].into_iter().flatten().any(String::is_empty) {
        return Err(LogoutError::Malformed("The logout token has an empty sub or sid"));
    }
    if subject.is_none() && session.is_none() {
        return Err(LogoutError::Malformed("The logout token has neither sub nor sid"));
    }
    Ok(LoggedOut { issuer: report.issuer.clone(), subject, session })
}

fn read_form(request: &dyn RequestView, body: &[u8]) -> Result<String, &'static str> {
    if !has_type(request, "application/x-www-form-urlencoded") {
        return Err("The body is not a form");
    }
    if body.len() > MAX_BODY_BYTES {
        return Err("The body is too long");
    }
    let mut tokens = url::form_urlencoded::parse(body).filter(|(name, _)| name == "logout_token");
    match (tokens.next(), tokens.next()) {
        (Some((_, token)), None) => Ok(token.into_owned()),
        (None, _) => Err("The form has no logout_token"),
        (Some(_), Some(_)) => Err("The form has two logout tokens"),
    }
}

fn refused(problem: &str) -> EventResponse {
    EventResponse::json(400, &json!({"error": "invalid_request", "error_description": problem}))
}

impl From<NotVerified> for LogoutError {
    fn from(error: NotVerified) -> Self {
        match error {
            NotVerified::Invalid(invalid) => Self::Invalid(invalid),
            NotVerified::Unavailable(unavailable) => Self::Unavailable(unavailable),
        }
    }
}

impl fmt::Debug for BackchannelLogout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackchannelLogout").field("deny_list", &self.0.deny_list).finish_non_exhaustive()
    }
}

impl fmt::Debug for LoggedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoggedOut").finish_non_exhaustive()
    }
}
