//! Nonces of the service (RFC 9449 §8, §9).

use std::sync::Arc;
use std::time::Duration;

use portcullis::adapter::HeaderList;
use portcullis::clock::{Clock, ManualClock};
use portcullis::possession::{Dpop, DpopNonces};
use portcullis::{Gate, Policy, Verified};

use crate::support::{Client, URI, fields, gate, get, refusal, verdict};

fn with_nonces(dpop: Dpop, nonces: DpopNonces) -> Gate {
    gate(dpop.with_nonces(nonces))
}

fn required() -> Gate {
    with_nonces(Dpop::required(), DpopNonces::generate().unwrap())
}

/// A request whose proof has this nonce.
fn with_nonce(client: &Client, nonce: &str) -> HeaderList {
    client.with_proof(client.key.proof("GET", URI, &client.token).claim("nonce", nonce).sign())
}

/// Asks the gate for a nonce, as clients do.
async fn nonce_of(gate: &Gate, client: &Client) -> String {
    fields(&refusal(gate, &client.request()).await, "dpop-nonce")[0].to_owned()
}

async fn admitted(gate: &Gate, request: &HeaderList) -> Verified {
    gate.admit(request, &Policy::authenticated()).await.unwrap()
}

#[tokio::test]
async fn proof_without_a_nonce_is_refused_with_one() {
    let (client, gate) = (Client::new(), required());
    let answer = refusal(&gate, &client.request()).await;
    assert_eq!(answer.status, 401);
    let description = "The DPoP proof has to contain the nonce of this response";
    assert_eq!(answer.body, format!(r#"{{"error":"use_dpop_nonce","error_description":"{description}"}}"#));
    let challenges = fields(&answer, "www-authenticate");
    assert_eq!(challenges.len(), 1);
    assert!(challenges[0].ends_with(&format!(r#", error="use_dpop_nonce", error_description="{description}""#)));
    assert_eq!(fields(&answer, "cache-control"), ["no-store"]);
    let nonces = fields(&answer, "dpop-nonce");
    assert_eq!(nonces.len(), 1, "exactly one field");
    // RFC 9449 §8: 1*NQCHAR.
    assert!(nonces[0].bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e)));
    assert_eq!(verdict(&gate, &with_nonce(&client, nonces[0])).await, "accepted");
}

#[tokio::test]
async fn proof_without_a_nonce_stays_refused() {
    let (client, gate) = (Client::new(), required());
    let nonce = nonce_of(&gate, &client).await;
    assert_eq!(verdict(&gate, &with_nonce(&client, &nonce)).await, "accepted");
    // No downgrade (RFC 9449 §11.3).
    assert_eq!(verdict(&gate, &client.request()).await, "use_dpop_nonce");
}

#[tokio::test]
async fn only_nonces_of_the_service_are_accepted() {
    let (client, gate, other) = (Client::new(), required(), required());
    let foreign = nonce_of(&other, &client).await;
    for nonce in ["", "nonce", "0", &foreign, &"A".repeat(55)] {
        let answer = refusal(&gate, &with_nonce(&client, nonce)).await;
        assert!(answer.body.contains("use_dpop_nonce"), "{nonce}: {}", answer.body);
        assert_eq!(fields(&answer, "dpop-nonce").len(), 1);
    }
    let number = client.key.proof("GET", URI, &client.token).claim("nonce", 7).sign();
    assert_eq!(verdict(&gate, &client.with_proof(number)).await, "proof_invalid_claim");
}

#[tokio::test]
async fn nonce_of_the_client_is_ignored_without_nonces() {
    let client = Client::new();
    assert_eq!(verdict(&gate(Dpop::required()), &with_nonce(&client, "anything")).await, "accepted");
}

#[tokio::test]
async fn bad_proof_gets_no_nonce() {
    let (client, gate) = (Client::new(), required());
    for request in [
        client.with_proof(client.key.proof("PUT", URI, &client.token).sign()),
        client.with_proof(client.key.proof("GET", URI, "another token").sign()),
        get("DPoP", &client.token, []),
        get("Bearer", &client.token, []),
        HeaderList::new("GET", [("accept", "*/*")]),
    ] {
        let answer = refusal(&gate, &request).await;
        assert_eq!((answer.status, fields(&answer, "dpop-nonce").len()), (401, 0), "{}", answer.body);
    }
}

#[tokio::test]
async fn time_of_the_nonce_decides_instead_of_iat() {
    let clock = Arc::new(ManualClock::at_unix(portcullis::clock::SystemClock::new().now().seconds()));
    let nonces = DpopNonces::generate().unwrap().with_lifetime(Duration::from_secs(100));
    let gate = with_nonces(Dpop::required().with_clock(Arc::clone(&clock)), nonces);
    let client = Client::new();
    let nonce = nonce_of(&gate, &client).await;
    let at = |iat: i64| {
        client.with_proof(client.key.proof("GET", URI, &client.token).claim("nonce", &nonce).claim("iat", iat).sign())
    };
    // A client whose clock is a day off.
    for iat in [0, clock.now().seconds() - 86_400, clock.now().seconds() + 86_400] {
        assert_eq!(verdict(&gate, &at(iat)).await, "accepted", "{iat}");
    }
    let without = client.key.proof("GET", URI, &client.token).claim("nonce", &nonce).without("iat").sign();
    assert_eq!(verdict(&gate, &client.with_proof(without)).await, "proof_missing_claim");
    let request = at(1);
    assert_eq!(verdict(&gate, &request).await, "accepted");
    clock.advance(Duration::from_secs(100));
    assert_eq!(verdict(&gate, &request).await, "proof_replayed", "kept for as long as the nonce is accepted");
    assert_eq!(verdict(&gate, &at(2)).await, "accepted");
    clock.advance(Duration::from_secs(1));
    assert_eq!(verdict(&gate, &at(3)).await, "use_dpop_nonce");
    assert_eq!(verdict(&gate, &request).await, "use_dpop_nonce");
}

#[tokio::test]
async fn old_nonce_brings_a_fresh_one_with_success() {
    let clock = Arc::new(ManualClock::at_unix(1_000));
    let gate = with_nonces(Dpop::required().with_clock(Arc::clone(&clock)), DpopNonces::generate().unwrap());
    let client = Client::new();
    let nonce = nonce_of(&gate, &client).await;
    clock.advance(Duration::from_secs(150));
    assert!(admitted(&gate, &with_nonce(&client, &nonce)).await.response_headers().is_empty());
    clock.advance(Duration::from_secs(1));
    let caller = admitted(&gate, &with_nonce(&client, &nonce)).await;
    let [(name, fresh), (cache, no_store)] = caller.response_headers() else { panic!("two fields") };
    assert_eq!((name.as_str(), cache.as_str(), no_store.as_str()), ("dpop-nonce", "cache-control", "no-store"));
    assert_ne!(*fresh, nonce);
    assert!(admitted(&gate, &with_nonce(&client, fresh)).await.response_headers().is_empty());
}

#[tokio::test]
async fn machines_share_nonces_by_their_keys() {
    const KEYS: [&str; 2] =
        ["3kTJ8mQxvJ3hTnD0o1yPZyZPqk8yH2Jm6T4xZ8mB1lA=", "u0X2bYc7r5cG4sQm9w1vE3xT6zL8nK0jH2fD5aS7dPo="];
    let client = Client::new();
    let machine = |keys: &[&str]| with_nonces(Dpop::required(), DpopNonces::shared(keys).unwrap());
    let (one, other) = (machine(&KEYS), machine(&[KEYS[1], KEYS[0]]));
    for (from, to) in [(&one, &other), (&other, &one), (&one, &one)] {
        let nonce = nonce_of(from, &client).await;
        assert_eq!(verdict(to, &with_nonce(&client, &nonce)).await, "accepted");
    }
    // After the rotation, the nonces of the old key are not accepted.
    let nonce = nonce_of(&one, &client).await;
    assert_eq!(verdict(&machine(&KEYS[1..]), &with_nonce(&client, &nonce)).await, "use_dpop_nonce");
}

#[test]
fn lifetime_of_a_nonce_is_bounded() {
    let gate = || crate::support::issuer().gate().with_public_url("https://api.test").unwrap();
    for seconds in [0, 9, 3_601] {
        let nonces = DpopNonces::generate().unwrap().with_lifetime(Duration::from_secs(seconds));
        let error = gate().with_dpop(Dpop::accepted().with_nonces(nonces)).unwrap_err();
        assert_eq!(error.field(), "dpop_nonce_lifetime", "{seconds}");
    }
}
