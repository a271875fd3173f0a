//! The verification of one token, step by step. It waits for nothing, so that a verification whose keys are at hand needs no
//! memory for a future.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use crate::claims::Claims;
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
    text: &'a [u8],
    /// What the cache has about the token. So the search is for the key that verified it.
    cached: Option<Arc<TokenContents>>,
    /// The first key of that search.
    first: Option<Arc<VerifyingKey>>,
    /// The parts of the token and its header, unless it is cached.
    parts: Option<Compact<'a>>,
    /// Whether the payload or the signature may have more dots, which none of a good token has.
    may_have_more_dots: bool,
    header: Option<Arc<Header>>,
    origin: HeaderOrigin,
    algorithm: Algorithm,
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
    /// Begins with the text of a token, and goes on as far as it is possible without waiting.
    pub(super) fn begin(verifier: &'a JwtVerifier, credential: &Credential<'a>) -> Verification<'a> {
        let text = credential.unverified_bytes();
        // The type of a header in a cache was checked, and the accepted types do not change.
        let Some((parts, header)) = verifier.headers.split(text) else {
            return match verifier.opaque_prefixes.parse(text, verifier.max_token_bytes) {
                Ok(parts) => Self::begin_split(verifier, credential, parts, None),
                Err(error) => Verification::Done(JwtVerifier::check_scheme(credential).and(Err(error.into()))),
            };
        };
        let checked = JwtVerifier::check_scheme(credential)
            .and_then(|()| Ok(parts.check_size(verifier.max_token_bytes)?))
            .and_then(|()| Ok(allowed_algorithm(header, verifier.algorithms)?));
        match checked {
            Ok(algorithm) => {
                let header = (Arc::clone(header), HeaderOrigin::Known);
                Self { may_have_more_dots: true, ..Self::of_parts(verifier, credential, parts, header, algorithm) }
                    .run()
            }
            Err(error) => Verification::Done(Err(error)),
        }
    }

    /// Begins with the parts of a token, like [`Self::begin`]. `read` is the header, where that was read already.
    pub(super) fn begin_split(
        verifier: &'a JwtVerifier,
        credential: &Credential<'a>,
        parts: Compact<'a>,
        read: Option<Header>,
    ) -> Verification<'a> {
        let read = Self::header_of(verifier, credential, &parts, read)
            .and_then(|read| Ok((allowed_algorithm(&read.0, verifier.algorithms)?, read)));
        match read {
            Ok((algorithm, header)) => Self::of_parts(verifier, credential, parts, header, algorithm).run(),
            Err(error) => Verification::Done(Err(error)),
        }
    }

    #[inline]
    fn of_parts(
        verifier: &'a JwtVerifier,
        credential: &Credential<'a>,
        parts: Compact<'a>,
        (header, origin): (Arc<Header>, HeaderOrigin),
        algorithm: Algorithm,
    ) -> Self {
        Self {
            verifier,
            text: parts.text(),
            cached: None,
            first: None,
            parts: Some(parts),
            may_have_more_dots: false,
            header: Some(header),
            origin,
            algorithm,
            is_binding_left_to_gate: credential.is_binding_left_to_gate(),
            tries: Tries::default(),
        }
    }

    /// Begins with what the cache has about a token, like [`Self::begin`].
    pub(super) fn begin_cached(
        verifier: &'a JwtVerifier,
        credential: &Credential<'a>,
        contents: Arc<TokenContents>,
    ) -> Verification<'a> {
        let checked = JwtVerifier::check_scheme(credential).and_then(|()| {
            let header = &contents.signed.as_ref().ok_or_else(no_header)?.header;
            Ok((header, allowed_algorithm(header, verifier.algorithms)?))
        });
        let (header, algorithm) = match checked {
            Ok(checked) => checked,
            Err(error) => return Verification::Done(Err(error)),
        };
        let answer = verifier.key_search(header, algorithm).find_at_hand(&Tries::default());
        match answer {
            Some(Ok(key)) if contents.is_signed_with(&key) => {
                let is_binding_left_to_gate = credential.is_binding_left_to_gate();
                Verification::Done(hit(verifier, credential.unverified_bytes(), is_binding_left_to_gate, contents))
            }
            answer => Self::of_cached(verifier, credential, contents, algorithm).go_on_from(answer),
        }
    }

    /// The verification of a token that is cached, whose key is not at hand, or not the one that verified it.
    #[cold]
    fn of_cached(
        verifier: &'a JwtVerifier,
        credential: &Credential<'a>,
        contents: Arc<TokenContents>,
        algorithm: Algorithm,
    ) -> Self {
        Self {
            verifier,
            text: credential.unverified_bytes(),
            cached: Some(contents),
            first: None,
            parts: None,
            may_have_more_dots: false,
            header: None,
            origin: HeaderOrigin::Known,
            algorithm,
            is_binding_left_to_gate: credential.is_binding_left_to_gate(),
            tries: Tries::default(),
        }
    }

    /// Goes on with the first answer of the key provider; `None` when it is not at hand.
    #[cold]
    fn go_on_from(mut self, answer: Option<Result<Arc<VerifyingKey>, AuthError>>) -> Verification<'a> {
        match answer.map(|answer| self.go_on(answer)) {
            Some(Some(result)) => Verification::Done(result),
            Some(None) => self.run(),
            None => self.into_waiting(),
        }
    }

    /// The header of a token, after the checks that need no key.
    fn header_of(
        verifier: &JwtVerifier,
        credential: &Credential<'a>,
        parts: &Compact<'a>,
        read: Option<Header>,
    ) -> Result<(Arc<Header>, HeaderOrigin), AuthError> {
        JwtVerifier::check_scheme(credential)?;
        parts.check_size(verifier.max_token_bytes)?;
        match verifier.headers.recall(parts) {
            Some(header) => Ok((header, HeaderOrigin::Known)),
            None => Self::new_header(verifier, parts, read),
        }
    }

    #[cold]
    fn new_header(
        verifier: &JwtVerifier,
        parts: &Compact<'a>,
        read: Option<Header>,
    ) -> Result<(Arc<Header>, HeaderOrigin), AuthError> {
        let (header, counts) = match read {
            Some(header) => (header, false),
            None => read_header(parts, &verifier.long_headers)?,
        };
        verifier.token_types.check(&header)?;
        Ok((Arc::new(header), HeaderOrigin::Read { counts }))
    }

    /// Goes on as far as it is possible without waiting.
    #[inline]
    fn run(mut self) -> Verification<'a> {
        match self.at_hand() {
            Some(Err(error)) if self.may_have_more_dots => Verification::Done(Err(self.reason(error))),
            Some(result) => Verification::Done(result),
            None => self.into_waiting(),
        }
    }

    /// The reason for a refusal, where the number of dots was not looked at: it comes first.
    #[cold]
    fn reason(&self, found: AuthError) -> AuthError {
        match self.verifier.opaque_prefixes.parse(self.text, self.verifier.max_token_bytes) {
            Ok(_) => found,
            Err(error) => error.into(),
        }
    }

    #[cold]
    fn into_waiting(self) -> Verification<'a> {
        if self.may_have_more_dots
            && let Err(error) = self.verifier.opaque_prefixes.parse(self.text, self.verifier.max_token_bytes)
        {
            return Verification::Done(Err(error.into()));
        }
        Verification::Waits(Box::pin(self.wait()))
    }

    /// Goes on as long as keys are at hand. Returns the result; `None` when the next key is not at hand.
    fn at_hand(&mut self) -> Option<Result<Verified, AuthError>> {
        loop {
            let answer = match self.search() {
                Ok(search) => search.find_at_hand(&self.tries)?,
                Err(error) => Err(error),
            };
            let done = self.go_on(answer);
            if done.is_some() {
                return done;
            }
        }
    }

    /// Waits for the keys that are not at hand.
    async fn wait(mut self) -> Result<Verified, AuthError> {
        let mut answer = self.search()?.find_waiting(&self.tries).await;
        loop {
            if let Some(done) = self.go_on(answer) {
                return done;
            }
            answer = self.search()?.find(&self.tries).await;
        }
    }

    fn search(&self) -> Result<KeySearch<'_, dyn KeyProvider>, AuthError> {
        let header = self.header().ok_or_else(no_header)?;
        Ok(self.verifier.key_search(header, self.algorithm))
    }

    fn header(&self) -> Option<&Header> {
        let of_cached = || Some(&*self.cached.as_ref()?.signed.as_ref()?.header);
        self.header.as_deref().or_else(of_cached)
    }

    /// Takes one step with the key provider's answer. Returns the result, or `None` when a further key is needed.
    fn go_on(&mut self, answer: Result<Arc<VerifyingKey>, AuthError>) -> Option<Result<Verified, AuthError>> {
        let key = match self.tries.key_of(answer) {
            Ok(key) => key,
            Err(error) => return Some(Err(error)),
        };
        match self.cached.take() {
            Some(contents) => self.go_on_cached(contents, key),
            None => self.go_on_with(key),
        }
    }

    /// Takes one step with the next key for a token that is cached.
    fn go_on_cached(
        &mut self,
        contents: Arc<TokenContents>,
        key: Option<Arc<VerifyingKey>>,
    ) -> Option<Result<Verified, AuthError>> {
        if key.as_ref().is_some_and(|key| contents.is_signed_with(key)) {
            return Some(hit(self.verifier, self.text, self.is_binding_left_to_gate, contents));
        }
        let first = self.first.take().or_else(|| key.clone());
        if let (Some(found), Some(signed)) = (key, &contents.signed)
            && self.tries.note(found, &signed.header)
        {
            (self.cached, self.first) = (Some(contents), first);
            return None;
        }
        // The key of the cached token was withdrawn or replaced. The search begins anew, to check the signature.
        match Compact::parse(self.text, self.verifier.max_token_bytes) {
            Ok(parts) => self.parts = Some(parts),
            Err(error) => return Some(Err(error.into())),
        }
        self.header = contents.signed.as_ref().map(|signed| Arc::clone(&signed.header));
        self.tries = Tries::default();
        self.go_on_with(first)
    }

    /// Checks the signature with the next key.
    fn go_on_with(&mut self, key: Option<Arc<VerifyingKey>>) -> Option<Result<Verified, AuthError>> {
        let Some(key) = key else { return Some(Err(InvalidToken::BadSignature.into())) };
        if self.tries.is_empty() {
            self.verifier.count_lookup(TokenCacheOutcome::Miss);
        }
        let (Some(parts), Some(header)) = (&self.parts, &self.header) else { return Some(Err(no_header())) };
        // Where more dots are possible, the payload is decoded first: it has none then, and with a dot a refusal stays cheap.
        let payload = match self.may_have_more_dots.then(|| parts.payload_with_room(parts.encoded_signature().len())) {
            Some(Err(error)) => match self.reason(error.into()) {
                AuthError::InvalidToken(InvalidToken::Malformed { .. }) => None,
                more_dots => return Some(Err(more_dots)),
            },
            decoded => decoded.and_then(Result::ok),
        };
        match parts.verify(&key, self.algorithm) {
            Ok(()) => Some(self.read(key, payload).and_then(|contents| self.checked(contents))),
            Err(InvalidToken::BadSignature) if self.tries.note(key, header) => None,
            Err(error) => Some(Err(error.into())),
        }
    }

    /// Reads the payload of a token with a good signature. `decoded` is the payload, where that was decoded already.
    fn read(&mut self, key: Arc<VerifyingKey>, decoded: Option<Vec<u8>>) -> Result<Arc<TokenContents>, AuthError> {
        let (Some(parts), Some(header)) = (&self.parts, self.header.take()) else { return Err(no_header()) };
        if self.origin != HeaderOrigin::Known {
            self.verifier.headers.remember(parts, &header);
        }
        let signature = parts.encoded_signature();
        let payload = match decoded {
            Some(payload) => payload,
            None => parts.payload_with_room(signature.len())?,
        };
        let signed = Some(Signed { header, key, kept: Kept::Signature });
        let (evidence, common) = (Evidence::Signature, Arc::clone(&self.verifier.common));
        // Claims are large, so they are read where they stay.
        let mut contents = Arc::new(TokenContents { claims: Claims::empty(), evidence, signed, common });
        let claims = &mut Arc::get_mut(&mut contents).ok_or_else(no_header)?.claims;
        self.verifier.read_claims(claims, payload, signature)?;
        Ok(contents)
    }

    /// Checks the claims of a token with a good signature that is not in the cache.
    fn checked(&self, contents: Arc<TokenContents>) -> Result<Verified, AuthError> {
        let verifier = self.verifier;
        if self.origin == (HeaderOrigin::Read { counts: true }) {
            verifier.long_headers.give_back();
        }
        let now = verifier.clock.now();
        let checked = verifier.check_claims(&contents, now, self.is_binding_left_to_gate);
        if let Some(cache) = &verifier.cache {
            cache.insert(self.text, &contents, now, verifier.leeway);
        }
        checked.map(|()| Verified::from_token(contents))
    }
}

/// Checks the claims of a cached token, whose key is still valid.
fn hit(
    verifier: &JwtVerifier,
    text: &[u8],
    is_binding_left_to_gate: bool,
    contents: Arc<TokenContents>,
) -> Result<Verified, AuthError> {
    verifier.count_lookup(TokenCacheOutcome::Hit);
    let checked = verifier.check_claims(&contents, verifier.clock.now(), is_binding_left_to_gate);
    if let (Some(cache), Err(AuthError::InvalidToken(InvalidToken::Expired))) = (&verifier.cache, &checked) {
        cache.forget(text);
    }
    checked.map(|()| Verified::from_token(contents))
}

/// A token is split or cached, and has its header then, so this does not happen.
fn no_header() -> AuthError {
    AuthError::Server("a verification has no header".into())
}
