//! The result of a verification.

use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::claims::{Actor, Claims, GrantReader, Grants, NumericDate, ScopeHierarchy, StandardGrants};
use crate::clock::{Clock, SystemClock};
use crate::credential::Scheme;
use crate::error::InvalidToken;
use crate::jose::{Header, VerifyingKey, base64url};
use crate::verifier::{Evidence, Recheck, SenderConstraint};

/// A verified caller: the claims of a token that passed every check. Cheap to clone.
#[derive(Clone)]
pub struct Verified {
    contents: Arc<TokenContents>,
    scheme: Scheme,
    /// The first thing that is asked again while a connection of the caller is open. Few callers have more of them, so it needs no
    /// extras.
    recheck: Option<Arc<dyn Recheck>>,
    /// Most callers have none, so that a verification moves and drops little.
    extras: Option<Box<Extras>>,
}

/// What few callers have.
#[derive(Clone, Default)]
struct Extras {
    /// Instead of the verifier's.
    grants: Option<Arc<dyn GrantReader>>,
    response_headers: Option<Arc<[(String, String)]>>,
    /// Which scopes imply others, at the gate that let the caller in.
    scope_hierarchy: Option<Arc<ScopeHierarchy>>,
    /// The mark of the gate that checked the proof of the request.
    proof: Option<ProofMark>,
    /// What is asked again after the first one.
    more_rechecks: Vec<Arc<dyn Recheck>>,
}

/// Marks callers whose proof of possession was checked. Clones are the same mark.
#[derive(Clone, Debug, Default)]
pub(crate) struct ProofMark(Arc<()>);

/// What a token says, and how that was verified.
#[derive(Clone)]
pub(crate) struct TokenContents {
    pub(crate) claims: Claims,
    pub(crate) evidence: Evidence,
    /// `None` unless a JWT was verified.
    pub(crate) signed: Option<Signed>,
    pub(crate) common: Arc<Common>,
}

/// What all callers of a verifier have in common.
#[derive(Clone)]
pub(crate) struct Common {
    pub(crate) grants: Arc<dyn GrantReader>,
    /// The verifier's clock; `None` means the system's.
    pub(crate) clock: Option<Arc<dyn Clock>>,
}

/// The parts of a signed token, except its claims.
#[derive(Clone)]
pub(crate) struct Signed {
    pub(crate) header: Arc<Header>,
    pub(crate) key: Arc<VerifyingKey>,
    pub(crate) kept: Kept,
}

/// What the claims keep of a token's text ([`Claims::kept`]).
#[derive(Clone, Copy)]
pub(crate) enum Kept {
    /// The encoded signature.
    Signature,
    /// The whole text, of a token that is not in the JWS Compact Serialization.
    Text,
}

impl TokenContents {
    /// Whether a signature of this key was checked.
    pub(crate) fn is_signed_with(&self, key: &Arc<VerifyingKey>) -> bool {
        self.signed.as_ref().is_some_and(|signed| Arc::ptr_eq(key, &signed.key) || key.is_same(&signed.key))
    }

    /// How much memory the contents take, in bytes. The key is not counted, because its key set holds it anyway.
    pub(crate) fn memory(&self) -> usize {
        let of_signed = |signed: &Signed| signed.header.memory();
        size_of::<Self>() + self.claims.memory() + self.signed.as_ref().map_or(0, of_signed)
    }
}

impl Signed {
    /// The token's text. Only the canonical encoding of a part is accepted, so the decoded parts determine the text, and a
    /// verification does not have to copy it.
    fn text(&self, claims: &Claims) -> String {
        let signature = match self.kept {
            Kept::Signature => claims.kept(),
            Kept::Text => return claims.kept().to_owned(),
        };
        let [header, payload] =
            [self.header.as_json(), claims.as_json()].map(|part| base64url::encode(part.as_bytes()));
        [&header, &payload, signature].join(".")
    }
}

impl Verified {
    /// A caller whose token has a good signature.
    pub(crate) fn from_token(contents: Arc<TokenContents>) -> Self {
        Self { contents, scheme: Scheme::Bearer, recheck: None, extras: None }
    }

    /// A caller that your own [`Verifier`](crate::Verifier) verified by other means than a JWT: by introspection, by an API
    /// key or by a session. `claims` are what it knows about the caller, named as in a token (RFC 7519 §4.1, RFC 7662
    /// §2.2). The claims are not checked here: the verifier has checked that they hold now.
    ///
    /// See [`Verifier`](crate::Verifier) for an example.
    ///
    /// # Errors
    /// [`InvalidToken`] when the claims are not a JSON object, or a registered claim has a wrong type.
    pub fn from_claims(claims: &impl Serialize, evidence: Evidence) -> Result<Self, InvalidToken> {
        let payload = serde_json::to_vec(claims).map_err(|_| InvalidToken::Malformed { part: "payload" })?;
        let common = Arc::new(Common { grants: Arc::new(StandardGrants::new()), clock: None });
        let contents = TokenContents { claims: Claims::parse(payload)?, evidence, signed: None, common };
        Ok(Self::from_token(Arc::new(contents)))
    }

    /// `sub`: the caller's name at its issuer.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.contents.claims.subject()
    }

    /// `iss`: the issuer.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.contents.claims.issuer()
    }

    /// `aud`: the services that the token is for.
    pub fn audiences(&self) -> impl Iterator<Item = &str> {
        self.contents.claims.audiences()
    }

    /// The client that the token was issued to: `client_id` (RFC 9068 §2.2), else `azp` (OpenID Connect Core §2).
    #[must_use]
    pub fn client_id(&self) -> Option<String> {
        let claim = |name| self.contents.claims.get::<String>(name).ok().flatten();
        claim("client_id").or_else(|| claim("azp"))
    }

    /// `jti`: the token's identifier.
    #[must_use]
    pub fn token_id(&self) -> Option<&str> {
        self.contents.claims.token_id()
    }

    /// `exp`: the time when the token expires. A connection that lives longer than its request should end then
    /// ([`Gate::watch`](crate::Gate::watch)).
    #[must_use]
    pub fn expires_at(&self) -> Option<NumericDate> {
        self.contents.claims.expires_at()
    }

    /// The scopes that the token names. Policies also count those that they imply
    /// ([`Gate::with_scope_hierarchy`](crate::Gate::with_scope_hierarchy)).
    #[must_use]
    pub fn scopes(&self) -> Grants<'_> {
        self.grants().scopes(&self.contents.claims)
    }

    /// The permissions.
    #[must_use]
    pub fn permissions(&self) -> Grants<'_> {
        self.grants().permissions(&self.contents.claims)
    }

    /// The roles.
    #[must_use]
    pub fn roles(&self) -> Grants<'_> {
        self.grants().roles(&self.contents.claims)
    }

    /// The parties that act on behalf of the subject (`act`, RFC 8693 §4.1): the current actor first, then the one before it, at
    /// most 16. Empty means that the subject calls itself.
    ///
    /// Only the current actor may count in decisions about access. The others are for logs.
    /// [`Policy::actors`](crate::Policy::actors) limits who may act.
    ///
    /// ```
    /// # fn main() -> Result<(), portcullis::error::InvalidToken> {
    /// # let caller = portcullis::dangerous::assume_verified(
    /// #     &serde_json::json!({"sub": "alice", "act": {"sub": "agent-7", "act": {"sub": "web"}}}))?;
    /// let actors = caller.actors()?;
    /// assert_eq!(caller.subject(), Some("alice"));
    /// assert_eq!(actors[0].subject(), Some("agent-7"));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`InvalidToken::InvalidClaim`] when an actor is not an object, has neither `sub` nor `client_id`, or is one too many.
    pub fn actors(&self) -> Result<Vec<Actor>, InvalidToken> {
        self.contents.claims.actors()
    }

    /// The entries of `authorization_details` with the type `kind` (RFC 9396 §2), of a JWT or of an introspection answer.
    /// Empty if the claim is absent or has no such entry.
    ///
    /// A member that `T` does not know may limit what the entry allows, so write `deny_unknown_fields`.
    ///
    /// ```
    /// #[derive(serde::Deserialize)]
    /// #[serde(deny_unknown_fields)]
    /// struct Payment {
    ///     r#type: String,
    ///     creditor: String,
    /// }
    ///
    /// # fn main() -> Result<(), portcullis::error::InvalidToken> {
    /// # let caller = portcullis::dangerous::assume_verified(
    /// #     &serde_json::json!({"authorization_details": [{"type": "payment", "creditor": "shop"}]}))?;
    /// let payments = caller.authorization_details::<Payment>("payment")?;
    /// assert_eq!(payments[0].creditor, "shop");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`InvalidToken::InvalidClaim`] when the claim is not a list of objects with a `type`, an object has a member twice, or an
    /// entry of this type does not fit `T`.
    pub fn authorization_details<T: DeserializeOwned>(&self, kind: &str) -> Result<Vec<T>, InvalidToken> {
        self.contents.claims.authorization_details(kind)
    }

    /// All claims as one typed value.
    ///
    /// # Errors
    /// [`InvalidToken::InvalidClaims`] when they do not fit `C`.
    pub fn claims<C: DeserializeOwned>(&self) -> Result<C, InvalidToken> {
        self.contents.claims.deserialize()
    }

    /// The claim `name`; `None` when it is absent or null.
    ///
    /// # Errors
    /// [`InvalidToken::InvalidClaim`] when it does not fit `T`.
    pub fn claim<'a, T: Deserialize<'a>>(&'a self, name: &'static str) -> Result<Option<T>, InvalidToken> {
        self.contents.claims.get(name)
    }

    /// All claims, untyped.
    #[must_use]
    pub fn all_claims(&self) -> &Claims {
        &self.contents.claims
    }

    /// The token's header; `None` unless a JWT was verified.
    #[must_use]
    pub fn header(&self) -> Option<&Header> {
        self.contents.signed.as_ref().map(|signed| &*signed.header)
    }

    /// How the caller was verified.
    #[must_use]
    pub fn evidence(&self) -> Evidence {
        self.contents.evidence
    }

    /// The key that the token is bound to (`cnf`, RFC 7800); `None` means that any bearer may present it.
    ///
    /// A gate that checks bindings ([`Gate::with_dpop`](crate::Gate::with_dpop)) lets the caller in only if the request proves
    /// the key. Without one, the verifier decides: [`JwtVerifier`](crate::JwtVerifier) refuses a bound token, unless an option
    /// of [`dangerous`](crate::dangerous) accepts it.
    #[must_use]
    pub fn sender_constraint(&self) -> Option<SenderConstraint> {
        SenderConstraint::read(&self.contents.claims)
    }

    /// The text of the verified JWT, for calls to other services on the caller's behalf: to exchange it (RFC 8693) or to
    /// forward it. `None` unless a JWT was verified.
    ///
    /// The text identifies nothing: an ECDSA signature has a second form, so anyone who has a token can write it differently.
    /// Use [`Self::token_id`] to remember tokens.
    ///
    /// The text is put together anew by each call. It is a secret: with it, anyone can act as the caller. No `Debug` output of this crate prints it.
    #[must_use]
    pub fn raw_token(&self) -> Option<String> {
        self.contents.signed.as_ref().map(|signed| signed.text(&self.contents.claims))
    }

    /// The scheme under which the request presented its token.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    pub(crate) fn presented_by(mut self, scheme: Scheme) -> Self {
        self.scheme = scheme;
        self
    }

    pub(crate) fn with_scope_hierarchy(mut self, hierarchy: &Arc<ScopeHierarchy>) -> Self {
        self.extras_mut().scope_hierarchy = Some(Arc::clone(hierarchy));
        self
    }

    /// Whether the token has the scope `name`, or another that implies it.
    pub(crate) fn holds_scope(&self, name: &str) -> bool {
        let implied = |held: &str| {
            self.extras()
                .and_then(|extras| extras.scope_hierarchy.as_ref())
                .is_some_and(|scopes| scopes.implies(held, name))
        };
        self.scopes().iter().any(|held| held == name || implied(held))
    }

    pub(crate) fn with_proof(mut self, mark: &ProofMark) -> Self {
        self.extras_mut().proof = Some(mark.clone());
        self
    }

    pub(crate) fn has_proof(&self, ProofMark(mark): &ProofMark) -> bool {
        self.extras().and_then(|extras| extras.proof.as_ref()).is_some_and(|ProofMark(proof)| Arc::ptr_eq(proof, mark))
    }

    /// The time of the verifier's clock.
    pub(crate) fn now(&self) -> NumericDate {
        self.contents.common.clock.as_ref().map_or_else(|| SystemClock::new().now(), |clock| clock.now())
    }

    #[cfg(test)]
    pub(crate) fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        let common = &mut Arc::make_mut(&mut self.contents).common;
        Arc::make_mut(common).clock = Some(clock);
        self
    }

    /// Header fields that the response should carry, for example a fresh nonce.
    #[must_use]
    pub fn response_headers(&self) -> &[(String, String)] {
        self.extras().and_then(|extras| extras.response_headers.as_deref()).unwrap_or_default()
    }

    /// With these header fields for the response.
    ///
    /// They reach the response only behind a layer or middleware of an adapter. An extractor sees requests and not
    /// responses, so with an extractor only they are lost: a scheme that needs them has to work without them too.
    ///
    /// They are added to the fields of the response. Only `cache-control` is left out if the response has its own.
    #[must_use]
    pub fn with_response_headers(mut self, headers: impl IntoIterator<Item = (String, String)>) -> Self {
        self.extras_mut().response_headers = Some(headers.into_iter().collect());
        self
    }

    /// With these header fields for the response in addition to those of the verifier.
    pub(crate) fn with_more_response_headers(self, more: Vec<(String, String)>) -> Self {
        let headers = [self.response_headers(), &more].concat();
        self.with_response_headers(headers)
    }

    /// With a check that is asked again while a connection of the caller is open ([`Gate::watch`](crate::Gate::watch)). Each call
    /// of this method adds one. A verifier calls it that knows more than the token says.
    #[must_use]
    pub fn with_recheck(mut self, recheck: impl Recheck + 'static) -> Self {
        if self.recheck.is_none() {
            self.recheck = Some(Arc::new(recheck));
        } else {
            self.extras_mut().more_rechecks.push(Arc::new(recheck));
        }
        self
    }

    #[cfg(feature = "remote")]
    pub(crate) fn rechecks(&self) -> impl Iterator<Item = &dyn Recheck> {
        let more = self.extras().into_iter().flat_map(|extras| &extras.more_rechecks);
        self.recheck.iter().chain(more).map(|recheck| &**recheck)
    }

    /// With scopes, permissions and roles read by `grants`.
    #[must_use]
    pub fn with_grants(mut self, grants: impl GrantReader + 'static) -> Self {
        self.extras_mut().grants = Some(Arc::new(grants));
        self
    }

    fn grants(&self) -> &dyn GrantReader {
        let own = self.extras().and_then(|extras| extras.grants.as_ref());
        &**own.unwrap_or(&self.contents.common.grants)
    }

    fn extras(&self) -> Option<&Extras> {
        self.extras.as_deref()
    }

    fn extras_mut(&mut self) -> &mut Extras {
        self.extras.get_or_insert_default()
    }
}

impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verified { .. }")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_is_kept_and_nothing_is_printed() {
        for evidence in [Evidence::ApiKey, Evidence::Introspection, Evidence::Session] {
            let caller = Verified::from_claims(&serde_json::json!({"sub": "user", "scope": "read"}), evidence).unwrap();
            assert_eq!(
                (caller.evidence(), caller.subject(), caller.scheme()),
                (evidence, Some("user"), Scheme::Bearer)
            );
            assert_eq!(caller.scopes(), ["read"]);
            assert_eq!((caller.raw_token(), caller.header().is_none()), (None, true));
            assert_eq!(format!("{caller:?}"), "Verified { .. }");
        }
        let caller = crate::dangerous::assume_verified(&serde_json::json!({})).unwrap();
        assert_eq!((caller.evidence(), caller.sender_constraint()), (Evidence::Assumed, None));
    }

    #[test]
    fn claims_of_a_wrong_form_are_refused() {
        let refused = |claims: serde_json::Value| Verified::from_claims(&claims, Evidence::Session).err();
        assert_eq!(refused(serde_json::json!([])), Some(InvalidToken::Malformed { part: "payload" }));
        assert_eq!(refused(serde_json::json!("sub")), Some(InvalidToken::Malformed { part: "payload" }));
        assert_eq!(refused(serde_json::json!({"sub": 7})), Some(InvalidToken::invalid("sub")));
        assert_eq!(refused(serde_json::json!({"exp": "7"})), Some(InvalidToken::invalid("exp")));
    }
}
