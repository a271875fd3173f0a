//! A page in a real browser, and a service of another origin on each framework: CORS, WebSockets, server-sent events, DPoP and
//! the metadata for clients in browsers. Both are on this machine, at different ports.
//!
//! The services are the recipes of `crates/portcullis/docs/browsers.md`.

mod on_actix;
mod on_axum;
mod service;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis::jose::Algorithm;
use portcullis_testing::TestIssuer;
use serde_json::{Value, json};

use self::service::Service;
use crate::API;
use crate::driver::Driver;
use crate::running::Running;
use crate::webdriver::WebDriver;

pub(crate) const TESTS: [(&str, fn()); 5] = named![
    self::page_opens_websockets,
    self::page_receives_events_with_a_ticket,
    self::page_of_another_origin_reads_refusals,
    self::page_of_any_origin_reads_the_metadata,
    self::page_proves_its_key,
];

const ARGUMENTS: [&str; 5] = [
    "--headless=new",
    // Chromium refuses to run as root with its sandbox, and it only loads the page under test.
    "--no-sandbox",
    "--disable-dev-shm-usage",
    // The browser ends with the driver.
    "--remote-debugging-pipe",
    // No other machine can be reached.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost",
];
const PAGE: &str = include_str!("page.js");
const FRAMEWORKS: [&str; 2] = ["axum", "actix"];

fn page_opens_websockets() {
    Scene::play(async |scene| {
        let token = scene.token(3_600);
        let encoded = format!("base64url.bearer.authorization.k8s.io.{}", URL_SAFE_NO_PAD.encode(&token));
        for (framework, service) in scene.services() {
            let socket = format!("ws://{service}/socket");
            for (offer, expected) in [
                (json!(["bearer", token, "chat.v2"]), "chat.v2"),
                (json!(["chat.v1", "bearer", token]), "bearer"),
                (json!([encoded, "chat.v2"]), "chat.v2"),
            ] {
                let seen = scene.run("talk", json!([socket, offer, ["hello"], 1])).await;
                assert_eq!(seen, json!({"subprotocol": expected, "heard": ["hello"]}), "{framework}");
            }
            // The browser closes the connection, because none of its subprotocols is selected.
            let seen = scene.run("talk", json!([socket, [encoded], ["hello"], 1])).await;
            assert_eq!(seen["code"], 1006, "{framework}");
            let seen = scene.run("talk", json!([socket, ["bearer", "x.y.z"], ["hello"], 1])).await;
            assert_eq!(seen["code"], 1006, "{framework}: the handshake is refused");
            // The token is in the first message.
            let first = format!("ws://{service}/first");
            let seen = scene.run("talk", json!([first, [], [token, "hello"], 1])).await;
            assert_eq!(seen, json!({"subprotocol": "", "heard": ["hello"]}), "{framework}");
            let seen = scene.run("talk", json!([first, [], ["x.y.z", "hello"], 1])).await;
            assert_eq!((&seen["code"], &seen["heard"]), (&json!(3000), &json!([])), "{framework}");
            // The connection ends with its token.
            let short = scene.token(2);
            let seen = scene.run("talk", json!([socket, ["bearer", short], ["hello"], -1])).await;
            let expected = json!({"subprotocol": "bearer", "heard": ["hello"], "code": 3000, "reason": "The access token expired"});
            assert_eq!(seen, expected, "{framework}");
        }
    });
}

fn page_receives_events_with_a_ticket() {
    Scene::play(async |scene| {
        for (framework, service) in scene.services() {
            let service = format!("http://{service}");
            let seen = scene.run("listen", json!([service, scene.token(3_600), false])).await;
            assert_eq!((&seen["heard"], &seen["ended"]), (&json!(true), &json!("by the page")), "{framework}");
            // The ticket is used up.
            let again = scene.run("ask", json!([seen["url"], {}])).await;
            assert_eq!(again["status"], 401, "{framework}");
            let seen = scene.run("listen", json!([service, scene.token(2), true])).await;
            assert_eq!((&seen["heard"], &seen["ended"]), (&json!(true), &json!("by the service")), "{framework}");
        }
    });
}

fn page_of_another_origin_reads_refusals() {
    Scene::play(async |scene| {
        let authorization = format!("Bearer {}", scene.token(3_600));
        let delete = json!({"method": "DELETE", "headers": {"authorization": authorization}});
        for (framework, service) in scene.services() {
            let me = format!("http://{service}/me");
            // The browser sends a preflight request without a token first.
            let seen = scene.run("ask", json!([me, delete])).await;
            assert_eq!((&seen["status"], &seen["body"]), (&json!(200), &json!("deleted")), "{framework}");
            let seen = scene.run("ask", json!([me, {}])).await;
            assert_eq!(seen["status"], 401, "{framework}");
            assert!(seen["challenge"].as_str().unwrap().starts_with(r#"Bearer realm="api""#), "{framework}: {seen}");
            assert!(seen["body"].as_str().unwrap().contains("missing_token"), "{framework}: {seen}");
            let bad = json!({"headers": {"authorization": "Bearer x.y.z"}});
            let seen = scene.run("ask", json!([me, bad])).await;
            assert!(seen["challenge"].as_str().unwrap().contains("invalid_token"), "{framework}: {seen}");
        }
        // A page of an origin that is not listed reads nothing.
        scene.show_other_page().await;
        for (framework, service) in scene.services() {
            for options in [json!({}), delete.clone()] {
                let seen = scene.run("ask", json!([format!("http://{service}/me"), options])).await;
                assert_eq!(seen, json!({"failed": "TypeError"}), "{framework}");
            }
        }
    });
}

fn page_of_any_origin_reads_the_metadata() {
    Scene::play(async |scene| {
        let fields = json!({"content-type": "application/json", "mcp-protocol-version": "2026-07-28"});
        let post = json!({"method": "POST", "headers": fields, "body": "{}"});
        for (framework, service) in scene.services() {
            // A client of the Model Context Protocol finds the metadata by the challenge.
            let seen = scene.run("ask", json!([format!("http://{service}/mcp"), post])).await;
            let challenge = seen["challenge"].as_str().unwrap();
            let url = format!("{API}/.well-known/oauth-protected-resource/mcp");
            assert!(challenge.ends_with(&format!(r#"resource_metadata="{url}""#)), "{framework}: {challenge}");
        }
        let get = json!({"headers": {"mcp-protocol-version": "2026-07-28"}});
        for is_listed in [true, false] {
            if !is_listed {
                scene.show_other_page().await;
            }
            for (framework, service) in scene.services() {
                for path in ["/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-protected-resource"] {
                    let seen = scene.run("ask", json!([format!("http://{service}{path}"), get])).await;
                    assert_eq!(seen["status"], 200, "{framework} {path}: {seen}");
                    let document: Value = serde_json::from_str(seen["body"].as_str().unwrap()).unwrap();
                    assert_eq!(document["resource"], format!("{API}/mcp"), "{framework}");
                }
            }
        }
    });
}

fn page_proves_its_key() {
    Scene::play(async |scene| {
        let thumbprint = scene.run("makeKey", json!([])).await;
        let token = scene.issuer.token().subject("alice").claim("cnf", json!({"jkt": thumbprint})).sign();
        for (framework, service) in scene.services() {
            let url = format!("http://{service}/bound");
            let seen = scene.run("askWithProof", json!([url, format!("{API}/bound"), token])).await;
            // The page reads the nonce of the refusal, and its second proof has it.
            assert_eq!((&seen[0][0], &seen[0][1]), (&json!(401), &json!("use_dpop_nonce")), "{framework}: {seen}");
            assert_eq!(seen[1], json!([200, "", "alice"]), "{framework}");
        }
    });
}

/// A service on each framework, a page of an origin that they list, one of another origin, and a browser.
struct Scene {
    issuer: TestIssuer,
    services: [Running; 2],
    other_page: Running,
    browser: WebDriver,
}

impl Scene {
    fn play(test: impl AsyncFnOnce(&Self)) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let page = || {
                let page = || async { axum::response::Html(format!("<script>{PAGE}</script>")) };
                Running::axum(axum::Router::new().route("/", axum::routing::get(page)))
            };
            let (page, other_page) = (page(), page());
            let origin = format!("http://{}", named(&page));
            let issuer = TestIssuer::from_algorithms([Algorithm::Es256]);
            let service = Service::new(&issuer);
            let on_axum = Running::axum(on_axum::app(service.clone(), &origin));
            let on_actix = Running::actix({
                let origin = origin.clone();
                move |app| on_actix::routes(app, &service, &origin)
            });
            let browser = WebDriver::start(Driver::url(), &ARGUMENTS).await;
            browser.open(&origin).await;
            let scene = Self { issuer, services: [on_axum, on_actix], other_page, browser };
            test(&scene).await;
            scene.browser.quit().await;
        });
    }

    /// The name and the host of each service.
    fn services(&self) -> [(&'static str, String); 2] {
        let [on_axum, on_actix] = &self.services;
        [(FRAMEWORKS[0], named(on_axum)), (FRAMEWORKS[1], named(on_actix))]
    }

    fn token(&self, seconds: u64) -> String {
        self.issuer.token().subject("alice").expires_in(Duration::from_secs(seconds)).sign()
    }

    async fn show_other_page(&self) {
        self.browser.open(&format!("http://{}", named(&self.other_page))).await;
    }

    /// Calls a function of the page.
    async fn run(&self, function: &str, arguments: Value) -> Value {
        let arguments = arguments.as_array().cloned().unwrap_or_default();
        self.browser.run(&format!("return {function}(...arguments)"), &arguments).await
    }
}

/// The browser resolves no other name, and no address.
fn named(server: &Running) -> String {
    format!("localhost:{}", server.address().port())
}
