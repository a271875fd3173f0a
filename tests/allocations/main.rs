//! Counts the memory allocations of a verification. They do not depend on the machine, unlike times.

#![allow(clippy::panic, reason = "tests may fail by panic; clippy can't tell that this function belongs to a test")]

mod counting;

use counting::{allocations, now};
use portcullis::adapter::Credential;
use portcullis::jose::Algorithm;
use portcullis::{JwtVerifier, Verifier};
use portcullis_testing::TestIssuer;

fn allocations_of(verifier: &JwtVerifier, token: &str) -> usize {
    let credential = Credential::bearer(token);
    allocations(|| assert!(now(verifier.verify(&credential)).is_ok()))
}

// One test, because the tests of a process run at the same time and would count each other's allocations.
#[test]
fn verification_takes_three_allocations_and_a_repeated_token_one() {
    for algorithm in [Algorithm::Rs256, Algorithm::Ps256, Algorithm::Es256, Algorithm::EdDsa, Algorithm::Hs256] {
        let issuer = TestIssuer::from_algorithms([algorithm]);
        let token = issuer.token().subject("auth0|65a1f0c2e4b0c8a1d2f3e4b5").scope("openid read:messages");
        let token =
            token.claim("azp", "kq3sY8mYtS1mN0oPqRsTuVwXyZ012345").claim("permissions", ["read:messages"]).sign();
        // The future of the trait's method, the payload with its index, and the result.
        assert_eq!(allocations_of(&issuer.verifier().build().unwrap(), &token), 3, "{algorithm}");
        // Only the future.
        assert_eq!(
            allocations_of(&issuer.verifier().cache_tokens(10).build().unwrap(), &token),
            1,
            "{algorithm}, repeated"
        );
    }
}
