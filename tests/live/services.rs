//! Runs both example servers as processes and sends them the same requests.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::Duration;

use crate::http::{self, Answer};
use crate::process::{folder, guarded};

/// The header fields that must be equal in both answers, in addition to status and body. `retry-after` may differ,
/// because each server computes its own delay.
const COMPARED: [&str; 4] = ["www-authenticate", "content-type", "content-length", "cache-control"];

/// Both programs. They are built when the first server is started.
static PROGRAMS: LazyLock<[(&str, PathBuf); 2]> =
    LazyLock::new(|| ["example-axum", "example-actix"].map(|package| (package, build(package))));

/// The running Axum and Actix examples.
#[derive(Debug)]
pub(crate) struct Services([Service; 2]);

impl Services {
    /// Starts both servers with these variables and waits until they are ready.
    pub(crate) fn start(variables: &[(&str, &str)]) -> Self {
        let services = Self::start_unready(variables);
        services.wait_for_status(200, "/readyz", None);
        services
    }

    /// Starts both servers with these variables and waits until they listen.
    pub(crate) fn start_unready(variables: &[(&str, &str)]) -> Self {
        let mut services = Self::spawn(variables);
        services.0.iter_mut().for_each(Service::wait_until_listening);
        services
    }

    /// Starts both servers with invalid variables. Returns the exit code and the output of each.
    pub(crate) fn fail_to_start(variables: &[(&str, &str)]) -> [(Option<i32>, String); 2] {
        Self::spawn(variables).0.map(|mut service| (service.wait_for_end(), service.output()))
    }

    /// Sends a request to both servers, checks that the answers are equal, and returns one of them.
    pub(crate) fn get(&self, path: &str, token: Option<&str>) -> Answer {
        let authorization = token.map(|token| format!("Bearer {token}"));
        let headers: Vec<_> = authorization.iter().map(|value| ("authorization", value.as_str())).collect();
        self.get_with(path, &headers)
    }

    /// Sends a request with these header fields. See [`get`](Self::get).
    pub(crate) fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let [axum, actix] = self.0.each_ref().map(|service| service.get(path, headers));
        assert_eq!((axum.status, &axum.body), (actix.status, &actix.body), "{path}");
        for field in COMPARED {
            assert_eq!(axum.all(field), actix.all(field), "{field} of {path}");
        }
        for answer in [&axum, &actix] {
            assert_eq!(answer.all("retry-after").len(), usize::from(is_outage(answer)), "{answer:?}");
        }
        axum
    }

    /// Repeats a request, a limited number of times, until both servers answer with `status`.
    pub(crate) fn wait_for_status(&self, status: u16, path: &str, token: Option<&str>) {
        let authorization = token.map(|token| format!("Bearer {token}"));
        let headers: Vec<_> = authorization.iter().map(|value| ("authorization", value.as_str())).collect();
        for service in &self.0 {
            poll(service.name, || service.get(path, &headers).status == status);
        }
    }

    /// Returns the host and port of each server.
    pub(crate) fn addresses(&self) -> [&str; 2] {
        self.0.each_ref().map(|service| service.address.as_str())
    }

    /// Returns what each server has printed and logged so far.
    pub(crate) fn logs(&self) -> [String; 2] {
        self.0.each_ref().map(Service::output)
    }

    fn spawn(variables: &[(&str, &str)]) -> Self {
        Self(PROGRAMS.each_ref().map(|(name, program)| Service::spawn(name, program, variables)))
    }
}

/// Tells whether a request was refused because keys are unavailable. `/readyz` answers 503 with another body.
fn is_outage(answer: &Answer) -> bool {
    answer.status == 503 && answer.json()["error"] == "temporarily_unavailable"
}

/// A running server. It stops when it is dropped.
#[derive(Debug)]
struct Service {
    name: &'static str,
    address: String,
    log: PathBuf,
    process: Child,
}

impl Service {
    fn spawn(name: &'static str, program: &PathBuf, variables: &[(&str, &str)]) -> Self {
        // A unique name, because servers may run at the same time.
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        fs::create_dir_all(folder()).unwrap();
        let log = folder().join(format!("{name}-{}-{number}.log", std::process::id()));
        let output = fs::File::create(&log).unwrap();
        let process = guarded(program)
            // The developer's own variables must not change the result.
            .env_clear()
            .env("PORT", "0")
            .env("RUST_LOG", "portcullis=trace,portcullis_actix=trace,portcullis_axum=trace")
            .envs(variables.iter().copied())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .expect("an example server starts");
        Self { name, address: String::new(), log, process }
    }

    fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        http::get(&self.address, path, headers)
            .unwrap_or_else(|error| panic!("{}: {error}\n{}", self.name, self.output()))
    }

    fn wait_until_listening(&mut self) {
        poll(self.name, || {
            let log = self.output();
            if let Some(status) = self.process.try_wait().unwrap() {
                panic!("{} ended with {status}:\n{log}", self.name);
            }
            let Some(address) = log.lines().find_map(|line| line.strip_prefix("listening on http://")) else {
                return false;
            };
            address.clone_into(&mut self.address);
            http::get(address, "/healthz", &[]).is_ok_and(|answer| answer.status == 200)
        });
    }

    /// Waits until the server ends, and returns its exit code.
    fn wait_for_end(&mut self) -> Option<i32> {
        let mut ended = None;
        poll(self.name, || {
            ended = self.process.try_wait().unwrap();
            ended.is_some()
        });
        ended.and_then(|status| status.code())
    }

    fn output(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Waiting closes standard input, and then the guard ends the server.
        let _ = self.process.wait();
        let _ = fs::remove_file(&self.log);
    }
}

/// Builds the program of a package and returns its path.
fn build(package: &str) -> PathBuf {
    let cargo = Command::new(env!("CARGO"))
        .args(["build", "--message-format=json-render-diagnostics", "--package", package])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .expect("cargo starts");
    assert!(cargo.status.success(), "{package} does not build");
    let messages = String::from_utf8(cargo.stdout).unwrap();
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|artifact| artifact["target"]["name"] == package)
        .find_map(|artifact| artifact["executable"].as_str().map(PathBuf::from))
        .unwrap_or_else(|| panic!("{package} has no program"))
}

fn poll(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..600 {
        if done() {
            return;
        }
        sleep(Duration::from_millis(50));
    }
    panic!("{what}: timed out");
}
