//! Keys that a loader of the service loads. They get everything that keys from a URL get.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use portcullis::clock::ManualClock;
use portcullis::error::Unavailable;
use portcullis::jose::{Algorithm, AlgorithmSet};
use portcullis::keys::{KeyLoader, KeySet, KeySetCache, LoadError, RemoteKeys, RemoteKeysBuilder};
use portcullis::{Gate, JwtVerifier, Reason, async_trait};
use portcullis_testing::{SigningKey, TestIssuer};

use crate::support::{ANY_PAUSE, REFRESH_DUE, es256, eventually, key, refuses, secs, unavailable};

/// What the next loads do.
#[derive(Clone, Debug)]
enum Act {
    Give(Vec<Arc<SigningKey>>),
    Fail,
    ComeBackLater,
    Panic,
    Hang,
}

#[derive(Clone)]
struct Vault(Arc<State>);

struct State {
    act: Mutex<Act>,
    loads: AtomicUsize,
}

#[async_trait]
impl KeyLoader for Vault {
    async fn load(&self) -> Result<KeySet, LoadError> {
        self.0.loads.fetch_add(1, Ordering::SeqCst);
        let act = self.0.act.lock().unwrap().clone();
        tokio::task::yield_now().await;
        match act {
            Act::Give(keys) => Ok(KeySet::from_keys(keys.iter().map(|key| Arc::new(key.verifying_key())))),
            Act::Fail => Err("the vault is sealed")?,
            Act::ComeBackLater => Err(Unavailable::new().with_retry_after(secs(120)))?,
            Act::Panic => panic!("a defect of the loader"),
            Act::Hang => std::future::pending().await,
        }
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault")
    }
}

struct Scene {
    issuer: TestIssuer,
    vault: Vault,
    clock: Arc<ManualClock>,
    keys: RemoteKeys,
    gate: Gate,
}

impl Scene {
    fn new() -> Self {
        Self::with(|builder| builder)
    }

    fn with(options: impl FnOnce(RemoteKeysBuilder) -> RemoteKeysBuilder) -> Self {
        let issuer = es256();
        let act = Mutex::new(Act::Give(vec![Arc::clone(issuer.first_key())]));
        let vault = Vault(Arc::new(State { act, loads: AtomicUsize::new(0) }));
        let clock = Arc::new(ManualClock::at_unix(1_700_000_000));
        let builder = options(RemoteKeys::builder().clock(Arc::clone(&clock)));
        let keys = builder.loaded_by(vault.clone()).unwrap();
        let verifier = JwtVerifier::builder(issuer.url(), issuer.audience(), keys.clone()).build().unwrap();
        Self { issuer, vault, clock, keys, gate: Gate::new(verifier) }
    }

    fn act(&self, act: Act) {
        *self.vault.0.act.lock().unwrap() = act;
    }

    fn loads(&self) -> usize {
        self.vault.0.loads.load(Ordering::SeqCst)
    }

    fn token(&self) -> String {
        self.issuer.token().sign()
    }

    async fn admits(&self, token: &str) {
        assert!(self.gate.verify(token).await.is_ok(), "{:?}", self.keys.status());
    }
}

#[tokio::test]
async fn loader_is_asked_once_for_all_callers() {
    let scene = Arc::new(Scene::new());
    assert_eq!((scene.gate.status().ready, scene.loads()), (false, 0));
    let callers = (0..50).map(|_| {
        let scene = Arc::clone(&scene);
        tokio::spawn(async move { scene.admits(&scene.token()).await })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.unwrap();
    }
    let status = scene.gate.status();
    assert_eq!((scene.loads(), status.ready, status.keys), (1, true, 1));
}

#[tokio::test]
async fn made_up_kids_cause_a_burst_of_loads() {
    let scene = Scene::new();
    scene.admits(&scene.token()).await;
    for number in 0..50 {
        let made_up = scene.issuer.token().header("kid", number.to_string()).sign();
        assert!(scene.gate.verify(&made_up).await.is_err());
    }
    assert!(scene.loads() <= 4, "{}", scene.loads());
    scene.admits(&scene.token()).await;
}

#[tokio::test]
async fn keys_are_refreshed_in_the_background_and_rotate() {
    let scene = Scene::new();
    let old = scene.token();
    scene.admits(&old).await;
    let new = key(Algorithm::Es256, "new");
    scene.act(Act::Give(vec![Arc::clone(&new)]));
    let rotated = scene.issuer.token().signed_with(Arc::clone(&new)).sign();
    scene.admits(&rotated).await;
    refuses(&scene.gate, &old, Reason::UnknownKey).await;
    // A refresh that hangs delays no caller, and ends at its time limit.
    let scene = Scene::with(|builder| builder.timeout(Duration::from_millis(200)));
    let token = scene.token();
    scene.admits(&token).await;
    scene.act(Act::Hang);
    scene.clock.advance(REFRESH_DUE);
    scene.admits(&token).await;
    eventually("the time limit has passed", || scene.keys.status().last_error.is_some()).await;
    assert!(scene.keys.status().last_error.unwrap().contains("no answer within 200ms"));
}

#[tokio::test]
async fn outage_and_panic_keep_the_keys() {
    for (act, says) in [
        (Act::Fail, "the loader failed: the vault is sealed (the key set of the loader)"),
        (Act::Panic, "the fetch panicked (the key set of the loader)"),
        (Act::Give(Vec::new()), "no key of the set can be used (0 skipped) (the key set of the loader)"),
    ] {
        let scene = Scene::new();
        let token = scene.token();
        scene.act(act.clone());
        unavailable(&scene.gate, &token).await;
        assert_eq!(scene.keys.status().last_error.as_deref(), Some(says));
        scene.act(Act::Give(vec![Arc::clone(scene.issuer.first_key())]));
        scene.clock.advance(ANY_PAUSE);
        scene.admits(&token).await;

        scene.act(act);
        scene.clock.advance(REFRESH_DUE);
        scene.admits(&token).await;
        eventually("the load has failed", || scene.keys.status().last_error.is_some()).await;
        let loads = scene.loads();
        for _ in 0..20 {
            scene.admits(&token).await;
        }
        assert_eq!(scene.loads(), loads, "not once for each request");
        // For a day after their lifetime.
        scene.clock.advance(Duration::from_secs(23 * 3_600));
        scene.admits(&token).await;
        assert!(scene.gate.status().ready);
    }
}

#[tokio::test]
async fn loader_can_ask_for_a_pause() {
    let scene = Scene::new();
    scene.act(Act::ComeBackLater);
    assert_eq!(unavailable(&scene.gate, &scene.token()).await, 120);
}

#[tokio::test]
async fn seed_serves_while_the_loader_fails() {
    let seed = es256();
    let scene = Scene::with(|builder| builder.seed(seed.jwks()));
    scene.act(Act::Fail);
    assert!(scene.gate.ready().await.ready);
    let seeded = seed.token().issuer(scene.issuer.url()).audience(scene.issuer.audience()).sign();
    scene.admits(&seeded).await;
}

#[tokio::test]
async fn options_of_requests_are_errors() {
    let cache = KeySetCache::new(1);
    for builder in [
        RemoteKeys::builder().header("x-api-key", "secret"),
        RemoteKeys::builder().proxy("http://proxy.example:3128"),
        RemoteKeys::builder().root_certificate("secret"),
        RemoteKeys::builder().client(reqwest::Client::new()),
        RemoteKeys::builder().metadata_at("https://issuer.example/metadata"),
        RemoteKeys::builder().oauth_metadata(),
        RemoteKeys::builder().issuer_at("https://issuer.example"),
        RemoteKeys::builder().cache(&cache),
    ] {
        let error = builder.loaded_by(Scene::new().vault).unwrap_err();
        assert_eq!(error.field(), "loader", "{error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

#[tokio::test]
async fn loader_of_secrets_names_its_algorithms() {
    #[derive(Debug)]
    struct Secret(Arc<SigningKey>, AlgorithmSet);

    #[async_trait]
    impl KeyLoader for Secret {
        async fn load(&self) -> Result<KeySet, LoadError> {
            Ok(KeySet::from_keys([Arc::new(self.0.verifying_key())]))
        }

        fn algorithms(&self) -> AlgorithmSet {
            self.1
        }
    }

    let issuer = TestIssuer::from_algorithms([Algorithm::Hs256]);
    let gate = |algorithms: AlgorithmSet| {
        let keys = RemoteKeys::loaded_by(Secret(Arc::clone(issuer.first_key()), algorithms)).unwrap();
        Gate::new(JwtVerifier::builder(issuer.url(), issuer.audience(), keys).build().unwrap())
    };
    let token = issuer.token().sign();
    refuses(&gate(AlgorithmSet::ASYMMETRIC), &token, Reason::AlgorithmNotAllowed).await;
    assert!(gate(Algorithm::Hs256.into()).verify(&token).await.is_ok());
}
