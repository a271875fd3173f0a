//! The provider: a certified one from npm, on loopback.

use std::fs;
use std::io::{BufRead, BufReader, Lines, Write};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use tokio::net::TcpSocket;

use crate::http;
use crate::npm::Packages;

/// Where it is installed: a folder that `cargo clean` removes.
const FOLDER: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/live");

const PACKAGES: Packages =
    Packages { source: concat!(env!("CARGO_MANIFEST_DIR"), "/live"), folder: FOLDER, programs: &["provider.mjs"] };

/// A provider at a port that is its own as long as this lives, also while it is down. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Provider {
    pub(crate) issuer: String,
    port: Port,
    process: Option<Process>,
}

/// Why the provider can't be started as things are; `None` when it can.
pub(crate) fn missing() -> Option<String> {
    PACKAGES.missing()
}

impl Provider {
    /// Installs the provider if need be, and starts it.
    pub(crate) fn start() -> Self {
        PACKAGES.install();
        let port = Port::reserve();
        let process = Process::start(port.number);
        Self { issuer: format!("http://127.0.0.1:{}", port.number), port, process: Some(process) }
    }

    /// Ends the provider, as a crash would.
    pub(crate) fn kill(&mut self) {
        self.process = None;
    }

    /// Starts it again, as the same issuer with new keys.
    pub(crate) fn start_again(&mut self) {
        self.process = Some(Process::start(self.port.number));
    }

    /// Signs with new keys from now on. The old ones stay published.
    pub(crate) fn rotate(&mut self) {
        self.order("rotate");
    }

    /// Publishes the newest keys only.
    pub(crate) fn withdraw_old_keys(&mut self) {
        self.order("withdraw");
    }

    /// An access token for the resource that `indicator` names, by the client credentials grant (RFC 6749 §4.4,
    /// RFC 8707). Without an indicator the provider issues an opaque one.
    pub(crate) fn token(&self, indicator: Option<&str>, scope: &str) -> String {
        let mut form = vec![
            ("grant_type", "client_credentials"),
            ("client_id", "service"),
            ("client_secret", "a secret for tests"),
            ("scope", scope),
        ];
        form.extend(indicator.map(|indicator| ("resource", indicator)));
        let answer = http::post_form(self.address(), "/token", &form).unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }

    /// Its published keys, saved in a file.
    pub(crate) fn save_keys(&self) -> PathBuf {
        let discovery = http::get(self.address(), "/.well-known/openid-configuration", &[]).unwrap().json();
        assert_eq!(discovery["issuer"], self.issuer.as_str());
        let jwks_uri = discovery["jwks_uri"].as_str().unwrap();
        let path = jwks_uri.strip_prefix(&self.issuer).expect("the keys are the provider's own");
        let keys = http::get(self.address(), path, &[]).unwrap();
        assert_eq!(keys.status, 200, "{keys:?}");
        let file = folder().join(format!("jwks-{}.json", self.port.number));
        fs::write(&file, keys.body).unwrap();
        file
    }

    fn order(&mut self, order: &str) {
        self.process.as_mut().expect("the provider runs").order(order);
    }

    fn address(&self) -> &str {
        self.issuer.strip_prefix("http://").unwrap()
    }
}

/// The provider's process; it ends when this is dropped.
#[derive(Debug)]
struct Process {
    child: Child,
    answers: Lines<BufReader<ChildStdout>>,
    log: PathBuf,
}

impl Process {
    fn start(port: u16) -> Self {
        // A name of its own: providers may run side by side.
        let log = folder().join(format!("provider-{port}.log"));
        let mut child = Command::new("node")
            .args(["provider.mjs", &port.to_string()])
            .current_dir(FOLDER)
            // Held open as long as we live: it ends with us even when we are killed.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(&log).unwrap())
            .spawn()
            .expect("node starts");
        let answers = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut process = Self { child, answers, log };
        process.wait_for(&format!("issuer http://127.0.0.1:{port}"));
        process
    }

    fn order(&mut self, order: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{order}").unwrap();
        self.wait_for("done");
    }

    /// Reads until it says `answer`.
    fn wait_for(&mut self, answer: &str) {
        let said = self.answers.by_ref().map_while(Result::ok).any(|line| line == answer);
        assert!(said, "the provider ended; its log is {}", self.log.display());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !std::thread::panicking() {
            let _ = fs::remove_file(&self.log);
        }
    }
}

/// A port that nobody else gets.
#[derive(Debug)]
struct Port {
    number: u16,
    // A socket that is bound but does not listen refuses connections, and on Linux lets the provider listen beside it.
    _reserve: Option<TcpSocket>,
}

impl Port {
    fn reserve() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let number = socket.local_addr().unwrap().port();
        Self { number, _reserve: cfg!(target_os = "linux").then_some(socket) }
    }
}

pub(crate) fn folder() -> &'static Path {
    Path::new(FOLDER)
}
