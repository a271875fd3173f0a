//! JWK Sets (RFC 7517 §5), read member by member: what can't be used is skipped, never fatal.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use serde_json::value::RawValue;

use crate::jose::algorithm::Algorithm;
use crate::jose::algorithm_set::AlgorithmSet;
use crate::jose::json::JsonObject;
use crate::jose::jwk;
use crate::jose::key::VerifyingKey;
use crate::jose::material::InvalidKey;

/// The most keys that are read of one set.
const MAX_KEYS: usize = 1_000;
/// The longest text of a set, in bytes.
pub(crate) const MAX_BYTES: usize = 1024 * 1024;

/// The usable public keys of one issuer, ready to be chosen from.
///
/// ```
/// use portcullis::keys::KeySet;
///
/// let set = KeySet::from_json(r#"{"keys":[{"kty":"EC","crv":"secp256k1","kid":"odd"}]}"#)?;
/// assert!(set.is_empty());
/// assert_eq!(set.skipped()[0].to_string(), "key 0 (kid \"odd\"): unsupported curve");
/// # Ok::<(), portcullis::keys::KeySetError>(())
/// ```
#[derive(Clone, Default)]
pub struct KeySet {
    by_id: HashMap<Box<str>, Vec<Arc<VerifyingKey>>>,
    keys: Vec<Arc<VerifyingKey>>,
    skipped: Vec<SkippedKey>,
}

/// A member of a key set that can't be used, and why.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct SkippedKey {
    /// Its place in `keys`, from 0.
    pub index: usize,
    /// Its `kid`, where it has one; at most 64 characters of it.
    pub id: Option<String>,
    /// Its `kty`, likewise.
    pub key_type: Option<String>,
    /// Its `alg`, likewise.
    pub algorithm: Option<String>,
    /// What keeps it from being used.
    pub why: InvalidKey,
}

/// Why a text is no key set at all.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum KeySetError {
    /// Not a JSON object with an array `keys`.
    #[error("not a JWK Set: an object with an array \"keys\" (RFC 7517 section 5)")]
    NotAKeySet,
    /// More than a mebibyte.
    #[error("the key set is larger than 1 MiB")]
    TooLarge,
    /// More than 1,000 keys.
    #[error("the key set has more than 1,000 keys")]
    TooManyKeys,
}

/// Why no key was chosen.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum NotChosen {
    Ambiguous,
    NotFound,
}

impl KeySet {
    /// Reads the text of a JWK Set.
    ///
    /// # Errors
    /// [`KeySetError`] when it is no set at all. Single keys that can't be used are listed by [`Self::skipped`].
    pub fn from_json(json: &str) -> Result<Self, KeySetError> {
        if json.len() > MAX_BYTES {
            return Err(KeySetError::TooLarge);
        }
        // RFC 8259 §8.1 lets a parser ignore a byte order mark; some providers send one.
        let json = json.strip_prefix('\u{feff}').unwrap_or(json);
        let set = JsonObject::parse(json.as_bytes().to_vec()).map_err(|_| KeySetError::NotAKeySet)?;
        let keys = set.raw("keys").ok_or(KeySetError::NotAKeySet)?;
        let keys: Vec<&RawValue> = serde_json::from_str(keys).map_err(|_| KeySetError::NotAKeySet)?;
        if keys.len() > MAX_KEYS {
            return Err(KeySetError::TooManyKeys);
        }
        let mut usable = Vec::with_capacity(keys.len());
        let mut skipped = Vec::new();
        for (index, json) in keys.into_iter().enumerate() {
            match jwk::read_public(json.get()) {
                Ok(key) => {
                    // Only the public part is read; but whoever saw the set can sign.
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

    /// A set of keys in hand.
    pub fn from_keys(keys: impl IntoIterator<Item = Arc<VerifyingKey>>) -> Self {
        let keys: Vec<_> = keys.into_iter().collect();
        let mut by_id: HashMap<Box<str>, Vec<_>> = HashMap::new();
        for key in &keys {
            if let Some(id) = key.id() {
                by_id.entry(id.into()).or_default().push(Arc::clone(key));
            }
        }
        Self { by_id, keys, skipped: Vec::new() }
    }

    /// The usable keys, in the order of the set.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &Arc<VerifyingKey>> {
        self.keys.iter()
    }

    /// What was skipped, and why.
    #[must_use]
    pub fn skipped(&self) -> &[SkippedKey] {
        &self.skipped
    }

    /// Whether no key is usable.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The number of usable keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// The algorithms that the keys of this set serve.
    #[must_use]
    pub fn algorithms(&self) -> AlgorithmSet {
        self.keys.iter().fold(AlgorithmSet::EMPTY, |set, key| set.union(key.algorithms()))
    }

    /// The one key that serves `algorithm` under the identifier `id`.
    ///
    /// A key without an identifier serves any; without `id` all keys are looked at. Exactly one must remain.
    pub(crate) fn choose(&self, id: Option<&str>, algorithm: Algorithm) -> Result<&Arc<VerifyingKey>, NotChosen> {
        let Some(id) = id else {
            return the_only(self.keys.iter(), algorithm);
        };
        let named = self.by_id.get(id).map(Vec::as_slice).unwrap_or_default();
        match the_only(named.iter(), algorithm) {
            Err(NotChosen::NotFound) => the_only(self.keys.iter().filter(|key| key.id().is_none()), algorithm),
            chosen => chosen,
        }
    }
}

fn the_only<'a>(
    keys: impl Iterator<Item = &'a Arc<VerifyingKey>>,
    algorithm: Algorithm,
) -> Result<&'a Arc<VerifyingKey>, NotChosen> {
    let mut usable = keys.filter(|key| key.algorithms().contains(algorithm));
    let chosen = usable.next().ok_or(NotChosen::NotFound)?;
    match usable.next() {
        None => Ok(chosen),
        Some(_) => Err(NotChosen::Ambiguous),
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
        set.choose(id, algorithm).map(|key| key.id().map(str::to_owned))
    }

    #[test]
    fn one_odd_member_does_not_cost_the_others() {
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
    fn exactly_one_key_must_remain() {
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
    fn a_key_without_kid_serves_any_kid_when_it_is_the_only_one() {
        let one = set(&[format!("{{{EC}}}"), format!(r#"{{{ED},"kid":"a"}}"#)]);
        assert_eq!(chosen(&one, Some("x"), Algorithm::Es256), Ok(None));
        assert_eq!(chosen(&one, Some("x"), Algorithm::EdDsa), Err(NotChosen::NotFound));
        let two = set(&[format!("{{{EC}}}"), format!("{{{EC}}}")]);
        assert_eq!(chosen(&two, Some("x"), Algorithm::Es256), Err(NotChosen::Ambiguous));
    }

    #[test]
    fn what_is_no_set_is_an_error() {
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
