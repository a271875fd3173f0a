use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::*;
use crate::clock::ManualClock;

const LIFETIME: Duration = Duration::from_secs(100);
const STALE: Duration = Duration::from_secs(1_000);

/// A source with values whose answers can be changed, and that counts the questions.
#[derive(Default)]
struct Source {
    values: Mutex<HashMap<u8, u32>>,
    asked: AtomicUsize,
    is_down: AtomicBool,
    is_silent: AtomicBool,
}

impl Source {
    fn with(values: impl IntoIterator<Item = (u8, u32)>) -> Self {
        Self { values: Mutex::new(values.into_iter().collect()), ..Self::default() }
    }

    async fn ask(&self, name: u8) -> Answer<u32> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        tokio::task::yield_now().await;
        if self.is_silent.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        if self.is_down.load(Ordering::SeqCst) {
            return Answer::unavailable("down");
        }
        match self.values.lock().unwrap().get(&name) {
            Some(value) => Answer::Found { value: *value, is_named: true },
            None => Answer::Absent,
        }
    }

    fn set(&self, name: u8, value: Option<u32>) {
        let mut values = self.values.lock().unwrap();
        match value {
            Some(value) => values.insert(name, value),
            None => values.remove(&name),
        };
    }

    fn asked(&self) -> usize {
        self.asked.swap(0, Ordering::SeqCst)
    }
}

struct Scene {
    source: Arc<Source>,
    lookups: Arc<Lookups<u32>>,
    clock: Arc<ManualClock>,
}

impl Scene {
    fn with(values: impl IntoIterator<Item = (u8, u32)>) -> Self {
        let clock = Arc::new(ManualClock::at_unix(0));
        let lifetimes =
            Lifetimes { confirmed: LIFETIME, stale: STALE, refused: LIFETIME.min(MAX_REFUSED_LIFETIME), turn: None };
        let options = Options { clock: Arc::clone(&clock) as Arc<dyn Clock>, ..Options::new(100, lifetimes) };
        let lookups = Arc::new(Lookups::new(options));
        Self { source: Arc::new(Source::with(values)), lookups, clock }
    }

    /// The value; `None` when the name is refused, and `Err` when this is not known.
    async fn get(&self, name: u8) -> Result<Option<u32>, Option<Duration>> {
        match self.lookups.get([name; 32], |_| self.source.ask(name)).await {
            Ok(value) => Ok(Some(value)),
            Err(NoValue::Absent | NoValue::Ambiguous) => Ok(None),
            Err(NoValue::Unavailable(unavailable)) => Err(unavailable.retry_after),
        }
    }

    fn after(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

#[tokio::test]
async fn known_value_is_confirmed_before_its_lifetime_ends() {
    let scene = Scene::with([(1, 10)]);
    assert_eq!(scene.get(1).await, Ok(Some(10)));
    scene.after(74);
    assert_eq!((scene.get(1).await, scene.source.asked()), (Ok(Some(10)), 1));
    scene.after(1);
    assert_eq!((scene.get(1).await, scene.source.asked()), (Ok(Some(10)), 1));
    // A change takes effect within the lifetime, also for a name that was not used for a long time.
    scene.source.set(1, Some(11));
    scene.after(100_000);
    assert_eq!((scene.get(1).await, scene.source.asked()), (Ok(Some(11)), 1));
    scene.source.set(1, None);
    scene.after(100);
    assert_eq!((scene.get(1).await, scene.source.asked()), (Ok(None), 1));
}

#[tokio::test]
async fn one_caller_asks_while_the_others_continue() {
    let scene = Arc::new(Scene::with([(1, 10)]));
    scene.get(1).await.unwrap();
    scene.source.is_silent.store(true, Ordering::SeqCst);
    scene.after(80);
    let asks = {
        let scene = Arc::clone(&scene);
        tokio::spawn(async move { scene.get(1).await })
    };
    while scene.source.asked.load(Ordering::SeqCst) < 2 {
        tokio::task::yield_now().await;
    }
    for _ in 0..10 {
        assert_eq!(scene.get(1).await, Ok(Some(10)));
    }
    assert_eq!(scene.source.asked(), 2);
    // When the caller that asks goes away, another one asks.
    asks.abort();
    assert!(asks.await.is_err());
    scene.source.is_silent.store(false, Ordering::SeqCst);
    assert_eq!((scene.get(1).await, scene.source.asked()), (Ok(Some(10)), 1));
    assert!(scene.lookups.in_flight().is_empty());
}

#[tokio::test]
async fn known_value_survives_an_outage_for_a_bounded_time() {
    let scene = Scene::with([(1, 10)]);
    scene.get(1).await.unwrap();
    scene.source.is_down.store(true, Ordering::SeqCst);
    scene.after(100);
    assert_eq!((scene.get(1).await, scene.source.asked()), (Ok(Some(10)), 2));
    // The pauses double: not every request asks.
    for pause in [1, 2, 4, 8] {
        assert_eq!((scene.get(1).await, scene.source.asked()), (Ok(Some(10)), 0));
        scene.after(pause);
        assert_eq!((scene.get(1).await, scene.source.asked()), (Ok(Some(10)), 1), "{pause}");
    }
    scene.after(984);
    assert_eq!(scene.get(1).await, Ok(Some(10)));
    scene.after(1);
    assert_eq!(scene.get(1).await, Err(None));
    // After the outage the name needs no budget.
    scene.source.is_down.store(false, Ordering::SeqCst);
    assert_eq!(scene.get(1).await, Ok(Some(10)));
}

#[tokio::test]
async fn refusal_in_an_outage_follows_the_answer() {
    let scene = Scene::with([(1, 10)]);
    scene.get(1).await.unwrap();
    scene.source.is_down.store(true, Ordering::SeqCst);
    scene.after(100);
    assert_eq!(scene.get(1).await, Ok(Some(10)));
    scene.source.set(1, None);
    scene.source.is_down.store(false, Ordering::SeqCst);
    scene.after(1);
    assert_eq!(scene.get(1).await, Ok(None));
}

#[tokio::test]
async fn made_up_names_spend_a_budget_of_their_own() {
    let scene = Scene::with([(1, 10)]);
    scene.get(1).await.unwrap();
    for name in 100..120 {
        let expected = if name < 110 { Ok(None) } else { Err(Some(Duration::from_secs(1))) };
        assert_eq!(scene.get(name).await, expected, "{name}");
    }
    assert_eq!(scene.source.asked(), 11);
    // Known names are confirmed without the budget; refused names stay refused, unknown ones stay open.
    scene.clock.advance(Duration::from_millis(999));
    assert_eq!((scene.get(1).await, scene.get(100).await), (Ok(Some(10)), Ok(None)));
    assert!(scene.get(110).await.is_err());
    scene.clock.advance(Duration::from_millis(1));
    assert_eq!((scene.get(110).await, scene.source.asked()), (Ok(None), 1));
    assert!(scene.get(111).await.is_err());
    scene.after(100);
    for name in 120..140 {
        let _spent = scene.get(name).await;
    }
    assert_eq!(scene.get(1).await, Ok(Some(10)), "asked again without the budget");
}

#[tokio::test]
async fn names_that_exist_cost_no_budget() {
    let scene = Scene::with((0..100).map(|name| (name, 7)));
    for name in 0..100 {
        assert_eq!(scene.get(name).await, Ok(Some(7)));
    }
    for name in 200..210 {
        assert_eq!(scene.get(name).await, Ok(None));
    }
}

#[tokio::test]
async fn many_existing_names_are_found_at_the_same_time() {
    let scene = Arc::new(Scene::with((0..100).map(|name| (name, 7))));
    let asks: Vec<_> = (0..100)
        .map(|name| {
            let scene = Arc::clone(&scene);
            tokio::spawn(async move { scene.get(name).await })
        })
        .collect();
    for asked in asks {
        assert_eq!(asked.await.unwrap(), Ok(Some(7)), "each waits for its turn");
    }
    assert_eq!(scene.source.asked(), 100);
}

#[tokio::test]
async fn refusals_are_remembered_for_a_short_time() {
    let scene = Scene::with([]);
    assert_eq!((scene.get(1).await, scene.get(1).await, scene.source.asked()), (Ok(None), Ok(None), 1));
    scene.source.set(1, Some(10));
    scene.after(29);
    // Tokens that come meanwhile do not extend it.
    assert_eq!(scene.get(1).await, Ok(None));
    scene.after(1);
    assert_eq!(scene.get(1).await, Ok(Some(10)));
}

#[tokio::test]
async fn forgotten_names_are_asked_about_again() {
    let scene = Arc::new(Scene::with([(1, 10)]));
    assert_eq!((scene.get(1).await, scene.get(2).await), (Ok(Some(10)), Ok(None)));
    scene.source.set(1, None);
    scene.source.set(2, Some(20));
    for name in [1, 2] {
        scene.lookups.forget(&[name; 32]);
    }
    assert_eq!((scene.get(1).await, scene.get(2).await), (Ok(None), Ok(Some(20))));

    // A question that began before does not bring the name back.
    let waiting = {
        let scene = Arc::clone(&scene);
        tokio::spawn(async move {
            let asked = scene.lookups.get([3; 32], |_| async {
                tokio::task::yield_now().await;
                Answer::Found { value: 30, is_named: true }
            });
            asked.await.unwrap()
        })
    };
    while !scene.lookups.is_in_flight(&[3; 32]) {
        tokio::task::yield_now().await;
    }
    scene.lookups.forget(&[3; 32]);
    assert_eq!(waiting.await.unwrap(), 30);
    assert_eq!(scene.get(3).await, Ok(None));
}

#[tokio::test]
async fn panic_fails_one_caller_and_no_known_name() {
    let scene = Arc::new(Scene::with([(1, 10)]));
    let panics = |name: u8| {
        let scene = Arc::clone(&scene);
        tokio::spawn(async move {
            let asked = scene.lookups.get([name; 32], |_| async { panic!("a defect of the source") });
            asked.await.is_ok()
        })
    };
    assert!(panics(1).await.unwrap_err().is_panic());
    assert_eq!(scene.get(1).await, Ok(Some(10)));
    scene.after(100);
    assert!(panics(1).await.unwrap(), "the value stays in use");
    scene.after(1);
    assert_eq!((scene.get(1).await, scene.source.asked()), (Ok(Some(10)), 2));
    assert!(scene.lookups.in_flight().is_empty());
}

#[tokio::test]
async fn waiting_callers_are_bounded() {
    let scene = Arc::new(Scene::with([(1, 10)]));
    scene.get(1).await.unwrap();
    scene.source.is_silent.store(true, Ordering::SeqCst);
    let wait_for = |name: u8| {
        let scene = Arc::clone(&scene);
        tokio::spawn(async move { scene.get(name).await })
    };
    let waiting: Vec<_> = (0..Limits::default().waiting + 200).map(|_| wait_for(2)).collect();
    while scene.lookups.places_for_unknown.available_permits() > 0 {
        tokio::task::yield_now().await;
    }
    for _ in 0..10_000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(waiting.iter().filter(|waiting| waiting.is_finished()).count(), 200);
    assert_eq!(scene.get(2).await, Err(Some(Duration::from_secs(1))));
    assert_eq!(scene.source.asked(), 2);
    // Strangers who wait take no place of a known name.
    scene.source.is_silent.store(false, Ordering::SeqCst);
    scene.after(100);
    assert_eq!(scene.get(1).await, Ok(Some(10)));
    for waiting in waiting {
        waiting.abort();
    }
    while !scene.lookups.in_flight().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(scene.get(2).await, Ok(None));
}
