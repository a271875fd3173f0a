//! Sessions, the issuer and the gate together.

#![allow(clippy::unwrap_used, reason = "the helpers of tests fail as tests do")]

use std::time::Duration;

use portcullis::adapter::HeaderList;
use portcullis::claims::NumericDate;
use portcullis::clock::{Clock, SystemClock};
use portcullis::{Gate, Policy};
use portcullis_issuer::{Issuer, KeyRing};
use portcullis_sessions::{
    AuthFacts, MemoryStore, OpenSessionCheck, Sessions, SessionsError, SignedIn, SuccessorKeys, Verdict,
};

const URL: &str = "https://api.example.com";

struct Service {
    gate: Gate,
    issuer: Issuer,
    sessions: Sessions,
}

fn service() -> Service {
    let issuer = Issuer::builder(URL, URL, KeyRing::builder().build().unwrap()).build().unwrap();
    let sessions = Sessions::builder(MemoryStore::new(), SuccessorKeys::generate().unwrap()).build().unwrap();
    let gate = issuer.gate().unwrap().with_check(OpenSessionCheck::new(sessions.clone()));
    Service { gate, issuer, sessions }
}

impl Service {
    async fn mint(&self, signed_in: &SignedIn) -> String {
        self.issuer.mint(&signed_in.session.access_token("web")).await.unwrap().into_string()
    }

    /// The status with which the gate answers, and the code or the reason.
    async fn answer(&self, token: &str, policy: &Policy) -> (u16, String) {
        let request = HeaderList::new("GET", [("authorization", format!("Bearer {token}"))]);
        match self.gate.admit(&request, policy).await {
            Ok(_) => (200, String::new()),
            Err(error) => (error.status(), error.reason().map_or(error.code(), |reason| reason.as_str()).to_owned()),
        }
    }
}

fn seconds_ago(seconds: i64) -> NumericDate {
    NumericDate::from_unix(SystemClock::new().now().seconds() - seconds, 0)
}

#[tokio::test]
async fn access_token_has_the_facts_of_the_session() {
    let service = service();
    let at = seconds_ago(600);
    let facts = AuthFacts::at(at).with_amr(["pwd", "otp"]).with_acr("aal2");
    let login = service.sessions.start("alice", facts).await.unwrap();
    let refreshed = service.sessions.refresh(login.refresh_token.as_str()).await.unwrap();
    for signed_in in [&login, &refreshed] {
        let caller = service.gate.verify(&service.mint(signed_in).await).await.unwrap();
        assert_eq!((caller.subject(), caller.client_id().as_deref()), (Some("alice"), Some("web")));
        assert_eq!(caller.claim::<String>("sid").unwrap().as_ref(), Some(&login.session.id));
        assert_eq!(caller.claim::<i64>("auth_time").unwrap(), Some(at.seconds()));
        assert_eq!(caller.claim::<String>("acr").unwrap().as_deref(), Some("aal2"));
        assert_eq!(caller.claim::<Vec<String>>("amr").unwrap().unwrap(), ["pwd", "otp"]);
    }
}

#[tokio::test]
async fn step_up_opens_what_needs_a_recent_login() {
    let service = service();
    let login = service.sessions.start("alice", AuthFacts::at(seconds_ago(600))).await.unwrap();
    let payments = Policy::authenticated_within(Duration::from_secs(300));
    let old = service.mint(&login).await;
    let insufficient = (401, "insufficient_user_authentication".to_owned());
    assert_eq!(service.answer(&old, &Policy::authenticated()).await.0, 200);
    assert_eq!(service.answer(&old, &payments).await, insufficient);
    // A refresh is not a login.
    let refreshed = service.sessions.refresh(login.refresh_token.as_str()).await.unwrap();
    assert_eq!(service.answer(&service.mint(&refreshed).await, &payments).await, insufficient);
    let again = AuthFacts::at(seconds_ago(0));
    let stepped = service.sessions.reauthenticate(refreshed.refresh_token.as_str(), "alice", again).await.unwrap();
    assert_eq!(service.answer(&service.mint(&stepped).await, &payments).await.0, 200);
}

#[tokio::test]
async fn logged_out_access_token_is_revoked() {
    let service = service();
    let login = service.sessions.start("alice", AuthFacts::at(seconds_ago(0))).await.unwrap();
    let other = service.sessions.start("alice", AuthFacts::at(seconds_ago(0))).await.unwrap();
    let (token, other) = (service.mint(&login).await, service.mint(&other).await);
    service.sessions.log_out(login.refresh_token.as_str()).await.unwrap();
    assert_eq!(service.answer(&token, &Policy::authenticated()).await, (401, "revoked".to_owned()));
    assert_eq!(service.answer(&other, &Policy::authenticated()).await.0, 200);
    let id = service.issuer.gate().unwrap().verify(&other).await.unwrap().token_id().unwrap().to_owned();
    service.sessions.revoke_token(&id, seconds_ago(-600)).await.unwrap();
    assert_eq!(service.answer(&other, &Policy::authenticated()).await, (401, "revoked".to_owned()));
}

#[tokio::test]
async fn each_kind_of_token_has_one_use() {
    let service = service();
    let login = service.sessions.start("alice", AuthFacts::at(seconds_ago(0))).await.unwrap();
    let purpose = service.sessions.purpose_tokens("reset", Duration::from_secs(60)).unwrap();
    let issued = purpose.issue("alice", b"state").await.unwrap();
    let (access, refresh, reset) = (service.mint(&login).await, login.refresh_token.as_str(), issued.as_str());
    for other in [refresh, reset] {
        assert_eq!(service.answer(other, &Policy::authenticated()).await.0, 401, "a gate accepts {other:.5}…");
    }
    for other in [access.as_str(), reset] {
        let refused = service.sessions.refresh(other).await.unwrap_err();
        assert!(matches!(refused, SessionsError::Refused(Verdict::Unknown)), "{refused:?}");
    }
    for other in [access.as_str(), refresh] {
        assert!(purpose.redeem(other, b"state").await.is_err());
    }
    assert_eq!(service.answer(&access, &Policy::authenticated()).await.0, 200);
    assert!(service.sessions.refresh(refresh).await.is_ok());
    assert!(purpose.redeem(reset, b"state").await.is_ok());
}
