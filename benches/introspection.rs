//! Compares a repeated opaque token, whose answer is remembered, with a repeated JWT in the token cache.
//!
//! Both take short turns in one run, so that other load on the machine affects them equally. Each figure is the median of
//! many turns. The run fails when the limit is broken.
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

mod turns;

use std::hint::black_box;
use std::process::ExitCode;
use std::time::Duration;

use portcullis::Verifier;
use portcullis::adapter::Credential;
use portcullis::introspection::{ClientAuthentication, IntrospectionVerifier};
use portcullis_testing::{IssuerServer, TestIssuer, TokenBuilder};
use turns::{medians, now};

const ROUNDS: usize = 1_000;
/// The largest ratio of a repeated opaque token to a repeated JWT. An answer is found by the SHA-256 of the endpoint, the client and
/// the token, because the endpoint is also asked about made-up tokens. A JWT is found by a faster hash.
const LIMIT: f64 = 1.50;

fn main() -> ExitCode {
    let server = TestIssuer::new().serve();
    let issuer = server.issuer();
    let jwts = issuer.verifier().cache_tokens(1_000).build().expect("complete");
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
    let repeated_jwt = || assert!(now(jwts.verify(&Credential::bearer(black_box(&jwt)))).is_ok());
    let repeated_opaque = || assert!(now(opaque.verify(&Credential::bearer(black_box(&token)))).is_ok());
    let [jwt, opaque] = medians(ROUNDS, [&repeated_jwt, &repeated_opaque]);
    assert_eq!(server.introspection_hits(), 1, "every turn was a hit");
    let ratio = opaque / jwt;
    println!("repeated JWT {jwt:.0} ns, repeated opaque token {opaque:.0} ns, ratio {ratio:.3}");
    if ratio > LIMIT {
        println!("LIMIT BROKEN: a repeated opaque token costs {ratio:.3} times a repeated JWT, more than {LIMIT}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn claims(token: TokenBuilder) -> TokenBuilder {
    token
        .subject("auth0|65a1f0c2e4b0c8a1d2f3e4b5")
        .scope("openid profile email read:messages write:messages")
        .claim("client_id", "kq3sY8mYtS1mN0oPqRsTuVwXyZ012345")
}
