//! The command `portcullis`: verifies tokens and says what is wrong with them.

#[cfg(feature = "apikey")]
mod apikey;
mod args;
mod detail;
mod doctor;
mod explain;
mod failure;
mod flags;
mod input;
mod inspect;
mod judge;
mod keys;
mod machine;
mod pasted;
mod printable;
mod provider;
mod settings;
mod verdict;
mod verify;

use std::io::Write as _;
use std::process::ExitCode;

use crate::args::Command;
use crate::printable::printable;

fn main() -> ExitCode {
    let outcome = match args::parse() {
        #[cfg(feature = "apikey")]
        Ok(Command::Apikey(command)) => apikey::run(&command),
        Ok(Command::Doctor(args)) => doctor::run(&args),
        Ok(Command::Explain(args)) => explain::run(&args),
        Ok(Command::Keys(args)) => inspect::run(&args),
        Ok(Command::Verify(args)) => verify::run(&args),
        Err(status) => return status,
    };
    outcome.unwrap_or_else(|failure| {
        for fault in failure.to_string().lines() {
            // If standard error is closed, the exit status still says it.
            let _ = writeln!(std::io::stderr(), "error: {}", printable(fault));
        }
        ExitCode::from(2)
    })
}
