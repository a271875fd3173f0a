//! The gate: what adapters call to get a verified caller, or the answer that refuses the request.

mod admission;
mod admit;
#[cfg(feature = "openapi")]
mod document;
#[cfg(feature = "remote")]
mod first_message;
mod observe;
mod page;
mod readiness;
mod refuse;
#[cfg(feature = "remote")]
mod tickets;
#[cfg(feature = "remote")]
mod watch;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
#[cfg(feature = "remote")]
use std::time::Duration;

use async_trait::async_trait;

pub use admission::Admission;
#[cfg(feature = "remote")]
pub use first_message::{FirstMessage, NotAdmitted};
pub use observe::{Observed, Outcome};
pub use refuse::{Denied, Refusable, Refused};
#[cfg(feature = "remote")]
pub use watch::{Watch, Watched};

use crate::catch_panic::catch_panic_in;
use crate::claims::ScopeHierarchy;
use crate::credential::{Credential, GateRules, PublicUrl, Scheme, TokenSource};
use crate::cross_site::AllowedOrigins;
use crate::error::{AuthError, ConfigError};
use crate::keys::{KeyStatus, status_of};
use crate::measure::GateMetrics;
use crate::possession::{ClientCertificates, Dpop, Possession};
use crate::refusal::{ChallengeParts, Refusal};
use crate::resource_metadata::{MetadataAnswer, ResourceMetadata};
use crate::session::SessionCheck;
#[cfg(feature = "remote")]
use crate::tickets::Tickets;
use crate::verifier::{Verified, Verifier};
use observe::Observer;
use refuse::RefusalWriter;

/// A verifier, with the rules for reading requests and answering them. Cheap to clone: all clones are the same gate.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use portcullis::adapter::HeaderList;
/// use portcullis::keys::FixedKeys;
/// use portcullis::{Gate, JwtVerifier, Policy};
///
/// # let keys = FixedKeys::secret(&[7; 32])?;
/// let verifier = JwtVerifier::builder("https://issuer.example", "https://api.example.com", keys).build()?;
/// let gate = Gate::new(verifier).with_realm("orders");
///
/// let request = HeaderList::new("GET", [("authorization", "Basic dXNlcjpwYXNz")]);
/// let error = gate.admit(&request, &Policy::authenticated()).await.unwrap_err();
/// assert_eq!(gate.refuse(&error).headers[0].1, r#"Bearer realm="orders""#);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Gate(Arc<Inner>);

#[derive(Clone, Debug)]
struct Inner {
    verifier: Arc<dyn Verifier>,
    realm: String,
    /// Written anew for each setting.
    challenge_parts: ChallengeParts,
    sources: Vec<TokenSource>,
    resource_metadata: Option<ResourceMetadata>,
    refusals: Vec<RefusalWriter>,
    observers: Vec<Observer>,
    public_url: Option<PublicUrl>,
    origins: AllowedOrigins,
    /// For the warning that no origin is allowed.
    warned: Arc<AtomicBool>,
    /// `None` leaves bound tokens to the verifier.
    possession: Option<Possession>,
    checks: Vec<Arc<dyn SessionCheck>>,
    #[cfg(feature = "remote")]
    tickets: Option<Tickets>,
    scope_hierarchy: Option<Arc<ScopeHierarchy>>,
    /// Whether the log has values of refused tokens.
    logs_values: bool,
    metrics: GateMetrics,
    /// The caller of every request, in tests of handlers.
    assumed: Option<Verified>,
    /// What lets every request in and notes the policy, in tests of documents.
    #[cfg(feature = "openapi")]
    recorder: Option<crate::openapi::GuardRecorder>,
}

/// The realm of a gate unless it is told another one.
const REALM: &str = "api";

impl Gate {
    /// A gate with the realm `api` that reads the Authorization field.
    pub fn new(verifier: impl Verifier + 'static) -> Self {
        // The labels of metrics. A verifier that panics here has none.
        let issuers = if cfg!(feature = "metrics") { catch_panic_in(|| verifier.issuers()) } else { Ok(Vec::new()) };
        Self(Arc::new(Inner {
            verifier: Arc::new(verifier),
            realm: REALM.to_owned(),
            challenge_parts: ChallengeParts::new(REALM, None, None),
            sources: vec![TokenSource::authorization()],
            resource_metadata: None,
            refusals: Vec::new(),
            observers: Vec::new(),
            public_url: None,
            origins: AllowedOrigins::default(),
            warned: Arc::new(AtomicBool::new(false)),
            possession: None,
            checks: Vec::new(),
            #[cfg(feature = "remote")]
            tickets: None,
            scope_hierarchy: None,
            logs_values: false,
            metrics: GateMetrics::new(issuers.unwrap_or_default()),
            assumed: None,
            #[cfg(feature = "openapi")]
            recorder: None,
        }))
    }

    /// See [`dangerous::admit_everyone_as`](crate::dangerous::admit_everyone_as).
    pub(crate) fn admitting(caller: Verified) -> Self {
        Self::new(NoVerifier).with(|inner| inner.assumed = Some(caller))
    }

    /// See [`dangerous::log_refused_tokens`](crate::dangerous::log_refused_tokens).
    pub(crate) fn with_values_in_log(self) -> Self {
        self.with(|inner| inner.logs_values = true)
    }

    /// With `realm` in its challenges (RFC 9110 §11.5).
    #[must_use]
    pub fn with_realm(self, realm: impl Into<String>) -> Self {
        self.with(|inner| inner.realm = realm.into())
    }

    /// With tokens read from `sources`, in this order: the first that holds a token decides. Without any source, every
    /// request is without a token.
    #[must_use]
    pub fn with_token_sources(self, sources: impl IntoIterator<Item = TokenSource>) -> Self {
        self.with(|inner| inner.sources = sources.into_iter().collect())
    }

    /// With the URL that clients use for the service. With the path of a request it makes the URI that the request is for
    /// ([`Credential::target_uri`]). A DPoP proof has to name that URI (RFC 9449 §4.3).
    ///
    /// Its origin is that of the service's own pages: they may send unsafe requests with a token in a cookie
    /// ([`Self::with_allowed_origins`]).
    ///
    /// A path in it is the prefix that a proxy takes off before the request reaches the service. `Host`, `Forwarded` and
    /// `X-Forwarded-*` fields are never used, because a client can set them.
    ///
    /// ```
    /// # fn gate(gate: portcullis::Gate) -> Result<portcullis::Gate, portcullis::ConfigError> {
    /// // The proxy sends https://api.example.com/base/orders here as /orders.
    /// gate.with_public_url("https://api.example.com/base")
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ConfigError`] unless it is an https URL, or an http URL of this machine, without query, fragment and user
    /// information.
    pub fn with_public_url(self, url: &str) -> Result<Self, ConfigError> {
        let public_url = PublicUrl::new(url)?;
        let origins = self.0.origins.clone().with_own(url)?;
        Ok(self.with(|inner| {
            inner.public_url = Some(public_url);
            inner.origins = origins;
        }))
    }

    /// With pages of `origins` that may send unsafe requests with a token in a cookie, in addition to pages of the service
    /// itself ([`Self::with_public_url`]). Each call of this method adds origins.
    ///
    /// Browsers send cookies on their own, also with requests that other sites cause (CSRF). So every gate refuses an unsafe
    /// request whose token is from a cookie, before it verifies the token, unless `Origin` and `Sec-Fetch-Site` agree with an
    /// allowed origin ([`AllowedOrigins`] has the table). The response is 403 `cross_site_request`, also on routes where
    /// the credential is optional. Unsafe are all methods except GET, HEAD, OPTIONS and TRACE, and every request with
    /// `Upgrade`, for example the handshake of a WebSocket. Tokens in other header fields are not affected.
    ///
    /// Without a public URL and without allowed origins, requests with `Origin` are refused, and a warning in the log says so
    /// once.
    ///
    /// ```
    /// use portcullis::{Gate, TokenSource};
    ///
    /// # fn gate(gate: Gate) -> Result<Gate, portcullis::ConfigError> {
    /// gate.with_token_sources([TokenSource::authorization(), TokenSource::cookie("session")])
    ///     .with_public_url("https://api.example.com")?
    ///     .with_allowed_origins(["https://app.example.com"])
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ConfigError`] unless there is at least one origin, and each is an https origin, or an http origin of this machine.
    pub fn with_allowed_origins<S: AsRef<str>>(
        self,
        origins: impl IntoIterator<Item = S>,
    ) -> Result<Self, ConfigError> {
        let origins = self.0.origins.clone().and(origins)?;
        Ok(self.with(|inner| inner.origins = origins))
    }

    /// With proofs of possession by DPoP (RFC 9449): a token that is bound to a key is let in only with a proof of that key.
    /// Set the public URL first ([`Self::with_public_url`]), because a proof names the URI of its request.
    ///
    /// ```
    /// use portcullis::Gate;
    /// use portcullis::possession::Dpop;
    ///
    /// # fn gate(gate: Gate) -> Result<Gate, portcullis::ConfigError> {
    /// gate.with_public_url("https://api.example.com")?.with_dpop(Dpop::required())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ConfigError`] when the gate has no public URL, or when an option of `dpop` cannot be used.
    pub fn with_dpop(self, dpop: Dpop) -> Result<Self, ConfigError> {
        if self.0.public_url.is_none() {
            return Err(ConfigError::new(
                "public_url",
                "not set, and a DPoP proof names the URI of its request",
                "call with_public_url before with_dpop, with the service's URL as clients use it",
            ));
        }
        let dpop = dpop.validate()?;
        Ok(self.with(|inner| inner.possession.get_or_insert_default().set_dpop(dpop)))
    }

    /// With tokens that are bound to a client certificate of mutual TLS (RFC 8705): such a token is let in only if the request
    /// has that certificate, where `certificates` says. Other tokens are not affected, unless
    /// [`ClientCertificates::required`] refuses them.
    ///
    /// Without this, a token that is bound to a certificate is refused as `sender_constrained`. With it, another certificate,
    /// or none, is `wrong_certificate`. The protected resource metadata says that such tokens are accepted.
    ///
    /// ```
    /// use portcullis::Gate;
    /// use portcullis::possession::ClientCertificates;
    ///
    /// fn gate(gate: Gate) -> Gate {
    ///     gate.with_client_certificates(ClientCertificates::from_tls())
    /// }
    /// ```
    #[must_use]
    pub fn with_client_certificates(self, certificates: ClientCertificates) -> Self {
        self.with(|inner| inner.possession.get_or_insert_default().set_certificates(certificates))
    }

    /// With one more check of verified callers, for example of their sessions. Checks run in the order of these calls.
    #[must_use]
    pub fn with_check(self, check: impl SessionCheck + 'static) -> Self {
        self.with(|inner| inner.checks.push(Arc::new(check)))
    }

    /// With scopes that imply others: pairs of a scope and the scopes that it implies, space-delimited. An implied scope may imply
    /// others again. A later call replaces the pairs of an earlier one.
    ///
    /// Policies count implied scopes. Challenges still name the scopes that a policy demands, and metadata names those that it
    /// was given. [`Verified::scopes`] stays what the token says.
    ///
    /// ```
    /// # fn gate(gate: portcullis::Gate) -> Result<portcullis::Gate, portcullis::ConfigError> {
    /// gate.with_scope_hierarchy([("admin", "messages:write"), ("messages:write", "messages:read")])
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ConfigError`] when a scope implies itself, also through others, or a name is not one scope.
    pub fn with_scope_hierarchy<'a>(
        self,
        implied: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, ConfigError> {
        let hierarchy = Arc::new(ScopeHierarchy::new(implied)?);
        Ok(self.with(|inner| inner.scope_hierarchy = Some(hierarchy)))
    }

    /// With protected resource metadata (RFC 9728): challenges name its URL in `resource_metadata`, and the adapters'
    /// handler serves it. Unless it lists authorization servers, they are the verifier's issuers.
    ///
    /// Challenges for a missing or bad token then also name the scopes of the route's policy, in `scope` (RFC 6750 §3). So a
    /// client learns where to get a token and the scopes to ask for.
    #[must_use]
    pub fn with_resource_metadata(self, metadata: ResourceMetadata) -> Self {
        let issuers = self.0.verifier.issuers();
        self.with(|inner| inner.resource_metadata = Some(metadata.or_issuers(issuers)))
    }

    /// With answers that `change` can modify: another body, for example, or more header fields. Every adapter calls it for
    /// every refusal. Each call of this method adds one function. They run in the order of the calls, and each sees what
    /// the ones before it wrote.
    ///
    /// The first argument is the error, with the request where there is one:
    ///
    /// ```
    /// # fn gate(gate: portcullis::Gate) -> portcullis::Gate {
    /// let gate = gate.with_refusals(|refused, refusal| {
    ///     refusal.body = format!(r#"{{"message":"{}"}}"#, refused.description());
    ///     refusal.headers.push(("x-request-denied".to_owned(), refused.code().to_owned()));
    /// });
    /// // In another module.
    /// gate.with_refusals(|refused, refusal| {
    ///     // A client can send any value, so it is checked before it is sent back.
    ///     let id = refused.header("x-request-id").filter(|id| id.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    ///     refusal.headers.extend(id.map(|id| ("x-request-id".to_owned(), id.to_owned())));
    /// })
    /// # }
    /// ```
    ///
    /// If it panics, the answer is a plain 500.
    #[must_use]
    pub fn with_refusals(self, change: impl Fn(&Refused<'_>, &mut Refusal) + Send + Sync + 'static) -> Self {
        self.with(|inner| inner.refusals.push(RefusalWriter(Arc::new(change))))
    }

    /// With a function that is told each decision: for audit logs, and for metrics other than those of the feature `metrics`. It
    /// changes nothing. Each call of this method adds one.
    ///
    /// A request is observed once where it is let in, by a guard or by an extractor. It is observed again if a policy behind
    /// the guard refuses it. CORS preflights that a guard answers are not observed.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    /// use portcullis::adapter::Outcome;
    ///
    /// # fn gate(gate: portcullis::Gate) -> portcullis::Gate {
    /// let (accepted, refused) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    /// gate.with_observer(move |observed| match observed.outcome {
    ///     Outcome::Accepted(_) => drop(accepted.fetch_add(1, Ordering::Relaxed)),
    ///     Outcome::Anonymous => {}
    ///     // `error.reason()` and the codes of this crate are closed lists, so they can be labels of a metric.
    ///     Outcome::Refused(_) => drop(refused.fetch_add(1, Ordering::Relaxed)),
    /// })
    /// # }
    /// ```
    ///
    /// It runs before the answer is sent, so it must not block. If it panics, the answer is a 500.
    #[must_use]
    pub fn with_observer(self, observe: impl Fn(&Observed<'_>) + Send + Sync + 'static) -> Self {
        self.with(|inner| inner.observers.push(Observer(Arc::new(observe))))
    }

    /// Makes one attempt to get what verification needs, for example keys from a URL. It ends within the time limit of a
    /// fetch. Call it before serving to see errors early. A service that does not call it starts at once, and fetches keys
    /// with the first requests.
    ///
    /// # Errors
    /// [`AuthError::Unavailable`] when the attempt failed.
    pub async fn warm_up(&self) -> Result<(), AuthError> {
        self.0.verifier.warm_up().await
    }

    /// Repeats [`Self::warm_up`] as often as the key provider's schedule allows, until it succeeds or `deadline` has passed:
    /// for a service that must not start without keys. At the deadline it succeeds if tokens of at least one issuer can be
    /// verified.
    ///
    /// # Errors
    /// [`AuthError::Unavailable`] of the last attempt.
    #[cfg(feature = "remote")]
    pub async fn warm_up_within(&self, deadline: Duration) -> Result<(), AuthError> {
        readiness::warm_up_within(&*self.0.verifier, deadline).await
    }

    /// Returns the status for a readiness probe. If tokens can't be verified yet, it makes the attempt that is due, for
    /// example the first fetch of keys, so a service that has not had a token becomes ready.
    ///
    /// It returns as soon as tokens of one issuer can be verified, and otherwise after 900 milliseconds, because a probe of
    /// Kubernetes waits for one second unless it is configured. A fetch goes on after that, and the next probe sees its
    /// result. While keys are cached it returns at once and fetches nothing. The limit of 900 milliseconds needs the feature
    /// `remote` and a tokio runtime; without them, it returns when the attempt ends.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let keys = portcullis::keys::FixedKeys::secret(&[7; 32])?;
    /// # let gate = portcullis::Gate::new(portcullis::JwtVerifier::builder("https://i.example", "api", keys).build()?);
    /// let status = if gate.ready().await.ready { 200 } else { 503 };
    /// # assert_eq!(status, 200);
    /// # Ok(()) }
    /// ```
    pub async fn ready(&self) -> KeyStatus {
        readiness::ready(&*self.0.verifier).await
    }

    /// Whether tokens can be verified, at this moment: it fetches nothing. Readiness probes use [`Self::ready`].
    #[must_use]
    pub fn status(&self) -> KeyStatus {
        status_of(|| self.0.verifier.status())
    }

    /// The protected resource metadata, where the gate has it.
    #[must_use]
    pub fn resource_metadata(&self) -> Option<&ResourceMetadata> {
        self.0.resource_metadata.as_ref()
    }

    /// Makes the answer to a request for the protected resource metadata: the document for pages of every origin, and for
    /// OPTIONS the answer to their CORS preflight. Without metadata it is 404.
    #[must_use]
    pub fn metadata_answer(&self, method: &str) -> MetadataAnswer {
        MetadataAnswer::new(self.resource_metadata(), method)
    }

    /// Whether both are clones of one gate.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whether what let `caller` in may serve only once: a proof or a ticket.
    fn admits_once(&self, caller: &Verified) -> bool {
        #[cfg(feature = "remote")]
        if self.0.tickets.is_some() {
            return true;
        }
        self.0.possession.as_ref().is_some_and(|possession| possession.has_proof_of(caller))
    }

    /// The schemes that are read.
    fn schemes(&self) -> &[Scheme] {
        let possession = self.0.possession.as_ref();
        possession.and_then(Possession::schemes).unwrap_or_else(|| self.0.verifier.schemes())
    }

    /// The schemes that challenges name.
    fn challenged_schemes(&self) -> &[Scheme] {
        let possession = self.0.possession.as_ref();
        possession.and_then(Possession::challenged_schemes).unwrap_or_else(|| self.0.verifier.schemes())
    }

    /// What the gate knows that a credential is verified with.
    fn rules(&self) -> GateRules<'_> {
        GateRules { public_url: self.0.public_url.as_ref(), checks_bindings: self.0.possession.is_some() }
    }

    fn with(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        let inner = Arc::make_mut(&mut self.0);
        change(inner);
        // The document depends on both, and they can be set in any order.
        if let (Some(metadata), Some(possession)) = (&mut inner.resource_metadata, &inner.possession) {
            metadata.describe(possession);
        }
        let proof_algorithms = inner.possession.as_ref().and_then(Possession::proof_algorithms);
        let metadata_url = inner.resource_metadata.as_ref().map(ResourceMetadata::url);
        inner.challenge_parts = ChallengeParts::new(&inner.realm, proof_algorithms, metadata_url.as_deref());
        self
    }
}

/// The verifier of a gate with an assumed caller. It is never asked.
#[derive(Debug)]
struct NoVerifier;

#[async_trait]
impl Verifier for NoVerifier {
    async fn verify(&self, _: &Credential<'_>) -> Result<Verified, AuthError> {
        Err(AuthError::Server("this gate admits an assumed caller and verifies no token".into()))
    }
}

#[cfg(test)]
#[cfg(feature = "remote")]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::error::{InvalidRequest, InvalidToken, Unavailable};
    use crate::policy::{roles, scopes};

    /// Has its keys after this number of failed attempts.
    #[derive(Debug)]
    struct Slow(AtomicU32);

    #[async_trait]
    impl Verifier for Slow {
        async fn verify(&self, _: &Credential<'_>) -> Result<Verified, AuthError> {
            Err(AuthError::MissingToken)
        }

        async fn warm_up(&self) -> Result<(), AuthError> {
            match self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)) {
                Ok(_) => Err(Unavailable::new().into()),
                Err(_) => Ok(()),
            }
        }
    }

    #[test]
    fn challenges_name_the_metadata_and_the_hook_changes_them() {
        let metadata = ResourceMetadata::new("https://api.example.com/mcp").unwrap();
        let gate =
            Gate::new(Slow(AtomicU32::new(0))).with_resource_metadata(metadata).with_refusals(|error, refusal| {
                refusal.body = error.code().to_owned();
                refusal.headers.push(("x-more".to_owned(), "1".to_owned()));
            });
        let refusal = gate.refuse(&AuthError::MissingToken);
        assert_eq!(
            refusal.headers[0].1,
            "Bearer realm=\"api\", resource_metadata=\"https://api.example.com/.well-known/oauth-protected-resource/mcp\""
        );
        assert_eq!(refusal.body, "missing_token");
        assert!(refusal.headers.contains(&("x-more".to_owned(), "1".to_owned())));
    }

    #[test]
    fn challenges_with_metadata_name_the_scopes() {
        let challenge = |gate: &Gate, error: AuthError| {
            let policy = scopes("read").or(scopes("write read")).and(roles(["r"]));
            let denied = Denied { scope: policy.named_scopes(), ..Denied::new(error, None) };
            gate.refuse(&denied).headers.remove(0).1
        };
        let plain = Gate::new(Slow(AtomicU32::new(0)));
        let gate = plain.clone().with_resource_metadata(ResourceMetadata::new("https://api.example.com").unwrap());
        let url = "https://api.example.com/.well-known/oauth-protected-resource";
        assert_eq!(challenge(&plain, AuthError::MissingToken), r#"Bearer realm="api""#);
        assert_eq!(
            challenge(&gate, AuthError::MissingToken),
            format!(r#"Bearer realm="api", scope="read write", resource_metadata="{url}""#)
        );
        assert_eq!(
            challenge(&gate, InvalidToken::Expired.into()),
            format!(
                r#"Bearer realm="api", error="invalid_token", error_description="The access token expired", scope="read write", resource_metadata="{url}""#
            )
        );
        // A malformed request is not told scopes.
        assert!(!challenge(&gate, InvalidRequest::RepeatedCredential.into()).contains("scope"));
        // The scopes of the error come before those of the route.
        let missing = AuthError::InsufficientScope { scope: Some("admin".to_owned()) };
        assert!(challenge(&gate, missing).contains(r#", scope="admin", resource_metadata="#));
    }

    #[tokio::test]
    async fn warming_up_repeats_until_success_or_deadline() {
        let gate = Gate::new(Slow(AtomicU32::new(3)));
        assert!(gate.warm_up().await.is_err());
        assert!(gate.warm_up_within(Duration::from_secs(60)).await.is_ok());
        let gate = Gate::new(Slow(AtomicU32::new(u32::MAX)));
        assert_eq!(gate.warm_up_within(Duration::from_millis(30)).await.unwrap_err().status(), 503);
        // Without any time there is one attempt.
        assert!(Gate::new(Slow(AtomicU32::new(0))).warm_up_within(Duration::ZERO).await.is_ok());
    }
}
