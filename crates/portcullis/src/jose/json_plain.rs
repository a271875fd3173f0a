//! Indexes a JSON object in one pass, without the generality of a JSON library.
//!
//! It reads only plain texts, which most issuers write: no escapes, no control characters, no white space but spaces, and no
//! numbers but integers. About every other text it says nothing, and serde_json decides. So it may be stricter than
//! serde_json, never more lenient.

use std::ops::Range;

use crate::jose::json::{MAX_DEPTH, Member, Members, SHORT_POSITIONS};

/// The largest number of members of a plain object. Comparing the names of more takes too long.
const MAX_MEMBERS: usize = 24;

/// Indexes `text` if it is plain: one object of at most `max_members` members with different names, nested at most
/// [`MAX_DEPTH`] deep. Adds its members to `members`, which is empty, and returns the kinds of their names.
#[inline]
pub(super) fn index(text: &str, max_members: usize, members: &mut Members) -> Option<u64> {
    if text.len() >= SHORT_POSITIONS {
        return None;
    }
    let max_members = max_members.min(MAX_MEMBERS);
    let bytes = text.as_bytes();
    let mut quotes = Quotes::new();
    // Two members of different kinds have different names.
    let mut kinds = 0_u64;
    let (mut at, first) = next(after(b'{', 0, bytes)?, bytes)?;
    if first == b'}' {
        at += 1;
    } else {
        loop {
            let (name, start, first) = quotes.name(at, bytes)?;
            let end = match first {
                b'"' => quotes.string(bytes)?,
                b'{' | b'[' => {
                    let (end, rest) = nested(start, quotes, bytes)?;
                    quotes = rest;
                    end
                }
                _ => bare_word(start, bytes)?,
            };
            let member = Member::of_short(bytes, name, start..end)?;
            let kind = member.kind();
            if kinds & kind != 0 && is_name_of_any(members, &member, text) {
                return None;
            }
            kinds |= kind;
            if members.len() == max_members {
                return None;
            }
            members.push(member);
            let (end, next) = next(end, bytes)?;
            at = end + 1;
            match next {
                b',' => {}
                b'}' => break,
                _ => return None,
            }
        }
    }
    next(at, bytes).is_none().then_some(kinds)
}

/// Whether `members` has one with the name of `member`.
#[inline(never)]
fn is_name_of_any(members: &[Member], member: &Member, text: &str) -> bool {
    members.iter().any(|other| other.has_name_of(member, text))
}

/// Reads an object or an array that is the value of a member. Returns the position after it, and the quotes there.
#[inline(never)]
fn nested(mut at: usize, mut quotes: Quotes, text: &[u8]) -> Option<(usize, Quotes)> {
    // One bit for each open object or array, the innermost one last: 1 for an object.
    let mut is_object = 0_u64;
    // The object itself counts, too.
    let mut depth = 1;
    loop {
        let (start, first) = next(at, text)?;
        match first {
            b'{' | b'[' => {
                if depth == MAX_DEPTH {
                    return None;
                }
                depth += 1;
                is_object = is_object << 1 | u64::from(first == b'{');
                let closing = if first == b'{' { b'}' } else { b']' };
                let (after, first) = next(start + 1, text)?;
                at = after;
                if first != closing {
                    if is_object & 1 == 1 {
                        (_, at, _) = quotes.name(at, text)?;
                    }
                    continue;
                }
            }
            b'"' => at = quotes.string(text)?,
            _ => at = bare_word(start, text)?,
        }
        loop {
            let (end, next) = next(at, text)?;
            at = end + 1;
            match (next, is_object & 1) {
                (b',', 0) => break,
                (b',', _) => {
                    (_, at, _) = quotes.name(at, text)?;
                    break;
                }
                (b'}', 1) | (b']', 0) => {
                    depth -= 1;
                    is_object >>= 1;
                }
                _ => return None,
            }
            if depth == 1 {
                return Some((at, quotes));
            }
        }
    }
}

/// Reads a number or a literal, and returns the position after it.
#[inline(never)]
fn bare_word(at: usize, text: &[u8]) -> Option<usize> {
    let rest = text.get(at..)?;
    let rest = match rest.first()? {
        b'-' | b'0'..=b'9' => after_integer(rest)?,
        b't' => rest.strip_prefix(b"true")?,
        b'f' => rest.strip_prefix(b"false")?,
        b'n' => rest.strip_prefix(b"null")?,
        _ => return None,
    };
    Some(text.len() - rest.len())
}

/// Reads an integer. What follows it is not part of a value, so a fraction or an exponent ends the reading.
fn after_integer(text: &[u8]) -> Option<&[u8]> {
    let unsigned = text.strip_prefix(b"-").unwrap_or(text);
    match unsigned.split_at_checked(digits(unsigned))? {
        ([] | [b'0', _, ..], _) => None,
        (_, rest) => Some(rest),
    }
}

/// Counts the digits at the start of `text`, eight at once.
fn digits(text: &[u8]) -> usize {
    const EACH: u64 = u64::from_le_bytes([1; 8]);
    let (words, last) = text.as_chunks();
    let mut count = 0;
    for word in words {
        // A digit becomes 0 to 9. The sum of a larger number has the highest bit, and may change the bytes after it.
        let value = u64::from_le_bytes(*word) ^ (u64::from(b'0') * EACH);
        let others = (value | value.wrapping_add(0x76 * EACH)) & (0x80 * EACH);
        count += others.trailing_zeros() as usize / 8;
        if others != 0 {
            return count;
        }
    }
    count + last.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// Skips spaces from `at` on. Returns the position of the byte after them, and this byte.
#[inline(always)]
fn next(at: usize, text: &[u8]) -> Option<(usize, u8)> {
    match *text.get(at)? {
        b' ' => after_spaces(at, text),
        next => Some((at, next)),
    }
}

#[cold]
#[inline(never)]
fn after_spaces(at: usize, text: &[u8]) -> Option<(usize, u8)> {
    let (spaces, next) = text.get(at..)?.iter().enumerate().find(|(_, byte)| **byte != b' ')?;
    Some((at + spaces, *next))
}

/// Skips spaces and the byte `expected`. Returns the position after it.
#[inline(always)]
fn after(expected: u8, at: usize, text: &[u8]) -> Option<usize> {
    let (at, next) = next(at, text)?;
    (next == expected).then_some(at + 1)
}

/// Finds the quotes of a text, one after the other. There are no escapes, so each quote begins or ends a string, and no string
/// is searched. It is passed by value and its methods are inlined, so that it stays in registers.
#[derive(Clone, Copy)]
struct Quotes {
    /// Where the next block starts.
    next_block: usize,
    /// The quotes of the block before that one that were not read: one bit for each byte, the first one lowest.
    unread: u64,
}

impl Quotes {
    fn new() -> Self {
        Self { next_block: 0, unread: 0 }
    }

    /// Returns the position of the next quote.
    #[inline(always)]
    fn next(&mut self, text: &[u8]) -> Option<usize> {
        while self.unread == 0 {
            self.unread = plain_quotes(self.next_block, text)?;
            self.next_block += BLOCK;
        }
        let position = self.next_block - BLOCK + self.unread.trailing_zeros() as usize;
        self.unread &= self.unread.wrapping_sub(1);
        Some(position)
    }

    /// Reads a string whose opening quote is the next quote, and returns the position after it.
    #[inline(always)]
    fn string(&mut self, text: &[u8]) -> Option<usize> {
        self.next(text)?;
        Some(self.next(text)? + 1)
    }

    /// Reads a name and the colon after it, from `at` on. Returns the positions of what is between its quotes and of the value, and
    /// the first byte of the value.
    #[inline(always)]
    fn name(&mut self, at: usize, text: &[u8]) -> Option<(Range<usize>, usize, u8)> {
        let opening = self.next(text)?;
        if opening != at && after_spaces(at, text)?.0 != opening {
            return None;
        }
        let closing = self.next(text)?;
        let (value, first) = match text.get(closing + 1..)?.first_chunk() {
            Some(&[b':', first]) if first != b' ' => (closing + 2, first),
            _ => spaced_colon(closing + 1, text)?,
        };
        Some((opening + 1..closing, value, first))
    }
}

/// Reads a colon with spaces around it. Returns the position of what follows, and its first byte.
#[cold]
#[inline(never)]
fn spaced_colon(at: usize, text: &[u8]) -> Option<(usize, u8)> {
    next(after(b':', at, text)?, text)
}

/// The number of bytes that are looked at together.
const BLOCK: usize = 64;
type Block = [u8; BLOCK];

/// Returns the quotes of the block at `start`. `None` at the end of the text, or if the block has an escape or a control character.
#[inline(never)]
fn plain_quotes(start: usize, text: &[u8]) -> Option<u64> {
    let rest = text.get(start..)?;
    let (block, known) = match (rest.first_chunk(), text.last_chunk()) {
        (Some(block), _) => (block, 0),
        // The last block starts earlier, and the bytes that were looked at before are left out.
        (None, Some(block)) => (block, BLOCK - rest.len()),
        (None, None) => return plain_quotes_of_short(start, text),
    };
    if has_other(block) {
        return None;
    }
    quotes_in(block).checked_shr(u32::try_from(known).ok()?)
}

/// Like [`plain_quotes`], of a text that is shorter than a block.
#[cold]
#[inline(never)]
fn plain_quotes_of_short(start: usize, text: &[u8]) -> Option<u64> {
    let mut block = [b' '; BLOCK];
    block.iter_mut().zip(text).for_each(|(byte, last)| *byte = *last);
    (start == 0 && !has_other(&block)).then(|| quotes_in(&block))
}

/// Whether there is an escape or a control character. The compiler uses vector instructions for it.
fn has_other(block: &Block) -> bool {
    block.iter().fold(false, |found, &byte| found | (byte < b' ') | (byte == b'\\'))
}

/// One bit for each byte, the first one lowest: 1 for a quote. The compiler uses vector instructions for the comparisons.
fn quotes_in(block: &Block) -> u64 {
    let is_quote = block.map(|byte| u8::from(byte == b'"'));
    let (words, _) = is_quote.as_chunks();
    words.iter().zip((0..BLOCK).step_by(8)).fold(0, |found, (word, at)| {
        // The product moves the lowest bits of the eight bytes next to each other, into the highest byte.
        let product = u64::from_le_bytes(*word).wrapping_mul(0x0102_0408_1020_4080);
        // Two shifts by constants could become one instruction, which is slow on some processors.
        found | (product & 0xff << 56) >> (56 - at)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::json::JsonObject;

    /// Whether the text is plain. If so, serde_json must find the same members.
    fn is_read(text: &str) -> bool {
        let mut plain = Members::new();
        if index(text, usize::MAX, &mut plain).is_none() {
            return false;
        }
        let general = JsonObject::parse_general(text).unwrap_or_else(|| panic!("serde_json refuses {text}"));
        let plain: Vec<_> = plain.iter().map(|member| member.of(text)).collect();
        assert_eq!(plain, general.iter().collect::<Vec<_>>(), "{text}");
        let parsed = JsonObject::parse(text.as_bytes().to_vec()).ok().unwrap();
        assert_eq!(parsed.iter().collect::<Vec<_>>(), plain, "{text}");
        true
    }

    #[test]
    fn every_quote_is_found() {
        for length in (0..150).chain([BLOCK * 16 - 1, BLOCK * 16, BLOCK * 16 + 1, BLOCK * 20 + 6]) {
            for pattern in 0..50_usize {
                let at = |at: usize| {
                    if (pattern * 31 + at * at) % 7 < 2 { b'"' } else { [b' ', b'!', b'#', 0xa2, 0xff][at % 5] }
                };
                let text: Vec<u8> = (0..length).map(at).collect();
                let mut quotes = Quotes::new();
                let found: Vec<usize> = std::iter::from_fn(|| quotes.next(&text)).collect();
                let expected: Vec<usize> = (0..length).filter(|at| text[*at] == b'"').collect();
                assert_eq!(found, expected);
            }
        }
    }

    #[test]
    fn digits_are_counted() {
        for length in 0..20 {
            let number: String = "9081726354".repeat(2).chars().take(length).collect();
            for end in ["", "x", "/0", ":0", ",\"exp\":1700000000", "\u{ff}0000000", "\u{0}", "~9999999999"] {
                assert_eq!(digits(format!("{number}{end}").as_bytes()), length, "{number}{end}");
            }
        }
        for byte in 0..=u8::MAX {
            for at in 0..8 {
                let mut eight = *b"01234567";
                eight[at] = byte;
                assert_eq!(digits(&eight), if byte.is_ascii_digit() { 8 } else { at }, "{byte} at {at}");
            }
        }
    }

    #[test]
    fn usual_payloads_are_plain() {
        for text in [
            "{}",
            " { } ",
            r#"{"iss":"https://i.example/","aud":["a","b"],"exp":1700000000,"ok":true,"no":false,"nil":null}"#,
            r#"{ "a" : -1 , "b" : [ ] , "c" : { } , "d" : [ [ ] , { "e" : [ 0 , "x" ] , "f" : { "g" : null } } ] }"#,
            r#"{"":"","é":"ü","[":"]","{":"}",",":":"}"#,
            r#"{"act":{"sub":"a","act":{"sub":"b"}},"cnf":{"jkt":"x"}}"#,
        ] {
            assert!(is_read(text), "{text}");
        }
    }

    #[test]
    fn other_texts_are_left_to_serde_json() {
        for text in [
            "",
            " ",
            "{",
            "}",
            "[]",
            "1",
            "\"a\"",
            "{}x",
            "{} {}",
            "{,}",
            r#"{"a"}"#,
            r#"{"a":}"#,
            r#"{"a":1,}"#,
            r#"{"a":1 "b":2}"#,
            r#"{"a":1,,"b":2}"#,
            r#"{"a":01}"#,
            r#"{"a":-}"#,
            r#"{"a":+1}"#,
            r#"{"a":1.}"#,
            r#"{"a":1.5}"#,
            r#"{"a":1e3}"#,
            r#"{"a":"\u0061"}"#,
            "{\"a\":\"\n\"}",
            "{\n}",
            r#"{"a":t}"#,
            r#"{"a":null0}"#,
            r#"{"a":[1,]}"#,
            r#"{"a":[,1]}"#,
            r#"{"a":[}"#,
            r#"{"a":{]}"#,
            r#"{"a":[1}"#,
            r#"{"a":{"b":1]}"#,
            r#"{"a":{"b"}}"#,
            r#"{"a":{1:2}}"#,
            r#"{"a":[1 2]}"#,
            r#"{"a":"b"#,
            r#"{"a":1,"a":1}"#,
            r#"{a:1}"#,
            "{'a':1}",
            r#"{"a":1}}"#,
        ] {
            assert!(!is_read(text), "{text}");
        }
    }

    #[test]
    fn bounds_are_those_of_the_index() {
        let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        assert!(is_read(&nested(MAX_DEPTH - 1)) && !is_read(&nested(MAX_DEPTH)));
        let objects = |depth: usize| format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
        assert!(is_read(&objects(MAX_DEPTH)) && !is_read(&objects(MAX_DEPTH + 1)));
        let many = |count: usize| {
            let members: Vec<_> = (0..count).map(|number| format!("\"{number}\":{number}")).collect();
            format!("{{{}}}", members.join(","))
        };
        assert!(is_read(&many(MAX_MEMBERS)) && !is_read(&many(MAX_MEMBERS + 1)));
        let plain = |text: &str, max| index(text, max, &mut Members::new());
        assert!(plain(&many(3), 3).is_some() && plain(&many(3), 2).is_none());
        // Names of one kind.
        assert!(is_read(r#"{"abc":1,"aac":2,"azz":3}"#) && !is_read(r#"{"abc":1,"aac":2,"abc":3}"#));
    }

    /// Changes texts in one or two places, in all ways of a small alphabet. What is still read, serde_json reads the same.
    #[test]
    fn changed_texts_are_never_read_otherwise() {
        let seeds = [
            r#"{"a":"b","c":[1,{"d":null}],"e":-20}"#,
            r#"{ "aud" : ["x", "y"], "exp":1700000000, "t":true }"#,
            r#"{"a":{"b":{"c":[[],{}]}},"f":false}"#,
        ];
        let alphabet =
            ["", "{", "}", "[", "]", "\"", ",", ":", "0", "1", "-", ".", "e", "t", "a", " ", "\\", "\n", "\u{7f}", "é"];
        let (mut read, mut changed) = (0, 0);
        for seed in seeds {
            let positions: Vec<usize> = seed.char_indices().map(|(at, _)| at).collect();
            for (number, at) in positions.iter().enumerate() {
                for piece in alphabet {
                    for with in [
                        format!("{}{piece}{}", &seed[..*at], &seed[at + 1..]),
                        format!("{}{piece}{}", &seed[..*at], &seed[*at..]),
                    ] {
                        read += usize::from(is_read(&with));
                        changed += 1;
                        // A second change, at some other position.
                        let other = positions[(number * 7 + piece.len() * 13) % positions.len()].min(with.len() - 1);
                        if with.is_char_boundary(other) && with.is_char_boundary(other + 1) {
                            for second in alphabet {
                                let twice = format!("{}{second}{}", &with[..other], &with[other + 1..]);
                                read += usize::from(is_read(&twice));
                                changed += 1;
                            }
                        }
                    }
                }
            }
        }
        assert!(read > 1_000 && changed > 50_000, "{read} of {changed}");
    }
}
