//! `portcullis verify`.

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
use crate::failure::Failure;
use crate::input::{Source, next_line};
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
    // Without keys there is no verdict at all, even if the first token could be refused without them.
    runtime.block_on(judge.warm_up()).map_err(failure)?;
    let judge = |token: &str| runtime.block_on(judge.verdict(token)).map_err(failure);

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
            let mut line = next_line(&mut input).map_err(Failure::Input)?;
            if line.is_none() {
                // An empty input is not "all accepted": an empty variable in a script must not pass.
                return Err(ConfigError::new("TOKEN", "standard input is empty", "write one token per line").into());
            }
            let mut reading = true;
            while let Some(token) = line {
                reading = say(&judge(&token)?)?;
                line = if reading { next_line(&mut input).map_err(Failure::Input)? } else { None };
            }
            reading
        }
    };
    Ok(ExitCode::from(u8::from(!(all_accepted && complete))))
}

/// How a token is judged.
enum Judge {
    /// Only by its signature.
    Signature(Box<JwtVerifier>),
    /// By all checks.
    Token(Arc<dyn Verifier>),
}

impl Judge {
    fn new(args: &VerifyArgs, settings: &Settings<'_>) -> Result<Self, ConfigError> {
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
            builder.build()
        };
        Ok(if args.jws {
            Self::Signature(Box::new(settings.verifier_of_one(complete)?))
        } else {
            Self::Token(settings.verifier(complete)?)
        })
    }

    async fn warm_up(&self) -> Result<(), AuthError> {
        match self {
            Self::Signature(verifier) => verifier.warm_up().await,
            Self::Token(verifier) => verifier.warm_up().await,
        }
    }

    async fn verdict(&self, token: &str) -> Result<Verdict, AuthError> {
        let judged = match self {
            Self::Signature(verifier) => {
                let payload = jws::verify(token, verifier.keys(), verifier.algorithms()).await;
                payload.map(|payload| Verdict::of_payload(&payload))
            }
            Self::Token(verifier) => match verifier.verify(&Credential::bearer(token)).await {
                Ok(verified) => Verdict::of_claims(&verified),
                Err(error) => Err(error),
            },
        };
        judged.or_else(Verdict::of_error)
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
    let mut line = serde_json::to_vec(verdict)?;
    line.push(b'\n');
    output.write_all(&line)?;
    output.flush()
}
