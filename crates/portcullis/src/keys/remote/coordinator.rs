//! The lock around the decisions about fetches, and the future with which callers wait.
//!
//! Under the lock no foreign code runs: no clock, event, waker or destructor of a task. Wakers are woken, and tasks are
//! dropped, after the lock is released.

use std::pin::Pin;
use std::sync::PoisonError;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::keys::remote::fetch_state::{Afterwards, Failed, FetchState, Lookup, Moment, NewFetch, Request, Step};
use crate::keys::remote::schedule::FetchSchedule;
use crate::keys::remote::sync::{Mutex, MutexGuard, TryLockError};
use crate::keys::remote::waiters::{Joined, Place};

/// Decides for all callers of one key set. `R` identifies a runtime, and `T` is the task of a fetch.
#[derive(Debug)]
pub(super) struct Coordinator<R, T> {
    state: Mutex<FetchState<R, T>>,
}

/// What a status shows.
#[derive(Debug)]
pub(super) struct FetchStatus {
    pub(super) failing: bool,
    pub(super) last_error: Option<String>,
    pub(super) pause: Duration,
}

/// Waits until a round ends.
#[derive(Debug)]
pub(super) struct Wait<'a, R: Clone + Eq, T> {
    coordinator: &'a Coordinator<R, T>,
    round: u64,
    place: Option<Place>,
}

/// Why waiting is over.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Waited {
    /// The round ended. The caller asks again.
    RoundEnded,
    /// As many callers wait as may.
    TooMany,
}

impl<R: Clone + Eq, T> Coordinator<R, T> {
    pub(super) fn new(schedule: FetchSchedule, overdue_after: Duration) -> Self {
        Self { state: Mutex::new(FetchState::new(schedule, overdue_after)) }
    }

    pub(super) fn status(&self, now: Duration) -> FetchStatus {
        let state = self.state();
        FetchStatus {
            failing: state.is_failing(),
            last_error: state.last_error().map(str::to_owned),
            pause: state.pause(now),
        }
    }

    pub(super) fn ask_for_keys(&self, request: Request<R>, now: Moment) -> Step {
        self.decide(|state| state.ask_for_keys(request, now))
    }

    pub(super) fn ask_for_name(&self, lookup: &mut Lookup, request: Request<R>, now: Moment) -> Step {
        self.decide(|state| state.ask_for_name(lookup, request, now))
    }

    pub(super) fn is_missing(&self, lookup: &Lookup, seen: u64, now: Moment) -> bool {
        self.state().is_missing(lookup, seen, now)
    }

    /// Never waits for another thread: when one has the lock, there is no refresh.
    pub(super) fn ask_for_refresh(&self, seen: u64, runtime: R, now: Moment) -> Option<NewFetch> {
        let mut state = match self.state.try_lock() {
            Ok(state) => state,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        let (fetch, Afterwards { woken, task }) = state.ask_for_refresh(seen, runtime, now);
        drop(state);
        woken.wake();
        drop(task);
        fetch
    }

    /// Registers the task of a fetch. Returns the task when the fetch is not in flight any more.
    pub(super) fn started(&self, number: u64, task: T) -> Result<(), T> {
        self.state().started(number, task)
    }

    /// Waits until the round ends that the caller saw.
    pub(super) fn wait(&self, round: u64) -> Wait<'_, R, T> {
        Wait { coordinator: self, round, place: None }
    }

    pub(super) fn heartbeat(&self, number: u64) {
        self.state().heartbeat(number);
    }

    /// The heartbeats of this fetch. `None` means that it is not in flight any more.
    pub(super) fn heartbeats(&self, number: u64) -> Option<u64> {
        self.state().heartbeats(number)
    }

    /// Gives this fetch up, and returns its task.
    pub(super) fn lost(&self, number: u64) -> Option<T> {
        let Afterwards { woken, task } = self.state().lost(number);
        woken.wake();
        task
    }

    /// Gives the fetch in flight up, and returns its task.
    pub(super) fn stop(&self) -> Option<T> {
        let Afterwards { woken, task } = self.state().stop();
        woken.wake();
        task
    }

    /// Completes a fetch with keys. `store` replaces the cached keys, under the lock, and returns the keys before. It is not
    /// called when a fetch that started later has stored its keys.
    pub(super) fn succeeded<S>(&self, number: u64, store: impl FnOnce() -> S) -> Option<S> {
        self.decide(|state| {
            let (wins, afterwards) = state.succeeded(number);
            (wins.then(store), afterwards)
        })
    }

    /// Completes a fetch without keys. Returns the pause until the next one. `None` means that a fetch that started later
    /// decides.
    pub(super) fn failed(&self, number: u64, failed: Failed, now: Duration, chance: f64) -> Option<Duration> {
        self.decide(|state| state.failed(number, failed, now, chance))
    }

    /// Runs `decide` under the lock, and does the rest after it.
    fn decide<D>(&self, decide: impl FnOnce(&mut FetchState<R, T>) -> (D, Afterwards<T>)) -> D {
        let (decision, Afterwards { woken, task }) = decide(&mut *self.state());
        woken.wake();
        drop(task);
        decision
    }

    fn state(&self) -> MutexGuard<'_, FetchState<R, T>> {
        // The state is consistent between any two statements.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<R: Clone + Eq, T> Future for Wait<'_, R, T> {
    type Output = Waited;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Waited> {
        let waker = context.waker().clone();
        let (coordinator, round) = (self.coordinator, self.round);
        let mut state = coordinator.state();
        if state.waiters.round() != round {
            drop(state);
            return Poll::Ready(Waited::RoundEnded);
        }
        let joined = state.waiters.join(&mut self.place, waker);
        drop(state);
        match joined {
            Joined::Waiting(before) => {
                drop(before);
                Poll::Pending
            }
            Joined::Full(unused) => {
                drop(unused);
                Poll::Ready(Waited::TooMany)
            }
        }
    }
}

impl<R: Clone + Eq, T> Drop for Wait<'_, R, T> {
    fn drop(&mut self) {
        if let Some(place) = &self.place {
            let waker = self.coordinator.state().waiters.leave(place);
            drop(waker);
        }
    }
}
