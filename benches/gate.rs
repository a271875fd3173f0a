//! Measures what a gate adds to the verification of a bearer token, and what proofs of possession add to the gate.
//!
//! They add less than the noise of a signature check. So both gates and the verifier verify a token of the token cache, and
//! the differences are taken as parts of a verification with RS256. All contenders take turns in one run, so that other
//! load on the machine affects them equally. Each figure is the median of many short rounds. The run fails when a limit is
//! broken.
//!
//! `cargo bench -p portcullis-benches --bench gate`

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

use portcullis::adapter::{Credential, HeaderList};
use portcullis::possession::{ClientCertificates, Dpop};
use portcullis::{Gate, Policy, Verifier as _};
use portcullis_testing::TestIssuer;
use turns::{medians, now};

const ROUNDS: usize = 2_000;
/// The largest part of a verification with RS256 that a gate may add: it reads the field byte by byte, and checks the policy.
const GATE_LIMIT: f64 = 0.025;
/// The largest part of a verification with RS256 that a gate may add for a bearer token if it accepts proofs of possession.
const PROOFS_LIMIT: f64 = 0.01;

fn main() -> ExitCode {
    let issuer = TestIssuer::new();
    let token = issuer
        .token()
        .subject("auth0|65a1f0c2e4b0c8a1d2f3e4b5")
        .scope("openid profile email read:messages write:messages")
        .claim("client_id", "kq3sY8mYtS1mN0oPqRsTuVwXyZ012345")
        .sign();
    let verifier = issuer.verifier().build().expect("complete");
    let cached = Arc::new(issuer.verifier().cache_tokens(1_000).build().expect("complete"));
    let plain = Gate::new(Arc::clone(&cached));
    let bound = plain.clone().with_client_certificates(ClientCertificates::from_tls());
    let bound = bound.with_public_url("https://api.example.com").unwrap().with_dpop(Dpop::accepted()).unwrap();
    let request = HeaderList::new("GET", [("authorization", format!("Bearer {token}"))]).with_original_path("/orders");
    let policy = Policy::authenticated();

    let rs256 = || assert!(now(verifier.verify(&Credential::bearer(black_box(&token)))).is_ok());
    let alone = || assert!(now(cached.verify(&Credential::bearer(black_box(&token)))).is_ok());
    let admit = |gate: &Gate| assert!(now(gate.admit(black_box(&request), &policy)).is_ok());
    let [rs256, alone, plain, bound] = medians(ROUNDS, [&rs256, &alone, &|| admit(&plain), &|| admit(&bound)]);
    println!("an RS256 verification takes {:.2} us, and a token of the cache {alone:.0} ns", rs256 / 1e3);
    let mut all_hold = true;
    for (name, nanos, limit) in
        [("a gate", plain - alone, GATE_LIMIT), ("accepting proofs of possession", bound - plain, PROOFS_LIMIT)]
    {
        let part = nanos / rs256;
        println!("{name} adds {nanos:.0} ns, {part:.4} of a verification");
        if part > limit {
            println!("LIMIT BROKEN: {name} adds {part:.4} of a verification, more than {limit}");
            all_hold = false;
        }
    }
    if all_hold { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
