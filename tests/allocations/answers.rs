//! Counts the memory allocations of answers that are remembered: about sessions, revoked tokens and opaque tokens.

#![allow(clippy::panic, reason = "tests may fail by panic; clippy can't tell that this function belongs to a test")]

mod counting;

use std::time::Duration;

use counting::{allocations, now};
use portcullis::adapter::{Credential, HeaderList};
use portcullis::claims::NumericDate;
use portcullis::introspection::{ClientAuthentication, IntrospectionVerifier};
use portcullis::{Gate, Policy, Verifier};
use portcullis_sessions::{AuthFacts, DenyList, MemoryStore, OpenSessionCheck, Sessions, SuccessorKeys};
use portcullis_testing::{IssuerServer, TestIssuer};

// One test, because the tests of a process run at the same time and would count each other's allocations.
#[test]
fn remembered_answers_take_no_allocation_for_a_session_and_one_for_an_opaque_token() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let issuer = TestIssuer::new();
    let sessions = Sessions::builder(MemoryStore::new(), SuccessorKeys::generate().unwrap()).build().unwrap();
    let login = runtime.block_on(sessions.start("alice", AuthFacts::at(NumericDate::from_unix(0, 0)))).unwrap();
    let token = issuer.token().subject("alice").claim("sid", login.session.id).claim("jti", "token-1").sign();
    let request = HeaderList::new("GET", [("authorization", format!("Bearer {token}"))]);
    let gate = || Gate::new(issuer.verifier().cache_tokens(10).build().unwrap());
    let without = gate();
    let session = gate().with_check(OpenSessionCheck::new(sessions).cached(Duration::from_secs(60)).unwrap());
    let denied = gate().with_check(DenyList::new(MemoryStore::new(), Duration::from_secs(86_400)).unwrap().check());
    let policy = Policy::authenticated();
    let of_gate = |gate: &Gate| {
        // The first request asks the store.
        assert!(runtime.block_on(gate.admit(&request, &policy)).is_ok());
        allocations(|| assert!(now(gate.admit(&request, &policy)).is_ok()))
    };
    let expected = of_gate(&without);
    assert_eq!(of_gate(&session), expected);
    // With the feature `metrics`, it makes the key of its counter.
    assert!(of_gate(&denied) <= expected + 1);

    let server = TestIssuer::new().serve();
    let client = ClientAuthentication::client_secret_basic(IssuerServer::CLIENT_ID, IssuerServer::CLIENT_SECRET);
    let verifier = IntrospectionVerifier::builder(server.url(), server.issuer().audience(), client);
    let verifier = verifier.endpoint(server.introspection_url()).build().unwrap();
    let token = server.opaque_token(&server.issuer().token().subject("alice"));
    let credential = Credential::bearer(&token);
    assert!(runtime.block_on(verifier.verify(&credential)).is_ok());
    // What is asked again while a connection is open.
    assert_eq!(allocations(|| assert!(now(verifier.begin(&credential).finish()).is_ok())), 1);
    assert_eq!(server.introspection_hits(), 1);
}
