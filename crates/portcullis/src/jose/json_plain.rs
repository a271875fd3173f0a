//! Indexes a JSON object in one pass, without the generality of a JSON library.
//!
//! It reads only plain texts, which most issuers write: no escapes, no control characters, no white space but spaces, and no
//! numbers but integers. About every other text it says nothing, and serde_json decides. So it may be stricter than
//! serde_json, never more lenient.

use crate::jose::json::{MAX_DEPTH, Member, Members, Span};

/// The largest number of members of a plain object. Comparing the names of more takes too long.
const MAX_MEMBERS: usize = 24;

/// Indexes `text` if it is plain: one object of at most `max_members` members with different names, nested at most
/// [`MAX_DEPTH`] deep. Also returns the kinds of their names.
pub(super) fn members(text: &str, max_members: usize) -> Option<(Members, u64)> {
    if !is_plain(text.as_bytes()) {
        return None;
    }
    let mut reader = Reader::new(text);
    let mut members = Members::new();
    // Two members of different kinds have different names.
    let mut kinds = 0_u64;
    reader.expect(b'{')?;
    if reader.next()? != b'}' {
        loop {
            let name = reader.string()?;
            reader.expect(b':')?;
            reader.next()?;
            let start = reader.at();
            reader.value()?;
            let member = Member::new(text, name, Span::new(start, reader.at())?)?;
            let kind = member.kind();
            if kinds & kind != 0 && members.iter().any(|other: &Member| other.has_name_of(&member, text)) {
                return None;
            }
            kinds |= kind;
            if members.len() == max_members.min(MAX_MEMBERS) {
                return None;
            }
            members.push(member);
            if reader.next()? != b',' {
                break;
            }
            reader.skip();
        }
    }
    reader.expect(b'}')?;
    reader.next().is_none().then_some((members, kinds))
}

/// Whether there is no escape and no control character. The compiler uses vector instructions for it.
fn is_plain(text: &[u8]) -> bool {
    let is_other = |byte: u8| (byte < b' ') | (byte == b'\\');
    let has_other = |run: &[u8]| run.iter().fold(false, |found, byte| found | is_other(*byte));
    let (blocks, rest) = text.as_chunks::<64>();
    !blocks.iter().any(|block| has_other(block)) && !has_other(rest)
}

/// Reads a plain text. Each method returns `None` at a text that is not valid, or not plain.
struct Reader<'t> {
    /// The length of the whole text.
    bytes: usize,
    /// What is not read yet.
    rest: &'t [u8],
    /// The quotes in it.
    quotes: Quotes<'t>,
}

impl<'t> Reader<'t> {
    fn new(text: &'t str) -> Self {
        Self { bytes: text.len(), rest: text.as_bytes(), quotes: Quotes::new(text.as_bytes()) }
    }

    fn at(&self) -> usize {
        self.bytes - self.rest.len()
    }

    /// Skips spaces, and returns the byte after them.
    fn next(&mut self) -> Option<u8> {
        while let [b' ', rest @ ..] = self.rest {
            self.rest = rest;
        }
        self.rest.first().copied()
    }

    /// Skips one byte, which [`Self::next`] returned.
    fn skip(&mut self) {
        self.rest = self.rest.get(1..).unwrap_or_default();
    }

    fn expect(&mut self, expected: u8) -> Option<()> {
        (self.next()? == expected).then(|| self.skip())
    }

    /// Reads a string, and returns the position of what is between its quotes. There are no escapes, so the quotes of the text
    /// start and end a string in turn.
    fn string(&mut self) -> Option<Span> {
        if self.next()? != b'"' {
            return None;
        }
        let (opening, closing) = (self.quotes.next()?, self.quotes.next()?);
        self.rest = self.rest.get(closing - opening + 1..)?;
        Span::new(opening + 1, closing)
    }

    fn value(&mut self) -> Option<()> {
        match self.next()? {
            b'{' | b'[' => self.nested(),
            _ => self.scalar(),
        }
    }

    fn scalar(&mut self) -> Option<()> {
        match self.next()? {
            b'"' => self.string().map(|_| ()),
            b'-' | b'0'..=b'9' => self.integer(),
            b't' => self.literal(b"true"),
            b'f' => self.literal(b"false"),
            b'n' => self.literal(b"null"),
            _ => None,
        }
    }

    fn literal(&mut self, literal: &[u8]) -> Option<()> {
        self.rest = self.rest.strip_prefix(literal)?;
        Some(())
    }

    /// Reads an integer. What follows it is not part of a value, so a fraction or an exponent ends the reading.
    fn integer(&mut self) -> Option<()> {
        let unsigned = self.rest.strip_prefix(b"-").unwrap_or(self.rest);
        let digits = unsigned.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.rest = match unsigned.split_at_checked(digits)? {
            ([] | [b'0', _, ..], _) => return None,
            (_, rest) => rest,
        };
        Some(())
    }

    /// Reads an object or an array that is the value of a member.
    fn nested(&mut self) -> Option<()> {
        // One bit for each open object or array, the innermost one last: 1 for an object.
        let mut is_object = 0_u64;
        // The object itself counts, too.
        let mut depth = 1;
        loop {
            let opening = self.next()?;
            if let b'{' | b'[' = opening {
                if depth == MAX_DEPTH {
                    return None;
                }
                self.skip();
                depth += 1;
                is_object = is_object << 1 | u64::from(opening == b'{');
                let closing = if opening == b'{' { b'}' } else { b']' };
                if self.next()? != closing {
                    self.name_in(is_object)?;
                    continue;
                }
            } else {
                self.scalar()?;
            }
            loop {
                match (self.next()?, is_object & 1) {
                    (b',', _) => {
                        self.skip();
                        self.name_in(is_object)?;
                        break;
                    }
                    (b'}', 1) | (b']', 0) => {
                        self.skip();
                        depth -= 1;
                        is_object >>= 1;
                    }
                    _ => return None,
                }
                if depth == 1 {
                    return Some(());
                }
            }
        }
    }

    /// Reads the name of the next member, if the innermost value is an object.
    fn name_in(&mut self, is_object: u64) -> Option<()> {
        if is_object & 1 == 1 {
            self.string()?;
            self.expect(b':')?;
        }
        Some(())
    }
}

/// The positions of the quotes in a text. It looks at eight bytes at once.
struct Quotes<'t> {
    words: std::slice::Iter<'t, [u8; 8]>,
    last: &'t [u8],
    /// The position after the bytes that were looked at.
    end: usize,
    /// The highest bit of each byte that is a quote, among the last eight.
    found: u64,
}

impl<'t> Quotes<'t> {
    fn new(text: &'t [u8]) -> Self {
        let (words, last) = text.as_chunks();
        Self { words: words.iter(), last, end: 0, found: 0 }
    }

    fn next(&mut self) -> Option<usize> {
        while self.found == 0 {
            let word = match self.words.next() {
                Some(word) => *word,
                None if self.last.is_empty() => return None,
                None => {
                    let mut word = [0; 8];
                    word.iter_mut().zip(std::mem::take(&mut self.last)).for_each(|(byte, last)| *byte = *last);
                    word
                }
            };
            self.found = quotes_in(u64::from_le_bytes(word));
            self.end += 8;
        }
        let position = self.end - 8 + (self.found.trailing_zeros() / 8) as usize;
        self.found &= self.found - 1;
        Some(position)
    }
}

/// The highest bit of each byte that is a quote.
fn quotes_in(word: u64) -> u64 {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    const QUOTES: u64 = 0x2222_2222_2222_2222;
    // Zero where there is a quote. The sum sets the highest bit of each other byte, and never carries into the next one.
    let difference = word ^ QUOTES;
    !(((difference & LOW) + LOW) | difference) & !LOW
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::json::{Depth, JsonObject};

    /// Whether the text is plain. If so, serde_json must find the same members.
    fn is_read(text: &str) -> bool {
        let Some((plain, _)) = members(text, usize::MAX) else { return false };
        let general = JsonObject::parse_general(usize::MAX, Depth::Unknown, text.to_owned()).ok();
        let general = general.unwrap_or_else(|| panic!("serde_json refuses {text}"));
        let plain: Vec<_> = plain.iter().map(|member| member.of(text)).collect();
        assert_eq!(plain, general.iter().collect::<Vec<_>>(), "{text}");
        let parsed = JsonObject::parse(text.as_bytes().to_vec()).ok().unwrap();
        assert_eq!(parsed.iter().collect::<Vec<_>>(), plain, "{text}");
        true
    }

    #[test]
    fn every_quote_is_found() {
        for length in 0..40 {
            for pattern in 0..200_usize {
                let at = |at: usize| {
                    if (pattern * 31 + at * at) % 7 < 2 { b'"' } else { [0, b'!', b'#', 0xa2, 0xff][at % 5] }
                };
                let text: Vec<u8> = (0..length).map(at).collect();
                let mut quotes = Quotes::new(&text);
                let found: Vec<usize> = std::iter::from_fn(|| quotes.next()).collect();
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
        assert!(members(&many(3), 3).is_some() && members(&many(3), 2).is_none());
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
