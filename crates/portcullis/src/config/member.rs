//! A member of a configuration: its names in a file, in the environment and on a command line.

use std::borrow::Cow;

use serde_json::Value;

use crate::config::members::MEMBERS;
use crate::config::value_types::{Fault, Form};
use crate::error::ConfigError;

/// A member of a configuration.
///
/// [`members`] lists them all, for programs that offer them as flags.
#[derive(Debug)]
pub struct Member {
    pub(super) name: &'static str,
    pub(super) group: MemberGroup,
    pub(super) about: &'static str,
    pub(super) variable: &'static str,
    pub(super) flag: Option<(&'static str, &'static str)>,
    pub(super) hint: &'static str,
    /// Other names that errors of the builders use for it.
    pub(super) options: &'static [&'static str],
    /// Names that are easily mistaken for its own, as variables without `PORTCULLIS_`.
    pub(super) mistaken: &'static [&'static str],
    pub(super) form: Form,
    pub(super) check: fn(Value) -> Result<(), Fault>,
    #[cfg(test)]
    pub(super) required: bool,
    /// Whether it restricts what is accepted, so that its blank variable is an error.
    pub(super) restricts: bool,
    #[cfg(test)]
    pub(super) schema: fn() -> Value,
}

/// What a member is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum MemberGroup {
    /// How the metadata of the issuer is fetched, if it is the source of keys.
    Discovery,
    /// How keys are fetched, from the metadata or from a URL.
    Fetch,
    /// How the gate reads and refuses requests, for all issuers.
    Gate,
    /// How opaque tokens are verified, by introspection.
    Introspection,
    /// The names that tokens must have: issuer and audience.
    Issuer,
    /// A source of keys. A configuration has at most one.
    KeySource,
    /// How tokens are checked, for any issuer.
    Token,
}

/// Returns all members of a configuration.
pub fn members() -> impl Iterator<Item = &'static Member> {
    MEMBERS.iter()
}

impl Member {
    /// Returns the name of the member in a configuration file.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Returns what the member is about.
    #[must_use]
    pub fn group(&self) -> MemberGroup {
        self.group
    }

    /// Returns what the member means, in one or more sentences of Markdown on one line.
    #[must_use]
    pub fn about(&self) -> String {
        self.about.lines().map(str::trim).collect::<Vec<_>>().join(" ")
    }

    /// Returns the environment variable.
    #[must_use]
    pub fn variable(&self) -> &'static str {
        self.variable
    }

    /// Returns the flag of the command `portcullis` without its dashes, and the placeholder of its value.
    #[must_use]
    pub fn flag(&self) -> Option<(&'static str, &'static str)> {
        self.flag
    }

    /// Whether the member may be set next to a preset, or once for several issuers.
    #[must_use]
    pub fn suits_any_issuer(&self) -> bool {
        matches!(self.group, MemberGroup::Gate | MemberGroup::Token)
    }

    /// Whether the member may have several values.
    #[must_use]
    pub fn is_list(&self) -> bool {
        self.form == Form::List
    }

    /// Returns one value of the member, as a flag has it. The configuration that is made of the values refuses a blank one.
    ///
    /// # Errors
    /// [`ConfigError`] about the member.
    pub fn value_of(&self, text: &str) -> Result<Value, ConfigError> {
        let value = match self.form {
            Form::List | Form::Text if text.trim().is_empty() => return Ok(Value::from(text)),
            Form::List => Value::from(text),
            form => form.of_text(text.to_owned()),
        };
        (self.check)(value.clone()).map_err(|fault| self.error(fault)).map(|()| value)
    }

    /// Whether an error about `field` is about this member: errors of the builders name some options otherwise.
    #[must_use]
    pub fn is_meant_by(&self, field: &str) -> bool {
        self.name == field || self.options.contains(&field)
    }

    /// Returns the name of the variable with a file that holds the value.
    #[cfg(test)]
    pub(super) fn file_twin(&self) -> Option<String> {
        (!self.variable.ends_with("_FILE")).then(|| format!("{}_FILE", self.variable))
    }

    pub(super) fn error(&self, fault: Fault) -> ConfigError {
        let hint = fault.hint.map_or(Cow::Borrowed(self.hint), Cow::Owned);
        ConfigError::new(self.name, fault.problem, hint)
    }
}
