//! The callers that wait for the fetch in flight. One event wakes all of them.
//!
//! Wakers are code of the runtime, so nothing here wakes or drops one: each method returns the wakers, and the caller of the
//! method uses them after it has released its lock.

use std::task::Waker;

use crate::keys::remote::limits;

#[derive(Debug, Default)]
pub(super) struct Waiters {
    /// Counts the events. A caller waits until it differs from the one that the caller saw.
    round: u64,
    wakers: Vec<Option<Waker>>,
    /// The indices of `wakers` that are free.
    free: Vec<usize>,
}

/// The place of one waiting caller.
#[derive(Debug)]
pub(super) struct Place {
    round: u64,
    index: usize,
}

/// The wakers of one event. They are woken after the lock is released.
#[derive(Debug, Default)]
#[must_use = "the callers wait until they are woken"]
pub(super) struct Woken(Vec<Option<Waker>>);

/// The result of joining.
#[derive(Debug)]
pub(super) enum Joined {
    /// The caller waits. The waker is the one that it registered before.
    Waiting(Option<Waker>),
    /// As many callers wait as may. The waker is the one of this caller.
    Full(Waker),
}

impl Waiters {
    pub(super) fn round(&self) -> u64 {
        self.round
    }

    /// Registers `waker` at `place`, or at a new place.
    pub(super) fn join(&mut self, place: &mut Option<Place>, waker: Waker) -> Joined {
        let round = self.round;
        let current = place.as_ref().filter(|place| place.round == round).map(|place| place.index);
        if let Some(slot) = current.and_then(|index| self.wakers.get_mut(index)) {
            return Joined::Waiting(slot.replace(waker));
        }
        if self.waiting() >= limits::MAX_WAITING_CALLERS {
            return Joined::Full(waker);
        }
        let free = self.free.pop();
        let index = free.unwrap_or(self.wakers.len());
        *place = Some(Place { round, index });
        match self.wakers.get_mut(index) {
            Some(slot) => *slot = Some(waker),
            None => self.wakers.push(Some(waker)),
        }
        Joined::Waiting(None)
    }

    /// Gives the place up. Returns its waker, unless it was woken.
    pub(super) fn leave(&mut self, place: &Place) -> Option<Waker> {
        if place.round != self.round {
            return None;
        }
        let waker = self.wakers.get_mut(place.index)?.take()?;
        self.free.push(place.index);
        Some(waker)
    }

    /// Begins the next round, and returns all wakers of this one.
    pub(super) fn wake_all(&mut self) -> Woken {
        self.round += 1;
        self.free = Vec::new();
        Woken(std::mem::take(&mut self.wakers))
    }

    fn waiting(&self) -> usize {
        self.wakers.len() - self.free.len()
    }
}

impl Woken {
    pub(super) fn wake(self) {
        self.0.into_iter().flatten().for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_limited_and_used_again() {
        let mut waiters = Waiters::default();
        let mut places: Vec<_> = (0..limits::MAX_WAITING_CALLERS).map(|_| None).collect();
        for place in &mut places {
            assert!(matches!(waiters.join(place, Waker::noop().clone()), Joined::Waiting(None)));
        }
        let mut one_more = None;
        assert!(matches!(waiters.join(&mut one_more, Waker::noop().clone()), Joined::Full(_)));
        // A caller that waits already replaces its waker.
        assert!(matches!(waiters.join(&mut places[7], Waker::noop().clone()), Joined::Waiting(Some(_))));
        let left = places[7].take().unwrap();
        assert!(waiters.leave(&left).is_some() && waiters.leave(&left).is_none());
        assert!(matches!(waiters.join(&mut one_more, Waker::noop().clone()), Joined::Waiting(None)));
        assert_eq!(waiters.wake_all().0.len(), limits::MAX_WAITING_CALLERS);
        // A place of an earlier round is gone.
        assert!(waiters.leave(places[0].as_ref().unwrap()).is_none());
        assert_eq!((waiters.waiting(), waiters.round()), (0, 1));
    }
}
