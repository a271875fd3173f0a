use std::time::Duration;

use portcullis::clock::ManualClock;
use portcullis::{Gate, Reason};
use portcullis_oidc::Firebase;
use portcullis_testing::TestIssuer;
use serde_json::json;

use crate::Door;

const PROJECT: &str = "my-project-1a2b3";

fn project() -> (TestIssuer, Door) {
    let project = TestIssuer::firebase(PROJECT);
    let door = Door::new(Firebase::new(PROJECT).keys(project.keys()).verifier().unwrap());
    (project, door)
}

#[tokio::test]
async fn an_id_token_of_the_project_is_admitted() {
    let (project, door) = project();
    let caller = door.admits(&project.token()).await;
    assert_eq!(caller.subject(), Some("8HOmNCMOUpZRKYAa3LvC2cs6Sj52"));
    assert_eq!(caller.issuer(), Some("https://securetoken.google.com/my-project-1a2b3"));
}

#[tokio::test]
async fn another_project_and_a_session_cookie_are_refused() {
    let (project, door) = project();
    let other = project.token().issuer("https://securetoken.google.com/other").audience("other");
    assert_eq!(door.refuses(&other).await, Reason::WrongIssuer);
    assert_eq!(door.refuses(&project.token().audience("other")).await, Reason::WrongAudience);
    let cookie = project.token().issuer("https://session.firebase.google.com/my-project-1a2b3");
    assert_eq!(door.refuses(&cookie).await, Reason::WrongIssuer);
}

#[tokio::test]
async fn the_user_has_a_name_and_signed_in_in_the_past() {
    let (project, door) = project();
    let issued_at = project.token().claims()["iat"].as_i64().unwrap();
    assert_eq!(door.refuses(&project.token().subject("")).await, Reason::InvalidClaim);
    assert_eq!(door.refuses(&project.token().without("sub")).await, Reason::MissingClaim);
    for (auth_time, reason) in [
        (json!(issued_at + 600), Reason::InvalidClaim),
        (json!("0"), Reason::InvalidClaim),
        (json!([issued_at]), Reason::InvalidClaim),
        (json!(null), Reason::MissingClaim),
    ] {
        let token = project.token().claim("auth_time", &auth_time);
        assert_eq!(door.refuses(&token).await, reason, "{auth_time}");
    }
    door.admits(&project.token().claim("auth_time", 0)).await;
    assert_eq!(door.refuses(&project.token().without("iat")).await, Reason::MissingClaim);
}

#[tokio::test]
async fn a_clock_that_is_slow_within_the_leeway_refuses_nobody_who_signed_in_just_now() {
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
    // Later than the token itself.
    let builder = Firebase::new(PROJECT).keys(project.keys()).builder().unwrap().leeway(Duration::from_secs(600));
    let door = Door::new(builder.build().unwrap());
    assert_eq!(door.refuses(&token.claim("auth_time", now + 100)).await, Reason::InvalidClaim);
}

#[tokio::test]
async fn an_id_token_that_is_for_others_too_is_refused() {
    let (project, door) = project();
    door.admits(&project.token().audience([PROJECT])).await;
    for audience in [json!([PROJECT, "other"]), json!(["other", PROJECT]), json!([PROJECT, ""])] {
        assert_eq!(door.refuses(&project.token().audience(&audience)).await, Reason::WrongAudience, "{audience}");
    }
}

#[tokio::test]
async fn forgeries_are_refused() {
    let (project, door) = project();
    door.refuses_all_forgeries_but(&project, &[]).await;
}

#[test]
fn what_cannot_be_used_is_named() {
    for project in ["", "a/b", "a b"] {
        assert_eq!(Firebase::new(project).verifier().unwrap_err().field(), "project", "{project}");
    }
}
