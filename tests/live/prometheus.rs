//! A real Prometheus scrapes both example servers, evaluates the dashboard and the alert rules, and draws each panel.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use portcullis_testing::{DpopKey, Endpoint, Fault, IssuerServer, TestIssuer};
use reqwest::Url;
use serde_json::{Value, json};

use crate::debian::Packages;
use crate::driver::Driver;
use crate::introspection::{block_on, serve_with};
use crate::monitoring::{Expression, alerts, panels};
use crate::process::{Port, Process, folder, guarded};
use crate::services::Services;
use crate::webdriver::WebDriver;
use crate::{API, introspection};

pub(crate) const TESTS: [(&str, fn()); 2] =
    named![self::expressions_have_data_and_are_drawn, self::rules_pass_their_own_tests];

// The page of Prometheus needs a copy of jQuery beside it, also where the system has one.
const PACKAGES: Packages = Packages {
    names: &["prometheus", "libjs-jquery"],
    folder: concat!(env!("CARGO_TARGET_TMPDIR"), "/live/prometheus"),
};

const MONITORING: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/monitoring");

/// Panels and alerts that the traffic of this test cannot cause, and why. An expression with data must not be in the list.
const WITHOUT_DATA: [(&str, &str); 8] = [
    ("Refusals behind a guard", "no handler of the example servers checks a second policy"),
    ("Session checks", "the example servers have no sessions"),
    ("Refreshes", "the example servers have no sessions"),
    ("API keys and the deny-list", "the example servers have neither"),
    ("PortcullisKeysAreOld", "the keys would have to be two hours old"),
    ("PortcullisHasErrors", "each route has its gate, and nothing panics"),
    ("PortcullisReplayStoreIsFull", "the store has room for more proofs than the test sends"),
    ("PortcullisReplayStoreFillsUp", "the store has room for more proofs than the test sends"),
];

/// Alerts that have data or not, and why.
const SOMETIMES_WITH_DATA: [(&str, &str); 1] =
    [("PortcullisFetchesFail", "servers that never had keys wait longer after each failure")];

const URL: &str = "https://api.test";
const PATIENCE: Duration = Duration::from_secs(90);
/// The seconds between two scrapes.
const SCRAPE: u64 = 1;
/// The seconds between two points of a graph, as on a page of Grafana that shows three hours.
const STEP: u64 = 15;

const ARGUMENTS: [&str; 6] = [
    "--headless=new",
    // Chromium refuses to run as root with its sandbox, and it only loads the page under test.
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--lang=en-US",
    "--window-size=1400,900",
    "--remote-debugging-pipe",
];

/// Returns why the tests cannot run without an installation.
pub(crate) fn missing() -> Option<String> {
    PACKAGES.missing().or_else(|| Driver::missing().map(str::to_owned))
}

fn rules_pass_their_own_tests() {
    PACKAGES.install();
    let alerts = alerts().len();
    for (arguments, said) in [
        (["check", "rules", "alerts.yml"], format!("SUCCESS: {alerts} rules found")),
        (["test", "rules", "alerts_test.yml"], "SUCCESS".to_owned()),
    ] {
        let output = Command::new(program("promtool")).args(arguments).current_dir(MONITORING).output().unwrap();
        let printed = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && printed.contains(&said), "{arguments:?}: {output:?}");
    }
}

fn expressions_have_data_and_are_drawn() {
    PACKAGES.install();
    let scene = Scene::start();
    let prometheus = Prometheus::start(&scene.targets());
    block_on(async {
        let mut expressions = [panels(), alerts()].concat();
        expressions.retain(|expression| SOMETIMES_WITH_DATA.iter().all(|(sometimes, _)| *sometimes != expression.of));
        let is_expected = |of: &str| WITHOUT_DATA.iter().all(|(without, _)| *without != of);
        let end = Instant::now() + PATIENCE;
        // Everything has data at the same time. Before, only some counters have two samples.
        loop {
            scene.make_traffic();
            let mut missing = Vec::new();
            for Expression { of, text } in &expressions {
                let has_data = prometheus.has_data(text).await;
                assert!(!has_data || is_expected(of), "{of} has data, so it is not one without");
                if !has_data && is_expected(of) {
                    missing.push(of.as_str());
                }
            }
            if missing.is_empty() {
                break;
            }
            assert!(Instant::now() < end, "no data: {missing:?}");
        }
        prometheus.assert_rules_were_evaluated(&scene).await;
        let drawn: Vec<_> = panels().into_iter().filter(|panel| is_expected(&panel.of)).collect();
        prometheus.draw(&drawn, &scene).await;
    });
}

/// Both example servers with everything that they can count, and both with an issuer that is down.
struct Scene {
    issuer: IssuerServer,
    services: Services,
    without_keys: Services,
    dpop: DpopKey,
}

impl Scene {
    fn start() -> Self {
        let issuer = TestIssuer::new().with_audience(API).serve();
        let (client, secret) = introspection::CLIENT;
        issuer.set_introspection_client(client, secret);
        let down = TestIssuer::new().with_audience(API).serve();
        down.go_down();
        let without_keys = Services::start_unready(&[("PORTCULLIS_ISSUER", &down.url()), ("PORTCULLIS_AUDIENCE", API)]);
        let services = serve_with(
            issuer.issuer().url(),
            &issuer.introspection_url(),
            &[
                ("PORTCULLIS_PUBLIC_URL", URL),
                ("PORTCULLIS_DPOP", "accepted"),
                ("PORTCULLIS_CACHED_TOKENS", "100"),
                // So that keys are fetched all the time.
                ("PORTCULLIS_KEY_LIFETIME_SECONDS", "1"),
                ("PORTCULLIS_KEY_LIFETIME_MIN_SECONDS", "1"),
                ("PORTCULLIS_KEY_LIFETIME_MAX_SECONDS", "1"),
            ],
        );
        Self { issuer, services, without_keys, dpop: DpopKey::new() }
    }

    /// Returns the name and the address of each server.
    fn targets(&self) -> [(&str, &str); 4] {
        let ([axum, actix], [other_axum, other_actix]) = (self.services.addresses(), self.without_keys.addresses());
        [("axum", axum), ("actix", actix), ("axum-without-keys", other_axum), ("actix-without-keys", other_actix)]
    }

    /// Sends one request of each kind to both servers.
    fn make_traffic(&self) {
        let issuer = self.issuer.issuer();
        let token = || issuer.token().subject("alice").scope("read:messages");
        let good = token().sign();
        let (opaque, revoked) = (self.issuer.opaque_token(&token()), self.issuer.opaque_token(&token()));
        self.issuer.revoke_opaque_token(&revoked);
        let status = |path: &str, token: Option<&str>| self.services.get(path, token).status;
        for (path, token, expected) in [
            ("/api/greeting", None, 200),
            ("/api/private", None, 401),
            ("/api/private", Some(&good), 200),
            ("/api/private", Some(&good), 200),
            ("/api/private", Some(&opaque), 200),
            ("/api/private", Some(&opaque), 200),
            ("/api/private", Some(&revoked), 401),
            ("/api/private", Some(&token().expired().sign()), 401),
            ("/api/private", Some(&token().audience("https://other.test").sign()), 401),
            ("/api/private-scoped", Some(&token().scope("openid").sign()), 403),
        ] {
            assert_eq!(status(path, token.map(String::as_str)), expected, "{path}");
        }
        for _ in 0..4 {
            assert_eq!(status("/api/private", Some(&token().issuer("https://other.test").sign())), 401);
        }
        self.issuer.misbehave_at(Endpoint::Introspection, Fault::status(500));
        assert_eq!(status("/api/private", Some(&self.issuer.opaque_token(&token()))), 503);
        self.issuer.behave();
        assert_eq!(self.without_keys.get("/api/private", Some(&good)).status, 503);

        let bound = token().claim("cnf", json!({"jkt": self.dpop.thumbprint()})).sign();
        let proof = self.dpop.proof("GET", &format!("{URL}/api/private"), &bound).sign();
        let authorization = format!("DPoP {bound}");
        let fields = [("authorization", authorization.as_str()), ("dpop", proof.as_str())];
        assert_eq!(self.services.get_with("/api/private", &fields).status, 200);
        assert_eq!(self.services.get_with("/api/private", &fields).status, 401, "a proof is accepted once");
    }
}

struct Prometheus {
    url: String,
    client: reqwest::Client,
    data: PathBuf,
    process: Option<Process>,
    _port: Port,
}

impl Prometheus {
    fn start(targets: &[(&str, &str)]) -> Self {
        let data = folder().join(format!("prometheus-{}", std::process::id()));
        fs::create_dir_all(&data).unwrap();
        let jobs: Vec<_> = targets
            .iter()
            .map(|(name, address)| json!({"job_name": name, "static_configs": [{"targets": [address]}]}))
            .collect();
        let seconds = format!("{SCRAPE}s");
        // YAML contains JSON.
        let config = json!({
            "global": {"scrape_interval": seconds, "evaluation_interval": seconds},
            "rule_files": [format!("{MONITORING}/alerts.yml")],
            "scrape_configs": jobs,
        });
        let file = data.join("prometheus.yml");
        fs::write(&file, config.to_string()).unwrap();
        let port = Port::reserve();
        let assets = Path::new(PACKAGES.folder).join("usr/share/prometheus/web");
        let mut command = guarded(program("prometheus"));
        command
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", data.join("data").display()))
            .arg(format!("--web.local-assets={}", assets.display()))
            .arg(format!("--web.listen-address=127.0.0.1:{}", port.number));
        let process = Process::start(&mut command, &format!("prometheus-{}", std::process::id()));
        let url = format!("http://127.0.0.1:{}", port.number);
        process.wait_until(|| crate::http::get_url(&format!("{url}/-/ready")).is_ok_and(|answer| answer.status == 200));
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { url, client, data, process: Some(process), _port: port }
    }

    /// Evaluates an expression now. Returns whether it has a number.
    async fn has_data(&self, expression: &str) -> bool {
        let result = self.ask("query", &[("query", &as_grafana_asks(expression))]).await;
        let numbers = result["result"].as_array().unwrap().iter().map(|series| series["value"][1].as_str().unwrap());
        numbers.map(|number| number.parse::<f64>().unwrap()).any(|number| !number.is_nan())
    }

    /// Waits until Prometheus itself has evaluated all rules, each without an error.
    async fn assert_rules_were_evaluated(&self, scene: &Scene) {
        let end = Instant::now() + PATIENCE;
        loop {
            let groups = self.ask("rules", &[]).await;
            let rules = groups["groups"][0]["rules"].as_array().unwrap().clone();
            assert_eq!(rules.len(), alerts().len());
            assert!(rules.iter().all(|rule| rule["health"] != "err"), "{rules:?}");
            if rules.iter().all(|rule| rule["health"] == "ok") {
                return;
            }
            assert!(Instant::now() < end, "{rules:?}");
            scene.make_traffic();
        }
    }

    async fn ask(&self, endpoint: &str, parameters: &[(&str, &str)]) -> Value {
        let url = Url::parse_with_params(&format!("{}/api/v1/{endpoint}", self.url), parameters).unwrap();
        let mut answer: Value = self.client.get(url).send().await.unwrap().json().await.unwrap();
        assert_eq!(answer["status"], "success", "{parameters:?}: {answer}");
        answer["data"].take()
    }

    /// Draws these expressions in the page of Prometheus. The pictures are in `target/screenshots`.
    async fn draw(&self, panels: &[Expression], scene: &Scene) {
        let browser = WebDriver::start(Driver::url(), &ARGUMENTS).await;
        // Its address has one digit for the number of a graph.
        for (number, panels) in panels.chunks(8).enumerate() {
            self.draw_page(&browser, panels, scene, &format!("monitoring-{}.png", number + 1)).await;
        }
        browser.quit().await;
    }

    async fn draw_page(&self, browser: &WebDriver, panels: &[Expression], scene: &Scene, name: &str) {
        let asked = panels.iter().map(|panel| as_grafana_asks(&panel.text)).enumerate();
        let parameters = asked.flat_map(|(number, expression)| {
            let of_graph = [("expr", expression), ("tab", "0".to_owned()), ("range_input", "1m".to_owned())];
            of_graph.map(|(name, value)| (format!("g{number}.{name}"), value))
        });
        let url = Url::parse_with_params(&format!("{}/classic/graph", self.url), parameters).unwrap();
        let end = Instant::now() + PATIENCE;
        loop {
            scene.make_traffic();
            browser.open(url.as_str()).await;
            // Prometheus shows an error, or "No datapoints found.", where it has drawn nothing.
            let state = loop {
                let state = browser.run(STATE, &[]).await;
                if state["waiting"] == 0 && state["graphs"] == panels.len() {
                    break state;
                }
                assert!(Instant::now() < end, "{state}: {:?}", browser.log("browser").await);
                tokio::time::sleep(Duration::from_millis(50)).await;
            };
            if state["errors"] == json!([]) && state["drawn"] == panels.len() {
                break;
            }
            assert!(Instant::now() < end, "{state}");
        }
        let titles: Vec<_> = panels.iter().map(|panel| panel.of.as_str()).collect();
        let height = browser.run(ARRANGE, &[json!(titles)]).await.as_u64().unwrap();
        let screen = json!({"width": 1400, "height": height, "deviceScaleFactor": 1, "mobile": false});
        browser.command("Emulation.setDeviceMetricsOverride", screen).await;
        let pictures = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("screenshots");
        fs::create_dir_all(&pictures).unwrap();
        fs::write(pictures.join(name), browser.picture().await).unwrap();
    }
}

/// Tells how many graphs there are, how many still wait for data, how many have a line, and what they complain about.
const STATE: &str = "
    const all = [...document.querySelectorAll('.graph_wrapper')];
    const seen = (css) => all.map((graph) => graph.querySelector(css)).filter((found) => found?.checkVisibility());
    return {
        graphs: all.length,
        waiting: all.filter((graph) => !graph.querySelector('.eval_stats').innerText).length,
        drawn: all.filter((graph) => graph.querySelector('.graph_area svg path')).length,
        errors: seen('.error').map((error) => error.innerText),
    };
";

/// Hides what is for input, shows two graphs in a row under the titles of their panels, and returns the height.
const ARRANGE: &str = "
    const style = document.createElement('style');
    style.textContent = `
        nav, .query-history, .form-inline, .nav-tabs, .prometheus_input_group, #add_graph, .eval_stats,
        .graph_wrapper .text-right, .y_axis_unused { display: none !important }
        body { padding: 0 !important }
        #graph_container { display: grid; grid-template-columns: 680px 680px; gap: 8px 16px }
        .graph_wrapper { margin: 0; padding: 0; border: 0; zoom: 1 }
        .legend { max-height: 110px; overflow: hidden; font-size: 11px }
    `;
    document.head.append(style);
    document.querySelectorAll('.graph_wrapper').forEach((graph, number) => {
        const title = document.createElement('h5');
        title.textContent = arguments[0][number];
        graph.prepend(title);
    });
    dispatchEvent(new Event('resize'));
    // The page has moved to the last graph.
    scrollTo(0, 0);
    return Math.ceil(document.querySelector('#graph_container').getBoundingClientRect().bottom + scrollY) + 8;
";

impl Drop for Prometheus {
    fn drop(&mut self) {
        self.process = None;
        let _ = fs::remove_dir_all(&self.data);
    }
}

fn program(name: &str) -> PathBuf {
    Path::new(PACKAGES.folder).join("usr/bin").join(name)
}

/// Replaces the variables of the dashboard as Grafana does, when all jobs are chosen.
fn as_grafana_asks(expression: &str) -> String {
    let interval = (STEP + SCRAPE).max(4 * SCRAPE);
    let asked = expression.replace("$__rate_interval", &format!("{interval}s")).replace("$job", ".*");
    assert!(!asked.contains('$'), "{asked} has another variable");
    asked
}
