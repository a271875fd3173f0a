//! Glewlwyd by Nicolas Mora: a server in C with a database, from Debian's packages.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::API;
use crate::debian::Packages;
use crate::http::{self, Answer};
use crate::process::{Port, Process, guarded, with_libraries};
use crate::provider::{IdentityProvider, ProviderKind, TokenRequest};
use crate::scenarios::Live;

/// <https://github.com/babelouest/glewlwyd>. Its documentation is in `usr/share/doc/glewlwyd` of the package.
pub(crate) const GLEWLWYD: ProviderKind = ProviderKind {
    name: "glewlwyd",
    missing: || PACKAGES.missing(),
    start: |seconds| Box::new(Glewlwyd::start(seconds)),
    version,
    algorithms: &["RS256", "PS256", "ES256", "ES384", "ES512", "EdDSA"],
    greeting: "hello, service",
    // `aud` contains the scopes.
    without_audience: "wrong_audience",
    own: &named![self::key_with_a_short_coordinate_is_skipped],
};

/// The key type for each algorithm. The first key signs for clients without their own key.
const KEYS: [(&str, &str); 6] = [
    ("RS256", "RSA2048"),
    ("PS256", "RSA2048"),
    ("ES256", "EC256"),
    ("ES384", "EC384"),
    ("ES512", "EC521"),
    ("EdDSA", "Ed25519"),
];

/// The suffix of the client whose key has a short coordinate.
const SHORT: &str = "short";

const PACKAGES: Packages = Packages {
    // The last package prevents that a database is set up.
    names: &["glewlwyd", "rnbyc", "dbconfig-no-thanks"],
    folder: concat!(env!("CARGO_TARGET_TMPDIR"), "/live/glewlwyd"),
};

/// Returns the version without its last number, which differs between Debian's releases.
fn version() -> String {
    let output = command("glewlwyd").arg("--version").stdin(Stdio::null()).output().unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    output.trim().rsplit_once('.').expect("a version").0.to_owned()
}

#[derive(Debug)]
struct Glewlwyd {
    issuer: String,
    seconds: u32,
    /// The private keys, the newest first.
    keys: Vec<Value>,
    process: Option<Process>,
    database: PathBuf,
    port: Port,
}

impl Glewlwyd {
    fn start(seconds: u32) -> Self {
        let port = Port::reserve();
        let database = installed().join(format!("{}.db", port.number));
        create_database(&database);
        // The path belongs to the plug-in that issues tokens.
        let issuer = format!("http://127.0.0.1:{}/api/oidc", port.number);
        let mut keys = new_keys(port.number);
        keys.push(new_key(port.number, "ES512", "EC521", false));
        let mut provider = Self { issuer, seconds, keys, process: None, database, port };
        provider.start_again();
        provider.set_up();
        provider
    }

    /// Adds the plug-in that issues tokens, the scopes, and a client for each algorithm.
    fn set_up(&self) {
        self.manage("POST", "mod/plugin/", &self.plugin());
        for scope in ["read:messages", "write:messages"] {
            self.manage("POST", "scope/", &json!({"name": scope, "password_required": false}));
        }
        self.add_client("service", None);
        let names = KEYS.iter().map(|(algorithm, _)| *algorithm).chain([SHORT]);
        for (name, key) in names.zip(&self.keys) {
            self.add_client(&format!("service-{name}"), Some(&key["kid"]));
        }
    }

    fn add_client(&self, id: &str, key: Option<&Value>) {
        let client = json!({
            "client_id": id,
            "password": "a secret for tests",
            "confidential": true,
            "enabled": true,
            "authorization_type": ["client_credentials"],
            "token_endpoint_auth_method": ["client_secret_post"],
            "scope": ["read:messages", "write:messages"],
            "resource": [API, "https://other.test"],
            "alg_kid": key.map_or("", |key| key.as_str().unwrap()),
        });
        self.manage("POST", "client/", &client);
    }

    fn plugin(&self) -> Value {
        json!({
            "module": "oidc",
            "name": "oidc",
            "display_name": "oidc",
            "order_rank": 0,
            "parameters": {
                "iss": self.issuer,
                "jwks-private": json!({"keys": self.keys}).to_string(),
                "jwks-show": true,
                "client-sign_kid-parameter": "alg_kid",
                "access-token-duration": self.seconds,
                "refresh-token-duration": 3600,
                "code-duration": 600,
                // Without this, it allows only the grants of OpenID Connect.
                "allow-non-oidc": true,
                "auth-type-client-enabled": true,
                // Without this, `aud` contains the scopes.
                "resource-allowed": true,
                "resource-client-property": "resource",
                "resource-scope": {},
                "resource-scope-and-client-property": false,
            },
        })
    }

    /// Makes the server use the current keys.
    fn publish(&self) {
        self.manage("PUT", "mod/plugin/oidc", &self.plugin());
        self.manage("PUT", "mod/plugin/oidc/reset", &json!({}));
    }

    /// Sends a request to the administration API, as the administrator of a new database.
    fn manage(&self, method: &str, path: &str, body: &Value) {
        let login = self.send("POST", "auth/", &[], &json!({"username": "admin", "password": "password"}));
        let session = login.all("set-cookie")[0].split(';').next().unwrap();
        self.send(method, path, &[("cookie", session)], body);
    }

    fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        let url = format!("http://127.0.0.1:{}/api/{path}", self.port.number);
        let answer = http::send_json(method, &url, headers, &body.to_string()).unwrap();
        assert_eq!(answer.status, 200, "{method} {path}: {answer:?}");
        answer
    }
}

impl IdentityProvider for Glewlwyd {
    fn issuer(&self) -> &str {
        &self.issuer
    }

    fn form(&self, request: &TokenRequest<'_>) -> Vec<(&'static str, String)> {
        let client = request.algorithm.map_or("service".to_owned(), |algorithm| format!("service-{algorithm}"));
        let mut form = vec![("client_id", client), ("client_secret", "a secret for tests".to_owned())];
        form.extend(request.audience.map(|audience| ("resource", audience.to_owned())));
        form
    }

    fn rotate(&mut self) {
        self.keys.splice(0..0, new_keys(self.port.number));
        self.publish();
    }

    fn withdraw_old_keys(&mut self) {
        self.keys.truncate(KEYS.len());
        self.publish();
    }

    fn kill(&mut self) {
        self.process = None;
    }

    fn start_again(&mut self) {
        let number = self.port.number;
        let mut glewlwyd = with_libraries(guarded(program("glewlwyd")), installed());
        glewlwyd.arg("--env-variables").envs([
            ("GLWD_PORT", number.to_string().as_str()),
            ("GLWD_BIND_ADDRESS", "127.0.0.1"),
            ("GLWD_EXTERNAL_URL", &format!("http://127.0.0.1:{number}")),
            ("GLWD_COOKIE_DOMAIN", "127.0.0.1"),
            ("GLWD_DATABASE_TYPE", "sqlite3"),
            ("GLWD_DATABASE_SQLITE3_PATH", self.database.to_str().unwrap()),
            ("GLWD_LOG_MODE", "file"),
            ("GLWD_LOG_FILE", "/dev/stderr"),
            ("GLWD_LOG_LEVEL", "WARNING"),
        ]);
        for (variable, modules) in [
            ("GLWD_AUTH_SCHEME_MODULE_PATH", "scheme"),
            ("GLWD_CLIENT_MODULE_PATH", "client"),
            ("GLWD_PLUGIN_MODULE_PATH", "plugin"),
            ("GLWD_USER_MODULE_PATH", "user"),
        ] {
            glewlwyd.env(variable, installed().join("usr/lib/glewlwyd").join(modules));
        }
        let process = Process::start(&mut glewlwyd, &format!("glewlwyd-{number}"));
        process.wait_until(|| http::get_url(&format!("http://127.0.0.1:{number}/config")).is_ok());
        self.process = Some(process);
    }
}

impl Drop for Glewlwyd {
    fn drop(&mut self) {
        self.process = None;
        let _ = fs::remove_file(&self.database);
    }
}

/// Creates a database with the initial tables and one administrator.
fn create_database(file: &Path) {
    let _ = fs::remove_file(file);
    let tables = installed().join("usr/share/dbconfig-common/data/glewlwyd/install/sqlite3");
    let status = command("sqlite3").arg(file).stdin(fs::File::open(tables).unwrap()).status().expect("sqlite3 starts");
    assert!(status.success(), "the database was not created");
}

/// Makes a key for each algorithm.
fn new_keys(port: u16) -> Vec<Value> {
    KEYS.iter().map(|(algorithm, kind)| new_key(port, algorithm, kind, true)).collect()
}

/// Makes a private key. If `whole` is set, its coordinates have the length of their curve; otherwise one is shorter.
///
/// RFC 7518 §6.2.1.2 requires the full length, but Glewlwyd leaves out leading zero bytes.
fn new_key(port: u16, algorithm: &str, kind: &str, whole: bool) -> Value {
    let file = installed().join(format!("{port}.jwks"));
    let length = match kind {
        "EC256" => 43,
        "EC384" => 64,
        "EC521" => 88,
        _ => 0,
    };
    let mut made = (0..10_000).map(|_| {
        let mut rnbyc = command("rnbyc");
        rnbyc.args(["--jwks", "--generate", kind, "--alg", algorithm, "--out-file-public", "/dev/null", "--out-file"]);
        let status = rnbyc.arg(&file).stdin(Stdio::null()).status().expect("rnbyc starts");
        assert!(status.success(), "the key was not made");
        let mut set: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        set["keys"][0].take()
    });
    let is_whole = |key: &Value| {
        length == 0 || ["x", "y"].iter().all(|coordinate| key[coordinate].as_str().unwrap().len() == length)
    };
    let key = made.find(|key| is_whole(key) == whole).expect("a key of either kind");
    fs::remove_file(file).unwrap();
    key
}

/// The token is signed with an ES512 key that is published with a short coordinate.
fn key_with_a_short_coordinate_is_skipped(live: &Live) {
    let token = live.provider.token(&TokenRequest { algorithm: Some(SHORT), ..TokenRequest::scoped("read:messages") });
    live.assert_refused(&token, "unknown_key");
}

fn installed() -> &'static Path {
    PACKAGES.install();
    Path::new(PACKAGES.folder)
}

fn command(name: &str) -> Command {
    with_libraries(Command::new(program(name)), installed())
}

/// Returns the path of a program: of the installation if it has it, otherwise of the system.
fn program(name: &str) -> PathBuf {
    let installed = installed().join("usr/bin").join(name);
    if installed.exists() { installed } else { name.into() }
}
