//! Compares a repeated opaque token, whose answer is remembered, with a repeated JWT in the token cache.
//!
//! Both take short turns in one run, so that other load on the machine affects them equally. The run fails when the limit is
//! broken.
//!
//! `cargo bench -p portcullis-benches --bench introspection`

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
use std::time::Duration;

use portcullis::Verifier;
use portcullis::adapter::Credential;
use portcullis::introspection::{ClientAuthentication, IntrospectionVerifier};
use portcullis_bench_report::{Report, Table, Turns, now, number};
use portcullis_testing::{IssuerServer, TestIssuer, TokenBuilder};

const ROUNDS: usize = 4_000;
/// The largest ratio of a repeated opaque token to a repeated JWT. An answer is found by the SHA-256 of the endpoint, the client and
/// the token, because the endpoint is also asked about made-up tokens. A JWT is found by a faster hash.
const OF_A_JWT: f64 = 1.50;
/// The largest part of a verification with RS256.
const OF_RS256: f64 = 0.04;

fn main() -> ExitCode {
    let mut report = Report::start("introspection");
    let server = TestIssuer::new().serve();
    let issuer = server.issuer();
    let jwts = issuer.verifier().cache_tokens(1_000).build().expect("complete");
    let plain = issuer.verifier().build().expect("complete");
    let client = ClientAuthentication::client_secret_basic(IssuerServer::CLIENT_ID, IssuerServer::CLIENT_SECRET);
    let opaque = IntrospectionVerifier::builder(server.url(), issuer.audience(), client)
        .endpoint(server.introspection_url())
        .cache(Duration::from_secs(600), Duration::ZERO)
        .build()
        .expect("complete");
    let (jwt, token) = (claims(issuer.token()).sign(), server.opaque_token(&claims(issuer.token())));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        assert!(opaque.verify(&Credential::bearer(&token)).await.is_ok());
        assert!(jwts.verify(&Credential::bearer(&jwt)).await.is_ok());
    });
    let repeated_jwt = || repeated(&jwts, &jwt);
    let repeated_opaque = || repeated(&opaque, &token);
    let turns = Turns::run(report.rounds(ROUNDS), [&repeated_jwt, &repeated_opaque, &|| repeated(&plain, &jwt)]);
    assert_eq!(server.introspection_hits(), 1, "every turn was a hit");
    let mut table = Table::new("repeated token", [("cost", "ns"), ("of a JWT", "ratio"), ("of RS256", "part")]);
    table.row("JWT", [number(turns.median(0)), number(1.0), number(turns.ratio(0, 2))]);
    let ratio = number(turns.ratio(1, 0)).must_be_at_most(OF_A_JWT);
    let part = number(turns.ratio(1, 2)).must_be_at_most(OF_RS256);
    table.row("opaque token", [number(turns.median(1)), ratio, part]);
    report.add(table);
    report.finish()
}

/// Verifies as a gate does.
fn repeated(verifier: &impl Verifier, token: &str) {
    let credential = Credential::bearer(black_box(token));
    assert!(now(verifier.begin(&credential).finish()).is_ok());
}

fn claims(token: TokenBuilder) -> TokenBuilder {
    token
        .subject("auth0|65a1f0c2e4b0c8a1d2f3e4b5")
        .scope("openid profile email read:messages write:messages")
        .claim("client_id", "kq3sY8mYtS1mN0oPqRsTuVwXyZ012345")
}
