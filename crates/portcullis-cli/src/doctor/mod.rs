//! `portcullis doctor`: walks the whole way from the configuration to a token, one line for each step.

mod certificate;
mod configuration;
mod fixes;
mod probe;
mod step;
mod walk;

use std::process::ExitCode;

use portcullis::ConfigError;

use crate::args::DoctorArgs;
use crate::doctor::configuration::Configured;
use crate::doctor::step::{Reporter, Status, Step};
use crate::doctor::walk::Walk;
use crate::explain::{paste, read_input};
use crate::failure::Failure;
use crate::input::Source;

/// Walks the steps and returns the exit status.
///
/// # Errors
/// [`Failure`] for bad usage.
pub(crate) fn run(args: &DoctorArgs) -> Result<ExitCode, Failure> {
    let token = match args.tokens.as_slice() {
        [] => None,
        tokens => Some(the_token(match Source::from_arguments(tokens)? {
            Source::Lines => read_input()?,
            Source::Token(text) => text,
        })?),
    };
    let mut reporter = Reporter::new(args.json);
    let configured = match configuration::read(&args.checks) {
        Ok(configured) => configured,
        Err(error) if is_usage(&error) => return Err(error.into()),
        Err(error) => {
            for fault in error.to_string().lines() {
                let (wrong, write) = fault.split_once("; ").unwrap_or((fault, "see the line before"));
                reporter.say(&Step::fault("configuration", "", wrong, write))?;
            }
            return Ok(ExitCode::from(1));
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::Start)?;
    walk(&configured, token.as_deref(), &runtime, &mut reporter)?;
    Ok(ExitCode::from(u8::from(reporter.worst() == Status::Fault)))
}

fn walk(
    configured: &Configured,
    token: Option<&str>,
    runtime: &tokio::runtime::Runtime,
    reporter: &mut Reporter,
) -> Result<(), Failure> {
    reporter.say(&configured.step())?;
    for step in configured.notes() {
        reporter.say(&step)?;
    }
    for issuer in &configured.issuers {
        Walk { configured, issuer, runtime }.keys(reporter)?;
    }
    match token {
        Some(token) => walk::token(configured, token, runtime, reporter),
        None => Ok(()),
    }
}

/// Whether `error` is about flags only.
fn is_usage(error: &ConfigError) -> bool {
    error.fields().all(|field| field.starts_with("--") || field == configuration::NOTHING)
}

fn the_token(text: String) -> Result<String, ConfigError> {
    let mut tokens = paste::tokens(&text);
    match (tokens.pop(), tokens.is_empty()) {
        (Some(token), true) => Ok(token.text),
        _ => Err(ConfigError::new(
            "TOKEN",
            "not exactly one token",
            "write one token, or - to read it from standard input",
        )),
    }
}
