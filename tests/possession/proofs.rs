//! One test for each demand on a proof (RFC 9449 §4.3).

use std::time::Duration;

use portcullis::adapter::HeaderList;
use portcullis::async_trait;
use portcullis::error::Unavailable;
use portcullis::jose::{Algorithm, AlgorithmSet};
use portcullis::possession::{Dpop, Insertion, MemoryReplayStore, ReplayStore, UsedProof};
use portcullis_testing::DpopKey;

use crate::support::{Client, URI, fields, gate, get, issuer, observed, refusal, verdict};

fn required() -> portcullis::Gate {
    gate(Dpop::required())
}

#[tokio::test]
async fn damaged_proofs_are_refused_with_their_reason() {
    let (client, gate) = (Client::new(), required());
    let damaged = client.key.damaged_proofs("GET", URI, &client.token);
    assert!(damaged.len() > 70, "{}", damaged.len());
    for proof in damaged {
        let found = verdict(&gate, &client.with_proof(&*proof.proof)).await;
        assert_eq!(found, proof.error.as_str(), "{}", proof.name);
    }
    assert_eq!(verdict(&gate, &client.request()).await, "accepted");
}

#[tokio::test]
async fn every_algorithm_makes_good_proofs() {
    let gate = required();
    for algorithm in AlgorithmSet::ASYMMETRIC.iter() {
        let key = DpopKey::generate(algorithm);
        let client = Client { token: issuer().token().bound_to(&key).sign(), key };
        assert_eq!(verdict(&gate, &client.request()).await, "accepted", "{algorithm}");
        for proof in client.key.damaged_proofs("GET", URI, &client.token) {
            let found = verdict(&gate, &client.with_proof(&*proof.proof)).await;
            // Some errors depend on the type of the key.
            assert_ne!(found, "accepted", "{algorithm}: {}", proof.name);
        }
    }
}

#[tokio::test]
async fn exactly_one_proof_is_needed() {
    let (client, gate) = (Client::new(), required());
    assert_eq!(verdict(&gate, &get("DPoP", &client.token, [])).await, "proof_missing");
    let twice = get("DPoP", &client.token, [client.proof(), client.proof()]);
    assert_eq!(verdict(&gate, &twice).await, "proof_repeated");
    let proof = client.proof();
    assert_eq!(verdict(&gate, &get("DPoP", &client.token, [proof.clone(), proof])).await, "proof_repeated");
    assert_eq!(verdict(&gate, &client.with_proof("")).await, "proof_malformed");
}

#[tokio::test]
async fn name_of_the_field_has_any_case() {
    let client = Client::new();
    for name in ["DPoP", "dpop", "DPOP"] {
        let authorization = ("Authorization", format!("dpop {}", client.token));
        let request = HeaderList::new("GET", [authorization, (name, client.proof())]).with_original_path("/orders");
        assert_eq!(verdict(&required(), &request).await, "accepted", "{name}");
    }
}

#[tokio::test]
async fn algorithm_of_a_proof_is_on_the_list() {
    let client = Client::new();
    let only = |algorithm: Algorithm| gate(Dpop::required().with_algorithms(algorithm));
    assert_eq!(verdict(&only(Algorithm::Es256), &client.request()).await, "accepted");
    assert_eq!(verdict(&only(Algorithm::EdDsa), &client.request()).await, "proof_algorithm_not_allowed");
    let answer = refusal(&only(Algorithm::EdDsa), &client.request()).await;
    assert!(fields(&answer, "www-authenticate")[0].starts_with(r#"DPoP realm="api", algs="EdDSA", error="#));
}

#[tokio::test]
async fn proof_is_for_the_method_of_the_request() {
    let (client, gate) = (Client::new(), required());
    for (method, htm, expected) in [
        ("POST", "POST", "accepted"),
        ("POST", "GET", "proof_wrong_method"),
        ("GET", "HEAD", "proof_wrong_method"),
        ("HEAD", "HEAD", "accepted"),
        ("post", "POST", "proof_wrong_method"),
        ("POST", "post", "proof_wrong_method"),
    ] {
        let fields = [
            ("authorization", format!("DPoP {}", client.token)),
            ("dpop", client.key.proof(htm, URI, &client.token).sign()),
            ("x-http-method-override", htm.to_owned()),
        ];
        let request = HeaderList::new(method, fields).with_original_path("/orders");
        assert_eq!(verdict(&gate, &request).await, expected, "{htm} for {method}");
    }
}

#[tokio::test]
async fn proof_is_for_the_public_url_and_the_whole_path() {
    let client = Client::new();
    let gate = issuer().gate().with_public_url("https://API.test:443/v1/").unwrap();
    let gate = gate.with_dpop(Dpop::required()).unwrap();
    for (path, htu, expected) in [
        ("/orders", "https://api.test/v1/orders", "accepted"),
        ("/orders", "https://api.test/v1/orders?page=2#top", "accepted"),
        ("/orders", "HTTPS://Api.Test:443/v1/./x/../orders", "accepted"),
        ("/%6frders", "https://api.test/v1/orders", "accepted"),
        ("/a%2fb", "https://api.test/v1/a%2Fb", "accepted"),
        ("/a%2fb", "https://api.test/v1/a/b", "proof_wrong_target"),
        ("/", "https://api.test/v1/", "accepted"),
        ("/orders", "https://api.test/orders", "proof_wrong_target"),
        ("/orders", "https://internal:8080/orders", "proof_wrong_target"),
        ("/orders", "http://api.test/v1/orders", "proof_wrong_target"),
        // A path of the request never leaves the path of the service.
        ("/../orders", "https://api.test/orders", "proof_wrong_target"),
        ("/../orders", "https://api.test/v1/orders", "accepted"),
        ("*", "https://api.test/v1/", "proof_wrong_target"),
    ] {
        let fields = [
            ("authorization", format!("DPoP {}", client.token)),
            ("dpop", client.key.proof("GET", htu, &client.token).sign()),
            ("host", "internal:8080".to_owned()),
            ("forwarded", "host=evil.test;proto=http".to_owned()),
            ("x-forwarded-host", "evil.test".to_owned()),
        ];
        let request = HeaderList::new("GET", fields).with_original_path(path);
        assert_eq!(verdict(&gate, &request).await, expected, "{htu} for {path}");
    }
}

#[tokio::test]
async fn header_fields_never_change_the_target() {
    let client = Client::new();
    for (name, value) in [
        ("host", "evil.test"),
        ("forwarded", "host=evil.test"),
        ("x-forwarded-host", "evil.test"),
        ("x-original-url", "https://evil.test/orders"),
        ("x-forwarded-prefix", "/evil"),
    ] {
        let proof = client.key.proof("GET", "https://evil.test/orders", &client.token).sign();
        let fields = [("authorization", format!("DPoP {}", client.token)), ("dpop", proof), (name, value.to_owned())];
        let request = HeaderList::new("GET", fields).with_original_path("/orders");
        assert_eq!(verdict(&required(), &request).await, "proof_wrong_target", "{name}");
    }
}

#[tokio::test]
async fn window_of_iat_is_that_of_the_configuration() {
    let client = Client::new();
    for (window, age, expected) in [
        (60, 50, "accepted"),
        (60, -50, "accepted"),
        (60, 70, "proof_too_old"),
        (60, -70, "proof_from_future"),
        (300, 290, "accepted"),
        (300, -290, "accepted"),
        (300, 310, "proof_too_old"),
        (5, 10, "proof_too_old"),
    ] {
        let gate = gate(Dpop::required().with_window(Duration::from_secs(window)));
        let proof = client.key.proof("GET", URI, &client.token);
        let issued_at = proof.claims()["iat"].as_i64().unwrap() - age;
        let request = client.with_proof(proof.claim("iat", issued_at).sign());
        assert_eq!(verdict(&gate, &request).await, expected, "{age} of {window}");
    }
}

#[tokio::test]
async fn proof_is_for_the_token_of_the_request() {
    let (client, gate) = (Client::new(), required());
    let other = issuer().token().subject("user-2").bound_to(&client.key).sign();
    let request = get("DPoP", &other, [client.proof()]);
    assert_eq!(verdict(&gate, &request).await, "proof_wrong_token");
}

#[tokio::test]
async fn proof_of_another_key_does_not_prove_the_token() {
    let (client, thief) = (Client::new(), DpopKey::new());
    let request = client.with_proof(thief.proof("GET", URI, &client.token).sign());
    let answer = refusal(&required(), &request).await;
    assert_eq!((answer.status, answer.reason.unwrap().as_str()), (401, "sender_constrained"));
    // RFC 9449 §7.1: the example with "Invalid DPoP key binding".
    assert!(fields(&answer, "www-authenticate")[0].contains(r#"error="invalid_token""#));
}

#[tokio::test]
async fn proof_serves_one_request() {
    let (client, gate) = (Client::new(), required());
    let request = client.request();
    assert_eq!(verdict(&gate, &request).await, "accepted");
    for _ in 0..3 {
        assert_eq!(verdict(&gate, &request).await, "proof_replayed");
    }
    assert_eq!(verdict(&gate, &client.request()).await, "accepted");
}

#[tokio::test]
async fn long_ids_cost_no_memory() {
    let client = Client::new();
    let gate = required();
    let proof = client.key.proof("GET", URI, &client.token).claim("jti", "j".repeat(8_000));
    let request = client.with_proof(proof.sign());
    assert_eq!(verdict(&gate, &request).await, "accepted");
    assert_eq!(verdict(&gate, &request).await, "proof_replayed");
}

#[tokio::test]
async fn one_id_may_appear_at_several_targets() {
    let (client, gate) = (Client::new(), required());
    for (path, expected) in [("/a", "accepted"), ("/b", "accepted"), ("/%61", "proof_replayed")] {
        let uri = format!("https://api.test{path}");
        let proof = client.key.proof("GET", &uri, &client.token).claim("jti", "one").sign();
        let fields = [("authorization", format!("DPoP {}", client.token)), ("dpop", proof)];
        let request = HeaderList::new("GET", fields).with_original_path(path);
        assert_eq!(verdict(&gate, &request).await, expected, "{path}");
    }
}

#[tokio::test]
async fn nothing_is_remembered_before_all_checks_pass() {
    let store = std::sync::Arc::new(MemoryReplayStore::default());
    let gate = gate(Dpop::required().with_replay_store(std::sync::Arc::clone(&store)));
    let (client, thief) = (Client::new(), DpopKey::new());
    let expired = issuer().token().bound_to(&client.key).expired().sign();
    let proof_of = |token: &str| client.key.proof("GET", URI, token).sign();
    for request in [
        get("DPoP", &expired, [proof_of(&expired)]),
        get("DPoP", "not.a.token", [proof_of("not.a.token")]),
        client.with_proof(thief.proof("GET", URI, &client.token).sign()),
        client.with_proof(client.key.proof("GET", URI, "another token").sign()),
        client.with_proof(client.key.proof("PUT", URI, &client.token).sign()),
        get("Bearer", &client.token, [client.proof()]),
    ] {
        assert_ne!(verdict(&gate, &request).await, "accepted");
        assert_eq!(store.remembered(), 0);
    }
    assert_eq!(verdict(&gate, &client.request()).await, "accepted");
    assert_eq!(store.remembered(), 1);
}

/// A store with one answer.
#[derive(Debug)]
struct Store(fn() -> Result<Insertion, Unavailable>);

#[async_trait]
impl ReplayStore for Store {
    async fn insert(&self, proof: &UsedProof<'_>) -> Result<Insertion, Unavailable> {
        assert!(proof.lifetime() <= Duration::from_secs(121));
        self.0()
    }
}

#[tokio::test]
async fn store_that_cannot_tell_is_a_503() {
    let client = Client::new();
    for (store, expected) in [
        (Store(|| Ok(Insertion::New)), "accepted"),
        (Store(|| Ok(Insertion::Replayed)), "proof_replayed"),
        (Store(|| Ok(Insertion::Full)), "temporarily_unavailable"),
        (Store(|| Err(Unavailable::new())), "temporarily_unavailable"),
        (Store(|| panic!("a bug in the store")), "server_error"),
    ] {
        let gate = gate(Dpop::required().with_replay_store(store));
        assert_eq!(verdict(&gate, &client.request()).await, expected);
    }
    let gate = gate(Dpop::required().with_replay_store(MemoryReplayStore::new(2, 1).unwrap()));
    let (one, other) = (Client::new(), Client::new());
    assert_eq!(verdict(&gate, &one.request()).await, "accepted");
    let answer = refusal(&gate, &one.request()).await;
    assert_eq!((answer.status, fields(&answer, "retry-after")), (503, vec!["5"]));
    assert_eq!(verdict(&gate, &other.request()).await, "accepted", "one client does not fill the store");
}

#[tokio::test]
async fn distinct_replays_never_pass_and_memory_is_bounded() {
    let store = std::sync::Arc::new(MemoryReplayStore::new(500, 500).unwrap());
    let gate = gate(Dpop::required().with_replay_store(std::sync::Arc::clone(&store)));
    let client = Client::new();
    let mut accepted = Vec::new();
    for number in 0..1_000 {
        let request = client.request();
        if verdict(&gate, &request).await == "accepted" {
            accepted.push(request);
        } else {
            assert!(number >= 500);
        }
    }
    assert_eq!((accepted.len(), store.remembered()), (500, 500));
    for request in &accepted {
        assert_eq!(verdict(&gate, request).await, "proof_replayed");
    }
}

#[tokio::test]
async fn reasons_reach_observers_and_never_the_client() {
    let (gate, told) = observed(required());
    let client = Client::new();
    let request = client.with_proof(client.key.proof("PUT", URI, &client.token).sign());
    let answer = refusal(&gate, &request).await;
    assert_eq!(answer.status, 401);
    assert_eq!(answer.body, r#"{"error":"invalid_dpop_proof","error_description":"The DPoP proof is invalid"}"#);
    assert!(answer.headers.iter().all(|(_, value)| !value.contains("wrong_method")));
    assert_eq!(*told.lock().unwrap(), ["proof_wrong_method"]);
}

#[test]
fn unusable_options_are_configuration_errors() {
    let gate = || issuer().gate().with_public_url("https://api.test").unwrap();
    for (dpop, field) in [
        (Dpop::required().with_algorithms(AlgorithmSet::EMPTY), "dpop_algorithms"),
        (Dpop::required().with_algorithms([Algorithm::Hs256]), "dpop_algorithms"),
        (Dpop::accepted().with_algorithms([Algorithm::Es256, Algorithm::Hs512]), "dpop_algorithms"),
        (Dpop::accepted().with_window(Duration::ZERO), "dpop_window"),
        (Dpop::required().with_window(Duration::from_secs(301)), "dpop_window"),
    ] {
        assert_eq!(gate().with_dpop(dpop).unwrap_err().field(), field);
    }
    let error = issuer().gate().with_dpop(Dpop::required()).unwrap_err();
    assert_eq!(error.field(), "public_url");
    assert!(error.to_string().contains("call with_public_url before with_dpop"), "{error}");
}
