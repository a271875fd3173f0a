//! `portcullis explain`.

pub(crate) mod paste;
mod remedies;
mod shape;
mod text;
mod token;

use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::process::ExitCode;

use portcullis::claims::NumericDate;
use portcullis::verifier::{CheckOutcome, CheckReport};
use portcullis::{AuthError, ConfigError};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::args::ExplainArgs;
use crate::detail::now;
use crate::explain::paste::Pasted;
use crate::explain::text::Style;
use crate::explain::token::Decoded;
use crate::failure::Failure;
use crate::input::Source;
use crate::judge::{Judge, no_verdict};
use crate::printable::printable;
use crate::settings::Settings;
use crate::verdict::Verdict;

/// Explains the tokens and returns the exit status.
///
/// # Errors
/// [`Failure`] if there is no token, or if a token could not be checked.
pub(crate) fn run(args: &ExplainArgs) -> Result<ExitCode, Failure> {
    let pasted = match args.tokens.as_slice() {
        [] => read_input()?,
        tokens => match Source::from_arguments(tokens)? {
            Source::Lines => read_input()?,
            Source::Token(text) => text,
        },
    };
    let tokens = paste::tokens(&pasted);
    if tokens.is_empty() {
        // An empty variable in a script must not pass.
        return Err(
            ConfigError::new("TOKEN", "there is no token", "write one token, or paste it to standard input").into()
        );
    }
    let settings = args.checks.ask_for_checks().then(|| Settings::resolve(&args.checks)).transpose()?;
    let judge = settings.as_ref().map(|settings| Judge::new(&args.checks, settings)).transpose()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::Start)?;
    let at = NumericDate::from_unix(args.checks.at.unwrap_or_else(now), 0);

    let mut output = io::stdout().lock();
    let style = Style::of(&output);
    let mut all_accepted = true;
    for token in tokens {
        let decoded = Decoded::of(&token.text);
        let checked = judge.as_ref().map(|judge| runtime.block_on(checked(judge, &token.text)));
        let explanation = Explanation { token: &token, decoded: &decoded, checked: checked.as_ref(), at };
        let text = if args.json { explanation.json()? } else { text::write(&explanation, style) };
        match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
            // A reader that leaves early has not seen whether all tokens are accepted.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(ExitCode::from(1)),
            result => result.map_err(Failure::Output)?,
        }
        match (checked.map(|checked| checked.verdict), &settings) {
            (Some(Ok(verdict)), _) => all_accepted &= verdict.accepts(),
            (Some(Err(error)), Some(settings)) => return Err(no_verdict(settings, error)),
            _ => {}
        }
    }
    Ok(ExitCode::from(u8::from(!all_accepted)))
}

/// The longest text that is read, in bytes: longer than any command line with a token.
const MAX_BYTES: u64 = 256 * 1024;

/// Reads what is pasted to standard input.
///
/// # Errors
/// [`Failure`] if it is too long, or cannot be read.
pub(crate) fn read_input() -> Result<String, Failure> {
    let mut input = io::stdin().lock();
    if input.is_terminal() {
        // If standard error is closed, the command still waits.
        let _ = writeln!(io::stderr(), "Paste the token, then press Ctrl-D on an empty line.");
    }
    let mut bytes = Vec::new();
    input.by_ref().take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(Failure::Input)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(ConfigError::new("TOKEN", "standard input is longer than 256 KiB", "write one token").into());
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Returns what to do about a token with these checks.
pub(crate) fn remedies_of(token: &str, reports: &[CheckReport]) -> Vec<String> {
    remedies::of(&Decoded::of(token), Some(reports))
}

/// The verdict on a token, and each check.
struct Checked {
    verdict: Result<Verdict, AuthError>,
    reports: Vec<CheckReport>,
}

async fn checked(judge: &Judge, token: &str) -> Checked {
    let verdict = judge.verdict(token).await;
    Checked { verdict, reports: judge.reports(token).await }
}

/// Everything that is said about one token.
struct Explanation<'a> {
    token: &'a Pasted,
    decoded: &'a Decoded,
    /// `None` without flags that ask for checks.
    checked: Option<&'a Checked>,
    at: NumericDate,
}

#[derive(Serialize)]
struct Json<'a> {
    form: &'static str,
    kind: &'static str,
    provider: Option<&'static str>,
    header: Option<&'a RawValue>,
    claims: Option<&'a RawValue>,
    removed: &'a [&'static str],
    checks: Vec<JsonCheck<'a>>,
}

#[derive(Serialize)]
struct JsonCheck<'a> {
    check: &'a str,
    expected: &'a str,
    actual: &'a str,
    ok: bool,
}

impl Explanation<'_> {
    fn json(&self) -> Result<String, Failure> {
        let reports = self.checked.map(|checked| checked.reports.as_slice()).unwrap_or_default();
        let checks = reports.iter().map(|report| JsonCheck {
            check: &report.check,
            expected: &report.expected,
            actual: actual(report),
            ok: report.outcome.is_passed(),
        });
        let json = Json {
            form: self.decoded.form.name(),
            kind: self.decoded.kind(),
            provider: self.decoded.provider(),
            header: self.decoded.header.as_deref(),
            claims: self.decoded.claims.as_deref(),
            removed: &self.token.removed,
            checks: checks.collect(),
        };
        let line = serde_json::to_string(&json).map_err(|error| Failure::Output(error.into()))?;
        Ok(format!("{}\n", printable(&line)))
    }
}

/// Returns what the token has for a check, or that the check could not run.
fn actual(report: &CheckReport) -> &str {
    match &report.outcome {
        CheckOutcome::NotRun => "not checked, because an earlier check failed",
        _ => &report.unverified_actual,
    }
}
