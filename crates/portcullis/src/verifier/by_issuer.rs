//! Several issuers behind one gate: each token goes to exactly one verifier, so the keys of one issuer never verify tokens of
//! another.

use std::collections::HashMap;
use std::fmt;

use async_trait::async_trait;

use crate::attempts::run_all;
use crate::credential::{Credential, Scheme};
use crate::error::{AuthError, ConfigError, InvalidToken};
use crate::jose::compact::Compact;
use crate::jose::json::JsonObject;
use crate::keys::KeyStatus;
use crate::verifier::{JwtVerifier, Verified, Verifier};

/// A fixed set of issuers.
///
/// The token's unverified `iss` chooses one of the verifiers. That verifier checks everything, `iss` included, with its own
/// keys. Tokens of other issuers are refused at once, without asking for keys.
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
    max_token_bytes: usize,
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
        let mut schemes = Vec::new();
        for scheme in verifiers.iter().flat_map(Verifier::schemes) {
            if !schemes.contains(scheme) {
                schemes.push(*scheme);
            }
        }
        Ok(Self { verifiers, by_issuer, max_token_bytes, schemes })
    }
}

#[async_trait]
impl Verifier for ByIssuer {
    async fn verify(&self, credential: &Credential<'_>) -> Result<Verified, AuthError> {
        let token = credential.unverified_token();
        // The issuer is unknown, so every verifier may say what kind of token it is.
        let explained = |found| self.verifiers.iter().fold(found, |found, verifier| verifier.explain(token, found));
        let issuer = unverified_issuer(token, self.max_token_bytes).map_err(explained)?;
        let position = self.by_issuer.get(&issuer).ok_or(InvalidToken::WrongIssuer)?;
        let verifier = self.verifiers.get(*position).ok_or(InvalidToken::WrongIssuer)?;
        verifier.verify(credential).await
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

/// Returns the unverified `iss` of a token. It may only choose among configured verifiers.
pub(super) fn unverified_issuer(token: &str, max_bytes: usize) -> Result<String, InvalidToken> {
    let token = Compact::parse(token, max_bytes)?;
    // An unreadable header is reported before an unreadable payload.
    token.header()?;
    let malformed = InvalidToken::Malformed { part: "payload" };
    let claims = JsonObject::parse(token.payload()?).map_err(|_| malformed)?;
    let issuer = claims.optional_string("iss").map_err(|_| InvalidToken::invalid("iss"))?;
    let issuer = issuer.ok_or_else(|| InvalidToken::missing("iss"))?;
    Ok(issuer.of(claims.text()).to_owned())
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

    #[test]
    fn issuer_is_read_strictly() {
        assert_eq!(unverified_issuer("a.b", 100), Err(InvalidToken::NotCompactJws));
        let token = |payload: &str| {
            let part = crate::jose::base64url::encode;
            format!("{}.{}.", part(br#"{"alg":"HS256"}"#), part(payload.as_bytes()))
        };
        assert_eq!(
            unverified_issuer(&token(r#"{"iss":"https://a.example"}"#), 100).as_deref(),
            Ok("https://a.example")
        );
        assert_eq!(unverified_issuer(&token("{}"), 100), Err(InvalidToken::missing("iss")));
        assert_eq!(unverified_issuer(&token(r#"{"iss":["a"]}"#), 100), Err(InvalidToken::invalid("iss")));
        assert_eq!(unverified_issuer(&token("[]"), 100), Err(InvalidToken::Malformed { part: "payload" }));
    }
}
