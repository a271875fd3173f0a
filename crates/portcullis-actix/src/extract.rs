//! The extractors.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use portcullis::adapter::Admission;
use portcullis::claims::{FromClaims, NoClaims};
use portcullis::{Gate, Policy, Require, Verified};

use crate::rejection::Rejection;
use crate::state::{find_admission, find_gate, keep};
use crate::view::view;

/// What an extractor without a policy requires.
static AUTHENTICATED: Policy = Policy::authenticated();

/// A verified caller, with the claims as `C`. It dereferences to [`Verified`].
///
/// [`MaybeAuth`] makes the credential optional. `Option<Auth>` does not: Actix turns every failure into `None`, so a
/// forged token would pass as an anonymous caller.
///
/// ```
/// use portcullis_actix::Auth;
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

/// An optional [`Auth`]. `None` means that the request has no credential. A bad credential is still refused.
///
/// It dereferences to `Option<Auth<C>>`.
#[derive(Clone)]
pub struct MaybeAuth<C = NoClaims>(pub Option<Auth<C>>);

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

type Extraction<T> = Pin<Box<dyn Future<Output = Result<T, Rejection>>>>;

impl<C: FromClaims + 'static> FromRequest for Auth<C> {
    type Error = Rejection;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let (verified, claims) = extract(&request, &find_gate(&request)?, &AUTHENTICATED).await?;
            Ok(Self { verified, claims })
        })
    }
}

impl<C: FromClaims + 'static> FromRequest for MaybeAuth<C> {
    type Error = Rejection;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let (gate, known) = (find_gate(&request)?, find_admission(&request));
            let caller = gate.extract_optional(&view(&request), known.as_ref(), &AUTHENTICATED).await?;
            keep(&request, caller.as_ref().and_then(|(caller, _)| Admission::to_keep(&gate, caller, known.as_ref())));
            Ok(Self(caller.map(|(verified, claims)| Auth { verified, claims })))
        })
    }
}

impl<P: Require + 'static, C: FromClaims + 'static> FromRequest for Authorized<P, C> {
    type Error = Rejection;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let gate = find_gate(&request)?;
            let (verified, claims) = extract(&request, &gate, &gate.policy_of::<P>()?).await?;
            Ok(Self { verified, claims, policy: PhantomData })
        })
    }
}

async fn extract<C: FromClaims>(
    request: &HttpRequest,
    gate: &Gate,
    policy: &Policy,
) -> Result<(Verified, C), Rejection> {
    let known = find_admission(request);
    let (caller, claims) = gate.extract(&view(request), known.as_ref(), policy).await?;
    keep(request, Admission::to_keep(gate, &caller, known.as_ref()));
    Ok((caller, claims))
}

impl<C> Deref for Auth<C> {
    type Target = Verified;

    fn deref(&self) -> &Verified {
        &self.verified
    }
}

impl<C> Deref for MaybeAuth<C> {
    type Target = Option<Auth<C>>;

    fn deref(&self) -> &Option<Auth<C>> {
        &self.0
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

impl<C> fmt::Debug for MaybeAuth<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MaybeAuth").field(&self.0).finish()
    }
}

impl<P, C> fmt::Debug for Authorized<P, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authorized { .. }")
    }
}
