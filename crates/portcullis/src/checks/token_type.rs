//! The check of the header's `typ` (RFC 7515 §4.1.9, RFC 9068 §4), which keeps other kinds of tokens out (RFC 8725
//! §3.11).

use crate::checks::quoted;
use crate::error::{ConfigError, InvalidToken};
use crate::jose::Header;

/// The accepted media types, without `application/`.
#[derive(Clone, Debug)]
pub(crate) struct TokenTypes {
    accepted: Vec<String>,
    absent: bool,
}

impl Default for TokenTypes {
    fn default() -> Self {
        Self { accepted: vec!["JWT".to_owned(), "at+jwt".to_owned()], absent: true }
    }
}

impl TokenTypes {
    /// Accepts these types. A token without `typ` is refused.
    pub(crate) fn exactly(accepted: impl IntoIterator<Item = String>) -> Self {
        let accepted = accepted.into_iter().map(|name| without_prefix(&name).to_owned()).collect();
        Self { accepted, absent: false }
    }

    /// Accepts these types, too.
    pub(crate) fn add(&mut self, more: impl IntoIterator<Item = String>) {
        self.accepted.extend(more.into_iter().map(|name| without_prefix(&name).to_owned()));
    }

    pub(crate) fn accepted(&self) -> &[String] {
        &self.accepted
    }

    /// Says what is accepted, for a diagnosis.
    pub(crate) fn about(&self) -> String {
        let types: Vec<_> = self.accepted.iter().map(|name| quoted(name)).collect();
        let absent = if self.absent { ", or absent" } else { "" };
        format!("{}{absent}", types.join(" or "))
    }

    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        if self.accepted.is_empty() || self.accepted.iter().any(String::is_empty) {
            return Err(ConfigError::new("token_types", "empty", "write at least one type, for example at+jwt"));
        }
        Ok(())
    }

    pub(crate) fn check(&self, header: &Header) -> Result<(), InvalidToken> {
        let accepted = match header.token_type() {
            None => self.absent,
            Some(name) => {
                let name = without_prefix(name);
                self.accepted.iter().any(|accepted| accepted.eq_ignore_ascii_case(name))
            }
        };
        if accepted { Ok(()) } else { Err(InvalidToken::WrongType) }
    }
}

fn without_prefix(name: &str) -> &str {
    const PREFIX: &str = "application/";
    match name.split_at_checked(PREFIX.len()) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case(PREFIX) => rest,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(types: &TokenTypes, typ: Option<&str>) -> bool {
        let typ = typ.map(|typ| format!(r#","typ":"{typ}""#)).unwrap_or_default();
        types.check(&Header::parse(format!(r#"{{"alg":"RS256"{typ}}}"#).into_bytes()).unwrap()).is_ok()
    }

    #[test]
    fn jwt_and_at_jwt_are_accepted_by_default() {
        let types = TokenTypes::default();
        for typ in [
            None,
            Some("JWT"),
            Some("jwt"),
            Some("at+jwt"),
            Some("at+JWT"),
            Some("application/at+jwt"),
            Some("Application/JWT"),
        ] {
            assert!(accepts(&types, typ), "{typ:?}");
        }
        for typ in ["", "JOSE", "dpop+jwt", "logout+jwt", "secevent+jwt", "id+jwt", "application/", "text/JWT", "JWT "]
        {
            assert!(!accepts(&types, Some(typ)), "{typ}");
        }
    }

    #[test]
    fn configured_types_require_typ() {
        let types = TokenTypes::exactly(["application/at+jwt".to_owned()]);
        assert!(accepts(&types, Some("AT+jwt")));
        assert!(!accepts(&types, Some("JWT")) && !accepts(&types, None));
        assert!(TokenTypes::exactly([]).validate().is_err());
    }
}
