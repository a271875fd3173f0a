//! Registering, logging in and out.

use std::sync::atomic::Ordering;

use serde_json::json;
use tempfile::TempDir;

use crate::service::{EMAIL, PASSWORD, Service, settings};

#[tokio::test]
async fn user_registers_logs_in_and_out() {
    let folder = TempDir::new().unwrap();
    let service = Service::start(settings(&folder)).await;
    let mut browser = service.logged_in().await;
    let me = browser.get("/api/users/me").await.expect(200).json();
    assert_eq!((&me["id"], &me["email"]), (&1.into(), &"ada@example.com".into()));
    let refresh_token = browser.cookie("refresh_token").to_owned();
    browser.post_empty("/api/auth/refresh").await.expect(200);
    assert_ne!(browser.cookie("refresh_token"), refresh_token);
    browser.delete("/api/sessions/other").await.expect_error(404, "no_such_session");
    browser.post_empty("/api/auth/logout").await.expect(200);
    browser.get("/api/users/me").await.expect_error(401, "missing_token");
    service.stop().await;
}

/// The time of an answer comes from the hashes, so their number is compared.
#[tokio::test]
async fn unknown_user_costs_what_a_wrong_password_costs() {
    let folder = TempDir::new().unwrap();
    let service = Service::start(settings(&folder)).await;
    service.logged_in().await;
    let mut answers = Vec::new();
    for (email, password) in [(EMAIL, "wrong horse"), ("unknown@example.com", PASSWORD), ("", "")] {
        let before = service.password_hashes.load(Ordering::Relaxed);
        let body = json!({"email": email, "password": password});
        let answer = service.browser().post("/api/auth/login", body).await.expect_error(400, "invalid_credentials");
        answers.push((answer.text, service.password_hashes.load(Ordering::Relaxed) - before));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0] && answer.1 == 1), "{answers:?}");
}
