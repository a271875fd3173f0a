//! Tokens in another form than the JWS Compact Serialization.

use crate::error::InvalidToken;
use crate::jose::header::HeaderText;
use crate::jose::{Algorithm, Header, VerifyingKey};

/// Decodes the text of tokens that are not in the JWS Compact Serialization, for example because a proxy writes them with
/// padding. [`JwtVerifierBuilder::decoder`](crate::verifier::JwtVerifierBuilder::decoder) takes one.
///
/// It replaces the strict parser for one verifier. Everything after it stays: the header is read as strictly as always, the key
/// has to serve its algorithm, and all checks run. So a decoder decides only which bytes were signed, and which of them are the
/// header and the payload.
///
/// It is not called for a text that is longer than the verifier allows. A panic is answered with 500.
pub trait TokenDecoder: Send + Sync {
    /// Decodes `text`.
    ///
    /// # Errors
    /// Why the token is refused: [`InvalidToken::NotCompactJws`], or [`InvalidToken::Malformed`] with a part of the token.
    fn decode(&self, text: &[u8]) -> Result<DecodedToken, InvalidToken>;
}

/// The parts of a token that a [`TokenDecoder`] has decoded.
#[derive(Clone)]
pub struct DecodedToken {
    header: Vec<u8>,
    payload: Vec<u8>,
    signature: Vec<u8>,
    signing_input: Vec<u8>,
}

impl DecodedToken {
    /// Returns a token of these parts. `signing_input` are the bytes that were signed. The decoder must have decoded `header`
    /// and `payload`, which are JSON objects, from them: the signature covers nothing else.
    #[must_use]
    pub fn new(header: Vec<u8>, payload: Vec<u8>, signature: Vec<u8>, signing_input: Vec<u8>) -> Self {
        Self { header, payload, signature, signing_input }
    }

    /// Reads the header, with the limits of any header.
    pub(super) fn header(&self) -> Result<Header, InvalidToken> {
        HeaderText::of_bytes(self.header.clone())?.parse()
    }

    pub(super) fn into_payload(self) -> Vec<u8> {
        self.payload
    }

    pub(super) fn unverified_header(&self) -> &[u8] {
        &self.header
    }

    pub(super) fn unverified_payload(&self) -> &[u8] {
        &self.payload
    }

    /// Checks the signature.
    pub(super) fn verify(&self, key: &VerifyingKey, algorithm: Algorithm) -> Result<(), InvalidToken> {
        if self.signature.len() < key.shortest_signature() {
            return Err(InvalidToken::BadSignature);
        }
        key.verify(algorithm, &self.signing_input, &self.signature).map_err(|_| InvalidToken::BadSignature)
    }
}

impl std::fmt::Debug for DecodedToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DecodedToken { .. }")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credential::Credential;
    use crate::error::AuthError;
    use crate::jose::base64url;
    use crate::keys::FixedKeys;
    use crate::verifier::{ByIssuer, CheckOutcome, JwtVerifier, JwtVerifierBuilder, Verifier as _};

    const SECRET: [u8; 32] = [7; 32];

    /// Reads `header!payload!signature`, each in base64url. The signature covers the text before it.
    struct Exclamations;

    impl TokenDecoder for Exclamations {
        fn decode(&self, text: &[u8]) -> Result<DecodedToken, InvalidToken> {
            let text = std::str::from_utf8(text).map_err(|_| InvalidToken::NotCompactJws)?;
            let (signed, signature) = text.rsplit_once('!').ok_or(InvalidToken::NotCompactJws)?;
            let (header, payload) = signed.split_once('!').ok_or(InvalidToken::NotCompactJws)?;
            let part = |part: &'static str, text| base64url::decode(text).ok_or(InvalidToken::Malformed { part });
            let (header, payload) = (part("header", header)?, part("payload", payload)?);
            Ok(DecodedToken::new(header, payload, part("signature", signature)?, signed.into()))
        }
    }

    fn token(header: &str, payload: &str) -> String {
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &SECRET);
        let signed = format!("{}!{}", base64url::encode(header.as_bytes()), base64url::encode(payload.as_bytes()));
        let signature = aws_lc_rs::hmac::sign(&key, signed.as_bytes());
        format!("{signed}!{}", base64url::encode(signature.as_ref()))
    }

    fn builder() -> JwtVerifierBuilder {
        JwtVerifier::builder("https://i.example", "api", FixedKeys::secret(&SECRET).unwrap()).decoder(Exclamations)
    }

    const HEADER: &str = r#"{"alg":"HS256"}"#;
    const GOOD: &str = r#"{"iss":"https://i.example","aud":"api","sub":"u","exp":4102444800}"#;

    #[tokio::test]
    async fn decoded_token_passes_every_check() {
        let verifier = builder().max_token_bytes(1_000).cache_tokens(10).build().unwrap();
        let verify = async |text: &str| match verifier.verify(&Credential::bearer(text)).await {
            Ok(caller) => Ok(caller),
            Err(AuthError::InvalidToken(error)) => Err(error),
            Err(other) => panic!("{other:?}"),
        };
        let good = token(HEADER, GOOD);
        for _ in 0..2 {
            let caller = verify(&good).await.unwrap();
            assert_eq!((caller.subject(), caller.raw_token()), (Some("u"), Some(good.clone())));
        }
        let of_another = token(HEADER, &GOOD.replace("\"u\"", "\"v\""));
        let (signed, signature) = (good.rsplit_once('!').unwrap().0, of_another.rsplit_once('!').unwrap().1);
        for (text, refused) in [
            (good.replace('!', "."), InvalidToken::NotCompactJws),
            (format!("{signed}!{signature}"), InvalidToken::BadSignature),
            (token(r#"{"alg":"none"}"#, GOOD), InvalidToken::AlgorithmNotAllowed),
            (token(r#"{"alg":"HS256","crit":["x"]}"#, GOOD), InvalidToken::CriticalHeader),
            (token(r#"{"alg":"HS256","typ":"logout+jwt"}"#, GOOD), InvalidToken::WrongType),
            (token("{", GOOD), InvalidToken::Malformed { part: "header" }),
            (token(HEADER, "{"), InvalidToken::Malformed { part: "payload" }),
            (token(HEADER, &GOOD.replace("4102444800", "1")), InvalidToken::Expired),
            (token(HEADER, &GOOD.replace("api", "other")), InvalidToken::WrongAudience),
            (token(HEADER, &GOOD.replace("i.example", "j.example")), InvalidToken::WrongIssuer),
            (token(HEADER, &format!(r#"{{"cnf":{{"jkt":"x"}},{}"#, &GOOD[1..])), InvalidToken::SenderConstrained),
            ("!".repeat(1_001), InvalidToken::TooLarge { limit: 1_000 }),
        ] {
            assert_eq!(verify(&text).await.err(), Some(refused.clone()), "{text}");
            // The first check that fails is the reason.
            let reports = verifier.diagnose(&Credential::bearer(&text)).await;
            let first = reports.iter().find(|report| !report.outcome.is_passed()).map(|report| &report.outcome);
            let Some(CheckOutcome::Failed(AuthError::InvalidToken(first))) = first else { panic!("{reports:?}") };
            assert_eq!(*first, refused, "{text}");
        }
        let reports = verifier.diagnose(&Credential::bearer(&good)).await;
        assert!(reports.len() > 10 && reports.iter().all(|report| report.outcome.is_passed()), "{reports:?}");
        let audience = reports.iter().find(|report| report.check == "aud").unwrap();
        assert_eq!((audience.expected.as_str(), audience.unverified_actual.as_str()), ("\"api\"", "\"api\""));
    }

    #[tokio::test]
    async fn decoder_changes_no_other_verifier() {
        let strict =
            JwtVerifier::builder("https://i.example", "api", FixedKeys::secret(&SECRET).unwrap()).build().unwrap();
        let refused = strict.verify(&Credential::bearer(&token(HEADER, GOOD))).await.unwrap_err();
        assert_eq!(refused.reason(), Some(crate::Reason::NotCompactJws));
        let error = ByIssuer::new([builder().build().unwrap()]).unwrap_err().to_string();
        assert!(error.contains("decoder"), "{error}");
    }
}
