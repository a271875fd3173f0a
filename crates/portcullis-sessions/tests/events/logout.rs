//! OpenID Connect Back-Channel Logout 1.0.

use portcullis::adapter::HeaderList;
use portcullis::error::Unavailable;
use portcullis_sessions::{BackchannelLogout, EventResponse, LoggedOut, LogoutError};
use serde_json::json;

use crate::provider::{LOGOUT, Provider, now};

fn receiver(provider: &Provider) -> BackchannelLogout {
    BackchannelLogout::new(provider.issuer.url(), "client-1", provider.issuer.keys(), &provider.deny_list).unwrap()
}

async fn post(logout: &BackchannelLogout, content_type: &str, body: &str) -> EventResponse {
    logout.receive(&HeaderList::new("POST", [("content-type", content_type)]), body.as_bytes()).await
}

const FORM: &str = "application/x-www-form-urlencoded";

#[tokio::test]
async fn logout_of_a_session_denies_its_tokens() {
    let provider = Provider::new();
    let logout = receiver(&provider);
    let of_session = provider.access_token("alice", Some("s1"), 60);
    let of_other_session = provider.access_token("alice", Some("s2"), 60);
    let without_session = provider.access_token("alice", None, 60);
    let of_other_user = provider.access_token("bob", None, 60);
    for token in [&of_session, &of_other_session, &without_session, &of_other_user] {
        assert!(provider.admits(token).await);
    }
    let body = format!("state=x&logout_token={}", provider.logout_token().sign());
    let answer = post(&logout, FORM, &body).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, ""));
    assert_eq!(answer.headers, [("cache-control", "no-store".to_owned())]);
    assert!(!provider.admits(&of_session).await);
    assert!(provider.admits(&of_other_session).await);
    // It does not say of which session it is.
    assert!(!provider.admits(&without_session).await);
    assert!(provider.admits(&of_other_user).await);
    // The user has logged in again.
    assert!(provider.admits(&provider.access_token("alice", None, 0)).await);
}

#[tokio::test]
async fn logout_of_a_subject_denies_all_sessions() {
    let provider = Provider::new();
    let logout = receiver(&provider);
    let tokens = [Some("s1"), Some("s2"), None].map(|session| provider.access_token("alice", session, 60));
    let logged_out = logout.log_out(&provider.logout_token().without("sid").sign()).await.unwrap();
    assert_eq!((logged_out.subject.as_deref(), logged_out.session.as_deref()), (Some("alice"), None));
    assert_eq!(format!("{logged_out:?}"), "LoggedOut { .. }");
    for token in &tokens {
        assert!(!provider.admits(token).await);
    }
    assert!(provider.admits(&provider.access_token("alice", Some("s3"), 0)).await);
    assert!(provider.admits(&provider.access_token("bob", Some("s1"), 60)).await);
}

#[tokio::test]
async fn logout_without_subject_denies_the_session() {
    let provider = Provider::new();
    let logout = receiver(&provider);
    logout.log_out(&provider.logout_token().without("sub").sign()).await.unwrap();
    assert!(!provider.admits(&provider.access_token("alice", Some("s1"), 60)).await);
    assert!(provider.admits(&provider.access_token("alice", None, 60)).await);
}

#[tokio::test]
async fn wrong_logout_tokens_are_refused() {
    let provider = Provider::new();
    let logout = receiver(&provider);
    let good = || provider.logout_token();
    let other = Provider::new();
    let duplicate = r#"{"iss":"x","events":{"a":{},"a":{}}}"#;
    let wrong = [
        ("typ of an access token", good().header("typ", "at+jwt")),
        ("typ of other events", good().header("typ", "secevent+jwt")),
        ("typ of any JWT", good().header("typ", "JWT")),
        ("no typ", good().without_header("typ")),
        ("another issuer", good().issuer("https://other.example")),
        ("no issuer", good().without("iss")),
        ("another audience", good().audience("client-2")),
        ("no audience", good().without("aud")),
        ("no iat", good().without("iat")),
        ("iat in the future", good().claim("iat", now() + 600)),
        ("no exp", good().without("exp")),
        ("expired", good().claim("exp", now() - 60)),
        ("no jti", good().without("jti")),
        ("no events", good().without("events")),
        ("events that are no object", good().claim("events", json!([LOGOUT]))),
        ("no event", good().claim("events", json!({}))),
        ("another event", good().claim("events", json!({"http://schemas.openid.net/event/backchannel-logout2": {}}))),
        ("an event in another case", good().claim("events", json!({LOGOUT.to_uppercase(): {}}))),
        ("an event that is no object", good().claim("events", json!({LOGOUT: true}))),
        ("two events of one name", good().payload(duplicate)),
        ("a nonce", good().claim("nonce", "n")),
        ("a nonce that is null", good().claim("nonce", json!(null))),
        ("neither sub nor sid", good().without("sub").without("sid")),
        ("an empty sid", good().claim("sid", "")),
        ("a sid that is no text", good().claim("sid", 7)),
        ("a sub that is no text", good().claim("sub", 7)),
        ("alg none", good().header("alg", "none")),
    ];
    let mut tokens: Vec<(&str, String)> = wrong.into_iter().map(|(name, token)| (name, token.sign())).collect();
    tokens.push(("another key", other.logout_token().issuer(provider.issuer.url()).sign()));
    tokens.push(("no token", "x".to_owned()));
    for (name, token) in tokens {
        let answer = post(&logout, FORM, &format!("logout_token={token}")).await;
        assert_eq!(answer.status, 400, "{name}");
        assert_eq!(answer.headers[0], ("cache-control", "no-store".to_owned()));
        assert!(answer.body.starts_with(r#"{"error":"invalid_request","error_description":""#), "{name}: {answer:?}");
    }
    assert!(provider.admits(&provider.access_token("alice", Some("s1"), 60)).await);
}

#[tokio::test]
async fn wrong_logout_requests_are_refused() {
    let provider = Provider::new();
    let logout = receiver(&provider);
    let token = provider.logout_token().sign();
    let good = format!("logout_token={token}");
    for (content_type, body, problem) in [
        ("application/json", good.clone(), "The body is not a form"),
        ("", good.clone(), "The body is not a form"),
        (FORM, String::new(), "The form has no logout_token"),
        (FORM, format!("token={token}"), "The form has no logout_token"),
        (FORM, format!("{good}&{good}"), "The form has two logout tokens"),
        (FORM, format!("{good}&x={}", "a".repeat(32 * 1024)), "The body is too long"),
    ] {
        let answer = post(&logout, content_type, &body).await;
        let expected = format!(r#"{{"error":"invalid_request","error_description":"{problem}"}}"#);
        assert_eq!((answer.status, answer.body), (400, expected));
    }
    assert_eq!(post(&logout, "Application/X-WWW-Form-Urlencoded; charset=utf-8", &good).await.status, 200);
}

#[tokio::test]
async fn logout_token_is_accepted_once() {
    let provider = Provider::new();
    let logout = receiver(&provider);
    let token = provider.logout_token().sign();
    logout.log_out(&token).await.unwrap();
    assert!(matches!(logout.log_out(&token).await, Err(LogoutError::Repeated)));
    assert_eq!(post(&logout, FORM, &format!("logout_token={token}")).await.status, 400);
    // A repeated token does not end what began after it.
    assert!(provider.admits(&provider.access_token("alice", None, 0)).await);
}

#[tokio::test]
async fn logout_that_failed_can_be_repeated() {
    let provider = Provider::new();
    let logout = receiver(&provider);
    let body = format!("logout_token={}", provider.logout_token().sign());
    provider.store.set_down(true);
    let answer = post(&logout, FORM, &body).await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.headers[0], ("retry-after", "5".to_owned()));
    assert!(answer.body.starts_with(r#"{"error":"temporarily_unavailable""#), "{answer:?}");
    provider.store.set_down(false);
    assert_eq!(post(&logout, FORM, &body).await.status, 200);
    assert!(!provider.admits(&provider.access_token("alice", Some("s1"), 60)).await);
}

#[tokio::test]
async fn logout_whose_own_effect_failed_can_be_repeated() {
    let provider = Provider::new();
    let logout = receiver(&provider);
    let token = provider.logout_token().sign();
    let failed = logout.log_out_with(&token, async |_| Err(Unavailable::new())).await;
    assert!(matches!(failed, Err(LogoutError::Unavailable(_))), "{failed:?}");
    assert!(!provider.admits(&provider.access_token("alice", Some("s1"), 60)).await);
    let mut ended = None;
    let end = async |logged_out: LoggedOut| {
        ended = logged_out.subject;
        Ok(())
    };
    logout.log_out_with(&token, end).await.unwrap();
    assert_eq!(ended.as_deref(), Some("alice"));
    assert!(matches!(logout.log_out(&token).await, Err(LogoutError::Repeated)));
}

#[tokio::test]
async fn untyped_logout_token_needs_consent() {
    let provider = Provider::new();
    let token = || provider.logout_token().header("typ", "JWT");
    assert!(receiver(&provider).log_out(&token().sign()).await.is_err());
    let (url, keys) = (provider.issuer.url(), provider.issuer.keys());
    let untyped = BackchannelLogout::accepting_untyped(url, "client-1", keys, &provider.deny_list).unwrap();
    untyped.log_out(&token().sign()).await.unwrap();
    untyped.log_out(&provider.logout_token().sign()).await.unwrap();
    assert!(untyped.log_out(&token().without("events").sign()).await.is_err());
    assert!(untyped.log_out(&token().header("typ", "at+jwt").sign()).await.is_err());
}
