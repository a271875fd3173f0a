//! What a test logs.

#![allow(dead_code, reason = "a test target uses a part of it")]

use std::io;
use std::sync::{Arc, Mutex};

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt as _;

/// The events that this thread logs.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Starts a log. It ends when the second value is dropped.
    pub(crate) fn capture() -> (Self, impl Sized) {
        let log = Self::default();
        let subscriber = || {
            let everything = tracing_subscriber::fmt().with_max_level(LevelFilter::TRACE).with_ansi(false);
            everything.with_writer(log.clone()).finish()
        };
        // Two subscribers: with one, tracing may cache that an event is disabled, when another thread emitted it first.
        let (first, second) = (subscriber().set_default(), subscriber().set_default());
        // Dropped in this order: a guard sets the subscriber again that was set before it.
        (log, (second, first))
    }

    /// Runs `code`, and returns what it logs.
    pub(crate) fn of(code: impl FnOnce()) -> String {
        let (log, _guards) = Self::capture();
        code();
        log.text()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// Whether one line contains all of these.
    pub(crate) fn has_line(&self, parts: &[&str]) -> bool {
        self.text().lines().any(|line| parts.iter().all(|part| line.contains(part)))
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
