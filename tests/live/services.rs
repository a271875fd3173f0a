//! Both example servers, as processes that take the same requests.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::Duration;

use crate::http::{self, Answer};
use crate::process::{folder, guarded};

/// The members of an answer that both servers have to agree on, besides status and body. `retry-after` is not one of
/// them: each server waits for a time of its own.
const COMPARED: [&str; 4] = ["www-authenticate", "content-type", "content-length", "cache-control"];

/// Both programs, which are built when the first server is started. Cargo builds nothing that is fresh.
static PROGRAMS: LazyLock<[(&str, PathBuf); 2]> =
    LazyLock::new(|| ["example-axum", "example-actix"].map(|package| (package, build(package))));

/// The Axum and the Actix example.
#[derive(Debug)]
pub(crate) struct Services([Service; 2]);

impl Services {
    /// Starts both with these variables, and waits until they are ready.
    pub(crate) fn start(variables: &[(&str, &str)]) -> Self {
        let services = Self::start_unready(variables);
        services.wait_for_status(200, "/readyz", None);
        services
    }

    /// Starts both with these variables, and waits until they listen.
    pub(crate) fn start_unready(variables: &[(&str, &str)]) -> Self {
        let mut services = Self::spawn(variables);
        services.0.iter_mut().for_each(Service::wait_until_listening);
        services
    }

    /// How both programs end with variables that they can't start with: exit code and output of each.
    pub(crate) fn fail_to_start(variables: &[(&str, &str)]) -> [(Option<i32>, String); 2] {
        Self::spawn(variables).0.map(|mut service| (service.wait_for_end(), service.output()))
    }

    /// What both answer, which has to be the same.
    pub(crate) fn get(&self, path: &str, token: Option<&str>) -> Answer {
        let [axum, actix] = self.each(path, token);
        assert_eq!((axum.status, &axum.body), (actix.status, &actix.body), "{path}");
        for field in COMPARED {
            assert_eq!(axum.all(field), actix.all(field), "{field} of {path}");
        }
        for answer in [&axum, &actix] {
            assert_eq!(answer.all("retry-after").len(), usize::from(is_outage(answer)), "{answer:?}");
        }
        axum
    }

    /// Asks until both answer with `status`; a bounded number of times.
    pub(crate) fn wait_for_status(&self, status: u16, path: &str, token: Option<&str>) {
        for service in &self.0 {
            poll(service.name, || service.get(path, token).status == status);
        }
    }

    /// Where each listens: host and port.
    pub(crate) fn addresses(&self) -> [&str; 2] {
        self.0.each_ref().map(|service| service.address.as_str())
    }

    /// What each has printed and logged so far.
    pub(crate) fn logs(&self) -> [String; 2] {
        self.0.each_ref().map(Service::output)
    }

    fn spawn(variables: &[(&str, &str)]) -> Self {
        Self(PROGRAMS.each_ref().map(|(name, program)| Service::spawn(name, program, variables)))
    }

    fn each(&self, path: &str, token: Option<&str>) -> [Answer; 2] {
        self.0.each_ref().map(|service| service.get(path, token))
    }
}

/// Whether it is a refusal for want of keys; `/readyz` says 503 in words of its own.
fn is_outage(answer: &Answer) -> bool {
    answer.status == 503 && answer.json()["error"] == "temporarily_unavailable"
}

/// A running server; it ends when this is dropped.
#[derive(Debug)]
struct Service {
    name: &'static str,
    address: String,
    log: PathBuf,
    process: Child,
}

impl Service {
    fn spawn(name: &'static str, program: &PathBuf, variables: &[(&str, &str)]) -> Self {
        // A name of its own: servers may run side by side.
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        fs::create_dir_all(folder()).unwrap();
        let log = folder().join(format!("{name}-{}-{number}.log", std::process::id()));
        let output = fs::File::create(&log).unwrap();
        let process = guarded(program)
            // A developer's own settings must not decide.
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

    fn get(&self, path: &str, token: Option<&str>) -> Answer {
        let authorization = token.map(|token| format!("Bearer {token}"));
        let headers: Vec<_> = authorization.iter().map(|value| ("authorization", value.as_str())).collect();
        http::get(&self.address, path, &headers)
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

    /// Its exit code, once it has ended by itself.
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
        // The guard ends the server when its standard input does, which this closes.
        let _ = self.process.wait();
        let _ = fs::remove_file(&self.log);
    }
}

/// The program of a package.
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
    panic!("{what}: what was waited for did not come");
}
