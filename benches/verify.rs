//! Compares the cost of a verification with the bare signature check with a prepared key, and with jsonwebtoken 11.
//!
//! All contenders take turns in one run, so that other load on the machine affects them equally. Each figure is the median
//! of many short rounds. The run fails when a limit is broken.
//!
//! `cargo bench -p portcullis-benches --bench verify`

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a bench may fail by panicking"
)]

use std::alloc::System;
use std::hint::black_box;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use jsonwebtoken::{DecodingKey, Validation};
use portcullis::adapter::Credential;
use portcullis::jose::Algorithm;
use portcullis::{JwtVerifier, Verifier};
use portcullis_testing::TestIssuer;
use serde::Deserialize;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const ROUNDS: usize = 400;
/// The largest ratio for RS256 of a verification with all checks to the bare signature check.
const RS256_LIMIT: f64 = 1.10;
/// The time limit for a token in the token cache, in nanoseconds, for every algorithm.
const REPEATED_LIMIT_NANOS: f64 = 1_000.0;

/// The claims that a handler would ask for, and those that jsonwebtoken checks.
#[derive(Deserialize)]
#[allow(dead_code, reason = "deserialized as a user would, not read")]
struct Claims {
    sub: String,
    scope: String,
    exp: u64,
}

fn main() -> ExitCode {
    println!(
        "{:<7}{:>12}{:>12}{:>9}{:>9}{:>14}{:>9}{:>11}{:>9}",
        "", "bare", "verify", "ratio", "allocs", "jsonwebtoken", "allocs", "repeated", "allocs"
    );
    let mut broken = Vec::new();
    for algorithm in [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa, Algorithm::Hs256] {
        let contest = Contest::new(algorithm);
        let [bare, ours, theirs, repeated] = contest.run();
        let ratio = ours.nanos / bare.nanos;
        println!(
            "{:<7}{:>9.2} us{:>9.2} us{:>8.3}x{:>9}{:>11.2} us{:>9}{:>8.0} ns{:>9}",
            algorithm.name(),
            bare.nanos / 1e3,
            ours.nanos / 1e3,
            ratio,
            ours.allocations,
            theirs.nanos / 1e3,
            theirs.allocations,
            repeated.nanos,
            repeated.allocations
        );
        if algorithm == Algorithm::Rs256 && ratio > RS256_LIMIT {
            broken.push(format!("RS256 costs {ratio:.3} times the bare signature check, more than {RS256_LIMIT}"));
        }
        if ours.nanos >= theirs.nanos {
            broken.push(format!("{algorithm} is not ahead of jsonwebtoken"));
        }
        if repeated.nanos >= REPEATED_LIMIT_NANOS {
            broken.push(format!("a repeated {algorithm} token takes {:.0} ns", repeated.nanos));
        }
    }
    for limit in &broken {
        println!("LIMIT BROKEN: {limit}");
    }
    if broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

struct Contest {
    algorithm: Algorithm,
    token: String,
    signing_input: String,
    signature: Vec<u8>,
    key: Arc<portcullis::keys::VerifyingKey>,
    verifier: JwtVerifier,
    caching: JwtVerifier,
    their_key: DecodingKey,
    their_rules: Validation,
}

#[derive(Clone, Copy)]
struct Cost {
    nanos: f64,
    allocations: usize,
}

impl Contest {
    fn new(algorithm: Algorithm) -> Self {
        let issuer = TestIssuer::from_algorithms([algorithm]);
        let key = issuer.first_key();
        let token = issuer
            .token()
            .subject("auth0|65a1f0c2e4b0c8a1d2f3e4b5")
            .scope("openid profile email read:messages write:messages")
            .claim("azp", "kq3sY8mYtS1mN0oPqRsTuVwXyZ012345")
            .claim("permissions", ["read:messages", "write:messages"])
            .sign();
        let (input, signature) = token.rsplit_once('.').expect("a token has dots");
        let (signing_input, signature) = (input.to_owned(), decode(signature));
        let verifying_key = key.verifying_key();
        let their_key = DecodingKey::try_from(&verifying_key).expect("both implement the algorithm");
        let theirs = jsonwebtoken::Algorithm::try_from(algorithm).expect("both implement the algorithm");
        let mut their_rules = Validation::new(theirs);
        their_rules.set_issuer(&[issuer.url()]);
        their_rules.set_audience(&[issuer.audience()]);
        their_rules.set_required_spec_claims(&["exp", "iss", "aud"]);
        their_rules.validate_nbf = true;
        Self {
            algorithm,
            signing_input,
            signature,
            key: Arc::new(verifying_key),
            verifier: issuer.verifier().build().expect("complete"),
            caching: issuer.verifier().cache_tokens(1_000).build().expect("complete"),
            their_key,
            their_rules,
            token,
        }
    }

    /// Measures the bare check, this library, jsonwebtoken, and this library with a cached token.
    fn run(&self) -> [Cost; 4] {
        let bare = || {
            let verified = self.key.verify(self.algorithm, self.signing_input.as_bytes(), black_box(&self.signature));
            assert!(verified.is_ok());
        };
        let ours = || assert!(verify(&self.verifier, black_box(&self.token)));
        let theirs = || {
            let decoded = jsonwebtoken::decode::<Claims>(black_box(&self.token), &self.their_key, &self.their_rules);
            assert!(decoded.is_ok());
        };
        let repeated = || assert!(verify(&self.caching, black_box(&self.token)));
        let contenders: [&dyn Fn(); 4] = [&bare, &ours, &theirs, &repeated];
        // A turn takes about a tenth of a millisecond, so that changes of the load affect all contenders.
        let turns = contenders.map(|contender| {
            contender();
            let start = Instant::now();
            (0..20).for_each(|_| contender());
            (2_000_000 / start.elapsed().as_nanos().max(1)).clamp(1, 1_000) as usize
        });
        let mut samples: [Vec<f64>; 4] = Default::default();
        for _ in 0..ROUNDS {
            for ((contender, turns), samples) in contenders.iter().zip(turns).zip(&mut samples) {
                let start = Instant::now();
                (0..turns).for_each(|_| contender());
                samples.push(start.elapsed().as_nanos() as f64 / turns as f64);
            }
        }
        let mut samples = samples.into_iter();
        contenders.map(|contender| Cost {
            nanos: median(samples.next().expect("as many as contenders")),
            allocations: allocations(contender),
        })
    }
}

/// Polls once: with cached keys, the verifier never waits.
fn verify(verifier: &JwtVerifier, token: &str) -> bool {
    let credential = Credential::bearer(token);
    let verification = pin!(verifier.verify(&credential));
    match verification.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(verified) => black_box(verified).is_ok(),
        Poll::Pending => false,
    }
}

fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}

fn allocations(contender: &dyn Fn()) -> usize {
    let region = Region::new(ALLOCATOR);
    contender();
    let change = region.change();
    change.allocations + change.reallocations
}

fn decode(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).expect("base64url")
}
