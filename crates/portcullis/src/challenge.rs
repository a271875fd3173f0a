//! `WWW-Authenticate` challenges (RFC 9110 §11.6.1, RFC 6750 §3).

use std::fmt;

/// One challenge: a scheme and its parameters, in order.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Challenge {
    scheme: String,
    parameters: Vec<(String, String)>,
}

impl Challenge {
    /// A challenge of `scheme`, without parameters.
    pub fn new(scheme: impl Into<String>) -> Self {
        Self { scheme: scheme.into(), parameters: Vec::new() }
    }

    /// With one more parameter. The value is quoted. Characters other than printable ASCII are left out.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.parameters.push((name.into(), value.into()));
        self
    }
}

impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.scheme)?;
        for (position, (name, value)) in self.parameters.iter().enumerate() {
            write_parameter(f, position == 0, name, value)?;
        }
        Ok(())
    }
}

/// The text of a challenge, written without a copy of its parts. Every refusal needs one.
pub(crate) struct ChallengeText {
    text: String,
    is_empty: bool,
}

impl ChallengeText {
    pub(crate) fn new(scheme: &str) -> Self {
        Self { text: scheme.to_owned(), is_empty: true }
    }

    /// Continues `start`: the text of a challenge with at least one parameter. Reserves memory for `more` bytes.
    pub(crate) fn after(start: &str, more: usize) -> Self {
        let mut text = String::with_capacity(start.len().saturating_add(more));
        text.push_str(start);
        Self { text, is_empty: false }
    }

    /// Like [`Challenge::with`].
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        // Writing to a string cannot fail.
        let _written = write_parameter(&mut self.text, self.is_empty, name, value);
        self.is_empty = false;
        self
    }

    /// Like [`Self::with`], for a code or a sentence of this crate: quoting changes none of them.
    pub(crate) fn with_plain(mut self, name: &str, value: &str) -> Self {
        for piece in [if self.is_empty { " " } else { ", " }, name, "=\"", value, "\""] {
            self.text.push_str(piece);
        }
        self.is_empty = false;
        self
    }

    /// With parameters that [`parameter`] wrote.
    pub(crate) fn with_written(mut self, parameters: &str) -> Self {
        self.text.push_str(parameters);
        self
    }

    pub(crate) fn into_text(self) -> String {
        self.text
    }
}

/// The text of a parameter that follows another one.
pub(crate) fn parameter(name: &str, value: &str) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _written = write_parameter(&mut text, false, name, value);
    text
}

fn write_parameter(to: &mut impl fmt::Write, is_first: bool, name: &str, value: &str) -> fmt::Result {
    to.write_str(if is_first { " " } else { ", " })?;
    to.write_str(name)?;
    to.write_str("=\"")?;
    let is_special = |character: char| !matches!(character, ' '..='~') || matches!(character, '"' | '\\');
    // Each piece ends with a special character, apart from the last one.
    for piece in value.split_inclusive(is_special) {
        let special = piece.chars().next_back().filter(|last| is_special(*last));
        to.write_str(special.map_or(piece, |special| piece.strip_suffix(special).unwrap_or_default()))?;
        match special {
            Some('"') => to.write_str("\\\"")?,
            Some('\\') => to.write_str("\\\\")?,
            _ => {}
        }
    }
    to.write_str("\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_separated_by_commas_and_quoted() {
        let challenge =
            Challenge::new("Bearer").with("realm", "a \"b\" \\c\r\nX: y\u{e9}").with("error", "invalid_token");
        assert_eq!(challenge.to_string(), r#"Bearer realm="a \"b\" \\cX: y", error="invalid_token""#);
        assert_eq!(Challenge::new("DPoP").to_string(), "DPoP");
    }

    #[test]
    fn both_forms_write_the_same_text() {
        let characters = ['a', ' ', '~', '"', '\\', '\n', '\u{7f}', '\u{e9}', '\u{1f512}'];
        for _ in 0..2_000 {
            let value: String = (0..fastrand::usize(..8)).map(|_| characters[fastrand::usize(..9)]).collect();
            let quoted: String = value.chars().filter(|character| matches!(character, ' '..='~')).collect();
            let quoted = quoted.replace('\\', "\\\\").replace('"', "\\\"");
            let expected = format!("Bearer realm=\"{quoted}\", error=\"{quoted}\"");
            let challenge = Challenge::new("Bearer").with("realm", &*value).with("error", &*value);
            assert_eq!(challenge.to_string(), expected);
            let text = ChallengeText::new("Bearer").with("realm", &value).with("error", &value);
            assert_eq!(text.into_text(), expected);
            let after = ChallengeText::after(&format!("Bearer realm=\"{quoted}\""), 0);
            assert_eq!(after.with_written(&parameter("error", &value)).into_text(), expected);
        }
        let plain = ChallengeText::new("Bearer").with_plain("realm", "api").with_plain("error", "invalid_token");
        assert_eq!(plain.into_text(), r#"Bearer realm="api", error="invalid_token""#);
        assert_eq!(ChallengeText::new("DPoP").into_text(), "DPoP");
    }
}
