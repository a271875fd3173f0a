//! The `Debug` form of errors: their sentence, because a `main` that returns an error prints this form.

use std::error::Error;
use std::fmt;

/// Implements `Debug` for errors: the text of the error, and of its causes if the text does not have them.
///
/// `fn main() -> Result<(), Box<dyn Error>>` prints the `Debug` form. A derived one would show fields instead of the
/// sentence that says what to write.
macro_rules! debug_as_sentence {
    ($($error:ty),+ $(,)?) => {
        $(
            impl ::std::fmt::Debug for $error {
                fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                    $crate::sentence::write(self, f)
                }
            }
        )+
    };
}

pub(crate) use debug_as_sentence;

pub(crate) fn write(error: &dyn Error, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut text = error.to_string();
    f.write_str(&text)?;
    let mut cause = error.source();
    while let Some(error) = cause {
        let of_cause = error.to_string();
        if !text.contains(&of_cause) {
            write!(f, ": {of_cause}")?;
        }
        text = of_cause;
        cause = error.source();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::config::UnknownTokenSource;
    use crate::error::{AuthError, ConfigError, InvalidRequest, InvalidToken, Unavailable};
    use crate::jose::{Algorithm, InvalidKey};
    use crate::keys::{FixedKeys, KeyError, KeySet};
    use crate::session::SessionError;

    #[test]
    fn debug_form_of_errors_is_their_sentence() {
        let config = ConfigError::new("LEEWAY", "too large", "write 0 to 600");
        let both = ConfigError::both::<(), ()>(Err(config.clone()), Err(config.clone())).unwrap_err();
        assert_eq!(format!("{both:?}"), "LEEWAY: too large; write 0 to 600\nLEEWAY: too large; write 0 to 600");
        let boxed: Box<dyn std::error::Error> = config.into();
        assert_eq!(format!("Error: {boxed:?}"), "Error: LEEWAY: too large; write 0 to 600");

        macro_rules! assert_sentence {
            ($($error:expr),+ $(,)?) => {
                $(assert_eq!(format!("{:?}", $error), $error.to_string());)+
            };
        }
        assert_sentence!(
            FixedKeys::jwks_file("/nonexistent").unwrap_err(),
            FixedKeys::jwks("{}").unwrap_err(),
            FixedKeys::secret(b"short").unwrap_err(),
            KeySet::from_json("{}").unwrap_err(),
            InvalidKey::Pem,
            "none".parse::<Algorithm>().unwrap_err(),
            UnknownTokenSource,
            AuthError::MissingToken,
            AuthError::from(InvalidToken::Expired),
            AuthError::from(InvalidRequest::MalformedToken),
            InvalidToken::missing("exp"),
            KeyError::NotFound,
            SessionError::Revoked,
        );
    }

    #[test]
    fn debug_form_has_the_causes() {
        let unavailable = || Unavailable::new().with_source("connection refused");
        let expected = "what the check of the token needs is unavailable at the moment: connection refused";
        assert_eq!(format!("{:?}", unavailable()), expected);
        assert_eq!(format!("{:?}", AuthError::from(unavailable())), expected);
        assert_eq!(format!("{:?}", KeyError::from(unavailable())), expected);
    }
}
