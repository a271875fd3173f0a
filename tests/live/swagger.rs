//! Swagger UI of both example servers in a real browser: it authorizes at the embedded issuer and calls a guarded route.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::driver::Driver;
use crate::introspection::block_on;
use crate::node;
use crate::services::Services;
use crate::webdriver::WebDriver;

/// The tests that need a browser.
pub(crate) const TESTS: [(&str, fn()); 1] = named![self::page_authorizes_and_calls_a_guarded_route];

/// The tests that need the packages from npm.
pub(crate) const TESTS_OF_FILES: [(&str, fn()); 1] = named![self::vendored_files_are_those_of_npm];

const PATIENCE: Duration = Duration::from_secs(20);
const ARGUMENTS: [&str; 7] = [
    "--headless=new",
    // Chromium refuses to run as root with its sandbox, and it only loads the page under test.
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--lang=en-US",
    "--window-size=1100,1000",
    // The browser ends with the driver.
    "--remote-debugging-pipe",
    // No other machine can be reached.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
];

/// The operation that needs a scope.
const OPERATION: &str = "#operations-default-private_scoped";

fn page_authorizes_and_calls_a_guarded_route() {
    let services = Services::start(&[]);
    block_on(async {
        for (number, address) in services.addresses().into_iter().enumerate() {
            let page = Page::open(&format!("http://{address}/docs")).await;
            page.execute().await;
            assert_eq!(page.answer().await, ("401".to_owned(), "missing_token".to_owned()), "{address}");
            page.authorize().await;
            page.execute().await;
            let (status, body) = page.answer().await;
            assert_eq!(
                (status.as_str(), body.as_str()),
                ("200", "Hello from a private endpoint. You may read messages.")
            );
            if number == 0 {
                page.picture("docs").await;
            }
            page.close().await;
        }
    });
}

fn vendored_files_are_those_of_npm() {
    node::PACKAGES.install();
    let npm = Path::new(node::PACKAGES.folder).join("node_modules/swagger-ui-dist");
    let vendored = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/environment/swagger-ui");
    let mut compared = 0;
    for file in std::fs::read_dir(&vendored).unwrap().map(|file| file.unwrap().file_name()) {
        if file != "README.md" {
            let same = std::fs::read(vendored.join(&file)).unwrap() == std::fs::read(npm.join(&file)).unwrap();
            assert!(same, "{} differs from the package", file.display());
            compared += 1;
        }
    }
    assert_eq!(compared, 7);
    let package: Value = serde_json::from_slice(&std::fs::read(npm.join("package.json")).unwrap()).unwrap();
    let readme = std::fs::read_to_string(vendored.join("README.md")).unwrap();
    assert!(readme.contains(&format!(
        "`swagger-ui-dist`](https://www.npmjs.com/package/swagger-ui-dist) {}",
        package["version"].as_str().unwrap()
    )));
}

struct Page(WebDriver);

impl Page {
    /// Opens the page, and the operation in it.
    async fn open(url: &str) -> Self {
        let page = Self(WebDriver::start(Driver::url(), &ARGUMENTS).await);
        page.0.open(url).await;
        page.click(&format!("{OPERATION} .opblock-summary-control")).await;
        page.click(&format!("{OPERATION} .try-out__btn")).await;
        page
    }

    /// Calls the route, and waits until the answer of the call before is gone.
    async fn execute(&self) {
        if self.0.find_visible(&format!("{OPERATION} .btn-clear")).await.is_some() {
            self.click(&format!("{OPERATION} .btn-clear")).await;
        }
        self.click(&format!("{OPERATION} .execute")).await;
    }

    /// Returns the status, and the message or the code of the error.
    async fn answer(&self) -> (String, String) {
        let status = self.text(&format!("{OPERATION} .live-responses-table .response .response-col_status")).await;
        let body = self.text(&format!("{OPERATION} .live-responses-table .response .highlight-code")).await;
        let start = body.find('{').unwrap();
        let body: Value = serde_json::from_str(&body[start..=body.rfind('}').unwrap()]).unwrap();
        let said = body.get("message").or(body.get("error")).unwrap();
        (status.lines().next().unwrap().to_owned(), said.as_str().unwrap().to_owned())
    }

    /// Presses Authorize, asks for all scopes, and waits until the page has a token.
    async fn authorize(&self) {
        self.click(".auth-wrapper .authorize").await;
        self.click(".auth-container .scopes h2 a").await;
        self.click(".auth-container .modal-btn.authorize").await;
        // The window of the issuer closes itself.
        let logout = self.text(".auth-container .auth-btn-wrapper .modal-btn").await;
        let end = Instant::now() + PATIENCE;
        while logout != "Logout" && self.text(".auth-container .auth-btn-wrapper .modal-btn").await != "Logout" {
            assert!(Instant::now() < end, "no token: {}", self.text(".dialog-ux").await);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.click(".auth-container .btn-done").await;
    }

    async fn click(&self, css: &str) {
        let element = self.visible(css).await;
        self.0.click(&element).await;
    }

    /// Returns the text of the first visible element.
    async fn text(&self, css: &str) -> String {
        self.visible(css).await;
        let script = "return [...document.querySelectorAll(arguments[0])].find((found) => found.checkVisibility())?.innerText ?? ''";
        self.0.run(script, &[css.into()]).await.as_str().unwrap().trim().to_owned()
    }

    async fn visible(&self, css: &str) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(element) = self.0.find_visible(css).await {
                return element;
            }
            if Instant::now() > end {
                let said = self.0.run("return document.body.innerText", &[]).await;
                panic!("{css} is not visible. The page says {said}. It complains: {:?}", self.0.log("browser").await);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Takes a picture of the operation with its answer. It is in `target/screenshots`.
    async fn picture(&self, name: &str) {
        let screen = |height: u64| json!({"width": 1000, "height": height, "deviceScaleFactor": 1, "mobile": false});
        let last = format!("{OPERATION} .live-responses-table");
        self.0.command("Emulation.setDeviceMetricsOverride", screen(800)).await;
        let bottom =
            "scrollTo(0, 0); return Math.ceil(document.querySelector(arguments[0]).getBoundingClientRect().bottom)";
        let height = self.0.run(bottom, &[last.into()]).await.as_u64().unwrap();
        self.0.command("Emulation.setDeviceMetricsOverride", screen(height + 20)).await;
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("screenshots");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{name}.png")), self.0.picture().await).unwrap();
    }

    /// Closes the browser. It must have asked only servers on this machine.
    async fn close(self) {
        let events = self.0.log("performance").await;
        let events = events.iter().map(|event| serde_json::from_str::<Value>(event).unwrap());
        let requests = events.filter(|event| event["message"]["method"] == "Network.requestWillBeSent");
        let asked: Vec<_> = requests.map(|event| event["message"]["params"]["request"]["url"].clone()).collect();
        let is_here = |url: &str| ["http://127.0.0.1:", "data:"].iter().any(|start| url.starts_with(start));
        assert!(!asked.is_empty() && asked.iter().all(|url| is_here(url.as_str().unwrap())), "{asked:?}");
        self.0.quit().await;
    }
}
