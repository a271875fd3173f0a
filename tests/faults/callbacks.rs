//! Events, clocks and other code of the user may call back into the keys. None of it runs under a lock.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use portcullis::claims::NumericDate;
use portcullis::clock::{Clock, ManualClock};
use portcullis::jose::Algorithm;
use portcullis::keys::{KeySetCache, RemoteKeys};
use portcullis_testing::Fault;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::support::{ANY_PAUSE, REFRESH_DUE, Scene, es256, eventually, gate, secs};

type Callback = Box<dyn Fn() + Send + Sync>;

/// Calls back, but not from within a call.
#[derive(Clone, Default)]
struct CallsBack {
    callback: Arc<Mutex<Option<Arc<Callback>>>>,
    calls: Arc<AtomicUsize>,
}

thread_local! {
    static CALLING: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

impl CallsBack {
    fn set(&self, callback: impl Fn() + Send + Sync + 'static) {
        *self.callback.lock().unwrap() = Some(Arc::new(Box::new(callback)));
    }

    fn call(&self) {
        if CALLING.replace(true) {
            return;
        }
        let callback = self.callback.lock().unwrap().clone();
        if let Some(callback) = callback {
            callback();
            self.calls.fetch_add(1, Ordering::SeqCst);
        }
        CALLING.set(false);
    }
}

impl Subscriber for CallsBack {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("portcullis")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        self.call();
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {
        self.call();
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// A clock of the user that asks the keys for their status.
#[derive(Debug)]
struct CallingClock(Arc<ManualClock>, Calls);

#[derive(Clone, Default)]
struct Calls(CallsBack);

impl std::fmt::Debug for Calls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Calls")
    }
}

impl Clock for CallingClock {
    fn now(&self) -> NumericDate {
        self.0.now()
    }

    fn monotonic(&self) -> Duration {
        self.1.0.call();
        self.0.monotonic()
    }
}

/// Runs `test` on another thread, because a lock that is held would block it forever.
fn within_a_minute(test: impl FnOnce() + Send + 'static) {
    let (done, waits) = mpsc::channel();
    std::thread::spawn(move || {
        test();
        done.send(()).unwrap();
    });
    waits.recv_timeout(secs(60)).expect("the test ends");
}

#[test]
fn no_event_or_clock_runs_under_a_lock() {
    within_a_minute(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (from_events, from_clocks) = (CallsBack::default(), Calls::default());
        let _guards = (
            tracing::subscriber::set_default(from_events.clone()),
            // With one subscriber, tracing may cache that an event is disabled.
            tracing::subscriber::set_default(from_events.clone()),
        );
        runtime.block_on(every_event(&from_events, &from_clocks));
        assert!(from_events.calls.load(Ordering::SeqCst) >= 10);
        assert!(from_clocks.0.calls.load(Ordering::SeqCst) >= 50);
    });
}

/// Causes each kind of event, with calls back from all of them.
async fn every_event(from_events: &CallsBack, from_clocks: &Calls) {
    let cache = KeySetCache::new(10);
    let clock = Arc::new(ManualClock::at_unix(1_700_000_000));
    let build = |server: &portcullis_testing::IssuerServer| {
        let clock = CallingClock(Arc::clone(&clock), from_clocks.clone());
        RemoteKeys::builder().clock(clock).cache(&cache).at(&server.jwks_url()).unwrap()
    };
    let first = es256().serve();
    let keys = build(&first);
    let gate = gate(&first, keys.clone());
    let call_back = {
        let (keys, gate) = (keys.clone(), gate.clone());
        move || drop((keys.status(), gate.status(), format!("{keys:?}")))
    };
    from_events.set(call_back.clone());
    from_clocks.0.set(call_back);
    let scene = Scene { server: first, clock: Arc::clone(&clock), keys: keys.clone(), gate };
    // Fetched, refreshed, rotated.
    let token = scene.server.issuer().token().sign();
    for _ in 0..3 {
        scene.admits(&token).await;
        scene.clock.advance(ANY_PAUSE);
    }
    scene.server.rotate(Algorithm::Es256);
    scene.admits(&scene.token()).await;
    // A flood: turned away, and then missing.
    for number in 0..20 {
        let _ = scene.gate.verify(&scene.token_of_unknown_key(&format!("made-up-{number}"))).await;
    }
    // A failure, and a fetch that is stopped.
    scene.server.misbehave(Fault::status(500));
    scene.clock.advance(REFRESH_DUE);
    let _ = scene.gate.verify(&scene.token_of_unknown_key("other")).await;
    scene.server.misbehave(Fault::Hold);
    scene.clock.advance(ANY_PAUSE);
    scene.admits(&token).await;
    eventually("the fetch has arrived", || scene.server.held() == 1).await;
    scene.keys.stop();
    // A clock that builds the keys that are being built: the shared cache is not locked while it runs.
    let (other, again) = (es256().serve(), cache.clone());
    let (url, once) = (other.jwks_url(), AtomicUsize::new(0));
    from_clocks.0.set(move || {
        if once.fetch_add(1, Ordering::SeqCst) == 0 {
            RemoteKeys::builder().cache(&again).at(&url).unwrap();
        }
    });
    build(&other);
}

#[tokio::test]
async fn callbacks_do_not_keep_a_refresh_from_completing() {
    let scene = Scene::warm().await;
    let token = scene.token();
    let calls = CallsBack::default();
    let keys = scene.keys.clone();
    calls.set(move || drop(keys.status()));
    let _guards = (tracing::subscriber::set_default(calls.clone()), tracing::subscriber::set_default(calls.clone()));
    scene.refresh(&token).await;
    eventually("the event was emitted", || calls.calls.load(Ordering::SeqCst) > 0).await;
}
