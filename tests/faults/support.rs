//! A provider on this machine, a gate that fetches its keys, and a clock that stands still.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use portcullis::clock::ManualClock;
use portcullis::jose::Algorithm;
use portcullis::keys::{RemoteKeys, RemoteKeysBuilder};
use portcullis::{Audience, AuthError, Gate, JwtVerifier, KeyProvider, Reason};
use portcullis_testing::{IssuerServer, SigningKey, TestIssuer};
use serde_json::{Value, json};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Past the time at which keys of the default lifetime are refreshed.
pub(crate) const REFRESH_DUE: Duration = Duration::from_secs(11 * 60);
/// Past every pause after a failure.
pub(crate) const ANY_PAUSE: Duration = Duration::from_secs(400);

pub(crate) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A provider, and a gate for its tokens.
pub(crate) struct Scene {
    pub(crate) server: IssuerServer,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) keys: RemoteKeys,
    pub(crate) gate: Gate,
}

impl Scene {
    /// Nothing is fetched yet; the URL of the keys is known.
    pub(crate) fn cold() -> Self {
        Self::with(|builder| builder)
    }

    /// As [`Self::cold`], with options.
    pub(crate) fn with(options: impl FnOnce(RemoteKeysBuilder) -> RemoteKeysBuilder) -> Self {
        Self::over(es256().serve(), |server, builder| options(builder).at(&server.jwks_url()).unwrap())
    }

    /// Nothing is fetched yet; the keys are found by metadata.
    pub(crate) fn discovering() -> Self {
        Self::over(es256().serve(), |server, builder| builder.discover(&server.url()).unwrap())
    }

    /// Keys are held.
    pub(crate) async fn warm() -> Self {
        Self::cold().warmed().await
    }

    pub(crate) fn over(
        server: IssuerServer,
        keys: impl FnOnce(&IssuerServer, RemoteKeysBuilder) -> RemoteKeys,
    ) -> Self {
        let clock = Arc::new(ManualClock::at_unix(1_700_000_000));
        let keys = keys(&server, RemoteKeys::builder().clock(Arc::clone(&clock)));
        let gate = gate(&server, keys.clone());
        Self { server, clock, keys, gate }
    }

    pub(crate) async fn warmed(self) -> Self {
        self.admits(&self.token()).await;
        self
    }

    /// A good token by the provider's current key.
    pub(crate) fn token(&self) -> String {
        self.server.issuer().token().sign()
    }

    /// A token whose `kid` the provider does not have.
    pub(crate) fn token_of_unknown_key(&self, kid: &str) -> String {
        self.server.issuer().token().header("kid", kid).sign()
    }

    pub(crate) async fn admits(&self, token: &str) {
        if let Err(error) = self.gate.verify(token).await {
            panic!("refused: {error}; {:?}", self.keys.status());
        }
    }

    /// 401 with this reason.
    pub(crate) async fn refuses(&self, token: &str, reason: Reason) {
        refuses(&self.gate, token, reason).await;
    }

    /// 503 with `Retry-After`, whose seconds come back, and without a challenge.
    pub(crate) async fn is_unavailable(&self, token: &str) -> u64 {
        unavailable(&self.gate, token).await
    }

    /// Makes the keys due, starts the refresh with a good request, and waits until it has failed.
    pub(crate) async fn fail_to_refresh(&self, token: &str) -> String {
        self.clock.advance(REFRESH_DUE);
        self.admits(token).await;
        let pause = || self.keys.status().next_attempt.is_some_and(|pause| !pause.is_zero());
        eventually("the refresh has failed", pause).await;
        self.keys.status().last_error.unwrap()
    }

    /// Makes the keys due, starts the refresh with a good request, and waits until it has landed.
    pub(crate) async fn refresh(&self, token: &str) {
        self.clock.advance(REFRESH_DUE);
        self.admits(token).await;
        self.refreshed().await;
    }

    /// Waits until the keys are as new as the clock.
    pub(crate) async fn refreshed(&self) {
        eventually("the refresh has landed", || self.keys.status().age == Some(Duration::ZERO)).await;
    }

    /// Whether a request that comes `after` makes the gate ask for keys again; the request is admitted either way.
    pub(crate) async fn asks_again(&self, after: Duration, token: &str) -> bool {
        let before = self.server.jwks_hits();
        self.clock.advance(after);
        self.admits(token).await;
        happens(|| self.server.jwks_hits() > before).await
    }

    /// Well again within a few attempts; a busy machine may need more than one.
    pub(crate) async fn recovers(&self) {
        let token = self.token();
        for _ in 0..20 {
            self.clock.advance(ANY_PAUSE);
            if self.gate.verify(&token).await.is_ok() && self.keys.warm_up().await.is_ok() {
                let fresh = || self.keys.status().last_error.is_none();
                if happens(fresh).await {
                    return;
                }
            }
        }
        panic!("no recovery: {:?}", self.keys.status());
    }
}

/// A fetch that meets this fault fails: callers without keys are told to come back, callers with keys notice nothing, a
/// token with an unknown key is neither good nor bad, and none of it asks the provider more than once. Returns what the
/// status says of it.
pub(crate) async fn assert_fails(break_it: impl Fn(&IssuerServer)) -> String {
    assert_fails_with(|builder| builder, break_it).await
}

/// [`assert_fails`], with options.
pub(crate) async fn assert_fails_with(
    options: impl Fn(RemoteKeysBuilder) -> RemoteKeysBuilder,
    break_it: impl Fn(&IssuerServer),
) -> String {
    let cold = Scene::with(&options);
    break_it(&cold.server);
    cold.is_unavailable(&cold.token()).await;
    let asked = cold.server.jwks_hits();
    assert!(asked <= 1, "one attempt: {asked}");
    let status = cold.keys.status();
    assert!(!status.ready && status.last_error.is_some() && status.next_attempt.is_some(), "{status:?}");
    for _ in 0..5 {
        cold.is_unavailable(&cold.token()).await;
    }
    assert_eq!(cold.server.jwks_hits(), asked, "not once for each request");
    cold.server.behave();
    cold.server.come_back();
    cold.recovers().await;

    let warm = Scene::with(&options).warmed().await;
    let token = warm.token();
    let before = warm.server.jwks_hits();
    break_it(&warm.server);
    let error = warm.fail_to_refresh(&token).await;
    let asked = warm.server.jwks_hits();
    assert!(asked <= before + 1, "one attempt: {asked}");
    for _ in 0..5 {
        warm.admits(&token).await;
        warm.is_unavailable(&warm.token_of_unknown_key("other")).await;
    }
    assert_eq!(warm.server.jwks_hits(), asked, "not once for each request");
    assert!(warm.keys.status().ready);
    warm.server.behave();
    warm.server.come_back();
    warm.recovers().await;
    warm.admits(&token).await;
    error
}

/// A fetch that meets this is a good one, cold and warm.
pub(crate) async fn assert_accepted(change: impl Fn(&IssuerServer)) {
    let scene = Scene::cold();
    change(&scene.server);
    let token = scene.token();
    scene.admits(&token).await;
    assert_eq!(scene.server.jwks_hits(), 1);
    scene.refresh(&token).await;
    assert_eq!(scene.server.jwks_hits(), 2);
    assert_eq!(scene.keys.status().last_error, None);
}

pub(crate) fn gate(server: &IssuerServer, keys: impl KeyProvider + 'static) -> Gate {
    let issuer = server.issuer();
    Gate::new(JwtVerifier::builder(issuer.url(), Audience::any_of([issuer.audience()]), keys).build().unwrap())
}

/// [`gate`], remembering verified tokens.
pub(crate) fn caching_gate(server: &IssuerServer, keys: impl KeyProvider + 'static) -> Gate {
    let issuer = server.issuer();
    let verifier = JwtVerifier::builder(issuer.url(), Audience::any_of([issuer.audience()]), keys);
    Gate::new(verifier.cache_tokens(100).build().unwrap())
}

pub(crate) async fn refuses(gate: &Gate, token: &str, reason: Reason) {
    let error = gate.verify(token).await.expect_err("the token is not good");
    let refusal = gate.refuse(&error);
    assert_eq!((refusal.status, refusal.reason), (401, Some(reason)), "{error}");
}

pub(crate) async fn unavailable(gate: &Gate, token: &str) -> u64 {
    let error = gate.verify(token).await.expect_err("there is no key");
    assert!(matches!(error, AuthError::Unavailable(_)), "{error}");
    let refusal = gate.refuse(&error);
    assert_eq!((refusal.status, refusal.reason), (503, None));
    let header = |name: &str| refusal.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.clone());
    assert_eq!(header("www-authenticate"), None);
    let seconds = header("retry-after").expect("Retry-After").parse().unwrap();
    assert!(seconds >= 1);
    seconds
}

/// An issuer whose keys are quickly made.
pub(crate) fn es256() -> TestIssuer {
    TestIssuer::from_algorithms([Algorithm::Es256])
}

/// A key set of these JWKs.
pub(crate) fn set_of(jwks: &[Value]) -> String {
    json!({ "keys": jwks }).to_string()
}

/// `jwk` with these members, or without those that are null.
pub(crate) fn with_members(mut jwk: Value, changes: Value) -> Value {
    let members = jwk.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => members.remove(name),
            value => members.insert(name.clone(), value.clone()),
        };
    }
    jwk
}

/// A fresh key.
pub(crate) fn key(algorithm: Algorithm, id: &str) -> Arc<SigningKey> {
    Arc::new(SigningKey::generate(algorithm, id))
}

/// Fails unless `holds` becomes true within a bounded number of looks.
pub(crate) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..4_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it never came to this: {what}");
}

/// Whether `holds` becomes true within a few looks; too few to prove on a slow machine that it never does, which can
/// let a fault pass but never fail without one.
pub(crate) async fn happens(mut holds: impl FnMut() -> bool) -> bool {
    for _ in 0..20 {
        if holds() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    holds()
}

/// What this thread logs while it lives.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub(crate) fn capture() -> (Self, impl Sized) {
        let log = Self::default();
        let subscriber = || {
            let everything = tracing_subscriber::fmt().with_max_level(LevelFilter::TRACE).with_ansi(false);
            everything.with_writer(log.clone()).finish()
        };
        // Two: with only one, an event that another thread met first, without any, is taken as wanted by nobody.
        let guards = (subscriber().set_default(), subscriber().set_default());
        (log, guards)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// Whether a line has all of these.
    pub(crate) fn has_line(&self, parts: &[&str]) -> bool {
        self.text().lines().any(|line| parts.iter().all(|part| line.contains(part)))
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
