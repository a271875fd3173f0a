//! Open sets of issuers: what is remembered, what the directory is asked, and what a flood of made-up issuers costs.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis::error::Unavailable;
use portcullis::verifier::{IssuerDirectory, OpenIssuers};
use portcullis::{Config, ConfigError, Gate, JwtVerifier, Reason, async_trait};
use portcullis_testing::{IssuerServer, TestIssuer};

#[cfg(target_os = "linux")]
use crate::child::{ran_alone, resident_bytes};
use crate::{es256, reason};

/// What the directory does with the next questions.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Mood {
    Answers,
    IsDown,
    IsSilent,
    Panics,
}

/// Accepts `https://customer-N.test/` for each known customer.
#[derive(Debug)]
struct Customers {
    keys: TestIssuer,
    known: AtomicUsize,
    asked: AtomicUsize,
    made: AtomicUsize,
    mood: Mutex<Mood>,
    /// The audience of all customers.
    audience: Mutex<String>,
    panics_when_made: AtomicBool,
}

#[async_trait]
impl IssuerDirectory for Customers {
    type Entry = String;

    async fn find(&self, unverified_issuer: &str) -> Result<Option<String>, Unavailable> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        tokio::task::yield_now().await;
        let mood = *self.mood.lock().unwrap();
        match mood {
            Mood::Answers => {}
            Mood::IsDown => return Err(Unavailable::new().with_retry_after(Duration::from_secs(42))),
            Mood::IsSilent => std::future::pending().await,
            Mood::Panics => panic!("a defect of the directory"),
        }
        let number = unverified_issuer.strip_prefix("https://customer-").and_then(|rest| rest.strip_suffix(".test/"));
        let known = self.known.load(Ordering::SeqCst);
        let is_ours = number.and_then(|number| number.parse::<usize>().ok()).is_some_and(|number| number < known);
        Ok(is_ours.then(|| self.audience.lock().unwrap().clone()))
    }

    fn verifier(&self, issuer: &str, audience: &String) -> Result<JwtVerifier, ConfigError> {
        self.made.fetch_add(1, Ordering::SeqCst);
        assert!(!self.panics_when_made.load(Ordering::SeqCst), "a defect of the directory");
        if audience.is_empty() {
            return Err(ConfigError::new("audience", "empty", "write the audience of the customer"));
        }
        self.keys.clone().with_url(issuer).verifier().audience(audience.as_str()).build()
    }
}

impl Customers {
    fn set(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    fn asked(&self) -> usize {
        self.asked.swap(0, Ordering::SeqCst)
    }
}

const LONG: Duration = Duration::from_secs(600);

fn customers(
    known: usize,
    capacity: u64,
    recheck: Duration,
) -> (TestIssuer, Arc<Customers>, Arc<OpenIssuers<Arc<Customers>>>) {
    let keys = es256();
    let directory = Arc::new(Customers {
        audience: Mutex::new(keys.audience().to_owned()),
        keys: keys.clone(),
        known: AtomicUsize::new(known),
        asked: AtomicUsize::new(0),
        made: AtomicUsize::new(0),
        mood: Mutex::new(Mood::Answers),
        panics_when_made: AtomicBool::new(false),
    });
    let open = OpenIssuers::new(Arc::clone(&directory), capacity, recheck).unwrap();
    (keys, directory, Arc::new(open))
}

fn token_of(keys: &TestIssuer, number: usize) -> String {
    keys.token().issuer(&format!("https://customer-{number}.test/")).sign()
}

async fn status(gate: &Gate, token: &str) -> u16 {
    gate.verify(token).await.map_or_else(|error| error.status(), |_| 200)
}

#[tokio::test]
async fn verifier_is_made_once_for_concurrent_requests() {
    let (keys, directory, open) = customers(10, 100, LONG);
    let gate = Gate::new(open);
    let token = token_of(&keys, 3);
    let asks = (0..100).map(|_| {
        let (gate, token) = (gate.clone(), token.clone());
        tokio::spawn(async move { gate.verify(&token).await.is_ok() })
    });
    for ask in asks.collect::<Vec<_>>() {
        assert!(ask.await.unwrap());
    }
    assert_eq!((directory.asked(), directory.made.load(Ordering::SeqCst)), (1, 1));
}

#[tokio::test]
async fn unknown_issuers_are_remembered_and_an_unsure_directory_is_a_503() {
    let (keys, directory, open) = customers(10, 100, LONG);
    let gate = Gate::new(open);
    for _ in 0..10 {
        assert_eq!(reason(&gate, &token_of(&keys, 77)).await, Some(Reason::WrongIssuer));
    }
    assert_eq!(directory.asked(), 1);
    directory.set(Mood::IsDown);
    let refusal = gate.refuse(&gate.verify(&token_of(&keys, 5)).await.unwrap_err());
    assert_eq!(refusal.status, 503);
    assert!(refusal.headers.contains(&("retry-after".to_owned(), "42".to_owned())), "{refusal:?}");
    directory.set(Mood::Answers);
    assert!(gate.verify(&token_of(&keys, 5)).await.is_ok());
}

#[tokio::test]
async fn open_issuers_stay_within_the_bound() {
    let (keys, _, open) = customers(10_000, 100, LONG);
    let gate = Gate::new(Arc::clone(&open));
    for number in 0..2_000 {
        assert!(gate.verify(&token_of(&keys, number)).await.is_ok());
    }
    assert!(open.cached_verifiers() <= 100);
}

#[test]
fn zero_capacity_or_recheck_is_an_error() {
    let with = |capacity, recheck| {
        let (_, directory, _) = customers(1, 1, LONG);
        OpenIssuers::new(directory, capacity, recheck).map(|_| ()).map_err(|error| error.field().to_owned())
    };
    assert_eq!(with(0, LONG), Err("capacity".to_owned()));
    assert_eq!(with(1, Duration::ZERO), Err("recheck".to_owned()));
    assert_eq!(with(u64::MAX, Duration::MAX), Ok(()));
}

#[tokio::test]
async fn longest_recheck_is_harmless() {
    let (keys, directory, open) = customers(1, u64::MAX, Duration::MAX);
    let gate = Gate::new(open);
    for _ in 0..3 {
        assert_eq!(status(&gate, &token_of(&keys, 0)).await, 200);
        assert_eq!(status(&gate, &token_of(&keys, 1)).await, 401);
    }
    assert_eq!(directory.asked(), 2);
}

/// Accepts one issuer, and makes a new verifier that fetches keys at each call, as the example of the documentation does.
#[derive(Debug)]
struct OneServer {
    issuer: String,
    audience: String,
}

#[async_trait]
impl IssuerDirectory for OneServer {
    type Entry = ();

    async fn find(&self, unverified_issuer: &str) -> Result<Option<()>, Unavailable> {
        Ok((unverified_issuer == self.issuer).then_some(()))
    }

    fn verifier(&self, issuer: &str, (): &()) -> Result<JwtVerifier, ConfigError> {
        Config::new(issuer, &self.audience).verifier()
    }
}

fn one_server(recheck: Duration) -> (IssuerServer, Gate) {
    let server = es256().serve();
    let directory = OneServer { issuer: server.url(), audience: server.issuer().audience().to_owned() };
    let gate = Gate::new(OpenIssuers::new(directory, 10, recheck).unwrap());
    (server, gate)
}

#[tokio::test]
async fn keys_survive_every_recheck_during_an_outage() {
    let recheck = Duration::from_millis(20);
    let (server, gate) = one_server(recheck);
    let token = server.issuer().token().sign();
    assert_eq!(status(&gate, &token).await, 200);
    server.go_down();
    for _ in 0..10 {
        tokio::time::sleep(recheck).await;
        assert_eq!(status(&gate, &token).await, 200);
    }
    assert_eq!(server.jwks_hits(), 1, "a recheck fetches no keys");
}

#[tokio::test]
async fn outage_of_the_directory_drops_no_issuer() {
    let recheck = Duration::from_millis(20);
    let (keys, directory, open) = customers(10, 100, recheck);
    let gate = Gate::new(open);
    let token = token_of(&keys, 3);
    assert_eq!(status(&gate, &token).await, 200);
    for mood in [Mood::IsDown, Mood::Panics, Mood::IsDown] {
        directory.set(mood);
        tokio::time::sleep(recheck).await;
        directory.asked();
        for _ in 0..20 {
            assert_eq!(status(&gate, &token).await, 200, "{mood:?}");
        }
        assert!(directory.asked() <= 1, "one question, then a pause");
    }
    assert_eq!(directory.made.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn removed_issuer_is_refused_after_the_recheck() {
    let recheck = Duration::from_millis(50);
    let (keys, directory, open) = customers(10, 100, recheck);
    let gate = Gate::new(open);
    let token = token_of(&keys, 3);
    assert_eq!(status(&gate, &token).await, 200);
    directory.known.store(0, Ordering::SeqCst);
    tokio::time::sleep(recheck).await;
    assert_eq!(reason(&gate, &token).await, Some(Reason::WrongIssuer), "the first token after the recheck");
}

#[tokio::test]
async fn forgotten_issuer_is_asked_about_at_once() {
    let (keys, directory, open) = customers(1, 100, LONG);
    let gate = Gate::new(Arc::clone(&open));
    let (removed, added) = (token_of(&keys, 0), token_of(&keys, 1));
    assert_eq!((status(&gate, &removed).await, status(&gate, &added).await), (200, 401));
    directory.known.store(2, Ordering::SeqCst);
    assert_eq!(status(&gate, &added).await, 401, "the refusal is remembered");
    open.forget("https://customer-1.test/");
    assert_eq!(status(&gate, &added).await, 200);
    directory.known.store(0, Ordering::SeqCst);
    open.forget("https://customer-0.test/");
    assert_eq!(status(&gate, &removed).await, 401);
}

#[tokio::test]
async fn changed_entry_changes_the_verifier() {
    let recheck = Duration::from_millis(50);
    let (keys, directory, open) = customers(10, 100, recheck);
    let gate = Gate::new(open);
    let token = token_of(&keys, 3);
    assert_eq!(status(&gate, &token).await, 200);
    tokio::time::sleep(recheck).await;
    assert_eq!(status(&gate, &token).await, 200);
    assert_eq!(directory.made.load(Ordering::SeqCst), 1, "the entry is the same");
    *directory.audience.lock().unwrap() = "another".to_owned();
    tokio::time::sleep(recheck).await;
    assert_eq!(reason(&gate, &token).await, Some(Reason::WrongAudience));
    assert_eq!(directory.made.load(Ordering::SeqCst), 2);
    // An entry that can't be used leaves the verifier before in use.
    *directory.audience.lock().unwrap() = String::new();
    tokio::time::sleep(recheck).await;
    assert_eq!(reason(&gate, &token).await, Some(Reason::WrongAudience));
    assert_eq!(status(&gate, &token_of(&keys, 4)).await, 503);
}

#[tokio::test]
async fn panicking_directory_is_a_500_for_one_request() {
    let (keys, directory, open) = customers(10, 100, LONG);
    let gate = Gate::new(open);
    let token = token_of(&keys, 3);
    directory.set(Mood::Panics);
    assert_eq!(status(&gate, &token).await, 500);
    directory.set(Mood::Answers);
    directory.panics_when_made.store(true, Ordering::SeqCst);
    assert_eq!(status(&gate, &token).await, 500);
    directory.panics_when_made.store(false, Ordering::SeqCst);
    assert_eq!(status(&gate, &token).await, 200);
}

#[tokio::test]
async fn made_up_issuers_cost_the_directory_little() {
    let recheck = Duration::from_millis(20);
    let (keys, _, open) = customers(10, 100, recheck);
    let gate = Gate::new(open);
    let good = token_of(&keys, 3);
    assert_eq!(status(&gate, &good).await, 200);
    let (started_at, mut refused) = (Instant::now(), 0);
    for number in 1_000..2_000 {
        let error = gate.verify(&token_of(&keys, number)).await.unwrap_err();
        match error.status() {
            401 => refused += 1,
            _ => {
                let refusal = gate.refuse(&error);
                assert!(refusal.headers.contains(&("retry-after".to_owned(), "1".to_owned())), "{refusal:?}");
            }
        }
        assert_eq!(status(&gate, &good).await, 200, "an accepted issuer is not affected");
    }
    let most = 10 + started_at.elapsed().as_secs() + 1;
    assert!((10..=most).contains(&refused), "{refused}");
}

#[tokio::test]
async fn silent_directory_makes_accepted_issuers_wait_once() {
    let recheck = Duration::from_millis(20);
    let (keys, directory, open) = customers(10, 100, recheck);
    let gate = Gate::new(open);
    let (known, new) = (token_of(&keys, 3), token_of(&keys, 4));
    assert_eq!(status(&gate, &known).await, 200);
    directory.set(Mood::IsSilent);
    tokio::time::sleep(recheck).await;
    let started_at = Instant::now();
    assert_eq!(tokio::join!(status(&gate, &known), status(&gate, &new)), (200, 503));
    assert!(started_at.elapsed() < Duration::from_secs(9), "{:?}", started_at.elapsed());
    assert_eq!(status(&gate, &known).await, 200);
    assert!(started_at.elapsed() < Duration::from_secs(9), "{:?}", started_at.elapsed());
}

/// A token with this issuer and a signature that is not checked, because the issuer is made up.
fn unsigned(issuer: &str) -> String {
    let part = |json: String| URL_SAFE_NO_PAD.encode(json);
    let header = part(r#"{"alg":"ES256","kid":"k"}"#.to_owned());
    format!("{header}.{}.AAAA", part(format!(r#"{{"iss":"{issuer}"}}"#)))
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn flood_of_made_up_issuers_keeps_memory_flat() {
    // Other tests of this process use memory as well.
    if ran_alone("open::flood_of_made_up_issuers_keeps_memory_flat") {
        return;
    }
    let (keys, directory, open) = customers(10, 100, LONG);
    let gate = Gate::new(Arc::clone(&open));
    let good = token_of(&keys, 3);
    assert_eq!(status(&gate, &good).await, 200);
    let flood = |names: std::ops::Range<u32>| {
        let gate = gate.clone();
        async move {
            for name in names {
                assert!(gate.verify(&unsigned(&format!("https://made-up-{name}.example/"))).await.is_err());
            }
        }
    };
    flood(0..5_000).await;
    let before = resident_bytes();
    flood(5_000..40_000).await;
    let names = resident_bytes().saturating_sub(before);
    assert_eq!(status(&gate, &good).await, 200);

    // As many callers as can connect wait behind a silent directory.
    directory.set(Mood::IsSilent);
    let callers: Vec<_> = (0..5_000)
        .map(|name| {
            let gate = gate.clone();
            let token = unsigned(&format!("https://waiting-{name}.example/"));
            tokio::spawn(async move { status(&gate, &token).await })
        })
        .collect();
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    let waiting = callers.iter().filter(|caller| !caller.is_finished()).count();
    assert!(waiting <= 1_000, "{waiting}");
    for caller in callers {
        caller.abort();
    }
    assert!(names < 2 << 20, "{names} bytes for 35,000 made-up issuers");
    assert_eq!(open.cached_verifiers(), 1);
}
