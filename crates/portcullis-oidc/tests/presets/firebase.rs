use std::time::Duration;

use portcullis::clock::ManualClock;
use portcullis::{Gate, Reason};
use portcullis_oidc::Firebase;
use portcullis_testing::TestIssuer;
use serde_json::json;

use crate::TestGate;

const PROJECT: &str = "my-project-1a2b3";

fn project() -> (TestIssuer, TestGate) {
    let project = TestIssuer::firebase(PROJECT);
    let gate = TestGate::new(Firebase::new(PROJECT).keys(project.keys()).verifier().unwrap());
    (project, gate)
}

#[tokio::test]
async fn id_token_of_the_project_is_accepted() {
    let (project, gate) = project();
    let caller = gate.admits(&project.token()).await;
    assert_eq!(caller.subject(), Some("8HOmNCMOUpZRKYAa3LvC2cs6Sj52"));
    assert_eq!(caller.issuer(), Some("https://securetoken.google.com/my-project-1a2b3"));
}

#[tokio::test]
async fn other_projects_and_session_cookies_are_refused() {
    let (project, gate) = project();
    let other = project.token().issuer("https://securetoken.google.com/other").audience("other");
    assert_eq!(gate.refuses(&other).await, Reason::WrongIssuer);
    assert_eq!(gate.refuses(&project.token().audience("other")).await, Reason::WrongAudience);
    let cookie = project.token().issuer("https://session.firebase.google.com/my-project-1a2b3");
    assert_eq!(gate.refuses(&cookie).await, Reason::WrongIssuer);
}

#[tokio::test]
async fn sub_and_past_auth_time_are_required() {
    let (project, gate) = project();
    let issued_at = project.token().claims()["iat"].as_i64().unwrap();
    assert_eq!(gate.refuses(&project.token().subject("")).await, Reason::InvalidClaim);
    assert_eq!(gate.refuses(&project.token().without("sub")).await, Reason::MissingClaim);
    for (auth_time, reason) in [
        (json!(issued_at + 600), Reason::InvalidClaim),
        (json!("0"), Reason::InvalidClaim),
        (json!([issued_at]), Reason::InvalidClaim),
        (json!(null), Reason::MissingClaim),
    ] {
        let token = project.token().claim("auth_time", &auth_time);
        assert_eq!(gate.refuses(&token).await, reason, "{auth_time}");
    }
    gate.admits(&project.token().claim("auth_time", 0)).await;
    assert_eq!(gate.refuses(&project.token().without("iat")).await, Reason::MissingClaim);
}

#[tokio::test]
async fn slow_clock_accepts_a_fresh_sign_in() {
    let (project, _) = project();
    let now = project.token().claims()["iat"].as_i64().unwrap();
    let token = project.token().claim("auth_time", now);
    for (behind, leeway, expected) in
        [(0, 5, None), (50, 60, None), (50, 5, Some(Reason::IssuedInFuture)), (70, 60, Some(Reason::IssuedInFuture))]
    {
        let builder = Firebase::new(PROJECT).keys(project.keys()).builder().unwrap();
        let builder = builder.leeway(Duration::from_secs(leeway)).clock(ManualClock::at_unix(now - behind));
        let verdict = Gate::new(builder.build().unwrap()).verify(&token.sign()).await;
        assert_eq!(verdict.err().and_then(|error| error.reason()), expected, "{behind} s behind, {leeway} s allowed");
    }
    // A sign-in after the token was issued.
    let builder = Firebase::new(PROJECT).keys(project.keys()).builder().unwrap().leeway(Duration::from_secs(600));
    let gate = TestGate::new(builder.build().unwrap());
    assert_eq!(gate.refuses(&token.claim("auth_time", now + 100)).await, Reason::InvalidClaim);
}

#[tokio::test]
async fn second_audience_is_refused() {
    let (project, gate) = project();
    gate.admits(&project.token().audience([PROJECT])).await;
    for audience in [json!([PROJECT, "other"]), json!(["other", PROJECT]), json!([PROJECT, ""])] {
        assert_eq!(gate.refuses(&project.token().audience(&audience)).await, Reason::WrongAudience, "{audience}");
    }
}

#[tokio::test]
async fn every_forgery_is_refused_for_its_reason() {
    let (project, gate) = project();
    gate.refuses_forgeries_except(&project, &[]).await;
}

#[test]
fn errors_name_the_invalid_field() {
    for project in ["", "a/b", "a b"] {
        assert_eq!(Firebase::new(project).verifier().unwrap_err().field(), "project", "{project}");
    }
}
