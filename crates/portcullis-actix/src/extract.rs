//! The extractors.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage, HttpRequest, web};
use portcullis::adapter::Admission;
use portcullis::claims::{FromClaims, NoClaims};
use portcullis::{Gate, Policy, Refusal, Require, Verified};

use crate::rejection::Rejection;
use crate::view::HttpRequestView;

/// A verified caller, with the claims as `C`. It dereferences to [`Verified`].
///
/// Never as `Option<Auth>`, which lets a forged token pass as an anonymous caller and is logged as an error: see
/// [`MaybeAuth`].
#[derive(Clone)]
pub struct Auth<C = NoClaims> {
    verified: Verified,
    /// The claims, deserialised.
    pub claims: C,
}

/// A verified caller, or a request without a credential; a bad credential is refused. It dereferences to
/// `Option<Auth<C>>`.
#[derive(Clone)]
pub struct MaybeAuth<C = NoClaims>(pub Option<Auth<C>>);

/// A verified caller whom the policy of `P` allows, with the claims as `C`. It dereferences to [`Verified`].
pub struct Authorized<P, C = NoClaims> {
    verified: Verified,
    /// The claims, deserialized.
    pub claims: C,
    policy: PhantomData<fn() -> P>,
}

impl<C> Auth<C> {
    /// The caller and the claims.
    pub fn into_parts(self) -> (Verified, C) {
        (self.verified, self.claims)
    }
}

impl<P, C> Authorized<P, C> {
    /// The caller and the claims.
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
        Box::pin(async move { admit(&request, &Policy::authenticated()).await })
    }
}

impl<C: FromClaims + 'static> FromRequest for MaybeAuth<C> {
    type Error = Rejection;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let gate = find_gate(&request)?;
            let (known, view) = (admission(&request), HttpRequestView::new(&request));
            let caller = gate.extract_optional(&view, known.as_ref(), &Policy::authenticated()).await?;
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
            let (verified, claims) = admit(&request, &P::policy()).await?.into_parts();
            Ok(Self { verified, claims, policy: PhantomData })
        })
    }
}

async fn admit<C: FromClaims>(request: &HttpRequest, policy: &Policy) -> Result<Auth<C>, Rejection> {
    let gate = find_gate(request)?;
    let known = admission(request);
    let (verified, claims) = gate.extract(&HttpRequestView::new(request), known.as_ref(), policy).await?;
    Ok(Auth { verified, claims })
}

/// What a middleware before left behind.
fn admission(request: &HttpRequest) -> Option<Admission> {
    request.extensions().get::<Admission>().cloned()
}

/// The innermost middleware's gate, else that of `app_data`, else the answer 500.
pub(crate) fn find_gate(request: &HttpRequest) -> Result<Gate, Rejection> {
    if let Some(gate) = request.extensions().get::<Gate>() {
        return Ok(gate.clone());
    }
    let shared = request.app_data::<web::Data<Gate>>().map(|gate| gate.get_ref());
    match (request.app_data::<Gate>(), shared) {
        // Actix finds the innermost of each type, but does not say which of the two is further in.
        (Some(gate), Some(shared)) if !gate.is_same(shared) => Err(Refusal::misconfigured(
            "app_data holds a Gate and another web::Data<Gate>: keep to one of the two types",
        )
        .into()),
        (Some(gate), _) | (None, Some(gate)) => Ok(gate.clone()),
        (None, None) => {
            let problem = "no Gate and no web::Data<Gate> in app_data: give the App one, with .app_data(gate.clone())";
            Err(Refusal::misconfigured(problem).into())
        }
    }
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
