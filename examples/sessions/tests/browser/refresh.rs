//! What the page does when an access token has expired.

use serde_json::json;

use crate::service::{ACCESS_LIFETIME, NAME, Service};

pub(crate) async fn two_tabs_share_one_refresh() {
    let service = Service::with_short_access_tokens().await;
    let browser = service.registered().await;
    let tabs = browser.second_tab().await;
    browser.says("#me-name", NAME).await;
    tokio::time::sleep(ACCESS_LIFETIME).await;

    // Both tabs get this message at the same moment, and click.
    for tab in &tabs {
        browser.show(tab).await;
        let click = "performance.clearResourceTimings();
            new BroadcastChannel('test').onmessage = () => document.querySelector('#reload').click()";
        browser.run(click, &[]).await;
    }
    browser.run("new BroadcastChannel('test').postMessage('now')", &[]).await;
    let mut requests = Vec::new();
    for tab in &tabs {
        browser.show(tab).await;
        browser.says("#status", "The list is up to date.").await;
        browser.says("#me-name", NAME).await;
        let sent = "return performance.getEntriesByType('resource')
            .map((entry) => `${new URL(entry.name).pathname} ${entry.responseStatus}`).sort()";
        requests.push(browser.run(sent, &[]).await);
    }
    let refused = ["/api/sessions 200", "/api/sessions 401", "/api/users/me 200", "/api/users/me 401"];
    let refused = refused.map(ToString::to_string).to_vec();
    let refreshed = [vec!["/api/auth/refresh 200".to_owned()], refused.clone()].concat();
    requests.sort_by_key(ToString::to_string);
    assert_eq!(requests, [json!(refreshed), json!(refused)]);

    // The next refresh uses the token of this one.
    tokio::time::sleep(ACCESS_LIFETIME).await;
    browser.reload().await;
    browser.says("#me-name", NAME).await;
    browser.close().await;
}

pub(crate) async fn failed_refresh_keeps_the_login() {
    let service = Service::with_short_access_tokens().await;
    let browser = service.registered().await;
    tokio::time::sleep(ACCESS_LIFETIME).await;
    let outage = "const send = window.fetch;
        window.mend = () => { window.fetch = send };
        window.fetch = async (path, options) => path.endsWith('/refresh')
            ? Response.json({ error: 'temporarily_unavailable' }, { status: 503 })
            : send(path, options)";
    browser.run(outage, &[]).await;
    browser.click("#reload").await;
    browser.says("#alert", "The service is unavailable for the moment. Try again in a while.").await;
    browser.says("#me-name", NAME).await;
    browser.run("mend()", &[]).await;
    browser.click("#reload").await;
    browser.says("#status", "The list is up to date.").await;
    browser.lists("#alert", &[""]).await;
    browser.close().await;
}

pub(crate) async fn refused_requests_are_sent_twice_at_most() {
    let service = Service::start().await;
    let browser = service.registered().await;
    let refuse = "const send = window.fetch;
        window.sent = [];
        window.fetch = async (path, options) => {
            sent.push(path);
            return path.startsWith('/api/auth/')
                ? send(path, options)
                : Response.json({ error: 'invalid_token' }, { status: 401 });
        }";
    browser.run(refuse, &[]).await;
    browser.click("#reload").await;
    browser.says("#status", "This session has ended. Log in again.").await;
    browser.lists("h1", &["Log in"]).await;
    let sent = browser.run("return sent.sort()", &[]).await;
    let twice = ["/api/sessions", "/api/sessions", "/api/users/me", "/api/users/me"];
    assert_eq!(sent, json!([&["/api/auth/refresh"][..], &twice[..]].concat()));
    browser.close().await;
}
