//! A gate in front of a part of a service: what the layers and middleware of all adapters do.

use crate::catch_panic::catch_panic_in;
use crate::claims::NoClaims;
use crate::credential::RequestView;
use crate::gate::{Admission, Gate};
use crate::policy::Policy;
use crate::preflight::{PreflightAnswer, is_preflight};
use crate::refusal::Refusal;

/// A gate with the policy of the routes behind it.
#[derive(Clone, Debug)]
#[must_use = "give it to a layer or middleware"]
pub struct Guard {
    gate: Gate,
    policy: Policy,
    optional: bool,
    cors_preflight: bool,
}

impl Guard {
    /// Lets verified callers through and refuses other requests.
    pub fn new(gate: Gate) -> Self {
        Self { gate, policy: Policy::authenticated(), optional: false, cors_preflight: false }
    }

    /// Lets callers through only if `policy` allows them.
    pub fn require(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Lets requests without a credential through as well. A bad credential is still refused, and so is a caller that the
    /// policy does not allow.
    pub fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    /// Answers CORS preflight requests with 204 instead of refusing them. Browsers send them without a credential (Fetch
    /// Standard, §4.8). The guard answers them itself: they reach neither the policy nor the route.
    ///
    /// It takes a request for a preflight only if no handler can take it for anything else: OPTIONS with exactly one
    /// `Origin`, exactly one `Access-Control-Request-Method` that is a valid method, and no body.
    ///
    /// The answer has no CORS fields. They come from what is *around* the guard: a proxy, or the framework's CORS layer. A
    /// CORS layer around the guard answers preflights before the guard sees them, and adds its fields to refusals too, so
    /// with it this option is not needed. A CORS layer behind the guard sees no preflight.
    pub fn allow_cors_preflight(mut self) -> Self {
        self.cors_preflight = true;
        self
    }

    /// The gate.
    #[must_use]
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// The policy.
    #[cfg(feature = "openapi")]
    pub(crate) fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Whether requests without a credential are let through.
    #[cfg(feature = "openapi")]
    pub(crate) fn is_optional(&self) -> bool {
        self.optional
    }

    /// Decides what happens to the request.
    ///
    /// `known` is the admission of a guard further out, if any. Where the same gate made it, the caller is not verified
    /// again.
    ///
    /// # Errors
    /// The answer that refuses the request.
    pub async fn admit(&self, request: &dyn RequestView, known: Option<&Admission>) -> Result<Decision, Refusal> {
        // A panic in the adapter's view of the request is a refusal below.
        if self.cors_preflight && catch_panic_in(|| is_preflight(request)) == Ok(true) {
            return Ok(Decision::Answer(PreflightAnswer::new()));
        }
        let caller = if self.optional {
            self.gate.extract_optional::<NoClaims>(request, known, &self.policy).await?
        } else {
            Some(self.gate.extract::<NoClaims>(request, known, &self.policy).await?)
        };
        Ok(Decision::Pass(caller.map(|(caller, NoClaims)| match known {
            Some(known) if known.by(&self.gate).is_some() => known.clone().behind_guard(),
            _ => Admission::new(&self.gate, caller).behind_guard(),
        })))
    }
}

/// What a guard decides about a request that it does not refuse.
#[derive(Clone, Debug)]
pub enum Decision {
    /// The request goes on to the route, with its caller. `None` means that it may pass without a caller.
    Pass(Option<Admission>),
    /// The request is a CORS preflight. The adapter sends this answer, and the request goes no further.
    Answer(PreflightAnswer),
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
    async fn admission_of_another_gate_does_not_count() {
        let (ours, other) = (gate(), gate());
        let decision = Guard::new(ours.clone()).admit(&HeaderList::default(), None).await.unwrap();
        let Decision::Pass(Some(admission)) = decision else { panic!("{decision:?}") };
        assert_eq!(admission.by(&ours).and_then(crate::Verified::subject), Some("u"));
        assert!(admission.by(&other).is_none());
    }

    #[tokio::test]
    async fn policy_is_required_of_every_caller() {
        let request = HeaderList::default();
        assert!(Guard::new(gate()).require(scopes("read")).admit(&request, None).await.is_ok());
        let refused = Guard::new(gate()).require(scopes("write")).optional().admit(&request, None).await.unwrap_err();
        assert_eq!(refused.status, 403);
    }

    #[tokio::test]
    async fn preflight_is_answered_where_allowed() {
        let fields = [("origin", "https://a.example"), ("access-control-request-method", "GET")];
        let preflight = HeaderList::new("OPTIONS", fields);
        let guard = Guard::new(gate()).require(scopes("write"));
        assert!(guard.admit(&preflight, None).await.is_err());
        for guard in [guard.clone().allow_cors_preflight(), guard.optional().allow_cors_preflight()] {
            let decision = guard.admit(&preflight, None).await.unwrap();
            let Decision::Answer(PreflightAnswer { status: 204, headers: [("vary", _)] }) = decision else {
                panic!("{decision:?}")
            };
            for request in [
                HeaderList::new("GET", fields),
                HeaderList::new("OPTIONS", [fields[0]]),
                HeaderList::new("OPTIONS", [fields[1]]),
                HeaderList::new("POST", [("x-http-method-override", "OPTIONS"), fields[0], fields[1]]),
            ] {
                assert!(guard.admit(&request, None).await.is_err(), "{request:?}");
            }
        }
    }
}
