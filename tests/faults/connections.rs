//! Connections that fail, hang, break or are very slow.

use std::sync::Arc;
use std::time::Duration;

use portcullis::keys::{RemoteKeys, RemoteKeysBuilder};
use portcullis_testing::Fault;
use reqwest::dns::{Name, Resolve, Resolving};

use crate::support::{Scene, assert_fails, assert_fails_with, es256, eventually, secs};

/// A short time limit that still allows a response on a busy machine.
fn short_timeout(builder: RemoteKeysBuilder) -> RemoteKeysBuilder {
    builder.timeout(Duration::from_millis(1_500))
}

#[tokio::test]
async fn fault_06_refused_connection_fails() {
    let error = assert_fails(|server| server.go_down()).await;
    assert!(error.contains("request failed"), "{error}");
}

#[tokio::test]
async fn fault_06_unresolvable_name_fails() {
    #[derive(Debug)]
    struct NoSuchName;
    impl Resolve for NoSuchName {
        fn resolve(&self, _: Name) -> Resolving {
            Box::pin(async { Err("no such name".into()) })
        }
    }
    let scene = Scene::over(es256().serve(), |server, builder| {
        let client = reqwest::Client::builder().dns_resolver(Arc::new(NoSuchName)).no_proxy().build().unwrap();
        builder.client(client).at(&server.jwks_url().replace("127.0.0.1", "localhost")).unwrap()
    });
    for _ in 0..5 {
        scene.is_unavailable(&scene.token()).await;
    }
    assert!(scene.keys.status().last_error.unwrap().contains("no such name"));
    assert_eq!(scene.server.connections(), 0);
}

#[tokio::test]
async fn fault_07_silent_server_fails_at_the_time_limit() {
    let error = assert_fails_with(short_timeout, |server| server.misbehave(Fault::Hang)).await;
    assert!(error.contains("no answer within"), "{error}");
}

#[tokio::test]
async fn fault_07_each_waiting_caller_may_leave() {
    let scene = Scene::with(short_timeout);
    scene.server.misbehave(Fault::Hang);
    let token = scene.token();
    let callers: Vec<_> = (0..20)
        .map(|_| {
            let (gate, token) = (scene.gate.clone(), token.clone());
            tokio::spawn(async move { crate::support::unavailable(&gate, &token).await })
        })
        .collect();
    // One caller stops waiting before the fetch ends.
    let canceled = tokio::time::timeout(Duration::from_millis(50), scene.gate.verify(&token)).await;
    assert!(canceled.is_err());
    for caller in callers {
        caller.await.unwrap();
    }
    assert_eq!(scene.server.jwks_hits(), 1);
}

#[tokio::test]
async fn fault_08_slow_drip_does_not_extend_the_time_limit() {
    let pause = Duration::from_millis(40);
    for fault in [Fault::DripAll(pause), Fault::DripBody(pause)] {
        let error = assert_fails_with(short_timeout, |server| server.misbehave(fault.clone())).await;
        assert!(error.contains("no answer within"), "{error}");
    }
}

#[tokio::test]
async fn fault_65_broken_connection_fails_without_hidden_retry() {
    assert_fails(|server| server.misbehave(Fault::Reset)).await;
    assert_fails(|server| server.misbehave(Fault::Close)).await;

    let scene = Scene::warm().await;
    let token = scene.token();
    scene.server.misbehave(Fault::Reset.first(1));
    scene.fail_to_refresh(&token).await;
    assert_eq!(scene.server.jwks_hits(), 2, "no hidden second attempt");
    scene.clock.advance(secs(2));
    scene.admits(&token).await;
    scene.refreshed().await;
    assert_eq!(scene.server.jwks_hits(), 3);
}

#[tokio::test]
async fn fault_65_no_connection_is_reused() {
    let scene = Scene::cold();
    scene.server.misbehave(Fault::GoSilent);
    let token = scene.token();
    scene.admits(&token).await;
    for _ in 0..3 {
        scene.refresh(&token).await;
    }
    assert_eq!((scene.server.jwks_hits(), scene.server.connections()), (4, 4));
}

#[tokio::test]
async fn slow_response_within_the_time_limit_is_accepted() {
    let scene = Scene::cold();
    scene.server.misbehave(Fault::Delay(Duration::from_millis(300)));
    scene.admits(&scene.token()).await;
}

#[tokio::test]
async fn largest_option_values_do_not_overflow() {
    let all = Duration::MAX;
    let scene = Scene::with(|builder| builder.timeout(all).lifetime(all, all, all).stale(all).cooldown(all, u32::MAX));
    scene.server.set_header("cache-control", "max-age=18446744073709551615");
    let token = scene.token();
    scene.admits(&token).await;
    scene.refuses(&scene.token_of_unknown_key("other"), portcullis::Reason::UnknownKey).await;
    scene.clock.advance(secs(1_000_000_000));
    scene.admits(&token).await;
    scene.server.misbehave(Fault::status(503));
    scene.is_unavailable(&scene.token_of_unknown_key("another")).await;
}

#[tokio::test]
async fn dropping_the_last_clone_ends_the_fetch() {
    let server = es256().serve();
    server.misbehave(Fault::Hold);
    let keys = RemoteKeys::at(&server.jwks_url()).unwrap();
    let gate = crate::support::gate(&server, keys);
    let token = server.issuer().token().sign();
    let caller = tokio::spawn(async move { gate.verify(&token).await.map(drop) });
    eventually("the fetch has arrived", || server.held() == 1).await;
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    // The runtime has no other task left.
    let alive = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    eventually("the task is gone", || alive() == 0).await;
}
