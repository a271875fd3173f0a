//! Measures how verifications scale: with threads, keys and issuers, and while forged key identifiers flood the service.
//!
//! Every figure is a ratio within one run: to the bare signature check, to one key or issuer, or to the time without a flood.
//!
//! `cargo bench -p portcullis-benches --bench scale`

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a bench may fail by panicking"
)]

mod turns;

use std::hint::black_box;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis::adapter::Credential;
use portcullis::jose::Algorithm;
use portcullis::keys::{FixedKeys, RemoteKeys, VerifyingKey};
use portcullis::verifier::ByIssuer;
use portcullis::{Audience, JwtVerifier, Verifier};
use portcullis_bench_report::{Report, Table, number};
use portcullis_testing::TestIssuer;
use turns::{median, medians, now};

/// The least part of the bare check's own scaling with two threads.
const THREADS_LIMIT: f64 = 0.97;
/// The largest ratio of the cost with many keys or issuers to that with one.
const COUNT_LIMIT: f64 = 1.03;
/// The largest ratio of the 99th percentile during a flood to that without.
const FLOOD_LIMIT: f64 = 1.05;
/// The forged key identifiers in a second.
const FORGED: u32 = 10_000;

fn main() -> ExitCode {
    let mut report = Report::start("scale");
    let issuer = TestIssuer::from_algorithms([Algorithm::Rs256]);
    report.add(threads(&issuer, report.rounds(60)));
    report.add(keys_and_issuers(&issuer, report.rounds(600)));
    report.add(flood(report.rounds(40)));
    report.finish()
}

/// Work that two threads do at once.
type Work<'a> = &'a (dyn Fn() + Sync);

fn threads(issuer: &TestIssuer, rounds: usize) -> Table {
    let token = issuer.token().scope("read:messages").sign();
    let (verifier, key) = (issuer.verifier().build().unwrap(), issuer.first_key().verifying_key());
    let caching = issuer.verifier().cache_tokens(1_000).build().unwrap();
    let (input, signature) = token.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let bare = || assert!(key.verify(Algorithm::Rs256, input.as_bytes(), black_box(&signature)).is_ok());
    let verify = || accept(&verifier, &token);
    let repeated = || accept(&caching, &token);
    let works: [(Work<'_>, usize); 3] = [(&bare, 400), (&verify, 400), (&repeated, 20_000)];
    let mut samples = [const { Vec::new() }; 3];
    for _ in 0..rounds {
        for ((work, times), samples) in works.iter().zip(&mut samples) {
            // Twice the work in the same time is a scaling of 2.
            let one = elapsed(1, *times, *work);
            samples.push(2.0 * one / elapsed(2, *times, *work));
        }
    }
    let [bare, verify, repeated] = samples.map(median);
    let mut table = Table::new("two threads", [("scaling", "ratio"), ("of that of bare", "ratio")]);
    table.row("bare RS256", [number(bare), number(1.0)]);
    table.row("verify RS256", [number(verify), number(verify / bare).at_least(THREADS_LIMIT)]);
    table.row("repeated RS256", [number(repeated), number(repeated / bare)]);
    table
}

/// How long it takes until each of `threads` has done the work `times` times, in nanoseconds.
fn elapsed(threads: usize, times: usize, work: Work<'_>) -> f64 {
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| (0..times).for_each(|_| work()));
        }
    });
    start.elapsed().as_nanos() as f64
}

fn keys_and_issuers(issuer: &TestIssuer, rounds: usize) -> Table {
    let token = issuer.token().scope("read:messages").sign();
    let der = issuer.first_key().public_key_der().unwrap();
    let last = Arc::new(issuer.first_key().verifying_key());
    // The same key with many names: generating thousands of keys takes minutes.
    let many = |count: usize| {
        let others =
            (1..count).map(|at| Arc::new(VerifyingKey::from_der(&der).unwrap().with_id(format!("other-{at}"))));
        let keys = FixedKeys::keys(others.chain([Arc::clone(&last)]));
        let builder = JwtVerifier::builder(issuer.url(), Audience::any_of([issuer.audience()]), keys);
        builder.algorithms([Algorithm::Rs256]).build().unwrap()
    };
    let issuers = |count: usize| {
        let of = |url: String| {
            let keys = FixedKeys::keys([Arc::clone(&last)]);
            let builder = JwtVerifier::builder(url, Audience::any_of([issuer.audience()]), keys);
            builder.algorithms([Algorithm::Rs256]).build().unwrap()
        };
        let others = (1..count).map(|at| of(format!("https://issuer-{at}.example")));
        ByIssuer::new(others.chain([of(issuer.url().to_owned())])).unwrap()
    };
    let mut table = Table::new("keys and issuers", [("verify", "us"), ("of one", "ratio")]);
    let keys = [1, 10, 1_000].map(many);
    let times =
        medians(rounds, [&|| accept(&keys[0], &token), &|| accept(&keys[1], &token), &|| accept(&keys[2], &token)]);
    for (name, time) in ["1 key", "10 keys", "1,000 keys"].into_iter().zip(times) {
        table.row(name, [number(time / 1e3), number(time / times[0]).at_most(COUNT_LIMIT)]);
    }
    let issuers = [1, 10, 10_000].map(issuers);
    let accept = |at: usize| accept(&issuers[at], &token);
    let times = medians(rounds, [&|| accept(0), &|| accept(1), &|| accept(2)]);
    for (name, time) in ["1 issuer", "10 issuers", "10,000 issuers"].into_iter().zip(times) {
        table.row(name, [number(time / 1e3), number(time / times[0]).at_most(COUNT_LIMIT)]);
    }
    table
}

/// Bystanders verify good tokens while another thread sends forged key identifiers, and while it does not, in turns.
fn flood(rounds: usize) -> Table {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let _in_runtime = runtime.enter();
    let server = TestIssuer::from_algorithms([Algorithm::Rs256]).serve();
    let issuer = server.issuer();
    let keys = RemoteKeys::builder().discover(&server.url()).unwrap();
    let verifier = JwtVerifier::builder(server.url(), Audience::any_of([issuer.audience()]), keys).build().unwrap();
    let token = issuer.token().scope("read:messages").sign();
    runtime.block_on(async { assert!(verifier.verify(&Credential::bearer(&token)).await.is_ok()) });
    let forged: Vec<String> = (0..FORGED)
        .map(|at| format!("{}.AAAA", issuer.token().header("kid", format!("made-up-{at}")).signing_input()))
        .collect();
    let (is_flood, is_over) = (AtomicBool::new(false), AtomicBool::new(false));
    let (mut calm, mut flooded) = (Vec::new(), Vec::new());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut all = forged.iter().cycle();
            while !is_over.load(Ordering::Relaxed) {
                if is_flood.load(Ordering::Relaxed) {
                    for token in all.by_ref().take(FORGED as usize / 1_000) {
                        let handle = runtime.handle();
                        assert!(handle.block_on(verifier.verify(&Credential::bearer(token))).is_err());
                    }
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        for _ in 0..rounds {
            for (flood, samples) in [(false, &mut calm), (true, &mut flooded)] {
                is_flood.store(flood, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(2));
                let start = Instant::now();
                while start.elapsed() < Duration::from_millis(50) {
                    let start = Instant::now();
                    accept(&verifier, &token);
                    samples.push(start.elapsed().as_nanos() as f64);
                }
            }
        }
        is_over.store(true, Ordering::Relaxed);
    });
    let [calm, flooded] = [calm, flooded].map(|mut samples| {
        samples.sort_by(f64::total_cmp);
        [samples[samples.len() / 2], samples[samples.len() * 99 / 100]]
    });
    let mut table =
        Table::new("bystanders of forged keys", [("median", "us"), ("p99", "us"), ("p99, of calm", "ratio")]);
    table.row("calm", [number(calm[0] / 1e3), number(calm[1] / 1e3), number(1.0)]);
    table.row(
        "10,000 forged keys a second",
        [number(flooded[0] / 1e3), number(flooded[1] / 1e3), number(flooded[1] / calm[1]).at_most(FLOOD_LIMIT)],
    );
    table
}

fn accept(verifier: &impl Verifier, token: &str) {
    assert!(now(verifier.verify(&Credential::bearer(black_box(token)))).is_ok());
}
