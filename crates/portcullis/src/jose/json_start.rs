//! Reads members from the start of a JSON object, with a bounded amount of work and without an index of the object.

use memchr::memchr2;

/// How much work one reading may take. A byte outside of strings is 1, a string 10, an escape 4. Six claims with texts take
/// less, and so do ten groups in an array.
const MAX_WORK: usize = 150;

/// The work of one string, and of one escape in it.
const STRING_WORK: usize = 10;
const ESCAPE_WORK: usize = 4;

/// Why a reading ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum End {
    /// All members that were asked for are found.
    Found,
    /// The object ended.
    Object,
    /// The text ended inside of the object.
    Text,
    /// The rest would take too much work.
    Work,
    /// The text is not a JSON object.
    NotAnObject,
}

/// Returns the JSON texts of the members `names` of the object that `json` starts with, as far as they are found.
///
/// It reads no more than it needs: other values are skipped and not validated, and of two members with one
/// name the first counts. So the result may only choose what to verify.
pub(crate) fn first_members<'t, const N: usize>(json: &'t [u8], names: [&str; N]) -> ([Option<&'t str>; N], End) {
    let mut values = [None; N];
    let mut reader = Reader { json, at: 0, work: 0, has_escapes: false };
    let end = match reader.read_members(names, &mut values) {
        Ok(end) | Err(end) => end,
    };
    (values, end)
}

struct Reader<'t> {
    json: &'t [u8],
    at: usize,
    work: usize,
    /// Whether the last string has escapes.
    has_escapes: bool,
}

impl<'t> Reader<'t> {
    fn read_members<const N: usize>(
        &mut self,
        names: [&str; N],
        values: &mut [Option<&'t str>; N],
    ) -> Result<End, End> {
        self.expect(b'{')?;
        if self.next_byte()? == b'}' {
            return Ok(End::Object);
        }
        loop {
            let start = self.at;
            let name = self.string()?;
            let has_escapes = self.has_escapes;
            self.expect(b':')?;
            self.next_byte()?;
            let value = self.at;
            self.skip_value()?;
            let value = self.json.get(value..self.at).unwrap_or_default();
            let wanted = names.iter().zip(values.iter_mut()).find(|(wanted, value)| {
                value.is_none() && (name == wanted.as_bytes() || (has_escapes && self.is_escaped(start, name, wanted)))
            });
            if let Some((_, place)) = wanted {
                *place = Some(std::str::from_utf8(value).map_err(|_| End::NotAnObject)?);
                if values.iter().all(Option::is_some) {
                    return Ok(End::Found);
                }
            }
            match self.next_byte()? {
                b',' => self.at += 1,
                b'}' => return Ok(End::Object),
                _ => return Err(End::NotAnObject),
            }
            self.next_byte()?;
        }
    }

    /// Whether `name`, which has escapes and whose quote is at `start`, means `wanted`.
    fn is_escaped(&self, start: usize, name: &[u8], wanted: &str) -> bool {
        let quoted = self.json.get(start..start + name.len() + 2);
        // The longest escape of a character has 12 bytes.
        let quoted = quoted.filter(|_| name.len() <= 12 * wanted.len());
        quoted.and_then(|quoted| serde_json::from_slice::<String>(quoted).ok()).is_some_and(|name| name == wanted)
    }

    /// Reads the string whose opening quote is next, and returns what is between the quotes.
    fn string(&mut self) -> Result<&'t [u8], End> {
        self.expect(b'"')?;
        self.spend(STRING_WORK)?;
        self.has_escapes = false;
        let start = self.at;
        loop {
            let rest = self.json.get(self.at..).ok_or(End::Text)?;
            let found = memchr2(b'"', b'\\', rest).ok_or(End::Text)?;
            self.at += found;
            if rest.get(found) == Some(&b'"') {
                let content = self.json.get(start..self.at).ok_or(End::Text)?;
                self.at += 1;
                return Ok(content);
            }
            self.spend(ESCAPE_WORK)?;
            self.has_escapes = true;
            self.at += 2;
        }
    }

    fn skip_value(&mut self) -> Result<(), End> {
        match self.next_byte()? {
            b'"' => self.string().map(|_| ()),
            b'{' | b'[' => self.skip_nested(),
            _ => {
                let start = self.at;
                while !matches!(self.byte()?, b',' | b'}' | b']' | b' ' | b'\t' | b'\n' | b'\r') {
                    self.at += 1;
                    self.spend(1)?;
                }
                if self.at == start { Err(End::NotAnObject) } else { Ok(()) }
            }
        }
    }

    fn skip_nested(&mut self) -> Result<(), End> {
        let mut depth = 0_usize;
        loop {
            match self.byte()? {
                b'"' => {
                    self.string()?;
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                _ => {}
            }
            self.at += 1;
            self.spend(1)?;
            if depth == 0 {
                return Ok(());
            }
        }
    }

    /// Skips white space and then `byte`, which must be there.
    fn expect(&mut self, byte: u8) -> Result<(), End> {
        if self.next_byte()? != byte {
            return Err(End::NotAnObject);
        }
        self.at += 1;
        self.spend(1)
    }

    /// Skips white space, and returns the byte after it.
    fn next_byte(&mut self) -> Result<u8, End> {
        loop {
            match self.byte()? {
                b' ' | b'\t' | b'\n' | b'\r' => self.at += 1,
                byte => return Ok(byte),
            }
            self.spend(1)?;
        }
    }

    fn byte(&self) -> Result<u8, End> {
        self.json.get(self.at).copied().ok_or(End::Text)
    }

    fn spend(&mut self, work: usize) -> Result<(), End> {
        self.work += work;
        if self.work > MAX_WORK { Err(End::Work) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> (Option<&str>, End) {
        let ([value], end) = first_members(json.as_bytes(), ["iss"]);
        (value, end)
    }

    fn read_owned(json: &str) -> (Option<String>, End) {
        let (value, end) = read(json);
        (value.map(str::to_owned), end)
    }

    #[test]
    fn only_members_of_the_object_itself_are_found() {
        assert_eq!(read(r#"{"iss":"a"}"#), (Some(r#""a""#), End::Found));
        assert_eq!(read(r#" { "a" : [ {"iss":"b"} , "]" ] , "iss" : "a" , "#), (Some(r#""a""#), End::Found));
        assert_eq!(read(r#"{"a":{"iss":"b"},"b":"{\"iss\":\"c\"","c":-1.5e3,"d":null}"#), (None, End::Object));
        assert_eq!(read(r#"{"\u0069ss":"a"}"#), (Some(r#""a""#), End::Found));
        assert_eq!(read(r#"{"iss":"a\"b"}"#), (Some(r#""a\"b""#), End::Found));
        assert_eq!(read(r#"{"iss":["a"],"iss":"b"}"#), (Some(r#"["a"]"#), End::Found));
        assert_eq!(read("{}"), (None, End::Object));
        let ([issuer, date], end) = first_members(br#"{"iat":7,"x":0,"iss":"a","y""#, ["iss", "iat"]);
        assert_eq!((issuer, date, end), (Some(r#""a""#), Some("7"), End::Found));
    }

    #[test]
    fn text_that_is_cut_off_is_told_from_other_text() {
        for cut in
            ["", " ", "{", r#"{"a"#, r#"{"a":"#, r#"{"a":1"#, r#"{"a":1,"#, r#"{"a":[1"#, r#"{"iss":"a"#, r#"{"a":"\"#]
        {
            assert_eq!(read(cut), (None, End::Text), "{cut}");
        }
        for other in ["[]", "null", "\"iss\"", "{1", r#"{"a",""#, r#"{"a":,"#, r#"{"a":1 2"#, "{]", r#"{"a":}"#] {
            assert_eq!(read(other), (None, End::NotAnObject), "{other}");
        }
    }

    #[test]
    fn work_is_bounded() {
        let after = |value: String| format!(r#"{{"a":{value},"iss":"a"}}"#);
        for value in [
            format!("[{}0]", "0,".repeat(MAX_WORK / 2)),
            format!("[{}0]", "\"\",".repeat(MAX_WORK / 11)),
            format!("\"{}\"", "\\n".repeat(MAX_WORK / 4)),
            format!("{}0{}", "[".repeat(MAX_WORK / 2), "]".repeat(MAX_WORK / 2)),
            format!("1{}", "0".repeat(MAX_WORK)),
            format!("{}0", " ".repeat(MAX_WORK)),
        ] {
            assert_eq!(read(&after(value)), (None, End::Work));
        }
        // `{`, `,`, two names, two colons and a comma leave 115.
        for (digits, expected) in [(113, Some("\"a\"")), (114, Some("\"a\"")), (115, None)] {
            let (value, end) = read_owned(&after("1".repeat(digits)));
            assert_eq!((value.as_deref(), end == End::Work), (expected, expected.is_none()), "{digits}");
        }
        // A long string is little work.
        assert_eq!(read(&after(format!("\"{}\"", "x".repeat(10_000)))), (Some("\"a\""), End::Found));
    }
}
