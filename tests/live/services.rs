//! Both example servers, as processes that take the same requests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::Duration;

use crate::http::{self, Answer};
use crate::provider;

/// The members of an answer that both servers have to agree on, besides status and body.
const COMPARED: [&str; 5] = ["www-authenticate", "content-type", "content-length", "cache-control", "retry-after"];

/// The Axum and the Actix example.
#[derive(Debug)]
pub(crate) struct Services {
    axum: Service,
    actix: Service,
}

impl Services {
    /// Builds both and starts them for tokens of `issuer` for `audience`, with the keys in `jwks_file`, else with those
    /// that they find by discovery.
    pub(crate) fn start(issuer: &str, audience: &str, jwks_file: Option<&Path>) -> Self {
        let mut environment = vec![
            ("PORT", "0"),
            ("PORTCULLIS_ISSUER", issuer),
            ("PORTCULLIS_AUDIENCE", audience),
            // One clock for all, so no tolerance is needed, and a token expires as soon as it says.
            ("PORTCULLIS_LEEWAY_SECONDS", "0"),
            ("RUST_LOG", "portcullis=trace,portcullis_actix=trace,portcullis_axum=trace"),
        ];
        environment.extend(jwks_file.map(|file| ("PORTCULLIS_JWKS_FILE", file.to_str().unwrap())));
        Self {
            axum: Service::start("example-axum", &environment),
            actix: Service::start("example-actix", &environment),
        }
    }

    /// What both answer, which has to be the same.
    pub(crate) fn get(&self, path: &str, token: Option<&str>) -> Answer {
        let axum = self.axum.get(path, token);
        let actix = self.actix.get(path, token);
        assert_eq!((axum.status, &axum.body), (actix.status, &actix.body), "{path}");
        for field in COMPARED {
            assert_eq!(axum.all(field), actix.all(field), "{field} of {path}");
        }
        axum
    }

    /// Asks until both refuse `token` with 401; a bounded number of times.
    pub(crate) fn wait_for_refusal(&self, path: &str, token: &str) {
        for service in [&self.axum, &self.actix] {
            poll(service.name, || service.get(path, Some(token)).status == 401);
        }
    }

    /// What each has logged so far.
    pub(crate) fn logs(&self) -> [String; 2] {
        [&self.axum, &self.actix].map(|service| fs::read_to_string(&service.log).unwrap())
    }
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
    fn start(package: &'static str, environment: &[(&str, &str)]) -> Self {
        // A name of its own: servers may run side by side.
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let log = provider::folder().join(format!("{package}-{}-{number}.log", std::process::id()));
        let output = fs::File::create(&log).unwrap();
        let process = Command::new(build(package))
            // A developer's own settings must not decide.
            .env_clear()
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .expect("an example server starts");
        let mut service = Self { name: package, address: String::new(), log, process };
        service.wait_until_ready();
        service
    }

    fn get(&self, path: &str, token: Option<&str>) -> Answer {
        let authorization = token.map(|token| format!("Bearer {token}"));
        let headers: Vec<_> = authorization.iter().map(|value| ("authorization", value.as_str())).collect();
        http::get(&self.address, path, &headers).unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    fn wait_until_ready(&mut self) {
        poll(self.name, || {
            let log = fs::read_to_string(&self.log).unwrap();
            if let Some(status) = self.process.try_wait().unwrap() {
                panic!("{} ended with {status}:\n{log}", self.name);
            }
            let Some(address) = log.lines().find_map(|line| line.strip_prefix("listening on http://")) else {
                return false;
            };
            address.clone_into(&mut self.address);
            http::get(address, "/readyz", &[]).is_ok_and(|answer| answer.status == 200)
        });
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_file(&self.log);
    }
}

/// The program of a package. Cargo builds nothing that is fresh.
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
