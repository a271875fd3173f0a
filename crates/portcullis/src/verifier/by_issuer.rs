//! Several issuers behind one gate: each token goes to exactly one verifier, so the keys of one issuer never verify tokens of
//! another.

use std::collections::HashMap;
use std::fmt;

use async_trait::async_trait;

use crate::attempts::run_all;
use crate::credential::{Credential, Scheme};
use crate::error::{AuthError, ConfigError, InvalidToken};
use crate::jose::compact::Compact;
use crate::keys::KeyStatus;
use crate::verifier::diagnosis::{compare_issuers, of_unknown_issuer};
use crate::verifier::issuer_reader::{IssuerReader, UnverifiedIssuer};
use crate::verifier::opaque_prefixes::OpaquePrefixes;
use crate::verifier::{
    CheckReport, Comparison, JwtVerifier, UnverifiedToken, Verification, Verified, Verifier, each_once,
};

/// The number of verifiers that are asked about a refused token of no known issuer.
const EXPLAINING: usize = 4;

/// A fixed set of issuers.
///
/// The token's unverified `iss` chooses one of the verifiers. That verifier checks everything, `iss` included, with its own
/// keys. Tokens of other issuers are refused at once, without asking for keys.
///
/// `iss` is read from the first 768 bytes of the payload if about six claims at most precede it. Otherwise the whole payload
/// is read. At most 32 refused tokens per second may cause that; then such tokens get 503 until the second ends. Good tokens
/// do not count.
///
/// ```
/// use portcullis::keys::FixedKeys;
/// use portcullis::verifier::ByIssuer;
/// use portcullis::{Audience, Gate, JwtVerifier};
///
/// # let (ours, theirs) = (FixedKeys::secret(&[7; 32]).unwrap(), FixedKeys::secret(&[8; 32]).unwrap());
/// let gate = Gate::new(ByIssuer::new([
///     JwtVerifier::builder("https://ours.example", Audience::any_of(["api"]), ours).build()?,
///     JwtVerifier::builder("https://theirs.example", Audience::any_of(["partner-api"]), theirs).build()?,
/// ])?);
/// # Ok::<(), portcullis::ConfigError>(())
/// ```
pub struct ByIssuer {
    verifiers: Vec<JwtVerifier>,
    /// The position of each issuer's verifier in the list.
    by_issuer: HashMap<String, usize>,
    longest_issuer: usize,
    max_token_bytes: usize,
    opaque_prefixes: OpaquePrefixes,
    reader: IssuerReader,
    schemes: Vec<Scheme>,
}

impl ByIssuer {
    /// Dispatches to the one of `verifiers` that accepts the token's issuer.
    ///
    /// # Errors
    /// [`ConfigError`] when the list is empty, when two verifiers accept the same issuer, or when a verifier names no issuer
    /// ([`Issuer::by_rule`](crate::Issuer::by_rule), [`dangerous::any_issuer`](crate::dangerous::any_issuer)).
    pub fn new(verifiers: impl IntoIterator<Item = JwtVerifier>) -> Result<Self, ConfigError> {
        let verifiers: Vec<_> = verifiers.into_iter().collect();
        let mut by_issuer = HashMap::new();
        for (position, verifier) in verifiers.iter().enumerate() {
            if verifier.decoder.is_some() {
                return Err(ConfigError::new(
                    "issuer",
                    "one of several verifiers has a decoder, and its issuer cannot be read beforehand",
                    "give it a gate of its own",
                ));
            }
            let issuers = verifier.issuer().accepted().ok_or_else(|| {
                ConfigError::new(
                    "issuer",
                    "one of several verifiers names no issuers",
                    "name the issuers of each, or use OpenIssuers, whose directory decides",
                )
            })?;
            for issuer in issuers {
                if by_issuer.insert(issuer.clone(), position).is_some_and(|other| other != position) {
                    let problem = format!("two verifiers accept {issuer:?}");
                    return Err(ConfigError::new("issuer", problem, "give each issuer to one verifier"));
                }
            }
        }
        if verifiers.is_empty() {
            return Err(ConfigError::new("issuer", "there are no verifiers", "give at least one"));
        }
        let max_token_bytes = verifiers.iter().map(|verifier| verifier.max_token_bytes).max().unwrap_or_default();
        let longest_issuer = by_issuer.keys().map(String::len).max().unwrap_or_default();
        let prefixes = verifiers.iter().flat_map(|verifier| verifier.opaque_prefixes.iter()).cloned();
        let opaque_prefixes = OpaquePrefixes::new(prefixes);
        let schemes = each_once(verifiers.iter().flat_map(Verifier::schemes).copied());
        let reader = IssuerReader::default();
        Ok(Self { verifiers, by_issuer, longest_issuer, max_token_bytes, opaque_prefixes, reader, schemes })
    }

    /// Splits the token, and chooses the verifier of its issuer.
    fn choose<'a>(
        &'a self,
        credential: &Credential<'a>,
    ) -> Result<(UnverifiedIssuer<&'a JwtVerifier>, Compact<'a>), AuthError> {
        let token = self.opaque_prefixes.parse(credential.unverified_bytes(), self.max_token_bytes)?;
        let refused = match self.reader.choose(&token, |issuer| self.of_issuer(issuer)) {
            Ok(UnverifiedIssuer { chosen: Some(verifier), slow }) => {
                return Ok((UnverifiedIssuer { chosen: verifier, slow }, token));
            }
            Ok(UnverifiedIssuer { chosen: None, .. }) => InvalidToken::WrongIssuer.into(),
            Err(error) => error,
        };
        // An unreadable header is reported before an unreadable payload and an unknown issuer.
        self.reader.read_header(&token)?;
        Err(refused)
    }

    fn of_issuer(&self, issuer: &str) -> Option<&JwtVerifier> {
        if issuer.len() > self.longest_issuer {
            return None;
        }
        self.by_issuer.get(issuer).and_then(|position| self.verifiers.get(*position))
    }
}

#[async_trait]
impl Verifier for ByIssuer {
    async fn verify(&self, credential: &Credential<'_>) -> Result<Verified, AuthError> {
        self.begin(credential).finish().await
    }

    fn begin<'a>(&'a self, credential: &'a Credential<'a>) -> Verification<'a> {
        let (issuer, token) = match self.choose(credential) {
            Ok(chosen) => chosen,
            Err(error) => return Verification::Done(Err(error)),
        };
        match issuer.chosen.begin_split(credential, token, None) {
            Verification::Done(result) => {
                if result.is_ok() {
                    self.reader.was_good(&issuer, false);
                }
                Verification::Done(result)
            }
            Verification::Waits(rest) => Verification::Waits(Box::pin(async move {
                let verified = rest.await?;
                self.reader.was_good(&issuer, false);
                Ok(verified)
            })),
        }
    }

    /// Asks the verifier of the token's issuer. Without one, the first verifiers may recognize the form of the token.
    fn explain(&self, credential: &Credential<'_>, refused: &AuthError) -> Option<&'static str> {
        let token = UnverifiedToken::of_at_most(self.max_token_bytes, credential.unverified_token());
        match token.unverified_origin().issuer.and_then(|issuer| self.of_issuer(&issuer)) {
            Some(verifier) => verifier.explain(credential, refused),
            None => self.verifiers.iter().take(EXPLAINING).find_map(|verifier| verifier.explain(credential, refused)),
        }
    }

    async fn diagnose(&self, credential: &Credential<'_>) -> Vec<CheckReport> {
        let text = credential.unverified_bytes();
        let refused = match self.opaque_prefixes.parse(text, self.max_token_bytes) {
            Ok(token) => match self.reader.choose(&token, |issuer| self.of_issuer(issuer)) {
                Ok(issuer) => match issuer.chosen {
                    Some(verifier) => return verifier.diagnose(credential).await,
                    None => InvalidToken::WrongIssuer.into(),
                },
                Err(error) => error,
            },
            Err(error) => error.into(),
        };
        of_unknown_issuer(text, self.max_token_bytes, &self.issuers(), refused)
    }

    fn compare(&self, credential: &Credential<'_>) -> Option<Comparison> {
        let token = UnverifiedToken::of_at_most(self.max_token_bytes, credential.unverified_token());
        let issuer = token.unverified_origin().issuer?;
        match self.of_issuer(&issuer) {
            Some(verifier) => verifier.compare(credential),
            None => compare_issuers(&self.issuers(), &issuer),
        }
    }

    /// The schemes that at least one of the verifiers understands.
    fn schemes(&self) -> &[Scheme] {
        &self.schemes
    }

    fn issuers(&self) -> Vec<String> {
        self.verifiers.iter().flat_map(Verifier::issuers).collect()
    }

    /// Makes one attempt for each issuer, all at the same time. It fails only if all fail: an outage of one issuer does not
    /// affect the others.
    async fn warm_up(&self) -> Result<(), AuthError> {
        run_all(self.verifiers.iter().map(Verifier::warm_up)).await
    }

    /// Ready when there are keys of at least one issuer.
    fn status(&self) -> KeyStatus {
        self.verifiers.iter().map(JwtVerifier::status).fold(KeyStatus::waiting(), KeyStatus::or)
    }
}

impl fmt::Debug for ByIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.verifiers).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::checks::Audience;
    use crate::dangerous;
    use crate::jose::VerifyingKey;
    use crate::keys::{FixedKeys, KeyError, KeyProvider, KeyQuery};

    fn verifier(issuer: &str) -> JwtVerifier {
        let keys = FixedKeys::secret(&[7; 32]).unwrap();
        JwtVerifier::builder(issuer, Audience::any_of(["api"]), keys).build().unwrap()
    }

    #[test]
    fn issuer_belongs_to_one_verifier() {
        assert!(ByIssuer::new([verifier("https://a.example"), verifier("https://b.example")]).is_ok());
        let twice = ByIssuer::new([verifier("https://a.example"), verifier("https://a.example")]).unwrap_err();
        assert!(twice.to_string().contains("https://a.example"), "{twice}");
        assert_eq!(ByIssuer::new([]).unwrap_err().field(), "issuer");
        let keys = FixedKeys::secret(&[7; 32]).unwrap();
        let any = JwtVerifier::builder(dangerous::any_issuer(), Audience::any_of(["api"]), keys).build().unwrap();
        assert_eq!(ByIssuer::new([any, verifier("https://a.example")]).unwrap_err().field(), "issuer");
    }

    #[tokio::test]
    async fn each_verifier_has_its_own_size_limit() {
        let with_limit = |issuer: &str, bytes| {
            let keys = FixedKeys::secret(&[7; 32]).unwrap();
            let builder = JwtVerifier::builder(issuer, Audience::any_of(["api"]), keys);
            builder.max_token_bytes(bytes).build().unwrap()
        };
        let set =
            ByIssuer::new([with_limit("https://a.example", 100), with_limit("https://b.example", 1_000)]).unwrap();
        for (issuer, expected) in [
            ("https://a.example", InvalidToken::TooLarge { limit: 100 }),
            ("https://b.example", InvalidToken::BadSignature),
        ] {
            let part = crate::jose::base64url::encode;
            let payload = format!(r#"{{"iss":"{issuer}","pad":"{}"}}"#, "x".repeat(100));
            let token = format!("{}.{}.AAAA", part(br#"{"alg":"HS256"}"#), part(payload.as_bytes()));
            match set.verify(&Credential::bearer(&token)).await {
                Err(AuthError::InvalidToken(found)) => assert_eq!(found, expected),
                other => panic!("{other:?}"),
            }
        }
    }

    /// Has no keys yet.
    #[derive(Debug)]
    struct Waiting;

    #[async_trait]
    impl KeyProvider for Waiting {
        async fn key(&self, _: &KeyQuery<'_>) -> Result<Arc<VerifyingKey>, KeyError> {
            Err(KeyError::NotFound)
        }

        fn status(&self) -> KeyStatus {
            KeyStatus::waiting()
        }
    }

    #[test]
    fn set_is_ready_when_one_issuer_is() {
        let waiting = |issuer: &str| JwtVerifier::builder(issuer, Audience::any_of(["api"]), Waiting).build().unwrap();
        let (a, b) = ("https://a.example", "https://b.example");
        assert!(ByIssuer::new([waiting(a), verifier(b)]).unwrap().status().ready);
        assert!(ByIssuer::new([verifier(a), waiting(b)]).unwrap().status().ready);
        assert!(!ByIssuer::new([waiting(a), waiting(b)]).unwrap().status().ready);
    }

    #[tokio::test]
    async fn header_is_judged_before_the_issuer() {
        let set = ByIssuer::new([verifier("https://a.example"), verifier("https://b.example")]).unwrap();
        let part = crate::jose::base64url::encode;
        let refused = |header: &str, payload: &str| {
            let (token, set) = (format!("{}.{}.AAAA", part(header.as_bytes()), part(payload.as_bytes())), &set);
            async move {
                match set.verify(&Credential::bearer(&token)).await {
                    Err(AuthError::InvalidToken(found)) => found,
                    other => panic!("{other:?}"),
                }
            }
        };
        let good = r#"{"alg":"HS256"}"#;
        for payload in ["{}", "[]", r#"{"iss":"https://c.example"}"#, r#"{"iss":"https://a.example"}"#] {
            assert_eq!(refused("{}", payload).await, InvalidToken::Malformed { part: "header" }, "{payload}");
        }
        assert_eq!(refused(good, "{}").await, InvalidToken::missing("iss"));
        assert_eq!(refused(good, "[]").await, InvalidToken::Malformed { part: "payload" });
        for unknown in ["https://c.example", "https://a.example/a/long/path/that/no/configured/issuer/has", ""] {
            assert_eq!(refused(good, &format!(r#"{{"iss":"{unknown}"}}"#)).await, InvalidToken::WrongIssuer);
        }
        assert_eq!(refused(good, r#"{"iss":"https://b.example"}"#).await, InvalidToken::BadSignature);
    }
}
