//! The preset for JWT-SVIDs of SPIFFE.

use std::path::PathBuf;

use portcullis::checks::{ClaimCheck, TokenView};
use portcullis::config::variables;
use portcullis::error::InvalidToken;
use portcullis::jose::Algorithm;
use portcullis::verifier::JwtVerifierBuilder;
use portcullis::{Audience, ConfigError, Issuer};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::checks::none_empty;
use crate::environment;
use crate::explain::Refused;
use crate::preset::{Place, Preset, Settings, TokenIssuer};

/// Accepts the JWT-SVIDs of a SPIFFE trust domain.
///
/// ```no_run
/// # fn main() -> Result<(), portcullis::ConfigError> {
/// use axum::{Router, routing::get};
/// use portcullis_axum::{Auth, Gate};
/// use portcullis_workload::Spiffe;
///
/// let spiffe = Spiffe::new("example.org", "spiffe://example.org/reports")
///     .bundle_url("https://spire.example.org/bundle.json")
///     .id("spiffe://example.org/ns/shop/sa/web");
/// let report = get(async |web: Auth| format!("report for {}", web.subject().unwrap_or_default()));
/// let app: Router = Router::new().route("/report", report).with_state(Gate::new(spiffe.verifier()?));
/// # Ok(()) }
/// ```
///
/// **In SPIRE**: register the workloads. A caller asks its agent for a JWT-SVID with the audience of this service. Publish the
/// trust bundle at a URL (`federation.bundle_endpoint`), or have `spiffe-helper` write it to a file (`jwt_bundle_file_name`).
///
/// **The trap**: a JWT-SVID needs no `iss`, so what binds it to the trust domain is the bundle: `sub` must be a SPIFFE ID of the
/// domain whose bundle verified it. Keys of one bundle never verify IDs of a federated domain, so make a verifier for each
/// domain. A bundle also holds keys for X.509, which must not verify a JWT: only keys with `use: jwt-svid` count. An ID that
/// is only a prefix names other workloads, so [`Self::id`] compares the whole ID.
///
/// **What gets in, and what is refused**: each kind of token that SPIRE issues, or that clients send by mistake. "The log adds" is
/// the field `explanation` of the event `request refused`, at the level `DEBUG`.
///
#[doc = include_str!("tokens/spiffe.md")]
///
/// See <https://github.com/spiffe/spiffe/blob/main/standards/JWT-SVID.md> and
/// <https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE_Trust_Domain_and_Bundle.md>.
pub type Spiffe = Preset<TrustDomain>;

/// The settings of a SPIFFE trust domain.
#[derive(Clone, Debug)]
pub struct TrustDomain {
    name: String,
    audience: String,
    ids: Vec<String>,
    bundle: Option<Bundle>,
}

#[derive(Clone, Debug)]
enum Bundle {
    File(PathBuf),
    Url(String),
}

const DOMAIN: &str = "PORTCULLIS_SPIFFE_TRUST_DOMAIN";
const IDS: &str = "PORTCULLIS_SPIFFE_IDS";
const BUNDLE_FILE: &str = "PORTCULLIS_SPIFFE_BUNDLE_FILE";
const BUNDLE_URL: &str = "PORTCULLIS_SPIFFE_BUNDLE_URL";

impl Preset<TrustDomain> {
    /// Accepts the JWT-SVIDs of one trust domain, for example `example.org`, for this audience. Its trust bundle comes from
    /// [`Self::bundle_url`], [`Self::bundle_file`] or [`Self::keys`].
    pub fn new(trust_domain: impl Into<String>, audience: impl Into<String>) -> Self {
        let (name, audience) = (trust_domain.into(), audience.into());
        Self::of(TrustDomain { name, audience, ids: Vec::new(), bundle: None })
    }

    /// Accepts only the workload with this SPIFFE ID. Each call adds one. Others are refused as `wrong_party`. Default: every
    /// workload of the trust domain.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.source.ids.push(id.into());
        self
    }

    /// Fetches the trust bundle from this URL, with a certificate of a public authority (the profile `https_web`).
    pub fn bundle_url(mut self, url: impl Into<String>) -> Self {
        self.source.bundle = Some(Bundle::Url(url.into()));
        self
    }

    /// Reads the trust bundle from this file, which is read again every half minute.
    pub fn bundle_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.source.bundle = Some(Bundle::File(path.into()));
        self
    }

    /// Reads the settings from environment variables.
    ///
    /// - `PORTCULLIS_SPIFFE_TRUST_DOMAIN`, `PORTCULLIS_SPIFFE_AUDIENCE`: see [`Self::new`].
    /// - `PORTCULLIS_SPIFFE_BUNDLE_URL` or `PORTCULLIS_SPIFFE_BUNDLE_FILE`: the trust bundle.
    /// - `PORTCULLIS_SPIFFE_IDS` (optional): SPIFFE IDs, separated by commas.
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
        let name = environment::required(&lookup, DOMAIN, "write the trust domain, such as example.org");
        let name = name.and_then(|name| check_domain(DOMAIN, &name).map(|()| name));
        let audience = environment::required(
            &lookup,
            "PORTCULLIS_SPIFFE_AUDIENCE",
            "write the audience that callers ask for, such as spiffe://example.org/reports",
        );
        let ids = environment::list(&lookup, IDS, "write SPIFFE IDs, separated by commas");
        let places =
            ConfigError::both(environment::optional(&lookup, BUNDLE_URL), environment::optional(&lookup, BUNDLE_FILE));
        let bundle = places.and_then(|places| match places {
            (Some(url), None) => Ok(Bundle::Url(url)),
            (None, Some(path)) => Ok(Bundle::File(path.into())),
            (None, None) => Err(ConfigError::new(BUNDLE_URL, "not set", "set it, or PORTCULLIS_SPIFFE_BUNDLE_FILE")),
            (Some(_), Some(_)) => {
                Err(ConfigError::new(BUNDLE_URL, "set together with PORTCULLIS_SPIFFE_BUNDLE_FILE", "set one of them"))
            }
        });
        let ((name, audience), (ids, bundle)) =
            ConfigError::both(ConfigError::both(name, audience), ConfigError::both(ids, bundle))?;
        Ok(Self::of(TrustDomain { name, audience, ids, bundle: Some(bundle) }))
    }
}

fn check_domain(field: &'static str, name: &str) -> Result<(), ConfigError> {
    let instead = "write the trust domain without scheme, for example example.org";
    if is_trust_domain(name) { Ok(()) } else { Err(ConfigError::new(field, "not a trust domain", instead)) }
}

/// SPIFFE ID §2.1: lower-case letters, digits, dots, dashes and underscores, at most 255 bytes.
fn is_trust_domain(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'_');
    !name.is_empty() && name.len() <= 255 && name.bytes().all(is_plain)
}

/// Splits a SPIFFE ID of a workload into trust domain and path. `None` unless it is one (SPIFFE ID §2).
fn split(id: &str) -> Option<(&str, &str)> {
    const LONGEST: usize = 2_048;
    let (domain, path) = id.strip_prefix("spiffe://").filter(|_| id.len() <= LONGEST)?.split_once('/')?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    let is_segment = |segment: &str| !matches!(segment, "" | "." | "..") && segment.bytes().all(is_plain);
    (is_trust_domain(domain) && path.split('/').all(is_segment)).then_some((domain, path))
}

impl TokenIssuer for TrustDomain {
    const URL_FIELD: &'static str = "bundle_url";

    fn settings(&self) -> Result<Settings, ConfigError> {
        check_domain("trust_domain", &self.name)?;
        none_empty("id", &self.ids, "write a SPIFFE ID, for example spiffe://example.org/web")?;
        for id in &self.ids {
            let problem = match split(id) {
                Some((domain, _)) if domain == self.name => continue,
                Some(_) => "of another trust domain",
                None => "not the SPIFFE ID of a workload",
            };
            let instead = format!("write spiffe://{} and a path", self.name);
            return Err(ConfigError::new("id", problem, instead));
        }
        let place = match &self.bundle {
            Some(Bundle::Url(url)) => Place::Url(url.clone()),
            Some(Bundle::File(path)) => Place::File(path.clone()),
            None => Place::Missing("call bundle_url(), bundle_file() or keys()"),
        };
        use Algorithm::{Es256, Es384, Es512, Ps256, Ps384, Ps512, Rs256, Rs384, Rs512};
        Ok(Settings {
            keys: place.into(),
            // `iss` is not required. The rule below binds the token to the trust domain.
            issuers: Vec::new(),
            audience: Audience::any_of([self.audience.as_str()]),
            algorithms: [Rs256, Rs384, Rs512, Es256, Es384, Es512, Ps256, Ps384, Ps512].into(),
        })
    }

    fn refine(&self, builder: JwtVerifierBuilder) -> JwtVerifierBuilder {
        let rule = OfTrustDomain { name: self.name.clone(), ids: self.ids.clone() };
        builder.issuer(Issuer::by_rule(rule)).also_token_types(["JOSE"])
    }

    fn explain(refused: &Refused<'_>) -> Option<&'static str> {
        match refused.found {
            InvalidToken::WrongTenant => Some("sub is not a SPIFFE ID of this trust domain"),
            InvalidToken::WrongTokenClass => Some("the key or the header is not that of a JWT-SVID"),
            _ => None,
        }
    }
}

/// Binds a token to the trust domain: by the key, the header and `sub`.
struct OfTrustDomain {
    name: String,
    ids: Vec<String>,
}

impl ClaimCheck for OfTrustDomain {
    fn check(&self, token: &TokenView<'_>) -> Result<(), InvalidToken> {
        // A key without this mark is not for JWT-SVIDs (SPIFFE Trust Domain and Bundle §4.2.2).
        if token.key().member::<String>("use").as_deref() != Some("jwt-svid") {
            return Err(InvalidToken::WrongTokenClass);
        }
        // No other header member is allowed (JWT-SVID §2).
        let members: Map<String, Value> = serde_json::from_str(token.header().as_json()).unwrap_or_default();
        if members.keys().any(|member| !matches!(member.as_str(), "alg" | "kid" | "typ")) {
            return Err(InvalidToken::WrongTokenClass);
        }
        let subject = token.claims().subject().ok_or_else(|| InvalidToken::missing("sub"))?;
        match split(subject) {
            Some((domain, _)) if domain == self.name => {}
            _ => return Err(InvalidToken::WrongTenant),
        }
        let is_accepted = self.ids.is_empty() || self.ids.iter().any(|id| id == subject);
        if is_accepted { Ok(()) } else { Err(InvalidToken::WrongParty) }
    }
}

/// The claims of a JWT-SVID.
///
/// ```
/// use portcullis_workload::SpiffeClaims;
///
/// let claims: SpiffeClaims = serde_json::from_str(r#"{"sub": "spiffe://example.org/ns/shop/sa/web"}"#)?;
/// assert_eq!((claims.trust_domain(), claims.path()), (Some("example.org"), Some("ns/shop/sa/web")));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Deserialize)]
#[non_exhaustive]
pub struct SpiffeClaims {
    /// The SPIFFE ID of the workload.
    pub sub: String,
    /// All other claims. The specification defines none, so their meaning is up to the issuer.
    #[serde(flatten)]
    pub custom: Map<String, Value>,
}

impl SpiffeClaims {
    /// Returns the trust domain of the workload. `None` if `sub` is not a SPIFFE ID.
    #[must_use]
    pub fn trust_domain(&self) -> Option<&str> {
        split(&self.sub).map(|(domain, _)| domain)
    }

    /// Returns the path of the workload's ID, without the slash at its start. `None` if `sub` is not a SPIFFE ID.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        split(&self.sub).map(|(_, path)| path)
    }
}

impl std::fmt::Debug for SpiffeClaims {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SpiffeClaims { .. }")
    }
}
