//! A client of chromedriver: the commands of WebDriver (W3C) that these tests use. Each is one request with JSON.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// The key with which WebDriver marks the name of an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser with an empty profile.
pub(crate) struct WebDriver {
    client: reqwest::Client,
    session: String,
}

impl WebDriver {
    /// Starts a browser with these command-line arguments. It records its console and its requests.
    pub(crate) async fn start(driver: &str, arguments: &[&str]) -> Self {
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(60)).build().unwrap();
        let wanted = json!({
            "browserName": "chrome",
            "goog:chromeOptions": {"args": arguments},
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        });
        let mut driver = Self { client, session: format!("{driver}/session") };
        let started = driver.post("", json!({"capabilities": {"alwaysMatch": wanted}})).await;
        driver.session = format!("{}/{}", driver.session, started["sessionId"].as_str().unwrap());
        driver
    }

    pub(crate) async fn open(&self, url: &str) {
        self.post("/url", json!({"url": url})).await;
    }

    pub(crate) async fn reload(&self) {
        self.post("/refresh", json!({})).await;
    }

    /// Returns the name of the tab to which commands go.
    pub(crate) async fn tab(&self) -> String {
        text(&self.send(self.client.get(format!("{}/window", self.session))).await)
    }

    /// Opens a tab and returns its name.
    pub(crate) async fn new_tab(&self) -> String {
        text(&self.post("/window/new", json!({"type": "tab"})).await["handle"])
    }

    /// Sends the next commands to this tab.
    pub(crate) async fn show(&self, tab: &str) {
        self.post("/window", json!({"handle": tab})).await;
    }

    /// Returns the name of the first visible element, if there is one.
    pub(crate) async fn find_visible(&self, css: &str) -> Option<String> {
        let visible = "return [...document.querySelectorAll(arguments[0])].find((found) => found.checkVisibility())";
        let found = self.run(visible, &[css.into()]).await;
        (!found.is_null()).then(|| text(&found[ELEMENT]))
    }

    pub(crate) async fn click(&self, element: &str) {
        self.post(&format!("/element/{element}/click"), json!({})).await;
    }

    /// Replaces the text of an input.
    pub(crate) async fn fill(&self, element: &str, text: &str) {
        self.post(&format!("/element/{element}/clear"), json!({})).await;
        self.post(&format!("/element/{element}/value"), json!({"text": text})).await;
    }

    /// Presses and releases each of these keys.
    pub(crate) async fn press(&self, keys: &str) {
        let stroke = |key| [json!({"type": "keyDown", "value": key}), json!({"type": "keyUp", "value": key})];
        let strokes: Vec<_> = keys.chars().flat_map(|key| stroke(key.to_string())).collect();
        self.post("/actions", json!({"actions": [{"type": "key", "id": "keyboard", "actions": strokes}]})).await;
    }

    /// Runs the body of a function. Returns its result, or what its promise resolves to.
    pub(crate) async fn run(&self, script: &str, arguments: &[Value]) -> Value {
        self.post("/execute/sync", json!({"script": script, "args": arguments})).await
    }

    /// Sends a command of the Chrome DevTools protocol.
    pub(crate) async fn command(&self, name: &str, parameters: Value) -> Value {
        self.post("/goog/cdp/execute", json!({"cmd": name, "params": parameters})).await
    }

    /// Returns a picture of what is visible, as PNG.
    pub(crate) async fn picture(&self) -> Vec<u8> {
        let picture = self.send(self.client.get(format!("{}/screenshot", self.session))).await;
        STANDARD.decode(text(&picture)).unwrap()
    }

    /// Returns the messages that this log has got since the last call.
    pub(crate) async fn log(&self, name: &str) -> Vec<String> {
        let entries = self.post("/se/log", json!({"type": name})).await;
        entries.as_array().unwrap().iter().map(|entry| text(&entry["message"])).collect()
    }

    /// Closes the browser.
    pub(crate) async fn quit(self) {
        self.send(self.client.delete(&self.session)).await;
    }

    async fn post(&self, command: &str, body: Value) -> Value {
        self.send(self.client.post(format!("{}{command}", self.session)).json(&body)).await
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Value {
        let response = request.send().await.unwrap();
        let status = response.status();
        let mut answer: Value = response.json().await.unwrap();
        assert!(status.is_success(), "{}: {}", answer["value"]["error"], answer["value"]["message"]);
        answer["value"].take()
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is not a text")).to_owned()
}
