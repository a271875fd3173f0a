//! The verification of one token, step by step. It waits for nothing, so that a verification whose keys are at hand needs no
//! memory for a future.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use crate::credential::Credential;
use crate::error::{AuthError, InvalidToken};
use crate::jose::compact::Compact;
use crate::jose::{Algorithm, Header, VerifyingKey};
use crate::keys::KeyProvider;
use crate::measure::TokenCacheOutcome;
use crate::verifier::header_memo::read_header;
use crate::verifier::key_lookup::{KeySearch, Tries, allowed_algorithm};
use crate::verifier::verified::{Kept, Signed, TokenContents};
use crate::verifier::{Evidence, JwtVerifier, Verified};

/// A verification that has begun: [`Verifier::begin`](crate::Verifier::begin).
#[must_use = "a verification decides nothing until its result is read"]
pub enum Verification<'a> {
    /// The result, which needed no waiting.
    Done(Result<Verified, AuthError>),
    /// What is left to do.
    Waits(Pin<Box<dyn Future<Output = Result<Verified, AuthError>> + Send + 'a>>),
}

impl Verification<'_> {
    /// Waits for the result, if that is needed.
    ///
    /// # Errors
    /// Why the caller is not let in.
    pub async fn finish(self) -> Result<Verified, AuthError> {
        match self {
            Self::Done(result) => result,
            Self::Waits(rest) => rest.await,
        }
    }
}

impl fmt::Debug for Verification<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done(result) => f.debug_tuple("Done").field(result).finish(),
            Self::Waits(_) => f.write_str("Waits"),
        }
    }
}

/// The verification of a token in the JWS Compact Serialization, whose next step needs a key.
pub(super) struct JwtVerification<'a> {
    verifier: &'a JwtVerifier,
    token: Compact<'a>,
    header: Arc<Header>,
    algorithm: Algorithm,
    origin: HeaderOrigin,
    /// What the cache has about the token. So the search is for the key that verified it.
    cached: Option<Arc<TokenContents>>,
    /// The first key of that search.
    first: Option<Arc<VerifyingKey>>,
    is_binding_left_to_gate: bool,
    tries: Tries,
}

/// Where the header of a token comes from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum HeaderOrigin {
    /// A cache.
    Known,
    /// The token. If `counts`, reading it took one from the allowance of long headers.
    Read { counts: bool },
}

impl<'a> JwtVerification<'a> {
    /// Checks all that needs no key. `read` is the header, where that was read already.
    pub(super) fn new(
        verifier: &'a JwtVerifier,
        credential: &Credential<'a>,
        token: Compact<'a>,
        read: Option<Header>,
    ) -> Result<Self, AuthError> {
        JwtVerifier::check_scheme(credential)?;
        token.check_size(verifier.max_token_bytes)?;
        let cached = verifier.cache.as_ref().and_then(|cache| cache.get(&token));
        let known =
            cached.as_ref().and_then(|contents| contents.signed.as_ref()).map(|signed| Arc::clone(&signed.header));
        let (header, origin) = match known.or_else(|| verifier.headers.recall(&token)) {
            // The type of a header in a cache was checked, and the accepted types do not change.
            Some(header) => (header, HeaderOrigin::Known),
            None => {
                let (header, counts) = match read {
                    Some(header) => (header, false),
                    None => read_header(&token, &verifier.long_headers)?,
                };
                verifier.token_types.check(&header)?;
                (Arc::new(header), HeaderOrigin::Read { counts })
            }
        };
        let algorithm = allowed_algorithm(&header, verifier.algorithms)?;
        let is_binding_left_to_gate = credential.is_binding_left_to_gate();
        let (first, tries) = (None, Tries::default());
        Ok(Self { verifier, token, header, algorithm, origin, cached, first, is_binding_left_to_gate, tries })
    }

    /// Goes on as long as keys are at hand. Returns the result; `None` when the next key is not at hand.
    pub(super) fn at_hand(&mut self) -> Option<Result<Verified, AuthError>> {
        loop {
            let answer = self.search().find_at_hand(&self.tries)?;
            let done = self.go_on(answer);
            if done.is_some() {
                return done;
            }
        }
    }

    /// Waits for the keys that are not at hand.
    pub(super) async fn wait(mut self) -> Result<Verified, AuthError> {
        let mut answer = self.search().find_waiting(&self.tries).await;
        loop {
            if let Some(done) = self.go_on(answer) {
                return done;
            }
            answer = self.search().find(&self.tries).await;
        }
    }

    fn search(&self) -> KeySearch<'_, dyn KeyProvider> {
        self.verifier.key_search(&self.header, self.algorithm)
    }

    /// Takes one step with the key provider's answer. Returns the result, or `None` when a further key is needed.
    fn go_on(&mut self, answer: Result<Arc<VerifyingKey>, AuthError>) -> Option<Result<Verified, AuthError>> {
        let mut key = match self.tries.key_of(answer) {
            Ok(key) => key,
            Err(error) => return Some(Err(error)),
        };
        if let Some(contents) = self.cached.take() {
            if key.as_ref().is_some_and(|key| contents.is_signed_with(key)) {
                self.verifier.count_lookup(TokenCacheOutcome::Hit);
                return Some(self.checked(contents, false));
            }
            let first = self.first.take().or_else(|| key.clone());
            if let Some(found) = key
                && self.tries.note(found, &self.header)
            {
                (self.cached, self.first) = (Some(contents), first);
                return None;
            }
            // The key of the cached token was withdrawn or replaced. The search begins anew, to check the signature.
            (key, self.tries) = (first, Tries::default());
        }
        let Some(key) = key else { return Some(Err(InvalidToken::BadSignature.into())) };
        if self.tries.is_empty() {
            self.verifier.count_lookup(TokenCacheOutcome::Miss);
        }
        match self.token.verify(&key, self.algorithm) {
            Ok(()) => Some(self.read(key).and_then(|contents| self.checked(contents, true))),
            Err(InvalidToken::BadSignature) if self.tries.note(key, &self.header) => None,
            Err(error) => Some(Err(error.into())),
        }
    }

    /// Reads the payload of a token with a good signature.
    fn read(&self, key: Arc<VerifyingKey>) -> Result<Arc<TokenContents>, AuthError> {
        if self.origin != HeaderOrigin::Known {
            self.verifier.headers.remember(&self.token, &self.header);
        }
        let signature = self.token.encoded_signature();
        let mut claims = self.verifier.parse_claims(self.token.payload_with_room(signature.len())?)?;
        let kept = Kept::Signature(claims.keep(signature)?);
        let signed = Signed { header: Arc::clone(&self.header), key, kept };
        let (evidence, common) = (Evidence::Signature, Arc::clone(&self.verifier.common));
        Ok(Arc::new(TokenContents { claims, evidence, signed: Some(signed), common }))
    }

    /// Checks the claims of a token with a good signature. `is_new` tells whether the token is not in the cache.
    fn checked(&self, contents: Arc<TokenContents>, is_new: bool) -> Result<Verified, AuthError> {
        let verifier = self.verifier;
        if self.origin == (HeaderOrigin::Read { counts: true }) {
            verifier.long_headers.give_back();
        }
        let now = verifier.clock.now();
        let checked = verifier.check_claims(&contents, now, self.is_binding_left_to_gate);
        if let Some(cache) = &verifier.cache {
            if is_new {
                cache.insert(&self.token, &contents, now, verifier.leeway);
            } else if matches!(checked, Err(AuthError::InvalidToken(InvalidToken::Expired))) {
                cache.forget(&self.token);
            }
        }
        checked.map(|()| Verified::from_token(contents))
    }
}
