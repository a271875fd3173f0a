//! Compares the cost of a verification with the bare signature check with a prepared key, and with jsonwebtoken 11.
//!
//! All contenders take turns in one run, so that other load on the machine affects them equally. Each figure is the median
//! of many short rounds. The run fails when a limit is broken.
//!
//! `cargo bench -p portcullis-benches --bench verify`

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a bench may fail by panicking"
)]

mod turns;

use std::alloc::System;
use std::hint::black_box;
use std::process::ExitCode;
use std::sync::Arc;

use jsonwebtoken::{DecodingKey, Validation};
use portcullis::adapter::Credential;
use portcullis::jose::Algorithm;
use portcullis::{JwtVerifier, Verifier};
use portcullis_testing::TestIssuer;
use serde::Deserialize;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use turns::{medians, now};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const ROUNDS: usize = 400;
/// The largest ratio for RS256 of a verification with all checks to the bare signature check.
const RS256_LIMIT: f64 = 1.10;
/// The largest part of a verification with RS256 that a token in the token cache may cost, for every algorithm.
const REPEATED_LIMIT: f64 = 0.03;

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
        "{:<7}{:>12}{:>12}{:>9}{:>9}{:>14}{:>9}{:>11}{:>9}{:>9}",
        "", "bare", "verify", "ratio", "allocs", "jsonwebtoken", "allocs", "repeated", "of RS256", "allocs"
    );
    let mut broken = Vec::new();
    let rs256 = Contest::new(Algorithm::Rs256);
    for algorithm in [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa, Algorithm::Hs256] {
        let contest = Contest::new(algorithm);
        let [bare, ours, theirs, repeated, of_rs256] = contest.run(&rs256);
        let (ratio, repeated_ratio) = (ours.nanos / bare.nanos, repeated.nanos / of_rs256.nanos);
        println!(
            "{:<7}{:>9.2} us{:>9.2} us{:>8.3}x{:>9}{:>11.2} us{:>9}{:>8.0} ns{:>9.3}{:>9}",
            algorithm.name(),
            bare.nanos / 1e3,
            ours.nanos / 1e3,
            ratio,
            ours.allocations,
            theirs.nanos / 1e3,
            theirs.allocations,
            repeated.nanos,
            repeated_ratio,
            repeated.allocations
        );
        if algorithm == Algorithm::Rs256 && ratio > RS256_LIMIT {
            broken.push(format!("RS256 costs {ratio:.3} times the bare signature check, more than {RS256_LIMIT}"));
        }
        if ours.nanos >= theirs.nanos {
            broken.push(format!("{algorithm} is not ahead of jsonwebtoken"));
        }
        if repeated_ratio > REPEATED_LIMIT {
            broken.push(format!("a repeated {algorithm} token costs {repeated_ratio:.3} of a verification with RS256"));
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

    /// Measures the bare check, this library, jsonwebtoken, this library with a cached token, and the verification of `rs256`.
    fn run(&self, rs256: &Self) -> [Cost; 5] {
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
        let of_rs256 = || assert!(verify(&rs256.verifier, black_box(&rs256.token)));
        let contenders: [&dyn Fn(); 5] = [&bare, &ours, &theirs, &repeated, &of_rs256];
        let mut nanos = medians(ROUNDS, contenders).into_iter();
        contenders.map(|contender| Cost {
            nanos: nanos.next().expect("as many as contenders"),
            allocations: allocations(contender),
        })
    }
}

fn verify(verifier: &JwtVerifier, token: &str) -> bool {
    black_box(now(verifier.verify(&Credential::bearer(token)))).is_ok()
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
