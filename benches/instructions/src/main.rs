//! Repeats one operation of the library, so that valgrind can count its instructions. `.ci/instructions.py` runs this.
//!
//! The keys and tokens never change, so that the counts do not either. The tokens expire in the year 2100.

#![allow(clippy::expect_used, clippy::panic, clippy::print_stderr, reason = "a bench may panic")]

use std::hint::black_box;
use std::pin::pin;
use std::process::ExitCode;
use std::task::{Context, Poll, Waker};

use portcullis::adapter::{Credential, HeaderList};
use portcullis::jose::Algorithm;
use portcullis::keys::{FixedKeys, VerifyingKey};
use portcullis::verifier::JwtVerifierBuilder;
use portcullis::{Audience, Gate, JwtVerifier, Policy, Verifier as _};

const RS256: &str = include_str!("../tokens/rs256.jwt");
const RS256_KEY: &str = include_str!("../tokens/rs256.pem");
const UNKNOWN_KEY: &str = include_str!("../tokens/unknown-key.jwt");
const HS256: &str = include_str!("../tokens/hs256.jwt");
const SECRET: &[u8] = b"a secret for counts of instructions, 32 bytes or more: not for use";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (row, rounds, planted) = match &arguments[..] {
        [row, rounds] => (row, rounds, false),
        [row, rounds, planted] if planted == "planted" => (row, rounds, true),
        _ => return usage(),
    };
    let (Some(mut operation), Ok(rounds)) = (operation(row), rounds.parse::<usize>()) else { return usage() };
    for _ in 0..rounds {
        operation();
        if planted {
            extra_work();
        }
    }
    ExitCode::SUCCESS
}

fn usage() -> ExitCode {
    eprintln!("instructions ROW ROUNDS [planted]");
    ExitCode::FAILURE
}

fn operation(row: &str) -> Option<Box<dyn FnMut()>> {
    let rs256 = || builder(Algorithm::Rs256, FixedKeys::key(rs256_key())).build().expect("complete");
    let caching =
        || builder(Algorithm::Rs256, FixedKeys::key(rs256_key())).cache_tokens(100).build().expect("complete");
    let hs256 = || builder(Algorithm::Hs256, FixedKeys::key(hs256_key())).build().expect("complete");
    Some(match row {
        "rs256-bare" => bare(Algorithm::Rs256, rs256_key(), RS256.trim()),
        "rs256-verify" => accepted(rs256(), RS256.trim()),
        "hs256-bare" => bare(Algorithm::Hs256, hs256_key(), HS256.trim()),
        "hs256-verify" => accepted(hs256(), HS256.trim()),
        "repeated" => accepted(caching(), RS256.trim()),
        "malformed" => refused(rs256(), format!("+{}", RS256.trim())),
        "unknown-key" => refused(rs256(), UNKNOWN_KEY.trim().to_owned()),
        "wrong-algorithm" => refused(rs256(), HS256.trim().to_owned()),
        "gate-repeated" => admitted(Gate::new(caching()), RS256.trim(), true),
        "gate-malformed" => admitted(Gate::new(rs256()), &RS256.trim().replacen('.', ".=", 1), false),
        _ => return None,
    })
}

fn builder(algorithm: Algorithm, keys: FixedKeys) -> JwtVerifierBuilder {
    JwtVerifier::builder("https://issuer.example", Audience::any_of(["https://api.example.com"]), keys)
        .algorithms([algorithm])
}

fn rs256_key() -> VerifyingKey {
    VerifyingKey::from_pem(RS256_KEY).expect("a public key").with_id("key-1")
}

fn hs256_key() -> VerifyingKey {
    VerifyingKey::from_secret(SECRET).expect("a long secret")
}

/// Only the check of the signature. Its count is subtracted, because it depends on the processor.
fn bare(algorithm: Algorithm, key: VerifyingKey, token: &'static str) -> Box<dyn FnMut()> {
    let (input, signature) = token.rsplit_once('.').expect("a token has dots");
    let signature = from_base64url(signature);
    Box::new(move || assert!(key.verify(algorithm, input.as_bytes(), black_box(&signature)).is_ok()))
}

fn accepted(verifier: JwtVerifier, token: &'static str) -> Box<dyn FnMut()> {
    Box::new(move || assert!(now(verifier.verify(&Credential::bearer(black_box(token)))).is_ok()))
}

fn refused(verifier: JwtVerifier, token: String) -> Box<dyn FnMut()> {
    Box::new(move || assert!(now(verifier.verify(&Credential::bearer(black_box(&token)))).is_err()))
}

fn admitted(gate: Gate, token: &str, passes: bool) -> Box<dyn FnMut()> {
    let request = HeaderList::new("GET", [("authorization", format!("Bearer {token}"))]);
    let policy = Policy::authenticated();
    Box::new(move || assert_eq!(now(gate.admit(black_box(&request), &policy)).is_ok(), passes))
}

/// Polls once: nothing here waits.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("an operation waits"),
    }
}

/// A slowdown that the check must find: a copy of the token in which the dots are counted.
#[inline(never)]
fn extra_work() {
    let copy = black_box(RS256).to_owned();
    assert_eq!(black_box(copy.as_str()).bytes().map(black_box).filter(|&byte| byte == b'.').count(), 2);
}

fn from_base64url(text: &str) -> Vec<u8> {
    let value = |byte: u8| match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'-' => 62,
        _ => 63,
    };
    let (mut bytes, mut held, mut bits) = (Vec::new(), 0_u32, 0);
    for byte in text.bytes() {
        (held, bits) = (held << 6 | u32::from(value(byte)), bits + 6);
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits & 0xff) as u8);
        }
    }
    bytes
}
