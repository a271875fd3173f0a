//! From a request to a verified caller, or to the answer that refuses it.

use crate::claims::FromClaims;
use crate::credential::{Credential, Presented, RequestView, Scheme, present};
use crate::error::AuthError;
use crate::gate::{Admission, Gate};
use crate::policy::Policy;
use crate::refusal::{Refusal, log};
use crate::session;
use crate::verifier::Verified;

/// Why a caller is not let in, and the scheme that the request used, where that is known.
struct Denied {
    error: AuthError,
    scheme: Option<Scheme>,
}

impl Gate {
    /// Does what an adapter's extractor needs: admits the caller of `request` and reads the claims as `C`.
    ///
    /// `known` is the admission of a guard that the request passed, if any. Where this gate made it, the caller is not
    /// verified again, only checked against `policy`; the admission of another gate does not count.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use portcullis::adapter::HeaderList;
    /// use portcullis::{dangerous, scopes};
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Tenant {
    ///     tenant: String,
    /// }
    ///
    /// let caller = serde_json::json!({"sub": "user", "scope": "read", "tenant": "t1"});
    /// let gate = dangerous::admit_everyone_as(dangerous::assume_verified(&caller)?);
    /// let request = HeaderList::new("GET", [("authorization", "Bearer …")]);
    ///
    /// let (caller, Tenant { tenant }) = gate.extract(&request, None, &scopes("read")).await.unwrap();
    /// assert_eq!((caller.subject(), tenant.as_str()), (Some("user"), "t1"));
    ///
    /// let refusal = gate.extract::<Tenant>(&request, None, &scopes("write")).await.err().unwrap();
    /// assert_eq!(refusal.status, 403);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// The answer that refuses the request.
    pub async fn extract<C: FromClaims>(
        &self,
        request: &dyn RequestView,
        known: Option<&Admission>,
        policy: &Policy,
    ) -> Result<(Verified, C), Refusal> {
        let admitted = match known.and_then(|known| known.by(self)) {
            Some(caller) => readmit(caller, policy),
            None => self.admit_or_deny(request, policy).await,
        };
        admitted.and_then(typed).map_err(|denied| self.answer(&denied, policy))
    }

    /// Like [`Self::extract`], but a request without a credential has no caller: `None`. A bad credential is refused.
    ///
    /// # Errors
    /// The answer that refuses the request.
    pub async fn extract_optional<C: FromClaims>(
        &self,
        request: &dyn RequestView,
        known: Option<&Admission>,
        policy: &Policy,
    ) -> Result<Option<(Verified, C)>, Refusal> {
        let admitted = match known.and_then(|known| known.by(self)) {
            Some(caller) => readmit(caller, policy).map(Some),
            None => self.admit_optional_or_deny(request, policy).await,
        };
        admitted.and_then(|caller| caller.map(typed).transpose()).map_err(|denied| self.answer(&denied, policy))
    }

    /// Admits the caller of `request` if `policy` allows it.
    ///
    /// # Errors
    /// Why the caller is not let in; [`Self::refuse`] makes the answer.
    pub async fn admit(&self, request: &dyn RequestView, policy: &Policy) -> Result<Verified, AuthError> {
        self.admit_or_deny(request, policy).await.map_err(Denied::logged)
    }

    /// Like [`Self::admit`], but a request without a credential is let in anonymously: `None`. Optional means absent,
    /// never invalid: a bad credential is refused.
    ///
    /// # Errors
    /// Why the caller is not let in; [`Self::refuse`] makes the answer.
    pub async fn admit_optional(
        &self,
        request: &dyn RequestView,
        policy: &Policy,
    ) -> Result<Option<Verified>, AuthError> {
        self.admit_optional_or_deny(request, policy).await.map_err(Denied::logged)
    }

    /// Checks a caller that this gate let in against a further policy: for handlers that learn only from the request's
    /// body what the request needs.
    ///
    /// ```
    /// use portcullis::{Gate, Refusal, Verified, scopes};
    ///
    /// fn delete(gate: &Gate, caller: &Verified, drafts_only: bool) -> Result<(), Refusal> {
    ///     gate.authorize(caller, &scopes(if drafts_only { "drafts:delete" } else { "messages:delete" }))?;
    ///     // …
    ///     Ok(())
    /// }
    /// ```
    ///
    /// In a handler of an adapter that returns the adapter's `Rejection`, `?` converts the [`Refusal`].
    ///
    /// # Errors
    /// The answer that refuses the request.
    pub fn authorize(&self, caller: &Verified, policy: &Policy) -> Result<(), Refusal> {
        readmit(caller, policy).map(|_| ()).map_err(|denied| self.answer(&denied, policy))
    }

    /// Verifies a bearer token that no HTTP request presents: it comes from a WebSocket message, gRPC metadata or a queue.
    ///
    /// # Errors
    /// Why the caller is not let in.
    pub async fn verify(&self, token: &str) -> Result<Verified, AuthError> {
        self.verify_credential(&Credential::bearer(token), &Policy::authenticated()).await.inspect_err(log)
    }

    async fn admit_or_deny(&self, request: &dyn RequestView, policy: &Policy) -> Result<Verified, Denied> {
        let admitted = self.admit_optional_or_deny(request, policy).await?;
        admitted.ok_or(Denied { error: AuthError::MissingToken, scheme: None })
    }

    /// Reads the credential once, and verifies it where there is one.
    async fn admit_optional_or_deny(
        &self,
        request: &dyn RequestView,
        policy: &Policy,
    ) -> Result<Option<Verified>, Denied> {
        if let Some(caller) = &self.0.assumed {
            let checked = self.check(caller, policy).await;
            return checked.map(|()| Some(caller.clone())).map_err(|error| Denied::of(caller, error));
        }
        let presented = present(request, &self.0.sources, self.0.verifier.schemes())
            .map_err(|unreadable| Denied { error: unreadable.error.into(), scheme: unreadable.scheme })?;
        if let Presented::Nothing = presented {
            return Ok(None);
        }
        let verified = match presented.credential(self.0.public_url.as_ref()) {
            Some(credential) => self.verify_credential(&credential, policy).await,
            None => Err(AuthError::MissingToken),
        };
        verified.map(Some).map_err(|error| Denied { error, scheme: presented.scheme() })
    }

    async fn verify_credential(&self, credential: &Credential<'_>, policy: &Policy) -> Result<Verified, AuthError> {
        let verified = self.0.verifier.verify(credential).await?.presented_by(credential.scheme());
        self.check(&verified, policy).await?;
        Ok(verified)
    }

    /// What is asked on every admission after the token was verified: sessions first, then the policy.
    async fn check(&self, caller: &Verified, policy: &Policy) -> Result<(), AuthError> {
        for check in &self.0.checks {
            session::ask(&**check, caller).await?;
        }
        policy.check(caller)
    }

    fn answer(&self, denied: &Denied, policy: &Policy) -> Refusal {
        log(&denied.error);
        self.refuse_for(&denied.error, policy, denied.scheme)
    }
}

/// Checks a caller that the gate let in before.
fn readmit(caller: &Verified, policy: &Policy) -> Result<Verified, Denied> {
    policy.check(caller).map(|()| caller.clone()).map_err(|error| Denied::of(caller, error))
}

fn typed<C: FromClaims>(caller: Verified) -> Result<(Verified, C), Denied> {
    match C::from_claims(caller.all_claims()) {
        Ok(claims) => Ok((caller, claims)),
        Err(error) => Err(Denied::of(&caller, error.into())),
    }
}

impl Denied {
    fn of(caller: &Verified, error: AuthError) -> Self {
        Self { error, scheme: Some(caller.scheme()) }
    }

    fn logged(self) -> AuthError {
        log(&self.error);
        self.error
    }
}
