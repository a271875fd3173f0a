//! A separate program, because it counts the threads of its process.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests may fail by panic")]

use std::fs;
use std::time::{Duration, Instant};

use example_custom_key_provider::KeyFolder;

#[test]
fn threads_end_when_their_provider_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(threads_of_key_folders(), 0);
    let folders: Vec<_> = (0..20).map(|_| KeyFolder::open(folder.path()).unwrap()).collect();
    // Each folder has one thread that reads and one that receives the events.
    wait_for_threads(40);
    // They end as well while a change is read.
    fs::write(folder.path().join("k.pem"), "garbage").unwrap();
    drop(folders);
    wait_for_threads(0);
}

fn wait_for_threads(expected: usize) {
    let started_at = Instant::now();
    while threads_of_key_folders() != expected {
        assert!(started_at.elapsed() < Duration::from_secs(30), "{} threads", threads_of_key_folders());
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Counts threads by name. The kernel keeps the first 15 bytes of a name.
fn threads_of_key_folders() -> usize {
    let tasks = fs::read_dir("/proc/self/task").unwrap().map(|task| task.unwrap().path().join("comm"));
    // A thread may end while its name is read.
    let names = tasks.filter_map(|path| fs::read_to_string(path).ok());
    names.filter(|name| name.starts_with("key-folder") || name.starts_with("notify-rs")).count()
}
