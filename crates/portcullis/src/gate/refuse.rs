//! The answers to requests that a gate refuses, and the service's own functions that change them.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use crate::catch_panic::catch_panic_in;
use crate::credential::{RequestView, Scheme, the_only_field};
use crate::error::AuthError;
use crate::gate::{Gate, Outcome};
use crate::measure::IssuerLabel;
use crate::refusal::{Challenger, Explained, LoggedComparison, Refusal, log};

/// Why a gate does not let a caller in. It is logged already. It dereferences to the [`AuthError`].
#[derive(Debug)]
pub struct Denied {
    pub(super) error: AuthError,
    /// The scheme that the request used, where that is known.
    pub(super) scheme: Option<Scheme>,
    /// The scopes that the request needs, space-delimited, where a challenge may name them.
    pub(super) scope: Option<String>,
    /// What the verifier says about the refused token, for the log.
    pub(super) explanation: Option<&'static str>,
    /// How the refused token compares with the configuration, for the log.
    pub(super) comparison: Option<Box<LoggedComparison>>,
    /// The issuer of the token, if it was verified.
    pub(super) issuer: IssuerLabel,
    /// Whether the gate had let the caller in before, so that the request is counted already.
    pub(super) is_admitted: bool,
}

/// A refusal that is noted: logged, counted and told to the observers.
struct Noted<'a> {
    error: &'a AuthError,
    scheme: Option<Scheme>,
    explained: Explained<'a>,
    issuer: IssuerLabel,
    is_admitted: bool,
}

/// A refused request, as the functions of [`Gate::with_refusals`] see it. It dereferences to the [`AuthError`].
#[derive(Clone, Copy)]
pub struct Refused<'a> {
    error: &'a AuthError,
    request: Option<&'a dyn RequestView>,
}

/// An error that [`Gate::refuse`] answers: an [`AuthError`] of the service, which is logged then, or a [`Denied`], which
/// the gate has logged.
pub trait Refusable: sealed::Sealed {}

impl Refusable for AuthError {}
impl Refusable for Denied {}

mod sealed {
    use super::{AuthError, Denied, Scheme};

    pub trait Sealed {
        fn error(&self) -> &AuthError;

        fn scheme(&self) -> Option<Scheme> {
            None
        }

        fn scope(&self) -> Option<String> {
            None
        }

        fn is_logged(&self) -> bool {
            false
        }
    }

    impl Sealed for AuthError {
        fn error(&self) -> &AuthError {
            self
        }
    }

    impl Sealed for Denied {
        fn error(&self) -> &AuthError {
            &self.error
        }

        fn scheme(&self) -> Option<Scheme> {
            self.scheme
        }

        fn scope(&self) -> Option<String> {
            self.scope.clone()
        }

        fn is_logged(&self) -> bool {
            true
        }
    }
}

type Change = dyn Fn(&Refused<'_>, &mut Refusal) + Send + Sync;

/// A function of [`Gate::with_refusals`].
#[derive(Clone)]
pub(super) struct RefusalWriter(pub(super) Arc<Change>);

impl Gate {
    /// Makes the answer to a request that [`Self::admit`] or [`Self::verify`] does not let in, or that the service refuses
    /// with an [`AuthError`], for example one of [`Policy::check`](crate::Policy::check). Each refusal is logged once: here,
    /// unless the gate has done so.
    ///
    /// [`Self::extract`] and [`Self::authorize`] make the answer themselves.
    #[must_use]
    pub fn refuse<E: Refusable>(&self, error: &E) -> Refusal {
        if !error.is_logged() {
            let (error, scheme, issuer) = (error.error(), error.scheme(), IssuerLabel::default());
            // The service refuses a request that it got from the gate.
            let noted = Noted { error, scheme, explained: Explained::default(), issuer, is_admitted: true };
            if let Err(panicked) = self.note(noted, None) {
                return Refusal::server_error(&panicked.error);
            }
        }
        self.write(error.error(), None, error.scheme(), || error.scope())
    }

    /// Makes the answer to `denied`, which is not logged yet.
    pub(super) fn answer(
        &self,
        denied: Denied,
        request: Option<&dyn RequestView>,
        scope: impl FnOnce() -> Option<String>,
    ) -> Refusal {
        let Denied { error, scheme, .. } = self.noted(denied, request);
        self.write(&error, request, scheme, scope)
    }

    /// Logs and counts `denied`, and tells the observers.
    pub(super) fn noted(&self, denied: Denied, request: Option<&dyn RequestView>) -> Denied {
        let explained = Explained { explanation: denied.explanation, comparison: denied.comparison.as_deref() };
        let Denied { error, scheme, issuer, is_admitted, .. } = &denied;
        let (scheme, issuer, is_admitted) = (*scheme, *issuer, *is_admitted);
        match self.note(Noted { error, scheme, explained, issuer, is_admitted }, request) {
            Ok(()) => denied,
            Err(panicked) => panicked,
        }
    }

    /// An error means that an observer panicked.
    fn note(&self, refusal: Noted<'_>, request: Option<&dyn RequestView>) -> Result<(), Denied> {
        let Noted { error, scheme, explained, issuer, is_admitted } = refusal;
        log(error, explained);
        let told = self.observe(Outcome::Refused(error), request).inspect_err(|panicked| log_panic(&panicked.error));
        let sent = told.as_ref().err().map_or(error, |panicked| &panicked.error);
        if is_admitted {
            self.0.metrics.refused_later(sent);
        } else {
            self.0.metrics.refused(sent, scheme, issuer);
        }
        told
    }

    /// Writes the answer to `error`. `used` is the scheme of the request, where that is known. With protected resource
    /// metadata, a challenge for a missing or bad token names `scope`.
    fn write(
        &self,
        error: &AuthError,
        request: Option<&dyn RequestView>,
        used: Option<Scheme>,
        scope: impl FnOnce() -> Option<String>,
    ) -> Refusal {
        let written = catch_panic_in(|| {
            let mut refusal = Refusal::new(error, &self.challenger(used, scope));
            for RefusalWriter(change) in &self.0.refusals {
                change(&Refused { error, request }, &mut refusal);
            }
            refusal
        });
        written.unwrap_or_else(|_| {
            let error = AuthError::Server("the code that changes refusals panicked".into());
            log_panic(&error);
            Refusal::server_error(&error)
        })
    }

    /// What the challenges are made of. `used` is the scheme of the request, where that is known.
    pub(super) fn challenger(&self, used: Option<Scheme>, scope: impl FnOnce() -> Option<String>) -> Challenger<'_> {
        let scope = if self.0.resource_metadata.is_some() { scope() } else { None };
        Challenger { parts: &self.0.challenge_parts, schemes: self.challenged_schemes(), used, scope }
    }
}

/// Writes an event for a panic in code that only looks at refusals. The refusal has another event.
fn log_panic(error: &AuthError) {
    tracing::error!(detail = %error, "user code panicked");
}

impl<'a> Refused<'a> {
    /// The error.
    #[must_use]
    pub fn error(&self) -> &'a AuthError {
        self.error
    }

    /// The request; `None` where the refusal was made without one, by [`Gate::refuse`] or [`Gate::authorize`].
    #[must_use]
    pub fn request(&self) -> Option<&'a dyn RequestView> {
        self.request
    }

    /// The value of the request's field `name`, in lower case. `None` if the request has no such field, or several, or the
    /// value is not text. It is not verified: a client can send any value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'a str> {
        let field = the_only_field(self.request?, name).ok().flatten()?;
        std::str::from_utf8(field).ok()
    }
}

impl Deref for Refused<'_> {
    type Target = AuthError;

    fn deref(&self) -> &AuthError {
        self.error
    }
}

impl Denied {
    pub(super) fn new(error: impl Into<AuthError>, scheme: Option<Scheme>) -> Self {
        let (scope, explanation, comparison, issuer) = (None, None, None, IssuerLabel::default());
        Self { error: error.into(), scheme, scope, explanation, comparison, issuer, is_admitted: false }
    }

    /// The same, and whether the gate had let the caller in before.
    pub(super) fn after_admission(self, is_admitted: bool) -> Self {
        Self { is_admitted, ..self }
    }

    pub(super) fn panicked(what: &'static str) -> Self {
        Self::new(AuthError::Server(what.into()), None)
    }

    /// The error.
    #[must_use]
    pub fn error(&self) -> &AuthError {
        &self.error
    }
}

impl From<Denied> for AuthError {
    fn from(denied: Denied) -> Self {
        denied.error
    }
}

impl Deref for Denied {
    type Target = AuthError;

    fn deref(&self) -> &AuthError {
        &self.error
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for Denied {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}

impl fmt::Debug for RefusalWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefusalWriter")
    }
}

impl fmt::Debug for Refused<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refused").field("error", self.error).finish_non_exhaustive()
    }
}
