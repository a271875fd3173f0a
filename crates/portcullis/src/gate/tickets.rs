//! Callers that a ticket lets in.

use crate::credential::{RequestView, the_only_parameter};
use crate::error::{AuthError, InvalidToken};
use crate::gate::{Denied, Gate};
use crate::policy::Policy;
use crate::refusal::Refusal;
use crate::tickets::Tickets;
use crate::verifier::Verified;

impl Gate {
    /// With `tickets`, for the streams of browsers: a request without another credential is let in as the caller of its ticket.
    /// Give such a gate only to the routes of these streams.
    ///
    /// Only requests with the method GET, or CONNECT for a WebSocket over HTTP/2, can use a ticket. When it is used, the expiry
    /// of the caller's token, the session checks, the verifier ([`Verified::with_recheck`]) and the policy are checked again. An
    /// unknown, used or expired ticket is a 401 with the reason `inactive`. [`Self::watch`] ends the stream as for the token
    /// itself.
    ///
    /// The page asks for a ticket with its token, then opens the stream:
    ///
    /// ```js
    /// const answer = await fetch("/events/ticket", { method: "POST", headers: { authorization: `Bearer ${token}` } });
    /// const events = new EventSource(`/events?ticket=${await answer.text()}`);
    /// ```
    ///
    /// An `EventSource` that lost its connection repeats the request with the same ticket, gets a 401 and gives up. In its event
    /// `error`, the page gets a new ticket and opens another one.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use portcullis::adapter::HeaderList;
    /// use portcullis::tickets::Tickets;
    /// use portcullis::{Gate, Policy};
    ///
    /// # let keys = portcullis::keys::FixedKeys::secret(&[7; 32])?;
    /// # let gate = Gate::new(portcullis::JwtVerifier::builder("https://issuer.example", "api", keys).build()?);
    /// # let caller = portcullis::dangerous::assume_verified(&serde_json::json!({"sub": "alice"}))?;
    /// let tickets = Tickets::default();
    /// let streams = gate.clone().with_tickets(&tickets);
    ///
    /// // In the handler that `gate` guards, for its verified caller:
    /// let ticket = gate.issue_ticket(&tickets, &caller).unwrap();
    ///
    /// // The request for the stream, which `streams` guards:
    /// let request = HeaderList::new("GET", [("host", "api.example.com")]).with_query(format!("ticket={ticket}"));
    /// let admitted = streams.admit(&request, &Policy::authenticated()).await?;
    /// assert_eq!(admitted.subject(), Some("alice"));
    /// assert!(streams.admit(&request, &Policy::authenticated()).await.is_err());
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn with_tickets(self, tickets: &Tickets) -> Self {
        self.with(|inner| inner.tickets = Some(tickets.clone()))
    }

    /// Makes a ticket for `caller`, which this gate let in. Send it in the body of a response to POST, which no cache keeps.
    ///
    /// # Errors
    /// The answer that refuses the request: 503 if too many tickets wait to be used.
    pub fn issue_ticket(&self, tickets: &Tickets, caller: &Verified) -> Result<String, Refusal> {
        tickets.issue(caller).map_err(|error| self.refuse(&error))
    }

    /// Lets in the caller of the request's ticket. `None` means that it has no ticket.
    pub(super) async fn admit_by_ticket(
        &self,
        request: &dyn RequestView,
        policy: &Policy,
    ) -> Result<Option<Verified>, Denied> {
        let Some(tickets) = &self.0.tickets else { return Ok(None) };
        let refuse = |error: AuthError| Denied::new(error, None);
        let ticket = the_only_parameter(request, Tickets::PARAMETER).map_err(|error| refuse(error.into()))?;
        let Some(ticket) = ticket.filter(|ticket| !ticket.is_empty()) else { return Ok(None) };
        let caller = tickets.redeem(&ticket).map_err(|expired| {
            let issuer = expired.as_deref().and_then(Verified::issuer);
            Denied { issuer: self.0.metrics.label_of(issuer), ..refuse(InvalidToken::Inactive.into()) }
        })?;
        // The ticket was made for a verified caller, so its refusal counts under the caller's issuer.
        let issuer = self.0.metrics.label_of(caller.issuer());
        let refuse = |error: AuthError| Denied { issuer, ..refuse(error) };
        if caller.expires_at().is_some_and(|expires_at| expires_at <= caller.now()) {
            return Err(refuse(InvalidToken::Expired.into()));
        }
        let caller = self.with_implied_scopes(caller);
        self.recheck(&caller).await.and_then(|()| policy.check(&caller)).map_err(refuse)?;
        Ok(Some(caller))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use async_trait::async_trait;

    use super::*;
    use crate::claims::NoClaims;
    use crate::clock::ManualClock;
    use crate::credential::{Credential, HeaderList, TokenSource};
    use crate::dangerous::assume_verified;
    use crate::gate::Admission;
    use crate::policy::scopes;
    use crate::session::{SessionCheck, SessionError};
    use crate::verifier::{Recheck, Verifier};

    /// Knows one token.
    #[derive(Debug)]
    struct OneToken;

    #[async_trait]
    impl Verifier for OneToken {
        async fn verify(&self, credential: &Credential<'_>) -> Result<Verified, AuthError> {
            match credential.unverified_token() {
                "good" => Ok(assume_verified(&serde_json::json!({"sub": "token"}))?),
                _ => Err(InvalidToken::Revoked.into()),
            }
        }
    }

    fn caller(clock: &Arc<ManualClock>) -> Verified {
        let caller = assume_verified(&serde_json::json!({"sub": "alice", "scope": "read", "exp": 1_000})).unwrap();
        caller.with_clock(Arc::<ManualClock>::clone(clock))
    }

    fn request(method: &str, query: &str) -> HeaderList {
        HeaderList::new(method, [("host", "a.test")]).with_query(query)
    }

    async fn reason(gate: &Gate, request: &HeaderList, policy: &Policy) -> String {
        match gate.admit(request, policy).await {
            Ok(caller) => caller.subject().unwrap().to_owned(),
            Err(denied) => denied.reason().map_or(denied.code(), |reason| reason.as_str()).to_owned(),
        }
    }

    #[tokio::test]
    async fn ticket_lets_its_caller_in_once() {
        let (tickets, clock, any) = (Tickets::default(), Arc::new(ManualClock::at_unix(900)), Policy::authenticated());
        let gate = Gate::new(OneToken);
        let streams = gate.clone().with_tickets(&tickets);
        let query = || format!("ticket={}", gate.issue_ticket(&tickets, &caller(&clock)).unwrap());
        let once = request("GET", &query());
        assert_eq!(reason(&gate, &once, &any).await, "missing_token", "a gate without tickets");
        assert_eq!(reason(&streams, &once, &any).await, "alice");
        assert_eq!(reason(&streams, &once, &any).await, "inactive");
        assert_eq!(reason(&streams, &request("CONNECT", &query()), &any).await, "alice");
        for (query, expected) in [
            ("ticket", "missing_token"),
            ("", "missing_token"),
            ("ticket=x", "inactive"),
            ("ticket=x&ticket=y", "invalid_request"),
        ] {
            assert_eq!(reason(&streams, &request("GET", query), &any).await, expected, "{query}");
        }
        assert_eq!(reason(&streams, &request("POST", &query()), &any).await, "missing_token");
        // Policies are checked as for a token, and use up the ticket.
        let query = query();
        assert_eq!(reason(&streams, &request("GET", &query), &scopes("write")).await, "insufficient_scope");
        assert_eq!(reason(&streams, &request("GET", &query), &scopes("read")).await, "inactive");
    }

    #[tokio::test]
    async fn ticket_serves_all_extractors_of_its_request() {
        let (tickets, clock, any) = (Tickets::default(), Arc::new(ManualClock::at_unix(900)), Policy::authenticated());
        let gate = Gate::new(OneToken).with_tickets(&tickets);
        let ticket = gate.issue_ticket(&tickets, &caller(&clock)).unwrap();
        let request = request("GET", &format!("ticket={ticket}"));
        let (first, NoClaims) = gate.extract::<NoClaims>(&request, None, &any).await.unwrap();
        let kept = Admission::to_keep(&gate, &first, None).expect("a ticket serves only once");
        let (second, NoClaims) = gate.extract::<NoClaims>(&request, Some(&kept), &scopes("read")).await.unwrap();
        assert_eq!((first.subject(), second.subject()), (Some("alice"), Some("alice")));
        assert!(gate.extract::<NoClaims>(&request, None, &any).await.is_err(), "another request");
    }

    #[tokio::test]
    async fn token_of_the_request_decides_before_its_ticket() {
        let (tickets, clock) = (Tickets::default(), Arc::new(ManualClock::at_unix(900)));
        let gate = Gate::new(OneToken).with_tickets(&tickets).with_token_sources([TokenSource::authorization()]);
        let ticket = gate.issue_ticket(&tickets, &caller(&clock)).unwrap();
        for (token, expected) in [("Bearer good", "token"), ("Bearer bad", "revoked"), ("Bearer", "invalid_request")] {
            let request = HeaderList::new("GET", [("authorization", token)]).with_query(format!("ticket={ticket}"));
            assert_eq!(reason(&gate, &request, &Policy::authenticated()).await, expected);
        }
        assert_eq!(tickets.waiting(), 1);
    }

    #[tokio::test]
    async fn ticket_of_an_expired_token_is_refused() {
        let (tickets, clock) = (Tickets::default(), Arc::new(ManualClock::at_unix(900)));
        let gate = Gate::new(OneToken).with_tickets(&tickets);
        let ticket = gate.issue_ticket(&tickets, &caller(&clock)).unwrap();
        clock.advance(Duration::from_secs(100));
        let request = request("GET", &format!("ticket={ticket}"));
        assert_eq!(reason(&gate, &request, &Policy::authenticated()).await, "expired");
    }

    /// Refuses everyone from a moment on.
    #[derive(Clone, Debug, Default)]
    struct LoggedOut(Arc<AtomicBool>);

    #[async_trait]
    impl SessionCheck for LoggedOut {
        async fn check(&self, _: &Verified) -> Result<(), SessionError> {
            if self.0.load(Ordering::SeqCst) { Err(SessionError::Revoked) } else { Ok(()) }
        }
    }

    #[async_trait]
    impl Recheck for LoggedOut {
        async fn recheck(&self, _: &Verified) -> Result<(), AuthError> {
            if self.0.load(Ordering::SeqCst) { Err(InvalidToken::Inactive.into()) } else { Ok(()) }
        }
    }

    #[tokio::test]
    async fn ticket_of_a_revoked_token_is_refused() {
        let (tickets, clock, any) = (Tickets::default(), Arc::new(ManualClock::at_unix(900)), Policy::authenticated());
        let (by_check, by_verifier) = (LoggedOut::default(), LoggedOut::default());
        let gate = Gate::new(OneToken).with_tickets(&tickets).with_check(by_check.clone());
        let query = || {
            let caller = caller(&clock).with_recheck(by_verifier.clone());
            request("GET", &format!("ticket={}", gate.issue_ticket(&tickets, &caller).unwrap()))
        };
        assert_eq!(reason(&gate, &query(), &any).await, "alice");
        let waiting = query();
        by_check.0.store(true, Ordering::SeqCst);
        assert_eq!(reason(&gate, &waiting, &any).await, "revoked");
        by_check.0.store(false, Ordering::SeqCst);
        let waiting = query();
        by_verifier.0.store(true, Ordering::SeqCst);
        assert_eq!(reason(&gate, &waiting, &any).await, "inactive");
    }

    #[tokio::test]
    async fn too_many_tickets_are_a_503() {
        let tickets = Tickets::new(Duration::from_secs(1), 1, 1).unwrap();
        let (gate, clock) = (Gate::new(OneToken), Arc::new(ManualClock::at_unix(900)));
        gate.issue_ticket(&tickets, &caller(&clock)).unwrap();
        let refusal = gate.issue_ticket(&tickets, &caller(&clock)).unwrap_err();
        assert_eq!(refusal.status, 503);
        assert!(refusal.headers.contains(&("retry-after".to_owned(), "1".to_owned())));
    }
}
