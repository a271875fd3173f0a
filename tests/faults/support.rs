//! An issuer on this machine, a gate that fetches its keys, and a manual clock.

use std::sync::Arc;
use std::time::Duration;

use portcullis::clock::ManualClock;
use portcullis::jose::Algorithm;
use portcullis::keys::{RemoteKeys, RemoteKeysBuilder};
use portcullis::{Audience, AuthError, Gate, JwtVerifier, KeyProvider, Reason};
use portcullis_testing::{IssuerServer, SigningKey, TestIssuer};
use serde_json::{Value, json};

/// A time after which keys of the default lifetime are refreshed.
pub(crate) const REFRESH_DUE: Duration = Duration::from_secs(11 * 60);
/// Longer than every pause after a failure.
pub(crate) const ANY_PAUSE: Duration = Duration::from_secs(400);

pub(crate) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// An issuer and a gate for its tokens.
pub(crate) struct Scene {
    pub(crate) server: IssuerServer,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) keys: RemoteKeys,
    pub(crate) gate: Gate,
}

impl Scene {
    /// Without cached keys. The URL of the keys is configured.
    pub(crate) fn cold() -> Self {
        Self::with(|builder| builder)
    }

    /// [`Self::cold`], with options.
    pub(crate) fn with(options: impl FnOnce(RemoteKeysBuilder) -> RemoteKeysBuilder) -> Self {
        Self::over(es256().serve(), |server, builder| options(builder).at(&server.jwks_url()).unwrap())
    }

    /// Without cached keys. The metadata names the URL of the keys.
    pub(crate) fn discovering() -> Self {
        Self::over(es256().serve(), |server, builder| builder.discover(&server.url()).unwrap())
    }

    /// With cached keys.
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

    /// A good token, signed with the current key.
    pub(crate) fn token(&self) -> String {
        self.server.issuer().token().sign()
    }

    /// A token with a `kid` that the issuer does not have.
    pub(crate) fn token_of_unknown_key(&self, kid: &str) -> String {
        self.server.issuer().token().header("kid", kid).sign()
    }

    pub(crate) async fn admits(&self, token: &str) {
        if let Err(error) = self.gate.verify(token).await {
            panic!("refused: {error}; {:?}", self.keys.status());
        }
    }

    /// Expects 401 with this reason.
    pub(crate) async fn refuses(&self, token: &str, reason: Reason) {
        refuses(&self.gate, token, reason).await;
    }

    /// Expects 503 without a challenge, and returns the seconds of its `Retry-After`.
    pub(crate) async fn is_unavailable(&self, token: &str) -> u64 {
        unavailable(&self.gate, token).await
    }

    /// Makes the keys due for a refresh, starts it with a good token, and waits until it has failed. Returns its error.
    pub(crate) async fn fail_to_refresh(&self, token: &str) -> String {
        self.clock.advance(REFRESH_DUE);
        self.admits(token).await;
        let pause = || self.keys.status().next_attempt.is_some_and(|pause| !pause.is_zero());
        eventually("the refresh has failed", pause).await;
        self.keys.status().last_error.unwrap()
    }

    /// Makes the keys due for a refresh, starts it with a good token, and waits until it is complete.
    pub(crate) async fn refresh(&self, token: &str) {
        self.clock.advance(REFRESH_DUE);
        self.admits(token).await;
        self.refreshed().await;
    }

    /// Waits until the cached keys have been fetched at the current time of the clock.
    pub(crate) async fn refreshed(&self) {
        eventually("the refresh is complete", || self.keys.status().age == Some(Duration::ZERO)).await;
    }

    /// Whether a request after this time starts a fetch. The request is admitted in both cases.
    pub(crate) async fn fetches_again(&self, after: Duration, token: &str) -> bool {
        let before = self.server.jwks_hits();
        self.clock.advance(after);
        self.admits(token).await;
        happens(|| self.server.jwks_hits() > before).await
    }

    /// Expects a successful fetch within a few attempts; a busy machine may need more than one.
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

/// Expects that a fetch with this fault fails: without cached keys every token gets 503; with cached keys good tokens are
/// admitted and tokens with an unknown key get 503; and the issuer sees one request. Returns the error in the status.
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
    let hits = cold.server.jwks_hits();
    assert!(hits <= 1, "one attempt: {hits}");
    let status = cold.keys.status();
    assert!(!status.ready && status.last_error.is_some() && status.next_attempt.is_some(), "{status:?}");
    for _ in 0..5 {
        cold.is_unavailable(&cold.token()).await;
    }
    assert_eq!(cold.server.jwks_hits(), hits, "not once for each request");
    cold.server.behave();
    cold.server.come_back();
    cold.recovers().await;

    let warm = Scene::with(&options).warmed().await;
    let token = warm.token();
    let before = warm.server.jwks_hits();
    break_it(&warm.server);
    let error = warm.fail_to_refresh(&token).await;
    let hits = warm.server.jwks_hits();
    assert!(hits <= before + 1, "one attempt: {hits}");
    for _ in 0..5 {
        warm.admits(&token).await;
        warm.is_unavailable(&warm.token_of_unknown_key("other")).await;
    }
    assert_eq!(warm.server.jwks_hits(), hits, "not once for each request");
    assert!(warm.keys.status().ready);
    warm.server.behave();
    warm.server.come_back();
    warm.recovers().await;
    warm.admits(&token).await;
    error
}

/// Expects that a fetch with this change succeeds, without and with cached keys.
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

/// [`gate`], with cached tokens.
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
    assert!(matches!(error.error(), AuthError::Unavailable(_)), "{error}");
    let refusal = gate.refuse(&error);
    assert_eq!((refusal.status, refusal.reason), (503, None));
    let header = |name: &str| refusal.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.clone());
    assert_eq!(header("www-authenticate"), None);
    let seconds = header("retry-after").expect("Retry-After").parse().unwrap();
    assert!(seconds >= 1);
    seconds
}

/// An issuer with keys that are generated quickly.
pub(crate) fn es256() -> TestIssuer {
    TestIssuer::from_algorithms([Algorithm::Es256])
}

/// A key set of these JWKs.
pub(crate) fn set_of(jwks: &[Value]) -> String {
    json!({ "keys": jwks }).to_string()
}

/// Returns `jwk` with these members. `null` removes a member.
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

/// A new key.
pub(crate) fn key(algorithm: Algorithm, id: &str) -> Arc<SigningKey> {
    Arc::new(SigningKey::generate(algorithm, id))
}

/// Waits until `holds` is true, and fails after a bounded number of checks.
pub(crate) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..4_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("this never happened: {what}");
}

/// Whether `holds` becomes true within a few checks. On a slow machine they may be too few, so a caller that expects
/// `false` may miss a defect, but never fails without one.
pub(crate) async fn happens(mut holds: impl FnMut() -> bool) -> bool {
    for _ in 0..20 {
        if holds() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    holds()
}
