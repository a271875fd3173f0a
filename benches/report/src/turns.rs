//! Contenders that take turns.

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

/// How long a turn takes, in nanoseconds: short, so that a change of the load affects all contenders of a round.
const TURN: u128 = 100_000;

/// What each contender cost in each round, in nanoseconds.
///
/// The speed of a machine changes within a run. So two contenders are compared within each round: [`Turns::ratio`] is steadier
/// than a ratio of two medians.
#[derive(Debug)]
pub struct Turns<const N: usize> {
    rounds: Vec<[f64; N]>,
}

impl<const N: usize> Turns<N> {
    /// Lets the contenders take turns in so many rounds, one or more.
    ///
    /// The first call of each turn is not measured: it fills the caches of the processor.
    pub fn run(rounds: usize, contenders: [&dyn Fn(); N]) -> Self {
        let times = contenders.map(|contender| {
            contender();
            let start = Instant::now();
            (0..10).for_each(|_| contender());
            (10 * TURN / start.elapsed().as_nanos().max(1)).clamp(1, 1_000) as usize
        });
        let round = |_| {
            std::array::from_fn(|at| {
                contenders[at]();
                let start = Instant::now();
                (0..times[at]).for_each(|_| contenders[at]());
                start.elapsed().as_nanos() as f64 / times[at] as f64
            })
        };
        Self { rounds: (0..rounds).map(round).collect() }
    }

    /// Returns the median of what the contender `at` costs, in nanoseconds.
    #[must_use]
    pub fn median(&self, at: usize) -> f64 {
        median(self.rounds.iter().map(|round| round[at]).collect())
    }

    /// Returns the median over the rounds of the cost of `at`, divided by that of `to` in the same round.
    #[must_use]
    pub fn ratio(&self, at: usize, to: usize) -> f64 {
        median(self.rounds.iter().map(|round| round[at] / round[to]).collect())
    }

    /// Returns the median over the rounds of what `at` costs more than `less`, divided by the cost of `of` in the same round.
    #[must_use]
    pub fn part(&self, at: usize, less: usize, of: usize) -> f64 {
        median(self.rounds.iter().map(|round| (round[at] - round[less]) / round[of]).collect())
    }
}

/// Returns the median of the samples.
///
/// # Panics
/// If there is no sample.
#[must_use]
pub fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}

/// Polls once, for contenders that wait for nothing.
///
/// # Panics
/// If the future waits.
pub fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("a contender waits"),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn ratios_are_those_of_one_round() {
        // The machine is slower in each round, and the second contender costs three times as much.
        let turns = Turns { rounds: vec![[1.0, 3.0], [2.0, 6.0], [9.0, 27.0], [50.0, 150.0], [10.0, 11.0]] };
        assert_eq!([turns.median(0), turns.median(1)], [9.0, 11.0]);
        assert_eq!([turns.ratio(1, 0), turns.ratio(0, 0), turns.part(1, 0, 0)], [3.0, 1.0, 2.0]);
    }

    #[test]
    fn contenders_run_in_each_round() {
        let (calls, rounds) = (Cell::new(0), 7);
        let slow = || std::thread::sleep(std::time::Duration::from_millis(1));
        let turns = Turns::run(rounds, [&slow, &|| calls.set(calls.get() + 1)]);
        assert_eq!(turns.rounds.len(), rounds);
        // Eleven before the rounds, and the first one of each turn.
        assert!(calls.get() >= 11 + 2 * rounds, "{}", calls.get());
        assert!(turns.median(0) >= 1e6 && turns.ratio(0, 1) > 1.0, "{turns:?}");
    }
}
