//! A gate before a part of a service: what the layers and middleware of the adapters do, whatever the framework.

use crate::credential::RequestView;
use crate::error::AuthError;
use crate::gate::Gate;
use crate::policy::Policy;
use crate::refusal::Refusal;
use crate::verifier::Verified;

/// A gate with the policy of the routes behind it.
#[derive(Clone, Debug)]
#[must_use = "give it to a layer or middleware"]
pub struct Guard {
    gate: Gate,
    policy: Policy,
    optional: bool,
    cors_preflight: bool,
}

/// A caller whom a gate let in, kept with the request, so that an extractor behind a guard does not verify again.
///
/// Behind the adapters' guards it is among the request's extensions: for middleware of your own, such as a log of who
/// called what.
#[derive(Clone, Debug)]
pub struct Admission {
    gate: Gate,
    caller: Verified,
}

impl Guard {
    /// Lets verified callers through, and nobody else.
    pub fn new(gate: Gate) -> Self {
        Self { gate, policy: Policy::authenticated(), optional: false, cors_preflight: false }
    }

    /// Lets through those whom `policy` allows.
    pub fn require(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Lets requests without a credential through as well. A bad credential is refused all the same, and so is a caller
    /// whom the policy does not allow.
    pub fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    /// Lets CORS preflight requests through: OPTIONS with `Origin` and `Access-Control-Request-Method`, to which browsers
    /// add no credential (Fetch Standard, §4.8). They pass the policy too, so a handler behind it that answers OPTIONS
    /// itself must do no more than a preflight asks for.
    pub fn allow_cors_preflight(mut self) -> Self {
        self.cors_preflight = true;
        self
    }

    /// The gate.
    #[must_use]
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Whether `request` may pass, and as whom; `None` is nobody in particular.
    ///
    /// # Errors
    /// Why not; [`Self::refuse`] makes the answer.
    pub async fn admit(&self, request: &dyn RequestView) -> Result<Option<Admission>, AuthError> {
        if self.cors_preflight && is_cors_preflight(request) {
            return Ok(None);
        }
        let caller = if self.optional {
            self.gate.admit_optional(request, &self.policy).await?
        } else {
            Some(self.gate.admit(request, &self.policy).await?)
        };
        Ok(caller.map(|caller| Admission { gate: self.gate.clone(), caller }))
    }

    /// The answer to a request that may not pass.
    #[must_use]
    pub fn refuse(&self, error: &AuthError) -> Refusal {
        self.gate.refuse_for(error, &self.policy)
    }
}

impl Admission {
    /// The caller, if it was `gate` that let them in: another gate's word does not count.
    #[must_use]
    pub fn by(&self, gate: &Gate) -> Option<&Verified> {
        self.gate.is_same(gate).then_some(&self.caller)
    }

    /// The caller.
    #[must_use]
    pub fn caller(&self) -> &Verified {
        &self.caller
    }
}

/// Behind a guard.
impl Gate {
    /// Like [`Self::admit`], for a request that passed a guard before: a caller whom this gate let in is not verified
    /// again, only held against `policy`. Another gate's admission does not count.
    ///
    /// # Errors
    /// Why not; [`Self::refuse`] makes the answer.
    pub async fn readmit(
        &self,
        known: Option<&Admission>,
        request: &dyn RequestView,
        policy: &Policy,
    ) -> Result<Verified, AuthError> {
        match known.and_then(|known| known.by(self)) {
            Some(caller) => self.authorize(caller, policy).map(|()| caller.clone()),
            None => self.admit(request, policy).await,
        }
    }

    /// What [`Self::readmit`] is to [`Self::admit`], for [`Self::admit_optional`].
    ///
    /// # Errors
    /// Why not; [`Self::refuse`] makes the answer.
    pub async fn readmit_optional(
        &self,
        known: Option<&Admission>,
        request: &dyn RequestView,
        policy: &Policy,
    ) -> Result<Option<Verified>, AuthError> {
        match known.and_then(|known| known.by(self)) {
            Some(_) => self.readmit(known, request, policy).await.map(Some),
            None => self.admit_optional(request, policy).await,
        }
    }
}

fn is_cors_preflight(request: &dyn RequestView) -> bool {
    let has = |name: &str| {
        let mut found = false;
        request.header(name, &mut |_| found = true);
        found
    };
    request.method() == "OPTIONS" && has("origin") && has("access-control-request-method")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credential::HeaderList;
    use crate::dangerous::{admit_everyone_as, assume_verified};
    use crate::policy::scopes;

    fn gate() -> Gate {
        admit_everyone_as(assume_verified(&serde_json::json!({"sub": "u", "scope": "read"})).unwrap())
    }

    #[tokio::test]
    async fn an_admission_counts_for_its_own_gate_alone() {
        let (ours, other) = (gate(), gate());
        let admission = Guard::new(ours.clone()).admit(&HeaderList::default()).await.unwrap().unwrap();
        assert_eq!(admission.by(&ours).and_then(Verified::subject), Some("u"));
        assert!(admission.by(&other).is_none());
    }

    #[tokio::test]
    async fn a_policy_is_required_of_everybody_who_is_somebody() {
        let request = HeaderList::default();
        assert!(Guard::new(gate()).require(scopes("read")).admit(&request).await.is_ok());
        let refused = Guard::new(gate()).require(scopes("write")).optional().admit(&request).await.unwrap_err();
        assert_eq!(refused.status(), 403);
    }

    #[tokio::test]
    async fn only_a_whole_preflight_passes_and_only_when_allowed() {
        let preflight =
            HeaderList::new("OPTIONS", [("origin", "https://a.example"), ("access-control-request-method", "GET")]);
        let guard = Guard::new(gate()).require(scopes("write"));
        assert!(guard.admit(&preflight).await.is_err());
        let guard = guard.allow_cors_preflight();
        assert!(guard.admit(&preflight).await.unwrap().is_none());
        for request in [
            HeaderList::new("GET", [("origin", "https://a.example"), ("access-control-request-method", "GET")]),
            HeaderList::new("OPTIONS", [("origin", "https://a.example")]),
            HeaderList::new("OPTIONS", [("access-control-request-method", "GET")]),
            HeaderList::new("POST", [("x-http-method-override", "OPTIONS"), ("origin", "o")]),
        ] {
            assert!(guard.admit(&request).await.is_err(), "{request:?}");
        }
    }
}
