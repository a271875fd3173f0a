//! What people paste together with a token. The command stays strict, and says what to remove.

/// Returns what surrounds or interrupts the token in `text`, for "remove …".
pub(crate) fn additions(text: &str) -> Vec<&'static str> {
    let mut found = Vec::new();
    let mut add = |is_there: bool, what: &'static str| {
        if is_there && !found.contains(&what) {
            found.push(what);
        }
    };
    let mut rest = text;
    loop {
        let before = rest.len();
        let trimmed = rest.trim_matches(char::is_whitespace);
        add(trimmed.len() < rest.len(), "the white space around it");
        rest = trimmed.trim_matches(INVISIBLE);
        add(rest.len() < trimmed.len(), "the invisible characters around it");
        let unquoted = rest.trim_matches(['"', '\'', '`']);
        add(unquoted.len() < rest.len(), "the quotes around it");
        rest = unquoted.trim_end_matches([',', ';']);
        add(rest.len() < unquoted.len(), "the punctuation at its end");
        if let Some(after) = without_prefix(rest, "authorization:") {
            add(true, "the field name Authorization");
            rest = after;
        }
        if let Some(after) = without_prefix(rest, "bearer ") {
            add(true, "the word Bearer");
            rest = after;
        }
        if rest.len() == before {
            break;
        }
    }
    add(rest.contains(['\r', '\n']), "the line breaks in it");
    add(rest.chars().any(|char| char.is_whitespace() && !matches!(char, '\r' | '\n')), "the white space in it");
    add(rest.contains(INVISIBLE), "the invisible characters in it");
    add(rest.contains('='), "the padding (=) of its parts");
    found
}

/// A byte order mark, and what web pages put into long words.
pub(crate) const INVISIBLE: [char; 4] = ['\u{feff}', '\u{200b}', '\u{2060}', '\u{ad}'];

fn without_prefix<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_addition_is_named() {
        for (text, expected) in [
            ("a.b.c", &[][..]),
            ("", &[]),
            ("Bearer a.b.c", &["the word Bearer"]),
            ("bearer  a.b.c", &["the word Bearer", "the white space around it"]),
            (
                "Authorization: Bearer a.b.c",
                &["the field name Authorization", "the white space around it", "the word Bearer"],
            ),
            ("\"a.b.c\"", &["the quotes around it"]),
            ("'Bearer a.b.c',", &["the punctuation at its end", "the quotes around it", "the word Bearer"]),
            ("a.b.c\n", &["the white space around it"]),
            ("a.b\r\nb.c", &["the line breaks in it"]),
            ("a.b b.c", &["the white space in it"]),
            ("\u{feff}a.b.c", &["the invisible characters around it"]),
            ("a.b\u{200b}b.c", &["the invisible characters in it"]),
            ("a.b==.c=", &["the padding (=) of its parts"]),
        ] {
            let mut found = additions(text);
            let mut expected = expected.to_vec();
            found.sort_unstable();
            expected.sort_unstable();
            assert_eq!(found, expected, "{text:?}");
        }
    }
}
