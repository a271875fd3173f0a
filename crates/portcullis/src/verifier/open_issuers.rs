//! A set of issuers that changes while the service runs, for example a realm or a tenant for each customer.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::catch_panic::catch_panic;
use crate::credential::{Credential, Scheme};
use crate::error::{AuthError, ConfigError, InvalidToken, Unavailable};
use crate::hash::sha256;
use crate::jose::compact::{Compact, DEFAULT_MAX_BYTES};
use crate::keys::KeyStatus;
use crate::lookups::{Answer, Lifetimes, Lookups, MAX_REFUSED_LIFETIME, NoValue, Options};
use crate::time_limit;
use crate::verifier::issuer_reader::IssuerReader;
use crate::verifier::{CheckReport, Comparison, JwtVerifier, UnverifiedToken, Verified, Verifier};

/// The directory of accepted issuers, for example a table with a row for each customer.
///
/// It answers two questions: [`find`](Self::find) says whether an issuer is accepted, and is asked again and again.
/// [`verifier`](Self::verifier) makes the verifier of an accepted issuer, and is called only for its first token and when the
/// entry has changed. So a verifier keeps its keys for as long as its entry stays the same.
///
/// ```
/// use portcullis::error::Unavailable;
/// use portcullis::verifier::IssuerDirectory;
/// use portcullis::{Config, ConfigError, JwtVerifier, async_trait};
///
/// /// The realms of a Keycloak, and the audience of each.
/// #[derive(Debug)]
/// struct Realms(Vec<(String, String)>);
///
/// #[async_trait]
/// impl IssuerDirectory for Realms {
///     type Entry = String;
///
///     async fn find(&self, unverified_issuer: &str) -> Result<Option<String>, Unavailable> {
///         let realm = self.0.iter().find(|(issuer, _)| issuer == unverified_issuer);
///         Ok(realm.map(|(_, audience)| audience.clone()))
///     }
///
///     fn verifier(&self, issuer: &str, audience: &String) -> Result<JwtVerifier, ConfigError> {
///         Config::new(issuer, audience).verifier()
///     }
/// }
/// ```
#[async_trait]
pub trait IssuerDirectory: fmt::Debug + Send + Sync {
    /// What the verifier of an issuer depends on, for example its row in a table. Without such a thing it is `()`.
    type Entry: PartialEq + Send + Sync + 'static;

    /// Returns the entry of an accepted issuer; `None` when the issuer is not accepted.
    ///
    /// The name is text from an unverified token: compare it with known names, and never connect to it. This crate connects
    /// only to issuers that this method accepts.
    ///
    /// # Errors
    /// [`Unavailable`] when the directory cannot tell at the moment.
    async fn find(&self, unverified_issuer: &str) -> Result<Option<Self::Entry>, Unavailable>;

    /// Makes the verifier of an accepted issuer, with its audience, its keys and its checks.
    ///
    /// # Errors
    /// [`ConfigError`] when the entry can't be used. Requests are answered with 503, or continue with the verifier of the
    /// entry before.
    fn verifier(&self, issuer: &str, entry: &Self::Entry) -> Result<JwtVerifier, ConfigError>;
}

/// Verifies tokens of the issuers that a directory accepts.
///
/// ```
/// # use portcullis::error::Unavailable;
/// # use portcullis::verifier::IssuerDirectory;
/// # use portcullis::{ConfigError, JwtVerifier, async_trait};
/// # #[derive(Debug)]
/// # struct Realms;
/// # #[async_trait]
/// # impl IssuerDirectory for Realms {
/// #     type Entry = ();
/// #     async fn find(&self, _: &str) -> Result<Option<()>, Unavailable> { Ok(None) }
/// #     fn verifier(&self, issuer: &str, _: &()) -> Result<JwtVerifier, ConfigError> {
/// #         portcullis::Config::new(issuer, "api").verifier()
/// #     }
/// # }
/// use std::sync::Arc;
/// use std::time::Duration;
/// use portcullis::verifier::OpenIssuers;
/// use portcullis::Gate;
///
/// // `Realms` is an `IssuerDirectory`.
/// let issuers = Arc::new(OpenIssuers::new(Realms, 1_000, Duration::from_secs(300))?);
/// let gate = Gate::new(Arc::clone(&issuers));
///
/// // After a customer was added, removed or changed: the next token asks the directory.
/// issuers.forget("https://keycloak.example/realms/one");
/// # Ok::<(), portcullis::ConfigError>(())
/// ```
///
/// # What is remembered
///
/// - **An accepted issuer** is confirmed by the directory every `recheck`, and its verifier stays with its keys. In the last
///   quarter of `recheck`, one request asks, and the others continue. After `recheck`, requests wait for the answer. If the
///   directory then can't tell, doesn't answer within 5 seconds or panics, the issuer stays accepted for up to 24 hours.
/// - **An issuer that is not accepted** is refused without a question for `recheck`, at most 30 seconds: the tokens
///   of a new customer are accepted after this time even if one of them came too early.
/// - [`forget`](Self::forget) ends both at once.
///
/// # Limits
///
/// Requests with the same issuer share one question. With the feature `remote` and a tokio runtime, it has a time limit of 5
/// seconds. Questions about issuers that are not accepted are limited to 10 at once, then one per second. Requests of an
/// issuer that could not be looked up within this limit get 503 and `Retry-After`; accepted issuers are not affected. 1,000
/// requests may wait for accepted issuers, and 1,000 for others; more get 503. Tokens of more than 16 KiB are refused.
pub struct OpenIssuers<D: IssuerDirectory> {
    directory: D,
    issuers: Lookups<Arc<Accepted<D::Entry>>>,
    reader: IssuerReader,
}

/// An accepted issuer.
struct Accepted<E> {
    entry: E,
    verifier: JwtVerifier,
}

/// How long an issuer stays accepted after `recheck` while the directory can't tell. Keys are used for the same time in an
/// outage.
const STALE: Duration = Duration::from_secs(24 * 60 * 60);

/// The time limit of one question to the directory, and of the wait before it.
const TIME_LIMIT: Duration = Duration::from_secs(5);

impl<D: IssuerDirectory> OpenIssuers<D> {
    /// Keeps the verifiers of at most `capacity` issuers; a full set drops the issuer that was used least recently. The
    /// directory confirms each issuer every `recheck`: tokens of a removed issuer are accepted for up to this time.
    ///
    /// # Errors
    /// [`ConfigError`] when either is zero.
    pub fn new(directory: D, capacity: u64, recheck: Duration) -> Result<Self, ConfigError> {
        if capacity == 0 {
            return Err(ConfigError::new("capacity", "zero", "write the number of issuers to keep, for example 1000"));
        }
        if recheck.is_zero() {
            return Err(ConfigError::new(
                "recheck",
                "zero",
                "write how long tokens of a removed issuer may be accepted, for example five minutes",
            ));
        }
        let refused = recheck.min(MAX_REFUSED_LIFETIME);
        let lifetimes = Lifetimes { confirmed: recheck, stale: STALE, refused, turn: Some(TIME_LIMIT) };
        let issuers = Lookups::new(Options::new(capacity, lifetimes));
        Ok(Self { directory, issuers, reader: IssuerReader::default() })
    }

    /// Forgets what is remembered about `issuer`: its verifier with its keys, or that it is not accepted. The next token asks
    /// the directory.
    pub fn forget(&self, issuer: &str) {
        self.issuers.forget(&sha256(issuer.as_bytes()));
    }

    /// The number of issuers whose verifiers are kept.
    pub fn cached_verifiers(&self) -> u64 {
        self.issuers.known_names()
    }

    async fn accepted(&self, issuer: &str) -> Result<Arc<Accepted<D::Entry>>, AuthError> {
        let name = sha256(issuer.as_bytes());
        let ask = |before| async move { self.ask(issuer, before).await };
        let found = match self.issuers.recall(&name) {
            Some(recalled) => Ok(recalled),
            // The future is large. Moving it takes a part of the time of a refusal.
            None => catch_panic(Box::pin(self.issuers.get(name, ask))).await,
        };
        match found.map_err(|_| AuthError::Server("the directory of issuers panicked".into()))? {
            Ok(accepted) => Ok(accepted),
            Err(NoValue::Absent | NoValue::Ambiguous) => Err(InvalidToken::WrongIssuer.into()),
            Err(NoValue::Unavailable(unavailable)) => Err(unavailable.into()),
        }
    }

    /// Asks the directory, and makes a verifier if the entry is new or changed.
    async fn ask(&self, issuer: &str, before: Option<Arc<Accepted<D::Entry>>>) -> Answer<Arc<Accepted<D::Entry>>> {
        let entry = match time_limit::within(TIME_LIMIT, self.directory.find(issuer)).await {
            Some(Ok(Some(entry))) => entry,
            Some(Ok(None)) => return Answer::Absent,
            Some(Err(unavailable)) => return unavailable_directory(unavailable),
            None => return Answer::unavailable(format!("no answer of the directory of issuers within {TIME_LIMIT:?}")),
        };
        if let Some(unchanged) = before.as_ref().filter(|before| before.entry == entry) {
            return Answer::Found { value: Arc::clone(unchanged), is_named: true };
        }
        let verifier = match self.directory.verifier(issuer, &entry) {
            Ok(verifier) => verifier,
            Err(error) => {
                return Answer::unavailable(format!("the directory has an entry that can't be used: {error}"));
            }
        };
        if before.is_some() && !verifier.status().ready {
            // The other requests continue with the verifier before, so they do not wait for these keys.
            let _fetched = time_limit::within(TIME_LIMIT, verifier.warm_up()).await;
        }
        Answer::Found { value: Arc::new(Accepted { entry, verifier }), is_named: true }
    }
}

fn unavailable_directory<T>(unavailable: Unavailable) -> Answer<T> {
    let why = unavailable.source.as_ref().map_or(String::new(), |source| format!(": {source}"));
    let why = format!("the directory of issuers can't tell at the moment{why}");
    Unavailable { source: Some(why.into()), ..unavailable }.into()
}

#[async_trait]
impl<D: IssuerDirectory> Verifier for OpenIssuers<D> {
    async fn verify(&self, credential: &Credential<'_>) -> Result<Verified, AuthError> {
        let token = Compact::parse(credential.unverified_bytes(), DEFAULT_MAX_BYTES)?;
        // An unreadable header is reported before an unreadable payload.
        let (header, header_counts) = self.reader.read_header(&token)?;
        let issuer = self.reader.read(&token)?;
        let accepted = self.accepted(&issuer.chosen).await?;
        let verified = accepted.verifier.begin_split(credential, token, Some(header)).finish().await?;
        self.reader.was_good(&issuer, header_counts);
        Ok(verified)
    }

    async fn diagnose(&self, credential: &Credential<'_>) -> Vec<CheckReport> {
        let Ok(token) = Compact::parse(credential.unverified_bytes(), DEFAULT_MAX_BYTES) else { return Vec::new() };
        let Ok(issuer) = self.reader.read(&token) else { return Vec::new() };
        match self.accepted(&issuer.chosen).await {
            Ok(accepted) => accepted.verifier.diagnose(credential).await,
            Err(_) => Vec::new(),
        }
    }

    /// Compares only with issuers whose verifiers are kept. The directory is not asked.
    fn compare(&self, credential: &Credential<'_>) -> Option<Comparison> {
        let issuer = UnverifiedToken::new(credential.unverified_token()).unverified_origin().issuer?;
        let accepted = self.issuers.recall(&sha256(issuer.as_bytes()))?.ok()?;
        accepted.verifier.compare(credential)
    }

    /// The schemes of the verifiers that the directory makes.
    fn schemes(&self) -> &[Scheme] {
        JwtVerifier::SCHEMES
    }

    /// Always ready: the issuers are unknown before their tokens arrive.
    fn status(&self) -> KeyStatus {
        KeyStatus::ready()
    }
}

#[async_trait]
impl<D: IssuerDirectory + ?Sized> IssuerDirectory for Arc<D> {
    type Entry = D::Entry;

    async fn find(&self, unverified_issuer: &str) -> Result<Option<Self::Entry>, Unavailable> {
        (**self).find(unverified_issuer).await
    }

    fn verifier(&self, issuer: &str, entry: &Self::Entry) -> Result<JwtVerifier, ConfigError> {
        (**self).verifier(issuer, entry)
    }
}

impl<D: IssuerDirectory> fmt::Debug for OpenIssuers<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenIssuers").field("directory", &self.directory).finish_non_exhaustive()
    }
}
