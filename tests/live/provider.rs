//! The provider: a certified one from npm, on loopback.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::http;

/// Its sources, and where it is installed: a folder that `cargo clean` removes.
const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/live");
const FOLDER: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/live");

/// Written at the end of an installation, with what it was made from.
const INSTALLED: &str = "installed";

/// A running provider; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Provider {
    process: Child,
    pub(crate) issuer: String,
    pub(crate) jwks_file: PathBuf,
}

/// Why the provider can't be started as things are; `None` when it can.
pub(crate) fn missing() -> Option<String> {
    if Command::new("node").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
        return Some("node not found".to_owned());
    }
    (!is_installed()).then(|| "the provider is not installed; PORTCULLIS_LIVE=1 installs it with npm".to_owned())
}

impl Provider {
    /// Installs the provider if need be, starts it and saves its keys.
    pub(crate) fn start() -> Self {
        install();
        let mut process = Command::new("node")
            .arg("provider.mjs")
            .current_dir(FOLDER)
            // Held open as long as we live: it ends with us even when we are killed.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(folder().join("provider.log")).unwrap())
            .spawn()
            .expect("node starts");
        let stdout = BufReader::new(process.stdout.take().unwrap());
        let issuer = stdout
            .lines()
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("issuer ").map(str::to_owned))
            .unwrap_or_else(|| panic!("the provider did not start; see {FOLDER}/provider.log"));
        // A name of its own: test processes may run side by side.
        let jwks_file = folder().join(format!("jwks-{}.json", process.id()));
        let provider = Self { process, issuer, jwks_file };
        provider.save_keys();
        provider
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

    fn save_keys(&self) {
        let discovery = http::get(self.address(), "/.well-known/openid-configuration", &[]).unwrap().json();
        assert_eq!(discovery["issuer"], self.issuer.as_str());
        let jwks_uri = discovery["jwks_uri"].as_str().unwrap();
        let path = jwks_uri.strip_prefix(&self.issuer).expect("the keys are the provider's own");
        let keys = http::get(self.address(), path, &[]).unwrap();
        assert_eq!(keys.status, 200, "{keys:?}");
        fs::write(&self.jwks_file, keys.body).unwrap();
    }

    fn address(&self) -> &str {
        self.issuer.strip_prefix("http://").unwrap()
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_file(&self.jwks_file);
    }
}

pub(crate) fn folder() -> &'static Path {
    Path::new(FOLDER)
}

fn install() {
    fs::create_dir_all(folder()).unwrap();
    // Test processes may run side by side, and one installs for all.
    let alone = fs::File::create(folder().join("lock")).unwrap();
    alone.lock().unwrap();
    if is_installed() {
        return;
    }
    for name in ["package.json", "package-lock.json", "provider.mjs"] {
        fs::copy(Path::new(SOURCE).join(name), folder().join(name)).unwrap();
    }
    let npm = Command::new("npm")
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])
        .current_dir(folder())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .expect("npm starts");
    assert!(npm.success(), "npm ci failed");
    fs::write(folder().join(INSTALLED), sources()).unwrap();
}

fn is_installed() -> bool {
    fs::read(folder().join(INSTALLED)).is_ok_and(|installed| installed == sources())
}

/// What the installation is made from.
fn sources() -> Vec<u8> {
    ["package-lock.json", "provider.mjs"]
        .iter()
        .flat_map(|name| fs::read(Path::new(SOURCE).join(name)).unwrap())
        .collect()
}
