//! API keys: users make, rotate and revoke their own, and their programs use them next to the access tokens of browsers.

use std::time::Duration;

use portcullis_axum::verifier::{ByForm, Evidence};
use portcullis_axum::{ConfigError, Gate, TokenSource, Verified, Verifier};
use portcullis_issuer::{AccessToken, Issuer, KeyRing};
use portcullis_sessions::MemoryStore;
use portcullis_sessions::api_keys::{ApiKey, ApiKeyError, ApiKeys, NewApiKey};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// One gate for both: keys begin with `shop_`, and everything else is an access token. `X-API-Key` comes first.
fn gate(keys: &ApiKeys, tokens: impl Verifier + 'static) -> Result<Gate, ConfigError> {
    let verifier = ByForm::builder().prefix("shop_", keys.clone()).jwt(tokens).build()?;
    Ok(Gate::new(verifier).with_token_sources([TokenSource::header("X-API-Key"), TokenSource::authorization()]))
}

/// `POST /api/keys`. Only a login can make keys: a leaked key must not make others that outlive its revocation.
async fn create(keys: &ApiKeys, caller: &Verified, label: &str) -> Result<NewApiKey, u16> {
    let owner = user(caller)?;
    // The service decides which scopes its users may give away.
    keys.create(owner, label, ["orders:read"], Some(DAY * 90)).await.map_err(status)
}

/// `POST /api/keys/{id}/rotate`. The programs of the user have a week to change over.
async fn rotate(keys: &ApiKeys, caller: &Verified, id: &str) -> Result<NewApiKey, u16> {
    keys.rotate(user(caller)?, id, DAY * 7).await.map_err(status)
}

/// `GET /api/keys`.
async fn list(keys: &ApiKeys, caller: &Verified) -> Result<Vec<ApiKey>, u16> {
    keys.list(user(caller)?).await.map_err(|_| 503)
}

/// `DELETE /api/keys/{id}`.
async fn revoke(keys: &ApiKeys, caller: &Verified, id: &str) -> Result<(), u16> {
    match keys.revoke(user(caller)?, id).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(404),
        Err(_) => Err(503),
    }
}

/// A report of a scanner for leaked secrets. It needs no caller, because anyone who has the key may end it.
async fn report_leak(keys: &ApiKeys, text: &str) -> Result<(), u16> {
    if let Some(key) = keys.find(text).await.map_err(|_| 503u16)? {
        keys.revoke_any(&key.id).await.map_err(|_| 503u16)?;
        // Tell the owner here: `key.owner` and `key.label`.
    }
    Ok(())
}

/// The end of an account, next to the end of its sessions.
async fn close_account(keys: &ApiKeys, subject: &str) -> Result<(), u16> {
    keys.revoke_all(subject).await.map(drop).map_err(|_| 503)
}

/// Once a day.
async fn remove_ended_keys(keys: &ApiKeys) {
    while let Ok(1..) = keys.remove_ended().await {}
}

/// The user who logged in.
fn user(caller: &Verified) -> Result<&str, u16> {
    caller.subject().filter(|_| caller.evidence() == Evidence::Signature).ok_or(403)
}

fn status(error: ApiKeyError) -> u16 {
    match error {
        ApiKeyError::NotFound => 404,
        ApiKeyError::InvalidInput { .. } => 400,
        ApiKeyError::Ended | ApiKeyError::InRotation | ApiKeyError::TooMany => 409,
        _ => 503,
    }
}

#[tokio::test]
async fn keys_live_next_to_access_tokens() {
    let url = "https://shop.example";
    let issuer = Issuer::builder(url, url, KeyRing::builder().build().unwrap()).build().unwrap();
    // Without a cache, so that every machine refuses a revoked key at once.
    let keys = ApiKeys::builder(MemoryStore::new()).prefix("shop_").max_age(Duration::ZERO).build().unwrap();
    let gate = gate(&keys, issuer.verifier().build().unwrap()).unwrap();
    let token = issuer.mint(&AccessToken::new("ada", "web")).await.unwrap();
    let ada = gate.verify(token.as_str()).await.unwrap();

    let made = create(&keys, &ada, "nightly export").await.unwrap();
    let program = gate.verify(made.secret.as_str()).await.unwrap();
    assert_eq!((program.subject(), program.evidence()), (Some("ada"), Evidence::ApiKey));
    assert_eq!(create(&keys, &program, "another one").await.err(), Some(403));

    let next = rotate(&keys, &ada, &made.key.id).await.unwrap();
    assert_eq!(rotate(&keys, &ada, &made.key.id).await.err(), Some(409));
    for secret in [&made.secret, &next.secret] {
        assert!(gate.verify(secret.as_str()).await.is_ok());
    }
    let listed = list(&keys, &ada).await.unwrap();
    assert_eq!((listed.len(), listed[0].label.as_str()), (1, "nightly export"));
    assert!(listed[0].previous.is_some());

    revoke(&keys, &ada, &made.key.id).await.unwrap();
    assert_eq!(revoke(&keys, &ada, &made.key.id).await, Err(404));
    assert!(gate.verify(next.secret.as_str()).await.is_err());

    let leaked = create(&keys, &ada, "in a repository").await.unwrap();
    report_leak(&keys, leaked.secret.as_str()).await.unwrap();
    report_leak(&keys, "not a key").await.unwrap();
    assert!(gate.verify(leaked.secret.as_str()).await.is_err());

    let last = create(&keys, &ada, "").await.unwrap();
    close_account(&keys, "ada").await.unwrap();
    assert!(gate.verify(last.secret.as_str()).await.is_err());
    remove_ended_keys(&keys).await;
    assert_eq!(list(&keys, &ada).await.unwrap().len(), 3);
}
