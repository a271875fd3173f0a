//! Three processes that share one store, behind a client that sends each request to the next one.

use std::net::TcpListener;
use std::process::Stdio;
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

use crate::browser::{Answer, Browser};
use crate::service::{EMAIL, PASSWORD, credentials, registration, settings};

const URL: &str = "http://localhost:8000";

struct Instances {
    addresses: Vec<String>,
    processes: Vec<Child>,
    _folder: TempDir,
}

impl Instances {
    /// Starts three at once on an empty store. They share the folder of the keys.
    async fn start(variables: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().unwrap();
        // All are reserved before the first is free again.
        let listeners: Vec<_> = (0..3).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let ports: Vec<_> = listeners.iter().map(|listener| listener.local_addr().unwrap().port()).collect();
        drop(listeners);
        let processes = ports.iter().map(|port| run(&folder, *port, variables)).collect();
        let mut instances = Self {
            addresses: ports.iter().map(|port| format!("http://127.0.0.1:{port}")).collect(),
            processes,
            _folder: folder,
        };
        for process in &mut instances.processes {
            let output = process.stdout.take().unwrap();
            let line = BufReader::new(output).lines().next_line().await.unwrap();
            assert_eq!(line.as_deref(), Some("listening on http://localhost:8000"));
        }
        instances
    }

    /// A page whose requests go to the instances in turn.
    fn browser(&self) -> Browser {
        Browser::new(&self.addresses, URL)
    }

    /// The same page, once for each instance.
    fn each(&self, browser: &Browser) -> impl Iterator<Item = Browser> {
        self.addresses.iter().map(|address| {
            let mut browser = browser.clone();
            browser.move_to(address);
            browser
        })
    }

    async fn logged_in(&self) -> Browser {
        let mut browser = self.browser();
        browser.post("/api/auth/register", registration()).await.expect(201);
        browser.post("/api/auth/login", credentials()).await.expect(200);
        browser
    }
}

/// The program, which ends with the test.
fn run(folder: &TempDir, port: u16, variables: &[(&str, &str)]) -> Child {
    let settings = settings(folder);
    let mut program = Command::new(env!("CARGO_BIN_EXE_example-sessions"));
    program.current_dir(folder.path()).env_clear().envs(variables.iter().copied());
    program.env("PORT", port.to_string()).env("PUBLIC_URL", URL).env("RUST_LOG", "warn");
    program.env("KEYS_FOLDER", &settings.keys.folder);
    program.env("DATABASE_URL", &settings.database_url).env("DATABASE_PREFIX", &settings.database_prefix);
    if let Some(url) = &settings.redis_url {
        program.env("REDIS_URL", url);
    }
    program.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_instances_are_one_service() {
    let instances = Instances::start(&[]).await;
    let mut browser = instances.browser();
    // Registered on the first instance, logged in on the second, refreshed on the third, and so on.
    browser.post("/api/auth/register", registration()).await.expect(201);
    browser.post("/api/auth/register", registration()).await.expect_error(409, "user_exists");
    browser.post("/api/auth/login", credentials()).await.expect(200);
    for _ in 0..4 {
        browser.post_empty("/api/auth/refresh").await.expect(200);
        for _ in 0..3 {
            assert_eq!(browser.get("/api/users/me").await.expect(200).json()["email"], EMAIL);
        }
    }
    assert_eq!(browser.get("/api/sessions").await.expect(200).json().as_array().unwrap().len(), 1);

    // All have the same keys, so each accepts the tokens of each, in the cookie and in the header.
    let mut keys = Vec::new();
    for mut one in instances.each(&browser.clone()) {
        keys.push(one.get("/.well-known/jwks.json").await.expect(200).text);
        one.post_empty("/api/auth/refresh").await.expect(200);
        let bearer = format!("Bearer {}", one.cookie("access_token"));
        for mut other in instances.each(&one) {
            other.get("/api/users/me").await.expect(200);
            other.cookies.clear();
            other.fields = vec![("authorization", bearer.clone())];
            other.get("/api/users/me").await.expect(200);
        }
        browser = one;
    }
    assert!(keys.iter().all(|each| *each == keys[0] && each.contains("\"kid\"")), "{keys:?}");

    // Logged out on one, refused on all.
    let logged_out = browser.clone();
    browser.post_empty("/api/auth/logout").await.expect(200);
    for mut one in instances.each(&logged_out) {
        let answer = one.get("/api/users/me").await.expect_error(401, "invalid_token");
        assert_eq!(answer.json()["reason"], "revoked");
        one.post_empty("/api/auth/refresh").await.expect_error(401, "session_ended");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_refreshes_over_three_are_one_family() {
    let instances = Instances::start(&[]).await;
    let mut browser = instances.logged_in().await;
    let first = browser.clone();
    let mut refreshed = refreshes(&browser, 200).await;
    for (one, answer) in &refreshed {
        let cookies = &answer.cookies;
        assert_eq!((answer.status, cookies.len()), (200, 3), "{}", answer.text);
        assert!(!cookies.iter().any(|cookie| cookie.contains("Max-Age=0")), "nothing is deleted: {cookies:?}");
        assert_eq!(one.cookie("refresh_token"), refreshed[0].0.cookie("refresh_token"), "all got the same token");
    }
    assert_ne!(refreshed[0].0.cookie("refresh_token"), first.cookie("refresh_token"));
    // Each of them is logged in, and can go on.
    for (one, _) in &mut refreshed {
        one.get("/api/users/me").await.expect(200);
    }
    browser = refreshed.pop().unwrap().0;
    assert_eq!(browser.get("/api/sessions").await.expect(200).json().as_array().unwrap().len(), 1);
    browser.post_empty("/api/auth/refresh").await.expect(200);
    browser.get("/api/users/me").await.expect(200);

    // The first token is two generations old now: both parties are logged out, on all instances.
    let mut thief = first;
    thief.post_empty("/api/auth/refresh").await.expect_error(401, "session_ended");
    for mut one in instances.each(&browser) {
        let answer = one.get("/api/users/me").await.expect_error(401, "invalid_token");
        assert_eq!(answer.json()["reason"], "revoked");
        one.post_empty("/api/auth/refresh").await.expect_error(401, "session_ended");
    }
}

/// Refreshes one token at once, on the instances in turn.
async fn refreshes(browser: &Browser, count: usize) -> Vec<(Browser, Answer)> {
    let mut requests = JoinSet::new();
    for _ in 0..count {
        let mut browser = browser.clone();
        requests.spawn(async move {
            let answer = browser.post_empty("/api/auth/refresh").await;
            (browser, answer)
        });
    }
    requests.join_all().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_instance_ends_no_session() {
    let mut instances = Instances::start(&[]).await;
    let mut browser = instances.logged_in().await;
    for round in 0..2 {
        let racing = browser.clone();
        let racing = tokio::spawn(async move { refreshes(&racing, 60).await });
        tokio::time::sleep(Duration::from_millis(20 * round)).await;
        instances.processes.pop().unwrap().kill().await.unwrap();
        // The client sends what was not answered to the next instance.
        let mut refreshed = racing.await.unwrap();
        for (one, answer) in &refreshed {
            assert_eq!(answer.status, 200, "{}", answer.text);
            assert_eq!(one.cookie("refresh_token"), refreshed[0].0.cookie("refresh_token"));
        }
        browser = refreshed.pop().unwrap().0;
        browser.post_empty("/api/auth/refresh").await.expect(200);
        browser.get("/api/users/me").await.expect(200);
    }
    assert_eq!(instances.processes.len(), 1);
    assert_eq!(browser.get("/api/sessions").await.expect(200).json().as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_password_counts_on_all_instances() {
    let instances = Instances::start(&[]).await;
    let mut here = instances.logged_in().await;
    let mut elsewhere = instances.browser();
    elsewhere.post("/api/auth/login", credentials()).await.expect(200);
    let change = json!({"currentPassword": PASSWORD, "password": "new password", "passwordConfirm": "new password"});
    here.post("/api/auth/password", change).await.expect(200);
    for mut one in instances.each(&elsewhere) {
        one.get("/api/users/me").await.expect_error(401, "invalid_token");
        one.post_empty("/api/auth/refresh").await.expect_error(401, "session_ended");
        one.post("/api/auth/login", credentials()).await.expect_error(400, "invalid_credentials");
        one.post("/api/auth/login", json!({"email": EMAIL, "password": "new password"})).await.expect(200);
    }
    for mut one in instances.each(&here) {
        one.get("/api/users/me").await.expect(200);
    }
}

/// The attempts are counted in memory. The README says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_instance_counts_attempts() {
    let instances = Instances::start(&[("ATTEMPTS_PER_MINUTE", "2")]).await;
    let wrong = json!({"email": EMAIL, "password": "wrong horse"});
    for mut one in instances.each(&instances.browser()) {
        for _ in 0..2 {
            one.post("/api/auth/login", wrong.clone()).await.expect_error(400, "invalid_credentials");
        }
        one.post("/api/auth/login", wrong.clone()).await.expect_error(429, "rate_limited");
    }
}
