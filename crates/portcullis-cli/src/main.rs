//! The command `portcullis`: verifies tokens and says what is wrong with them.

mod args;
mod failure;
mod input;
mod inspect;
mod keys;
mod provider;
mod settings;
mod verdict;
mod verify;

use std::io::Write as _;
use std::process::ExitCode;

use crate::args::Command;

fn main() -> ExitCode {
    let outcome = match args::parse() {
        Ok(Command::Keys(args)) => inspect::run(&args),
        Ok(Command::Verify(args)) => verify::run(&args),
        Err(status) => return status,
    };
    outcome.unwrap_or_else(|failure| {
        // Nobody to tell when standard error is closed; the exit status says it all the same.
        let _ = writeln!(std::io::stderr(), "error: {failure}");
        ExitCode::from(2)
    })
}
