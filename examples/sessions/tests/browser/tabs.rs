//! Two tabs of one browser.

use crate::service::{ACCESS_LIFETIME, EMAIL, NAME, PASSWORD, Service};

pub(crate) async fn logout_reaches_other_tabs() {
    let service = Service::with_short_access_tokens().await;
    let browser = service.registered().await;
    let [first, second] = browser.second_tab().await;
    browser.says("#me-name", NAME).await;

    browser.show(&first).await;
    browser.says("#me-name", NAME).await;
    // The access token has expired, and the refresh token is enough.
    tokio::time::sleep(ACCESS_LIFETIME).await;
    browser.click("#logout").await;
    browser.says("#status", "You are logged out.").await;
    browser.show(&second).await;
    browser.says("#status", "You logged out in another tab.").await;
    browser.lists("h1", &["Log in"]).await;
    // Nothing of the account is left, also not in hidden parts.
    let left = "return document.documentElement.innerHTML.includes(arguments[0])
        || [...document.querySelectorAll('input')].some((input) => input.value)";
    for text in [NAME, EMAIL] {
        assert_eq!(browser.run(left, &[text.into()]).await, false, "{text}");
    }
    browser.reload().await;
    browser.lists("h1", &["Log in"]).await;

    browser.log_in(PASSWORD).await;
    browser.says("#me-name", NAME).await;
    browser.show(&first).await;
    browser.says("#me-name", NAME).await;
    browser.close().await;
}
