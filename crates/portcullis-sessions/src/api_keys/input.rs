//! The limits of what a key is made from.

use std::time::Duration;

use super::error::ApiKeyError;
use crate::input::{Wrong, check_subject};

const MOST_SCOPES: usize = 64;
const MOST_BYTES_OF_SCOPES: usize = 1024;
const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
pub(super) const LONGEST_LIFETIME: Duration = YEAR.saturating_mul(100);
pub(super) const LONGEST_OVERLAP: Duration = Duration::from_secs(90 * 24 * 60 * 60);

pub(super) fn check_owner(owner: &str) -> Result<(), ApiKeyError> {
    check_subject(owner).map_err(|(_, problem): Wrong| invalid("owner", problem))
}

pub(super) fn check_label(label: &str) -> Result<(), ApiKeyError> {
    match label {
        long if long.len() > 255 => Err(invalid("label", "has more than 255 bytes")),
        control if control.chars().any(char::is_control) => Err(invalid("label", "has a control character")),
        _ => Ok(()),
    }
}

/// Checks the scopes, and drops those that are repeated.
pub(super) fn scopes<S: Into<String>>(given: impl IntoIterator<Item = S>) -> Result<Vec<String>, ApiKeyError> {
    let mut scopes: Vec<String> = Vec::new();
    for scope in given {
        let scope = scope.into();
        if !is_scope(&scope) {
            return Err(invalid(
                "scopes",
                "one is empty, or has a space or another character that RFC 6749 does not allow",
            ));
        }
        if !scopes.contains(&scope) {
            scopes.push(scope);
        }
        if scopes.len() > MOST_SCOPES
            || scopes.iter().map(|scope| scope.len() + 1).sum::<usize>() > MOST_BYTES_OF_SCOPES + 1
        {
            return Err(invalid("scopes", "there are more than 64, or they have more than 1,024 bytes together"));
        }
    }
    Ok(scopes)
}

pub(super) fn check_lifetime(lifetime: Option<Duration>) -> Result<(), ApiKeyError> {
    match lifetime {
        Some(short) if short < Duration::from_secs(1) => Err(invalid("lifetime", "is shorter than 1 s")),
        Some(long) if long > LONGEST_LIFETIME => Err(invalid("lifetime", "is longer than 100 years")),
        _ => Ok(()),
    }
}

pub(super) fn check_overlap(overlap: Duration) -> Result<(), ApiKeyError> {
    if overlap > LONGEST_OVERLAP { Err(invalid("overlap", "is longer than 90 days")) } else { Ok(()) }
}

/// `scope-token` of RFC 6749 §3.3.
fn is_scope(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}

fn invalid(field: &'static str, problem: &'static str) -> ApiKeyError {
    ApiKeyError::InvalidInput { field, problem }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(result: Result<impl Sized, ApiKeyError>) -> &'static str {
        match result {
            Err(ApiKeyError::InvalidInput { field, .. }) => field,
            Err(_) => "another error",
            Ok(_) => "accepted",
        }
    }

    #[test]
    fn owners_and_labels_have_limits() {
        for owner in ["alice", "auth0|123", "Zoë", &"x".repeat(255)] {
            assert_eq!(field(check_owner(owner)), "accepted");
        }
        for owner in ["", " alice", "alice ", "a\nb", "a\0", &"x".repeat(256)] {
            assert_eq!(field(check_owner(owner)), "owner", "{owner:?}");
        }
        for label in ["", "CI of the shop", "ключ \u{1F511}", &"x".repeat(255)] {
            assert_eq!(field(check_label(label)), "accepted");
        }
        for label in ["a\nb", "\u{1b}[2J", &"é".repeat(128)] {
            assert_eq!(field(check_label(label)), "label", "{label:?}");
        }
    }

    #[test]
    fn scopes_have_limits() {
        assert_eq!(scopes(["read", "write:all", "read"]).unwrap(), ["read", "write:all"]);
        assert_eq!(scopes(Vec::<String>::new()).unwrap(), [""; 0]);
        assert_eq!(scopes((0..64).map(|number| format!("s{number}"))).unwrap().len(), 64);
        assert_eq!(scopes(["x".repeat(1024)]).unwrap().len(), 1);
        for wrong in [
            vec![String::new()],
            vec!["a b".to_owned()],
            vec!["a\"".to_owned()],
            vec!["a\\".to_owned()],
            vec!["a\n".to_owned()],
            vec!["é".to_owned()],
            (0..65).map(|number| format!("s{number}")).collect(),
            vec!["x".repeat(1025)],
        ] {
            assert_eq!(field(scopes(wrong.clone())), "scopes", "{wrong:.1?}");
        }
    }

    #[test]
    fn times_have_limits() {
        for lifetime in [None, Some(Duration::from_secs(1)), Some(LONGEST_LIFETIME)] {
            assert_eq!(field(check_lifetime(lifetime)), "accepted");
        }
        for lifetime in [Duration::ZERO, Duration::from_millis(999), LONGEST_LIFETIME * 2, Duration::MAX] {
            assert_eq!(field(check_lifetime(Some(lifetime))), "lifetime");
        }
        assert_eq!(field(check_overlap(Duration::ZERO)), "accepted");
        assert_eq!(field(check_overlap(LONGEST_OVERLAP)), "accepted");
        assert_eq!(field(check_overlap(LONGEST_OVERLAP + Duration::from_millis(1))), "overlap");
    }
}
