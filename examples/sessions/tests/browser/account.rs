//! The account, its sessions and its password.

use serde_json::{Value, json};

use crate::browser::Browser;
use crate::service::{EMAIL, NAME, PASSWORD, Service};

const SESSION_OVER: &str = "This session has ended. Log in again.";

pub(crate) async fn scripts_cannot_read_tokens() {
    let service = Service::start().await;
    let browser = service.registered().await;
    assert_eq!(browser.run("return document.cookie", &[]).await, "logged_in=true");
    let kept = "return Promise.all([localStorage.length, sessionStorage.length, indexedDB.databases(), caches.keys()])";
    assert_eq!(browser.run(kept, &[]).await, json!([0, 0, [], []]));

    let cookies = browser.command("Network.getCookies", json!({"urls": [format!("{}/api/auth", service.url)]})).await;
    let mut cookies: Vec<_> = cookies["cookies"].as_array().unwrap().iter().map(attributes).collect();
    cookies.sort_by_key(ToString::to_string);
    let expected = [
        json!(["access_token", "/", "HttpOnly", "Lax"]),
        json!(["logged_in", "/", "readable", "Lax"]),
        json!(["refresh_token", "/api/auth", "HttpOnly", "Lax"]),
    ];
    assert_eq!(cookies, expected);

    // Without the readable cookie, the page still knows who is logged in.
    browser.run("document.cookie = 'logged_in=; max-age=0; path=/'", &[]).await;
    browser.reload().await;
    browser.says("#me-name", NAME).await;
    // The readable cookie without the others logs in no user.
    browser.command("Network.clearBrowserCookies", json!({})).await;
    browser.run("document.cookie = 'logged_in=true; path=/'", &[]).await;
    browser.reload().await;
    browser.lists("h1", &["Log in"]).await;
    browser.close().await;
}

pub(crate) async fn names_and_labels_stay_text() {
    const MARKUP: &str = "<img src=x onerror=alert(1)>";
    let service = Service::start().await;
    let browser = service.browser().await;
    browser.click("#login .switch a").await;
    browser.fill("#register-name", MARKUP).await;
    browser.fill("#register-email", EMAIL).await;
    browser.fill("#register-password", PASSWORD).await;
    browser.fill("#register-confirm", PASSWORD).await;
    browser.click("#register .primary").await;
    browser.says("#me-name", MARKUP).await;
    browser.log_in_elsewhere(MARKUP).await;
    browser.click("#reload").await;
    browser.lists("#sessions .label", &["Chrome on Linux", MARKUP]).await;
    browser.close().await;
}

pub(crate) async fn ended_session_says_so() {
    let service = Service::start().await;
    let first = service.registered().await;
    first.lists("#sessions li .here", &["This session"]).await;
    let second = service.logged_in().await;
    first.click("#reload").await;
    first.says("#status", "The list is up to date.").await;
    // The current session comes first, and can only be ended by logging out.
    first.lists("#sessions .label", &["Chrome on Linux", "Chrome on Linux"]).await;
    first.lists("#sessions li:first-child .here", &["This session"]).await;
    first.lists("#sessions button", &["End"]).await;
    first.click("#sessions button").await;
    first.says("#status", "The session has ended.").await;
    first.lists("#sessions .here", &["This session"]).await;
    first.lists("#sessions button", &[]).await;

    second.click("#reload").await;
    second.says("#status", SESSION_OVER).await;
    second.lists("h1", &["Log in"]).await;
    second.close().await;
    first.close().await;
}

pub(crate) async fn new_password_ends_other_sessions() {
    const NEW: &str = "battery staple";
    let service = Service::start().await;
    let first = service.registered().await;
    let second = service.logged_in().await;
    change_password(&first, "wrong horse", NEW).await;
    first.lists("#account .problem", &["This is not your current password"]).await;
    change_password(&first, PASSWORD, NEW).await;
    first.says("#status", "Your password is changed. All other sessions have ended.").await;
    first.lists("#sessions .here", &["This session"]).await;
    first.lists("#sessions button", &[]).await;
    let values = "return [...document.querySelectorAll('#password input[name]')].map((input) => input.value)";
    assert_eq!(first.run(values, &[]).await, json!(["", "", ""]));

    second.click("#reload").await;
    second.says("#status", SESSION_OVER).await;
    second.log_in(PASSWORD).await;
    second.lists("#login .problem", &["The e-mail address or the password is wrong"]).await;
    second.log_in(NEW).await;
    second.says("#me-name", NAME).await;
    second.close().await;
    first.close().await;
}

async fn change_password(browser: &Browser, current: &str, new: &str) {
    browser.fill("#password-current", current).await;
    browser.fill("#password-new", new).await;
    browser.fill("#password-confirm", new).await;
    browser.click("#password .primary").await;
}

fn attributes(cookie: &Value) -> Value {
    let readers = if cookie["httpOnly"] == true { "HttpOnly" } else { "readable" };
    json!([cookie["name"], cookie["path"], readers, cookie["sameSite"]])
}
