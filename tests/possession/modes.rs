//! Off, accepted and required: which tokens each mode lets in, and its challenges.

use portcullis::adapter::HeaderList;
use portcullis::possession::Dpop;
use portcullis::{Gate, Policy, ResourceMetadata};
use serde_json::{Value, json};

use crate::support::{Client, ORIGIN, fields, gate, get, issuer, refusal, verdict};

const ALGORITHMS: &str = "ES256 ES384 ES512 EdDSA ML-DSA-44 ML-DSA-65 ML-DSA-87 PS256 PS384 PS512 RS256 RS384 RS512";

fn off() -> Gate {
    issuer().gate().with_public_url(ORIGIN).unwrap()
}

#[tokio::test]
async fn mode_decides_which_tokens_are_let_in() {
    let client = Client::new();
    let unbound = issuer().token().sign();
    let with =
        |scheme: &str, token: &str| get(scheme, token, [client.key.proof("GET", crate::support::URI, token).sign()]);
    let without = |scheme: &str, token: &str| get(scheme, token, []);
    let gates = || [off(), gate(Dpop::accepted()), gate(Dpop::required())];
    for (name, request, expected) in [
        ("unbound, Bearer", without("Bearer", &unbound), ["accepted", "accepted", "sender_constrained"]),
        ("unbound, Bearer, proof", with("Bearer", &unbound), ["accepted", "accepted", "sender_constrained"]),
        ("unbound, DPoP", without("DPoP", &unbound), ["missing_token", "sender_constrained", "sender_constrained"]),
        ("unbound, DPoP, proof", with("DPoP", &unbound), ["missing_token", "sender_constrained", "sender_constrained"]),
        ("bound, Bearer", without("Bearer", &client.token), ["sender_constrained"; 3]),
        ("bound, Bearer, proof", with("Bearer", &client.token), ["sender_constrained"; 3]),
        ("bound, DPoP", without("DPoP", &client.token), ["missing_token", "proof_missing", "proof_missing"]),
        ("bound, DPoP, proof", with("DPoP", &client.token), ["missing_token", "accepted", "accepted"]),
    ] {
        for (gate, expected) in gates().iter().zip(expected) {
            assert_eq!(verdict(gate, &request).await, expected, "{name}");
        }
    }
}

#[tokio::test]
async fn bound_token_is_never_a_bearer_token() {
    let client = Client::new();
    let dangerous = issuer().verifier().dangerous().accept_sender_constrained_as_bearer().build().unwrap();
    let dangerous = Gate::new(dangerous).with_public_url(ORIGIN).unwrap().with_dpop(Dpop::accepted()).unwrap();
    for gate in [gate(Dpop::accepted()), gate(Dpop::required()), dangerous] {
        for request in [get("Bearer", &client.token, []), get("bearer", &client.token, [client.proof()])] {
            assert_eq!(verdict(&gate, &request).await, "sender_constrained");
        }
        // Outside of HTTP no request proves a key.
        assert_eq!(gate.verify(&client.token).await.unwrap_err().reason().unwrap().as_str(), "sender_constrained");
    }
}

#[tokio::test]
async fn other_members_of_cnf_do_not_matter() {
    let client = Client::new();
    for (more, expected) in [
        (json!({"kid": "k", "x5t": "old"}), "accepted"),
        (json!({"jwk": client.key.jwk()}), "accepted"),
        (json!({"x5t#S256": "A".repeat(43)}), "sender_constrained"),
        (json!({"x5t#S256": 7}), "sender_constrained"),
        (json!({"jkt": 7}), "sender_constrained"),
        (json!({"jkt": null}), "sender_constrained"),
        (json!({"jkt": ""}), "sender_constrained"),
    ] {
        let mut cnf = json!({"jkt": client.key.thumbprint()});
        cnf.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let token = issuer().token().claim("cnf", &cnf).sign();
        let bound = Client { token, key: client.key.clone() };
        assert_eq!(verdict(&gate(Dpop::required()), &bound.request()).await, expected, "{more}");
    }
    for cnf in [json!({}), json!({"kid": "k"}), json!([]), json!("jkt"), json!({"x5t#S256": "A".repeat(43)})] {
        for scheme in ["DPoP", "Bearer"] {
            let token = issuer().token().claim("cnf", &cnf).sign();
            let request = get(scheme, &token, [client.key.proof("GET", crate::support::URI, &token).sign()]);
            assert_eq!(verdict(&gate(Dpop::accepted()), &request).await, "sender_constrained", "{cnf} {scheme}");
        }
    }
}

#[tokio::test]
async fn challenges_name_the_algorithms_and_no_error_without_a_credential() {
    let plain = format!(r#"DPoP realm="api", algs="{ALGORITHMS}""#);
    let bearer = r#"Bearer realm="api""#;
    let proof_only = HeaderList::new("GET", [("dpop", Client::new().proof())]).with_original_path("/orders");
    for request in [
        HeaderList::new("GET", [("accept", "*/*")]),
        HeaderList::new("GET", [("authorization", "Basic dTpw")]),
        proof_only,
    ] {
        let answer = refusal(&gate(Dpop::accepted()), &request).await;
        assert_eq!((answer.status, fields(&answer, "www-authenticate")), (401, vec![&*plain, bearer]));
        let answer = refusal(&gate(Dpop::required()), &request).await;
        assert_eq!((answer.status, fields(&answer, "www-authenticate")), (401, vec![&*plain]));
        assert!(answer.body.starts_with(r#"{"error":"missing_token","#));
        let gate = gate(Dpop::required());
        assert!(gate.admit_optional(&request, &Policy::authenticated()).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn error_is_only_on_the_challenge_of_the_used_scheme() {
    let client = Client::new();
    let (accepted, required) = (gate(Dpop::accepted()), gate(Dpop::required()));
    let plain = format!(r#"DPoP realm="api", algs="{ALGORITHMS}""#);
    let with_error = format!(r#"{plain}, error="invalid_dpop_proof", error_description="The DPoP proof is invalid""#);
    let request = get("DPoP", &client.token, []);
    let answer = refusal(&accepted, &request).await;
    assert_eq!(fields(&answer, "www-authenticate"), [&*with_error, r#"Bearer realm="api""#]);
    assert_eq!(fields(&refusal(&required, &request).await, "www-authenticate"), [&*with_error]);

    let request = get("Bearer", &client.token, []);
    let error = r#"error="invalid_token", error_description="The access token is bound to a key that this request does not prove""#;
    let answer = refusal(&accepted, &request).await;
    assert_eq!(fields(&answer, "www-authenticate"), [&*plain, &format!(r#"Bearer realm="api", {error}"#)]);
    let answer = refusal(&required, &request).await;
    assert_eq!(fields(&answer, "www-authenticate"), [&*plain]);
    assert!(answer.body.contains(r#""reason":"sender_constrained""#));
}

#[test]
fn metadata_names_the_algorithms_and_the_mode() {
    let metadata = || ResourceMetadata::new("https://api.test").unwrap();
    let members = |gate: Gate| -> Value { serde_json::from_str(&gate.metadata_answer("GET").body).unwrap() };
    let algorithms: Vec<&str> = ALGORITHMS.split(' ').collect();
    for (gate, required) in [
        (gate(Dpop::required()).with_resource_metadata(metadata()), json!(true)),
        (gate(Dpop::accepted()).with_resource_metadata(metadata()), Value::Null),
        (off().with_resource_metadata(metadata()).with_dpop(Dpop::required()).unwrap(), json!(true)),
    ] {
        let members = members(gate);
        assert_eq!(members["dpop_signing_alg_values_supported"], json!(algorithms));
        assert_eq!(members["dpop_bound_access_tokens_required"], required);
    }
    let plain = members(off().with_resource_metadata(metadata()));
    assert_eq!(plain["dpop_signing_alg_values_supported"], Value::Null);
}

#[tokio::test]
async fn two_authorization_fields_are_a_400() {
    let client = Client::new();
    for gate in [gate(Dpop::accepted()), gate(Dpop::required())] {
        for schemes in [["DPoP", "DPoP"], ["DPoP", "Bearer"], ["Bearer", "DPoP"]] {
            let fields = schemes.map(|scheme| ("authorization", format!("{scheme} {}", client.token)));
            let fields = fields.into_iter().chain([("dpop", client.proof())]);
            let request = HeaderList::new("GET", fields).with_original_path("/orders");
            assert_eq!(refusal(&gate, &request).await.status, 400, "{schemes:?}");
        }
    }
}
