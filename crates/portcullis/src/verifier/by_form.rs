//! Several kinds of tokens behind one gate: the form of each token chooses its verifier.

use std::fmt;

use async_trait::async_trait;

use crate::attempts::run_all_or_fail;
use crate::credential::{Credential, Scheme};
use crate::error::{AuthError, ConfigError, InvalidToken};
use crate::jose::compact::{DEFAULT_MAX_BYTES, has_form_of_jwt};
use crate::keys::KeyStatus;
use crate::verifier::{CheckReport, Comparison, Verification, Verified, Verifier, each_once};

/// A verifier for each form of token: for JWTs, for tokens with a known prefix, and for all others.
///
/// The first line that fits the text of the token decides, and only that verifier sees the token:
///
/// | the token | goes to |
/// |---|---|
/// | begins with a prefix of [`ByFormBuilder::prefix`]; the longest one that fits decides | the verifier of that prefix |
/// | has the form of a JWT: three parts (RFC 7515 §3.1) or five parts (RFC 7516 §3.1), joined by dots | [`ByFormBuilder::jwt`] |
/// | is any other text | [`ByFormBuilder::opaque`] |
///
/// So a JWT never reaches the verifier of opaque tokens, and no token is tried with a second verifier. A JWT without a
/// verifier for it is refused as `wrong_token_class`, and any other text as `opaque_token`. A text of more than 16,384 bytes
/// without a prefix goes to the verifier of JWTs, or is refused as `too_large`.
///
/// ```
/// use std::collections::HashMap;
/// use portcullis::adapter::Credential;
/// use portcullis::error::InvalidToken;
/// use portcullis::keys::FixedKeys;
/// use portcullis::verifier::{ByForm, Evidence};
/// use portcullis::{AuthError, Gate, JwtVerifier, Verified, Verifier, async_trait};
///
/// /// Verifies keys of clients.
/// #[derive(Debug)]
/// struct Keys(HashMap<String, String>);
///
/// #[async_trait]
/// impl Verifier for Keys {
///     async fn verify(&self, credential: &Credential<'_>) -> Result<Verified, AuthError> {
///         let client = self.0.get(credential.unverified_token()).ok_or(InvalidToken::Revoked)?;
///         Ok(Verified::from_claims(&serde_json::json!({"sub": client}), Evidence::ApiKey)?)
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let keys = FixedKeys::secret(&[7; 32])?;
/// let jwts = JwtVerifier::builder("https://issuer.example", "https://api.example.com", keys).build()?;
/// let clients = Keys(HashMap::from([("pk_4f2a".to_owned(), "robot".to_owned())]));
/// let gate = Gate::new(ByForm::builder().prefix("pk_", clients).jwt(jwts).build()?);
///
/// assert_eq!(gate.verify("pk_4f2a").await?.subject(), Some("robot"));
/// let reason = async |token| gate.verify(token).await.unwrap_err().reason().unwrap().as_str();
/// assert_eq!(reason("pk_0000").await, "revoked");
/// assert_eq!(reason("e30.e30.AAAA").await, "malformed");
/// assert_eq!(reason("2YotnFZFEjr1zCsicMWpAA").await, "opaque_token");
/// # Ok(()) }
/// ```
pub struct ByForm {
    /// The verifiers with a prefix, the longest prefix first.
    prefixed: Vec<(String, Box<dyn Verifier>)>,
    jwt: Option<Box<dyn Verifier>>,
    opaque: Option<Box<dyn Verifier>>,
    schemes: Vec<Scheme>,
}

impl ByForm {
    /// Starts without verifiers.
    pub fn builder() -> ByFormBuilder {
        ByFormBuilder { prefixed: Vec::new(), jwt: None, opaque: None }
    }

    /// Returns the verifier for `token`.
    fn of(&self, token: &[u8]) -> Result<&dyn Verifier, InvalidToken> {
        let prefixed = self.prefixed.iter().find(|(prefix, _)| token.starts_with(prefix.as_bytes()));
        if let Some((_, verifier)) = prefixed {
            return Ok(&**verifier);
        }
        let is_long = token.len() > DEFAULT_MAX_BYTES;
        let (verifier, refusal) = if is_long || has_form_of_jwt(token) {
            (&self.jwt, InvalidToken::WrongTokenClass)
        } else {
            (&self.opaque, InvalidToken::OpaqueToken)
        };
        match verifier {
            Some(verifier) => Ok(&**verifier),
            None if is_long => Err(InvalidToken::TooLarge { limit: DEFAULT_MAX_BYTES }),
            None => Err(refusal),
        }
    }

    fn verifiers(&self) -> impl Iterator<Item = &dyn Verifier> {
        let prefixed = self.prefixed.iter().map(|(_, verifier)| verifier);
        self.jwt.iter().chain(&self.opaque).chain(prefixed).map(|verifier| &**verifier)
    }
}

#[async_trait]
impl Verifier for ByForm {
    async fn verify(&self, credential: &Credential<'_>) -> Result<Verified, AuthError> {
        self.begin(credential).finish().await
    }

    fn begin<'a>(&'a self, credential: &'a Credential<'a>) -> Verification<'a> {
        match self.of(credential.unverified_bytes()) {
            Ok(verifier) => verifier.begin(credential),
            Err(error) => Verification::Done(Err(error.into())),
        }
    }

    fn explain(&self, credential: &Credential<'_>, refused: &AuthError) -> Option<&'static str> {
        self.of(credential.unverified_bytes()).ok()?.explain(credential, refused)
    }

    async fn diagnose(&self, credential: &Credential<'_>) -> Vec<CheckReport> {
        match self.of(credential.unverified_bytes()) {
            Ok(verifier) => verifier.diagnose(credential).await,
            Err(_) => Vec::new(),
        }
    }

    fn compare(&self, credential: &Credential<'_>) -> Option<Comparison> {
        self.of(credential.unverified_bytes()).ok()?.compare(credential)
    }

    /// The schemes that at least one of the verifiers understands.
    fn schemes(&self) -> &[Scheme] {
        &self.schemes
    }

    /// The issuers of all verifiers, each once.
    fn issuers(&self) -> Vec<String> {
        each_once(self.verifiers().flat_map(Verifier::issuers))
    }

    /// Makes one attempt for each verifier, all at the same time. It fails if one of them fails, because another verifier
    /// cannot replace it.
    async fn warm_up(&self) -> Result<(), AuthError> {
        run_all_or_fail(self.verifiers().map(Verifier::warm_up)).await
    }

    /// Ready when all verifiers are.
    fn status(&self) -> KeyStatus {
        self.verifiers().map(Verifier::status).reduce(KeyStatus::and).unwrap_or_else(KeyStatus::waiting)
    }
}

impl fmt::Debug for ByForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByForm")
            .field("prefixed", &self.prefixed)
            .field("jwt", &self.jwt)
            .field("opaque", &self.opaque)
            .finish_non_exhaustive()
    }
}

/// The verifiers of a [`ByForm`]; from [`ByForm::builder`].
#[must_use = "call build()"]
pub struct ByFormBuilder {
    prefixed: Vec<(String, Box<dyn Verifier>)>,
    jwt: Option<Box<dyn Verifier>>,
    opaque: Option<Box<dyn Verifier>>,
}

impl ByFormBuilder {
    /// Adds the verifier of all tokens that begin with `prefix`, in any form, for example of API keys (`pk_`). Each call adds one.
    pub fn prefix(mut self, prefix: impl Into<String>, verifier: impl Verifier + 'static) -> Self {
        self.prefixed.push((prefix.into(), Box::new(verifier)));
        self
    }

    /// Sets the verifier of JWTs: a [`JwtVerifier`](crate::JwtVerifier), or a [`ByIssuer`](crate::verifier::ByIssuer).
    pub fn jwt(mut self, verifier: impl Verifier + 'static) -> Self {
        self.jwt = Some(Box::new(verifier));
        self
    }

    /// Sets the verifier of all other tokens, for example by introspection.
    pub fn opaque(mut self, verifier: impl Verifier + 'static) -> Self {
        self.opaque = Some(Box::new(verifier));
        self
    }

    /// Builds the verifier.
    ///
    /// # Errors
    /// [`ConfigError`] when there is no verifier, when two have the same prefix, or when a prefix is empty, has characters
    /// that no token has (RFC 6750 §2.1), or begins with `ey`, as JWTs do.
    pub fn build(self) -> Result<ByForm, ConfigError> {
        let Self { mut prefixed, jwt, opaque } = self;
        prefixed.sort_by(|(one, _), (other, _)| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
        let faults = prefixed.iter().filter_map(|(prefix, _)| fault_of(prefix).err());
        let repeated = prefixed.windows(2).filter_map(|pair| match pair {
            [(one, _), (other, _)] if one == other => {
                let problem = format!("two verifiers have {one:?}");
                Some(ConfigError::new("prefix", problem, "give each prefix to one verifier"))
            }
            _ => None,
        });
        ConfigError::all(faults.chain(repeated))?;
        let mut by_form = ByForm { prefixed, jwt, opaque, schemes: Vec::new() };
        if by_form.verifiers().next().is_none() {
            return Err(ConfigError::new("verifiers", "there are none", "give at least one: prefix, jwt or opaque"));
        }
        by_form.schemes = each_once(by_form.verifiers().flat_map(Verifier::schemes).copied());
        Ok(by_form)
    }
}

impl fmt::Debug for ByFormBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByFormBuilder")
            .field("prefixed", &self.prefixed)
            .field("jwt", &self.jwt)
            .field("opaque", &self.opaque)
            .finish()
    }
}

/// Checks that tokens can begin with `prefix`, and that JWTs do not.
fn fault_of(prefix: &str) -> Result<(), ConfigError> {
    let is_of_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    let problem = if prefix.is_empty() {
        "empty"
    } else if !prefix.bytes().all(is_of_token) {
        "no token begins so: it has a character that RFC 6750 section 2.1 does not allow"
    } else if prefix.starts_with("ey") || "ey".starts_with(prefix) {
        "JWTs begin so"
    } else {
        return Ok(());
    };
    Err(ConfigError::new("prefix", problem, "write the text with which these tokens begin, for example pk_"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::error::Unavailable;
    use crate::verifier::Evidence;

    /// Says who it is, and counts.
    #[derive(Debug)]
    struct Part {
        name: &'static str,
        asked: Arc<AtomicU32>,
        works: bool,
        schemes: &'static [Scheme],
    }

    impl Part {
        fn new(name: &'static str) -> Self {
            Self { name, asked: Arc::default(), works: true, schemes: &[Scheme::Bearer] }
        }

        fn broken(name: &'static str) -> Self {
            Self { works: false, ..Self::new(name) }
        }
    }

    #[async_trait]
    impl Verifier for Part {
        async fn verify(&self, _: &Credential<'_>) -> Result<Verified, AuthError> {
            self.asked.fetch_add(1, Ordering::Relaxed);
            Ok(Verified::from_claims(&serde_json::json!({"sub": self.name}), Evidence::Session)?)
        }

        fn explain(&self, _: &Credential<'_>, _: &AuthError) -> Option<&'static str> {
            Some(self.name)
        }

        fn schemes(&self) -> &[Scheme] {
            self.schemes
        }

        fn issuers(&self) -> Vec<String> {
            vec![format!("https://{}.example", self.name), "https://all.example".to_owned()]
        }

        async fn warm_up(&self) -> Result<(), AuthError> {
            if self.works { Ok(()) } else { Err(Unavailable::new().with_source(self.name).into()) }
        }

        fn status(&self) -> KeyStatus {
            if self.works { KeyStatus::ready() } else { KeyStatus::waiting() }
        }
    }

    async fn chosen(by_form: &ByForm, token: &str) -> String {
        match by_form.verify(&Credential::bearer(token)).await {
            Ok(caller) => caller.subject().unwrap().to_owned(),
            Err(AuthError::InvalidToken(refused)) => refused.reason().to_string(),
            Err(other) => panic!("{other}"),
        }
    }

    fn all() -> ByForm {
        let builder = ByForm::builder().prefix("pk_", Part::new("keys")).prefix("pk_test_", Part::new("test"));
        builder.jwt(Part::new("jwt")).opaque(Part::new("opaque")).build().unwrap()
    }

    #[tokio::test]
    async fn form_chooses_exactly_one_verifier() {
        let long = "a".repeat(DEFAULT_MAX_BYTES + 1);
        let all = all();
        for (token, expected) in [
            ("pk_4f2a", "keys"),
            ("pk_a.b.c", "keys"),
            ("pk_test_4f2a", "test"),
            ("pk_tes", "keys"),
            ("pk", "opaque"),
            ("PK_4f2a", "opaque"),
            ("a.b.c", "jwt"),
            ("..", "jwt"),
            ("a.b.c.d.e", "jwt"),
            ("a", "opaque"),
            ("a.b", "opaque"),
            ("a.b.c.d", "opaque"),
            ("a.b.c.d.e.f", "opaque"),
            ("", "opaque"),
            (&long, "jwt"),
        ] {
            assert_eq!(chosen(&all, token).await, expected, "{token:.20}");
            let explained = all.explain(&Credential::bearer(token), &AuthError::MissingToken);
            assert_eq!(explained, Some(expected), "{token:.20}");
        }
    }

    #[tokio::test]
    async fn token_without_a_verifier_is_refused() {
        let long = "a".repeat(DEFAULT_MAX_BYTES + 1);
        let opaque = Part::new("opaque");
        let asked = Arc::clone(&opaque.asked);
        let only_opaque = ByForm::builder().opaque(opaque).build().unwrap();
        assert_eq!(chosen(&only_opaque, "a.b.c").await, "wrong_token_class");
        assert_eq!(chosen(&only_opaque, "a.b.c.d.e").await, "wrong_token_class");
        assert_eq!(chosen(&only_opaque, &long).await, "too_large");
        assert_eq!(asked.load(Ordering::Relaxed), 0, "a JWT never reaches the verifier of opaque tokens");
        let only_jwt = ByForm::builder().jwt(Part::new("jwt")).build().unwrap();
        assert_eq!(chosen(&only_jwt, "4f2a").await, "opaque_token");
        assert_eq!(only_jwt.explain(&Credential::bearer("4f2a"), &AuthError::MissingToken), None);
    }

    #[tokio::test]
    async fn all_parts_count() {
        let builder = || ByForm::builder().jwt(Part::new("jwt")).prefix("pk_", Part::new("keys"));
        let works = builder().opaque(Part { schemes: &[Scheme::Dpop, Scheme::Bearer], ..Part::new("opaque") });
        let works = works.build().unwrap();
        assert!(works.warm_up().await.is_ok() && works.status().ready);
        assert_eq!(works.schemes(), [Scheme::Bearer, Scheme::Dpop]);
        let issuers = ["https://jwt.example", "https://all.example", "https://opaque.example", "https://keys.example"];
        assert_eq!(works.issuers(), issuers);
        let broken = builder().opaque(Part::broken("opaque")).build().unwrap();
        assert!(broken.warm_up().await.is_err() && !broken.status().ready);
    }

    #[test]
    fn unusable_prefix_is_an_error() {
        for prefix in ["", "e", "ey", "eyJ", "a b", "\u{e9}", "a=", "pk\n"] {
            let error = ByForm::builder().prefix(prefix, Part::new("keys")).build().unwrap_err();
            assert_eq!(error.field(), "prefix", "{prefix}");
        }
        for prefix in ["p", "e_", "pk_", "ya29.", "a~+/-"] {
            assert!(ByForm::builder().prefix(prefix, Part::new("keys")).build().is_ok(), "{prefix}");
        }
        let twice = ByForm::builder().prefix("pk_", Part::new("a")).prefix("b", Part::new("c"));
        assert_eq!(twice.prefix("pk_", Part::new("b")).build().unwrap_err().field(), "prefix");
        assert_eq!(ByForm::builder().build().unwrap_err().field(), "verifiers");
    }
}
