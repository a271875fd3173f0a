//! The preset for Cloudflare Access.

use std::borrow::Cow;

use portcullis::checks::{ClaimCheck, TokenView};
use portcullis::config::{values, variables};
use portcullis::error::InvalidToken;
use portcullis::jose::Algorithm;
use portcullis::verifier::JwtVerifierBuilder;
use portcullis::{Audience, ConfigError, TokenSource};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::environment;
use crate::explain::Refused;
use crate::preset::{Place, Preset, Proxy, Settings, TokenIssuer};

/// Accepts the application tokens that Cloudflare Access adds to requests, in the field `Cf-Access-Jwt-Assertion`.
///
/// ```
/// # fn main() -> Result<(), portcullis::ConfigError> {
/// use axum::{Router, routing::get};
/// use portcullis_axum::Auth;
/// use portcullis_workload::CloudflareAccess;
///
/// # const AUD_TAG: &str = "32eafc7626e974616deaf0dc3ce63d7bcbed58a2731e84d06bc3cdf1b53c4228";
/// let access = CloudflareAccess::new("acme.cloudflareaccess.com", AUD_TAG).users_only();
/// let me = get(async |user: Auth| format!("hello, {}", user.subject().unwrap_or_default()));
/// let app: Router = Router::new().route("/me", me).with_state(access.gate()?);
/// # Ok(()) }
/// ```
///
/// **In Cloudflare**: *Zero Trust → Access → Applications* shows the *Application Audience (AUD) Tag* of the application, and
/// *Settings* the team domain. Let only Cloudflare reach the service, with a tunnel for example.
///
/// **The trap**: all applications of a team share issuer and keys, so without the AUD tag a user of any other application gets
/// in. The field `Cf-Access-Authenticated-User-Email` is not signed: anyone who reaches the service directly can send it.
/// A service token has an empty `sub` and no `email`, so do not look up a user by an empty text: see
/// [`CloudflareClaims::caller`] and [`Self::users_only`]. Keys rotate every six weeks, and two are published.
///
/// **What gets in, and what is refused**: each kind of token that Access issues, or that clients send by mistake. "The log adds"
/// is the field `explanation` of the event `request refused`, at the level `DEBUG`.
///
#[doc = include_str!("tokens/cloudflare.md")]
///
/// See <https://developers.cloudflare.com/cloudflare-one/identity/authorization-cookie/application-token> and
/// <https://developers.cloudflare.com/cloudflare-one/identity/authorization-cookie/validating-json/>.
pub type CloudflareAccess = Preset<AccessApplication>;

/// The settings of an application behind Cloudflare Access.
#[derive(Clone, Debug)]
pub struct AccessApplication {
    team_domain: String,
    audiences: Vec<String>,
    users_only: bool,
}

const TEAM: &str = "PORTCULLIS_CLOUDFLARE_TEAM_DOMAIN";
const TAG: &str = "PORTCULLIS_CLOUDFLARE_AUDIENCE";

impl Preset<AccessApplication> {
    /// Accepts the tokens of one application. `team_domain` is for example `acme.cloudflareaccess.com`, and `audience` is the
    /// AUD tag of the application.
    pub fn new(team_domain: impl Into<String>, audience: impl Into<String>) -> Self {
        let audiences = vec![audience.into()];
        Self::of(AccessApplication { team_domain: team_domain.into(), audiences, users_only: false })
    }

    /// Also accepts the tokens of the application with this AUD tag, for a service behind several.
    pub fn application(mut self, audience: impl Into<String>) -> Self {
        self.source.audiences.push(audience.into());
        self
    }

    /// Refuses service tokens, as `wrong_token_class`. Default: they are accepted.
    pub fn users_only(mut self) -> Self {
        self.source.users_only = true;
        self
    }

    /// Reads `PORTCULLIS_CLOUDFLARE_TEAM_DOMAIN` and `PORTCULLIS_CLOUDFLARE_AUDIENCE`, which may be a list of AUD tags,
    /// separated by commas.
    ///
    /// # Errors
    /// [`ConfigError`] names each variable that is wrong, and what to write instead.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_variables(variables::environment)
    }

    /// Reads the same variables as [`Self::from_env`] through `lookup`.
    ///
    /// # Errors
    /// [`ConfigError`] names each variable that is wrong, and what to write instead.
    pub fn from_variables(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let team = environment::required(&lookup, TEAM, "write the team domain, such as acme.cloudflareaccess.com");
        let team = team.and_then(|team| origin(TEAM, &team).map(|_| team));
        let audiences = variables::listed(&lookup, TAG, "write the Application Audience (AUD) Tag");
        let audiences = audiences.and_then(|audiences| check_tags(TAG, &audiences).map(|()| audiences));
        let (team_domain, audiences) = ConfigError::both(team, audiences)?;
        Ok(Self::of(AccessApplication { team_domain, audiences, users_only: false }))
    }
}

fn origin(field: &'static str, text: &str) -> Result<String, ConfigError> {
    values::origin(field, text, "acme.cloudflareaccess.com")
}

fn check_tags(field: &'static str, tags: &[String]) -> Result<(), ConfigError> {
    let is_tag = |tag: &String| tag.len() == 64 && tag.bytes().all(|byte| byte.is_ascii_hexdigit());
    if tags.iter().all(is_tag) {
        return Ok(());
    }
    let instead = "write the Application Audience (AUD) Tag, 64 hexadecimal digits";
    Err(ConfigError::new(field, "not an AUD tag", instead))
}

impl Proxy for AccessApplication {
    fn source() -> TokenSource {
        TokenSource::header("cf-access-jwt-assertion")
    }
}

impl TokenIssuer for AccessApplication {
    const URL_FIELD: &'static str = "team_domain";

    fn settings(&self) -> Result<Settings, ConfigError> {
        check_tags("audience", &self.audiences)?;
        let issuer = origin("team_domain", &self.team_domain)?;
        Ok(Settings {
            keys: Place::Url(format!("{issuer}/cdn-cgi/access/certs")).into(),
            issuers: vec![issuer],
            audience: Audience::any_of(self.audiences.clone()),
            algorithms: Algorithm::Rs256.into(),
        })
    }

    fn refine(&self, builder: JwtVerifierBuilder) -> JwtVerifierBuilder {
        builder.check(ApplicationToken { users_only: self.users_only })
    }

    fn explain(refused: &Refused<'_>) -> Option<&'static str> {
        if refused.claim("type").as_deref() == Some("org") {
            return Some("the token of the team's login page, which is for no application");
        }
        if matches!(refused.found, InvalidToken::WrongTokenClass) {
            return Some("a service token, which is not a user");
        }
        None
    }
}

/// Checks that the token is for an application, and for a user if only users may call.
struct ApplicationToken {
    users_only: bool,
}

impl ClaimCheck for ApplicationToken {
    fn check(&self, token: &TokenView<'_>) -> Result<(), InvalidToken> {
        let class = token.claims().required::<Cow<'_, str>>("type")?;
        let is_user = token.claims().subject().is_some_and(|subject| !subject.trim().is_empty());
        let is_service = token.claims().get::<Cow<'_, str>>("common_name")?.is_some_and(|name| !name.trim().is_empty());
        match (is_user, is_service) {
            _ if class != "app" => Err(InvalidToken::WrongTokenClass),
            (true, false) => Ok(()),
            (false, true) if self.users_only => Err(InvalidToken::WrongTokenClass),
            (false, true) => Ok(()),
            // Neither a user nor a service, or both at once.
            _ => Err(InvalidToken::invalid("sub")),
        }
    }
}

/// The claims of an application token.
///
/// ```
/// use portcullis_workload::{CloudflareCaller, CloudflareClaims};
///
/// let claims: CloudflareClaims =
///     serde_json::from_str(r#"{"sub": "", "common_name": "e367826f93b8d71185e03fe518aff3b4.access"}"#)?;
/// assert_eq!(claims.caller(), Some(CloudflareCaller::Service("e367826f93b8d71185e03fe518aff3b4.access")));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Deserialize)]
#[non_exhaustive]
pub struct CloudflareClaims {
    #[serde(default)]
    sub: String,
    common_name: Option<String>,
    /// The user's address, to display. It can pass to another person.
    pub email: Option<String>,
    /// The country that the user called from.
    pub country: Option<String>,
    /// Claims of the identity provider that the application asks for.
    #[serde(default)]
    pub custom: Map<String, Value>,
}

/// Who called through Cloudflare Access.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum CloudflareCaller<'a> {
    /// A user, by the identifier that Access gives it.
    User(&'a str),
    /// A service token, by its client ID.
    Service(&'a str),
}

impl CloudflareClaims {
    /// Returns who called. A verified token of [`CloudflareAccess`] always has a caller.
    #[must_use]
    pub fn caller(&self) -> Option<CloudflareCaller<'_>> {
        match (self.sub.as_str(), self.common_name.as_deref().unwrap_or_default()) {
            ("", "") => None,
            ("", service) => Some(CloudflareCaller::Service(service)),
            (user, _) => Some(CloudflareCaller::User(user)),
        }
    }
}

impl std::fmt::Debug for CloudflareClaims {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CloudflareClaims { .. }")
    }
}
