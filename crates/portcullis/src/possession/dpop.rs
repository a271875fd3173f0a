//! The rules for DPoP proofs (RFC 9449).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::catch_panic::catch_panic;
use crate::claims::NumericDate;
use crate::clock::{Clock, SystemClock};
use crate::credential::Credential;
use crate::error::{AuthError, ConfigError, InvalidToken, ProofError, Unavailable};
use crate::hash::sha256;
use crate::jose::{Algorithm, AlgorithmSet};
use crate::measure::{Counters, InsertOutcome, table};
use crate::possession::proof::Proof;
use crate::possession::{DpopNonces, Insertion, MemoryReplayStore, ReplayStore, UsedProof};

const DEFAULT_WINDOW: Duration = Duration::from_secs(60);
/// A proof that is valid for longer would hardly be better than a bearer token.
const MAX_WINDOW: Duration = Duration::from_secs(300);

/// DPoP for a gate (RFC 9449): whether tokens need a proof, and which proofs are good.
///
/// A bound token as a bearer token is always refused, and so is a token with the scheme `DPoP` that is not bound to a key.
///
/// Without further options, a proof may be signed with every asymmetric algorithm of this crate and be 60 seconds old, and
/// the memory of the process remembers used proofs. A service of several processes needs a store that they share
/// ([`Self::with_replay_store`]).
///
/// A proof serves one request and one gate. Where guards of several gates are nested, only one of the gates may have DPoP.
///
/// ```
/// use std::time::Duration;
/// use portcullis::Gate;
/// use portcullis::jose::Algorithm;
/// use portcullis::possession::Dpop;
///
/// # fn gate(gate: Gate) -> Result<Gate, portcullis::ConfigError> {
/// let dpop = Dpop::accepted().with_algorithms([Algorithm::Es256]).with_window(Duration::from_secs(30));
/// gate.with_public_url("https://api.example.com")?.with_dpop(dpop)
/// # }
/// ```
#[derive(Clone)]
#[must_use = "give it to Gate::with_dpop"]
pub struct Dpop {
    required: bool,
    algorithms: AlgorithmSet,
    /// The names of the algorithms for challenges.
    names: String,
    window: Duration,
    replays: Arc<dyn ReplayStore>,
    nonces: Option<DpopNonces>,
    clock: Arc<dyn Clock>,
    insertions: Arc<Counters<(InsertOutcome,)>>,
}

/// When a proof was made, as far as that is judged.
struct Age {
    /// The last moment at which the proof is accepted.
    expires_at: NumericDate,
    /// The nonce for the next proof, if it is time for one.
    next_nonce: Option<String>,
}

impl Dpop {
    /// Accepts bound tokens with a proof, and bearer tokens that are not bound.
    pub fn accepted() -> Self {
        Self {
            required: false,
            algorithms: AlgorithmSet::ASYMMETRIC,
            names: String::new(),
            window: DEFAULT_WINDOW,
            replays: Arc::new(MemoryReplayStore::default()),
            nonces: None,
            clock: Arc::new(SystemClock::new()),
            insertions: Arc::new(Counters::new(&table::REPLAY_STORE_INSERT)),
        }
    }

    /// Accepts only bound tokens with a proof. Next to client certificates
    /// ([`Gate::with_client_certificates`](crate::Gate::with_client_certificates)), a token may be bound to one instead.
    pub fn required() -> Self {
        Self { required: true, ..Self::accepted() }
    }

    /// Allows only these signature algorithms for proofs. Default: every asymmetric algorithm of this crate.
    pub fn with_algorithms(self, algorithms: impl Into<AlgorithmSet>) -> Self {
        Self { algorithms: algorithms.into(), ..self }
    }

    /// Sets how far `iat` of a proof may be in the past and in the future. Default: 60 seconds; at most 300 seconds.
    pub fn with_window(self, window: Duration) -> Self {
        Self { window, ..self }
    }

    /// Requires that each proof has a nonce of the service (RFC 9449 §9). Then the time of the nonce decides how long a proof is
    /// accepted, and `iat`, the time of the client's clock, is not compared.
    pub fn with_nonces(self, nonces: DpopNonces) -> Self {
        Self { nonces: Some(nonces), ..self }
    }

    /// Sets the store of used proofs. Default: [`MemoryReplayStore`].
    pub fn with_replay_store(self, store: impl ReplayStore + 'static) -> Self {
        Self { replays: Arc::new(store), ..self }
    }

    /// Sets another clock, for tests.
    pub fn with_clock(self, clock: impl Clock + 'static) -> Self {
        Self { clock: Arc::new(clock), ..self }
    }

    /// Whether tokens that are not bound are refused.
    pub(super) fn is_required(&self) -> bool {
        self.required
    }

    pub(super) fn algorithm_names(&self) -> &str {
        &self.names
    }

    pub(super) fn algorithm_list(&self) -> Vec<&'static str> {
        self.algorithms.iter().map(Algorithm::name).collect()
    }

    /// Checks the options.
    pub(crate) fn validate(self) -> Result<Self, ConfigError> {
        let error =
            |field: &'static str, problem: String, hint: &'static str| Err(ConfigError::new(field, problem, hint));
        if self.algorithms.is_empty() {
            let hint = "allow at least one asymmetric algorithm, for example ES256";
            return error("dpop_algorithms", "empty".to_owned(), hint);
        }
        let symmetric = self.algorithms.intersection(AlgorithmSet::SYMMETRIC);
        if !symmetric.is_empty() {
            let hint = "allow only asymmetric algorithms, for example ES256 (RFC 9449 §4.3)";
            return error("dpop_algorithms", format!("{symmetric} has a shared secret"), hint);
        }
        if self.window.is_zero() || self.window > MAX_WINDOW {
            return error("dpop_window", format!("{:?}", self.window), "write 1 to 300 seconds");
        }
        self.nonces.as_ref().map_or(Ok(()), DpopNonces::validate)?;
        let names = self.algorithms.to_string().replace(',', "");
        Ok(Self { names, ..self })
    }

    /// Checks that the request has a good proof of the key with this thumbprint, which was not used before. Returns header fields
    /// for the response.
    pub(super) async fn check(
        &self,
        credential: &Credential<'_>,
        thumbprint: &str,
    ) -> Result<Vec<(String, String)>, AuthError> {
        let request = credential.request().ok_or(InvalidToken::SenderConstrained)?;
        if request.original_path().is_none() {
            return Err(AuthError::Server("the adapter does not tell the path that a DPoP proof names".into()));
        }
        let target = credential.normal_target_uri().ok_or(ProofError::WrongTarget)?;
        let proof = Proof::read(request, self.algorithms)?;
        proof.check_request(&request.method(), &target)?;
        proof.check_token(credential.unverified_bytes())?;
        if proof.thumbprint() != thumbprint {
            // The proof is good and of another key (RFC 9449 §7.1, the example with `invalid_token`).
            return Err(InvalidToken::SenderConstrained.into());
        }
        let now = self.clock.now();
        let Age { expires_at, next_nonce } = self.check_age(&proof, now)?;
        let key = sha256(&[sha256(proof.id().as_bytes()), sha256(target.as_bytes())].concat());
        self.remember(&UsedProof { key, thumbprint, now, expires_at }).await?;
        let fields = |nonce| [("dpop-nonce".to_owned(), nonce), ("cache-control".to_owned(), "no-store".to_owned())];
        // A response with a nonce must not be cached (RFC 9449 §8.2).
        Ok(next_nonce.map(fields).into_iter().flatten().collect())
    }

    /// Checks when the proof was made: by the time in its nonce, or else by its own.
    fn check_age(&self, proof: &Proof, now: NumericDate) -> Result<Age, AuthError> {
        let Some(nonces) = &self.nonces else {
            return Ok(Age { expires_at: proof.check_time(now, self.window)?, next_nonce: None });
        };
        proof.check_lifetime(now)?;
        let Some(issued_at) = proof.nonce()?.and_then(|nonce| nonces.issued_at(&nonce, now)) else {
            return Err(AuthError::UseDpopNonce { nonce: nonces.fresh(now)? });
        };
        let next_nonce = nonces.is_old(issued_at, now).then(|| nonces.fresh(now)).transpose()?;
        Ok(Age { expires_at: issued_at.saturating_add(nonces.lifetime()), next_nonce })
    }

    async fn remember(&self, used: &UsedProof<'_>) -> Result<(), AuthError> {
        let inserted = catch_panic(async { self.replays.insert(used).await }).await;
        self.insertions.increment((match &inserted {
            Ok(Ok(Insertion::New)) => InsertOutcome::New,
            Ok(Ok(Insertion::Replayed)) => InsertOutcome::Replayed,
            Ok(Ok(Insertion::Full)) => InsertOutcome::Full,
            Ok(Err(_)) => InsertOutcome::Unavailable,
            Err(_) => InsertOutcome::Error,
        },));
        match inserted.map_err(|_| AuthError::Server("the store of used proofs panicked".into()))?? {
            Insertion::New => Ok(()),
            Insertion::Replayed => Err(ProofError::Replayed.into()),
            Insertion::Full => {
                let full = "the store of used DPoP proofs is full, or the client has used up its part";
                Err(Unavailable::new().limited().with_source(full).into())
            }
        }
    }
}

impl fmt::Debug for Dpop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dpop")
            .field("required", &self.required)
            .field("algorithms", &self.algorithms)
            .field("window", &self.window)
            .field("replays", &self.replays)
            .field("nonces", &self.nonces)
            .finish_non_exhaustive()
    }
}
