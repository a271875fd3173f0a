//! The types of values that members have: how JSON and text become them.

use std::borrow::Cow;
use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde_json::Value;
#[cfg(test)]
use serde_json::json;

use crate::config::choices::{DpopMode, MetadataKind, TokenSourceName};
use crate::jose::Algorithm;

/// The form of a value in a configuration file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Form {
    /// `true` or `false`.
    Flag,
    /// A string or a list of strings; in a variable, separated by commas.
    List,
    /// A whole number.
    Number,
    /// A string.
    Text,
}

/// What is wrong with a value, and what to write instead if the member's own hint does not say it.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) problem: Cow<'static, str>,
    pub(super) hint: Option<String>,
}

impl Fault {
    pub(super) fn new(problem: &'static str) -> Self {
        Self { problem: problem.into(), hint: None }
    }
}

/// A field of a configuration: a value that is required, or an `Option`.
pub(super) trait Field: Default {
    const FORM: Form;
    const REQUIRED: bool;
    /// Whether the member restricts what is accepted, so that its blank variable is an error.
    const RESTRICTS: bool;

    /// Reads the member of a configuration file.
    fn read(value: Value) -> Result<Self, Fault>;

    /// Whether the member is left out when the configuration is written.
    fn is_absent(&self) -> bool;

    /// Returns the JSON Schema of the member.
    #[cfg(test)]
    fn schema() -> Value;
}

/// A value of a member.
pub(super) trait MemberValue: DeserializeOwned {
    const FORM: Form;
    /// Whether a value restricts what is accepted: each list, number and flag, and some texts.
    const RESTRICTS: bool = !matches!(Self::FORM, Form::Text);
    /// The problem with a value that has the right form and is still refused.
    const PROBLEM: &'static str = "not a possible value";
    /// Whether the error about such a value says what to write, instead of the member's hint.
    const EXPLAINS: bool = false;

    /// Returns the JSON Schema of the value.
    #[cfg(test)]
    fn schema() -> Value;
}

impl<T: MemberValue> Field for Option<T> {
    const FORM: Form = T::FORM;
    const REQUIRED: bool = false;
    const RESTRICTS: bool = T::RESTRICTS;

    fn read(value: Value) -> Result<Self, Fault> {
        match value {
            Value::Null => Ok(None),
            // A list that restricts nothing is more likely a lost value than a decision.
            Value::Array(items) if T::FORM == Form::List && items.is_empty() => Err(Fault::new("an empty list")),
            value => read(value).map(Some),
        }
    }

    fn is_absent(&self) -> bool {
        self.is_none()
    }

    #[cfg(test)]
    fn schema() -> Value {
        json!({"anyOf": [T::schema(), {"type": "null"}]})
    }
}

impl<T: MemberValue> Field for Vec<T> {
    const FORM: Form = Form::List;
    const REQUIRED: bool = true;
    const RESTRICTS: bool = false;

    fn read(value: Value) -> Result<Self, Fault> {
        read(value)
    }

    fn is_absent(&self) -> bool {
        false
    }

    #[cfg(test)]
    fn schema() -> Value {
        <Self as MemberValue>::schema()
    }
}

impl MemberValue for String {
    const FORM: Form = Form::Text;

    #[cfg(test)]
    fn schema() -> Value {
        json!({"type": "string", "pattern": "\\S"})
    }
}

impl MemberValue for PathBuf {
    const FORM: Form = Form::Text;

    #[cfg(test)]
    fn schema() -> Value {
        json!({"type": "string", "pattern": "\\S"})
    }
}

impl MemberValue for bool {
    const FORM: Form = Form::Flag;

    #[cfg(test)]
    fn schema() -> Value {
        json!({"type": "boolean"})
    }
}

impl MemberValue for u64 {
    const FORM: Form = Form::Number;

    #[cfg(test)]
    fn schema() -> Value {
        json!({"type": "integer", "minimum": 0})
    }
}

impl MemberValue for usize {
    const FORM: Form = Form::Number;

    #[cfg(test)]
    fn schema() -> Value {
        u64::schema()
    }
}

impl MemberValue for DpopMode {
    const FORM: Form = Form::Text;
    const RESTRICTS: bool = true;
    const PROBLEM: &'static str = "unknown mode";

    #[cfg(test)]
    fn schema() -> Value {
        json!({"enum": [Self::Accepted, Self::Required]})
    }
}

impl MemberValue for MetadataKind {
    const FORM: Form = Form::Text;
    const PROBLEM: &'static str = "unknown kind";

    #[cfg(test)]
    fn schema() -> Value {
        json!({"enum": [Self::OpenidConfiguration, Self::OauthAuthorizationServer]})
    }
}

impl MemberValue for TokenSourceName {
    const FORM: Form = Form::Text;
    const PROBLEM: &'static str = "not a list of token sources";

    #[cfg(test)]
    fn schema() -> Value {
        json!({"type": "string", "pattern": "^(authorization|(cookie|header):[!#$%&'*+.^_`|~0-9A-Za-z-]+)$"})
    }
}

impl MemberValue for Algorithm {
    const FORM: Form = Form::Text;
    const PROBLEM: &'static str = "not a list of algorithms";
    const EXPLAINS: bool = true;

    #[cfg(test)]
    fn schema() -> Value {
        json!({"enum": Algorithm::ALL.iter().map(|algorithm| algorithm.name()).collect::<Vec<_>>()})
    }
}

impl<T: MemberValue> MemberValue for Vec<T> {
    const FORM: Form = Form::List;
    const PROBLEM: &'static str = T::PROBLEM;
    const EXPLAINS: bool = T::EXPLAINS;

    #[cfg(test)]
    fn schema() -> Value {
        json!({"anyOf": [T::schema(), {"type": "array", "items": T::schema(), "minItems": 1}]})
    }
}

impl Form {
    /// Returns `text`, from a variable, as the value that a configuration file would have.
    pub(super) fn of_text(self, text: String) -> Value {
        match self {
            // Text that is neither stays text, which the type refuses.
            Self::Flag => text.trim().parse::<bool>().map_or(Value::String(text), Value::from),
            Self::List => text.split(',').map(str::trim).collect(),
            // Text that is not a number stays text, which the number's type refuses.
            Self::Number => text.trim().parse::<u64>().map_or(Value::String(text), Value::from),
            Self::Text => Value::String(text),
        }
    }

    /// Returns `value` in its full form, or what is wrong with its form.
    fn check(self, value: Value) -> Result<Value, &'static str> {
        match (self, value) {
            (Self::Flag, Value::Bool(flag)) => Ok(Value::Bool(flag)),
            (Self::Flag, _) => Err("neither true nor false"),
            (Self::Text, Value::String(text)) => Ok(Value::String(text)),
            (Self::Text, _) => Err("not a string"),
            (Self::Number, value) if value.is_u64() => Ok(value),
            (Self::Number, _) => Err("not a whole number"),
            (Self::List, Value::String(text)) => Ok(Value::Array(vec![Value::String(text)])),
            (Self::List, Value::Array(items)) if items.iter().all(Value::is_string) => Ok(Value::Array(items)),
            (Self::List, _) => Err("neither a string nor a list of strings"),
        }
    }
}

fn read<T: MemberValue>(value: Value) -> Result<T, Fault> {
    let value = T::FORM.check(value).map_err(Fault::new)?;
    let blank = blank(&value);
    let read = serde_json::from_value(value)
        .map_err(|error| Fault { problem: T::PROBLEM.into(), hint: T::EXPLAINS.then(|| error.to_string()) })?;
    blank.map_or(Ok(read), |problem| Err(Fault::new(problem)))
}

/// Returns the problem of a text or a list with a blank text, which would set nothing.
fn blank(value: &Value) -> Option<&'static str> {
    let is_blank = |value: &Value| value.as_str().is_some_and(|text| text.trim().is_empty());
    match value {
        Value::Array(items) => items.iter().any(is_blank).then_some("an item of the list is blank"),
        value => is_blank(value).then_some("blank"),
    }
}
