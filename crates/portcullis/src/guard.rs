//! A gate in front of a part of a service: what the layers and middleware of all adapters do.

use crate::claims::NoClaims;
use crate::credential::RequestView;
use crate::gate::{Admission, Gate};
use crate::policy::Policy;
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

    /// Lets CORS preflight requests through: OPTIONS with `Origin` and `Access-Control-Request-Method`. Browsers send them
    /// without a credential (Fetch Standard, §4.8). The policy is not applied to them, so a handler behind the guard that
    /// answers OPTIONS itself must do no more than a preflight asks for.
    pub fn allow_cors_preflight(mut self) -> Self {
        self.cors_preflight = true;
        self
    }

    /// The gate.
    #[must_use]
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Checks the request. `None` means that it may pass without a caller.
    ///
    /// `known` is the admission of a guard further out, if any. Where the same gate made it, the caller is not verified
    /// again.
    ///
    /// # Errors
    /// The answer that refuses the request.
    pub async fn admit(
        &self,
        request: &dyn RequestView,
        known: Option<&Admission>,
    ) -> Result<Option<Admission>, Refusal> {
        if self.cors_preflight && is_cors_preflight(request) {
            return Ok(None);
        }
        let caller = if self.optional {
            self.gate.extract_optional::<NoClaims>(request, known, &self.policy).await?
        } else {
            Some(self.gate.extract::<NoClaims>(request, known, &self.policy).await?)
        };
        Ok(caller.map(|(caller, NoClaims)| match known {
            Some(known) if known.by(&self.gate).is_some() => known.renewed(),
            _ => Admission::new(&self.gate, caller),
        }))
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
    async fn admission_of_another_gate_does_not_count() {
        let (ours, other) = (gate(), gate());
        let admission = Guard::new(ours.clone()).admit(&HeaderList::default(), None).await.unwrap().unwrap();
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
    async fn complete_preflight_passes_where_allowed() {
        let preflight =
            HeaderList::new("OPTIONS", [("origin", "https://a.example"), ("access-control-request-method", "GET")]);
        let guard = Guard::new(gate()).require(scopes("write"));
        assert!(guard.admit(&preflight, None).await.is_err());
        let guard = guard.allow_cors_preflight();
        assert!(guard.admit(&preflight, None).await.unwrap().is_none());
        for request in [
            HeaderList::new("GET", [("origin", "https://a.example"), ("access-control-request-method", "GET")]),
            HeaderList::new("OPTIONS", [("origin", "https://a.example")]),
            HeaderList::new("OPTIONS", [("access-control-request-method", "GET")]),
            HeaderList::new("POST", [("x-http-method-override", "OPTIONS"), ("origin", "o")]),
        ] {
            assert!(guard.admit(&request, None).await.is_err(), "{request:?}");
        }
    }
}
