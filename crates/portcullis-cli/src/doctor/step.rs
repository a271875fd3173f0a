//! One step of the walk, and its line.

use std::io::{self, IsTerminal as _, Write as _};

use serde::Serialize;

use crate::failure::Failure;
use crate::printable::printable;

/// What a step found.
#[derive(Debug, Serialize)]
pub(super) struct Step {
    pub(super) step: &'static str,
    pub(super) status: Status,
    /// What was found.
    pub(super) found: String,
    /// What is wrong.
    pub(super) wrong: Option<String>,
    /// What to write or do.
    pub(super) write: Option<String>,
}

/// How good a step is; the worst decides the exit status.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    Ok,
    /// The service works. Something may need attention.
    Note,
    Fault,
}

impl Step {
    pub(super) fn ok(step: &'static str, found: impl Into<String>) -> Self {
        Self { step, status: Status::Ok, found: found.into(), wrong: None, write: None }
    }

    pub(super) fn note(
        step: &'static str,
        found: impl Into<String>,
        wrong: impl Into<String>,
        write: impl Into<String>,
    ) -> Self {
        let (wrong, write) = (Some(wrong.into()), Some(write.into()));
        Self { step, status: Status::Note, found: found.into(), wrong, write }
    }

    pub(super) fn fault(
        step: &'static str,
        found: impl Into<String>,
        wrong: impl Into<String>,
        write: impl Into<String>,
    ) -> Self {
        Self { status: Status::Fault, ..Self::note(step, found, wrong, write) }
    }

    fn line(&self) -> String {
        let mark = match self.status {
            Status::Ok => "ok   ",
            Status::Note => "note ",
            Status::Fault => "FAULT",
        };
        let (wrong, write) = (self.wrong.as_deref().unwrap_or_default(), self.write.as_deref().unwrap_or_default());
        let parts =
            [self.found.as_str(), wrong].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ");
        let write = if write.is_empty() { String::new() } else { format!(" -> {write}") };
        format!("{mark} {}: {parts}{write}", self.step)
    }
}

/// Writes the lines, and what the command waits for.
pub(super) struct Reporter {
    json: bool,
    worst: Status,
    shows_progress: bool,
}

impl Reporter {
    pub(super) fn new(json: bool) -> Self {
        Self { json, worst: Status::Ok, shows_progress: io::stderr().is_terminal() }
    }

    pub(super) fn worst(&self) -> Status {
        self.worst
    }

    /// # Errors
    /// [`Failure`] if standard output cannot be written.
    pub(super) fn say(&mut self, step: &Step) -> Result<(), Failure> {
        self.worst = self.worst.max(step.status);
        self.progress("");
        let line = if self.json {
            serde_json::to_string(step).map_err(|error| Failure::Output(error.into()))?
        } else {
            step.line()
        };
        let mut output = io::stdout().lock();
        match writeln!(output, "{}", printable(&line)).and_then(|()| output.flush()) {
            // A reader that leaves early still gets the exit status.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::Output(error)),
            _ => Ok(()),
        }
    }

    /// Shows what the command waits for, on a terminal. An empty text removes it.
    pub(super) fn progress(&self, text: &str) {
        if self.shows_progress {
            // Progress is of no use to a closed stream.
            let _ = write!(io::stderr(), "\r\u{1b}[K{}", printable(text));
            let _ = io::stderr().flush();
        }
    }
}
