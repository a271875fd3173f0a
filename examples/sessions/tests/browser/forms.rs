//! Registration and login, and what is said when they fail.

use serde_json::json;

use crate::browser::Browser;
use crate::service::{EMAIL, NAME, PASSWORD, Service};

/// The names of keys in WebDriver.
const TAB: char = '\u{E004}';
const ENTER: char = '\u{E007}';

pub(crate) async fn errors_are_shown_next_to_their_fields() {
    let service = Service::start().await;
    let browser = service.browser().await;
    browser.click("#login .primary").await;
    browser.lists("#login .problem", &["Fill in this field", "Fill in this field"]).await;
    assert_eq!(focus(&browser).await, "login-email");
    browser.fill("#login-email", "ada").await;
    browser.fill("#login-password", PASSWORD).await;
    browser.lists("#login .problem", &[]).await;
    browser.click("#login .primary").await;
    browser.lists("#login .problem", &["Write an e-mail address such as ada@example.com"]).await;

    browser.click("#login .switch a").await;
    browser.fill("#register-name", "   ").await;
    browser.fill("#register-email", EMAIL).await;
    browser.fill("#register-photo", "http://example.com/ada.png").await;
    browser.fill("#register-password", "horse").await;
    browser.fill("#register-confirm", PASSWORD).await;
    browser.click("#register .primary").await;
    browser.says("#register-photo-error", "Write an address that starts with https://").await;
    browser.says("#register-password-error", "Write at least 8 characters").await;
    browser.says("#register-confirm-error", "Write the same password twice").await;
    browser.fill("#register-photo", "").await;
    browser.fill("#register-password", PASSWORD).await;
    browser.click("#register .primary").await;
    // Only the service refuses this one.
    browser.lists("#register .problem", &["Write 1 to 100 characters"]).await;
    let state = "const input = document.activeElement; return [input.id, input.ariaInvalid, input.getAttribute('aria-describedby')]";
    assert_eq!(browser.run(state, &[]).await, json!(["register-name", "true", "register-name-error"]));
    browser.fill("#register-name", NAME).await;
    browser.click("#register .primary").await;
    browser.says("#status", "Your account is ready.").await;

    browser.click("#logout").await;
    browser.says("#status", "You are logged out.").await;
    browser.log_in("wrong horse").await;
    browser.lists("#login .problem", &["The e-mail address or the password is wrong"]).await;
    browser.lists("#status", &[""]).await;
    browser.click("#login .switch a").await;
    browser.fill("#register-name", NAME).await;
    browser.fill("#register-email", &EMAIL.to_uppercase()).await;
    browser.fill("#register-password", PASSWORD).await;
    browser.fill("#register-confirm", PASSWORD).await;
    browser.click("#register .primary").await;
    browser.lists("#register .problem", &["There is already an account with this address"]).await;
    assert_eq!(focus(&browser).await, "register-email");
    browser.close().await;
}

pub(crate) async fn failures_of_the_service_are_explained() {
    let service = Service::with(|settings| settings.attempts_per_minute = 1.try_into().unwrap()).await;
    let browser = service.browser().await;
    browser.log_in(PASSWORD).await;
    browser.lists("#login .problem", &["The e-mail address or the password is wrong"]).await;
    browser.log_in(PASSWORD).await;
    let said = browser.text("#login .whole").await;
    assert!(said.starts_with("Too many attempts. Try again in ") && said.ends_with(" seconds."), "{said}");

    let unavailable = "window.fetch = async () =>
        Response.json({ error: 'temporarily_unavailable' }, { status: 503, headers: { 'retry-after': '5' } })";
    browser.run(unavailable, &[]).await;
    browser.click("#login .primary").await;
    browser.says("#login .whole", "The service is unavailable for the moment. Try again in 5 seconds.").await;

    // The page is there, and the service behind it does not answer.
    let offline = "The service does not answer. Check your connection and try again.";
    browser.command("Network.enable", json!({})).await;
    browser.command("Network.setBlockedURLs", json!({"urls": ["*/api/*"]})).await;
    browser.reload().await;
    browser.says("#alert", offline).await;
    browser.lists("h1", &["The service does not answer"]).await;
    browser.command("Network.setBlockedURLs", json!({"urls": []})).await;
    browser.click("#again").await;
    browser.lists("h1", &["Log in"]).await;

    let conditions = json!({"offline": true, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0});
    browser.command("Network.emulateNetworkConditions", conditions).await;
    browser.log_in(PASSWORD).await;
    browser.says("#login .whole", offline).await;
    browser.close().await;
}

pub(crate) async fn user_registers_with_the_keyboard() {
    let service = Service::start().await;
    let browser = service.browser().await;
    browser.lists("h1", &["Log in"]).await;
    // The name of the site, the address, the password, its button, the button of the form, the link.
    browser.press(&format!("{}{ENTER}", TAB.to_string().repeat(6))).await;
    browser.lists("h1", &["Create an account"]).await;
    browser.press(&format!("{TAB}{NAME}{TAB}{EMAIL}{TAB}{TAB}{PASSWORD}{TAB}{TAB}{PASSWORD}{ENTER}")).await;

    browser.says("#status", "Your account is ready.").await;
    browser.lists("#account h1", &[NAME]).await;
    browser.says("#me-email", EMAIL).await;
    browser.says("#me-initials", "AL").await;
    browser.says("#me-role", "user").await;
    browser.lists("#sessions .label", &["Chrome on Linux"]).await;
    browser.lists("#sessions .here", &["This session"]).await;
    assert_eq!(browser.run("return document.title", &[]).await, "Portcullis sessions");
    assert_eq!(focus(&browser).await, "me-name");
    browser.close().await;
}

async fn focus(browser: &Browser) -> String {
    browser.run("return document.activeElement.id", &[]).await.as_str().unwrap().to_owned()
}
