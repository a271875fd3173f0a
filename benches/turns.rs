//! Contenders that take turns in one run, so that other load on the machine affects them equally.

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

/// How long a turn takes, in nanoseconds: short, so that a change of the load affects all contenders.
const TURN: u128 = 100_000;

/// Lets the contenders take turns. Returns what each costs, in nanoseconds: the median of its turns.
pub(crate) fn medians<const N: usize>(rounds: usize, contenders: [&dyn Fn(); N]) -> [f64; N] {
    let turns = contenders.map(|contender| {
        contender();
        let start = Instant::now();
        (0..10).for_each(|_| contender());
        (10 * TURN / start.elapsed().as_nanos().max(1)).clamp(1, 1_000) as usize
    });
    let mut samples = [const { Vec::new() }; N];
    for _ in 0..rounds {
        for ((contender, turns), samples) in contenders.iter().zip(turns).zip(&mut samples) {
            let start = Instant::now();
            (0..turns).for_each(|_| contender());
            samples.push(start.elapsed().as_nanos() as f64 / turns as f64);
        }
    }
    samples.map(median)
}

/// The median of the samples.
pub(crate) fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}

/// Polls once: what the contenders do waits for nothing.
pub(crate) fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("a contender waits"),
    }
}
