//! The lock that loom controls.

pub(super) use std::sync::TryLockError;

pub(super) use loom::sync::{Mutex, MutexGuard};
