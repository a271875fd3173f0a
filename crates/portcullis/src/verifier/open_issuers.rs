//! A set of issuers that changes while the service runs, for example a realm or a tenant for each customer.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use moka::future::Cache;

use crate::credential::{Credential, Scheme};
use crate::error::{AuthError, InvalidToken, Unavailable};
use crate::hash::sha256;
use crate::jose::compact::DEFAULT_MAX_BYTES;
use crate::keys::KeyStatus;
use crate::verifier::by_issuer::unverified_issuer;
use crate::verifier::{JwtVerifier, Verified, Verifier};

/// The number of unknown issuers that are cached, by hash.
const MAX_UNKNOWN_ISSUERS: u64 = 1_024;

/// The directory of accepted issuers.
///
/// ```
/// use portcullis::error::Unavailable;
/// use portcullis::verifier::IssuerDirectory;
/// use portcullis::{Audience, Config, JwtVerifier, async_trait};
///
/// #[derive(Debug)]
/// struct Realms(Vec<String>);
///
/// #[async_trait]
/// impl IssuerDirectory for Realms {
///     async fn verifier(&self, unverified_issuer: &str) -> Result<Option<JwtVerifier>, Unavailable> {
///         let realm = self.0.iter().find(|realm| *realm == unverified_issuer);
///         realm.map(|realm| Config::new(realm, "api").verifier()).transpose().map_err(|error| Unavailable::new().with_source(error))
///     }
/// }
/// ```
#[async_trait]
pub trait IssuerDirectory: fmt::Debug + Send + Sync {
    /// Returns the verifier for `unverified_issuer`, with its audience, its keys and its checks; `None` when the issuer is not
    /// accepted.
    ///
    /// The name is text from an unverified token: compare it with known names first, and never connect to it before. This
    /// crate connects only to issuers that this method accepts.
    ///
    /// # Errors
    /// [`Unavailable`] when the directory cannot tell at the moment. The request is answered with 503.
    async fn verifier(&self, unverified_issuer: &str) -> Result<Option<JwtVerifier>, Unavailable>;
}

/// Verifies tokens of the issuers that a directory accepts.
///
/// Verifiers are made on demand, once for all requests that need one, and kept in a bounded cache. After `recheck` the
/// directory is asked again, so that tokens of a removed issuer are refused. Tokens of more than 16 KiB are refused.
///
/// ```
/// # use portcullis::error::Unavailable;
/// # use portcullis::verifier::IssuerDirectory;
/// # use portcullis::{JwtVerifier, async_trait};
/// # #[derive(Debug)]
/// # struct Realms;
/// # #[async_trait]
/// # impl IssuerDirectory for Realms {
/// #     async fn verifier(&self, _: &str) -> Result<Option<JwtVerifier>, Unavailable> { Ok(None) }
/// # }
/// use std::time::Duration;
/// use portcullis::verifier::OpenIssuers;
/// use portcullis::Gate;
///
/// // `Realms` is an `IssuerDirectory`.
/// let gate = Gate::new(OpenIssuers::new(Realms, 1_000, Duration::from_secs(300)));
/// ```
pub struct OpenIssuers {
    directory: Arc<dyn IssuerDirectory>,
    verifiers: Cache<String, Arc<JwtVerifier>>,
    unknown_issuers: Cache<[u8; 32], ()>,
}

/// Why there is no verifier.
#[derive(Debug, thiserror::Error)]
enum NoVerifier {
    #[error("not an accepted issuer")]
    UnknownIssuer,
    #[error("{0}")]
    Unavailable(Unavailable),
}

impl OpenIssuers {
    /// Keeps at most `capacity` verifiers, each for at most `recheck`.
    pub fn new(directory: impl IssuerDirectory + 'static, capacity: u64, recheck: Duration) -> Self {
        Self {
            directory: Arc::new(directory),
            verifiers: Cache::builder().max_capacity(capacity).time_to_live(recheck).build(),
            unknown_issuers: Cache::builder().max_capacity(MAX_UNKNOWN_ISSUERS).time_to_live(recheck).build(),
        }
    }

    /// The number of cached verifiers.
    pub async fn cached_verifiers(&self) -> u64 {
        self.verifiers.run_pending_tasks().await;
        self.verifiers.entry_count()
    }

    async fn verifier(&self, issuer: String) -> Result<Arc<JwtVerifier>, AuthError> {
        if let Some(verifier) = self.verifiers.get(&issuer).await {
            return Ok(verifier);
        }
        let name = sha256(issuer.as_bytes());
        if self.unknown_issuers.contains_key(&name) {
            return Err(InvalidToken::WrongIssuer.into());
        }
        let ask = async {
            let found = self.directory.verifier(&issuer).await.map_err(NoVerifier::Unavailable)?;
            found.map(Arc::new).ok_or(NoVerifier::UnknownIssuer)
        };
        match self.verifiers.try_get_with_by_ref(issuer.as_str(), ask).await {
            Ok(verifier) => Ok(verifier),
            Err(error) => match &*error {
                NoVerifier::UnknownIssuer => {
                    self.unknown_issuers.insert(name, ()).await;
                    Err(InvalidToken::WrongIssuer.into())
                }
                NoVerifier::Unavailable(unavailable) => {
                    let mut again =
                        Unavailable::new().with_source("the directory of issuers cannot tell at the moment");
                    again.retry_after = unavailable.retry_after;
                    Err(again.into())
                }
            },
        }
    }
}

#[async_trait]
impl Verifier for OpenIssuers {
    async fn verify(&self, credential: &Credential<'_>) -> Result<Verified, AuthError> {
        let issuer = unverified_issuer(credential.unverified_token(), DEFAULT_MAX_BYTES)?;
        self.verifier(issuer).await?.verify(credential).await
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

impl fmt::Debug for OpenIssuers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenIssuers").field("directory", &self.directory).finish_non_exhaustive()
    }
}
