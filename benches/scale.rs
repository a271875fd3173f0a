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
use portcullis_bench_report::{Report, Table, Turns, median, now, number};
use portcullis_testing::TestIssuer;

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
    let mut scalings = [const { Vec::new() }; 3];
    for _ in 0..rounds {
        for ((work, times), samples) in works.iter().zip(&mut scalings) {
            // Twice the work in the same time is a scaling of 2.
            let one = elapsed(1, *times, *work);
            samples.push(2.0 * one / elapsed(2, *times, *work));
        }
    }
    let of_bare = |samples: &Vec<f64>| {
        number(median(samples.iter().zip(&scalings[0]).map(|(scaling, bare)| scaling / bare).collect()))
    };
    let mut table = Table::new("two threads", [("scaling", "ratio"), ("of that of bare", "ratio")]);
    for (name, samples) in ["bare RS256", "verify RS256", "repeated RS256"].into_iter().zip(&scalings) {
        let of_bare = of_bare(samples);
        let of_bare = if name == "verify RS256" { of_bare.at_least(THREADS_LIMIT) } else { of_bare };
        table.row(name, [number(median(samples.clone())), of_bare]);
    }
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
    compare(&mut table, rounds, &keys, &token, ["1 key", "10 keys", "1,000 keys"]);
    let issuers = [1, 10, 10_000].map(issuers);
    compare(&mut table, rounds, &issuers, &token, ["1 issuer", "10 issuers", "10,000 issuers"]);
    table
}

/// Adds a row for each verifier, with its cost as a part of that of the first one.
fn compare(table: &mut Table, rounds: usize, verifiers: &[impl Verifier; 3], token: &str, names: [&str; 3]) {
    let accept = |at: usize| accept(&verifiers[at], token);
    let turns = Turns::run(rounds, [&|| accept(0), &|| accept(1), &|| accept(2)]);
    for (at, name) in names.into_iter().enumerate() {
        table.row(name, [number(turns.median(at) / 1e3), number(turns.ratio(at, 0)).at_most(COUNT_LIMIT)]);
    }
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
            for (flood, rounds) in [(false, &mut calm), (true, &mut flooded)] {
                is_flood.store(flood, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(2));
                let (start, mut samples) = (Instant::now(), Vec::new());
                while start.elapsed() < Duration::from_millis(50) {
                    let start = Instant::now();
                    accept(&verifier, &token);
                    samples.push(start.elapsed().as_nanos() as f64);
                }
                samples.sort_by(f64::total_cmp);
                rounds.push([samples[samples.len() / 2], samples[samples.len() * 99 / 100]]);
            }
        }
        is_over.store(true, Ordering::Relaxed);
    });
    let mut table =
        Table::new("bystanders of forged keys", [("median", "us"), ("p99", "us"), ("p99, of calm", "ratio")]);
    let of = |rounds: &[[f64; 2]], at: usize| number(median(rounds.iter().map(|round| round[at]).collect()) / 1e3);
    table.row("calm", [of(&calm, 0), of(&calm, 1), number(1.0)]);
    let ratio = number(median(flooded.iter().zip(&calm).map(|(flooded, calm)| flooded[1] / calm[1]).collect()));
    table.row("10,000 forged keys a second", [of(&flooded, 0), of(&flooded, 1), ratio.at_most(FLOOD_LIMIT)]);
    table
}

fn accept(verifier: &impl Verifier, token: &str) {
    let credential = Credential::bearer(black_box(token));
    assert!(now(verifier.begin(&credential).finish()).is_ok());
}
