//! Text of tokens and key sets on a terminal. Characters that a terminal obeys, or that change how a line reads, are
//! escaped.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Returns `text`, in which each character that does not print is written as in JSON: `\u202e`.
///
/// These are control characters (C0, DEL, C1), line and paragraph separators, format characters (bidirectional controls,
/// zero-width characters, tags), other invisible characters, and all unassigned ones. In the text of a JSON value the
/// result is the same value.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_printable) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for char in text.chars() {
        if is_printable(char) {
            escaped.push(char);
            continue;
        }
        for unit in char.encode_utf16(&mut [0; 2]) {
            // Writing to a string cannot fail.
            let _ = write!(escaped, "\\u{unit:04x}");
        }
    }
    Cow::Owned(escaped)
}

fn is_printable(char: char) -> bool {
    match char {
        ' '..='~' => true,
        '\u{0}'..='\u{9f}' => false,
        _ if is_invisible(char) => false,
        // After another character, a combining mark is not escaped.
        _ => {
            let mut pair = String::from("a");
            pair.push(char);
            pair.escape_debug().count() == 2
        }
    }
}

/// Whether `char` is invisible although it is a letter or a mark (Default_Ignorable_Code_Point).
fn is_invisible(char: char) -> bool {
    matches!(
        char,
        '\u{34f}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{ffa0}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn visible_text_is_unchanged() {
        for text in ["", "a ~", "äß", "日本語", "e\u{301}", "हिन्दी", "🦀", "\"\\'"] {
            assert!(matches!(printable(text), Cow::Borrowed(_)), "{text}");
        }
    }

    #[test]
    fn every_other_character_is_escaped() {
        let controls = (0..=0x1f_u32).chain(0x7f..=0x9f);
        let separators = [0xad, 0x2028, 0x2029, 0x85, 0xa0, 0x3000];
        let bidirectional = [0x61c, 0x200e, 0x200f].into_iter().chain(0x202a..=0x202e).chain(0x2066..=0x2069);
        let formats = [0x200b, 0x2060, 0x2064, 0x206a, 0xfeff, 0xfff9, 0x110bd, 0x1d173, 0xe0001, 0xe0041];
        let invisible = [0x34f, 0x115f, 0x17b4, 0x180b, 0x3164, 0xfe0f, 0xffa0, 0xe0100];
        let unassigned = [0x378, 0xe000, 0xfdd0, 0x10ffff];
        let all = controls.chain(separators).chain(bidirectional).chain(formats).chain(invisible).chain(unassigned);
        for code in all {
            let char = char::from_u32(code).unwrap();
            let text = format!("a{char}b");
            let escaped = printable(&text);
            assert!(escaped.is_ascii() && escaped.starts_with("a\\u") && escaped.ends_with('b'), "{escaped}");
            let json: String = serde_json::from_str(&format!("\"{escaped}\"")).unwrap();
            assert_eq!(json, text);
        }
        assert_eq!(printable("\u{1b}[31m\u{9b}2J\u{202e}"), r"\u001b[31m\u009b2J\u202e");
    }
}
