//! The extractors.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use http::request::Parts;
use portcullis::adapter::Admission;
use portcullis::claims::{FromClaims, NoClaims};
use portcullis::{Policy, Require, Verified};

use crate::rejection::Rejection;
use crate::state::{HasGate, find_gate};
use crate::view::view;

/// What an extractor without a policy requires.
static AUTHENTICATED: Policy = Policy::authenticated();

/// A verified caller, with the claims as `C`. It dereferences to [`Verified`].
///
/// `Option<Auth<C>>` makes the credential optional. `None` means that the request has none. A bad credential is still
/// refused.
///
/// ```
/// use portcullis_axum::Auth;
///
/// #[derive(serde::Deserialize)]
/// struct Profile {
///     email: String,
/// }
///
/// async fn me(auth: Auth<Profile>) -> String {
///     format!("{:?} is {}", auth.subject(), auth.claims.email)
/// }
/// ```
#[derive(Clone)]
pub struct Auth<C = NoClaims> {
    verified: Verified,
    /// The claims, deserialized.
    pub claims: C,
}

/// A verified caller that the policy of `P` allows, with the claims as `C`. It dereferences to [`Verified`].
pub struct Authorized<P, C = NoClaims> {
    verified: Verified,
    /// The claims, deserialized.
    pub claims: C,
    policy: PhantomData<fn() -> P>,
}

impl<C> Auth<C> {
    /// Returns the caller and the claims.
    pub fn into_parts(self) -> (Verified, C) {
        (self.verified, self.claims)
    }
}

impl<P, C> Authorized<P, C> {
    /// Returns the caller and the claims.
    pub fn into_parts(self) -> (Verified, C) {
        (self.verified, self.claims)
    }
}

impl<S, C> FromRequestParts<S> for Auth<C>
where
    S: HasGate + Send + Sync,
    C: FromClaims,
{
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Rejection> {
        let (verified, claims) = extract(parts, state, &AUTHENTICATED).await?;
        Ok(Self { verified, claims })
    }
}

impl<S, C> OptionalFromRequestParts<S> for Auth<C>
where
    S: HasGate + Send + Sync,
    C: FromClaims,
{
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, Rejection> {
        let (gate, known) = (find_gate(parts, state)?, parts.extensions.get());
        let caller = gate.extract_optional(&view(parts), known, &AUTHENTICATED).await?;
        let kept = caller.as_ref().and_then(|(caller, _)| Admission::to_keep(gate, caller, known));
        keep(parts, kept);
        Ok(caller.map(|(verified, claims)| Self { verified, claims }))
    }
}

impl<S, P, C> FromRequestParts<S> for Authorized<P, C>
where
    S: HasGate + Send + Sync,
    P: Require,
    C: FromClaims,
{
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Rejection> {
        let policy = find_gate(parts, state)?.policy_of::<P>()?;
        let (verified, claims) = extract(parts, state, &policy).await?;
        Ok(Self { verified, claims, policy: PhantomData })
    }
}

async fn extract<S: HasGate, C: FromClaims>(
    parts: &mut Parts,
    state: &S,
    policy: &Policy,
) -> Result<(Verified, C), Rejection> {
    let (gate, known) = (find_gate(parts, state)?, parts.extensions.get());
    let (caller, claims) = gate.extract(&view(parts), known, policy).await?;
    let kept = Admission::to_keep(gate, &caller, known);
    keep(parts, kept);
    Ok((caller, claims))
}

/// Keeps the caller for other extractors of the request.
fn keep(parts: &mut Parts, admission: Option<Admission>) {
    if let Some(admission) = admission {
        parts.extensions.insert(admission);
    }
}

impl<C> Deref for Auth<C> {
    type Target = Verified;

    fn deref(&self) -> &Verified {
        &self.verified
    }
}

impl<P, C> Deref for Authorized<P, C> {
    type Target = Verified;

    fn deref(&self) -> &Verified {
        &self.verified
    }
}

impl<C> fmt::Debug for Auth<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Auth { .. }")
    }
}

impl<P, C> fmt::Debug for Authorized<P, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authorized { .. }")
    }
}
