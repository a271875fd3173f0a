//! What the page looks like, and what it forbids itself.

use serde_json::json;

use crate::service::{PASSWORD, Service};

pub(crate) async fn policy_forbids_foreign_content() {
    let service = Service::start().await;
    let browser = service.browser().await;
    let policy = "return fetch('/').then((page) => page.headers.get('content-security-policy').split('; ').sort())";
    let expected = json!([
        "base-uri 'none'",
        "connect-src 'self'",
        "default-src 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "img-src 'self' https:",
        "require-trusted-types-for 'script'",
        "script-src 'self'",
        "style-src 'self'",
        "trusted-types 'none'",
    ]);
    assert_eq!(browser.run(policy, &[]).await, expected);
    let inline =
        "return document.querySelectorAll('script:not([src]), style, [style], [onclick], [onload], [onerror]').length";
    assert_eq!(browser.run(inline, &[]).await, 0);
    let inserted = "try { document.body.innerHTML = '<p>'; return 'inserted' } catch (error) { return error.name }";
    assert_eq!(browser.run(inserted, &[]).await, "TypeError");
    browser.quit().await;
}

/// Leaves pictures in the folder `screenshots` of the target folder.
pub(crate) async fn page_fits_screens_and_schemes() {
    let service = Service::start().await;
    let browser = service.browser().await;
    browser.lists("h1", &["Log in"]).await;
    for scheme in ["light", "dark"] {
        browser.prefer(scheme).await;
        browser.picture(&format!("login-{scheme}"), 1000).await;
    }
    browser.close().await;

    let browser = service.registered().await;
    browser.log_in_elsewhere("Firefox on Windows").await;
    browser.log_in_elsewhere("Safari on iOS").await;
    browser.click("#reload").await;
    browser.lists("#sessions .label", &["Chrome on Linux", "Safari on iOS", "Firefox on Windows"]).await;
    for (scheme, width) in [("light", 1000), ("dark", 1000), ("light", 360), ("dark", 360)] {
        browser.prefer(scheme).await;
        browser.picture(&format!("account-{scheme}-{width}"), width).await;
        let wide = "return document.documentElement.scrollWidth > innerWidth";
        assert_eq!(browser.run(wide, &[]).await, false, "the page is wider than {width} px");
    }

    browser.click("#logout").await;
    browser.log_in(&PASSWORD.to_uppercase()).await;
    browser.lists("#login .problem", &["The e-mail address or the password is wrong"]).await;
    browser.prefer("dark").await;
    browser.picture("error-dark-360", 360).await;
    browser.click("#login .switch a").await;
    browser.prefer("light").await;
    browser.picture("register-light-360", 360).await;
    let controls = "return [...document.querySelectorAll('input, button, a')].filter((each) => each.checkVisibility())
        .map((each) => each.getBoundingClientRect()).filter((box) => box.left < 0 || box.right > innerWidth).length";
    assert_eq!(browser.run(controls, &[]).await, 0);
    browser.close().await;
}
