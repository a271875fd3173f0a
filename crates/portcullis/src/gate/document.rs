//! What an OpenAPI document needs to know about a gate.

use crate::credential::TokenSource;
use crate::error::AuthError;
use crate::gate::Gate;
use crate::openapi::GuardRecorder;
use crate::policy::Policy;
use crate::possession::Possession;
use crate::refusal::Refusal;
use crate::verifier::Verified;

impl Gate {
    /// See [`dangerous::admit_everyone_and_record`](crate::dangerous::admit_everyone_and_record).
    pub(crate) fn recording(recorder: GuardRecorder) -> Self {
        Self::new(super::NoVerifier).with(|inner| inner.recorder = Some(recorder))
    }

    /// Notes what is asked of a request, and returns the caller of every request. `None` without a recorder.
    pub(super) fn recorded(&self, policy: &Policy, is_optional: bool) -> Option<Verified> {
        let recorder = self.0.recorder.as_ref()?;
        Some(recorder.record(self, policy, is_optional))
    }

    pub(crate) fn realm(&self) -> &str {
        &self.0.realm
    }

    pub(crate) fn sources(&self) -> &[TokenSource] {
        &self.0.sources
    }

    pub(crate) fn possession(&self) -> Option<&Possession> {
        self.0.possession.as_ref()
    }

    pub(crate) fn issuers(&self) -> Vec<String> {
        self.0.verifier.issuers()
    }

    /// Whether a token may come from a cookie.
    pub(crate) fn reads_cookies(&self) -> bool {
        self.0.sources.iter().any(TokenSource::is_cookie)
    }

    /// Whether the service changes the answers.
    pub(crate) fn has_own_refusals(&self) -> bool {
        !self.0.refusals.is_empty()
    }

    /// Makes the answer to `error` for a document. It is neither logged nor observed, and functions of the service do not change
    /// it.
    pub(crate) fn sample_refusal(&self, error: &AuthError) -> Refusal {
        Refusal::new(error, &self.challenger(None, || None))
    }
}
