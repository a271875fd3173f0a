//! Compares the cost of minting an access token with the bare signature, and with jsonwebtoken 11.
//!
//! All contenders take turns in one run, so that other load on the machine affects them equally. Each figure is the median
//! of many short rounds. Only the ratios mean something. The run fails when a limit is broken.
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

mod turns;

use std::hint::black_box;
use std::process::ExitCode;

use jsonwebtoken::{EncodingKey, Header};
use portcullis::jose::Algorithm;
use portcullis_issuer::{AccessToken, Issuer, KeyRing, Signer, SigningKey};
use serde::Serialize;
use turns::{medians, now};

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
    println!("| | bare | mint | ratio | jsonwebtoken 11 | ratio |");
    println!("|---|---|---|---|---|---|");
    let mut broken = Vec::new();
    for algorithm in Algorithm::ALL.iter().copied().filter(|algorithm| !algorithm.is_symmetric()) {
        let (bare, ours, theirs) = contest(algorithm);
        let shown = match theirs {
            Some(theirs) => format!("{:.2} us | {:.3}", theirs / 1e3, theirs / bare),
            None => "not supported |".to_owned(),
        };
        println!("| {algorithm} | {:.2} us | {:.2} us | {:.3} | {shown} |", bare / 1e3, ours / 1e3, ours / bare);
        if algorithm == Algorithm::Rs256 && ours / bare > RS256_LIMIT {
            broken.push(format!("RS256 costs {:.3} times the bare signature, more than {RS256_LIMIT}", ours / bare));
        }
        if theirs.is_some_and(|theirs| ours >= theirs) {
            broken.push(format!("{algorithm} is not ahead of jsonwebtoken"));
        }
    }
    for limit in &broken {
        println!("LIMIT BROKEN: {limit}");
    }
    if broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Measures the bare signature with a prepared key, minting, and jsonwebtoken if it has the algorithm.
fn contest(algorithm: Algorithm) -> (f64, f64, Option<f64>) {
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
    let theirs = their_key.as_ref().map(|key| move || theirs(key));
    if let Some(theirs) = &theirs {
        let [bare, ours, theirs] = medians(ROUNDS, [&bare, &ours, theirs]);
        return (bare, ours, Some(theirs));
    }
    let [bare, ours] = medians(ROUNDS, [&bare, &ours]);
    (bare, ours, None)
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
