//! The preset for Application Load Balancers of AWS.

mod padded;

use portcullis::adapter::{PresentedToken, RequestView};
use portcullis::checks::{ClaimCheck, TokenView};
use portcullis::config::{values, variables};
use portcullis::error::{InvalidRequest, InvalidToken};
use portcullis::jose::Algorithm;
use portcullis::verifier::JwtVerifierBuilder;
use portcullis::{ConfigError, TokenSource, dangerous};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::alb::padded::Padded;
use crate::checks::none_empty;
use crate::environment;
use crate::explain::Refused;
use crate::preset::{Place, Preset, Proxy, Settings, TokenIssuer};

/// Accepts the user claims that an Application Load Balancer of AWS adds to requests, in the field `X-Amzn-Oidc-Data`.
///
/// ```
/// # fn main() -> Result<(), portcullis::ConfigError> {
/// use axum::{Router, routing::get};
/// use portcullis_axum::Auth;
/// use portcullis_workload::AwsAlb;
///
/// # const ARN: &str = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/lb/0123456789abcdef";
/// let alb = AwsAlb::new(ARN, "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_Ab12Cd34E");
/// let me = get(async |user: Auth| format!("hello, {}", user.subject().unwrap_or_default()));
/// let app: Router = Router::new().route("/me", me).with_state(alb.gate()?);
/// # Ok(()) }
/// ```
///
/// **In AWS**: *EC2 → Load Balancers* shows the ARN. The rule of the listener with the action *Authenticate user* names the
/// issuer and the client ID. Let only the load balancer reach the service, with its security group.
///
/// **The trap**: the load balancers of all customers in a region sign with the same keys, so everyone with an AWS account can
/// make such a token. Only `signer` in the header says which load balancer signed. The RFC's form of a compact JWS is broken:
/// their base64 has padding, which strict parsers refuse, and lenient ones verify without it. Each key is a PEM text at a
/// separate URL. The field `X-Amzn-Oidc-Identity` is not signed, and `X-Amzn-Oidc-Accesstoken` is for the identity provider.
/// The token has no `aud`: [`Self::client`] takes its place.
///
/// **What gets in, and what is refused**: each kind of token that a load balancer issues, or that clients send by mistake. "The
/// log adds" is the field `explanation` of the event `request refused`, at the level `DEBUG`.
///
#[doc = include_str!("../tokens/alb.md")]
///
/// See <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/listener-authenticate-users.html>.
pub type AwsAlb = Preset<LoadBalancer>;

/// The settings of a load balancer.
#[derive(Clone, Debug)]
pub struct LoadBalancer {
    signers: Vec<String>,
    issuer: String,
    clients: Vec<String>,
    keys_below: Option<String>,
}

const HEADER: &str = "x-amzn-oidc-data";
const ARNS: &str = "PORTCULLIS_ALB_ARN";
const ISSUER: &str = "PORTCULLIS_ALB_ISSUER";

impl Preset<LoadBalancer> {
    /// Accepts the claims of users that this load balancer authenticated with this issuer. `arn` is the ARN of the load
    /// balancer, which names the region of the keys.
    pub fn new(arn: impl Into<String>, issuer: impl Into<String>) -> Self {
        let signers = vec![arn.into()];
        Self::of(LoadBalancer { signers, issuer: issuer.into(), clients: Vec::new(), keys_below: None })
    }

    /// Also accepts this load balancer of the same region.
    pub fn load_balancer(mut self, arn: impl Into<String>) -> Self {
        self.source.signers.push(arn.into());
        self
    }

    /// Accepts only users of this client of the identity provider (`client` in the header). Each call adds one. Set it if the
    /// load balancer has several rules that authenticate.
    pub fn client(mut self, id: impl Into<String>) -> Self {
        self.source.clients.push(id.into());
        self
    }

    /// Fetches the key `kid` from this URL, followed by `kid`, for a region or partition with another address. Default: the
    /// address of the region in the ARN.
    pub fn keys_below(mut self, url: impl Into<String>) -> Self {
        self.source.keys_below = Some(url.into());
        self
    }

    /// Reads `PORTCULLIS_ALB_ARN`, which may be a list, separated by commas, `PORTCULLIS_ALB_ISSUER`, and the list
    /// `PORTCULLIS_ALB_CLIENT_IDS` (optional).
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
        let signers = variables::listed(&lookup, ARNS, "write the ARN of the load balancer");
        let signers = signers
            .and_then(|arns| ConfigError::all(arns.iter().filter_map(|arn| location(ARNS, arn).err())).map(|()| arns));
        let issuer = environment::required(&lookup, ISSUER, "write the issuer of the rule that authenticates");
        let clients = environment::list(&lookup, "PORTCULLIS_ALB_CLIENT_IDS", "write client IDs, separated by commas");
        let ((signers, issuer), clients) = ConfigError::both(ConfigError::both(signers, issuer), clients)?;
        Ok(Self::of(LoadBalancer { signers, issuer, clients, keys_below: None }))
    }
}

/// Returns where the keys of the load balancer's region are.
fn location(field: &'static str, arn: &str) -> Result<String, ConfigError> {
    let wrong = |problem: &'static str| {
        let instead = "write arn:aws:elasticloadbalancing:REGION:ACCOUNT:loadbalancer/app/NAME/ID";
        Err(ConfigError::new(field, problem, instead))
    };
    let parts: Vec<_> = arn.splitn(6, ':').collect();
    let [_, partition, "elasticloadbalancing", region, account, name] = parts.as_slice() else {
        return wrong("not the ARN of a load balancer");
    };
    let is_region = !region.is_empty() && region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if !arn.starts_with("arn:") || !is_region || account.len() != 12 || !name.starts_with("loadbalancer/app/") {
        return wrong("not the ARN of an Application Load Balancer");
    }
    match *partition {
        "aws" => Ok(format!("https://public-keys.auth.elb.{region}.amazonaws.com")),
        "aws-us-gov" => Ok(format!("https://s3-{region}.amazonaws.com/aws-elb-public-keys-prod-{region}")),
        _ => wrong("of a partition whose keys have an unknown address; call keys_below()"),
    }
}

impl Proxy for LoadBalancer {
    fn source() -> TokenSource {
        TokenSource::custom(HEADER, read_field)
    }
}

/// Reads the field. The padding of its parts is not of the form of a token in a request, so it is taken off here, and the
/// decoder puts it back.
fn read_field(request: &dyn RequestView) -> Result<Option<PresentedToken<'_>>, InvalidRequest> {
    let (mut first, mut count) = (None, 0);
    request.header(HEADER, &mut |value: &[u8]| {
        count += 1;
        first.get_or_insert_with(|| value.to_vec());
    });
    match (first, count) {
        (None, _) => Ok(None),
        (Some(value), 1) => {
            let token = String::from_utf8(value).map_err(|_| InvalidRequest::MalformedToken)?;
            Ok(Some(PresentedToken::bearer(padded::without_padding(token.trim_matches([' ', '\t'])))))
        }
        _ => Err(InvalidRequest::RepeatedCredential),
    }
}

impl TokenIssuer for LoadBalancer {
    const URL_FIELD: &'static str = "keys_below";

    fn settings(&self) -> Result<Settings, ConfigError> {
        let below = match &self.keys_below {
            Some(url) => url.clone(),
            None => {
                let mut places = self.signers.iter().map(|arn| location("arn", arn)).collect::<Result<Vec<_>, _>>()?;
                places.dedup();
                match places.as_slice() {
                    [one] => one.clone(),
                    _ => {
                        let instead = "make one verifier for each region";
                        return Err(ConfigError::new("arn", "the load balancers are in several regions", instead));
                    }
                }
            }
        };
        none_empty("arn", &self.signers, "write the ARN of the load balancer")?;
        none_empty("client", &self.clients, "write the client ID of the rule that authenticates")?;
        values::base_url("issuer", &self.issuer, "https://issuer.example")?;
        Ok(Settings {
            keys: Place::PemBelow(below).into(),
            issuers: vec![self.issuer.clone()],
            // The token has no audience: the load balancer and the client take its place.
            audience: dangerous::any_audience(),
            algorithms: Algorithm::Es256.into(),
        })
    }

    fn refine(&self, builder: JwtVerifierBuilder) -> JwtVerifierBuilder {
        let signed_by = SignedBy { signers: self.signers.clone(), clients: self.clients.clone() };
        builder.decoder(Padded).require_claims(["sub"]).check(signed_by)
    }

    fn explain(refused: &Refused<'_>) -> Option<&'static str> {
        match refused.found {
            InvalidToken::WrongTenant => Some("signed by a load balancer that is not yours, or not configured"),
            InvalidToken::AlgorithmNotAllowed => {
                Some("a token of the identity provider, not the header of the load balancer")
            }
            _ => None,
        }
    }
}

/// Checks who signed, by the header.
struct SignedBy {
    signers: Vec<String>,
    clients: Vec<String>,
}

impl ClaimCheck for SignedBy {
    fn check(&self, token: &TokenView<'_>) -> Result<(), InvalidToken> {
        let is_one_of = |name: &str, accepted: &[String]| {
            token.header().get::<String>(name).is_some_and(|value| accepted.contains(&value))
        };
        if !is_one_of("signer", &self.signers) {
            return Err(InvalidToken::WrongTenant);
        }
        if !self.clients.is_empty() && !is_one_of("client", &self.clients) {
            return Err(InvalidToken::WrongParty);
        }
        Ok(())
    }
}

/// The claims of a user, as the identity provider's user info endpoint gave them to the load balancer.
///
/// ```
/// use portcullis_workload::AlbClaims;
///
/// let claims: AlbClaims = serde_json::from_str(r#"{"sub": "1234567890", "email": "alias@example.com"}"#)?;
/// assert_eq!(claims.sub, "1234567890");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Deserialize)]
#[non_exhaustive]
pub struct AlbClaims {
    /// The user, unique at the identity provider.
    pub sub: String,
    /// The user's address, to display.
    pub email: Option<String>,
    /// All other claims.
    #[serde(flatten)]
    pub custom: Map<String, Value>,
}

impl std::fmt::Debug for AlbClaims {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AlbClaims { .. }")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_in_the_region_of_the_load_balancer() {
        let at = |partition: &str, region: &str| {
            location(
                "arn",
                &format!("arn:{partition}:elasticloadbalancing:{region}:123456789012:loadbalancer/app/lb/0"),
            )
        };
        assert_eq!(at("aws", "eu-central-1").unwrap(), "https://public-keys.auth.elb.eu-central-1.amazonaws.com");
        let government = "https://s3-us-gov-west-1.amazonaws.com/aws-elb-public-keys-prod-us-gov-west-1";
        assert_eq!(at("aws-us-gov", "us-gov-west-1").unwrap(), government);
        for (partition, region) in
            [("aws-cn", "cn-north-1"), ("aws", ""), ("aws", "evil.example/"), ("", "eu-central-1")]
        {
            assert!(at(partition, region).is_err(), "{partition} {region}");
        }
        for arn in [
            "",
            "lb",
            "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/net/lb/0",
            "arn:aws:ec2:eu-central-1:123456789012:loadbalancer/app/lb/0",
            "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/app/0",
        ] {
            assert_eq!(location("arn", arn).unwrap_err().field(), "arn", "{arn}");
        }
    }
}
