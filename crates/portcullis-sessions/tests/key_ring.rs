//! Signing keys in the stores that several machines share.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "the helpers of tests fail and print as tests do")]

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use portcullis::async_trait;
use portcullis::clock::ManualClock;
use portcullis::jose::Algorithm;
use portcullis_issuer::{AccessToken, Issuer, KeyRing, RingSecret, RingStore, StoreError, StoredRing};
use portcullis_sessions::{RedisStore, SqlStore};

const URL: &str = "https://issuer.example";
const START: i64 = 1_800_000_000;
/// How long a key is published before it signs.
const AHEAD: Duration = Duration::from_secs(60 * 60);
/// After this time, the old key is forgotten.
const OVER: Duration = Duration::from_secs(75 * 60);
const SECRET: &str = "q83vASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4k=";

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn machines_that_rotate_together_have_one_active_key() {
    for database in databases() {
        let (clock, prefix) = (Arc::new(ManualClock::at_unix(START)), prefix("m"));
        // Three machines start at once on an empty database, each with its own connections.
        let start = || async { open(&clock, connect(&database.url, &prefix).await).await };
        let machines: [KeyRing; 3] = tokio::join!(start(), start(), start()).into();
        let mut active = one_active_key(&machines).await;
        for round in 1..=5 {
            let rotations: Vec<_> = machines
                .iter()
                .flat_map(|ring| [ring.clone(), ring.clone()])
                .map(|ring| tokio::spawn(async move { ring.rotate().await.unwrap() }))
                .collect();
            let (mut ids, mut new) = (BTreeSet::new(), 0);
            for rotation in rotations {
                let rotation = rotation.await.unwrap();
                new += usize::from(rotation.is_new);
                ids.insert(rotation.key_id);
            }
            assert_eq!((ids.len(), new), (1, 1), "{} round {round}", database.name);
            assert_eq!(one_active_key(&machines).await, active, "{} round {round}: too early", database.name);
            clock.advance(AHEAD);
            active = one_active_key(&machines).await;
            assert_eq!(ids, BTreeSet::from([active.clone()]), "{} round {round}", database.name);
            clock.advance(OVER);
        }
        // A restart changes nothing.
        let restarted = start().await;
        assert_eq!(one_active_key(&[restarted, machines[0].clone()]).await, active, "{}", database.name);
    }
}

/// What a machine does when it starts on an empty database and rotates: it loads, stores its first key, loads, and stores
/// the next one. It is killed before and after each of these operations.
const STEPS: usize = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn killed_process_leaves_a_usable_ring() {
    const TEST: &str = "killed_process_leaves_a_usable_ring";
    const CHILD: &str = "PORTCULLIS_TEST_OF_KEY_RINGS";
    if let Ok(child) = std::env::var(CHILD) {
        let [step, prefix, url] = child.splitn(3, ' ').collect::<Vec<_>>().try_into().unwrap();
        let store = connect(url, prefix).await;
        let stopping = Stopping { store, step: step.parse().unwrap(), passed: AtomicUsize::new(0) };
        let ring = open(&Arc::new(ManualClock::at_unix(START)), stopping).await;
        ring.rotate().await.unwrap();
        return;
    }
    for database in databases() {
        for step in 0..STEPS {
            let (clock, prefix) = (Arc::new(ManualClock::at_unix(START)), prefix("k"));
            let mut child = Command::new(std::env::current_exe().unwrap())
                .args([TEST, "--exact", "--nocapture"])
                .env(CHILD, format!("{step} {prefix} {}", database.url))
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
            assert!(lines.any(|line| line.unwrap().contains(STOPPED)), "{} step {step}", database.name);
            child.kill().unwrap();
            assert!(!child.wait().unwrap().success());

            let start = || async { open(&clock, connect(&database.url, &prefix).await).await };
            let machines: [KeyRing; 2] = tokio::join!(start(), start()).into();
            let first = one_active_key(&machines).await;
            let (one, other) = tokio::join!(machines[0].rotate(), machines[1].rotate());
            let (one, other) = (one.unwrap(), other.unwrap());
            // After the last operation, the rotation of the process that died is done.
            let new = usize::from(one.is_new) + usize::from(other.is_new);
            assert_eq!((&one.key_id, new), (&other.key_id, usize::from(step < STEPS - 1)), "{} {step}", database.name);
            assert_eq!(one_active_key(&machines).await, first, "{} step {step}", database.name);
            clock.advance(AHEAD);
            assert_eq!(one_active_key(&machines).await, one.key_id, "{} step {step}", database.name);
        }
    }
}

#[tokio::test]
async fn database_does_not_hold_the_private_key() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("keys.db").display());
    let key = portcullis_issuer::SigningKey::generate(Algorithm::Es256).unwrap();
    let pem = key.to_pem().unwrap();
    let store = SqlStore::builder(&url).connect().await.unwrap();
    let secret = RingSecret::from_base64(SECRET).unwrap();
    KeyRing::builder().first_key(key).open(store.clone(), secret.clone()).await.unwrap();
    let mut bytes = Vec::new();
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        bytes.extend(std::fs::read(entry.unwrap().path()).unwrap());
    }
    let holds = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds("portcullis_key_ring"), "the premise");
    for line in pem.as_str().lines().filter(|line| !line.starts_with("---")) {
        assert!(!holds(&line[..line.len().min(12)]));
    }
    // Another secret opens nothing, and the row stays.
    let other = RingSecret::from_base64("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap();
    assert!(KeyRing::builder().open(store.clone(), other).await.is_err());
    assert!(KeyRing::builder().open(store, secret).await.is_ok());
}

struct Database {
    name: String,
    url: String,
    _folder: Option<tempfile::TempDir>,
}

/// SQLite in a file, and the servers that variables name. Says which are missing.
fn databases() -> Vec<Database> {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("keys.db").display());
    let mut databases = vec![Database { name: "sqlite".to_owned(), url, _folder: Some(folder) }];
    let servers = ["MYSQL", "POSTGRES", "REDIS", "REDIS_CLUSTER"];
    for name in servers.map(|server| format!("PORTCULLIS_TEST_{server}_URL")) {
        match std::env::var(&name) {
            Ok(url) => databases.push(Database { name, url, _folder: None }),
            Err(_) => {
                // Also when the output of tests is captured.
                let line = format!("SKIPPED key rings: {name} is not set\n");
                std::io::stdout().write_all(line.as_bytes()).unwrap();
            }
        }
    }
    databases
}

async fn connect(url: &str, prefix: &str) -> Arc<dyn RingStore> {
    if url.starts_with("redis") {
        return Arc::new(RedisStore::builder(url).key_prefix(prefix).connect().await.unwrap());
    }
    Arc::new(SqlStore::builder(url).table_prefix(prefix).max_connections(4).connect().await.unwrap())
}

/// A prefix that no other test uses, so each begins without tables.
fn prefix(name: &str) -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    format!("{name}{}_{}_", std::process::id(), COUNT.fetch_add(1, Ordering::SeqCst))
}

async fn open(clock: &Arc<ManualClock>, store: impl RingStore + 'static) -> KeyRing {
    let ring = KeyRing::builder().algorithm(Algorithm::EdDsa).publish_ahead(AHEAD).clock(Arc::clone(clock));
    ring.open(store, RingSecret::from_base64(SECRET).unwrap()).await.unwrap()
}

/// Returns the identifier of the key with which all machines sign. Each accepts the tokens of each other.
async fn one_active_key(machines: &[KeyRing]) -> String {
    let issuers: Vec<_> =
        machines.iter().map(|ring| Issuer::builder(URL, "api", ring.clone()).build().unwrap()).collect();
    let mut active = BTreeSet::new();
    for issuer in &issuers {
        let token = issuer.mint(&AccessToken::new("user-1", "web")).await.unwrap();
        for other in &issuers {
            let caller = other.gate().unwrap().verify(token.as_str()).await.unwrap();
            active.insert(caller.header().unwrap().key_id().unwrap().to_owned());
        }
    }
    assert_eq!(active.len(), 1, "{active:?}");
    active.pop_first().unwrap()
}

const STOPPED: &str = "the process stops at its step";

/// A store that stops for good at a step: before or after an operation.
#[derive(Debug)]
struct Stopping {
    store: Arc<dyn RingStore>,
    step: usize,
    passed: AtomicUsize,
}

impl Stopping {
    async fn pass(&self) {
        if self.passed.fetch_add(1, Ordering::SeqCst) == self.step {
            println!("\n{STOPPED}");
            std::future::pending::<()>().await;
        }
    }
}

#[async_trait]
impl RingStore for Stopping {
    async fn load(&self) -> Result<Option<StoredRing>, StoreError> {
        self.pass().await;
        let loaded = self.store.load().await;
        self.pass().await;
        loaded
    }

    async fn replace(&self, expected: Option<u64>, ring: &StoredRing) -> Result<bool, StoreError> {
        self.pass().await;
        let replaced = self.store.replace(expected, ring).await;
        self.pass().await;
        replaced
    }
}
