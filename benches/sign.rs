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

use std::hint::black_box;
use std::pin::pin;
use std::process::ExitCode;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use jsonwebtoken::{EncodingKey, Header};
use portcullis::jose::Algorithm;
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
    println!("{:<7}{:>12}{:>12}{:>9}{:>14}{:>9}", "", "bare", "mint", "ratio", "jsonwebtoken", "ratio");
    let mut broken = Vec::new();
    for algorithm in [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa] {
        let [bare, ours, theirs] = contest(algorithm);
        println!(
            "{:<7}{:>9.2} us{:>9.2} us{:>8.3}x{:>11.2} us{:>8.3}x",
            algorithm.name(),
            bare / 1e3,
            ours / 1e3,
            ours / bare,
            theirs / 1e3,
            theirs / bare
        );
        if algorithm == Algorithm::Rs256 && ours / bare > RS256_LIMIT {
            broken.push(format!("RS256 costs {:.3} times the bare signature, more than {RS256_LIMIT}", ours / bare));
        }
        if ours >= theirs {
            broken.push(format!("{algorithm} is not ahead of jsonwebtoken"));
        }
    }
    for limit in &broken {
        println!("LIMIT BROKEN: {limit}");
    }
    if broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Measures the bare signature with a prepared key, minting, and jsonwebtoken.
fn contest(algorithm: Algorithm) -> [f64; 3] {
    let pem = SigningKey::generate(algorithm).unwrap().to_pem().unwrap();
    let key = || SigningKey::from_pem(pem.as_str()).unwrap();
    let (bare_key, url) = (key(), "https://api.example.com");
    let issuer = Issuer::builder(url, url, KeyRing::builder().first_key(key()).build().unwrap()).build().unwrap();
    let scopes = ["openid", "profile", "read:messages", "write:messages"];
    let token = || AccessToken::new("65a1f0c2e4b0c8a1d2f3e4b5", "web").scopes(scopes).session("kq3sY8mYtS1mN0oPqRsTuV");
    let minted = now(issuer.mint(&token())).unwrap().into_string();
    let (input, _) = minted.rsplit_once('.').unwrap();

    let theirs = jsonwebtoken::Algorithm::try_from(algorithm).unwrap();
    let their_key = match algorithm {
        Algorithm::Rs256 => EncodingKey::from_rsa_pem(pem.as_str().as_bytes()),
        Algorithm::Es256 => EncodingKey::from_ec_pem(pem.as_str().as_bytes()),
        _ => EncodingKey::from_ed_pem(pem.as_str().as_bytes()),
    };
    let their_key = their_key.unwrap();
    let mut header = Header::new(theirs);
    (header.typ, header.kid) = (Some("at+jwt".to_owned()), Some(bare_key.id().to_owned()));

    let bare = || drop(black_box(now(bare_key.sign(black_box(input.as_bytes()))).unwrap()));
    let ours = || drop(black_box(now(issuer.mint(black_box(&token()))).unwrap()));
    let theirs = || {
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
        drop(black_box(jsonwebtoken::encode(&header, black_box(&claims), &their_key).unwrap()));
    };
    let contenders: [&dyn Fn(); 3] = [&bare, &ours, &theirs];
    let turns = contenders.map(|contender| {
        contender();
        let start = Instant::now();
        (0..10).for_each(|_| contender());
        (1_000_000 / start.elapsed().as_nanos().max(1)).clamp(1, 200) as usize
    });
    let mut samples: [Vec<f64>; 3] = Default::default();
    for _ in 0..ROUNDS {
        for ((contender, turns), samples) in contenders.iter().zip(turns).zip(&mut samples) {
            let start = Instant::now();
            (0..turns).for_each(|_| contender());
            samples.push(start.elapsed().as_nanos() as f64 / turns as f64);
        }
    }
    samples.map(|mut samples| {
        samples.sort_by(f64::total_cmp);
        samples[samples.len() / 2]
    })
}

/// Polls once: a key in memory never waits.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("a key in memory waits"),
    }
}
