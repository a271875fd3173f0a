//! The limits of what the service gives to be stored.

use crate::session::AuthFacts;

/// A wrong value: the argument and the problem.
pub(crate) type Wrong = (&'static str, &'static str);

/// Checks a subject. Databases may ignore white space at the end, so there must be none.
pub(crate) fn check_subject(subject: &str) -> Result<(), Wrong> {
    let problem = match subject {
        "" => "is empty",
        long if long.len() > 255 => "has more than 255 bytes",
        padded if padded.trim() != padded => "begins or ends with white space",
        control if control.chars().any(char::is_control) => "has a control character",
        _ => return Ok(()),
    };
    Err(("subject", problem))
}

/// Checks the facts of a login.
pub(crate) fn check_facts(facts: &AuthFacts) -> Result<(), Wrong> {
    let fits = |text: &str, limit: usize| (1..=limit).contains(&text.len()) && !text.chars().any(char::is_control);
    if facts.acr.as_ref().is_some_and(|acr| !fits(acr, 255)) {
        return Err(("acr", "does not have 1 to 255 bytes without control characters"));
    }
    if facts.amr.len() > 16 || facts.amr.iter().any(|method| !fits(method, 64)) {
        return Err(("amr", "has more than 16 methods, or one without 1 to 64 bytes without control characters"));
    }
    Ok(())
}

/// Makes a label that can be stored. It may come from the request, so it is shortened instead of refused.
pub(crate) fn label(text: &str) -> Option<String> {
    let mut label: String = text.chars().filter(|char| !char.is_control()).take(255).collect();
    while label.len() > 255 {
        label.pop();
    }
    let label = label.trim();
    (!label.is_empty()).then(|| label.to_owned())
}

#[cfg(test)]
mod tests {
    use portcullis::claims::NumericDate;

    use super::*;

    #[test]
    fn subjects_have_limits() {
        for subject in ["1", "auth0|123", "Zoë", "a b", &"x".repeat(255)] {
            assert_eq!(check_subject(subject), Ok(()));
        }
        for subject in ["", " a", "a ", "a\u{a0}", "a\nb", "a\0", &"x".repeat(256), &"é".repeat(128)] {
            assert_eq!(check_subject(subject).unwrap_err().0, "subject", "{subject:?}");
        }
    }

    #[test]
    fn facts_have_limits() {
        let facts = AuthFacts::at(NumericDate::from_unix(0, 0));
        assert_eq!(check_facts(&facts.clone().with_acr("a".repeat(255)).with_amr(vec!["a".repeat(64); 16])), Ok(()));
        for wrong in [
            facts.clone().with_acr(""),
            facts.clone().with_acr("a".repeat(256)),
            facts.clone().with_acr("a\0"),
            facts.clone().with_amr([""]),
            facts.clone().with_amr(["pwd\n"]),
            facts.clone().with_amr(["a".repeat(65)]),
            facts.with_amr(["a"; 17]),
        ] {
            assert!(check_facts(&wrong).is_err());
        }
    }

    #[test]
    fn labels_are_shortened_and_cleaned() {
        assert_eq!(label(" Firefox\r\non Linux ").as_deref(), Some("Firefoxon Linux"));
        assert_eq!(label("\0 \n"), None);
        assert_eq!(label(&"é".repeat(1000)).unwrap().len(), 254);
    }
}
