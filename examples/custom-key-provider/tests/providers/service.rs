//! Keys of a service that answers in another format.

use std::sync::Arc;

use example_custom_key_provider::KeyService;
use portcullis_axum::keys::RemoteKeys;
use portcullis_testing::{SigningKey, TestIssuer};

use crate::support::{GOOD, Service, new_key, token};

#[actix_web::test]
async fn keys_of_a_service_are_loaded_and_kept_in_an_outage() {
    let (old, new) = (new_key("old"), new_key("new"));
    let server = TestIssuer::new().serve();
    let body = |keys: &[&Arc<SigningKey>]| {
        let keys = keys.iter().map(|key| (key.id().to_owned(), key.public_key_pem().unwrap().into()));
        serde_json::Value::Object(keys.collect()).to_string()
    };
    server.serve_at("/certificates", body(&[&old]));
    let url = server.url_of("/certificates");
    let service = Service::with(RemoteKeys::loaded_by(KeyService::new(reqwest::Client::new(), &url)).unwrap());
    assert!(!service.gate.status().ready);
    assert!(service.gate.ready().await.ready);
    assert_eq!(service.answer(&token(&old)).await, GOOD);
    assert_eq!(server.hits("/certificates"), 1);
    // A rotation is found with the first token of the new key.
    server.serve_at("/certificates", body(&[&old, &new]));
    assert_eq!(service.answer(&token(&new)).await, GOOD);
    // Made-up names cause few loads, and an outage keeps the keys.
    for number in 0..50 {
        let answer = service.answer(&token(&new_key(&format!("made-up-{number}")))).await;
        assert!(answer == "401 unknown_key" || answer == "503 temporarily_unavailable", "{answer}");
    }
    assert!(server.hits("/certificates") <= 4, "{}", server.hits("/certificates"));
    server.go_down();
    assert_eq!(service.answer(&token(&old)).await, GOOD);
}
