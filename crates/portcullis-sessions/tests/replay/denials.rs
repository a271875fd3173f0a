//! A token that is denied by one process is refused by another one, whose caches remember it.

use std::time::{Duration, SystemTime};

use portcullis::claims::NumericDate;
use portcullis::introspection::{ClientAuthentication, IntrospectionVerifier};
use portcullis::keys::FixedKeys;
use portcullis::verifier::ByForm;
use portcullis::{Gate, JwtVerifier};
use portcullis_sessions::{DenyList, RedisStore, SqlStore};
use portcullis_testing::{IssuerServer, TestIssuer};

use super::process::{Running, task, tell};
use super::{server, sqlite};

/// The longest time for which a denied token is accepted.
const BOUND: Duration = SECOND;
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(60 * 60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn denial_reaches_the_other_process_on_sqlite() {
    if task().is_some() {
        return remember_tokens().await;
    }
    let folder = tempfile::tempdir().unwrap();
    deny_elsewhere("denials::denial_reaches_the_other_process_on_sqlite", &sqlite(&folder)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn denial_reaches_the_other_process_on_redis() {
    if task().is_some() {
        return remember_tokens().await;
    }
    let Some(url) = server("PORTCULLIS_TEST_REDIS_URL") else { return };
    deny_elsewhere("denials::denial_reaches_the_other_process_on_redis", &url).await;
}

/// Starts the other process, denies tokens here, and sees how long they were accepted there.
async fn deny_elsewhere(test: &str, url: &str) {
    let issuer = TestIssuer::new().serve();
    let (list, now) = (list(url).await, issuer.issuer().token().claims()["iat"].as_i64().unwrap());
    // The list on a server is that of all runs of these tests.
    let [alice, bob] = ["alice", "bob"].map(|name| format!("{name}-{:?}", SystemTime::now()));
    let token = |subject: &str| issuer.issuer().token().subject(subject).issued_at(now);
    let jwt = |subject: &str| token(subject).sign();
    let opaque = |subject: &str| issuer.opaque_token(&token(subject));
    let tokens = [jwt(&alice), opaque(&alice), jwt(&bob), opaque(&bob)];

    let (issuer_url, keys) = (issuer.url(), issuer.issuer().jwks());
    let gate = gate(&list, &issuer_url, &keys);
    for token in &tokens {
        assert!(gate.verify(token).await.is_ok());
    }
    let fixed = [url, &*issuer_url, &*keys];
    let task: Vec<&str> = fixed.into_iter().chain(tokens.iter().map(String::as_str)).collect();
    let mut other = Running::test(test, &task);
    assert_eq!(other.next().as_deref(), Some("remembers"));
    assert_eq!(issuer.introspection_hits(), 4, "each process asked about each opaque token once");

    list.deny_issued_before(&issuer_url, &alice, NumericDate::from_unix(now, 0)).await.unwrap();
    let denied_at = micros(SystemTime::now());
    let accepted_until: Vec<u128> = (0..2).map(|_| other.next().unwrap().parse().unwrap()).collect();
    for accepted_until in accepted_until {
        let after = Duration::from_micros(accepted_until.saturating_sub(denied_at).try_into().unwrap());
        println!("{test}: accepted for {after:?} after the denial, bound {BOUND:?}");
        assert!(after <= BOUND, "{after:?}");
    }
    assert_eq!(other.next().as_deref(), Some("the others are accepted"));
    other.wait();
    tokio::time::sleep(BOUND).await;
    for (token, is_denied) in tokens.iter().zip([true, true, false, false]) {
        assert_eq!(gate.verify(token).await.is_err(), is_denied);
    }
    assert_eq!(issuer.introspection_hits(), 4, "the answers were remembered all the time");
}

/// The task of the other process: it verifies tokens until they are refused, and tells when each was accepted last.
async fn remember_tokens() {
    let task = task().unwrap();
    let [url, issuer, keys, tokens @ ..] = &task[..] else { panic!("{task:?}") };
    let gate = gate(&list(url).await, issuer, keys);
    for token in tokens.iter().chain(tokens) {
        assert!(gate.verify(token).await.is_ok());
    }
    tell("remembers");
    let (jwt, opaque) = tokio::join!(accepted_until(&gate, &tokens[0]), accepted_until(&gate, &tokens[1]));
    [jwt, opaque].into_iter().for_each(|time| tell(&micros(time).to_string()));
    for token in &tokens[2..] {
        assert!(gate.verify(token).await.is_ok());
    }
    tell("the others are accepted");
}

/// When the last request began for which the token was accepted.
async fn accepted_until(gate: &Gate, token: &str) -> SystemTime {
    let mut accepted_at = SystemTime::now();
    loop {
        let began_at = SystemTime::now();
        match gate.verify(token).await {
            Ok(_) => accepted_at = began_at,
            Err(refused) => {
                assert_eq!(refused.reason().map(|reason| reason.as_str()), Some("revoked"));
                return accepted_at;
            }
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A gate that remembers good signatures and answers. Each process has one.
fn gate(list: &DenyList, issuer: &str, keys: &str) -> Gate {
    let audience = "https://api.test";
    let jwts = JwtVerifier::builder(issuer, audience, FixedKeys::jwks(keys).unwrap()).cache_tokens(100);
    let client = ClientAuthentication::client_secret_basic(IssuerServer::CLIENT_ID, IssuerServer::CLIENT_SECRET);
    let opaque = IntrospectionVerifier::builder(issuer, audience, client).cache(10 * 60 * SECOND, SECOND);
    let verifier = ByForm::builder().jwt(jwts.build().unwrap()).opaque(opaque.build().unwrap());
    Gate::new(verifier.build().unwrap()).with_check(list.check().max_age(BOUND).unwrap())
}

async fn list(url: &str) -> DenyList {
    if url.starts_with("redis") {
        let store = RedisStore::builder(url).key_prefix("denials:").connect().await.unwrap();
        return DenyList::new(store, HOUR).unwrap();
    }
    DenyList::new(SqlStore::builder(url).table_prefix("denials_").connect().await.unwrap(), HOUR).unwrap()
}

fn micros(time: SystemTime) -> u128 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_micros()
}
