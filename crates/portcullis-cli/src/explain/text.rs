//! The explanation as text. Everything of the token is escaped, so that a terminal obeys nothing in it.

use std::fmt::Write as _;
use std::io::{IsTerminal, StdoutLock};

use portcullis::claims::NumericDate;
use portcullis::verifier::{CheckOutcome, CheckReport};
use serde_json::value::RawValue;

use crate::explain::token::Form;
use crate::explain::{Checked, Explanation, actual, remedies};
use crate::printable::printable;
use crate::verdict::Verdict;

/// How the text is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    colors: bool,
}

impl Style {
    /// Returns the style for standard output: colors on a terminal, unless `NO_COLOR` is set or the terminal is dumb.
    pub(super) fn of(output: &StdoutLock<'_>) -> Self {
        let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self { colors: output.is_terminal() && !is_set("NO_COLOR") && !is_dumb }
    }

    fn paint(self, color: &str, text: &str) -> String {
        if self.colors { format!("\u{1b}[{color}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    fn title(self, text: &str) -> String {
        self.paint("1", text)
    }
}

const GREEN: &str = "32";
const RED: &str = "1;31";
const DIM: &str = "2";

/// The longest value that is shown, in characters. `--json` has all of it.
const MAX_CHARS: usize = 600;

/// Writes the explanation of one token.
pub(super) fn write(explanation: &Explanation<'_>, style: Style) -> String {
    let Explanation { token, decoded, checked, at } = explanation;
    let mut text = String::new();
    let more = if checked.is_some() { "; the checks below say what is verified" } else { "" };
    let first =
        format!("Decoded, not verified: anyone can write a token with these values, so trust none of them{more}.");
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{}", style.title(&first));
    let _ = writeln!(text, "looks like: {}", looks_like(explanation));
    if !token.removed.is_empty() {
        let _ = writeln!(text, "removed: {}", token.removed.join(", "));
    }
    for (title, members) in [("header", decoded.header_members()), ("claims", decoded.claim_members())] {
        if members.is_empty() {
            continue;
        }
        let _ = writeln!(text, "{}", style.title(title));
        let width = members.iter().map(|(name, _)| printable(name).chars().count()).max().unwrap_or_default().min(24);
        for (name, value) in members {
            let note = if title == "claims" { date_note(&name, &value, *at) } else { None };
            let note = note.map_or_else(String::new, |note| format!("  {}", style.paint(DIM, &note)));
            let _ = writeln!(text, "  {:width$}  {}{note}", printable(&name), printable(&shortened(value.get())));
        }
    }
    if let Some(checked) = checked {
        write_checks(&mut text, checked, style);
    }
    for remedy in remedies::of(decoded, checked.map(|checked| checked.reports.as_slice())) {
        let _ = writeln!(text, "{} {}", style.title("to do:"), printable(&remedy));
    }
    text
}

fn looks_like(explanation: &Explanation<'_>) -> String {
    let decoded = explanation.decoded;
    let kind = match (decoded.form, decoded.kind()) {
        (Form::Jws, _) => "a signed payload that is not a JWT",
        (Form::Jwe, _) => "an encrypted token, which only its issuer can read",
        (Form::Opaque, "refresh") => "an opaque refresh token, which is for the identity provider",
        (Form::Opaque, _) => "an opaque token, which only its issuer can read",
        (_, "access") => "an access token",
        (_, "id") => "an ID token",
        (_, "refresh") => "a refresh token",
        (_, "event") => "a logout or event token",
        (_, "proof") => "a proof of possession",
        (_, "assertion") => "an assertion of a proxy or a client",
        _ => "a JWT of unknown kind",
    };
    match decoded.provider() {
        Some(provider) => format!("{kind}, of {provider}"),
        None => kind.to_owned(),
    }
}

fn write_checks(text: &mut String, checked: &Checked, style: Style) {
    let Checked { verdict, reports } = checked;
    let _ = writeln!(text, "{}", style.title("checks"));
    for report in reports {
        let _ = writeln!(text, "  {}", line_of(report, style));
    }
    let verdict = match verdict {
        Ok(Verdict::Reject { reason, detail }) => {
            style.paint(RED, &format!("refused, {reason}: {}", printable(detail)))
        }
        Ok(_) => style.paint(GREEN, "accepted"),
        Err(_) => style.paint(RED, "none, because the token could not be checked"),
    };
    let _ = writeln!(text, "{} {verdict}", style.title("verdict:"));
}

fn line_of(report: &CheckReport, style: Style) -> String {
    let mark = match &report.outcome {
        CheckOutcome::Passed => style.paint(GREEN, "ok     "),
        CheckOutcome::NotRun => style.paint(DIM, "not run"),
        _ => style.paint(RED, "FAILED "),
    };
    let (check, expected, actual) = (printable(&report.check), printable(&report.expected), printable(actual(report)));
    format!("{mark}  {check}: expected {expected}; the token: {actual}")
}

/// Returns what a date means now.
fn date_note(name: &str, value: &RawValue, at: NumericDate) -> Option<String> {
    const DATES: [&str; 6] = ["exp", "iat", "nbf", "auth_time", "updated_at", "xms_ftd"];
    if !DATES.contains(&name) {
        return None;
    }
    let number: f64 = serde_json::from_str(value.get()).ok()?;
    // The conversion saturates.
    let date = NumericDate::from_unix(number.floor() as i64, 0);
    let distance = date.relative_to(at);
    let meaning = match name {
        "exp" if date <= at => format!("expired {distance}"),
        "exp" => format!("expires {distance}"),
        "iat" => format!("issued {distance}"),
        "nbf" if date <= at => format!("valid since {distance}"),
        "nbf" => format!("valid {distance}"),
        _ => distance,
    };
    Some(format!("{date}, {meaning}"))
}

fn shortened(json: &str) -> String {
    let mut short: String = json.chars().take(MAX_CHARS).collect();
    if short.len() < json.len() {
        short.push('…');
    }
    short
}
