//! How tokens are judged: the verifier of the flags, its verdict, and its checks.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use portcullis::adapter::Credential;
use portcullis::claims::NumericDate;
use portcullis::clock::Clock;
use portcullis::verifier::{CheckReport, JwtVerifierBuilder, jws};
use portcullis::{AuthError, ConfigError, JwtVerifier, Verifier, dangerous};

use crate::args::CheckArgs;
use crate::detail::{Expected, detail};
use crate::failure::Failure;
use crate::settings::Settings;
use crate::verdict::Verdict;

/// How tokens are judged.
pub(crate) struct Judge {
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
    /// # Errors
    /// [`ConfigError`] names each flag, or each member and its file.
    pub(crate) fn new(args: &CheckArgs, settings: &Settings<'_>) -> Result<Self, ConfigError> {
        let expected = RefCell::new(Vec::new());
        let complete = |builder: JwtVerifierBuilder| {
            let verifier = complete(args, builder)?;
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

    /// Judges tokens with one verifier, as of the date `at`, or now.
    pub(crate) fn of(verifier: Arc<JwtVerifier>, at: Option<i64>) -> Self {
        let expected = vec![Expected::of(&verifier)];
        Self { verifier: JudgeVerifier::Token(verifier), expected, at }
    }

    /// Returns the verdict on `token`.
    ///
    /// # Errors
    /// Why the token could not be judged, for example because keys are unavailable.
    pub(crate) async fn verdict(&self, token: &str) -> Result<Verdict, AuthError> {
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

    /// Runs every check of `token`.
    pub(crate) async fn reports(&self, token: &str) -> Vec<CheckReport> {
        const OF_SIGNATURE: [&str; 6] = ["size", "form", "header", "alg", "key", "signature"];
        let credential = Credential::bearer(token);
        match &self.verifier {
            JudgeVerifier::Signature(verifier) => {
                let mut reports = verifier.diagnose(&credential).await;
                reports.retain(|report| OF_SIGNATURE.contains(&report.check.as_str()));
                reports
            }
            JudgeVerifier::Token(verifier) => verifier.diagnose(&credential).await,
        }
    }
}

/// Builds the verifier of `builder`, with what the flags say that no configuration has.
///
/// # Errors
/// [`ConfigError`] of the builder.
pub(crate) fn complete(args: &CheckArgs, mut builder: JwtVerifierBuilder) -> Result<JwtVerifier, ConfigError> {
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
}

/// Returns why a token could not be judged.
pub(crate) fn no_verdict(settings: &Settings<'_>, error: AuthError) -> Failure {
    match error {
        AuthError::Unavailable(unavailable) => settings.no_keys(&unavailable).into(),
        error => Failure::NoVerdict(error),
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
