//! `portcullis verify`.

use std::cell::RefCell;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use portcullis::adapter::Credential;
use portcullis::claims::NumericDate;
use portcullis::clock::Clock;
use portcullis::verifier::JwtVerifierBuilder;
use portcullis::verifier::jws;
use portcullis::{AuthError, ConfigError, JwtVerifier, Verifier, dangerous};

use crate::args::VerifyArgs;
use crate::detail::{Expected, detail};
use crate::failure::Failure;
use crate::input::{Source, next_line};
use crate::printable::printable;
use crate::settings::Settings;
use crate::verdict::Verdict;

/// Judges the tokens and returns the exit status.
///
/// # Errors
/// [`Failure`] if a token could not be checked.
pub(crate) fn run(args: &VerifyArgs) -> Result<ExitCode, Failure> {
    let source = Source::from_arguments(&args.tokens)?;
    let settings = Settings::resolve(args)?;
    let judge = Judge::new(args, &settings)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::Start)?;
    let failure = |error| match error {
        AuthError::Unavailable(unavailable) => settings.no_keys(&unavailable).into(),
        error => Failure::NoVerdict(error),
    };
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

/// How tokens are judged.
struct Judge {
    verifier: JudgeVerifier,
    expected: Vec<Expected>,
    at: Option<i64>,
}

enum JudgeVerifier {
    /// Only the signature is checked.
    Signature(Box<JwtVerifier>),
    /// All checks run.
    Token(Arc<dyn Verifier>),
}

impl Judge {
    fn new(args: &VerifyArgs, settings: &Settings<'_>) -> Result<Self, ConfigError> {
        let expected = RefCell::new(Vec::new());
        let complete = |mut builder: JwtVerifierBuilder| {
            if args.any_issuer || args.jws {
                builder = builder.issuer(dangerous::any_issuer());
            }
            if args.any_audience || args.jws {
                builder = builder.audience(dangerous::any_audience());
            }
            if args.allow_missing_exp {
                builder = builder.dangerous().allow_missing_expiration();
            }
            if let Some(seconds) = args.at {
                builder = builder.clock(At(NumericDate::from_unix(seconds, 0)));
            }
            let verifier = builder.build()?;
            expected.borrow_mut().push(Expected::of(&verifier));
            Ok(verifier)
        };
        let verifier = if args.jws {
            JudgeVerifier::Signature(Box::new(settings.verifier_of_one(complete)?))
        } else {
            JudgeVerifier::Token(settings.verifier(complete)?)
        };
        Ok(Self { verifier, expected: expected.into_inner(), at: args.at })
    }

    async fn verdict(&self, token: &str) -> Result<Verdict, AuthError> {
        let credential = Credential::bearer(token);
        let judged = match &self.verifier {
            JudgeVerifier::Signature(verifier) => {
                let payload = jws::verify(token, verifier.keys(), verifier.algorithms()).await;
                payload.map(|payload| Verdict::of_payload(&payload))
            }
            JudgeVerifier::Token(verifier) => match verifier.verify(&credential).await {
                Ok(verified) => Verdict::of_claims(&verified),
                Err(error) => Err(error),
            },
        };
        judged.or_else(|error| {
            let explanation = match &self.verifier {
                JudgeVerifier::Signature(verifier) => verifier.explain(&credential, &error),
                JudgeVerifier::Token(verifier) => verifier.explain(&credential, &error),
            };
            Verdict::of_error(error, |error| detail(token, error, explanation, &self.expected, self.at))
        })
    }
}

/// A clock that always shows the date of `--at`.
#[derive(Debug)]
struct At(NumericDate);

impl Clock for At {
    fn now(&self) -> NumericDate {
        self.0
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

fn print(output: &mut impl Write, verdict: &Verdict) -> io::Result<()> {
    let line = serde_json::to_string(verdict)?;
    writeln!(output, "{}", printable(&line))?;
    output.flush()
}
