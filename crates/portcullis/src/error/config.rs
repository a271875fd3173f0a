//! What is wrong with a configuration.

use std::borrow::Cow;

/// A configuration that can't be used: which field, what is wrong, and what to write instead.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{field}: {problem}; {hint}")]
pub struct ConfigError {
    field: Cow<'static, str>,
    problem: Cow<'static, str>,
    hint: Cow<'static, str>,
}

impl ConfigError {
    /// `field` has `problem`; `hint` says what to write instead.
    pub fn new(
        field: impl Into<Cow<'static, str>>,
        problem: impl Into<Cow<'static, str>>,
        hint: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { field: field.into(), problem: problem.into(), hint: hint.into() }
    }

    /// The field, option or environment variable.
    #[must_use]
    pub fn field(&self) -> &str {
        &self.field
    }

    /// The same error about the field as it is named elsewhere, such as an environment variable.
    #[must_use]
    pub fn with_field(mut self, field: impl Into<Cow<'static, str>>) -> Self {
        self.field = field.into();
        self
    }
}
