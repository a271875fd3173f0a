//! Canceled callers, runtimes that stall or end, and fetches that panic. All other callers still get the key.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use portcullis::Reason;
use portcullis::jose::Algorithm;
use portcullis_testing::Fault;
use reqwest::dns::{Name, Resolve, Resolving};
use tokio::runtime::{Builder, Handle, Runtime};

use crate::support::{ANY_PAUSE, REFRESH_DUE, Scene, es256, eventually, happens};

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Verifies a token, and cancels that when the fetch has reached the server.
async fn start_a_fetch(scene: &Scene, token: &str) {
    let mut caller = pin!(scene.gate.verify(token));
    tokio::select! {
        _ = &mut caller => panic!("the server holds its response"),
        () = eventually("the fetch has arrived", || scene.server.held() == 1) => {}
    }
}

#[tokio::test]
async fn fault_43_canceled_caller_does_not_cancel_the_fetch() {
    let scene = Scene::cold();
    scene.server.misbehave(Fault::Hold.first(1));
    let token = scene.token();
    start_a_fetch(&scene, &token).await;
    let waiter = {
        let (gate, token) = (scene.gate.clone(), token.clone());
        tokio::spawn(async move { gate.verify(&token).await.is_ok() })
    };
    tokio::task::yield_now().await;
    assert!(scene.server.release(0));
    assert!(waiter.await.unwrap());
    assert_eq!(scene.server.jwks_hits(), 1);

    // The fetch completes without a waiting caller as well.
    let unattended = Scene::cold();
    unattended.server.misbehave(Fault::Hold.first(1));
    start_a_fetch(&unattended, &token).await;
    assert!(unattended.server.release(0));
    eventually("the keys are cached", || unattended.keys.status().ready).await;
    assert_eq!(unattended.server.jwks_hits(), 1);
}

#[test]
fn fault_43_dropped_runtime_leaves_no_caller_waiting() {
    let scene = Arc::new(Scene::cold());
    scene.server.misbehave(Fault::Hold.first(1));
    let token = scene.token();
    let first = runtime();
    first.block_on(start_a_fetch(&scene, &token));
    // A caller on another runtime waits for the fetch when its runtime ends.
    let (waiting, waits) = mpsc::channel();
    let second = {
        let (scene, token) = (Arc::clone(&scene), token.clone());
        std::thread::spawn(move || {
            runtime().block_on(async {
                let mut caller = pin!(scene.gate.verify(&token));
                tokio::select! {
                    biased;
                    _ = &mut caller => panic!("the server holds its response"),
                    () = tokio::task::yield_now() => waiting.send(()).unwrap(),
                }
                caller.await.is_ok()
            })
        })
    };
    waits.recv().unwrap();
    drop(first);
    assert!(second.join().unwrap());
    // A later caller uses the cached keys.
    runtime().block_on(scene.admits(&token));
    assert_eq!(scene.server.jwks_hits(), 2);
}

#[test]
fn fault_43_blocked_runtime_leaves_no_caller_waiting() {
    let scene = Arc::new(Scene::cold());
    scene.server.misbehave(Fault::Hold.first(1));
    let token = scene.token();
    let blocked = BlockedRuntime::in_mid_fetch(&scene, &token);
    // Callers on two other runtimes, one after the other.
    for _ in 0..2 {
        runtime().block_on(scene.admits(&token));
    }
    assert_eq!(scene.server.jwks_hits(), 2, "replaced once");
    // The blocked caller gets the keys that another caller fetched, while its own fetch is still in flight.
    let caller = blocked.unblock();
    assert!(caller.admitted && caller.early);
    assert_eq!(scene.server.jwks_hits(), 2, "nothing is left to fetch");
}

#[test]
fn fault_43_rotation_is_found_despite_a_blocked_refresh() {
    let scene = Arc::new(Scene::cold());
    let old = scene.token();
    runtime().block_on(scene.admits(&old));
    scene.server.misbehave(Fault::Hold.first(1));
    scene.server.rotate(Algorithm::EdDsa);
    let new = scene.token();
    let blocked = BlockedRuntime::in_mid_fetch(&scene, &new);
    runtime().block_on(async {
        scene.admits(&old).await;
        scene.admits(&new).await;
    });
    assert!(scene.server.release(0));
    assert!(blocked.unblock().admitted);
}

#[test]
fn fault_43_refresh_on_an_idle_runtime_is_restarted() {
    let scene = Scene::with(|builder| builder.timeout(Duration::from_millis(500)));
    let other = runtime();
    let token = scene.token();
    other.block_on(scene.admits(&token));
    let kid = scene.server.issuer().first_key().id().to_owned();
    scene.server.rotate(Algorithm::EdDsa);
    scene.server.withdraw(&kid);
    // The refresh starts on a runtime that nothing drives any more, but that is not dropped.
    let idle = runtime();
    scene.clock.advance(REFRESH_DUE);
    idle.block_on(scene.admits(&token));
    other.block_on(async {
        for _ in 0..1_000 {
            if scene.gate.verify(&token).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("a withdrawn key is still accepted: {:?}", scene.keys.status());
    });
    drop(idle);
}

#[test]
fn fault_36_fetch_that_started_later_wins() {
    let scene = Arc::new(Scene::cold());
    scene.server.misbehave(Fault::Hold.first(1));
    let (old, kid) = (scene.token(), scene.server.issuer().first_key().id().to_owned());
    // This fetch starts with the old set and ends last.
    let blocked = BlockedRuntime::in_mid_fetch(&scene, &old);
    scene.server.rotate(Algorithm::EdDsa);
    scene.server.withdraw(&kid);
    let new = scene.token();
    let other = runtime();
    other.block_on(scene.admits(&new));
    assert!(scene.server.release(0));
    // Its own caller gets the newer set as well.
    assert!(!blocked.unblock().admitted);
    other.block_on(async {
        scene.admits(&new).await;
        scene.refuses(&old, Reason::UnknownKey).await;
    });
    assert_eq!(scene.keys.status().keys, 1);
}

#[tokio::test]
async fn fault_44_panic_of_a_fetch_is_a_failure() {
    #[derive(Debug)]
    struct Panics {
        on: AtomicBool,
        asked: AtomicUsize,
    }
    #[derive(Debug)]
    struct Resolver(Arc<Panics>);
    impl Resolve for Resolver {
        fn resolve(&self, _: Name) -> Resolving {
            self.0.asked.fetch_add(1, Ordering::SeqCst);
            assert!(!self.0.on.load(Ordering::SeqCst), "a bug in a resolver, on purpose");
            Box::pin(async { Ok(Box::new(std::iter::once(([127u8, 0, 0, 1], 0u16).into())) as _) })
        }
    }
    let panics = Arc::new(Panics { on: AtomicBool::new(true), asked: AtomicUsize::new(0) });
    let scene = Scene::over(es256().serve(), |server, builder| {
        let resolver = Arc::new(Resolver(Arc::clone(&panics)));
        let client = reqwest::Client::builder().dns_resolver(resolver).pool_max_idle_per_host(0).no_proxy();
        builder.client(client.build().unwrap()).at(&server.jwks_url().replace("127.0.0.1", "localhost")).unwrap()
    });
    let token = scene.token();
    for _ in 0..3 {
        scene.is_unavailable(&token).await;
    }
    assert_eq!(panics.asked.load(Ordering::SeqCst), 1, "one attempt, and then the usual pause");
    scene.clock.advance(ANY_PAUSE);
    panics.on.store(false, Ordering::SeqCst);
    scene.admits(&token).await;

    // The same with cached keys.
    panics.on.store(true, Ordering::SeqCst);
    let error = scene.fail_to_refresh(&token).await;
    assert!(error.contains("panicked"), "{error}");
    scene.admits(&token).await;
    panics.on.store(false, Ordering::SeqCst);
    scene.recovers().await;
}

#[test]
fn without_a_runtime_keys_are_unavailable() {
    let scene = Scene::cold();
    let token = scene.token();
    // An executor other than tokio.
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match pin!(scene.gate.verify(&token)).poll(&mut context) {
        std::task::Poll::Ready(Err(error)) => assert_eq!(scene.gate.refuse(&error).status, 503),
        other => panic!("{other:?}"),
    }
    assert_eq!(scene.server.connections(), 0);
}

#[tokio::test]
async fn stop_ends_only_the_fetch_in_flight() {
    let scene = Scene::warm().await;
    let token = scene.token();
    scene.server.misbehave(Fault::Hold);
    scene.clock.advance(REFRESH_DUE);
    scene.admits(&token).await;
    eventually("the refresh has arrived", || scene.server.held() == 1).await;
    scene.keys.stop();
    eventually("the task is gone", || Handle::current().metrics().num_alive_tasks() == 0).await;
    scene.server.behave();
    assert!(happens(|| scene.keys.status().ready).await);
    scene.admits(&token).await;
    scene.refreshed().await;
}

/// A thread with a runtime that is blocked while its fetch is under way.
struct BlockedRuntime {
    unblock: mpsc::Sender<()>,
    thread: std::thread::JoinHandle<Outcome>,
}

/// The result of the caller on a blocked runtime.
struct Outcome {
    admitted: bool,
    /// Whether its own fetch was still in flight when it had its result.
    early: bool,
}

impl BlockedRuntime {
    fn in_mid_fetch(scene: &Arc<Scene>, token: &str) -> Self {
        let (unblock, blocked) = mpsc::channel();
        let (started, starts) = mpsc::channel();
        let (scene, token) = (Arc::clone(scene), token.to_owned());
        let thread = std::thread::spawn(move || {
            runtime().block_on(async {
                let mut caller = pin!(scene.gate.verify(&token));
                tokio::select! {
                    _ = &mut caller => panic!("the server holds its response"),
                    () = eventually("the fetch has arrived", || scene.server.held() == 1) => {}
                }
                started.send(()).unwrap();
                // Some callers block their runtime, although they should not.
                blocked.recv().unwrap();
                let admitted = caller.await.is_ok();
                let early = Handle::current().metrics().num_alive_tasks() > 0;
                // Releases the response, unless the test has done so.
                scene.server.release(0);
                eventually("the fetch has ended", || Handle::current().metrics().num_alive_tasks() == 0).await;
                Outcome { admitted, early }
            })
        });
        starts.recv().unwrap();
        Self { unblock, thread }
    }

    /// Unblocks the runtime, and waits until its fetch has ended.
    fn unblock(self) -> Outcome {
        self.unblock.send(()).unwrap();
        self.thread.join().unwrap()
    }
}
