//! What several processes share in a store: used DPoP proofs, and the deny-list.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "the helpers of tests fail and print as tests do"
)]

use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use portcullis::claims::NumericDate;
use portcullis::clock::{Clock as _, SystemClock};
use portcullis::possession::{Insertion, ReplayStore, UsedProof};
use portcullis_sessions::{RedisStore, SqlStore, conformance};

mod denials;
#[allow(dead_code, reason = "the other tests kill their children")]
#[path = "../kills/process.rs"]
mod process;

use process::{Running, task, tell};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn suite_passes_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    passes("sqlite", open(&sqlite(&folder)).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn suite_passes_on_servers() {
    for variable in ["PORTCULLIS_TEST_MYSQL_URL", "PORTCULLIS_TEST_POSTGRES_URL", "PORTCULLIS_TEST_REDIS_URL"] {
        if let Some(url) = server(variable) {
            passes(variable, open(&url).await).await;
        }
    }
}

async fn passes(name: &str, store: Arc<dyn ReplayStore>) {
    let report = conformance::run_on_replay_store(store).await;
    println!("{name}\n{report}");
    assert!(report.passed(), "{name}\n{report}");
    assert_eq!(report.results().count(), 4);
}

/// Other tests use the same databases.
const PREFIX: &str = "replay_";
const PROOFS: u32 = 10_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_on_sqlite_accept_each_proof_once() {
    if task().is_some() {
        return present_all().await;
    }
    let folder = tempfile::tempdir().unwrap();
    let url = sqlite(&folder);
    open(&url).await;
    let name = "two_processes_on_sqlite_accept_each_proof_once";
    two_processes(name, &url);
    // After the window, the rows go with further proofs.
    let store = SqlStore::builder(&url).table_prefix(PREFIX).connect().await.unwrap();
    let size = || std::fs::metadata(folder.path().join("proofs.db")).unwrap().len();
    let before = size();
    for number in 0..3 * PROOFS / 4 {
        let key = key_of(&format!("later {number}"));
        let now = now().saturating_add(Duration::from_secs(1_000));
        let proof = UsedProof { key, thumbprint: "t", now, expires_at: now };
        assert_eq!(store.insert(&proof).await.unwrap(), Insertion::New);
        if number % 1000 == 0 && number > 6000 {
            // The file does not grow: what expired made room.
            assert!(size() <= before + 1_000_000, "{before} {}", size());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_on_redis_accept_each_proof_once() {
    if task().is_some() {
        return present_all().await;
    }
    let Some(url) = server("PORTCULLIS_TEST_REDIS_URL") else { return };
    let name = "two_processes_on_redis_accept_each_proof_once";
    two_processes(name, &url);
}

/// Two processes present the same proofs at once, each of them twice.
fn two_processes(test: &str, url: &str) {
    let run = format!("{:?}", SystemClock::new().now());
    let begun = Instant::now();
    let mut children: Vec<Running> =
        ["forward", "backward"].into_iter().map(|order| Running::test(test, &[url, order, &run])).collect();
    let mut accepted = 0;
    let mut replayed = 0;
    for child in &mut children {
        let told = child.next().unwrap();
        let (new, old) = told.split_once(' ').unwrap();
        accepted += new.parse::<u32>().unwrap();
        replayed += old.parse::<u32>().unwrap();
    }
    children.into_iter().for_each(Running::wait);
    assert_eq!((accepted, replayed), (PROOFS, 3 * PROOFS));
    println!("{test}: {} presentations in {:?}", 4 * PROOFS, begun.elapsed());
}

/// The task of a child.
async fn present_all() {
    let task = task().unwrap();
    let (url, order, run) = (&task[0], &task[1], &task[2]);
    let store = open(url).await;
    let mut numbers: Vec<u32> = (0..PROOFS).collect();
    if order == "backward" {
        numbers.reverse();
    }
    let numbers = Arc::new(numbers);
    // 32 requests at once.
    let tasks: Vec<_> = (0..32)
        .map(|worker| {
            let (store, numbers, run) = (Arc::clone(&store), Arc::clone(&numbers), run.clone());
            tokio::spawn(async move {
                let mut counts = [0_u32; 2];
                for number in numbers.iter().skip(worker).step_by(32) {
                    let now = now();
                    let expires_at = now.saturating_add(Duration::from_secs(120));
                    let proof = UsedProof { key: key_of(&format!("{run} {number}")), thumbprint: "t", now, expires_at };
                    for _ in 0..2 {
                        match store.insert(&proof).await.unwrap() {
                            Insertion::New => counts[0] += 1,
                            Insertion::Replayed => counts[1] += 1,
                            Insertion::Full => panic!("the store is full"),
                        }
                    }
                }
                counts
            })
        })
        .collect();
    let mut counts = [0; 2];
    for task in tasks {
        let [new, old] = task.await.unwrap();
        counts = [counts[0] + new, counts[1] + old];
    }
    tell(&format!("{} {}", counts[0], counts[1]));
}

#[tokio::test]
async fn proof_is_new_again_after_its_window() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&sqlite(&folder)).await;
    let at = |second: i64| NumericDate::from_unix(1_800_000_000 + second, 0);
    let insert = async |now: i64, end: i64| {
        let proof = UsedProof { key: [7; 32], thumbprint: "t", now: at(now), expires_at: at(end) };
        store.insert(&proof).await.unwrap()
    };
    assert_eq!(insert(0, 60).await, Insertion::New);
    // Ten seconds more, for a gate whose clock is behind.
    assert_eq!(insert(70, 130).await, Insertion::Replayed);
    assert_eq!(insert(71, 131).await, Insertion::New);
    assert_eq!(insert(72, 132).await, Insertion::Replayed);
}

async fn open(url: &str) -> Arc<dyn ReplayStore> {
    if url.starts_with("redis") {
        return Arc::new(RedisStore::builder(url).key_prefix("replay:").connect().await.unwrap());
    }
    Arc::new(SqlStore::builder(url).table_prefix(PREFIX).max_connections(4).connect().await.unwrap())
}

fn sqlite(folder: &tempfile::TempDir) -> String {
    format!("sqlite:{}", folder.path().join("proofs.db").display())
}

fn server(variable: &str) -> Option<String> {
    let url = std::env::var(variable).ok();
    if url.is_none() {
        std::io::stdout().write_all(format!("SKIPPED replay: {variable} is not set\n").as_bytes()).unwrap();
    }
    url
}

fn now() -> NumericDate {
    SystemClock::new().now()
}

/// A key that differs for each name.
fn key_of(name: &str) -> [u8; 32] {
    let mut key = [0; 32];
    for (part, number) in key.chunks_mut(8).zip(0..) {
        part.copy_from_slice(&hash(&format!("{number} {name}")).to_be_bytes());
    }
    key
}

fn hash(name: &str) -> u64 {
    use std::hash::{Hash as _, Hasher as _};

    let mut hasher = std::hash::DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}
