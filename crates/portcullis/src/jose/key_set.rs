//! JWK Sets (RFC 7517 §5). A key that cannot be used is skipped and does not affect the others.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use foldhash::fast::RandomState;
use serde_json::value::RawValue;

use crate::jose::algorithm::Algorithm;
use crate::jose::algorithm_set::AlgorithmSet;
use crate::jose::json::JsonObject;
use crate::jose::jwk;
use crate::jose::key::VerifyingKey;
use crate::jose::material::InvalidKey;
use crate::sentence::debug_as_sentence;

/// The largest number of keys in a set.
const MAX_KEYS: usize = 1_000;
/// So few keys are compared one after the other, which takes less time than a hash.
const FEW: usize = 4;
/// The largest text of a set, in bytes.
pub(crate) const MAX_BYTES: usize = 1024 * 1024;

/// The usable public keys of one issuer, indexed by `kid`.
///
/// ```
/// use portcullis::keys::KeySet;
///
/// let set = KeySet::from_json(r#"{"keys":[
///     {"kty":"OKP","crv":"Ed25519","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
///     {"kty":"EC","crv":"secp256k1","kid":"b"}
/// ]}"#)?;
/// assert_eq!(set.len(), 1);
/// assert_eq!(set.algorithms().to_string(), "EdDSA");
/// assert_eq!(set.skipped()[0].to_string(), "key 1 (kid \"b\"): unsupported curve");
/// # Ok::<(), portcullis::keys::KeySetError>(())
/// ```
#[derive(Clone, Default)]
pub struct KeySet {
    /// The names come from the issuer, so a fast hash is enough.
    by_id: HashMap<Box<str>, Vec<Arc<VerifyingKey>>, RandomState>,
    /// A longer `kid` is not looked up: hashing it takes longer than a refusal may.
    longest_id: usize,
    keys: Vec<Arc<VerifyingKey>>,
    skipped: Vec<SkippedKey>,
}

/// A key of a key set that cannot be used, and why.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct SkippedKey {
    /// The position in `keys`, from 0.
    pub index: usize,
    /// The first 64 characters of its `kid`.
    pub id: Option<String>,
    /// The first 64 characters of its `kty`.
    pub key_type: Option<String>,
    /// The first 64 characters of its `alg`.
    pub algorithm: Option<String>,
    /// Why it cannot be used.
    pub why: InvalidKey,
}

/// Why a text cannot be read as a key set.
#[derive(Clone, Copy, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum KeySetError {
    /// The text is not a JSON object with an array `keys`.
    #[error("not a JWK Set: an object with an array \"keys\" (RFC 7517 section 5)")]
    NotAKeySet,
    /// The text is larger than 1 MiB.
    #[error("the key set is larger than 1 MiB")]
    TooLarge,
    /// The set has more than 1,000 keys.
    #[error("the key set has more than 1,000 keys")]
    TooManyKeys,
}

debug_as_sentence!(KeySetError);

/// Why [`KeySet::choose`] returns no key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum NotChosen {
    Ambiguous,
    NotFound,
}

impl KeySet {
    /// Reads a key set from the text of a JWK Set. An object of PEM texts by `kid`, as Google publishes certificates, is read
    /// as well.
    ///
    /// # Errors
    /// [`KeySetError`] when the text is not a key set. Keys that cannot be used are not errors: see [`Self::skipped`].
    pub fn from_json(json: &str) -> Result<Self, KeySetError> {
        if json.len() > MAX_BYTES {
            return Err(KeySetError::TooLarge);
        }
        // RFC 8259 §8.1 lets a parser ignore a byte order mark. Some identity providers send one.
        let json = json.strip_prefix('\u{feff}').unwrap_or(json);
        let set = JsonObject::parse(json.as_bytes().to_vec()).map_err(|_| KeySetError::NotAKeySet)?;
        let Some(keys) = set.raw("keys") else { return Self::from_pem_by_id(&set) };
        let keys: Vec<&RawValue> = serde_json::from_str(keys).map_err(|_| KeySetError::NotAKeySet)?;
        if keys.len() > MAX_KEYS {
            return Err(KeySetError::TooManyKeys);
        }
        let mut usable = Vec::with_capacity(keys.len());
        let mut skipped = Vec::new();
        for (index, json) in keys.into_iter().enumerate() {
            match jwk::read_public(json.get()) {
                Ok(key) => {
                    // Only the public part is used, but everyone who can read the set can sign.
                    if jwk::unverified_strings(json.get(), ["d", "p", "priv"]).iter().any(Option::is_some) {
                        tracing::warn!(index, "a key set publishes the private part of a key");
                    }
                    usable.push(Arc::new(key));
                }
                Err(why) => {
                    let [id, key_type, algorithm] = jwk::unverified_strings(json.get(), ["kid", "kty", "alg"])
                        .map(|text| text.map(|text| text.chars().take(64).collect()));
                    tracing::debug!(index, reason = %why, "key of a set skipped");
                    skipped.push(SkippedKey { index, id, key_type, algorithm, why });
                }
            }
        }
        Ok(Self { skipped, ..Self::from_keys(usable) })
    }

    /// Reads an object whose members are all PEM texts, each under the `kid` of its key.
    fn from_pem_by_id(set: &JsonObject) -> Result<Self, KeySetError> {
        let read = |json| serde_json::from_str::<String>(json).ok().filter(|text| text.contains("-----BEGIN "));
        let texts = set.iter().map(|(id, json)| Some((id.to_owned(), read(json)?)));
        let texts: Vec<(String, String)> = texts.collect::<Option<_>>().ok_or(KeySetError::NotAKeySet)?;
        match texts.len() {
            0 => return Err(KeySetError::NotAKeySet),
            keys if keys > MAX_KEYS => return Err(KeySetError::TooManyKeys),
            _ => {}
        }
        let mut usable = Vec::with_capacity(texts.len());
        let mut skipped = Vec::new();
        for (index, (id, pem)) in texts.into_iter().enumerate() {
            match VerifyingKey::from_pem(&pem) {
                Ok(key) => usable.push(Arc::new(key.with_id(id))),
                Err(why) => {
                    tracing::debug!(index, reason = %why, "key of a set skipped");
                    let id = Some(id.chars().take(64).collect());
                    skipped.push(SkippedKey { index, id, key_type: None, algorithm: None, why });
                }
            }
        }
        Ok(Self { skipped, ..Self::from_keys(usable) })
    }

    /// Makes a key set from keys.
    pub fn from_keys(keys: impl IntoIterator<Item = Arc<VerifyingKey>>) -> Self {
        let keys: Vec<_> = keys.into_iter().collect();
        let mut by_id: HashMap<Box<str>, Vec<_>, RandomState> = HashMap::default();
        for key in &keys {
            if let Some(id) = key.id() {
                by_id.entry(id.into()).or_default().push(Arc::clone(key));
            }
        }
        let longest_id = by_id.keys().map(|id| id.len()).max().unwrap_or_default();
        Self { by_id, longest_id, keys, skipped: Vec::new() }
    }

    /// Returns the usable keys, in the order of the set.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &Arc<VerifyingKey>> {
        self.keys.iter()
    }

    /// Returns the keys that were skipped, and why.
    #[must_use]
    pub fn skipped(&self) -> &[SkippedKey] {
        &self.skipped
    }

    /// Whether the set has no usable key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Returns the number of usable keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Returns the algorithms that the keys of the set serve.
    #[must_use]
    pub fn algorithms(&self) -> AlgorithmSet {
        self.keys.iter().fold(AlgorithmSet::EMPTY, |set, key| set.union(key.algorithms()))
    }

    /// Returns the key that `wanted` describes.
    ///
    /// A key without an identifier fits any `kid`, unless a key with this identifier fits. Without `kid`, a thumbprint
    /// selects; without a thumbprint too, all keys fit. Of the keys that fit and serve the algorithm there may be exactly
    /// one, unless `wanted` allows to try several.
    pub(crate) fn choose(&self, wanted: &Wanted<'_>) -> Result<&Arc<VerifyingKey>, NotChosen> {
        let Some(id) = wanted.id else { return self.choose_unnamed(wanted) };
        let mut named = self.may_have_id(id).iter().filter(|key| key.id() == Some(id) && wanted.is_served_by(key));
        match (named.next(), named.next()) {
            (Some(_), Some(_)) => Err(NotChosen::Ambiguous),
            (Some(key), None) if wanted.attempt == 0 => Ok(key),
            (Some(_), None) => Err(NotChosen::NotFound),
            (None, _) => self.choose_nameless(wanted),
        }
    }

    /// Keys among which are all with the identifier `id`.
    fn may_have_id(&self, id: &str) -> &[Arc<VerifyingKey>] {
        if self.keys.len() <= FEW {
            return &self.keys;
        }
        let named = Some(id).filter(|id| id.len() <= self.longest_id).and_then(|id| self.by_id.get(id));
        named.map(Vec::as_slice).unwrap_or_default()
    }

    /// Chooses a key without an identifier for a token that has one.
    #[cold]
    fn choose_nameless(&self, wanted: &Wanted<'_>) -> Result<&Arc<VerifyingKey>, NotChosen> {
        let nameless = self.keys.iter().filter(|key| wanted.is_served_by(key) && key.id().is_none());
        wanted.choose_of(nameless, wanted.nameless)
    }

    /// Chooses a key for a token without an identifier.
    #[cold]
    fn choose_unnamed(&self, wanted: &Wanted<'_>) -> Result<&Arc<VerifyingKey>, NotChosen> {
        let serves = |key: &&Arc<VerifyingKey>| wanted.is_served_by(key);
        let mut certified = self.keys.iter().filter(serves).filter(|key| wanted.is_certified(key)).peekable();
        if certified.peek().is_some() {
            return wanted.choose_of(certified, 1);
        }
        let unnamed = || self.keys.iter().filter(serves).filter(|key| !wanted.is_certified_otherwise(key));
        let all_nameless = unnamed().all(|key| key.id().is_none());
        wanted.choose_of(unnamed(), if all_nameless { wanted.nameless.max(wanted.unnamed) } else { wanted.unnamed })
    }
}

/// Which key of a set is wanted.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) id: Option<&'a str>,
    pub(crate) x5t: Option<&'a str>,
    pub(crate) x5t_s256: Option<&'a str>,
    pub(crate) algorithm: Algorithm,
    /// The number of keys that were tried and did not verify the signature.
    pub(crate) attempt: usize,
    /// How many keys without identifiers may be tried.
    pub(crate) nameless: usize,
    /// How many keys may be tried for a token that names none.
    pub(crate) unnamed: usize,
}

impl Wanted<'_> {
    fn is_served_by(&self, key: &VerifyingKey) -> bool {
        key.algorithms().contains(self.algorithm)
    }

    /// Whether the key's certificate has the wanted thumbprint. Some issuers publish it as the key's identifier.
    fn is_certified(&self, key: &VerifyingKey) -> bool {
        let is = |wanted: Option<&str>, known: Option<&str>| {
            wanted.is_some_and(|wanted| known == Some(wanted) || key.id() == Some(wanted))
        };
        is(self.x5t_s256, key.x5t_s256()) || is(self.x5t, key.x5t())
    }

    /// Whether the key's certificate is known, and is another one.
    fn is_certified_otherwise(&self, key: &VerifyingKey) -> bool {
        let differs =
            |wanted: Option<&str>, known: Option<&str>| wanted.is_some() && known.is_some() && wanted != known;
        differs(self.x5t_s256, key.x5t_s256()) || differs(self.x5t, key.x5t())
    }

    /// Returns the key of this attempt. More than `tries` keys are ambiguous.
    fn choose_of<'k>(
        &self,
        keys: impl Iterator<Item = &'k Arc<VerifyingKey>>,
        tries: usize,
    ) -> Result<&'k Arc<VerifyingKey>, NotChosen> {
        let mut chosen = None;
        for (position, key) in keys.enumerate() {
            if position >= tries.max(1) {
                return Err(NotChosen::Ambiguous);
            }
            if position == self.attempt {
                chosen = Some(key);
            }
        }
        chosen.ok_or(NotChosen::NotFound)
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeySet").field("keys", &self.keys).field("skipped", &self.skipped).finish_non_exhaustive()
    }
}

impl fmt::Display for SkippedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.id {
            Some(id) => write!(f, "key {} (kid {id:?}): {}", self.index, self.why),
            None => write!(f, "key {}: {}", self.index, self.why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EC: &str = r#""kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0""#;
    const ED: &str = r#""kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo""#;

    fn set(keys: &[String]) -> KeySet {
        KeySet::from_json(&format!(r#"{{"keys":[{}]}}"#, keys.join(","))).unwrap()
    }

    fn chosen(set: &KeySet, id: Option<&str>, algorithm: Algorithm) -> Result<Option<String>, NotChosen> {
        set.choose(&wanted(id, algorithm)).map(|key| key.id().map(str::to_owned))
    }

    fn wanted(id: Option<&str>, algorithm: Algorithm) -> Wanted<'_> {
        Wanted { id, x5t: None, x5t_s256: None, algorithm, attempt: 0, nameless: 1, unnamed: 1 }
    }

    #[test]
    fn unusable_keys_are_skipped() {
        let set = set(&[
            "null".into(),
            "[]".into(),
            r#"{"kty":"FOO","kid":"f"}"#.into(),
            r#"{"kty":"oct","k":"AAAA"}"#.into(),
            r#"{"kty":"OKP","crv":"Ed25519","x":"AAAA"}"#.into(),
            format!(r#"{{{EC},"kid":7}}"#),
            format!(r#"{{{EC},"use":"enc"}}"#),
            format!(r#"{{{EC},"kid":"good"}}"#),
        ]);
        assert_eq!(set.len(), 1);
        assert_eq!(set.skipped().len(), 7);
        let foo = &set.skipped()[2];
        assert_eq!(
            (foo.id.as_deref(), foo.key_type.as_deref(), foo.algorithm.as_deref()),
            (Some("f"), Some("FOO"), None)
        );
        assert_eq!(chosen(&set, Some("good"), Algorithm::Es256), Ok(Some("good".into())));
    }

    #[test]
    fn exactly_one_key_must_fit() {
        let set = set(&[
            format!(r#"{{{EC},"kid":"a"}}"#),
            format!(r#"{{{ED},"kid":"a"}}"#),
            format!(r#"{{{ED},"kid":"b"}}"#),
        ]);
        // The same kid under two types is told apart by the algorithm (RFC 7517 §4.5).
        assert_eq!(chosen(&set, Some("a"), Algorithm::Es256), Ok(Some("a".into())));
        assert_eq!(chosen(&set, Some("a"), Algorithm::EdDsa), Ok(Some("a".into())));
        assert_eq!(chosen(&set, Some("b"), Algorithm::Es256), Err(NotChosen::NotFound));
        assert_eq!(chosen(&set, Some("c"), Algorithm::EdDsa), Err(NotChosen::NotFound));
        assert_eq!(chosen(&set, None, Algorithm::Es256), Ok(Some("a".into())));
        assert_eq!(chosen(&set, None, Algorithm::EdDsa), Err(NotChosen::Ambiguous));
        assert_eq!(chosen(&set, None, Algorithm::Rs256), Err(NotChosen::NotFound));
    }

    #[test]
    fn duplicate_kids_of_one_type_are_ambiguous() {
        let set = set(&[format!(r#"{{{EC},"kid":"a"}}"#), format!(r#"{{{EC},"kid":"a"}}"#)]);
        assert_eq!(chosen(&set, Some("a"), Algorithm::Es256), Err(NotChosen::Ambiguous));
    }

    #[test]
    fn the_only_key_without_kid_serves_any_kid() {
        let one = set(&[format!("{{{EC}}}"), format!(r#"{{{ED},"kid":"a"}}"#)]);
        assert_eq!(chosen(&one, Some("x"), Algorithm::Es256), Ok(None));
        assert_eq!(chosen(&one, Some("x"), Algorithm::EdDsa), Err(NotChosen::NotFound));
        let two = set(&[format!("{{{EC}}}"), format!("{{{EC}}}")]);
        assert_eq!(chosen(&two, Some("x"), Algorithm::Es256), Err(NotChosen::Ambiguous));
    }

    #[test]
    fn pem_texts_by_kid_are_a_set() {
        let pem = r"-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n";
        let private = r"-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA==\n-----END PRIVATE KEY-----\n";
        let set = KeySet::from_json(&format!(r#"{{"a":"{pem}","b":"{private}"}}"#)).unwrap();
        assert_eq!(chosen(&set, Some("a"), Algorithm::EdDsa), Ok(Some("a".into())));
        assert_eq!(chosen(&set, Some("x"), Algorithm::EdDsa), Err(NotChosen::NotFound));
        assert_eq!(set.skipped()[0].id.as_deref(), Some("b"));
        assert_eq!(set.skipped()[0].why, InvalidKey::PrivateKey);
        for other in [
            format!(r#"{{"a":"{pem}","b":7}}"#),
            format!(r#"{{"a":"{pem}","b":"text"}}"#),
            format!(r#"{{"a":"{pem}","a":"{pem}"}}"#),
            format!(r#"{{"a":{{"b":"{pem}"}}}}"#),
        ] {
            assert_eq!(KeySet::from_json(&other).err(), Some(KeySetError::NotAKeySet), "{other}");
        }
    }

    #[test]
    fn thumbprint_selects_where_there_is_no_kid() {
        let set = set(&[
            format!(r#"{{{EC},"kid":"a","x5t":"Ta"}}"#),
            format!(r#"{{{EC},"kid":"b","x5t#S256":"Tb"}}"#),
            format!(r#"{{{EC},"kid":"Tc"}}"#),
            // The thumbprints of the certificate are computed.
            format!(r#"{{{EC},"kid":"d","x5c":["MIIC"]}}"#),
        ]);
        let x5t = |thumbprint| Wanted { x5t: Some(thumbprint), ..wanted(None, Algorithm::Es256) };
        let x5t_s256 = |thumbprint| Wanted { x5t_s256: Some(thumbprint), ..wanted(None, Algorithm::Es256) };
        let id = |wanted: Wanted<'_>| set.choose(&wanted).map(|key| key.id().unwrap_or_default().to_owned());
        assert_eq!(id(x5t("Ta")).as_deref(), Ok("a"));
        assert_eq!(id(x5t_s256("Tb")).as_deref(), Ok("b"));
        assert_eq!(id(x5t("Tc")).as_deref(), Ok("Tc"));
        assert_eq!(id(x5t("70a6Av0O_2lq8biW4dnhuq6ziWU")).as_deref(), Ok("d"));
        assert_eq!(id(x5t_s256("N0hkwrvXyM_QvT0G-ec_mj-0U28BqNGz77KEGy-Vl2M")).as_deref(), Ok("d"));
        // Two keys, whose certificates are not known, could have this one.
        assert_eq!(id(x5t("Tx")), Err(NotChosen::Ambiguous));
        // `kid` decides where there is one.
        let both = Wanted { x5t: Some("Ta"), ..wanted(Some("b"), Algorithm::Es256) };
        assert_eq!(id(both).as_deref(), Ok("b"));
    }

    #[test]
    fn key_of_another_certificate_does_not_fit() {
        let one = set(&[format!(r#"{{{EC},"kid":"a","x5t":"Ta"}}"#)]);
        let other = Wanted { x5t: Some("Tb"), ..wanted(None, Algorithm::Es256) };
        assert_eq!(one.choose(&other).err(), Some(NotChosen::NotFound));
        assert_eq!(chosen(&one, None, Algorithm::Es256), Ok(Some("a".into())));
    }

    #[test]
    fn several_keys_are_tried_only_up_to_a_number() {
        let named = set(&["a", "b", "c"].map(|id| format!(r#"{{{EC},"kid":"{id}"}}"#)));
        let attempt = |set: &KeySet, id, attempt, nameless, unnamed| {
            let wanted = Wanted { attempt, nameless, unnamed, ..wanted(id, Algorithm::Es256) };
            set.choose(&wanted).map(|key| key.id().map(str::to_owned))
        };
        for (at, id) in ["a", "b", "c"].into_iter().enumerate() {
            assert_eq!(attempt(&named, None, at, 1, 3), Ok(Some(id.to_owned())));
            // A key that is named is the only one.
            assert_eq!(attempt(&named, Some(id), 0, 3, 3), Ok(Some(id.to_owned())));
            assert_eq!(attempt(&named, Some(id), 1, 3, 3), Err(NotChosen::NotFound));
        }
        assert_eq!(attempt(&named, None, 3, 1, 3), Err(NotChosen::NotFound));
        assert_eq!(attempt(&named, None, 0, 3, 2), Err(NotChosen::Ambiguous));
        let nameless = set(&[format!("{{{EC}}}"), format!("{{{EC}}}")]);
        for id in [None, Some("x")] {
            assert_eq!(attempt(&nameless, id, 0, 1, 1), Err(NotChosen::Ambiguous));
            assert_eq!(attempt(&nameless, id, 1, 2, 1), Ok(None));
            assert_eq!(attempt(&nameless, id, 2, 2, 1), Err(NotChosen::NotFound));
        }
    }

    #[test]
    fn few_and_many_keys_are_searched_alike() {
        let ids = ["a", "b", "b", "c"];
        let few = ids.map(|id| format!(r#"{{{EC},"kid":"{id}"}}"#)).to_vec();
        let nameless = [format!("{{{EC}}}")];
        // They serve another algorithm.
        let others = (0..2 * FEW).map(|at| format!(r#"{{{ED},"kid":"{at}"}}"#));
        let others: Vec<String> = others.chain(["a", "d"].map(|id| format!(r#"{{{ED},"kid":"{id}"}}"#))).collect();
        for nameless in [&nameless[..0], &nameless] {
            let few = [&few[..ids.len() - nameless.len()], nameless].concat();
            let (few, many) = (set(&few), set(&[&few[..], &others].concat()));
            assert!(few.len() <= FEW && many.len() > FEW);
            for id in ["a", "b", "c", "d", "0", "x", "", &"x".repeat(100)] {
                for attempt in 0..3 {
                    let wanted = Wanted { attempt, ..wanted(Some(id), Algorithm::Es256) };
                    let [few, many] =
                        [&few, &many].map(|set| set.choose(&wanted).map(|key| key.id().map(str::to_owned)));
                    assert_eq!(few, many, "{id} {attempt}");
                }
            }
        }
    }

    #[test]
    fn other_texts_are_not_key_sets() {
        for json in ["", "{}", "[]", "null", r#"{"keys":{}}"#, r#"{"keys":null}"#, r#"{"keys":[],"keys":[]}"#] {
            assert_eq!(KeySet::from_json(json).err(), Some(KeySetError::NotAKeySet), "{json}");
        }
        let many = format!(r#"{{"keys":[{}]}}"#, vec!["{}"; MAX_KEYS + 1].join(","));
        assert_eq!(KeySet::from_json(&many).err(), Some(KeySetError::TooManyKeys));
        let large = format!(r#"{{"keys":[]}}{}"#, " ".repeat(MAX_BYTES));
        assert_eq!(KeySet::from_json(&large).err(), Some(KeySetError::TooLarge));
        assert!(KeySet::from_json("\u{feff}{\"keys\":[]}").unwrap().is_empty());
    }
}
