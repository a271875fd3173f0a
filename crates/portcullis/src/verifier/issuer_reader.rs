//! Reads the unverified `iss` that chooses the verifier of a token, at a bounded cost.

use crate::error::{AuthError, InvalidToken};
use crate::jose::Header;
use crate::jose::compact::Compact;
use crate::jose::json::JsonObject;
use crate::jose::json_start::{End, first_members};
use crate::verifier::allowance::{self, Allowance, UsedUp};
use crate::verifier::header_memo::read_header;
use crate::verifier::unverified::START_BYTES;

/// The longest `iss` that is looked up, in bytes.
const MAX_ISSUER_BYTES: usize = 1_024;

/// Reads `iss` from the start of the payload. Most issuers write it there.
///
/// Where `iss` comes later, the whole payload is read, which takes about as long as a signature check. So only a limited
/// number of tokens that are then refused may cause that. Good tokens do not count.
pub(super) struct IssuerReader {
    payloads: Allowance,
    headers: Allowance,
}

/// What an unverified `iss` chose, or the name. It may only choose among accepted issuers.
pub(super) struct UnverifiedIssuer<T = String> {
    pub(super) chosen: T,
    /// Whether the whole payload was read.
    pub(super) slow: bool,
}

impl Default for IssuerReader {
    fn default() -> Self {
        Self { payloads: Allowance::of(allowance::PAYLOADS), headers: Allowance::of(allowance::HEADERS) }
    }
}

impl IssuerReader {
    /// Reads the unverified `iss` of a token.
    pub(super) fn read(&self, token: &Compact<'_>) -> Result<UnverifiedIssuer, AuthError> {
        self.choose(token, str::to_owned)
    }

    /// Reads the unverified `iss` of a token, and calls `choose` with it. It allocates no memory if `iss` is at the start and has no
    /// escapes, because a stranger can send any number of tokens.
    pub(super) fn choose<T>(
        &self,
        token: &Compact<'_>,
        choose: impl FnOnce(&str) -> T,
    ) -> Result<UnverifiedIssuer<T>, AuthError> {
        let choose = |issuer: &str, slow| {
            if issuer.len() > MAX_ISSUER_BYTES {
                return Err(InvalidToken::WrongIssuer.into());
            }
            Ok(UnverifiedIssuer { chosen: choose(issuer), slow })
        };
        let invalid = |_| InvalidToken::invalid("iss");
        token.with_start_of_payload::<START_BYTES, _>(|start, is_all| {
            let malformed = InvalidToken::Malformed { part: "payload" };
            let ([issuer], end) = first_members(start, ["iss"]);
            match (issuer, end) {
                (Some(json), _) => match serde_json::from_str::<&str>(json) {
                    Ok(issuer) => choose(issuer, false),
                    // It has escapes, or is invalid.
                    Err(_) => choose(&serde_json::from_str::<String>(json).map_err(invalid)?, false),
                },
                (None, End::NotAnObject) => Err(malformed.into()),
                (None, End::Object) => Err(InvalidToken::missing("iss").into()),
                (None, End::Text) if is_all => Err(malformed.into()),
                (None, End::Found | End::Text | End::Work) => choose(&self.read_all(token)?, true),
            }
        })?
    }

    /// Reads the header of a token that may be refused. The second value is for [`Self::was_good`].
    pub(super) fn read_header(&self, token: &Compact<'_>) -> Result<(Header, bool), AuthError> {
        read_header(token, &self.headers)
    }

    /// Tells that the token of this issuer is good. `header_counts` is the second value of [`Self::read_header`], or false
    /// without it.
    pub(super) fn was_good<T>(&self, issuer: &UnverifiedIssuer<T>, header_counts: bool) {
        if issuer.slow {
            self.payloads.give_back();
        }
        if header_counts {
            self.headers.give_back();
        }
    }

    fn read_all(&self, token: &Compact<'_>) -> Result<String, AuthError> {
        self.payloads.take(UsedUp::Payloads)?;
        let claims = JsonObject::parse(token.payload()?).map_err(|_| InvalidToken::Malformed { part: "payload" })?;
        let issuer = claims.optional_string("iss").map_err(|_| InvalidToken::invalid("iss"))?;
        let issuer = issuer.ok_or_else(|| InvalidToken::missing("iss"))?;
        Ok(issuer.of(claims.text()).to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::base64url;
    use crate::verifier::allowance::{HEADERS, PAYLOADS, PERIOD};

    fn token(payload: &str) -> String {
        let part = |text: &str| base64url::encode(text.as_bytes());
        format!("{}.{}.", part(r#"{"alg":"HS256"}"#), part(payload))
    }

    fn read(reader: &IssuerReader, payload: &str) -> Result<UnverifiedIssuer, AuthError> {
        reader.read(&Compact::parse(&token(payload), 100_000).unwrap())
    }

    fn name(payload: &str) -> Result<String, InvalidToken> {
        match read(&IssuerReader::default(), payload) {
            Ok(issuer) => Ok(issuer.chosen),
            Err(AuthError::InvalidToken(error)) => Err(error),
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn issuer_is_read_strictly() {
        assert_eq!(name(r#"{"iss":"https://a.example"}"#).as_deref(), Ok("https://a.example"));
        assert_eq!(name(r#"{"iss":"https:\/\/a.example"}"#).as_deref(), Ok("https://a.example"));
        assert_eq!(name("{}"), Err(InvalidToken::missing("iss")));
        assert_eq!(name(r#"{"iss":["a"]}"#), Err(InvalidToken::invalid("iss")));
        assert_eq!(name(r#"{"iss":null}"#), Err(InvalidToken::invalid("iss")));
        for payload in ["[]", "", "{", r#"{"a":1"#] {
            assert_eq!(name(payload), Err(InvalidToken::Malformed { part: "payload" }), "{payload}");
        }
        let long = format!(r#"{{"iss":"{}"}}"#, "a".repeat(1_025));
        assert_eq!(name(&long), Err(InvalidToken::WrongIssuer));
    }

    #[test]
    fn issuer_is_found_anywhere_in_the_payload() {
        let groups: Vec<_> = (0..200).map(|at| format!("\"group-{at}\"")).collect();
        for before in [format!("[{}]", groups.join(",")), format!("\"{}\"", "x".repeat(9_000))] {
            let late = format!(r#"{{"groups":{before},"iss":"https://a.example","sub":"u"}}"#);
            assert_eq!(name(&late).as_deref(), Ok("https://a.example"));
            assert_eq!(name(&late.replace("iss", "isa")), Err(InvalidToken::missing("iss")));
            assert_eq!(name(&late.replace("\"sub\"", "sub")), Err(InvalidToken::Malformed { part: "payload" }));
        }
    }

    #[test]
    fn long_headers_of_good_tokens_do_not_count() {
        let header = format!(r#"{{"alg":"HS256","kid":"{}"}}"#, "k".repeat(400));
        let text = format!("{}.{}.", base64url::encode(header.as_bytes()), base64url::encode(br#"{"iss":"a"}"#));
        let token = Compact::parse(&text, 1_000).unwrap();
        let reader = IssuerReader::default();
        let issuer = reader.read(&token).ok().unwrap();
        for _ in 0..HEADERS * 2 {
            let (_, counts) = reader.read_header(&token).unwrap();
            reader.was_good(&issuer, counts);
        }
        // A run within a second uses the allowance up.
        let refused = (0..HEADERS * 5).find_map(|_| reader.read_header(&token).err());
        assert!(matches!(refused, Some(AuthError::Unavailable(_))), "{refused:?}");
    }

    #[test]
    fn only_a_limited_number_of_bad_tokens_is_read_whole() {
        let late = format!(r#"{{"a":"{}","iss":"https://a.example"}}"#, "x".repeat(9_000));
        let reader = IssuerReader::default();
        // Good tokens do not count.
        for _ in 0..PAYLOADS * 2 {
            let issuer = read(&reader, &late).ok().unwrap();
            reader.was_good(&issuer, false);
        }
        let refused = (0..PAYLOADS * 2).map(|_| read(&reader, &late).err()).filter(Option::is_some).count();
        assert!(refused >= 1, "the allowance is used up");
        match (0..PAYLOADS * 2).find_map(|_| read(&reader, &late).err()) {
            Some(AuthError::Unavailable(unavailable)) => assert_eq!(unavailable.retry_after, Some(PERIOD)),
            other => panic!("{other:?}"),
        }
        // Tokens with an early issuer are not affected.
        assert!(read(&reader, r#"{"iss":"https://a.example"}"#).is_ok());
    }
}
