//! A token that is bound to a client certificate and to a key needs both proofs.

use portcullis::adapter::HeaderList;
use portcullis::possession::{ClientCertificate, ClientCertificates, Dpop};
use portcullis::{Gate, Policy};
use portcullis_testing::DpopKey;

use super::issuer;

const CERTIFICATE: &[u8] = b"a certificate";

fn of(certificate: &[u8]) -> ClientCertificate {
    ClientCertificate::from_tls(Some(&[certificate]))
}

/// `Ok`, or the code and the reason of the refusal.
async fn ask(gate: &Gate, fields: &[(&str, &str)], certificate: ClientCertificate) -> Result<(), String> {
    let request = HeaderList::new("GET", fields.iter().copied()).with_original_path("/orders");
    let admitted = gate.admit(&request.with_client_certificate(certificate), &Policy::authenticated()).await;
    let told = |refused: portcullis::adapter::Denied| {
        let body = gate.refuse(&refused).body;
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        body.get("reason").unwrap_or(&body["error"]).as_str().unwrap().to_owned()
    };
    admitted.map(drop).map_err(told)
}

#[tokio::test]
async fn token_with_both_bindings_needs_both_proofs() {
    let (issuer, key) = (issuer(), DpopKey::new());
    let confirmation = serde_json::json!({"jkt": key.thumbprint()});
    let token = issuer.token().claim("cnf", confirmation).bound_to_certificate(CERTIFICATE).sign();
    let gate = || issuer.gate().with_public_url("https://api.test").unwrap();
    let both = gate().with_client_certificates(ClientCertificates::from_tls()).with_dpop(Dpop::accepted()).unwrap();
    let (dpop, bearer) = (format!("DPoP {token}"), format!("Bearer {token}"));
    let proof = || key.proof("GET", "https://api.test/orders", &token).sign();

    // The certificate is checked first: a proof is not used up by a request without it.
    let proven = proof();
    let with_proof = [("authorization", dpop.as_str()), ("dpop", proven.as_str())];
    let wrong_certificate = || Err("wrong_certificate".to_owned());
    assert_eq!(ask(&both, &with_proof, of(b"another")).await, wrong_certificate());
    assert_eq!(ask(&both, &with_proof, ClientCertificate::absent()).await, wrong_certificate());
    assert_eq!(ask(&both, &with_proof, of(CERTIFICATE)).await, Ok(()));
    assert_eq!(ask(&both, &with_proof, of(CERTIFICATE)).await, Err("invalid_dpop_proof".to_owned()));

    let without = [("authorization", dpop.as_str())];
    assert_eq!(ask(&both, &without, of(CERTIFICATE)).await, Err("invalid_dpop_proof".to_owned()));
    let unproven = || Err("sender_constrained".to_owned());
    assert_eq!(ask(&both, &[("authorization", &bearer)], of(CERTIFICATE)).await, unproven());

    // A gate that checks only one of them lets the token in with neither.
    let certificates = gate().with_client_certificates(ClientCertificates::from_tls());
    assert_eq!(ask(&certificates, &[("authorization", &bearer)], of(CERTIFICATE)).await, unproven());
    let proofs = gate().with_dpop(Dpop::accepted()).unwrap();
    let fresh = proof();
    let with_proof = [("authorization", dpop.as_str()), ("dpop", fresh.as_str())];
    assert_eq!(ask(&proofs, &with_proof, of(CERTIFICATE)).await, unproven());
}

/// Whether a token is bound by a key or by a certificate does not matter where bound tokens are required.
#[tokio::test]
async fn required_binding_is_of_either_kind() {
    let (issuer, key) = (issuer(), DpopKey::new());
    let by_key = issuer.token().claim("cnf", serde_json::json!({"jkt": key.thumbprint()})).sign();
    let by_certificate = issuer.token().bound_to_certificate(CERTIFICATE).sign();
    let proof = key.proof("GET", "https://api.test/orders", &by_key).sign();
    let gate = issuer.gate().with_public_url("https://api.test").unwrap();
    let gate = gate.with_client_certificates(ClientCertificates::from_tls().required());
    let gate = gate.with_dpop(Dpop::required()).unwrap();
    let with_key = [("authorization", format!("DPoP {by_key}")), ("dpop", proof)];
    let with_key = with_key.each_ref().map(|(name, value)| (*name, value.as_str()));
    assert_eq!(ask(&gate, &with_key, ClientCertificate::absent()).await, Ok(()));
    let with_certificate = format!("Bearer {by_certificate}");
    assert_eq!(ask(&gate, &[("authorization", &with_certificate)], of(CERTIFICATE)).await, Ok(()));
    let unbound = format!("Bearer {}", issuer.token().sign());
    let refused = ask(&gate, &[("authorization", &unbound)], of(CERTIFICATE)).await;
    assert_eq!(refused, Err("sender_constrained".to_owned()));
}

/// Outside of HTTP there is no connection with a certificate.
#[tokio::test]
async fn token_without_a_request_proves_no_certificate() {
    let issuer = issuer();
    let gate = issuer.gate().with_client_certificates(ClientCertificates::from_tls());
    let refused = gate.verify(&issuer.token().bound_to_certificate(CERTIFICATE).sign()).await.unwrap_err();
    assert_eq!(refused.reason().map(|reason| reason.as_str()), Some("sender_constrained"));
}
