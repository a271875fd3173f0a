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
            f.write_str(if position == 0 { " " } else { ", " })?;
            write!(f, "{name}=\"")?;
            for character in value.chars().filter(|character| matches!(character, ' '..='~')) {
                if matches!(character, '"' | '\\') {
                    f.write_str("\\")?;
                }
                write!(f, "{character}")?;
            }
            f.write_str("\"")?;
        }
        Ok(())
    }
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
}
