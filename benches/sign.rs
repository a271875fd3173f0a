//! Compares the cost of minting an access token with the bare signature, and with jsonwebtoken 11.
//!
//! All contenders take turns in one run, so that other load on the machine affects them equally. The run fails when a limit is
//! broken.
//!
//! `cargo bench -p portcullis-benches --bench sign`

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

use jsonwebtoken::{EncodingKey, Header};
use portcullis::jose::Algorithm;
use portcullis_bench_report::{Report, Table, Turns, now, number};
use portcullis_issuer::{AccessToken, Issuer, KeyRing, Signer, SigningKey};
use serde::Serialize;

const ROUNDS: usize = 300;
/// The largest ratio for RS256 of minting to the bare signature.
const RS256_LIMIT: f64 = 1.05;

/// The same claims for jsonwebtoken.
#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    client_id: &'a str,
    iat: u64,
    exp: u64,
    jti: &'a str,
    scope: &'a str,
    sid: &'a str,
}

fn main() -> ExitCode {
    let mut report = Report::start("sign");
    let columns = [("bare", "us"), ("mint", "us"), ("ratio", "ratio"), ("jsonwebtoken", "us"), ("its ratio", "ratio")];
    let mut table = Table::new("algorithms", columns);
    for algorithm in Algorithm::ALL.iter().copied().filter(|algorithm| !algorithm.is_symmetric()) {
        let (turns, has_theirs) = contest(algorithm, report.rounds(ROUNDS));
        let ratio = number(turns.ratio(1, 0));
        let ratio = if algorithm == Algorithm::Rs256 { ratio.must_be_at_most(RS256_LIMIT) } else { ratio };
        let [their_time, their_ratio] = if has_theirs {
            // Minting that is slower than jsonwebtoken has lost.
            let ratio = number(turns.ratio(2, 0)).must_be_at_least(turns.ratio(1, 0));
            [number(turns.median(2) / 1e3), ratio]
        } else {
            ["not supported".into(), "".into()]
        };
        let [bare, mint] = [0, 1].map(|at| number(turns.median(at) / 1e3));
        table.row(algorithm.name(), [bare, mint, ratio, their_time, their_ratio]);
    }
    report.add(table);
    report.finish()
}

/// Measures the bare signature with a prepared key, minting, and jsonwebtoken. Returns whether that has the algorithm.
fn contest(algorithm: Algorithm, rounds: usize) -> (Turns<3>, bool) {
    let pem = SigningKey::generate(algorithm).unwrap().to_pem().unwrap();
    let key = || SigningKey::from_pem(pem.as_str()).unwrap().with_algorithm(algorithm).unwrap();
    let (bare_key, url) = (key(), "https://api.example.com");
    let issuer = Issuer::builder(url, url, KeyRing::builder().first_key(key()).build().unwrap()).build().unwrap();
    let scopes = ["openid", "profile", "read:messages", "write:messages"];
    let token = || AccessToken::new("65a1f0c2e4b0c8a1d2f3e4b5", "web").scopes(scopes).session("kq3sY8mYtS1mN0oPqRsTuV");
    let minted = now(issuer.mint(&token())).unwrap().into_string();
    let (input, _) = minted.rsplit_once('.').unwrap();
    let their_key = their_key(algorithm, pem.as_str(), bare_key.id());

    let bare = || drop(black_box(now(bare_key.sign(black_box(input.as_bytes()))).unwrap()));
    let ours = || drop(black_box(now(issuer.mint(black_box(&token()))).unwrap()));
    let theirs = |(header, key): &(Header, EncodingKey)| {
        let scope = scopes.join(" ");
        // jsonwebtoken does not make identifiers, so it does less here.
        let claims = Claims {
            iss: url,
            sub: "65a1f0c2e4b0c8a1d2f3e4b5",
            aud: url,
            client_id: "web",
            iat: 1_800_000_000,
            exp: 1_800_000_600,
            jti: "AAAAAAAAAAAAAAAAAAAAAA",
            scope: &scope,
            sid: "kq3sY8mYtS1mN0oPqRsTuV",
        };
        drop(black_box(jsonwebtoken::encode(header, black_box(&claims), key).unwrap()));
    };
    let theirs = || their_key.iter().for_each(theirs);
    (Turns::run(rounds, [&bare, &ours, &theirs]), their_key.is_some())
}

fn their_key(algorithm: Algorithm, pem: &str, id: &str) -> Option<(Header, EncodingKey)> {
    let theirs = jsonwebtoken::Algorithm::try_from(algorithm).ok()?;
    let key = match algorithm.name().get(..2) {
        Some("RS" | "PS") => EncodingKey::from_rsa_pem(pem.as_bytes()),
        Some("ES") => EncodingKey::from_ec_pem(pem.as_bytes()),
        _ => EncodingKey::from_ed_pem(pem.as_bytes()),
    };
    let mut header = Header::new(theirs);
    (header.typ, header.kid) = (Some("at+jwt".to_owned()), Some(id.to_owned()));
    Some((header, key.unwrap()))
}
