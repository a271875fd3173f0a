//! Compares a request with a DPoP-bound token and its proof with the two bare signature checks that it takes.
//!
//! All contenders take turns in one run, so that other load on the machine affects them equally. The run fails when the limit is
//! broken.
//!
//! `cargo bench -p portcullis-benches --bench dpop`

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a bench may fail by panicking"
)]

use std::cell::RefCell;
use std::hint::black_box;
use std::process::ExitCode;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis::adapter::HeaderList;
use portcullis::jose::Algorithm;
use portcullis::keys::VerifyingKey;
use portcullis::possession::{Dpop, MemoryReplayStore};
use portcullis::{Gate, Policy};
use portcullis_bench_report::{Report, Table, Turns, now, number};
use portcullis_testing::{DpopKey, TestIssuer};

const ROUNDS: usize = 600;
/// The most requests of a round. Each has its own proof.
const PROOFS: usize = 12;
const URL: &str = "https://api.example.com";
/// The largest ratio of a request with a proof to the bare checks of both signatures.
const LIMIT: f64 = 1.45;

fn main() -> ExitCode {
    let mut report = Report::start("dpop");
    let columns = [
        ("bare", "us"),
        ("with the proof's key", "us"),
        ("admit", "us"),
        ("ratio", "ratio"),
        ("of it the key", "part"),
    ];
    let mut table = Table::new("token, proof", columns);
    for algorithm in [Algorithm::Es256, Algorithm::Rs256] {
        let turns = contest(algorithm, report.rounds(ROUNDS));
        table.row(
            format!("{algorithm}, ES256"),
            [
                number(turns.median(0) / 1e3),
                number(turns.median(1) / 1e3),
                number(turns.median(2) / 1e3),
                number(turns.ratio(2, 0)).must_be_at_most(LIMIT),
                number(turns.ratio(1, 0) - 1.0),
            ],
        );
    }
    report.add(table);
    report.finish()
}

/// Measures the bare checks of the signatures of a token and a proof with prepared keys, the same where the proof's key is
/// read from its JWK, and the gate.
fn contest(algorithm: Algorithm, rounds: usize) -> Turns<3> {
    // Eleven serve the calls before the first round.
    let proofs = 11 + rounds * PROOFS;
    let issuer = TestIssuer::from_algorithms([algorithm]);
    let client = DpopKey::new();
    let token = issuer
        .token()
        .subject("auth0|65a1f0c2e4b0c8a1d2f3e4b5")
        .scope("openid profile email read:messages write:messages")
        .claim("client_id", "kq3sY8mYtS1mN0oPqRsTuVwXyZ012345")
        .bound_to(&client)
        .sign();
    let proof = || client.proof("GET", &format!("{URL}/orders"), &token).sign();
    let request = |_| {
        let fields = [("authorization", format!("DPoP {token}")), ("dpop", proof())];
        HeaderList::new("GET", fields).with_original_path("/orders")
    };
    let requests = RefCell::new((0..proofs).map(request).collect::<Vec<_>>());
    let store = MemoryReplayStore::new(2 * proofs, proofs).unwrap();
    let gate = issuer.gate().with_public_url(URL).unwrap();
    let gate: Gate = gate.with_dpop(Dpop::required().with_replay_store(store)).unwrap();
    let policy = Policy::authenticated();

    let (of_token, of_proof) = (Signature::of(&token), Signature::of(&proof()));
    let (token_key, jwk) = (issuer.first_key().verifying_key(), client.jwk().to_string());
    let read_key = || VerifyingKey::from_jwk(black_box(&jwk)).unwrap();
    let proof_key = read_key();
    let bare = || {
        of_token.check(&token_key, algorithm);
        of_proof.check(&proof_key, Algorithm::Es256);
    };
    let with_key = || {
        of_token.check(&token_key, algorithm);
        of_proof.check(&read_key(), Algorithm::Es256);
    };
    let ours = || {
        let request = requests.borrow_mut().pop().expect("enough proofs");
        assert!(now(gate.admit(black_box(&request), &policy)).is_ok());
    };
    Turns::run(rounds, [&bare, &with_key, &ours])
}

/// What a bare check needs.
struct Signature {
    input: String,
    bytes: Vec<u8>,
}

impl Signature {
    fn of(text: &str) -> Self {
        let (input, signature) = text.rsplit_once('.').expect("a token has dots");
        Self { input: input.to_owned(), bytes: URL_SAFE_NO_PAD.decode(signature).expect("base64url") }
    }

    fn check(&self, key: &VerifyingKey, algorithm: Algorithm) {
        assert!(key.verify(algorithm, self.input.as_bytes(), black_box(&self.bytes)).is_ok());
    }
}
