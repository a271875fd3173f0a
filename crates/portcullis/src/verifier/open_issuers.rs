//! A set of issuers that is not known beforehand: a realm or a tenant for each customer.

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

/// How many issuers that are not ours are remembered, by hash.
const STRANGERS: u64 = 1_024;

/// Says which issuers are ours.
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
    /// The verifier for `unverified_issuer`, with its audience, its keys and its checks; `None` when it is not ours.
    ///
    /// The name is text from a token that nothing is known of: compare it with what is yours, and never ask the address
    /// that it spells before that. No connection is made to an issuer that this method did not approve.
    ///
    /// # Errors
    /// [`Unavailable`] when that can't be said now; the request is answered with 503.
    async fn verifier(&self, unverified_issuer: &str) -> Result<Option<JwtVerifier>, Unavailable>;
}

/// Verifies tokens of the issuers that a directory approves.
///
/// Verifiers are made on demand, once however many requests need one, and kept in a bounded cache; after `recheck` the
/// directory is asked again, so that an issuer that was taken off stops. Tokens of more than 16 KiB are refused.
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
    strangers: Cache<[u8; 32], ()>,
}

/// Why there is no verifier.
#[derive(Debug, thiserror::Error)]
enum NoVerifier {
    #[error("not one of our issuers")]
    Stranger,
    #[error("{0}")]
    Unavailable(Unavailable),
}

impl OpenIssuers {
    /// Keeps at most `capacity` verifiers, each for at most `recheck`.
    pub fn new(directory: impl IssuerDirectory + 'static, capacity: u64, recheck: Duration) -> Self {
        Self {
            directory: Arc::new(directory),
            verifiers: Cache::builder().max_capacity(capacity).time_to_live(recheck).build(),
            strangers: Cache::builder().max_capacity(STRANGERS).time_to_live(recheck).build(),
        }
    }

    /// How many verifiers are held at the moment.
    pub async fn held(&self) -> u64 {
        self.verifiers.run_pending_tasks().await;
        self.verifiers.entry_count()
    }

    async fn verifier(&self, issuer: String) -> Result<Arc<JwtVerifier>, AuthError> {
        if let Some(verifier) = self.verifiers.get(&issuer).await {
            return Ok(verifier);
        }
        let name = sha256(issuer.as_bytes());
        if self.strangers.contains_key(&name) {
            return Err(InvalidToken::WrongIssuer.into());
        }
        let ask = async {
            let found = self.directory.verifier(&issuer).await.map_err(NoVerifier::Unavailable)?;
            found.map(Arc::new).ok_or(NoVerifier::Stranger)
        };
        match self.verifiers.try_get_with_by_ref(issuer.as_str(), ask).await {
            Ok(verifier) => Ok(verifier),
            Err(error) => match &*error {
                NoVerifier::Stranger => {
                    self.strangers.insert(name, ()).await;
                    Err(InvalidToken::WrongIssuer.into())
                }
                NoVerifier::Unavailable(unavailable) => {
                    let mut again =
                        Unavailable::new().with_source("the directory of issuers can't say whose the token is");
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

    /// Always ready: which issuers there are shows only with their tokens.
    fn status(&self) -> KeyStatus {
        KeyStatus::ready()
    }
}

impl fmt::Debug for OpenIssuers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenIssuers").field("directory", &self.directory).finish_non_exhaustive()
    }
}
