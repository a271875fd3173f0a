//! Two threads in every order: callers that ask and wait, and fetches that end, are lost or are stopped.

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use loom::future::block_on;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use loom::thread;

use crate::keys::remote::coordinator::{Coordinator, Waited};
use crate::keys::remote::fetch_state::{Failed, Later, Lookup, Moment, NewFetch, Request, Step};
use crate::keys::remote::schedule::FetchSchedule;

const NOW: Moment = Moment { clock: Duration::from_secs(1_000), network: Duration::from_secs(1_000) };
const NAME: [u8; 16] = [7; 16];

/// The shell around the decisions, as in `cached_key_set.rs`, without tokio. A fetch ends on the thread that started it.
struct KeySet {
    coordinator: Coordinator<u8, u64>,
    /// The number of the fetch whose keys are cached; 0 means no keys.
    cached: AtomicU64,
    /// The number of the first fetch whose keys have the name.
    published: u64,
    started: AtomicUsize,
}

#[derive(Debug, Eq, PartialEq)]
enum Answer {
    Found,
    Missing,
    Later(Later),
}

impl KeySet {
    fn new(published: u64) -> Arc<Self> {
        let schedule = FetchSchedule::new(Duration::from_secs(30), 3, Duration::ZERO);
        Arc::new(Self {
            coordinator: Coordinator::new(schedule, Duration::from_secs(6)),
            cached: AtomicU64::new(0),
            published,
            started: AtomicUsize::new(0),
        })
    }

    /// With the keys of the first fetch.
    fn warm(published: u64) -> Arc<Self> {
        let keys = Self::new(published);
        let fetch = keys.start();
        keys.succeed(fetch);
        keys
    }

    /// Starts a fetch that another thread ends.
    fn start(&self) -> NewFetch {
        let Step::Start(fetch) = self.coordinator.ask_for_keys(Self::request(self.seen(), None), NOW) else {
            panic!("no fetch")
        };
        self.started.fetch_add(1, Ordering::SeqCst);
        fetch
    }

    fn seen(&self) -> u64 {
        self.cached.load(Ordering::SeqCst)
    }

    fn request(seen: u64, waited_for: Option<u64>) -> Request<u8> {
        Request { seen, waited_for, runtime: 0 }
    }

    fn succeed(&self, fetch: NewFetch) {
        self.coordinator.succeeded(fetch.number, || self.cached.store(fetch.number, Ordering::SeqCst));
    }

    fn fail(&self, fetch: NewFetch) {
        let failed = Failed { error: "down".to_owned(), retry_after: None, has_keys: true };
        self.coordinator.failed(fetch.number, failed, NOW.clock, 0.0);
    }

    /// A caller without keys.
    async fn keys(&self) -> Answer {
        let mut waited_for = None;
        loop {
            // One look: keys that are cached after it are found by the request.
            let seen = self.seen();
            if seen > 0 {
                return Answer::Found;
            }
            let step = self.coordinator.ask_for_keys(Self::request(seen, waited_for), NOW);
            if let Some(answer) = self.take(step, &mut waited_for).await {
                return answer;
            }
        }
    }

    /// A caller with a name that the first keys do not have.
    async fn name(&self) -> Answer {
        let (mut waited_for, mut lookup) = (None, Lookup::new(NAME));
        loop {
            let seen = self.seen();
            if seen >= self.published {
                return Answer::Found;
            }
            let step = self.coordinator.ask_for_name(&mut lookup, Self::request(seen, waited_for), NOW);
            if let Some(answer) = self.take(step, &mut waited_for).await {
                return answer;
            }
        }
    }

    async fn take(&self, step: Step, waited_for: &mut Option<u64>) -> Option<Answer> {
        let (number, round) = match step {
            Step::Look => return None,
            Step::Missing => return Some(Answer::Missing),
            Step::Later(later) => return Some(Answer::Later(later)),
            Step::Start(fetch) => {
                self.started.fetch_add(1, Ordering::SeqCst);
                let _ = self.coordinator.started(fetch.number, fetch.number);
                self.succeed(fetch);
                (fetch.number, fetch.round)
            }
            Step::Wait { number, round, .. } => (number, round),
        };
        *waited_for = Some(number);
        assert_eq!(self.coordinator.wait(round).await, Waited::RoundEnded);
        None
    }
}

/// Runs `test` in every order, and fails if there is only one.
fn in_every_order(test: impl Fn() + Send + Sync + 'static) {
    let orders = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counter = std::sync::Arc::clone(&orders);
    loom::model(move || {
        counter.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        test();
    });
    assert!(orders.load(std::sync::atomic::Ordering::SeqCst) > 1);
}

#[test]
fn caller_that_waits_is_woken_by_each_end() {
    let ends: [fn(&KeySet, NewFetch); 4] = [
        |keys, fetch| keys.succeed(fetch),
        |keys, fetch| keys.fail(fetch),
        |keys, fetch| {
            let _fetch = keys.coordinator.lost(fetch.number);
        },
        |keys, _| {
            let _task = keys.coordinator.stop();
        },
    ];
    for end in ends {
        in_every_order(move || {
            let keys = KeySet::new(0);
            let fetch = keys.start();
            let ended = {
                let keys = Arc::clone(&keys);
                thread::spawn(move || end(&keys, fetch))
            };
            // After a failure the caller gets that answer, and after a loss it starts another fetch.
            assert!(matches!(block_on(keys.keys()), Answer::Found | Answer::Later(Later::Failing)));
            ended.join().unwrap();
        });
    }
}

#[test]
fn callers_without_keys_share_one_fetch() {
    in_every_order(|| {
        let keys = KeySet::new(0);
        let other = {
            let keys = Arc::clone(&keys);
            thread::spawn(move || block_on(keys.keys()))
        };
        assert_eq!((block_on(keys.keys()), other.join().unwrap()), (Answer::Found, Answer::Found));
        assert_eq!(keys.started.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn lost_fetch_is_replaced_by_one_caller() {
    in_every_order(|| {
        let keys = KeySet::new(0);
        let lost = keys.start();
        let other = {
            let keys = Arc::clone(&keys);
            thread::spawn(move || block_on(keys.keys()))
        };
        keys.coordinator.lost(lost.number);
        assert_eq!((block_on(keys.keys()), other.join().unwrap()), (Answer::Found, Answer::Found));
        assert_eq!(keys.started.load(Ordering::SeqCst), 2, "one replacement");
    });
}

#[test]
fn fetch_that_started_later_wins() {
    in_every_order(|| {
        let keys = KeySet::new(0);
        let first = keys.start();
        keys.coordinator.lost(first.number);
        let second = keys.start();
        let late = {
            let keys = Arc::clone(&keys);
            thread::spawn(move || keys.succeed(first))
        };
        keys.succeed(second);
        late.join().unwrap();
        assert_eq!(keys.cached.load(Ordering::SeqCst), second.number);
    });
    in_every_order(|| {
        let keys = KeySet::new(0);
        let first = keys.start();
        keys.coordinator.lost(first.number);
        let second = keys.start();
        let late = {
            let keys = Arc::clone(&keys);
            thread::spawn(move || keys.fail(first))
        };
        keys.succeed(second);
        late.join().unwrap();
        assert!(!keys.coordinator.status(NOW.clock).failing);
    });
}

#[test]
fn name_is_looked_up_after_its_appearance() {
    // The keys of the fetch in flight do not have the name; those of a later one do, or do not either.
    for (published, expected) in [(3, Answer::Found), (9, Answer::Missing)] {
        let expected = std::sync::Arc::new(expected);
        in_every_order(move || {
            let keys = KeySet::warm(published);
            let Some(refresh) = keys.coordinator.ask_for_refresh(1, 0, NOW) else { panic!("no refresh") };
            let ended = {
                let keys = Arc::clone(&keys);
                thread::spawn(move || keys.succeed(refresh))
            };
            assert_eq!(block_on(keys.name()), *expected);
            ended.join().unwrap();
            let started = keys.started.load(Ordering::SeqCst);
            assert_eq!(started, 2, "the first one, and one after the name appeared");
        });
    }
}

#[test]
fn callers_with_one_name_share_one_fetch() {
    in_every_order(|| {
        let keys = KeySet::warm(2);
        let other = {
            let keys = Arc::clone(&keys);
            thread::spawn(move || block_on(keys.name()))
        };
        assert_eq!((block_on(keys.name()), other.join().unwrap()), (Answer::Found, Answer::Found));
        assert_eq!(keys.started.load(Ordering::SeqCst), 2);
    });
}

#[test]
fn canceled_caller_leaves_the_others_waiting() {
    in_every_order(|| {
        let keys = KeySet::new(0);
        let fetch = keys.start();
        let ended = {
            let keys = Arc::clone(&keys);
            thread::spawn(move || keys.succeed(fetch))
        };
        {
            let mut canceled = pin!(keys.keys());
            let _ = canceled.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        }
        assert_eq!(block_on(keys.keys()), Answer::Found);
        ended.join().unwrap();
    });
    // The canceled caller is on the other thread.
    in_every_order(|| {
        let keys = KeySet::new(0);
        let fetch = keys.start();
        let canceled = {
            let keys = Arc::clone(&keys);
            thread::spawn(move || {
                let mut canceled = pin!(keys.keys());
                let _ = canceled.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            })
        };
        let mut waits = pin!(keys.keys());
        let first = waits.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        keys.succeed(fetch);
        canceled.join().unwrap();
        assert!(first.is_pending());
        assert_eq!(block_on(waits), Answer::Found);
    });
}

#[test]
fn caller_that_moves_to_another_task_is_woken() {
    in_every_order(|| {
        let keys = KeySet::new(0);
        let fetch = keys.start();
        let ended = {
            let keys = Arc::clone(&keys);
            thread::spawn(move || keys.succeed(fetch))
        };
        let mut moves = pin!(keys.keys());
        match moves.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(answer) => assert_eq!(answer, Answer::Found),
            Poll::Pending => assert_eq!(block_on(moves), Answer::Found),
        }
        ended.join().unwrap();
    });
}

#[test]
fn stopped_fetch_hands_its_task_to_one_thread() {
    in_every_order(|| {
        let keys = KeySet::new(0);
        let fetch = keys.start();
        let stopped = {
            let keys = Arc::clone(&keys);
            thread::spawn(move || keys.coordinator.stop())
        };
        let refused = keys.coordinator.started(fetch.number, 42).err();
        let stopped = stopped.join().unwrap();
        assert_eq!(refused.or(stopped), Some(42));
        assert!(refused.is_none() || stopped.is_none());
        assert_eq!(block_on(keys.keys()), Answer::Found, "another fetch can start");
    });
}

#[test]
fn refresh_and_lookup_start_one_fetch_at_a_time() {
    in_every_order(|| {
        let keys = KeySet::warm(2);
        let refresh = {
            let keys = Arc::clone(&keys);
            thread::spawn(move || {
                let refresh = keys.coordinator.ask_for_refresh(1, 0, NOW);
                if let Some(fetch) = refresh {
                    keys.succeed(fetch);
                }
                usize::from(refresh.is_some())
            })
        };
        assert_eq!(block_on(keys.name()), Answer::Found);
        let refreshes = refresh.join().unwrap();
        let started = keys.started.load(Ordering::SeqCst) + refreshes;
        assert!((2..=3).contains(&started), "{started}");
    });
}

#[test]
fn fetch_ends_while_it_is_reported_lost() {
    in_every_order(|| {
        let keys = KeySet::new(0);
        let fetch = keys.start();
        let watches = {
            let keys = Arc::clone(&keys);
            thread::spawn(move || {
                if keys.coordinator.heartbeats(fetch.number).is_some() {
                    keys.coordinator.lost(fetch.number);
                }
            })
        };
        keys.coordinator.heartbeat(fetch.number);
        keys.succeed(fetch);
        watches.join().unwrap();
        assert_eq!(block_on(keys.keys()), Answer::Found);
        assert_eq!(keys.started.load(Ordering::SeqCst), 1);
    });
}
