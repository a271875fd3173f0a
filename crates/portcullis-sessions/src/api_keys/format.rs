//! The form of a key: a prefix, random characters, and a checksum.

use std::fmt;

use portcullis::ConfigError;
use portcullis::error::Unavailable;
use zeroize::Zeroizing;

use crate::token::{TokenHash, random};

/// The text of a key, which only its client keeps. `Debug` does not print it.
#[derive(Clone)]
pub struct ApiKeySecret(Zeroizing<String>);

impl ApiKeySecret {
    /// Returns the text. It is a secret, and it can be shown only now: the store has its hash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ApiKeySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKeySecret(..)")
    }
}

/// The form of the keys of one service.
#[derive(Clone, Debug)]
pub(super) struct KeyFormat {
    prefix: String,
}

pub(super) const DEFAULT_PREFIX: &str = "pk_";

/// 43 characters of 62 have 256.03 bits.
const RANDOM_LENGTH: usize = 43;
/// 6 characters of 62 hold 32 bits.
const CHECKSUM_LENGTH: usize = 6;
const LONGEST_PREFIX: usize = 24;

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

impl KeyFormat {
    /// # Errors
    /// [`ConfigError`] when a scanner could not recognize keys by the prefix.
    pub(super) fn new(prefix: &str) -> Result<Self, ConfigError> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        let problem = match prefix.as_bytes() {
            long if long.len() > LONGEST_PREFIX => "longer than 24 characters",
            [first, .., b'_'] if !first.is_ascii_lowercase() => "does not begin with a letter",
            [_, .., b'_'] if !prefix.bytes().all(allowed) => {
                "has other characters than lowercase letters, digits and `_`"
            }
            [_, .., b'_'] => return Ok(Self { prefix: prefix.to_owned() }),
            _ => "does not end with `_` after a name",
        };
        Err(ConfigError::new(
            "prefix",
            problem,
            "write the name of the service or of its kind of keys, such as `acme_`",
        ))
    }

    /// Makes a new key from the random numbers of the system.
    pub(super) fn generate(&self) -> Result<ApiKeySecret, Unavailable> {
        let length = self.prefix.len() + RANDOM_LENGTH + CHECKSUM_LENGTH;
        // With its whole capacity from the start, so that no part of the key stays behind in memory.
        let mut text = Zeroizing::new(String::with_capacity(length));
        text.push_str(&self.prefix);
        while text.len() < self.prefix.len() + RANDOM_LENGTH {
            let bytes = Zeroizing::new(random::<64>()?);
            let missing = self.prefix.len() + RANDOM_LENGTH - text.len();
            text.extend(bytes.iter().filter_map(|byte| random_character(*byte)).take(missing));
        }
        let checksum = checksum(&text);
        text.extend(checksum);
        Ok(ApiKeySecret(text))
    }

    /// Returns the hash of a key of this form. `None` means that no such key was ever made.
    pub(super) fn hash(&self, text: &str) -> Option<TokenHash> {
        let rest = text.strip_prefix(&self.prefix)?;
        let is_base62 = rest.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if rest.len() != RANDOM_LENGTH + CHECKSUM_LENGTH || !is_base62 {
            return None;
        }
        let (body, given) = text.split_at_checked(text.len() - CHECKSUM_LENGTH)?;
        given.chars().eq(checksum(body)).then(|| TokenHash::of("API key", &[text.as_bytes()]))
    }
}

/// Returns the character of a random byte, unless some characters would then be more likely than others.
fn random_character(byte: u8) -> Option<char> {
    const LARGEST_MULTIPLE: u8 = 62 * 4;
    let digit = (byte < LARGEST_MULTIPLE).then_some(byte % 62)?;
    BASE62.get(usize::from(digit)).copied().map(char::from)
}

/// The CRC-32 (ISO 3309) of `body` in base 62, with leading zeros.
fn checksum(body: &str) -> [char; CHECKSUM_LENGTH] {
    let mut rest = crc32fast::hash(body.as_bytes());
    let mut digits = ['0'; CHECKSUM_LENGTH];
    for digit in digits.iter_mut().rev() {
        *digit = BASE62.get(rest as usize % 62).copied().map_or('0', char::from);
        rest /= 62;
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format() -> KeyFormat {
        KeyFormat::new(DEFAULT_PREFIX).unwrap()
    }

    #[test]
    fn key_has_the_documented_form() {
        for prefix in ["pk_", "acme_live_2_", "abcdefghijklmnopqrstuvw_"] {
            let format = KeyFormat::new(prefix).unwrap();
            let (one, other) = (format.generate().unwrap(), format.generate().unwrap());
            // pk_[0-9A-Za-z]{49}
            let rest = one.as_str().strip_prefix(prefix).unwrap();
            assert!(rest.len() == 49 && rest.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{rest}");
            assert_ne!(one.as_str(), other.as_str());
            assert!(format.hash(one.as_str()).is_some() && format.hash(one.as_str()) != format.hash(other.as_str()));
        }
        assert_eq!(format!("{:?}", format().generate().unwrap()), "ApiKeySecret(..)");
    }

    /// Keys of earlier versions stay valid. The values come from zlib and another SHA-256.
    #[test]
    fn known_key_keeps_its_checksum_and_hash() {
        let body = "pk_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg";
        let key: String = body.chars().chain(checksum(body)).collect();
        assert_eq!(key, "pk_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg3VqCUe");
        assert_eq!(format().hash(&key).unwrap().as_bytes()[..4], [25, 175, 61, 50]);
    }

    #[test]
    fn every_typing_error_is_noticed() {
        let (format, key) = (format(), format().generate().unwrap());
        let key = key.as_str();
        for position in 0..key.len() {
            for replacement in "aZ0_- ".chars() {
                let mut changed: Vec<char> = key.chars().collect();
                changed[position] = replacement;
                let changed: String = changed.into_iter().collect();
                assert_eq!(format.hash(&changed).is_some(), changed == key, "{position} {replacement}");
            }
            let missing = format!("{}{}", &key[..position], &key[position + 1..]);
            assert!(format.hash(&missing).is_none(), "{position} is missing");
            if position > 0 {
                let mut swapped: Vec<char> = key.chars().collect();
                swapped.swap(position - 1, position);
                let swapped: String = swapped.into_iter().collect();
                assert_eq!(format.hash(&swapped).is_some(), swapped == key, "{position} is swapped");
            }
        }
    }

    #[test]
    fn other_texts_are_not_keys() {
        let (format, key) = (format(), format().generate().unwrap());
        let key = key.as_str();
        let other_prefix = KeyFormat::new("sk_").unwrap().generate().unwrap();
        for text in [
            String::new(),
            "pk_".to_owned(),
            key.to_uppercase(),
            key.to_lowercase(),
            key[3..].to_owned(),
            format!("{key}0"),
            format!("{key}="),
            format!(" {key}"),
            format!("{key}\n"),
            format!("pk_{key}"),
            other_prefix.as_str().to_owned(),
            other_prefix.as_str().replace("sk_", "pk_"),
            format!("pk_{}", "0".repeat(49)),
            format!("pk_{}", "é".repeat(24)),
            format!("pk_{}", "a".repeat(100_000)),
            "eyJhbGciOiJFZERTQSJ9.e30.AA".to_owned(),
        ] {
            assert!(format.hash(&text).is_none(), "{text:.80}");
        }
    }

    #[test]
    fn characters_are_equally_likely() {
        let mut counts = [0; 128];
        for byte in 0..=u8::MAX {
            if let Some(character) = random_character(byte) {
                counts[character as usize] += 1;
            }
        }
        assert!(BASE62.iter().all(|character| counts[usize::from(*character)] == 4));
        assert_eq!(counts.iter().sum::<i32>(), 248);
    }

    #[test]
    fn unsuitable_prefixes_are_refused() {
        for prefix in
            ["", "_", "pk", "PK_", "1pk_", "_pk_", "p-k_", "p.k_", "pk_ ", "p k_", "pä_", "abcdefghijklmnopqrstuvwx_"]
        {
            let error = KeyFormat::new(prefix).unwrap_err();
            assert_eq!(error.field(), "prefix", "{prefix}: {error}");
        }
    }
}
