//! Compares the cost of a verification with the bare signature check with a prepared key, and with jsonwebtoken 11.
//!
//! All contenders take turns in one run, so that other load on the machine affects them equally. Each figure is the median
//! of many short rounds. The run fails when a limit is broken that must hold.
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

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{DecodingKey, Validation};
use portcullis::adapter::Credential;
use portcullis::jose::Algorithm;
use portcullis::keys::{FixedKeys, VerifyingKey};
use portcullis::{Audience, JwtVerifier, Verifier};
use portcullis_bench_report::{Cell, Report, Table, number};
use portcullis_testing::{TestIssuer, TokenBuilder};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use turns::{medians, now};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const ROUNDS: usize = 400;
/// The largest part of a verification with RS256 that a token in the token cache may cost, for every algorithm.
const REPEATED_LIMIT: f64 = 0.015;

/// The largest ratio of a verification with all checks to the bare signature check, and whether it must hold.
fn limited(name: &str, ratio: f64) -> Cell {
    let ratio = number(ratio);
    match name {
        "RS256" => ratio.must_be_at_most(1.05),
        "PS256" => ratio.at_most(1.05),
        "RS256, 4096 bits" | "ES256" => ratio.at_most(1.02),
        "ES384" => ratio.at_most(1.01),
        "EdDSA" => ratio.at_most(1.025),
        "HS256" => ratio.at_most(2.3),
        _ => ratio,
    }
}

/// A signature with ML-DSA is longer than the buffer on the stack, so there the limit is a goal.
fn limited_allocations(name: &str, allocations: usize) -> Cell {
    let allocations = Cell::count(allocations);
    if name.starts_with("ML-DSA") { allocations.at_most(3.0) } else { allocations.must_be_at_most(3.0) }
}

/// The claims that a handler would ask for, and those that jsonwebtoken checks.
#[derive(Deserialize)]
#[allow(dead_code, reason = "deserialized as a user would, not read")]
struct Claims {
    sub: String,
    scope: String,
    exp: u64,
}

/// Eleven claims, each in its own memory where it has some.
#[derive(Deserialize)]
#[allow(dead_code, reason = "deserialized as a user would, not read")]
struct OwnedClaims {
    iss: String,
    sub: String,
    aud: String,
    exp: u64,
    iat: u64,
    scope: String,
    azp: String,
    permissions: Vec<String>,
    org_id: String,
    sid: String,
    email_verified: bool,
}

fn main() -> ExitCode {
    let mut report = Report::start("verify");
    let rounds = report.rounds(ROUNDS);
    let rs256 = Contest::new(Algorithm::Rs256);
    let mut contests: Vec<_> =
        Algorithm::ALL.iter().map(|&each| (each.name().to_owned(), Contest::new(each))).collect();
    contests.push(("RS256, 4096 bits".to_owned(), Contest::with_long_key()));
    let mut costs = Table::new(
        "algorithms",
        [
            ("bare", "us"),
            ("verify", "us"),
            ("ratio", "ratio"),
            ("allocations", "count"),
            ("jsonwebtoken", "us"),
            ("its ratio", "ratio"),
            ("its allocations", "count"),
            ("repeated", "ns"),
            ("of RS256", "part"),
            ("its allocations when repeated", "count"),
        ],
    );
    for (name, contest) in &contests {
        let Costs { bare, ours, repeated, of_rs256, theirs } = contest.run(rounds, &rs256);
        let theirs = match theirs {
            // A verifier that is slower than jsonwebtoken has lost.
            Some(theirs) => [
                number(theirs.nanos / 1e3).must_be_at_least(ours.nanos / 1e3),
                number(theirs.nanos / bare.nanos),
                Cell::count(theirs.allocations),
            ],
            None => ["not supported".into(), "".into(), "".into()],
        };
        let [their_time, their_ratio, their_allocations] = theirs;
        let cells = [
            number(bare.nanos / 1e3),
            number(ours.nanos / 1e3),
            limited(name, ours.nanos / bare.nanos),
            limited_allocations(name, ours.allocations),
            their_time,
            their_ratio,
            their_allocations,
            number(repeated.nanos),
            number(repeated.nanos / of_rs256.nanos).must_be_at_most(REPEATED_LIMIT),
            Cell::count(repeated.allocations).must_be_at_most(1.0),
        ];
        costs.row(name, cells);
    }
    report.add(costs);
    report.add(typed(rounds));
    report.add(sizes(rounds));
    report.finish()
}

/// Eleven typed claims in their own memory, by RS256, here and with jsonwebtoken.
fn typed(rounds: usize) -> Table {
    let contest = Contest::new(Algorithm::Rs256);
    let bare = || contest.check();
    let ours = || {
        let verified =
            now(contest.verifier.verify(&Credential::bearer(black_box(&contest.token)))).expect("a good token");
        drop(black_box(verified.claims::<OwnedClaims>().expect("claims of these types")));
    };
    let theirs = || assert!(contest.jsonwebtoken::<OwnedClaims>());
    let [of_bare, of_ours, of_theirs] = medians(rounds, [&bare, &ours, &theirs]);
    let mut table = Table::new(
        "typed claims",
        [("bare", "us"), ("verify", "us"), ("ratio", "ratio"), ("jsonwebtoken", "us"), ("its ratio", "ratio")],
    );
    table.row(
        "RS256, eleven owned members",
        [
            number(of_bare / 1e3),
            number(of_ours / 1e3),
            number(of_ours / of_bare).at_most(1.09),
            number(of_theirs / 1e3).must_be_at_least(of_ours / 1e3),
            number(of_theirs / of_bare),
        ],
    );
    table
}

/// Tokens of several sizes, by RS256.
fn sizes(rounds: usize) -> Table {
    let mut table = Table::new(
        "sizes",
        [
            ("bare", "us"),
            ("verify", "us"),
            ("ratio", "ratio"),
            ("jsonwebtoken", "us"),
            ("its ratio", "ratio"),
            ("repeated", "ns"),
            ("of the same token", "part"),
        ],
    );
    let issuer = TestIssuer::from_algorithms([Algorithm::Rs256]);
    for bytes in [500, 1_000, 2_000, 4_000, 8_000, 15_000] {
        let filled = usual(&issuer).claim("groups", groups(bytes));
        let contest = Contest::of(&issuer, Algorithm::Rs256, filled.sign());
        let Costs { bare, ours, repeated, theirs, .. } = contest.run(rounds / 2, &contest);
        let theirs = theirs.expect("jsonwebtoken has RS256");
        table.row(
            format!("{} bytes", contest.token.len()),
            [
                number(bare.nanos / 1e3),
                number(ours.nanos / 1e3),
                number(ours.nanos / bare.nanos),
                number(theirs.nanos / 1e3).must_be_at_least(ours.nanos / 1e3),
                number(theirs.nanos / bare.nanos),
                number(repeated.nanos),
                number(repeated.nanos / ours.nanos),
            ],
        );
    }
    table
}

/// Names of groups that make a token about this long.
fn groups(bytes: usize) -> Vec<String> {
    (0..bytes.saturating_sub(900) * 3 / 4 / 30).map(|at| format!("a group of the directory {at:03}")).collect()
}

fn usual(issuer: &TestIssuer) -> TokenBuilder {
    issuer
        .token()
        .subject("auth0|65a1f0c2e4b0c8a1d2f3e4b5")
        .scope("openid profile email read:messages write:messages")
        .claim("azp", "kq3sY8mYtS1mN0oPqRsTuVwXyZ012345")
        .claim("permissions", ["read:messages", "write:messages"])
        .claim("org_id", "org_AbCdEfGhIjKlMnOp")
        .claim("sid", "kq3sY8mYtS1mN0oPqRsTuV")
        .claim("email_verified", true)
}

struct Contest {
    algorithm: Algorithm,
    token: String,
    signing_input: String,
    signature: Vec<u8>,
    key: Arc<VerifyingKey>,
    verifier: JwtVerifier,
    caching: JwtVerifier,
    theirs: Option<(DecodingKey, Validation)>,
}

#[derive(Clone, Copy)]
struct Cost {
    nanos: f64,
    allocations: usize,
}

struct Costs {
    bare: Cost,
    ours: Cost,
    repeated: Cost,
    of_rs256: Cost,
    theirs: Option<Cost>,
}

impl Contest {
    fn new(algorithm: Algorithm) -> Self {
        let issuer = TestIssuer::from_algorithms([algorithm]);
        let token = usual(&issuer).sign();
        Self::of(&issuer, algorithm, token)
    }

    fn of(issuer: &TestIssuer, algorithm: Algorithm, token: String) -> Self {
        Self::with_key(issuer, algorithm, token, issuer.first_key().verifying_key())
    }

    /// RS256 with a key of 4096 bits.
    fn with_long_key() -> Self {
        let issuer = TestIssuer::from_algorithms([Algorithm::Rs256]);
        let pair = RsaKeyPair::generate(KeySize::Rsa4096).expect("keys can be generated");
        let der: PublicKeyX509Der<'_> = pair.public_key().as_der().expect("a public key");
        let key = VerifyingKey::from_der(der.as_ref()).expect("a usable key").with_id(issuer.first_key().id());
        let input = usual(&issuer).signing_input();
        let mut signature = vec![0; pair.public_modulus_len()];
        let random = SystemRandom::new();
        pair.sign(&RSA_PKCS1_SHA256, &random, input.as_bytes(), &mut signature).expect("messages can be signed");
        let token = format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature));
        Self::with_key(&issuer, Algorithm::Rs256, token, key)
    }

    fn with_key(issuer: &TestIssuer, algorithm: Algorithm, token: String, key: VerifyingKey) -> Self {
        let (input, signature) = token.rsplit_once('.').expect("a token has dots");
        let signature = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
        let key = Arc::new(key);
        let builder = || {
            let keys = FixedKeys::keys([Arc::clone(&key)]);
            JwtVerifier::builder(issuer.url(), Audience::any_of([issuer.audience()]), keys).algorithms([algorithm])
        };
        Self {
            algorithm,
            signing_input: input.to_owned(),
            signature,
            verifier: builder().build().expect("complete"),
            caching: builder().cache_tokens(1_000).build().expect("complete"),
            theirs: theirs(issuer, algorithm, &key),
            token,
            key,
        }
    }

    /// Checks the signature, and nothing else.
    fn check(&self) {
        let verified = self.key.verify(self.algorithm, self.signing_input.as_bytes(), black_box(&self.signature));
        assert!(verified.is_ok());
    }

    fn jsonwebtoken<C: DeserializeOwned>(&self) -> bool {
        let (key, rules) = self.theirs.as_ref().expect("jsonwebtoken has the algorithm");
        black_box(jsonwebtoken::decode::<C>(black_box(&self.token), key, rules)).is_ok()
    }

    /// Measures the bare check, this library, this library with a cached token, the verification of `rs256`, and jsonwebtoken
    /// if it has the algorithm.
    fn run(&self, rounds: usize, rs256: &Self) -> Costs {
        let bare = || self.check();
        let ours = || assert!(verify(&self.verifier, black_box(&self.token)));
        let repeated = || assert!(verify(&self.caching, black_box(&self.token)));
        let of_rs256 = || assert!(verify(&rs256.verifier, black_box(&rs256.token)));
        let theirs = || assert!(self.theirs.is_none() || self.jsonwebtoken::<Claims>());
        let contenders: [&dyn Fn(); 5] = [&bare, &ours, &repeated, &of_rs256, &theirs];
        let nanos = medians(rounds, contenders);
        let cost = |at: usize| Cost { nanos: nanos[at], allocations: allocations(contenders[at]) };
        let theirs = self.theirs.is_some().then(|| cost(4));
        Costs { bare: cost(0), ours: cost(1), repeated: cost(2), of_rs256: cost(3), theirs }
    }
}

/// The key and the rules for jsonwebtoken, if it has the algorithm.
fn theirs(issuer: &TestIssuer, algorithm: Algorithm, key: &VerifyingKey) -> Option<(DecodingKey, Validation)> {
    let mut rules = Validation::new(jsonwebtoken::Algorithm::try_from(algorithm).ok()?);
    rules.set_issuer(&[issuer.url()]);
    rules.set_audience(&[issuer.audience()]);
    rules.set_required_spec_claims(&["exp", "iss", "aud"]);
    rules.validate_nbf = true;
    Some((DecodingKey::try_from(key).expect("both implement the algorithm"), rules))
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
