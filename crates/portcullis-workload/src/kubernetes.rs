//! The preset for service accounts of Kubernetes.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use portcullis::checks::{ClaimCheck, TokenView};
use portcullis::config::{values, variables};
use portcullis::error::InvalidToken;
use portcullis::jose::Algorithm;
use portcullis::verifier::{JwtVerifierBuilder, UnverifiedToken};
use portcullis::{Audience, ConfigError};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::checks::{failed, none_empty};
use crate::environment;
use crate::explain::Refused;
use crate::preset::{KeyLocation, Place, Preset, Settings, TokenIssuer};

/// Accepts the projected tokens of service accounts in a Kubernetes cluster.
///
/// ```no_run
/// # fn main() -> Result<(), portcullis::ConfigError> {
/// use axum::{Router, routing::get};
/// use portcullis_axum::{Auth, Gate};
/// use portcullis_workload::Kubernetes;
///
/// let cluster = Kubernetes::in_cluster("https://orders.example.com").service_account("shop", "web");
/// let orders = get(async |pod: Auth| format!("orders for {}", pod.subject().unwrap_or_default()));
/// let app: Router = Router::new().route("/orders", orders).with_state(Gate::new(cluster.verifier()?));
/// # Ok(()) }
/// ```
///
/// **In Kubernetes**: mount a token for this service into the pods that call it. The kubelet renews the file, so clients read
/// it again for each call.
///
/// ```yaml
/// volumes:
/// - name: orders-token
///   projected:
///     sources:
///     - serviceAccountToken: { path: token, audience: "https://orders.example.com", expirationSeconds: 3600 }
/// ```
///
/// **The issuer** is that of the cluster (`--service-account-issuer`), for example `https://kubernetes.default.svc.cluster.local`
/// or `https://oidc.eks.eu-west-1.amazonaws.com/id/…`. [`Self::in_cluster`] reads it from the pod's own token. It fetches the
/// keys from the API server, with the cluster's private CA and with the pod's own token, which is read again for each
/// request. The API server serves them only as `application/jwk-set+json`. For a cluster whose issuer serves its keys in
/// public, use [`Self::new`].
///
/// **The trap**: every pod gets a token for any audience, so the preset needs service accounts or namespaces. The token that is
/// mounted by default is for the API server. Accepting its audience would collect credentials for the cluster, so
/// the issuer as audience is an error. A name can be deleted and made again: [`KubernetesClaims::service_account`] has the `uid`.
/// A verifier cannot see that a pod was deleted, so keep tokens short-lived.
///
/// **What gets in, and what is refused**: each kind of token that a cluster issues, or that pods send by mistake. "The log adds"
/// is the field `explanation` of the event `request refused`, at the level `DEBUG`.
///
#[doc = include_str!("tokens/kubernetes.md")]
///
/// See <https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/> and
/// <https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/#service-account-issuer-discovery>.
pub type Kubernetes = Preset<Cluster>;

/// The settings for service accounts of a cluster.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    /// `None` means that the pod's own token names it.
    issuer: Option<String>,
    audience: String,
    service_accounts: Vec<(String, String)>,
    namespaces: Vec<String>,
    any_service_account: bool,
    key_set: Option<String>,
    token_file: Option<PathBuf>,
    root_certificates_file: Option<PathBuf>,
}

const OWN_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";
const CLUSTER_CA: &str = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt";
const API_SERVER_KEYS: &str = "https://kubernetes.default.svc/openid/v1/jwks";
const SUBJECT: &str = "system:serviceaccount:";
const ACCOUNTS: &str = "PORTCULLIS_KUBERNETES_SERVICE_ACCOUNTS";

impl Preset<Cluster> {
    /// Accepts the tokens of the cluster with this issuer, for this audience. The keys are found by the issuer's metadata, or
    /// at [`Self::key_set`].
    pub fn new(issuer: impl Into<String>, audience: impl Into<String>) -> Self {
        Self::of(Cluster { issuer: Some(issuer.into()), audience: audience.into(), ..Cluster::default() })
    }

    /// Accepts the tokens of the cluster that this service runs in, for this audience. The pod needs its default service
    /// account token, which `automountServiceAccountToken: false` removes.
    pub fn in_cluster(audience: impl Into<String>) -> Self {
        Self::of(Cluster { audience: audience.into(), ..Cluster::default() })
    }

    /// Accepts this service account. Each call adds one.
    pub fn service_account(mut self, namespace: impl Into<String>, name: impl Into<String>) -> Self {
        self.source.service_accounts.push((namespace.into(), name.into()));
        self
    }

    /// Accepts all service accounts of this namespace. Each call adds one.
    pub fn namespace(mut self, name: impl Into<String>) -> Self {
        self.source.namespaces.push(name.into());
        self
    }

    /// Accepts every service account of the cluster: for a service that looks up the caller's rights itself.
    pub fn any_service_account(mut self) -> Self {
        self.source.any_service_account = true;
        self
    }

    /// Fetches the keys from this URL, for example a published copy. It replaces the metadata and the API server. The pod's own
    /// token is for the API server, so it is not sent there unless [`Self::token_file`] names it.
    pub fn key_set(mut self, url: impl Into<String>) -> Self {
        self.source.key_set = Some(url.into());
        self
    }

    /// Sends the token in this file with requests for keys. The file is read for each request.
    pub fn token_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.source.token_file = Some(path.into());
        self
    }

    /// Trusts the root certificates in this file, in PEM, for requests for keys.
    pub fn root_certificates_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.source.root_certificates_file = Some(path.into());
        self
    }

    /// Reads the settings from environment variables.
    ///
    /// - `PORTCULLIS_KUBERNETES_AUDIENCE`: the audience of the projected tokens.
    /// - `PORTCULLIS_KUBERNETES_SERVICE_ACCOUNTS` (`namespace:name`), `PORTCULLIS_KUBERNETES_NAMESPACES`: lists, separated by
    ///   commas; at least one of them.
    /// - `PORTCULLIS_KUBERNETES_ISSUER` (optional): see [`Self::new`]. Without it, [`Self::in_cluster`] is used.
    /// - `PORTCULLIS_KUBERNETES_JWKS_URL`, `PORTCULLIS_KUBERNETES_TOKEN_FILE`, `PORTCULLIS_KUBERNETES_CA_FILE` (optional): see
    ///   [`Self::key_set`], [`Self::token_file`] and [`Self::root_certificates_file`].
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
        let audience = environment::required(
            &lookup,
            "PORTCULLIS_KUBERNETES_AUDIENCE",
            "write the audience of the projected tokens, such as https://orders.example.com",
        );
        let accounts = environment::list(&lookup, ACCOUNTS, "write NAMESPACE:NAME").and_then(|accounts| {
            let pair =
                |account: &String| account.split_once(':').map(|(space, name)| (space.to_owned(), name.to_owned()));
            let pairs: Option<Vec<_>> = accounts.iter().map(pair).collect();
            pairs.ok_or_else(|| {
                ConfigError::new(ACCOUNTS, "not a service account", "write NAMESPACE:NAME, such as shop:web")
            })
        });
        let namespaces = environment::list(&lookup, "PORTCULLIS_KUBERNETES_NAMESPACES", "write names of namespaces");
        let missing = nobody(ACCOUNTS, "set it, or PORTCULLIS_KUBERNETES_NAMESPACES");
        let callers = environment::at_least_one(accounts, namespaces, missing);
        let optional = |name| environment::optional(&lookup, name);
        let issuer =
            ConfigError::both(optional("PORTCULLIS_KUBERNETES_ISSUER"), optional("PORTCULLIS_KUBERNETES_JWKS_URL"));
        let files =
            ConfigError::both(optional("PORTCULLIS_KUBERNETES_TOKEN_FILE"), optional("PORTCULLIS_KUBERNETES_CA_FILE"));
        let ((audience, (accounts, namespaces)), ((issuer, key_set), (token_file, ca_file))) =
            ConfigError::both(ConfigError::both(audience, callers), ConfigError::both(issuer, files))?;
        let mut preset = match issuer {
            Some(issuer) => Self::new(issuer, audience),
            None => Self::in_cluster(audience),
        };
        let cluster = &mut preset.source;
        (cluster.service_accounts, cluster.namespaces) = (accounts, namespaces);
        cluster.key_set = key_set;
        cluster.token_file = token_file.map(PathBuf::from);
        cluster.root_certificates_file = ca_file.map(PathBuf::from);
        Ok(preset)
    }
}

fn nobody(field: &'static str, instead: &'static str) -> ConfigError {
    ConfigError::new(field, "not set, and every pod of the cluster can get a token for this audience", instead)
}

impl Cluster {
    /// Returns the issuer of the cluster: the configured one, or that of the pod's own token.
    fn issuer(&self) -> Result<String, ConfigError> {
        if let Some(issuer) = &self.issuer {
            // It is compared as it is written, but it has to be a URL.
            return values::base_url("issuer", issuer, "https://kubernetes.default.svc.cluster.local")
                .map(|_| issuer.clone());
        }
        let wrong = |problem: String| {
            ConfigError::new(
                "token_file",
                problem,
                "mount the pod's service account token, or call new() with the issuer",
            )
        };
        let path = self.token_file.as_deref().unwrap_or(Path::new(OWN_TOKEN));
        let text = std::fs::read_to_string(path).map_err(|error| wrong(format!("{}: {error}", path.display())))?;
        let claims = UnverifiedToken::new(text.trim()).unverified_claims();
        let issuer = claims.as_ref().and_then(|claims| claims.issuer()).filter(|issuer| issuer.contains("://"));
        issuer.map(str::to_owned).ok_or_else(|| wrong(format!("{}: no token with an issuer", path.display())))
    }

    /// Returns where the keys of `issuer` are. The pod's own token and the cluster's CA are only for the API server.
    fn key_location(&self, issuer: &str) -> KeyLocation {
        let (place, own) = match &self.key_set {
            Some(url) => (Place::Url(url.clone()), None),
            None if self.issuer.is_none() => (Place::Url(API_SERVER_KEYS.to_owned()), Some((OWN_TOKEN, CLUSTER_CA))),
            None => (Place::MetadataOf(issuer.to_owned()), None),
        };
        let own = own.map(|(token, ca)| (PathBuf::from(token), PathBuf::from(ca))).unzip();
        KeyLocation {
            place,
            token_file: self.token_file.clone().or(own.0),
            root_certificates_file: self.root_certificates_file.clone().or(own.1),
        }
    }
}

impl TokenIssuer for Cluster {
    const URL_FIELD: &'static str = "key_set";

    fn settings(&self) -> Result<Settings, ConfigError> {
        if self.service_accounts.is_empty() && self.namespaces.is_empty() && !self.any_service_account {
            return Err(nobody("service_account", "call service_account() or namespace(), or any_service_account()"));
        }
        let instead = "write names of Kubernetes, for example shop and web";
        none_empty("namespace", &self.namespaces, instead)?;
        for (namespace, name) in &self.service_accounts {
            none_empty("service_account", &[namespace.clone(), name.clone()], instead)?;
        }
        let issuer = self.issuer()?;
        if self.audience == issuer {
            return Err(ConfigError::new(
                "audience",
                "the issuer is the audience of tokens for the API server",
                "write an audience that only this service has, for example https://orders.example.com",
            ));
        }
        Ok(Settings {
            keys: self.key_location(&issuer),
            issuers: vec![issuer],
            audience: Audience::any_of([self.audience.as_str()]),
            algorithms: [Algorithm::Rs256, Algorithm::Es256, Algorithm::Es384, Algorithm::Es512].into(),
        })
    }

    fn refine(&self, builder: JwtVerifierBuilder) -> JwtVerifierBuilder {
        let accounts = (!self.any_service_account).then(|| self.service_accounts.clone());
        builder.check(OfServiceAccount { accounts, namespaces: self.namespaces.clone() })
    }

    fn explain(refused: &Refused<'_>) -> Option<&'static str> {
        if refused.issuer() == "kubernetes/serviceaccount" {
            return Some("a legacy token from a Secret, which never expires: mount a projected token");
        }
        let is_for_api_server = refused.has_audience(|audience| {
            audience == refused.issuer() || audience.starts_with("https://kubernetes.default.svc")
        });
        if refused.is_for_others() && is_for_api_server {
            return Some("the token for the API server: mount a projected token for this service");
        }
        None
    }
}

/// Checks that the token is that of a service account, by `sub` and by `kubernetes.io`, which must agree.
struct OfServiceAccount {
    /// `None` accepts any.
    accounts: Option<Vec<(String, String)>>,
    namespaces: Vec<String>,
}

impl ClaimCheck for OfServiceAccount {
    fn check(&self, token: &TokenView<'_>) -> Result<(), InvalidToken> {
        let subject = token.claims().required::<Cow<'_, str>>("sub")?;
        let details = token.claims().required::<Map<String, Value>>("kubernetes.io")?;
        let Some((namespace, name)) = subject.strip_prefix(SUBJECT).and_then(|rest| rest.split_once(':')) else {
            return Err(failed("service account"));
        };
        let named = |value: Option<&Value>, text: &str| value.and_then(Value::as_str) == Some(text);
        let account = details.get("serviceaccount").and_then(|account| account.get("name"));
        if !named(details.get("namespace"), namespace) || !named(account, name) {
            return Err(InvalidToken::invalid("kubernetes.io"));
        }
        let Some(accounts) = &self.accounts else { return Ok(()) };
        let is_accepted = self.namespaces.iter().any(|accepted| accepted == namespace)
            || accounts.iter().any(|(space, account)| space == namespace && account == name);
        if is_accepted { Ok(()) } else { Err(InvalidToken::WrongParty) }
    }
}

/// The claims of a service account's token.
///
/// ```
/// use portcullis_workload::KubernetesClaims;
///
/// let claims: KubernetesClaims = serde_json::from_str(
///     r#"{"sub": "system:serviceaccount:shop:web", "kubernetes.io": {"namespace": "shop",
///         "serviceaccount": {"name": "web", "uid": "e6a8680e-d103-4cce-80ea-03acbbeacf7d"},
///         "pod": {"name": "web-7d4", "uid": "0d8b260e-ef0e-45fb-be8e-ff44f97722e8"}}}"#,
/// )?;
/// assert_eq!((claims.namespace(), claims.service_account().name.as_str()), ("shop", "web"));
/// assert_eq!(claims.pod().map(|pod| pod.name.as_str()), Some("web-7d4"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Deserialize)]
#[non_exhaustive]
pub struct KubernetesClaims {
    /// The service account as `system:serviceaccount:NAMESPACE:NAME`.
    pub sub: String,
    #[serde(rename = "kubernetes.io")]
    details: Details,
}

#[derive(Clone, Deserialize)]
struct Details {
    namespace: String,
    serviceaccount: KubernetesObject,
    pod: Option<KubernetesObject>,
    node: Option<KubernetesObject>,
}

/// An object in a cluster.
#[derive(Clone, Deserialize)]
#[non_exhaustive]
pub struct KubernetesObject {
    /// The name. It can be used again after the object was deleted.
    pub name: String,
    /// The identifier. It is never used again.
    pub uid: String,
}

impl KubernetesClaims {
    /// Returns the namespace of the service account.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.details.namespace
    }

    /// Returns the service account.
    #[must_use]
    pub fn service_account(&self) -> &KubernetesObject {
        &self.details.serviceaccount
    }

    /// Returns the pod that the token is bound to.
    #[must_use]
    pub fn pod(&self) -> Option<&KubernetesObject> {
        self.details.pod.as_ref()
    }

    /// Returns the node that the pod runs on. Clusters before Kubernetes 1.32 do not write it.
    #[must_use]
    pub fn node(&self) -> Option<&KubernetesObject> {
        self.details.node.as_ref()
    }
}

impl std::fmt::Debug for KubernetesClaims {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KubernetesClaims { .. }")
    }
}

impl std::fmt::Debug for KubernetesObject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KubernetesObject { .. }")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_token_is_sent_only_to_the_api_server() {
        let location = |preset: Kubernetes| preset.source.key_location("https://issuer.example");
        let of_pod = location(Kubernetes::in_cluster("api"));
        assert!(matches!(&of_pod.place, Place::Url(url) if url == API_SERVER_KEYS), "{of_pod:?}");
        assert_eq!(of_pod.token_file.as_deref(), Some(Path::new(OWN_TOKEN)));
        assert_eq!(of_pod.root_certificates_file.as_deref(), Some(Path::new(CLUSTER_CA)));
        let copy = || Kubernetes::in_cluster("api").key_set("https://keys.example/jwks");
        for elsewhere in [copy(), Kubernetes::new("https://issuer.example", "api")].map(location) {
            assert!(elsewhere.token_file.is_none() && elsewhere.root_certificates_file.is_none(), "{elsewhere:?}");
        }
        // A file that the user names goes where the user says.
        let named = location(copy().token_file("/run/other"));
        assert_eq!(named.token_file.as_deref(), Some(Path::new("/run/other")));
    }
}
