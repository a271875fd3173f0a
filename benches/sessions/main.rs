//! Measures how many sessions each store refreshes in a second, next to the bare operations of its driver: one read and one
//! compare-and-set of one row. Then the same with 100,000 sessions stored.
//!
//! All contenders of a store take turns in one run. Of many short turns, the fastest tenth counts, because other processes make
//! turns slower, also those that write to the disk. The run fails when a limit is broken. A limit that seems broken is measured
//! again, at most twice, because other processes can only break it.
//!
//! A quick run measures memory. A full run also measures SQLite, and the servers that `PORTCULLIS_TEST_MYSQL_URL`, `PORTCULLIS_TEST_POSTGRES_URL` and
//! `PORTCULLIS_TEST_REDIS_URL` name. Name empty servers: tables and keys stay there.
//!
//! `cargo bench -p portcullis-benches --bench sessions`, or with names of stores: `-- memory sqlite`

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a bench may fail by panicking"
)]

mod bare;
mod stores;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use portcullis_bench_report::{Cell, Report, Table, number};
use portcullis_sessions::{AuthFacts, Sessions};

use crate::bare::Bare;
use crate::stores::Stores;

/// The kinds of stores. A quick run measures only the first one, because the others wait for the disk.
const STORES: [&str; 5] = ["memory", "sqlite", "mysql", "postgres", "redis"];
/// How many sessions are measured in each store. They are the only ones in the small store.
const SESSIONS: usize = 100;
/// How many sessions the large store has.
const STORED: usize = 100_000;
/// The number of turns of each contender.
const ROUNDS: usize = 300;
/// How long a turn takes, in nanoseconds.
const TURN: f64 = 4_000_000.0;
/// How many callers there are at once.
const CALLERS: usize = 32;
/// The number of turns of each contender with many callers, and how long a turn takes.
const ROUNDS_AT_ONCE: usize = 9;
const TURN_AT_ONCE: Duration = Duration::from_millis(300);
/// The largest ratio of a refresh to the bare operations. Memory has none: the hashes of the tokens cost more than its
/// operations.
const REFRESH_LIMIT: f64 = 1.5;
/// The largest ratio of a refresh in the large store to one in the small store.
const GROWTH_LIMIT: f64 = 1.3;
/// How often a store is measured that seems to break a limit.
const TRIES: usize = 3;

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(measure())
}

async fn measure() -> ExitCode {
    let mut report = Report::start("sessions");
    let folder = tempfile::tempdir().unwrap();
    let columns = [
        ("bare", "per second"),
        ("refresh", "per second"),
        ("ratio", "ratio"),
        ("100,000 stored", "per second"),
        ("growth", "ratio"),
        ("32 callers: bare", "per second"),
        ("32 callers: refresh", "per second"),
        ("32 callers: 100,000 stored", "per second"),
    ];
    let mut table = Table::new("store", columns);
    let all: &[_] = if report.is_quick() { &STORES[..1] } else { &STORES };
    let words = report.words();
    for name in all.iter().filter(|name| words.is_empty() || words.iter().any(|word| word == *name)) {
        match Stores::open(name, folder.path()).await {
            Ok(stores) => table.row(*name, cells(name, &Arc::new(Contest::new(stores).await), &report).await),
            Err(why) => table.row(*name, [why.as_str().into()].into_iter().chain([(); 7].map(|()| "".into()))),
        }
    }
    report.add(table);
    report.finish()
}

async fn cells(name: &str, contest: &Arc<Contest>, report: &Report) -> [Cell; 8] {
    let (rounds, rounds_at_once) = (report.rounds(ROUNDS), if report.is_quick() { 3 } else { ROUNDS_AT_ONCE });
    let mut tries = 1;
    loop {
        let costs = contest.one_by_one(rounds).await;
        let [bare, small, large] = costs;
        let (ratio, growth) = (small / bare, large / small);
        let is_kept = (name == "memory" || ratio <= REFRESH_LIMIT) && growth <= GROWTH_LIMIT;
        if !is_kept && tries < TRIES {
            tries += 1;
            continue;
        }
        let ratio = number(ratio);
        let ratio = if name == "memory" { ratio } else { ratio.must_be_at_most(REFRESH_LIMIT) };
        let [bare, small, large] = costs.map(|nanos| number(1e9 / nanos));
        let at_once = contest.at_once(rounds_at_once).await.map(number);
        let [bare_at_once, small_at_once, large_at_once] = at_once;
        let growth = number(growth).must_be_at_most(GROWTH_LIMIT);
        return [bare, small, ratio, large, growth, bare_at_once, small_at_once, large_at_once];
    }
}

/// The contenders of one kind of store. Each session has a lock, so that one caller at a time uses it.
struct Contest {
    bare: Bare,
    small: Refreshing,
    large: Refreshing,
}

/// Sessions, and the current refresh token of each.
struct Refreshing {
    sessions: Sessions,
    tokens: Vec<tokio::sync::Mutex<String>>,
}

#[derive(Clone, Copy)]
enum Contender {
    Bare,
    Small,
    Large,
}

const CONTENDERS: [Contender; 3] = [Contender::Bare, Contender::Small, Contender::Large];

impl Contest {
    async fn new(stores: Stores) -> Self {
        let Stores { bare, small, large } = stores;
        Self { bare, small: Refreshing::begin(small).await, large: Refreshing::begin(large).await }
    }

    /// Replaces the token of the session with this number.
    async fn run(&self, contender: Contender, number: usize) {
        match contender {
            Contender::Bare => self.bare.rotate(number).await,
            Contender::Small => self.small.refresh(number).await,
            Contender::Large => self.large.refresh(number).await,
        }
    }

    /// Measures what each contender costs one caller, in nanoseconds.
    async fn one_by_one(&self, rounds: usize) -> [f64; 3] {
        let mut next = [0; 3];
        let mut turns = [0; 3];
        for contender in CONTENDERS {
            // These fill caches.
            self.turn(contender, SESSIONS, &mut next).await;
            let cost = self.turn(contender, 20, &mut next).await;
            turns[contender as usize] = (TURN / cost).clamp(1.0, 2_000.0) as usize;
        }
        let mut samples: [Vec<f64>; 3] = Default::default();
        for _ in 0..rounds {
            for contender in CONTENDERS {
                let place = contender as usize;
                samples[place].push(self.turn(contender, turns[place], &mut next).await);
            }
        }
        samples.map(|samples| at(samples, 0.1))
    }

    async fn turn(&self, contender: Contender, times: usize, next: &mut [usize; 3]) -> f64 {
        let next = &mut next[contender as usize];
        let start = Instant::now();
        for _ in 0..times {
            self.run(contender, *next % SESSIONS).await;
            *next += 1;
        }
        start.elapsed().as_nanos() as f64 / times as f64
    }

    /// Measures how often each contender runs in a second with many callers.
    async fn at_once(self: &Arc<Self>, rounds: usize) -> [f64; 3] {
        let mut samples: [Vec<f64>; 3] = Default::default();
        for _ in 0..rounds {
            for contender in CONTENDERS {
                samples[contender as usize].push(self.turn_at_once(contender).await);
            }
        }
        samples.map(|samples| at(samples, 0.5))
    }

    async fn turn_at_once(self: &Arc<Self>, contender: Contender) -> f64 {
        let (count, is_over) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let start = Instant::now();
        let callers: Vec<_> = (0..CALLERS)
            .map(|number| {
                let (contest, count, is_over) = (Arc::clone(self), Arc::clone(&count), Arc::clone(&is_over));
                tokio::spawn(async move {
                    while !is_over.load(Ordering::Relaxed) {
                        contest.run(contender, number).await;
                        count.fetch_add(1, Ordering::Relaxed);
                        // Memory never waits, and the task that ends the turn needs a thread.
                        tokio::task::yield_now().await;
                    }
                })
            })
            .collect();
        tokio::time::sleep(TURN_AT_ONCE).await;
        is_over.store(true, Ordering::Relaxed);
        for caller in callers {
            caller.await.unwrap();
        }
        count.load(Ordering::Relaxed) as f64 / start.elapsed().as_secs_f64()
    }
}

impl Refreshing {
    async fn begin(sessions: Sessions) -> Self {
        let mut tokens = Vec::new();
        for number in 0..SESSIONS {
            let login = sessions.start(&format!("caller-{number}"), AuthFacts::now().with_amr(["pwd"])).await.unwrap();
            tokens.push(login.refresh_token.as_str().to_owned().into());
        }
        Self { sessions, tokens }
    }

    async fn refresh(&self, number: usize) {
        let mut token = self.tokens[number].lock().await;
        let next = self.sessions.refresh(&token).await.unwrap().refresh_token;
        next.as_str().clone_into(&mut token);
    }
}

/// Returns the sample below which this part of all samples is.
fn at(mut samples: Vec<f64>, part: f64) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[(samples.len() as f64 * part) as usize]
}
