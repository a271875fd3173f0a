//! The refusals of every day, and their limits.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use actix_web::ResponseError as _;
use axum::response::IntoResponse as _;
use portcullis::adapter::{Credential, HeaderList};
use portcullis::claims::NoClaims;
use portcullis::jose::Algorithm;
use portcullis::keys::{FixedKeys, RemoteKeys};
use portcullis::verifier::ByIssuer;
use portcullis::{Audience, AuthError, Gate, JwtVerifier, Policy, Reason, Refusal, Verifier};
use portcullis_bench_report::{Cell, Report, Table, Turns, now, number};
use portcullis_testing::{TestIssuer, TokenBuilder};
use tokio::runtime::Runtime;

use crate::tokens::encode;

const ROUNDS: usize = 300;
/// The sizes of the tokens, in bytes, and the largest part of a verification that a refusal of this size should cost.
const SIZES: [(usize, f64); 3] = [(1_000, 0.05), (4_000, 0.1), (15_000, 0.1)];
/// A bad signature costs no more than a good one. The rest is noise.
const BAD_SIGNATURE: f64 = 1.05;
const COLUMNS: [(&str, &str); 3] = [("1 kB", "part"), ("4 kB", "part"), ("15 kB", "part")];

/// The tokens of one size: a good one, and one for each name of [`NAMES`].
struct Tokens {
    good: String,
    bad: Vec<String>,
}

const NAMES: [&str; 14] = [
    "no dots",
    "six parts",
    "header not base64url",
    "payload not base64url",
    "signature not base64url",
    "header not JSON",
    "too long",
    "unknown issuer",
    "unknown key",
    "algorithm not allowed",
    "wrong type",
    "bad signature",
    "expired",
    "wrong audience",
];

pub(crate) fn add_to(report: &mut Report, runtime: &Runtime) {
    let issuer = TestIssuer::from_algorithms([Algorithm::Rs256]);
    let tokens = SIZES.map(|(size, _)| tokens(&issuer, size));
    let key = Arc::new(issuer.first_key().verifying_key());
    let of = |url: &str| verifier(url, &issuer, FixedKeys::keys([Arc::clone(&key)]));
    let by_issuer = |others: usize| {
        let others = (0..others).map(|number| of(&format!("https://issuer-{number}.example")));
        ByIssuer::new(others.chain([of(issuer.url())])).expect("complete")
    };
    let jwt: Arc<dyn Verifier> = Arc::new(of(issuer.url()));
    let verifiers: [(&'static str, Arc<dyn Verifier>); 4] = [
        ("JwtVerifier", Arc::clone(&jwt)),
        ("JwtVerifier, fetched keys", Arc::new(with_fetched_keys(&issuer, runtime))),
        ("ByIssuer, 1 issuer", Arc::new(by_issuer(0))),
        ("ByIssuer, 1,000 issuers", Arc::new(by_issuer(999))),
    ];
    let rounds = report.rounds(ROUNDS);
    for (name, verifier) in &verifiers {
        let refuse = |token: &str| now(verifier.begin(&Credential::bearer(black_box(token))).finish()).map(drop);
        report.add(table(name, rounds, &tokens, &*jwt, &refuse));
    }
    let gate = Gate::new(jwt.clone());
    let refuse = |request: &HeaderList| {
        let extracted = now(gate.extract::<NoClaims>(black_box(request), None, &Policy::authenticated()));
        extracted.map(drop)
    };
    report.add(answers("response of Axum", rounds, &tokens, &*jwt, &refuse, |refusal| {
        black_box(portcullis_axum::Rejection::from(refusal).into_response());
    }));
    report.add(answers("response of Actix Web", rounds, &tokens, &*jwt, &refuse, |refusal| {
        black_box(portcullis_actix::Rejection::from(refusal).error_response());
    }));
}

fn verifier(url: &str, issuer: &TestIssuer, keys: impl portcullis::KeyProvider + 'static) -> JwtVerifier {
    let builder = JwtVerifier::builder(url, Audience::any_of([issuer.audience()]), keys);
    builder.algorithms([Algorithm::Rs256]).build().expect("complete")
}

/// The keys are cached, and further fetches are not allowed at the moment.
fn with_fetched_keys(issuer: &TestIssuer, runtime: &Runtime) -> JwtVerifier {
    let server = issuer.clone().serve();
    let keys = RemoteKeys::builder().cooldown(Duration::from_secs(3_600), 5).at(&server.jwks_url()).expect("a URL");
    let verifier = verifier(issuer.url(), issuer, keys);
    runtime.block_on(async {
        verifier.warm_up().await.expect("the server is up");
        for number in 0..50 {
            let unknown = issuer.token().header("kid", format!("made-up-{number}")).sign();
            let _ = verifier.verify(&Credential::bearer(&unknown)).await;
        }
    });
    std::mem::forget(server);
    verifier
}

fn tokens(issuer: &TestIssuer, size: usize) -> Tokens {
    let padded = |token: TokenBuilder, used: usize| token.claim("pad", "x".repeat((size - used) * 3 / 4)).sign();
    let token = || issuer.token();
    let good = padded(token(), 650);
    let [header, payload, signature] = good.split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };
    // A character of the field's syntax (RFC 6750 §2.1) that base64url does not have.
    let broken = |part: &str| format!("{}~{}", &part[..part.len() / 2], &part[part.len() / 2 + 1..]);
    let other_signature = format!("{}{}", if signature.starts_with('A') { "B" } else { "A" }, &signature[1..]);
    let secret = TestIssuer::from_algorithms([Algorithm::Hs256]);
    let bad = vec![
        "a".repeat(size.min(8_000)),
        format!("{good}.a.b.c"),
        format!("{}.{payload}.{signature}", broken(header)),
        format!("{header}.{}.{signature}", broken(payload)),
        format!("{header}.{payload}.{}", broken(signature)),
        format!("{}.{payload}.{signature}", encode(r#"{"alg":"RS256","kid" "a"}"#)),
        format!("{good}{}", "A".repeat(16_385)),
        padded(token().issuer("https://unknown.example"), 650),
        padded(token().header("kid", "made-up-1"), 650),
        padded(secret.token().issuer(issuer.url()), 350),
        padded(token().header("typ", "logout+jwt"), 650),
        format!("{header}.{payload}.{other_signature}"),
        padded(token().expired(), 650),
        padded(token().audience("other"), 650),
    ];
    assert_eq!(bad.len(), NAMES.len());
    Tokens { good, bad }
}

/// Measures refusals by a verifier.
fn table(
    name: &'static str,
    rounds: usize,
    tokens: &[Tokens; 3],
    good: &dyn Verifier,
    refuse: &dyn Fn(&str) -> Result<(), AuthError>,
) -> Table {
    // In a service, good tokens come too: a verifier knows the header of the last one.
    assert!(refuse(&tokens[0].good).is_ok(), "the premise of {name}");
    let mut table = Table::new(name, COLUMNS);
    for (at, kind) in NAMES.iter().enumerate() {
        let cells = std::array::from_fn::<_, 3, _>(|size| {
            let token = &tokens[size].bad[at];
            let error = refuse(token).expect_err(kind);
            let reason = error.reason();
            let contender = || assert!(black_box(refuse(token)).is_err());
            limited(ratio(rounds, &contender, good, &tokens[size].good), reason, size, name.starts_with("ByIssuer"))
        });
        table.row(*kind, cells);
    }
    table
}

/// Measures refusals by a gate, with the response.
fn answers(
    name: &'static str,
    rounds: usize,
    tokens: &[Tokens; 3],
    good: &dyn Verifier,
    refuse: &dyn Fn(&HeaderList) -> Result<(), Refusal>,
    answer: impl Fn(Refusal),
) -> Table {
    let mut table = Table::new(name, COLUMNS);
    for (at, kind) in NAMES.iter().enumerate() {
        let cells = std::array::from_fn::<_, 3, _>(|size| {
            let request = HeaderList::new("GET", [("authorization", format!("Bearer {}", tokens[size].bad[at]))]);
            let reason = refuse(&request).expect_err(kind).reason;
            let contender = || answer(refuse(&request).expect_err(kind));
            limited(ratio(rounds, &contender, good, &tokens[size].good), reason, size, false)
        });
        table.row(*kind, cells);
    }
    table
}

/// The cost of `contender`, as a part of the verification of a good token of the same size.
fn ratio(rounds: usize, contender: &dyn Fn(), verifier: &dyn Verifier, good: &str) -> f64 {
    let verify = || assert!(black_box(now(verifier.begin(&Credential::bearer(black_box(good))).finish())).is_ok());
    Turns::run(rounds, [contender, &verify]).ratio(0, 1)
}

/// The limit depends on whether the signature was checked.
fn limited(part: f64, reason: Option<Reason>, size: usize, reads_issuer_first: bool) -> Cell {
    match reason {
        Some(Reason::BadSignature) => number(part).at_most(BAD_SIGNATURE),
        Some(Reason::Expired | Reason::WrongAudience) => number(part),
        Some(Reason::WrongIssuer) if !reads_issuer_first => number(part),
        _ => number(part).at_most(SIZES[size].1),
    }
}
