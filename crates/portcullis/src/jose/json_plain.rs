//! Indexes a JSON object in one pass, without the generality of a JSON library.
//!
//! It reads only plain texts, which most issuers write: no escapes, no control characters, no white space but spaces, and no
//! numbers but integers. About every other text it says nothing, and serde_json decides. So it may be stricter than
//! serde_json, never more lenient.

use crate::jose::json::{MAX_DEPTH, Member, Members, Span};

/// The largest number of members of a plain object. Comparing the names of more takes too long.
const MAX_MEMBERS: usize = 24;

/// Indexes `text` if it is plain: one object of at most `max_members` members with different names, nested at most
/// [`MAX_DEPTH`] deep. Adds its members to `members`, which is empty, and returns the kinds of their names.
#[inline]
pub(super) fn index(text: &str, max_members: usize, members: &mut Members) -> Option<u64> {
    // So positions cannot overflow.
    u32::try_from(text.len()).ok()?.checked_add(WINDOW)?;
    let max_members = max_members.min(MAX_MEMBERS);
    let mut window = Window::new(text.as_bytes());
    window.look();
    let mut cursor = Cursor { at: 0 };
    // Two members of different kinds have different names.
    let mut kinds = 0_u64;
    cursor.expect(b'{', &window)?;
    if cursor.next(&window)? == b'}' {
        cursor.at += 1;
    } else {
        loop {
            let name = cursor.name(&mut window)?;
            let start = cursor.at;
            match cursor.byte(&window)? {
                b'"' => _ = cursor.string(&mut window)?,
                b'{' | b'[' => cursor = nested(cursor, &mut window)?,
                _ => cursor.at = bare_word(cursor.at, window.text)?,
            }
            let member = Member::new(text, name, Span { start, end: cursor.at })?;
            let kind = member.kind();
            if kinds & kind != 0 && members.iter().any(|other: &Member| other.has_name_of(&member, text)) {
                return None;
            }
            kinds |= kind;
            if members.len() == max_members {
                return None;
            }
            members.push(member);
            let next = cursor.next(&window)?;
            cursor.at += 1;
            match next {
                b',' => {}
                b'}' => break,
                _ => return None,
            }
        }
    }
    (cursor.next(&window).is_none() && window.is_plain_to_the_end()).then_some(kinds)
}

/// Reads an object or an array that is the value of a member.
fn nested(mut cursor: Cursor, window: &mut Window<'_>) -> Option<Cursor> {
    // One bit for each open object or array, the innermost one last: 1 for an object.
    let mut is_object = 0_u64;
    // The object itself counts, too.
    let mut depth = 1;
    loop {
        match cursor.next(window)? {
            opening @ (b'{' | b'[') => {
                if depth == MAX_DEPTH {
                    return None;
                }
                cursor.at += 1;
                depth += 1;
                is_object = is_object << 1 | u64::from(opening == b'{');
                let closing = if opening == b'{' { b'}' } else { b']' };
                if cursor.next(window)? != closing {
                    if is_object & 1 == 1 {
                        cursor.name(window)?;
                    }
                    continue;
                }
            }
            b'"' => _ = cursor.string(window)?,
            _ => cursor.at = bare_word(cursor.at, window.text)?,
        }
        loop {
            let next = cursor.next(window)?;
            cursor.at += 1;
            match (next, is_object & 1) {
                (b',', 0) => break,
                (b',', _) => {
                    cursor.name(window)?;
                    break;
                }
                (b'}', 1) | (b']', 0) => {
                    depth -= 1;
                    is_object >>= 1;
                }
                _ => return None,
            }
            if depth == 1 {
                return Some(cursor);
            }
        }
    }
}

/// Reads a number or a literal, and returns the position after it.
fn bare_word(at: u32, text: &[u8]) -> Option<u32> {
    let rest = text.get(at as usize..)?;
    let rest = match rest.first()? {
        b'-' | b'0'..=b'9' => after_integer(rest)?,
        b't' => rest.strip_prefix(b"true")?,
        b'f' => rest.strip_prefix(b"false")?,
        b'n' => rest.strip_prefix(b"null")?,
        _ => return None,
    };
    u32::try_from(text.len() - rest.len()).ok()
}

/// Reads an integer. What follows it is not part of a value, so a fraction or an exponent ends the reading.
fn after_integer(text: &[u8]) -> Option<&[u8]> {
    let unsigned = text.strip_prefix(b"-").unwrap_or(text);
    let digits = unsigned.iter().take_while(|byte| byte.is_ascii_digit()).count();
    match unsigned.split_at_checked(digits)? {
        ([] | [b'0', _, ..], _) => None,
        (_, rest) => Some(rest),
    }
}

/// Where a text is read. It is passed by value and its methods are inlined, so that it stays in a register. Each method returns
/// `None` at a text that is not valid, or not plain.
#[derive(Clone, Copy)]
struct Cursor {
    /// The position of the next byte.
    at: u32,
}

impl Cursor {
    #[inline(always)]
    fn byte(self, window: &Window<'_>) -> Option<u8> {
        window.text.get(self.at as usize).copied()
    }

    /// Skips spaces, and returns the byte after them.
    #[inline(always)]
    fn next(&mut self, window: &Window<'_>) -> Option<u8> {
        loop {
            match self.byte(window)? {
                b' ' => self.at += 1,
                next => return Some(next),
            }
        }
    }

    #[inline(always)]
    fn expect(&mut self, expected: u8, window: &Window<'_>) -> Option<()> {
        if self.next(window)? != expected {
            return None;
        }
        self.at += 1;
        Some(())
    }

    /// Reads a name and the colon after it, up to the value. Returns the position of what is between its quotes.
    #[inline(always)]
    fn name(&mut self, window: &mut Window<'_>) -> Option<Span> {
        if self.next(window)? != b'"' {
            return None;
        }
        let name = self.string(window)?;
        self.expect(b':', window)?;
        self.next(window)?;
        Some(name)
    }

    /// Reads a string, whose opening quote is here, and returns the position of what is between its quotes. There are no escapes,
    /// so the next quote is the closing one.
    #[inline(always)]
    fn string(&mut self, window: &mut Window<'_>) -> Option<Span> {
        let start = self.at + 1;
        let end = window.quote(start)?;
        self.at = end + 1;
        Some(Span { start, end })
    }
}

/// The number of bytes that are looked at together.
const BLOCK: u32 = 64;
type Block = [u8; BLOCK as usize];

/// The number of blocks in a window.
const BLOCKS: u32 = 16;
const WINDOW: u32 = BLOCK * BLOCKS;

/// The quotes in a part of a text.
struct Window<'t> {
    text: &'t [u8],
    /// Where the window starts.
    start: u32,
    /// One bit for each byte of a block, the first one lowest: 1 for a quote.
    quotes: [u64; BLOCKS as usize],
    /// Whether there was an escape or a control character.
    has_other: bool,
}

impl<'t> Window<'t> {
    /// The first window, before [`Self::look`], which works in place.
    fn new(text: &'t [u8]) -> Self {
        Self { text, start: 0, quotes: [0; BLOCKS as usize], has_other: false }
    }

    /// Returns the position of the first quote that is not before `from`, which is not before the window.
    #[inline(always)]
    fn quote(&mut self, from: u32) -> Option<u32> {
        let quotes = self.quotes.get(((from - self.start) / BLOCK) as usize).copied().unwrap_or_default();
        let found = quotes & u64::MAX << (from % BLOCK);
        if found == 0 {
            return self.quote_in_later_block(from);
        }
        Some(from / BLOCK * BLOCK + found.trailing_zeros())
    }

    #[inline(never)]
    fn quote_in_later_block(&mut self, from: u32) -> Option<u32> {
        if from - self.start >= WINDOW {
            self.move_on()?;
            return self.quote(from);
        }
        let mut block = from / BLOCK;
        loop {
            block += 1;
            if block.is_multiple_of(BLOCKS) {
                self.move_on()?;
            }
            let found = self.quotes.get((block % BLOCKS) as usize).copied()?;
            if found != 0 {
                return Some(block * BLOCK + found.trailing_zeros());
            }
        }
    }

    /// Moves to the next part. Returns `None` at the end of the text.
    #[cold]
    fn move_on(&mut self) -> Option<()> {
        self.start += WINDOW;
        if self.start as usize >= self.text.len() {
            return None;
        }
        self.quotes = [0; BLOCKS as usize];
        self.look();
        Some(())
    }

    /// Looks at the part of the text that is in the window.
    fn look(&mut self) {
        let rest = self.text.get(self.start as usize..).unwrap_or_default();
        for (quotes, part) in self.quotes.iter_mut().zip(rest.chunks(BLOCK as usize)) {
            let padded;
            let block = if let Ok(block) = part.try_into() {
                block
            } else {
                padded = with_spaces(part);
                &padded
            };
            *quotes = quotes_in(block);
            self.has_other |= has_other(block);
        }
    }

    /// Whether no byte of the text is an escape or a control character.
    fn is_plain_to_the_end(&mut self) -> bool {
        while !self.has_other && self.move_on().is_some() {}
        !self.has_other
    }
}

/// Makes a block of a shorter part.
fn with_spaces(part: &[u8]) -> Block {
    let mut block = [b' '; BLOCK as usize];
    block.iter_mut().zip(part).for_each(|(byte, last)| *byte = *last);
    block
}

/// Whether there is an escape or a control character. The compiler uses vector instructions for it.
fn has_other(block: &Block) -> bool {
    block.iter().fold(false, |found, &byte| found | (byte < b' ') | (byte == b'\\'))
}

/// One bit for each byte, the first one lowest: 1 for a quote. The compiler uses vector instructions for the comparisons.
fn quotes_in(block: &Block) -> u64 {
    let is_quote = block.map(|byte| u8::from(byte == b'"'));
    let (words, _) = is_quote.as_chunks();
    words.iter().rev().fold(0, |found, word| {
        // The product moves the lowest bits of the eight bytes next to each other, into the highest byte.
        found << 8 | u64::from_le_bytes(*word).wrapping_mul(0x0102_0408_1020_4080) >> 56
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
        let window = WINDOW as usize;
        for length in (0..150).chain([window - 1, window, window + 1, 2 * window, 2 * window + 70]) {
            for pattern in 0..50_usize {
                let at = |at: usize| {
                    if (pattern * 31 + at * at) % 7 < 2 { b'"' } else { [0, b'!', b'#', 0xa2, 0xff][at % 5] }
                };
                let text: Vec<u8> = (0..length).map(at).collect();
                let mut window = Window::new(&text);
                window.look();
                let mut from = 0;
                let quotes = std::iter::from_fn(|| {
                    let found = window.quote(from)?;
                    from = found + 1;
                    Some(found as usize)
                });
                let found: Vec<usize> = quotes.collect();
                let expected: Vec<usize> = (0..length).filter(|at| text[*at] == b'"').collect();
                assert_eq!(found, expected);
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
