//! A server on one core, and the load that `wrk` sends from another.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

const SERVER_CORE: &str = "0";
const LOAD_CORE: &str = "1";

/// A server that a [`Stand`](portcullis_bench_driver::Stand) announces. It is stopped when this value is dropped.
pub(crate) struct Server {
    process: Child,
    address: String,
    token: String,
}

/// Returns what is missing to send load.
pub(crate) fn missing() -> Option<&'static str> {
    let runs = |program: &str| {
        let run = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        run.is_ok()
    };
    if !runs("wrk") {
        Some("the Debian package wrk")
    } else if !runs("taskset") {
        Some("the Debian package util-linux")
    } else if std::thread::available_parallelism().map_or(1, usize::from) < 2 {
        Some("a second core")
    } else {
        None
    }
}

impl Server {
    pub(crate) fn start(program: &Path, arguments: &[&str]) -> Self {
        let mut process = Command::new("taskset")
            .args(["--cpu-list", SERVER_CORE])
            .arg(program)
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let (address, token) = line.trim().split_once(' ').unwrap_or_else(|| panic!("{program:?} does not serve"));
        Self { process, address: address.to_owned(), token: token.to_owned() }
    }

    /// Sends requests with the token on 64 connections. Each response must be good. Returns the number of requests for a second of
    /// processor time of the server: what a core that has nothing else to do serves.
    pub(crate) fn load(&self, path: &str, seconds: u32) -> f64 {
        let before = self.processor_nanos();
        let output = Command::new("taskset")
            .args(["--cpu-list", LOAD_CORE, "wrk", "--threads=1", "--connections=64"])
            .arg(format!("--duration={seconds}s"))
            .arg(format!("--header=Authorization: Bearer {}", self.token))
            .arg(format!("http://{}{path}", self.address))
            .output()
            .unwrap();
        let used = self.processor_nanos() - before;
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && !text.contains("Non-2xx") && !text.contains("errors"), "{path}: {text}");
        // "  12345 requests in 2.00s, 1.23MB read"
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let line = text.lines().map(words).find(|words| words.get(1).is_some_and(|word| word == "requests"));
        let line = line.unwrap_or_else(|| panic!("wrk says: {text}"));
        let requests: f64 = line[0].parse().unwrap();
        requests / (used as f64 / 1e9)
    }

    /// The processor time of all threads so far. Linux counts it in nanoseconds.
    fn processor_nanos(&self) -> u64 {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.process.id())).unwrap();
        let of_task = |task: fs::DirEntry| {
            let text = fs::read_to_string(task.path().join("schedstat")).unwrap();
            text.split_whitespace().next().unwrap().parse::<u64>().unwrap()
        };
        tasks.map(|task| of_task(task.unwrap())).sum()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It can have ended before.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
