//! Counts the allocations of this process.

use std::alloc::System;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Calls `operation` three times, and counts the allocations of the last time. The second time is the first hit in a token cache, and
/// with the feature `metrics` a counter is registered then.
pub(crate) fn allocations(operation: impl Fn()) -> usize {
    operation();
    operation();
    let region = Region::new(ALLOCATOR);
    operation();
    let change = region.change();
    change.allocations + change.reallocations
}

/// Polls once: with fixed keys, nothing waits.
pub(crate) fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("fixed keys are at hand"),
    }
}
