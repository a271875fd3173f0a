//! Counts the memory allocations of refusals. They do not depend on the machine, unlike times.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests may fail by panic; clippy can't tell that these functions belong to a test"
)]

mod counting;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use counting::{allocations, now};
use portcullis::adapter::{Credential, HeaderList};
use portcullis::jose::Algorithm;
use portcullis::verifier::ByIssuer;
use portcullis::{Gate, Policy, Reason, Verifier};
use portcullis_testing::TestIssuer;

/// The allocations of the verifier, and of a gate with it until the response is made.
fn refused(verifier: &(impl Verifier + Clone + 'static), token: &str, reason: Reason) -> [usize; 2] {
    let credential = Credential::bearer(token);
    let by_verifier = || {
        let error = now(verifier.begin(&credential).finish()).unwrap_err();
        assert_eq!(error.reason(), Some(reason));
    };
    let gate = Gate::new(verifier.clone());
    let request = HeaderList::new("GET", [("authorization", format!("Bearer {token}"))]);
    let by_gate = || {
        let denied = now(gate.admit(&request, &Policy::authenticated())).unwrap_err();
        assert_eq!(denied.error().reason(), Some(reason));
    };
    [allocations(by_verifier), allocations(by_gate)]
}

// One test, because the tests of a process run at the same time and would count each other's allocations.
#[test]
fn refusals_take_at_most_two_allocations() {
    let issuer = TestIssuer::from_algorithms([Algorithm::Rs256]);
    let secret = TestIssuer::from_algorithms([Algorithm::Hs256]);
    let verifier = || issuer.verifier().build().unwrap();
    let jwt = Arc::new(verifier());
    let other = TestIssuer::from_algorithms([Algorithm::Rs256]).with_url("https://other.example");
    let set = Arc::new(ByIssuer::new([verifier(), other.verifier().build().unwrap()]).unwrap());
    let good = issuer.token().sign();
    let [header, payload, signature] = good.split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };
    let not_json = URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256","kid" "a"}"#);
    let forged =
        if signature.starts_with('A') { signature.replacen('A', "B", 1) } else { format!("A{}", &signature[1..]) };
    let token = || issuer.token();
    for (kind, token, reason, at_most) in [
        ("no dots", "a".repeat(1_000), Reason::NotCompactJws, 0),
        ("six parts", format!("{good}.a.b.c"), Reason::NotCompactJws, 0),
        ("too long", "a".repeat(16_385), Reason::TooLarge, 0),
        ("header not base64url", format!("~{good}"), Reason::Malformed, 1),
        ("header not JSON", format!("{not_json}.{payload}.{signature}"), Reason::Malformed, 2),
        ("signature not base64url", format!("{header}.{payload}.~{}", &signature[1..]), Reason::Malformed, 2),
        ("algorithm not allowed", secret.token().issuer(issuer.url()).sign(), Reason::AlgorithmNotAllowed, 2),
        ("wrong type", token().header("typ", "logout+jwt").sign(), Reason::WrongType, 1),
        ("unknown key", token().header("kid", "made-up").sign(), Reason::UnknownKey, 2),
        ("bad signature", format!("{header}.{payload}.{forged}"), Reason::BadSignature, 2),
    ] {
        for (name, counts) in
            [("JwtVerifier", refused(&jwt, &token, reason)), ("ByIssuer", refused(&set, &token, reason))]
        {
            assert!(counts.iter().all(|count| *count <= at_most), "{kind}, {name}: {counts:?}, more than {at_most}");
        }
    }
    let unknown = token().issuer("https://unknown.example").sign();
    assert_eq!(refused(&set, &unknown, Reason::WrongIssuer), [1, 1], "only the header's text");
    let broken = format!("{header}.~{}.{signature}", &payload[1..]);
    assert_eq!(refused(&set, &broken, Reason::Malformed), [1, 1], "payload not base64url");
}
