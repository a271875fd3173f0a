//! The JOSE header (RFC 7515 §4).

use std::fmt;

use serde::Deserialize;

use crate::error::InvalidToken;
use crate::jose::algorithm::Algorithm;
use crate::jose::base64url;
use crate::jose::json::{Depth, JsonError, JsonObject, MAX_DEPTH, Text};

/// The largest header, in bytes of its encoded text. Real headers with a certificate have about 2,000, others a few hundred.
const MAX_ENCODED_BYTES: usize = 3_072;
/// The largest number of members. Real headers have fewer than ten.
const MAX_MEMBERS: usize = 24;
/// The largest number of quotes, commas, opening brackets, escapes, white space and bytes outside of ASCII. They decide how
/// long parsing takes.
const MAX_MARKS: usize = 128;
/// The largest `kid`, in bytes. The longest real ones are key URLs and encoded keys.
const MAX_KEY_ID_BYTES: usize = 512;
/// The largest thumbprint, in bytes. SHA-256 in base64url has 43; some issuers encode the hexadecimal form.
const MAX_THUMBPRINT_BYTES: usize = 128;

/// A header up to these limits takes little time. Up to the limits above, it takes up to a quarter of a signature check.
const SHORT_BYTES: usize = 384;
const FEW_MARKS: usize = 40;

/// The text of a header that is within the limits, before it is parsed.
pub(crate) struct HeaderText {
    bytes: Vec<u8>,
    marks: usize,
}

impl HeaderText {
    /// Decodes a header. A header beyond the limits is refused before the work that it would cause.
    pub(crate) fn decode(encoded: &[u8]) -> Result<Self, InvalidToken> {
        if encoded.len() > MAX_ENCODED_BYTES {
            return Err(InvalidToken::Malformed { part: "header (longer than 3,072 bytes)" });
        }
        Self::decode_of_any_length(encoded)
    }

    /// Takes a header that is decoded already. The limit is that of its encoded text.
    pub(crate) fn of_bytes(bytes: Vec<u8>) -> Result<Self, InvalidToken> {
        if base64url::encoded_length(bytes.len()) > MAX_ENCODED_BYTES {
            return Err(InvalidToken::Malformed { part: "header (longer than 3,072 bytes)" });
        }
        Self::new(bytes)
    }

    /// Decodes a header whose length the caller has checked.
    pub(crate) fn decode_of_any_length(encoded: &[u8]) -> Result<Self, InvalidToken> {
        Self::new(base64url::decode(encoded).ok_or(InvalidToken::Malformed { part: "header" })?)
    }

    fn new(bytes: Vec<u8>) -> Result<Self, InvalidToken> {
        let marks = marks(&bytes);
        if marks > MAX_MARKS {
            return Err(InvalidToken::Malformed { part: "header (too many values)" });
        }
        Ok(Self { bytes, marks })
    }

    /// Whether parsing takes longer than a refusal may. Headers with a certificate do, and few others.
    pub(crate) fn takes_long(&self) -> bool {
        self.bytes.len() > SHORT_BYTES || self.marks > FEW_MARKS
    }

    pub(crate) fn parse(self) -> Result<Header, InvalidToken> {
        let malformed = || InvalidToken::Malformed { part: "header" };
        let Self { bytes, marks } = self;
        // Opening brackets are marks, so few marks do not nest deeply.
        let depth = if marks > MAX_DEPTH { Depth::Unknown } else { Depth::Allowed };
        let object = JsonObject::parse_at_most(MAX_MEMBERS, depth, bytes).map_err(|error| match error {
            JsonError::DuplicateMember => InvalidToken::Malformed { part: "header (a member appears twice)" },
            _ => malformed(),
        })?;
        if object.raw("crit").is_some() || object.raw("b64").is_some() {
            return Err(InvalidToken::CriticalHeader);
        }
        let algorithm = object.optional_string("alg").map_err(|_| malformed())?.ok_or_else(malformed)?;
        let algorithm = Algorithm::from_name(algorithm.of(object.text()));
        let key_id = object.optional_string("kid").map_err(|_| malformed())?;
        if key_id.as_ref().is_some_and(|id| id.of(object.text()).len() > MAX_KEY_ID_BYTES) {
            return Err(InvalidToken::Malformed { part: "header (its kid is longer than 512 bytes)" });
        }
        let token_type = object.optional_string("typ").map_err(|_| malformed())?;
        // Only key look-ups read these two, so a value of another type or length counts as absent.
        let thumbprint = |name| {
            let text = object.optional_string(name).unwrap_or_default();
            text.filter(|text| text.of(object.text()).len() <= MAX_THUMBPRINT_BYTES)
        };
        let (x5t, x5t_s256) = (thumbprint("x5t"), thumbprint("x5t#S256"));
        Ok(Header { object, algorithm, key_id, token_type, x5t, x5t_s256 })
    }
}

/// The header of a token, parsed once.
///
/// The members `alg`, `kid`, `typ` and the certificate thumbprints select how a token is verified. Keys in the header
/// (`jwk`, `jku`, `x5u`, `x5c`) are never used, and a header with `crit` or `b64` is refused (RFC 7515 §4.1.11,
/// RFC 7797).
///
/// A check reads it with [`TokenView::header`](crate::checks::TokenView::header), a handler with
/// [`Verified::header`](crate::Verified::header):
///
/// ```
/// # use portcullis::jose::Algorithm;
/// # use portcullis::{Gate, JwtVerifier};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let keys = portcullis::keys::FixedKeys::jwk(r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#)?;
/// # let token = "eyJhbGciOiJFZERTQSIsInR5cCI6ImF0K2p3dCJ9.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwiYXVkIjoiYXBpIiwic3ViIjoiYWxpY2UiLCJvcmdfaWQiOiJvcmdfMSIsImVudGl0bGVtZW50cyI6WyJpbnZvaWNlczp3cml0ZSJdLCJleHAiOjQxMDI0NDQ4MDB9.bmhc5JNiSqEOaZ8IOBkJxBhC1VvsaSy7HzxkZ-fU0gVcihG7BOpjYYMx3f8_06d-TlpqBeEqp8zoUpuOB54vCg";
/// # let gate = Gate::new(JwtVerifier::builder("https://issuer.example", "api", keys).build()?);
/// let caller = gate.verify(token).await?;
/// let header = caller.header().expect("a JWT has a header");
/// assert_eq!(header.algorithm(), Some(Algorithm::EdDsa));
/// assert_eq!(header.token_type(), Some("at+jwt"));
/// assert_eq!(header.get::<String>("cty"), None);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Header {
    object: JsonObject,
    algorithm: Option<Algorithm>,
    key_id: Option<Text>,
    token_type: Option<Text>,
    x5t: Option<Text>,
    x5t_s256: Option<Text>,
}

impl Header {
    #[cfg(test)]
    pub(crate) fn parse(bytes: Vec<u8>) -> Result<Self, InvalidToken> {
        HeaderText::new(bytes)?.parse()
    }

    /// Returns `alg`, or `None` when this crate does not implement the algorithm.
    #[must_use]
    pub fn algorithm(&self) -> Option<Algorithm> {
        self.algorithm
    }

    /// Returns `kid`, the identifier of the key.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.key_id.as_ref().map(|text| text.of(self.object.text()))
    }

    /// Returns `typ`, the media type of the token.
    #[must_use]
    pub fn token_type(&self) -> Option<&str> {
        self.token_type.as_ref().map(|text| text.of(self.object.text()))
    }

    /// Returns `x5t`, the SHA-1 thumbprint of the key's certificate, base64url-encoded (RFC 7515 §4.1.7), or `None` when it is not a
    /// string.
    #[must_use]
    pub fn x5t(&self) -> Option<&str> {
        self.x5t.as_ref().map(|text| text.of(self.object.text()))
    }

    /// Returns `x5t#S256`, the SHA-256 thumbprint of the key's certificate, base64url-encoded (RFC 7515 §4.1.8), or `None` when it is
    /// not a string.
    #[must_use]
    pub fn x5t_s256(&self) -> Option<&str> {
        self.x5t_s256.as_ref().map(|text| text.of(self.object.text()))
    }

    /// Returns the member `name`, deserialized, or `None` when it is absent or does not fit `T`.
    #[must_use]
    pub fn get<'a, T: Deserialize<'a>>(&'a self, name: &str) -> Option<T> {
        serde_json::from_str(self.object.raw(name)?).ok()
    }

    /// How much memory the header takes, in bytes.
    pub(crate) fn memory(&self) -> usize {
        let texts = [&self.key_id, &self.token_type, &self.x5t, &self.x5t_s256];
        let owned = texts.into_iter().flatten().map(Text::memory).sum::<usize>();
        size_of::<Self>() + self.object.memory() + owned
    }

    /// Returns the header as the issuer wrote it: for rules about members that must not be there.
    #[must_use]
    pub fn as_json(&self) -> &str {
        self.object.text()
    }
}

/// Counts the bytes that decide how long parsing takes. The count of a block fits a byte, so the compiler can use vector
/// instructions.
fn marks(json: &[u8]) -> usize {
    // All but these are above a space and below 0x80. White space and control characters are below `!`.
    let is_mark = |byte: u8| {
        (byte.wrapping_sub(b'!') >= 0x80 - b'!')
            | (byte | 0x20 == b'{')
            | (byte == b'"')
            | (byte == b',')
            | (byte == b'\\')
    };
    let of = |run: &[u8]| usize::from(run.iter().fold(0, |marks: u8, byte| marks + u8::from(is_mark(*byte))));
    let (blocks, rest) = json.as_chunks::<64>();
    blocks.iter().map(|block| of(block)).sum::<usize>() + of(rest)
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The sender chose `kid` and `typ`, so they stay out of logs.
        f.debug_struct("Header").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<Header, InvalidToken> {
        HeaderText::decode(base64url::encode(json.as_bytes()).as_bytes())?.parse()
    }

    #[test]
    fn alg_kid_and_typ_are_read() {
        let header = parse(r#"{"alg":"RS256","kid":"k\u0031","typ":"JWT","cat":"c"}"#).unwrap();
        assert_eq!(header.algorithm(), Some(Algorithm::Rs256));
        assert_eq!(header.key_id(), Some("k1"));
        assert_eq!(header.token_type(), Some("JWT"));
        assert_eq!(header.get::<String>("cat").as_deref(), Some("c"));
        assert_eq!(header.get::<u8>("cat"), None);
    }

    #[test]
    fn certificate_thumbprints_are_read() {
        let header = parse(r#"{"alg":"RS256","x5t":"a\u0062","x5t#S256":"cd"}"#).unwrap();
        assert_eq!((header.x5t(), header.x5t_s256()), (Some("ab"), Some("cd")));
        for absent in
            [r#"{"alg":"RS256"}"#, r#"{"alg":"RS256","x5t":1,"x5t#S256":["a"]}"#, r#"{"alg":"RS256","x5t":null}"#]
        {
            let header = parse(absent).unwrap();
            assert_eq!((header.x5t(), header.x5t_s256()), (None, None), "{absent}");
        }
    }

    #[test]
    fn crit_and_b64_are_refused_in_any_form() {
        for member in [
            r#""crit":["exp"]"#,
            r#""crit":[]"#,
            r#""crit":null"#,
            r#""crit":"exp""#,
            r#""b64":false"#,
            r#""b64":true"#,
        ] {
            let header = format!(r#"{{"alg":"RS256",{member}}}"#);
            assert_eq!(parse(&header).err(), Some(InvalidToken::CriticalHeader), "{header}");
        }
    }

    #[test]
    fn wrong_types_and_missing_alg_are_malformed() {
        for header in [
            "{}",
            r#"{"alg":null}"#,
            r#"{"alg":["RS256"]}"#,
            r#"{"alg":256}"#,
            r#"{"alg":"RS256","kid":1}"#,
            r#"{"alg":"RS256","kid":null}"#,
            r#"{"alg":"RS256","typ":{}}"#,
            r#"{"alg":"RS256","alg":"HS256"}"#,
            "[]",
        ] {
            assert!(matches!(parse(header), Err(InvalidToken::Malformed { .. })), "{header}");
        }
    }

    #[test]
    fn none_is_not_an_algorithm() {
        for name in ["none", "None", "NONE", "nOnE", ""] {
            assert_eq!(parse(&format!(r#"{{"alg":"{name}"}}"#)).unwrap().algorithm(), None);
        }
    }

    #[test]
    fn headers_beyond_a_limit_are_malformed() {
        let part = |header: &str| match parse(header) {
            Err(InvalidToken::Malformed { part }) => Some(part),
            result => {
                assert!(result.is_ok());
                None
            }
        };
        let members = |count: usize| (1..count).map(|at| format!(",\"{at}\":0")).collect::<String>();
        let with = |more: String| part(&format!(r#"{{"alg":"RS256"{more}}}"#));
        assert_eq!(with(members(MAX_MEMBERS)), None);
        assert_eq!(with(members(MAX_MEMBERS + 1)), Some("header"));
        // Reading stops at the limit, so the second `alg` is not seen.
        assert_eq!(with(format!("{},\"alg\":0", members(MAX_MEMBERS))), Some("header"));
        assert_eq!(with(format!(",\"x5c\":[\"{}\"]", "A".repeat(2_200))), None);
        assert_eq!(with(format!(",\"x5c\":[\"{}\"]", "A".repeat(2_400))), Some("header (longer than 3,072 bytes)"));
        for many in ["0,".repeat(140), "\"\",".repeat(50), "[],".repeat(70), " 0,".repeat(70)] {
            assert_eq!(with(format!(",\"x\":[{many}0]")), Some("header (too many values)"), "{many}");
        }
        for many in ["\\n".repeat(130), "é".repeat(70)] {
            assert_eq!(with(format!(",\"x\":\"{many}\"")), Some("header (too many values)"), "{many}");
        }
        assert_eq!(with(format!(",\"kid\":\"{}\"", "k".repeat(MAX_KEY_ID_BYTES))), None);
        assert_eq!(
            with(format!(",\"kid\":\"{}\"", "k".repeat(MAX_KEY_ID_BYTES + 1))),
            Some("header (its kid is longer than 512 bytes)")
        );
        let long = format!(r#"{{"alg":"RS256","x5t":"{}","x5t#S256":"ab"}}"#, "a".repeat(129));
        let header = parse(&long).unwrap();
        assert_eq!((header.x5t(), header.x5t_s256()), (None, Some("ab")));
    }

    #[test]
    fn long_headers_are_told_from_short_ones() {
        let takes_long = |more: &str| {
            let header = format!(r#"{{"alg":"RS256"{more}}}"#);
            let text = HeaderText::decode(base64url::encode(header.as_bytes()).as_bytes()).unwrap();
            (header.len(), text.marks, text.takes_long())
        };
        let of_bytes = |bytes: usize| takes_long(&format!(r#","kid":"{}""#, "k".repeat(bytes - 24)));
        assert_eq!(of_bytes(SHORT_BYTES), (SHORT_BYTES, 10, false));
        assert_eq!(of_bytes(SHORT_BYTES + 1), (SHORT_BYTES + 1, 10, true));
        // `{`, four quotes, and those of the member.
        let of_marks = |marks: usize| takes_long(&format!(r#","x":[{}0]"#, "0,".repeat(marks - 9)));
        assert_eq!(of_marks(FEW_MARKS), (85, FEW_MARKS, false));
        assert_eq!(of_marks(FEW_MARKS + 1), (87, FEW_MARKS + 1, true));
        // As Entra ID writes it.
        let real = format!(r#","typ":"JWT","x5t":"{0}","kid":"{0}","nonce":"{0}{0}""#, "q".repeat(27));
        assert!(!takes_long(&real).2);
    }

    #[test]
    fn every_mark_is_counted() {
        for byte in 0..=u8::MAX {
            let is_mark = matches!(byte, b'"' | b',' | b'\\' | b'[' | b'{' | ..=b' ' | 0x80..);
            for length in [1, 63, 64, 65, 200, 400] {
                for others in [b'a', b'"', b'!', b':'] {
                    let mut text = vec![others; length];
                    text[length / 2] = byte;
                    let expected = usize::from(others == b'"') * (length - 1) + usize::from(is_mark);
                    assert_eq!(marks(&text), expected, "{byte} among {others}");
                }
            }
        }
    }

    #[test]
    fn debug_hides_the_text_of_the_sender() {
        let header = parse(r#"{"alg":"RS256","kid":"sneaky"}"#).unwrap();
        assert!(!format!("{header:?}").contains("sneaky"));
    }
}
