//! The key of a token: asks the key provider, and checks its answer.

use std::sync::Arc;

use crate::catch_panic::{catch_panic, catch_panic_in};
use crate::error::{AuthError, InvalidToken};
use crate::jose::{Algorithm, AlgorithmSet, Header, VerifyingKey};
use crate::keys::{KeyProvider, KeyQuery};

/// Returns the header's algorithm if it is on the allow-list.
pub(super) fn allowed_algorithm(header: &Header, allowed: AlgorithmSet) -> Result<Algorithm, InvalidToken> {
    header.algorithm().filter(|algorithm| allowed.contains(*algorithm)).ok_or(InvalidToken::AlgorithmNotAllowed)
}

/// The largest number of keys that are tried for one token.
pub(super) const MAX_TRIES: usize = 8;

/// The search for the key of one token.
pub(super) struct KeySearch<'a, P: ?Sized> {
    pub(super) keys: &'a P,
    pub(super) header: &'a Header,
    pub(super) algorithm: Algorithm,
    pub(super) issuer: Option<&'a str>,
    /// How many keys of a set may be tried for a token that names none.
    pub(super) unnamed_tries: usize,
    /// The number of keys that were tried.
    pub(super) attempt: usize,
}

impl<P: KeyProvider + ?Sized> KeySearch<'_, P> {
    /// Checks the signature of a token with `check`, and returns the key that verified it.
    ///
    /// Where the token names no key, or the key has no name, further keys are tried.
    pub(super) async fn verify(
        &mut self,
        check: impl Fn(&VerifyingKey, Algorithm) -> Result<(), InvalidToken>,
        mut key: Arc<VerifyingKey>,
    ) -> Result<Arc<VerifyingKey>, AuthError> {
        loop {
            match check(&key, self.algorithm) {
                Ok(()) => return Ok(key),
                Err(InvalidToken::BadSignature) => {
                    key = self.next(&key).await?.ok_or(InvalidToken::BadSignature)?;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Returns the key to try after `tried`; `None` when there is no further one.
    pub(super) async fn next(&mut self, tried: &VerifyingKey) -> Result<Option<Arc<VerifyingKey>>, AuthError> {
        let is_named = tried.id().is_some() && tried.id() == self.header.key_id();
        self.attempt += 1;
        if is_named || self.attempt >= MAX_TRIES {
            return Ok(None);
        }
        match self.find().await {
            Ok(key) if key.is_same(tried) => Ok(None),
            Ok(key) => Ok(Some(key)),
            Err(AuthError::InvalidToken(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Asks for the key, and checks that the answer fits the question.
    ///
    /// A key provider that panics gives an error of the service: the connection goes on, and so do the other requests that
    /// wait on it.
    pub(super) async fn find(&self) -> Result<Arc<VerifyingKey>, AuthError> {
        let query = KeyQuery::new(self.algorithm)
            .with_key_id(self.header.key_id())
            .with_x5t(self.header.x5t())
            .with_x5t_s256(self.header.x5t_s256())
            .with_issuer(self.issuer)
            .with_attempt(self.attempt)
            .with_unnamed_tries(self.unnamed_tries);
        let answer = match catch_panic_in(|| self.keys.key_at_hand(&query)) {
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => catch_panic(async { self.keys.key(&query).await }).await,
            Err(panicked) => Err(panicked),
        };
        let key = answer.map_err(|_| AuthError::Server("the key provider panicked".into()))??;
        let other_id = matches!((key.id(), query.key_id()), (Some(found), Some(wanted)) if found != wanted);
        if other_id || !key.algorithms().contains(self.algorithm) {
            // The provider's `Debug` stays out: it may show the address or the name of a vault.
            tracing::error!(
                issuer = self.issuer,
                wanted = %self.algorithm,
                other_id,
                returned_id = key.id(),
                returned_algorithms = %key.algorithms(),
                "the key provider returned another key than it was asked for"
            );
            return Err(InvalidToken::UnknownKey.into());
        }
        Ok(key)
    }
}
