//! The preset for Google's Identity-Aware Proxy.

use portcullis::config::variables;
use portcullis::jose::Algorithm;
use portcullis::verifier::JwtVerifierBuilder;
use portcullis::{Audience, ConfigError, TokenSource};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::checks::{OneOf, Otherwise, none_empty};
use crate::environment;
use crate::explain::Refused;
use crate::preset::{Place, Preset, Proxy, Settings, TokenIssuer};

/// Accepts the signed header that Google's Identity-Aware Proxy adds to requests: `X-Goog-IAP-JWT-Assertion`.
///
/// ```
/// # fn main() -> Result<(), portcullis::ConfigError> {
/// use axum::{Router, routing::get};
/// use portcullis_axum::Auth;
/// use portcullis_workload::GoogleIap;
///
/// let iap = GoogleIap::new("/projects/1234567890/global/backendServices/5678901234").hosted_domain("example.com");
/// let me = get(async |user: Auth| format!("hello, {}", user.subject().unwrap_or_default()));
/// let app: Router = Router::new().route("/me", me).with_state(iap.gate()?);
/// # Ok(()) }
/// ```
///
/// **At Google**: *Security → Identity-Aware Proxy*, the menu of the back end, *Get JWT audience code*. It is
/// `/projects/PROJECT_NUMBER/global/backendServices/SERVICE_ID` for Compute Engine and GKE, and
/// `/projects/PROJECT_NUMBER/apps/PROJECT_ID` for App Engine.
///
/// **The trap**: the fields `X-Goog-Authenticated-User-Email` and `-Id` are not signed. Anyone who reaches the service past the
/// proxy can send them. One key set signs for all back ends of Google's customers, so without the audience every user of any
/// other back end gets in. The project is a number there, not its ID. Health checks come without the header, so leave
/// their route open. An address can pass to another person: identify users by `sub`.
///
/// **What gets in, and what is refused**: each kind of token that Google issues, or that clients send by mistake. "The log adds"
/// is the field `explanation` of the event `request refused`, at the level `DEBUG`.
///
#[doc = include_str!("tokens/iap.md")]
///
/// See <https://docs.cloud.google.com/iap/docs/signed-headers-howto>.
pub type GoogleIap = Preset<IapBackend>;

/// The settings of a back end behind Identity-Aware Proxy.
#[derive(Clone, Debug)]
pub struct IapBackend {
    audiences: Vec<String>,
    hosted_domains: Vec<String>,
}

const AUDIENCE: &str = "PORTCULLIS_IAP_AUDIENCE";

impl Preset<IapBackend> {
    /// Accepts the headers for one back end. `audience` is its JWT audience code.
    pub fn new(audience: impl Into<String>) -> Self {
        Self::of(IapBackend { audiences: vec![audience.into()], hosted_domains: Vec::new() })
    }

    /// Also accepts the headers for the back end with this JWT audience code, for a service behind several.
    pub fn backend(mut self, audience: impl Into<String>) -> Self {
        self.source.audiences.push(audience.into());
        self
    }

    /// Accepts only accounts of this Google Workspace or Cloud organization (`hd`). Each call adds one. Others are refused as
    /// `wrong_tenant`, and accounts without an organization as `missing_claim`.
    pub fn hosted_domain(mut self, domain: impl Into<String>) -> Self {
        self.source.hosted_domains.push(domain.into());
        self
    }

    /// Reads `PORTCULLIS_IAP_AUDIENCE`, which may be a list, separated by commas, and the list `PORTCULLIS_IAP_HOSTED_DOMAINS`
    /// (optional).
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
        let audiences = variables::listed(&lookup, AUDIENCE, "write the JWT audience code of the back end");
        let audiences = audiences.and_then(|audiences| check_codes(AUDIENCE, &audiences).map(|()| audiences));
        let domains = environment::list(&lookup, "PORTCULLIS_IAP_HOSTED_DOMAINS", "write domains, such as example.com");
        let (audiences, hosted_domains) = ConfigError::both(audiences, domains)?;
        Ok(Self::of(IapBackend { audiences, hosted_domains }))
    }
}

fn check_codes(field: &'static str, codes: &[String]) -> Result<(), ConfigError> {
    let wrong = |problem| {
        let instead = "write the JWT audience code, such as /projects/1234567890/global/backendServices/5678901234";
        Err(ConfigError::new(field, problem, instead))
    };
    for code in codes {
        let Some((project, _)) = code.strip_prefix("/projects/").and_then(|rest| rest.split_once('/')) else {
            return wrong("not a JWT audience code");
        };
        if project.is_empty() || !project.bytes().all(|byte| byte.is_ascii_digit()) {
            return wrong("it has not the number of the project");
        }
    }
    Ok(())
}

impl Proxy for IapBackend {
    fn source() -> TokenSource {
        TokenSource::header("x-goog-iap-jwt-assertion")
    }
}

impl TokenIssuer for IapBackend {
    fn settings(&self) -> Result<Settings, ConfigError> {
        check_codes("audience", &self.audiences)?;
        none_empty("hosted_domain", &self.hosted_domains, "write the organization's domain, for example example.com")?;
        Ok(Settings {
            keys: Place::Url("https://www.gstatic.com/iap/verify/public_key-jwk".to_owned()).into(),
            issuers: vec!["https://cloud.google.com/iap".to_owned()],
            audience: Audience::any_of(self.audiences.clone()),
            algorithms: Algorithm::Es256.into(),
        })
    }

    fn refine(&self, builder: JwtVerifierBuilder) -> JwtVerifierBuilder {
        let builder = builder.require_claims(["sub", "iat"]);
        if self.hosted_domains.is_empty() {
            return builder;
        }
        let accepted = self.hosted_domains.clone();
        builder.check(OneOf { claim: "hd", accepted, otherwise: Otherwise::WrongTenant })
    }

    fn explain(refused: &Refused<'_>) -> Option<&'static str> {
        if refused.issuer().trim_start_matches("https://") == "accounts.google.com" {
            return Some("an ID token of Google, not the header of the proxy");
        }
        let is_identity = refused.text.starts_with("accounts.google.com:");
        is_identity.then_some("an unsigned identity header, which anyone can send")
    }
}

/// The claims of the signed header.
///
/// ```
/// use portcullis_workload::IapClaims;
///
/// let claims: IapClaims = serde_json::from_str(
///     r#"{"sub": "accounts.google.com:107517467455664443765", "email": "jane@example.com", "hd": "example.com",
///         "google": {"access_levels": ["accessPolicies/519513630986/accessLevels/recent_secure_connect_data"]}}"#,
/// )?;
/// assert_eq!(claims.access_levels().len(), 1);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Deserialize)]
#[non_exhaustive]
pub struct IapClaims {
    /// The user: `accounts.google.com:` and the number of the account.
    pub sub: String,
    /// The user's address, to display. It can pass to another person.
    pub email: Option<String>,
    /// The organization of the account.
    pub hd: Option<String>,
    #[serde(default)]
    google: Map<String, Value>,
    /// The user of Identity Platform, if the back end uses it.
    #[serde(default)]
    pub gcip: Map<String, Value>,
}

impl IapClaims {
    /// Returns the access levels that the request meets.
    #[must_use]
    pub fn access_levels(&self) -> Vec<&str> {
        let levels = self.google.get("access_levels").and_then(Value::as_array);
        levels.into_iter().flatten().filter_map(Value::as_str).collect()
    }
}

impl std::fmt::Debug for IapClaims {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IapClaims { .. }")
    }
}
