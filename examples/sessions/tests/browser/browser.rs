//! A browser that clicks and reads.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::driver::Driver;
use crate::service::{EMAIL, PASSWORD};
use crate::webdriver::WebDriver;

const PATIENCE: Duration = Duration::from_secs(20);
const ARGUMENTS: [&str; 7] = [
    "--headless=new",
    // Chromium refuses to run as root with its sandbox, and it only loads the page under test.
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--lang=en-US",
    "--window-size=1100,900",
    // The browser ends with the driver.
    "--remote-debugging-pipe",
    // No other machine can be reached.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost",
];

/// A browser with an empty profile. The methods act on the tab that was opened or shown last.
pub(crate) struct Browser {
    driver: WebDriver,
    url: String,
}

impl Browser {
    /// Starts a browser and opens the page at `url`.
    pub(crate) async fn open(url: &str) -> Self {
        let driver = WebDriver::start(Driver::url(), &ARGUMENTS).await;
        driver.open(url).await;
        Self { driver, url: url.to_owned() }
    }

    /// Opens the page in a second tab. Returns the names of both.
    pub(crate) async fn second_tab(&self) -> [String; 2] {
        let first = self.driver.tab().await;
        let second = self.driver.new_tab().await;
        self.show(&second).await;
        self.driver.open(&self.url).await;
        [first, second]
    }

    /// Shows a tab.
    pub(crate) async fn show(&self, tab: &str) {
        self.driver.show(tab).await;
    }

    /// Loads the page again.
    pub(crate) async fn reload(&self) {
        self.driver.reload().await;
    }

    /// Fills in the form for the login, and sends it.
    pub(crate) async fn log_in(&self, password: &str) {
        self.fill("#login-email", EMAIL).await;
        self.fill("#login-password", password).await;
        self.click("#login .primary").await;
    }

    /// Logs in as another device would, which calls itself `label`. The cookies of this browser stay as they are.
    pub(crate) async fn log_in_elsewhere(&self, label: &str) {
        let body = json!({"email": EMAIL, "password": PASSWORD, "label": label}).to_string();
        let log_in = "return fetch('/api/auth/login', { method: 'POST', credentials: 'omit', body: arguments[0],
            headers: { 'content-type': 'application/json' } }).then((answer) => answer.status)";
        assert_eq!(self.run(log_in, &[body.into()]).await, 200);
    }

    /// Clicks an element as soon as it is visible.
    pub(crate) async fn click(&self, css: &str) {
        self.driver.click(&self.visible(css).await).await;
    }

    /// Replaces the text of an input.
    pub(crate) async fn fill(&self, css: &str, text: &str) {
        let input = self.visible(css).await;
        self.driver.fill(&input, text).await;
    }

    /// Presses keys. They go to the element that has the focus.
    pub(crate) async fn press(&self, keys: &str) {
        self.driver.press(keys).await;
    }

    /// Waits until the element is visible and says `expected`.
    pub(crate) async fn says(&self, css: &str, expected: &str) {
        self.lists(css, &[expected]).await;
    }

    /// Waits until the visible elements say `expected`.
    pub(crate) async fn lists(&self, css: &str, expected: &[&str]) {
        let end = Instant::now() + PATIENCE;
        loop {
            let said = self.texts(css).await;
            if said == expected {
                return;
            }
            let page = self.texts("body").await;
            assert!(Instant::now() < end, "{css} says {said:?}, not {expected:?}. The page says {page:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Returns what the element says as soon as it is visible.
    pub(crate) async fn text(&self, css: &str) -> String {
        self.visible(css).await;
        self.texts(css).await.remove(0)
    }

    /// Returns what the visible elements say.
    pub(crate) async fn texts(&self, css: &str) -> Vec<String> {
        let visible = "return [...document.querySelectorAll(arguments[0])].filter((found) => found.checkVisibility())
            .map((found) => found.innerText.trim())";
        serde_json::from_value(self.run(visible, &[css.into()]).await).unwrap()
    }

    /// Runs a script in the page. Returns its result, or what its promise resolves to.
    pub(crate) async fn run(&self, script: &str, arguments: &[Value]) -> Value {
        self.driver.run(script, arguments).await
    }

    /// Sends a command of the Chrome DevTools protocol.
    pub(crate) async fn command(&self, name: &str, parameters: Value) -> Value {
        self.driver.command(name, parameters).await
    }

    /// Sets the size of the screen. A narrow one is a phone's.
    pub(crate) async fn resize(&self, width: u64, height: u64) {
        let is_phone = width < 600;
        let screen = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": is_phone});
        self.command("Emulation.setDeviceMetricsOverride", screen).await;
    }

    /// Sets whether the user prefers the `light` or the `dark` scheme.
    pub(crate) async fn prefer(&self, scheme: &str) {
        let feature = json!({"name": "prefers-color-scheme", "value": scheme});
        self.command("Emulation.setEmulatedMedia", json!({"features": [feature]})).await;
    }

    /// Takes a picture of the whole page, at this width.
    pub(crate) async fn picture(&self, name: &str, width: u64) {
        self.resize(width, 100).await;
        let height = self.run("return document.documentElement.scrollHeight", &[]).await;
        self.resize(width, height.as_u64().unwrap()).await;
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("screenshots");
        std::fs::create_dir_all(&folder).unwrap();
        let picture = self.driver.picture().await;
        std::fs::write(folder.join(format!("{name}.png")), picture).unwrap();
    }

    /// Closes the browser. Until then, it must have asked only the service, and have had nothing to complain about.
    pub(crate) async fn close(self) {
        let complaints = self.driver.log("browser").await;
        let complaints: Vec<_> = complaints.iter().filter(|complaint| !is_refusal(complaint)).collect();
        assert!(complaints.is_empty(), "{complaints:?}");

        let events = self.driver.log("performance").await;
        let events = events.iter().map(|event| serde_json::from_str::<Value>(event).unwrap());
        let requests = events.filter(|event| event["message"]["method"] == "Network.requestWillBeSent");
        let asked: Vec<_> = requests.map(|event| event["message"]["params"]["request"]["url"].clone()).collect();
        let own = format!("{}/", self.url);
        assert!(!asked.is_empty() && asked.iter().all(|url| url.as_str().unwrap().starts_with(&own)), "{asked:?}");
        self.quit().await;
    }

    /// Closes the browser after a test that provokes what it complains about.
    pub(crate) async fn quit(self) {
        self.driver.quit().await;
    }

    /// Returns the name of the first visible element.
    async fn visible(&self, css: &str) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(element) = self.driver.find_visible(css).await {
                return element;
            }
            let page = self.texts("body").await;
            assert!(Instant::now() < end, "{css} is not visible. The page says {page:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Chromium logs each response with an error status, and each request that gets no response. The tests provoke some.
fn is_refusal(message: &str) -> bool {
    let refusals = ["400 (Bad Request)", "401 (Unauthorized)", "409 (Conflict)", "429 (Too Many Requests)"];
    let status = "Failed to load resource: the server responded with a status of ";
    refusals.iter().any(|refusal| message.ends_with(&format!("{status}{refusal}")))
        || message.ends_with("net::ERR_BLOCKED_BY_CLIENT")
        || message.ends_with("net::ERR_INTERNET_DISCONNECTED")
}
