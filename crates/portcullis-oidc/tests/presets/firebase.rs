use std::time::Duration;

use portcullis::clock::ManualClock;
use portcullis::verifier::ByIssuer;
use portcullis::{Gate, Reason};
use portcullis_oidc::Firebase;
use portcullis_testing::{FirebaseEmulator, TestIssuer};
use serde_json::{Value, json};

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
async fn session_cookies_are_accepted_by_option() {
    let cookies = TestIssuer::firebase_session_cookies(PROJECT);
    let gate = TestGate::new(Firebase::new(PROJECT).session_cookies().keys(cookies.keys()).verifier().unwrap());
    gate.admits(&cookies.token()).await;
    gate.refuses_forgeries_except(&cookies, &[]).await;
    let id_token = cookies.token().issuer("https://securetoken.google.com/my-project-1a2b3");
    assert_eq!(gate.refuses(&id_token).await, Reason::WrongIssuer);
    let other = cookies.token().issuer("https://session.firebase.google.com/other");
    assert_eq!(gate.refuses(&other).await, Reason::WrongIssuer);
    // Both have the rules of Firebase.
    assert_eq!(gate.refuses(&cookies.token().without("auth_time")).await, Reason::MissingClaim);
    assert_eq!(gate.refuses(&cookies.token().audience([PROJECT, "other"])).await, Reason::WrongAudience);
}

#[tokio::test]
async fn id_tokens_and_session_cookies_have_their_own_keys() {
    let (ids, cookies) = (TestIssuer::firebase(PROJECT), TestIssuer::firebase_session_cookies(PROJECT));
    let both = ByIssuer::new([
        Firebase::new(PROJECT).keys(ids.keys()).verifier().unwrap(),
        Firebase::new(PROJECT).session_cookies().keys(cookies.keys()).verifier().unwrap(),
    ]);
    let gate = Gate::new(both.unwrap());
    for issuer in [&ids, &cookies] {
        assert!(gate.verify(&issuer.token().sign()).await.is_ok());
    }
    for (issuer, other) in [(&ids, &cookies), (&cookies, &ids)] {
        let token = issuer.token().issuer(other.url());
        assert!(gate.verify(&token.sign()).await.is_err());
    }
}

#[tokio::test]
async fn emulator_tokens_are_accepted_only_with_an_emulator() {
    let unsigned = include_str!("tokens/firebase_emulator.txt").trim();
    let (_, gate) = project();
    assert_eq!(gate.refuses_text(unsigned).await, Reason::AlgorithmNotAllowed);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let gate = |project: &'static str| {
        let build = |keys| Firebase::new(project).refuse_anonymous().keys(keys).verifier();
        Gate::new(FirebaseEmulator::new(&*address, build).unwrap())
    };
    assert!(gate(PROJECT).verify(unsigned).await.is_ok());
    assert_eq!(gate("other").verify(unsigned).await.unwrap_err().reason(), Some(Reason::WrongIssuer));
    let ours = gate(PROJECT);
    drop(listener);
    assert_eq!(ours.verify(unsigned).await.unwrap_err().status(), 503);
}

#[tokio::test]
async fn anonymous_users_are_refused_only_by_option() {
    let (project, gate) = project();
    let with = |firebase: Value| project.token().claim("firebase", firebase);
    let anonymous = with(json!({"identities": {}, "sign_in_provider": "anonymous"}));
    gate.admits(&anonymous).await;
    gate.admits(&project.token().without("firebase")).await;
    let strict = Firebase::new(PROJECT).refuse_anonymous().keys(project.keys());
    let strict = TestGate::new(strict.verifier().unwrap());
    strict.admits(&project.token()).await;
    strict.admits(&with(json!({"sign_in_provider": "custom"}))).await;
    for (token, reason) in [
        (anonymous, Reason::CheckFailed),
        (with(json!({"identities": {}})), Reason::CheckFailed),
        (with(json!({"sign_in_provider": ["password"]})), Reason::InvalidClaim),
        (with(json!("password")), Reason::InvalidClaim),
        (project.token().without("firebase"), Reason::MissingClaim),
    ] {
        assert_eq!(strict.refuses(&token).await, reason, "{:?}", token.claims()["firebase"]);
    }
}

#[tokio::test]
async fn tenants_of_the_project_are_kept_apart_by_option() {
    let (project, any) = project();
    let of =
        |tenant: Value| project.token().claim("firebase", json!({"sign_in_provider": "password", "tenant": tenant}));
    let gate = |firebase: Firebase| TestGate::new(firebase.keys(project.keys()).verifier().unwrap());
    let [none, one, two] = [
        gate(Firebase::new(PROJECT).no_tenant()),
        gate(Firebase::new(PROJECT).tenant("acme-1x2y3")),
        gate(Firebase::new(PROJECT).tenant("acme-1x2y3").tenant("other-4z5w6")),
    ];
    for (tenant, accepted) in [
        (json!(null), [true, true, false, false]),
        (json!("acme-1x2y3"), [true, false, true, true]),
        (json!("other-4z5w6"), [true, false, false, true]),
        (json!("third-7v8u9"), [true, false, false, false]),
    ] {
        for (gate, accepted) in [&any, &none, &one, &two].into_iter().zip(accepted) {
            let token = of(tenant.clone());
            if accepted {
                gate.admits(&token).await;
            } else {
                assert_eq!(gate.refuses(&token).await, Reason::WrongTenant, "{tenant}");
            }
        }
    }
    for gate in [&none, &one] {
        assert_eq!(gate.refuses(&of(json!(["acme-1x2y3"]))).await, Reason::InvalidClaim);
        assert_eq!(gate.refuses(&project.token().without("firebase")).await, Reason::MissingClaim);
    }
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
    for tenant in ["", " "] {
        assert_eq!(Firebase::new(PROJECT).tenant(tenant).verifier().unwrap_err().field(), "tenant");
    }
}
