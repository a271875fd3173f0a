//! Finds the token in what people paste: a header field, a whole `curl` command, a JSON response, a wrapped line.

use crate::explain::token::decode_object;
use crate::pasted::INVISIBLE;

/// A token, and what was removed around it or in it.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Pasted {
    pub(crate) text: String,
    pub(crate) removed: Vec<&'static str>,
}

/// Returns the tokens in `text`: those of its lines if each line is one, or else the only one. Empty if `text` is blank.
pub(crate) fn tokens(text: &str) -> Vec<Pasted> {
    let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if lines.len() > 1 && lines.iter().all(|line| is_jwt(line)) {
        return lines.into_iter().map(|line| Pasted { text: line.to_owned(), removed: Vec::new() }).collect();
    }
    the_token(text).into_iter().collect()
}

fn the_token(text: &str) -> Option<Pasted> {
    let visible: String = text.chars().filter(|char| !INVISIBLE.contains(char)).collect();
    let (found, before, after) = match jwt(&visible) {
        Some(found) => found,
        None => opaque(&visible),
    };
    if found.is_empty() {
        return None;
    }
    let mut removed = Vec::new();
    let mut add = |is_there: bool, what: &'static str| {
        if is_there && !removed.contains(&what) {
            removed.push(what);
        }
    };
    let around = before.to_ascii_lowercase();
    add(visible.len() < text.len(), "the invisible characters");
    add(is_command(&around), "the curl command around it");
    add(around.contains("authorization:"), "the field name Authorization");
    add(word(&around, "bearer"), "the word Bearer");
    add(before.ends_with(QUOTES) || after.starts_with(QUOTES), "the quotes around it");
    let is_blank = |text: &str| text.chars().all(char::is_whitespace);
    let has_space = |text: &str| text.starts_with(char::is_whitespace) || text.ends_with(char::is_whitespace);
    add(has_space(before) || has_space(after), "the white space around it");
    let named = ["authorization:", "bearer"].iter().fold(around.clone(), |rest, name| rest.replace(name, ""));
    let punctuation = |char: char| char.is_whitespace() || QUOTES.contains(&char) || matches!(char, ',' | ';');
    let has_more = |text: &str| !is_blank(text.trim_matches(punctuation));
    add(!is_command(&around) && (has_more(&named) || has_more(after)), "the text around it");
    add(
        !is_blank(after)
            && after.trim_matches(|char| punctuation(char) && !matches!(char, ',' | ';')).starts_with([',', ';']),
        "the punctuation at its end",
    );
    add(found.contains(['\r', '\n']), "the line breaks in it");
    add(found.contains([' ', '\t']), "the white space in it");
    let text = found.chars().filter(|char| !char.is_whitespace() && *char != '\\').collect();
    Some(Pasted { text, removed })
}

const QUOTES: [char; 5] = ['"', '\'', '`', '\u{201c}', '\u{201d}'];

fn is_command(around: &str) -> bool {
    word(around, "curl") || word(around, "curl.exe") || word(around, "http")
}

fn word(text: &str, word: &str) -> bool {
    let is_part = |char: char| char.is_alphanumeric() || matches!(char, '-' | '_' | '.' | '/' | ':');
    text.split(|char: char| !is_part(char)).any(|part| part.trim_end_matches(':') == word)
}

fn is_of_token(char: char) -> bool {
    char.is_ascii_alphanumeric() || matches!(char, '-' | '_' | '.' | '=')
}

fn is_jwt(text: &str) -> bool {
    text.chars().all(is_of_token) && matches!(text.split('.').count(), 3 | 5) && begins_as_jwt(text)
}

/// Whether the text up to the first dot is a header.
fn begins_as_jwt(text: &str) -> bool {
    text.split_once('.').is_some_and(|(header, _)| decode_object(header).is_some())
}

/// Finds a JWT: it, the text before it, and the text after it. It may be broken by white space.
fn jwt(text: &str) -> Option<(&str, &str, &str)> {
    // Responses of token endpoints have several tokens. The access token is meant.
    let named = text.find("access_token").and_then(|at| jwt_from(text, at));
    named.or_else(|| jwt_from(text, 0))
}

fn jwt_from(text: &str, mut at: usize) -> Option<(&str, &str, &str)> {
    // Long candidates that overlap would take a time that grows with the square of the text.
    let mut budget = text.len().saturating_mul(MAX_READINGS);
    while let Some(rest) = text.get(at..) {
        let start = at + rest.find(is_of_token)?;
        let candidate = text.get(start..)?;
        let end =
            if HEADER_STARTS.iter().any(|begin| candidate.starts_with(begin)) { end_of_token(candidate) } else { 0 };
        budget = budget.checked_sub(end)?;
        let (token, after) = candidate.split_at_checked(end)?;
        let joined: String = token.chars().filter(|char| !char.is_whitespace() && *char != '\\').collect();
        if matches!(joined.split('.').count(), 3 | 5) && begins_as_jwt(&joined) {
            return Some((token, text.get(..start)?, after));
        }
        // The next word, or what follows `TOKEN=`.
        let word = candidate.find(|char: char| char == '=' || !is_of_token(char)).unwrap_or(candidate.len());
        at = start + word + usize::from(candidate.get(word..).is_some_and(|rest| rest.starts_with('=')));
    }
    None
}

/// How many times the text is read, at most, to find a token in it.
const MAX_READINGS: usize = 8;

/// Base64url of `{` and a line break, of `{` and a space or a quote, and of `{}`.
const HEADER_STARTS: [&str; 3] = ["ew", "ey", "e3"];

/// Returns where the token ends that `text` begins with. A line break does not end it if the next line has only characters of
/// a token, nor does a space before the third part.
fn end_of_token(text: &str) -> usize {
    let mut end = text.find(|char| !is_of_token(char)).unwrap_or(text.len());
    let mut dots = text.get(..end).unwrap_or_default().matches('.').count();
    while let Some(rest) = text.get(end..) {
        let gap = rest.find(|char: char| !char.is_whitespace() && char != '\\').unwrap_or(rest.len());
        let (white, next) = rest.split_at_checked(gap).unwrap_or((rest, ""));
        let has_break = white.contains(['\r', '\n']);
        let piece = next.find(|char| !is_of_token(char)).unwrap_or(next.len());
        let after = next.get(piece..).unwrap_or_default();
        let ends_line =
            after.is_empty() || after.starts_with(['\r', '\n', ' ', '\t', '\\', ',', ';']) || after.starts_with(QUOTES);
        let starts_another = next.starts_with("ey") && dots >= 2;
        let joins = if has_break { ends_line && is_all_of_its_line(after) } else { dots < 2 && ends_line };
        if white.is_empty() || piece == 0 || !joins || starts_another {
            break;
        }
        dots += next.get(..piece).unwrap_or_default().matches('.').count();
        end += gap + piece;
    }
    end
}

/// Whether a line has only punctuation after a part of a token.
fn is_all_of_its_line(after: &str) -> bool {
    let is_punctuation =
        |char: char| char.is_whitespace() || char == '\\' || QUOTES.contains(&char) || matches!(char, ',' | ';');
    after.starts_with(QUOTES) || after.split(['\r', '\n']).next().unwrap_or_default().chars().all(is_punctuation)
}

/// Takes a text without a JWT: what follows the word Bearer, up to a quote or white space, or all of it.
fn opaque(text: &str) -> (&str, &str, &str) {
    let lower = text.to_ascii_lowercase();
    let around = |char: char| char.is_whitespace() || QUOTES.contains(&char) || matches!(char, ',' | ';');
    let after_bearer = ["bearer ", "oauth2-bearer"].iter().find_map(|word| {
        let at = lower.find(word)? + word.len();
        text.get(at..)
    });
    let rest = after_bearer.unwrap_or(text).trim_start_matches(|char: char| around(char) || char == '=');
    let start = text.len() - rest.len();
    let end = match after_bearer {
        Some(_) => rest.find(around).unwrap_or(rest.len()),
        None => rest.trim_end_matches(around).len(),
    };
    let (before, rest) = text.split_at_checked(start).unwrap_or(("", text));
    let (found, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
    (found, before, after)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `{"alg":"ES256"}`, `{}`, and a signature.
    const JWT: &str = "eyJhbGciOiJFUzI1NiJ9.e30.c2lnbmF0dXJl";

    fn the_only(text: &str) -> Pasted {
        let mut all = tokens(text);
        assert_eq!(all.len(), 1, "{text:?}: {all:?}");
        all.remove(0)
    }

    #[test]
    fn token_is_found_in_what_people_paste() {
        let curl = |quote: char| {
            format!("curl -sS -H {quote}Authorization: Bearer {JWT}{quote} https://api.example/v1/orders")
        };
        for (text, removed) in [
            (JWT.to_owned(), &[][..]),
            (format!("{JWT}\n"), &["the white space around it"]),
            (format!("Bearer {JWT}"), &["the word Bearer", "the white space around it"]),
            (format!("\"{JWT}\""), &["the quotes around it"]),
            (format!("'Bearer {JWT}',"), &["the word Bearer"]),
            (
                format!("authorization: bearer {JWT}\r\nAccept: application/json\r\n"),
                &["the field name Authorization", "the word Bearer", "the text around it"],
            ),
            (
                curl('\''),
                &[
                    "the curl command around it",
                    "the field name Authorization",
                    "the word Bearer",
                    "the quotes around it",
                ],
            ),
            (curl('"'), &["the curl command around it"]),
            (
                format!("curl \\\n  --header 'Authorization: Bearer {JWT}' \\\n  https://api.example"),
                &["the curl command around it"],
            ),
            (format!("curl --oauth2-bearer {JWT} https://api.example"), &["the curl command around it"]),
            (
                format!("{{\"id_token\":\"eyJhbGciOiJFUzI1NiJ9.e30.b3RoZXI\",\"access_token\":\"{JWT}\"}}"),
                &["the text around it"],
            ),
            (format!("TOKEN={JWT}"), &["the text around it"]),
            (format!("\u{feff}{JWT}"), &["the invisible characters"]),
            (format!("{}\u{200b}{}", &JWT[..9], &JWT[9..]), &["the invisible characters"]),
            (format!("{}\n{}\r\n  {}\n", &JWT[..9], &JWT[9..22], &JWT[22..]), &["the line breaks in it"]),
            (format!("{} {}", &JWT[..9], &JWT[9..]), &["the white space in it"]),
            (
                format!("curl -H 'Authorization: Bearer {}\\\n{}' https://api.example", &JWT[..30], &JWT[30..]),
                &["the line breaks in it"],
            ),
        ] {
            let found = the_only(&text);
            assert_eq!(found.text, JWT, "{text:?}");
            assert!(removed.iter().all(|what| found.removed.contains(what)), "{text:?}: {:?}", found.removed);
            assert_eq!(found.removed.is_empty(), removed.is_empty(), "{text:?}: {:?}", found.removed);
        }
    }

    #[test]
    fn other_texts_are_opaque_tokens() {
        for (text, token) in [
            ("ya29.a0AfH6SMB", "ya29.a0AfH6SMB"),
            ("Authorization: Bearer 4f2a\n", "4f2a"),
            ("curl -H 'Authorization: Bearer 4f2a' https://api.example", "4f2a"),
            ("'a.b.c'", "a.b.c"),
            ("\"4f2a\",", "4f2a"),
        ] {
            assert_eq!(the_only(text).text, token, "{text}");
        }
        for blank in ["", " \n", "\u{feff}", "''", "Bearer "] {
            assert!(tokens(blank).len() <= 1, "{blank:?}");
        }
        assert_eq!(tokens(" \n"), []);
        assert_eq!(tokens("''"), []);
    }

    #[test]
    fn odd_texts_take_no_longer_than_others() {
        // The largest text that is read.
        let filled = |unit: &str| unit.repeat(usize::try_from(super::super::MAX_BYTES).unwrap() / unit.len());
        let started = std::time::Instant::now();
        for unit in [
            "e ",
            "ey ",
            "ey\n",
            "ey\\\n",
            "ey.",
            "ey. ",
            "ey.ey.ey ",
            "ey;",
            "ey=",
            "a=",
            "=",
            "'\"",
            "bearer ",
            "eyJ9.",
            " ",
        ] {
            let _ = tokens(&filled(unit));
            let _ = tokens(&format!("access_token {}", filled(unit)));
        }
        // A square of their length would be hours.
        assert!(started.elapsed() < std::time::Duration::from_secs(60), "{:?}", started.elapsed());
        // Words that begin as tokens do not hide the token.
        assert_eq!(the_only(&format!("{} Bearer {JWT}", filled("eyes, ewes; ").split_at(9_000).0)).text, JWT);
    }

    #[test]
    fn lines_with_a_token_each_are_several() {
        let found = tokens(&format!("{JWT}\n\n{JWT}\r\n"));
        assert_eq!(found.iter().map(|token| token.text.as_str()).collect::<Vec<_>>(), [JWT, JWT]);
    }
}
