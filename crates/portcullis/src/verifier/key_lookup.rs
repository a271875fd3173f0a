//! The key of a token: asks the key provider, and checks its answer.

use std::sync::Arc;

use crate::catch_panic::{Panicked, catch_panic, catch_panic_in};
use crate::error::{AuthError, InvalidToken};
use crate::jose::{Algorithm, AlgorithmSet, Header, VerifyingKey};
use crate::keys::{KeyError, KeyProvider, KeyQuery};

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
}

/// The keys of a search that were tried. Where the token names no key, or the key has no name, there may be further ones.
#[derive(Default)]
pub(super) struct Tries {
    number: usize,
    last: Option<Arc<VerifyingKey>>,
}

impl Tries {
    pub(super) fn is_empty(&self) -> bool {
        self.number == 0
    }

    /// The key of an answer; `None` when there is no further key.
    pub(super) fn key_of(
        &self,
        answer: Result<Arc<VerifyingKey>, AuthError>,
    ) -> Result<Option<Arc<VerifyingKey>>, AuthError> {
        let Some(last) = &self.last else { return answer.map(Some) };
        match answer {
            Ok(key) if key.is_same(last) => Ok(None),
            Ok(key) => Ok(Some(key)),
            Err(AuthError::InvalidToken(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Notes that `key` is not the key of the token with this header. Returns whether another one may be.
    pub(super) fn note(&mut self, key: Arc<VerifyingKey>, header: &Header) -> bool {
        let is_named = key.id().is_some() && key.id() == header.key_id();
        self.number += 1;
        self.last = Some(key);
        !is_named && self.number < MAX_TRIES
    }
}

impl<P: KeyProvider + ?Sized> KeySearch<'_, P> {
    /// Checks the signature of a token with `check`, and returns the key that verified it. `first` is the answer of
    /// [`Self::find`] before any try.
    pub(super) async fn verify(
        &self,
        check: impl Fn(&VerifyingKey, Algorithm) -> Result<(), InvalidToken>,
        first: Arc<VerifyingKey>,
    ) -> Result<Arc<VerifyingKey>, AuthError> {
        let (mut tries, mut key) = (Tries::default(), first);
        loop {
            match check(&key, self.algorithm) {
                Ok(()) => return Ok(key),
                Err(InvalidToken::BadSignature) if tries.note(key, self.header) => {
                    let answer = self.find(&tries).await;
                    key = tries.key_of(answer)?.ok_or(InvalidToken::BadSignature)?;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Asks for the next key after `tries`, and checks that the answer fits the question.
    ///
    /// A key provider that panics gives an error of the service: the connection goes on, and so do the other requests that
    /// wait on it.
    pub(super) async fn find(&self, tries: &Tries) -> Result<Arc<VerifyingKey>, AuthError> {
        match self.find_at_hand(tries) {
            Some(found) => found,
            None => self.find_waiting(tries).await,
        }
    }

    /// Like [`Self::find`], if the answer is known without waiting.
    pub(super) fn find_at_hand(&self, tries: &Tries) -> Option<Result<Arc<VerifyingKey>, AuthError>> {
        let query = self.query(tries);
        let answer = catch_panic_in(|| self.keys.key_at_hand(&query)).transpose()?;
        Some(self.checked(&query, answer))
    }

    /// Like [`Self::find`], after [`Self::find_at_hand`] did not know the answer.
    pub(super) async fn find_waiting(&self, tries: &Tries) -> Result<Arc<VerifyingKey>, AuthError> {
        let query = self.query(tries);
        let answer = catch_panic(async { self.keys.key(&query).await }).await;
        self.checked(&query, answer)
    }

    fn query(&self, tries: &Tries) -> KeyQuery<'_> {
        KeyQuery::new(self.algorithm)
            .with_key_id(self.header.key_id())
            .with_x5t(self.header.x5t())
            .with_x5t_s256(self.header.x5t_s256())
            .with_issuer(self.issuer)
            .with_attempt(tries.number)
            .with_unnamed_tries(self.unnamed_tries)
    }

    fn checked(
        &self,
        query: &KeyQuery<'_>,
        answer: Result<Result<Arc<VerifyingKey>, KeyError>, Panicked>,
    ) -> Result<Arc<VerifyingKey>, AuthError> {
        let key = answer.map_err(|_| AuthError::Server("the key provider panicked".into()))??;
        let other_id = matches!((key.id(), query.key_id()), (Some(found), Some(wanted)) if found != wanted);
        if other_id || !key.algorithms().contains(self.algorithm) {
            return self.another_key(&key, other_id);
        }
        Ok(key)
    }

    /// Refuses a key that the provider was not asked for.
    #[cold]
    fn another_key(&self, key: &VerifyingKey, other_id: bool) -> Result<Arc<VerifyingKey>, AuthError> {
        // The provider's `Debug` stays out: it may show the address or the name of a vault.
        tracing::error!(
            issuer = self.issuer,
            wanted = %self.algorithm,
            other_id,
            returned_id = key.id(),
            returned_algorithms = %key.algorithms(),
            "the key provider returned another key than it was asked for"
        );
        Err(InvalidToken::UnknownKey.into())
    }
}
