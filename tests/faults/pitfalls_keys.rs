//! Defects that other caches of keys had.

use std::process::Command;
use std::time::Duration;

use portcullis::KeyProvider;
use portcullis::jose::Algorithm;
use portcullis::keys::{RemoteKeys, RemoteKeysBuilder};
use portcullis_testing::{Endpoint, Fault};
use tokio::runtime::Handle;

use crate::log::Log;
use crate::support::{REFRESH_DUE, Scene, assert_fails_with, es256, eventually, gate, secs};

#[tokio::test]
async fn cache_is_not_locked_during_a_fetch() {
    let scene = Scene::warm().await;
    let token = scene.token();
    scene.server.misbehave(Fault::Hold);
    scene.clock.advance(REFRESH_DUE);
    scene.admits(&token).await;
    eventually("the refresh has arrived", || scene.server.held() == 1).await;
    for _ in 0..100 {
        scene.admits(&token).await;
        assert!(scene.gate.status().ready);
    }
    assert_eq!(scene.server.held(), 1);
}

#[tokio::test]
async fn fetch_has_a_time_limit_by_default() {
    let scene = Scene::cold();
    scene.server.misbehave(Fault::Hang);
    scene.is_unavailable(&scene.token()).await;
    assert!(scene.keys.status().last_error.unwrap().contains("no answer within 5s"));
}

#[tokio::test]
async fn every_fetch_sends_the_configured_headers() {
    const SECRET: &str = "hunter2";
    let (log, _guards) = Log::capture();
    let scene = Scene::with(|builder| builder.header("x-api-key", SECRET));
    let token = scene.token();
    scene.admits(&token).await;
    scene.refresh(&token).await;
    scene.server.rotate(Algorithm::Es256);
    scene.admits(&scene.token()).await;
    let requests = scene.server.requests();
    assert_eq!(requests.len(), 3);
    for request in requests {
        assert_eq!(request.header("x-api-key"), Some(SECRET));
        assert!(request.header("user-agent").unwrap().starts_with("portcullis/"));
    }
    assert!(!format!("{:?} {:?}", scene.keys, scene.gate).contains(SECRET));
    assert!(log.has_line(&["keys fetched"]) && !log.text().contains(SECRET), "{}", log.text());
}

#[test]
fn proxies_of_the_environment_are_ignored() {
    let proxy = es256().serve();
    // Another process, because other tests share the environment of this one.
    let mut again = Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", "pitfalls_keys::keys_work_without_a_warm_up"]);
    for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
        again.env(name, proxy.url_of(""));
    }
    for name in ["no_proxy", "NO_PROXY", "REQUEST_METHOD"] {
        again.env_remove(name);
    }
    let output = again.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    assert_eq!(proxy.connections(), 0);
}

#[tokio::test]
async fn configured_proxy_is_used() {
    let proxy = es256().serve();
    let scene = Scene::with(|builder| builder.proxy(proxy.url_of("")));
    scene.is_unavailable(&scene.token()).await;
    assert_eq!(proxy.requests()[0].target, scene.server.jwks_url());
    assert_eq!(scene.server.connections(), 0);
}

#[tokio::test]
async fn kid_is_not_sent_to_the_issuer() {
    let scene = Scene::warm().await;
    for kid in ["secret-kid", "secret-kid?x=1", "secret-kid\r\nhost: attacker.example"] {
        assert!(scene.gate.verify(&scene.token_of_unknown_key(kid)).await.is_err());
    }
    let requests = scene.server.requests();
    assert!(requests.len() > 1);
    for request in requests {
        assert_eq!((request.method.as_str(), request.target.as_str()), ("GET", "/.well-known/jwks.json"));
        assert!(!format!("{request:?}").contains("secret-kid"));
    }
}

#[tokio::test]
async fn unknown_kid_does_not_fetch_on_every_request() {
    let scene = Scene::warm().await;
    let token = scene.token_of_unknown_key("unknown");
    for _ in 0..100 {
        scene.refuses(&token, portcullis::Reason::UnknownKey).await;
    }
    assert_eq!(scene.server.jwks_hits(), 3);
}

#[tokio::test]
async fn failed_fetches_count_towards_the_cooldown() {
    let scene = Scene::warm().await;
    scene.server.go_down();
    for number in 0..50 {
        scene.is_unavailable(&scene.token_of_unknown_key(&number.to_string())).await;
    }
    scene.server.come_back();
    scene.server.misbehave(Fault::status(500));
    // After each pause, at most the rest of the budget is used.
    for _ in 0..5 {
        scene.clock.advance(secs(2));
        for number in 0..50 {
            scene.is_unavailable(&scene.token_of_unknown_key(&number.to_string())).await;
        }
    }
    assert!(scene.server.jwks_hits() <= 3, "{}", scene.server.jwks_hits());
}

#[tokio::test]
async fn rotation_is_found_by_token_or_refresh() {
    let scene = Scene::warm().await;
    let kid = scene.server.issuer().first_key().id().to_owned();
    scene.server.rotate(Algorithm::Rs256);
    scene.server.withdraw(&kid);
    scene.admits(&scene.token()).await;
    // Without a token of the new key, the refresh finds the rotation.
    let quiet = Scene::warm().await;
    let old = quiet.token();
    let kid = quiet.server.issuer().first_key().id().to_owned();
    quiet.server.rotate(Algorithm::EdDsa);
    quiet.server.withdraw(&kid);
    quiet.refresh(&old).await;
    quiet.refuses(&old, portcullis::Reason::UnknownKey).await;
}

#[tokio::test]
async fn first_failure_keeps_cached_keys() {
    let scene = Scene::warm().await;
    let token = scene.token();
    scene.server.go_down();
    scene.fail_to_refresh(&token).await;
    for _ in 0..50 {
        scene.admits(&token).await;
    }
    assert!(scene.gate.status().ready);
}

#[tokio::test]
async fn keys_work_without_a_warm_up() {
    let server = es256().serve();
    let gate = gate(&server, RemoteKeys::at(&server.jwks_url()).unwrap());
    assert!(!gate.status().ready);
    assert_eq!(server.connections(), 0, "nothing is fetched before the first token");
    assert!(gate.verify(&server.issuer().token().sign()).await.is_ok());
    assert!(gate.status().ready);
}

#[tokio::test]
async fn inspecting_does_not_count_towards_the_cooldown() {
    let scene = Scene::warm().await;
    for _ in 0..5 {
        assert_eq!(scene.keys.inspect().await.unwrap().len(), 1);
    }
    assert_eq!(scene.server.jwks_hits(), 6);
    scene.server.rotate(Algorithm::Es256);
    scene.admits(&scene.token()).await;
    assert_eq!(scene.server.jwks_hits(), 7);
}

#[tokio::test]
async fn custom_client_keeps_the_limits() {
    // The client follows redirects and has no time limit.
    let options = |builder: RemoteKeysBuilder| {
        let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().unwrap();
        builder.client(client).timeout(Duration::from_millis(1_500)).max_body_bytes(5_000)
    };
    for (fault, what) in [
        (Fault::status(500), "status 500"),
        (Fault::Hang, "no answer within 1.5s"),
        (Fault::Oversize(1_000_000), "larger than 5000 bytes"),
    ] {
        let error = assert_fails_with(options, |server| server.misbehave(fault.clone())).await;
        assert!(error.contains(what), "{error}");
    }
    let scene = Scene::with(options);
    scene.server.serve_at("/moved.json", scene.server.issuer().jwks());
    scene.server.misbehave_at(Endpoint::Jwks, Fault::redirect(302, "/moved.json"));
    scene.admits(&scene.token()).await;
    assert_eq!(scene.server.hits("/moved.json"), 1, "redirects are those of the client");
}

#[tokio::test]
async fn no_task_outlives_its_keys() {
    let alive = || Handle::current().metrics().num_alive_tasks();
    let server = es256().serve();
    let keys = RemoteKeys::at(&server.jwks_url()).unwrap();
    keys.warm_up().await.unwrap();
    // Between fetches there is no task.
    eventually("the fetch has ended", || alive() == 0).await;
    // A fetch in flight ends when it is stopped, and when the keys are dropped.
    server.misbehave(Fault::Hold);
    for stop in [true, false] {
        let keys = RemoteKeys::at(&server.jwks_url()).unwrap();
        let held = server.held();
        let provider: Box<dyn KeyProvider> = Box::new(keys.clone());
        tokio::select! {
            _ = provider.warm_up() => panic!("the server holds its response"),
            () = eventually("the fetch has arrived", || server.held() > held) => {}
        }
        assert!(alive() > 0);
        if stop {
            keys.stop();
        }
        drop((keys, provider));
        eventually("the fetch has ended", || alive() == 0).await;
    }
}
