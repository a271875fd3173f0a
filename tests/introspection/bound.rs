//! Opaque tokens that are bound to a key (`cnf`): the gate checks the proof, as for JWTs.

use portcullis::adapter::HeaderList;
use portcullis::possession::{ClientCertificate, ClientCertificates, Dpop};
use portcullis::verifier::{Evidence, SenderConstraint};
use portcullis::{Gate, Policy, Verified};
use portcullis_testing::{DpopKey, IssuerServer};

use crate::support::{active, builder, gate, refused, server};

const PUBLIC_URL: &str = "https://api.test";

fn bound(server: &IssuerServer, key: &DpopKey) -> String {
    active(server, &format!(r#","token_type":"DPoP","cnf":{{"jkt":"{}"}}"#, key.thumbprint()))
}

fn proving(server: &IssuerServer, dpop: Dpop) -> Gate {
    let gate = Gate::new(builder(server).build().unwrap()).with_public_url(PUBLIC_URL).unwrap();
    gate.with_dpop(dpop).unwrap()
}

/// Asks with a token, and with a proof of `key` where there is one.
async fn ask(gate: &Gate, scheme: &str, token: &str, key: Option<&DpopKey>) -> Result<Verified, (u16, String)> {
    let proof = key.map(|key| key.proof("GET", &format!("{PUBLIC_URL}/orders"), token).sign());
    let fields = [("authorization", format!("{scheme} {token}"))];
    let fields = fields.into_iter().chain(proof.map(|proof| ("dpop", proof)));
    let request = HeaderList::new("GET", fields).with_original_path("/orders");
    gate.admit(&request, &Policy::authenticated()).await.map_err(|denied| {
        let refusal = gate.refuse(&denied);
        (refusal.status, refusal.body)
    })
}

#[tokio::test]
async fn bound_opaque_token_needs_a_proof_of_its_key() {
    let (server, key, other) = (server(), DpopKey::new(), DpopKey::new());
    let token = bound(&server, &key);
    for gate in [proving(&server, Dpop::required()), proving(&server, Dpop::accepted())] {
        let caller = ask(&gate, "DPoP", &token, Some(&key)).await.unwrap();
        assert_eq!(caller.evidence(), Evidence::Introspection);
        assert!(matches!(caller.sender_constraint(), Some(SenderConstraint::Dpop { .. })));
        // The second request has the answer from the cache, and still needs a proof.
        ask(&gate, "DPoP", &token, Some(&key)).await.unwrap();
        for (scheme, proof) in [("DPoP", None), ("DPoP", Some(&other)), ("Bearer", Some(&key)), ("Bearer", None)] {
            let (status, body) = ask(&gate, scheme, &token, proof).await.unwrap_err();
            assert_eq!(status, 401, "{scheme} {body}");
        }
    }
}

#[tokio::test]
async fn bound_opaque_token_is_refused_without_checks_of_proofs() {
    let (server, key) = (server(), DpopKey::new());
    assert_eq!(refused(&gate(&server), &bound(&server, &key)).await, (401, Some("sender_constrained")));
    for cnf in ["{}", "7", r#"{"x5t#S256":"abc"}"#] {
        let token = active(&server, &format!(r#","cnf":{cnf}"#));
        assert_eq!(refused(&gate(&server), &token).await, (401, Some("sender_constrained")), "{cnf}");
    }
}

#[tokio::test]
async fn dpop_token_without_a_key_is_refused() {
    let (server, key) = (server(), DpopKey::new());
    let token = active(&server, r#","token_type":"DPoP""#);
    let gate = proving(&server, Dpop::accepted());
    for (scheme, proof) in [("Bearer", None), ("DPoP", Some(&key))] {
        let (status, body) = ask(&gate, scheme, &token, proof).await.unwrap_err();
        assert!(status == 401 && body.contains("sender_constrained"), "{scheme} {body}");
    }
}

#[tokio::test]
async fn certificate_of_an_opaque_token_is_needed_on_every_request() {
    let (server, certificate) = (server(), b"a certificate");
    let confirmation = server.issuer().token().bound_to_certificate(certificate).claims()["cnf"].to_string();
    let token = active(&server, &format!(r#","cnf":{confirmation}"#));
    let gate = Gate::new(builder(&server).build().unwrap()).with_client_certificates(ClientCertificates::from_tls());
    let ask = async |certificate| {
        let request = HeaderList::new("GET", [("authorization", format!("Bearer {token}"))]);
        let admitted = gate.admit(&request.with_client_certificate(certificate), &Policy::authenticated()).await;
        admitted.map(|caller| caller.evidence()).map_err(|denied| denied.reason().map(|reason| reason.as_str()))
    };
    // The answer is in the cache from the second request on.
    for _ in 0..2 {
        assert_eq!(ask(ClientCertificate::from_tls(Some(&[certificate]))).await, Ok(Evidence::Introspection));
        for other in [ClientCertificate::from_tls(Some(&[b"another"])), ClientCertificate::absent()] {
            assert_eq!(ask(other).await, Err(Some("wrong_certificate")));
        }
    }
}
