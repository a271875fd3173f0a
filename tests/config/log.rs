//! The log of a piece of code.

use std::io::Write;
use std::sync::{Arc, Mutex};

#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Runs `code` on this thread and returns its log.
    pub(crate) fn of(code: impl FnOnce()) -> String {
        let log = Self::default();
        // Two subscribers: with one, tracing may cache that an event is disabled, when another thread emitted it first.
        let guards = [(); 2].map(|()| {
            let writer = log.clone();
            let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false);
            tracing::subscriber::set_default(subscriber.finish())
        });
        code();
        drop(guards);
        let text = log.0.lock().unwrap().clone();
        String::from_utf8(text).unwrap()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
