//! Contenders that take turns in one run, so that other load on the machine affects them equally.

#![allow(unused_imports, reason = "each bench uses a part")]

pub(crate) use portcullis_bench_report::{Turns, median, now};

/// Lets the contenders take turns. Returns the median of what each costs, in nanoseconds.
#[allow(dead_code, reason = "each bench uses a part")]
pub(crate) fn medians<const N: usize>(rounds: usize, contenders: [&dyn Fn(); N]) -> [f64; N] {
    let turns = Turns::run(rounds, contenders);
    std::array::from_fn(|at| turns.median(at))
}
