//! How the service authenticates itself at the endpoint.

use std::sync::Arc;

use portcullis::async_trait;
use portcullis::introspection::{
    AssertionError, AssertionSigner, ClientAuthentication, IntrospectionBuilder, IntrospectionVerifier,
};
use portcullis::jose::Algorithm;
use portcullis_issuer::{Signer, SigningKey};
use portcullis_testing::{Endpoint, Fault, IssuerServer};

use crate::log::Log;
use crate::support::{AUDIENCE, active, admitted, gate_of, refused, server, token};

fn with(server: &IssuerServer, client: ClientAuthentication) -> IntrospectionBuilder {
    IntrospectionVerifier::builder(server.url(), AUDIENCE, client).endpoint(server.introspection_url())
}

#[tokio::test]
async fn basic_credentials_are_form_encoded() {
    let server = server();
    server.set_introspection_client("a:b c", "p%+\u{e9}&=:");
    let gate = gate_of(with(&server, ClientAuthentication::client_secret_basic("a:b c", "p%+\u{e9}&=:")));
    admitted(&gate, &server.opaque_token(&token(&server))).await;
    let request = &server.requests()[0];
    assert!(request.header("authorization").unwrap().starts_with("Basic "));
    assert!(request.form().iter().all(|(name, _)| name == "token" || name == "token_type_hint"));
}

#[tokio::test]
async fn post_credentials_are_only_in_the_body() {
    let server = server();
    let (id, secret) = (IssuerServer::CLIENT_ID, IssuerServer::CLIENT_SECRET);
    let gate = gate_of(with(&server, ClientAuthentication::client_secret_post(id, secret)));
    admitted(&gate, &server.opaque_token(&token(&server))).await;
    let request = &server.requests()[0];
    assert_eq!(request.header("authorization"), None);
    assert!(request.form().contains(&("client_secret".to_owned(), secret.to_owned())));
    assert!(!request.target.contains(secret));
}

#[tokio::test]
async fn assertion_is_signed_and_used_once() {
    for algorithm in [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256, Algorithm::Ps256] {
        let server = server();
        let key = match algorithm {
            Algorithm::Ps256 => SigningKey::generate(Algorithm::Rs256).unwrap().with_algorithm(algorithm).unwrap(),
            other => SigningKey::generate(other).unwrap(),
        };
        server.set_introspection_client_key(key.public_key());
        // A key in a KMS is a trait object.
        let key: Arc<dyn Signer> = Arc::new(key);
        let gate = gate_of(with(&server, ClientAuthentication::private_key_jwt(IssuerServer::CLIENT_ID, key)));
        // The endpoint accepts each assertion once.
        for _ in 0..3 {
            admitted(&gate, &server.opaque_token(&token(&server))).await;
        }
        assert!(server.requests().iter().all(|request| request.header("authorization").is_none()), "{algorithm}");
    }
}

#[tokio::test]
async fn assertion_for_another_audience_is_the_fault_of_the_operator() {
    let server = server();
    let key = SigningKey::generate(Algorithm::Es256).unwrap();
    server.set_introspection_client_key(key.public_key());
    let client = ClientAuthentication::private_key_jwt(IssuerServer::CLIENT_ID, key);
    let gate = gate_of(with(&server, client.with_assertion_audience(server.introspection_url())));
    assert_eq!(refused(&gate, &server.opaque_token(&token(&server))).await, (503, None));
}

/// A KMS that is not reachable.
#[derive(Debug)]
struct Unreachable;

#[async_trait]
impl AssertionSigner for Unreachable {
    fn algorithm(&self) -> Algorithm {
        Algorithm::Es256
    }

    fn key_id(&self) -> Option<String> {
        None
    }

    async fn sign(&self, _: &[u8]) -> Result<Vec<u8>, AssertionError> {
        Err("the KMS is not reachable".into())
    }
}

#[tokio::test]
async fn key_that_cannot_sign_is_an_outage() {
    let (log, _guards) = Log::capture();
    let server = server();
    let gate = gate_of(with(&server, ClientAuthentication::private_key_jwt("api", Unreachable)));
    assert_eq!(refused(&gate, "opaque").await, (503, None));
    assert!(log.text().contains("the KMS is not reachable"), "{}", log.text());
    assert_eq!(server.introspection_hits(), 0);
}

#[tokio::test]
async fn refused_credentials_are_an_outage_and_never_a_bad_token() {
    let (log, _guards) = Log::capture();
    let server = server();
    let opaque = server.opaque_token(&token(&server));
    for client in [
        ClientAuthentication::client_secret_basic(IssuerServer::CLIENT_ID, "wr0ng-secret"),
        ClientAuthentication::client_secret_basic("other", IssuerServer::CLIENT_SECRET),
        ClientAuthentication::client_secret_post(IssuerServer::CLIENT_ID, "wr0ng-secret"),
        ClientAuthentication::private_key_jwt(IssuerServer::CLIENT_ID, SigningKey::generate(Algorithm::Es256).unwrap()),
    ] {
        assert_eq!(refused(&gate_of(with(&server, client)), &opaque).await, (503, None));
    }
    server.misbehave_at(Endpoint::Introspection, Fault::status(403));
    assert_eq!(refused(&gate_of(with(&server, crate::support::client())), &opaque).await, (503, None));
    let log = log.text();
    assert_eq!(log.matches("ERROR").count(), 5, "{log}");
    assert_eq!(
        log.matches("does not accept the credentials of this service (status 401): check client_id").count(),
        4 * 2,
        "{log}"
    );
    for secret in ["wr0ng-secret", IssuerServer::CLIENT_SECRET, opaque.as_str()] {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
}

#[tokio::test]
async fn nothing_secret_is_printed() {
    let (log, _guards) = Log::capture();
    let server = server();
    let opaque = active(&server, r#","email":"c0ffee-claim""#);
    let verifier = with(&server, crate::support::client()).build().unwrap();
    let debug = format!("{verifier:?} {:?}", crate::support::client());
    let gate = portcullis::Gate::new(verifier);
    let caller = admitted(&gate, &opaque).await;
    let unusable = server.opaque_token_answering(r#"{"active":"c0ffee-claim"}"#);
    let denied = gate.verify(&unusable).await.unwrap_err();
    let inactive = gate.verify("c0ffee-token").await.unwrap_err();
    let all = format!("{debug} {caller:?} {denied:?} {denied} {inactive:?} {gate:?} {}", log.text());
    for secret in ["c0ffee", IssuerServer::CLIENT_SECRET, opaque.as_str(), unusable.as_str()] {
        assert!(!all.contains(secret), "{secret} in {all}");
    }
}
