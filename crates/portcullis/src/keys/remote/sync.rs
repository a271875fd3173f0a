//! The lock of the coordinator. The exhaustive tests of `tests/races` replace it with a lock that they control.

pub(super) use std::sync::{Mutex, MutexGuard, TryLockError};
