//! `portcullis verify`.

use std::io::{self, Write};
use std::process::ExitCode;

use portcullis::ConfigError;

use crate::args::VerifyArgs;
use crate::failure::Failure;
use crate::input::{Source, next_line};
use crate::judge::{Judge, no_verdict};
use crate::printable::printable;
use crate::settings::Settings;
use crate::verdict::Verdict;

/// Judges the tokens and returns the exit status.
///
/// # Errors
/// [`Failure`] if a token could not be checked.
pub(crate) fn run(args: &VerifyArgs) -> Result<ExitCode, Failure> {
    let source = Source::from_arguments(&args.tokens)?;
    let settings = Settings::resolve(&args.checks)?;
    let judge = Judge::new(&args.checks, &settings)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::Start)?;
    let failure = |error| no_verdict(&settings, error);
    // Keys are fetched for the first token that needs them: a verdict about the form of a token needs no network.
    let judge = |token: &str| runtime.block_on(judge.verdict(token)).map_err(failure);

    let max_bytes = settings.max_token_bytes();
    let mut output = io::stdout().lock();
    let mut all_accepted = true;
    // If the reader of the verdicts leaves early, the run ends silently, and not all tokens were accepted.
    let mut say = |verdict: &Verdict| {
        all_accepted &= verdict.accepts();
        match print(&mut output, verdict) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
            result => result.map(|()| true).map_err(Failure::Output),
        }
    };
    let complete = match source {
        Source::Token(token) => say(&judge(&token)?)?,
        Source::Lines => {
            let mut input = io::stdin().lock();
            let mut line = next_line(&mut input, max_bytes).map_err(Failure::Input)?;
            if line.is_none() {
                // An empty input is not "all accepted": an empty variable in a script must not pass.
                return Err(ConfigError::new("TOKEN", "standard input is empty", "write one token per line").into());
            }
            let mut reading = true;
            while let Some(token) = line {
                reading = say(&judge(&token)?)?;
                line = if reading { next_line(&mut input, max_bytes).map_err(Failure::Input)? } else { None };
            }
            reading
        }
    };
    Ok(ExitCode::from(u8::from(!(all_accepted && complete))))
}

fn print(output: &mut impl Write, verdict: &Verdict) -> io::Result<()> {
    let line = serde_json::to_string(verdict)?;
    writeln!(output, "{}", printable(&line))?;
    output.flush()
}
