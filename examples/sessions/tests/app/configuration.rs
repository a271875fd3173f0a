//! The settings: what is read, and how errors are reported.

use std::collections::HashMap;
use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use example_sessions::Settings;
use portcullis_axum::jose::Algorithm;
use portcullis_issuer::SigningKey;
use serde_json::json;
use tempfile::TempDir;

use crate::service::{Service, settings};

/// A private key of 512 bits, as tutorials print it, and its public key. Anybody with a laptop can break it.
const WEAK_KEY: &str = include_str!("weak-key.pem");

fn read(variables: &[(&str, &str)]) -> Result<Settings, String> {
    let variables: HashMap<_, _> = variables.iter().copied().collect();
    let settings = Settings::from_variables(|name| variables.get(name).map(|value| (*value).to_owned()));
    settings.map_err(|error| error.to_string())
}

fn fault(variables: &[(&str, &str)]) -> String {
    read(variables).map(|_| ()).unwrap_err()
}

#[test]
fn every_variable_is_read() {
    let key = SigningKey::generate(Algorithm::Es256).unwrap();
    let settings = read(&[
        ("PORT", "9000"),
        ("PUBLIC_URL", "https://app.example.com"),
        ("CLIENT_ORIGIN", "https://front.example.com"),
        ("DATABASE_HOST", "db.example.com"),
        ("DATABASE_PORT", "3307"),
        ("DATABASE_DB", "app"),
        ("DATABASE_USER", "root"),
        ("DATABASE_PASSWORD", "p@ss:w/rd?"),
        ("DATABASE_PREFIX", "api_"),
        ("ACCESS_TOKEN_EXPIRES_IN", "90s"),
        ("REFRESH_TOKEN_EXPIRES_IN", "60"),
        ("REFRESH_GRACE_SECONDS", "0"),
        ("JWT_PRIVATE_KEY", key.to_pem().unwrap().as_str()),
        ("REQUIRE_VERIFIED", "true"),
        ("CLIENT_IP_SOURCE", "XRealIp"),
        ("ATTEMPTS_PER_MINUTE", "5"),
        ("KEYS_FOLDER", "/run/keys"),
    ])
    .unwrap();
    assert_eq!(settings.port, 9000);
    assert_eq!(settings.public_url.as_deref(), Some("https://app.example.com"));
    assert_eq!(settings.client_origin.as_deref(), Some("https://front.example.com"));
    assert_eq!(settings.database_url, "mysql://root:p%40ss%3Aw%2Frd%3F@db.example.com:3307/app");
    assert_eq!(settings.database_prefix, "api_");
    assert_eq!(settings.access_lifetime, Duration::from_secs(90));
    assert_eq!(settings.refresh_lifetime, Duration::from_secs(3600));
    assert_eq!(settings.refresh_grace, Duration::ZERO);
    assert_eq!(settings.keys.signing_key.unwrap().id(), key.id());
    assert_eq!(settings.keys.folder.to_str(), Some("/run/keys"));
    assert!(settings.require_verified);
    assert_eq!((settings.client_ip.to_string().as_str(), settings.attempts_per_minute.get()), ("XRealIp", 5));

    let defaults = read(&[("DATABASE_URL", " "), ("PORT", "")]).unwrap();
    assert_eq!((defaults.port, defaults.database_url.as_str()), (8000, "sqlite:sessions.db"));
    assert_eq!(defaults.access_lifetime, Duration::from_secs(15 * 60));
    assert_eq!(read(&[("JWT_ALGORITHM", "RS256")]).unwrap().keys.algorithm, Algorithm::Rs256);
}

#[test]
fn each_wrong_value_is_named() {
    for (variable, values) in [
        ("PORT", &["x", "-1", "65536"][..]),
        ("PUBLIC_URL", &["app.example.com", "http://app.example.com", "https://app.example.com/?x"]),
        ("CLIENT_ORIGIN", &["*", "http://front.example.com", "https://front.example.com/path"]),
        ("DATABASE_URL", &["oracle://host", "sessions.db", "mysql://u:p@host:0/d", "postgres://u:p@host:0/d"]),
        ("DATABASE_PORT", &["0", "x", "-1", "65536"]),
        ("REDIS_URL", &["redis", "http://host", "redis://localhost:0", "rediss://host:0/1"]),
        ("DATABASE_PREFIX", &["API_", "1a", "a-b", "a;DROP TABLE users"]),
        ("ACCESS_TOKEN_EXPIRES_IN", &["0", "61", "2h", "-5", "x"]),
        ("REFRESH_TOKEN_EXPIRES_IN", &["0", "401d", "10s"]),
        ("REFRESH_GRACE_SECONDS", &["61", "2m", "-1", "x"]),
        ("JWT_PRIVATE_KEY", &["x", WEAK_KEY]),
        ("JWT_PUBLIC_KEY", &["x"]),
        ("JWT_ALGORITHM", &["HS256", "none", "ML-DSA-65"]),
        ("JWT_RING_SECRET", &["x"]),
        ("REFRESH_TOKEN_KEYS", &["x"]),
        ("REQUIRE_VERIFIED", &["yes", " "]),
        ("CLIENT_IP_SOURCE", &["X-Real-IP"]),
        ("ATTEMPTS_PER_MINUTE", &["0", "x"]),
    ] {
        for value in values {
            let fault = fault(&[(variable, value)]);
            assert!(fault.starts_with(&format!("{variable}: ")) && fault.contains("; "), "{value}: {fault}");
        }
    }
}

#[test]
fn database_is_named_in_one_way() {
    let parts = [("DATABASE_HOST", "db"), ("DATABASE_DB", "a"), ("DATABASE_USER", "b"), ("DATABASE_PASSWORD", "c")];
    assert_eq!(read(&parts).unwrap().database_url, "mysql://b:c@db/a");
    let both = fault(&[&parts[..], &[("DATABASE_URL", "sqlite:x.db")]].concat());
    assert!(both.starts_with("DATABASE_URL: set together with"), "{both}");
    let missing = fault(&parts[1..]);
    assert!(missing.starts_with("DATABASE_HOST: not set, but another part of the address is"), "{missing}");
    let zero = fault(&[&parts[..], &[("DATABASE_PORT", "0")]].concat());
    assert!(zero.starts_with("DATABASE_PORT: ") && zero.contains("write 1 to 65535"), "{zero}");
    let missing = fault(&[("DATABASE_PORT", "3306")]);
    assert_eq!(missing.lines().count(), 4, "{missing}");
    assert!(fault(&[&[("DATABASE_HOST", "a b")], &parts[1..]].concat()).starts_with("DATABASE_HOST: "));
}

#[test]
fn key_of_512_bits_is_refused_with_advice() {
    for value in [WEAK_KEY.to_owned(), STANDARD.encode(WEAK_KEY)] {
        let fault = fault(&[("JWT_PRIVATE_KEY", &value)]);
        assert!(fault.starts_with("JWT_PRIVATE_KEY: ") && fault.contains("512"), "{fault}");
        assert!(fault.contains("openssl genpkey"), "{fault}");
    }
}

#[tokio::test]
async fn keys_in_base64_sign_the_tokens() {
    let key = SigningKey::generate(Algorithm::Rs256).unwrap();
    let private_key = STANDARD.encode(key.to_pem().unwrap().as_str());
    let public_key = STANDARD.encode(key.public_key_pem());
    let variables = [
        ("JWT_PRIVATE_KEY", private_key.as_str()),
        ("JWT_PUBLIC_KEY", &public_key),
        ("JWT_ALGORITHM", "PS256"),
        ("REFRESH_TOKEN_EXPIRES_IN", "60"),
    ];
    let folder = TempDir::new().unwrap();
    let mut with_key = settings(&folder);
    with_key.keys.signing_key = read(&variables).unwrap().keys.signing_key;
    let service = Service::start(with_key).await;
    let mut browser = service.logged_in().await;
    let published = browser.get("/.well-known/jwks.json").await.expect(200).json();
    assert_eq!((&published["keys"][0]["kid"], &published["keys"][0]["alg"]), (&json!(key.id()), &json!("PS256")));
    browser.get("/api/users/me").await.expect(200);
    assert!(!folder.path().join("keys/ring-secret").exists());

    // A public key of another pair is found at the start.
    let other = SigningKey::generate(Algorithm::Rs256).unwrap().public_key_pem();
    let fault = fault(&[("JWT_PRIVATE_KEY", &private_key), ("JWT_PUBLIC_KEY", &other)]);
    assert!(fault.starts_with("JWT_PUBLIC_KEY: "), "{fault}");
}

#[tokio::test]
async fn prefix_begins_every_table() {
    let folder = TempDir::new().unwrap();
    let mut prefixed = settings(&folder);
    prefixed.database_prefix.push_str("api_");
    let prefix = prefixed.database_prefix.clone();
    let service = Service::start(prefixed).await;
    service.logged_in().await;
    // Other tests may have tables there, each with its own prefix.
    let tables = service.tables().await;
    assert!(tables.contains(&format!("{prefix}users")), "{tables:?}");
    assert!(tables.iter().filter(|name| name.starts_with(&prefix)).count() >= 5, "{tables:?}");
    let bare = |name: &&String| *name == "users" || name.starts_with("portcullis");
    assert_eq!(tables.iter().find(bare), None, "{tables:?}");
}

#[cfg(unix)]
#[tokio::test]
async fn generated_secrets_are_private_files() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = TempDir::new().unwrap();
    let _service = Service::start(settings(&folder)).await;
    let keys = folder.path().join("keys");
    for name in ["ring-secret", "refresh-token-keys"] {
        let mode = std::fs::metadata(keys.join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    assert_eq!(std::fs::read_dir(&keys).unwrap().count(), 2);
}

/// The program itself: it reads `.env` and the environment, and reports all faults before it opens anything.
#[test]
fn program_reports_all_faults_at_once() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join(".env"), "PORT=x\nACCESS_TOKEN_EXPIRES_IN=2h\nDATABASE_PREFIX=API_\n").unwrap();
    let run = |variables: &[(&str, &str)]| {
        let mut program = Command::new(env!("CARGO_BIN_EXE_example-sessions"));
        program.current_dir(folder.path()).env_clear().envs(variables.iter().copied());
        let output = program.output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(output.stdout.is_empty());
        String::from_utf8(output.stderr).unwrap()
    };
    let said = run(&[("REFRESH_GRACE_SECONDS", "90"), ("PORT", "y"), ("JWT_PRIVATE_KEY", WEAK_KEY)]);
    let fields: Vec<_> = said.lines().map(|line| line.split(": ").next().unwrap()).collect();
    let expected = ["PORT", "DATABASE_PREFIX", "ACCESS_TOKEN_EXPIRES_IN", "REFRESH_GRACE_SECONDS", "JWT_PRIVATE_KEY"];
    assert_eq!(fields, expected, "{said}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing was made");

    std::fs::write(folder.path().join(".env"), "PASSWORD secret\n").unwrap();
    let said = run(&[]);
    assert!(said.starts_with(".env: has a line that is not") && !said.contains("secret"), "{said}");
}

#[test]
fn program_says_what_it_cannot_use() {
    let folder = TempDir::new().unwrap();
    let run = |variables: &[(&str, &str)]| {
        let mut program = Command::new(env!("CARGO_BIN_EXE_example-sessions"));
        program.current_dir(folder.path()).env_clear().envs(variables.iter().copied());
        let output = program.output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).unwrap()
    };
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    assert!(run(&[("PORT", &port)]).contains(&format!("the port {port} cannot be used; write another PORT")));
    let said = run(&[("PORT", "0"), ("DATABASE_URL", "sqlite:/dev/null/x.db")]);
    assert!(said.contains("the database cannot be used; see DATABASE_URL"), "{said}");
    let said = run(&[("PORT", "0"), ("KEYS_FOLDER", "/dev/null/x")]);
    assert!(said.contains("cannot be made; write another KEYS_FOLDER"), "{said}");
}
