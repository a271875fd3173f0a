//! Successor keys in an environment variable.

use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::{alphabet, engine::DecodePaddingMode};
use portcullis::ConfigError;
use portcullis::config::variables::{environment, given};
use zeroize::Zeroizing;

use crate::keys::SuccessorKeys;

const VARIABLE: &str = "REFRESH_TOKEN_KEYS";
const HINT: &str = "write 32 random bytes in base64, as `openssl rand -base64 32` prints them";

/// With or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

impl SuccessorKeys {
    /// Reads the keys from the environment variable `REFRESH_TOKEN_KEYS`, or from the file that `REFRESH_TOKEN_KEYS_FILE`
    /// names ([`variables`](portcullis::config::variables)). `None` if neither is set.
    ///
    /// The value is a secret in base64, as `openssl rand -base64 32` prints it. This is version 1. To replace it, list
    /// several with their versions, with white space or commas in between. The first one is active:
    ///
    /// | step | value on all machines |
    /// |---|---|
    /// | at first | `OLD` |
    /// | the new key is known everywhere | `1:OLD 2:NEW` |
    /// | the new key is active | `2:NEW 1:OLD` |
    /// | after the longest grace | `2:NEW` |
    ///
    /// # Errors
    /// [`ConfigError`] says which variable and which key is wrong, and what to write instead.
    pub fn from_env() -> Result<Option<Self>, ConfigError> {
        Self::from_variables(environment)
    }

    /// Reads the keys as [`Self::from_env`] does, with `lookup` instead of the environment.
    ///
    /// ```
    /// use portcullis_sessions::SuccessorKeys;
    ///
    /// let read = |value: &str| SuccessorKeys::from_variables(|name| (name == "REFRESH_TOKEN_KEYS").then(|| value.to_owned()));
    /// let keys = read("2:q83vASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4k= 1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")?;
    /// assert_eq!(format!("{:?}", keys.unwrap()), "SuccessorKeys { active: 2, versions: [1, 2], .. }");
    /// assert_eq!(
    ///     read("secret").unwrap_err().to_string(),
    ///     "REFRESH_TOKEN_KEYS: key 1 is not base64; \
    ///      write 32 random bytes in base64, as `openssl rand -base64 32` prints them"
    /// );
    /// # Ok::<(), portcullis::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// As [`Self::from_env`].
    pub fn from_variables(lookup: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, ConfigError> {
        let Some(text) = given(lookup, VARIABLE)?.map(Zeroizing::new) else { return Ok(None) };
        let items: Vec<_> = text.split([',', ' ', '\t', '\r', '\n']).filter(|item| !item.is_empty()).zip(1..).collect();
        let mut keys: Option<Self> = None;
        for &(item, number) in &items {
            let (version, secret) = read_key(item, number, items.len())?;
            let known = match keys {
                None => Self::new(version, &secret),
                Some(keys) => keys.with_key(version, &secret),
            };
            keys = Some(known.map_err(|error| error.with_field(VARIABLE))?);
        }
        keys.map(Some).ok_or_else(|| ConfigError::new(VARIABLE, "no key", HINT))
    }
}

/// Reads one of `count` keys. No error repeats a part of it.
fn read_key(item: &str, number: usize, count: usize) -> Result<(u32, Zeroizing<Vec<u8>>), ConfigError> {
    let (version, secret) = match item.split_once(':') {
        Some((version, secret)) => (version.parse().ok(), secret),
        None if count == 1 => (Some(1), item),
        None => (None, item),
    };
    let version = version.ok_or_else(|| {
        let hint = "write each of several keys as its version, a colon and base64, for example `2:NEW 1:OLD`";
        ConfigError::new(VARIABLE, format!("key {number} has no version"), hint)
    })?;
    let secret = BASE64.decode(secret);
    let secret = secret.map_err(|_| ConfigError::new(VARIABLE, format!("key {number} is not base64"), HINT))?;
    Ok((version, Zeroizing::new(secret)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RefreshToken;

    const ONE: &str = "q83vASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4k=";
    const OTHER: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

    fn read(value: &str) -> Result<SuccessorKeys, ConfigError> {
        SuccessorKeys::from_variables(|name| (name == VARIABLE).then(|| value.to_owned())).map(Option::unwrap)
    }

    #[test]
    fn first_key_is_active() {
        for separator in [" ", ",", ", ", "\n", "\r\n", "\t"] {
            let (before, after) = (format!("1:{ONE}{separator}2:{OTHER}"), format!("2:{OTHER}{separator}1:{ONE}"));
            let (before, after) = (read(&before).unwrap(), read(&after).unwrap());
            assert_eq!((before.active(), after.active()), (1, 2), "{separator:?}");
            let token = RefreshToken::generate().unwrap();
            let successor = |keys: &SuccessorKeys, version| keys.successor(&token, version).unwrap().hash();
            assert_eq!(successor(&before, 2), successor(&after, 2));
            // A single key without a version is version 1.
            assert_eq!(successor(&read(ONE).unwrap(), 1), successor(&after, 1));
        }
        assert!(SuccessorKeys::from_variables(|_| None).unwrap().is_none());
    }

    #[test]
    fn errors_name_the_variable_and_hide_the_value() {
        for (value, problem) in [
            (",".to_owned(), "no key; write 32 random bytes"),
            ("ABC!".to_owned(), "key 1 is not base64; write 32 random bytes"),
            ("ABCDABCD".to_owned(), "a secret has 6 bytes; use 32 to 256 random bytes"),
            (format!("1:{}", "A".repeat(43)), "a secret is one repeated byte; "),
            (format!("{ONE} {OTHER}"), "key 1 has no version; write each of several keys as its version"),
            (format!("2:{ONE} x:{OTHER}"), "key 2 has no version; "),
            (format!("2:{ONE} -1:{OTHER}"), "key 2 has no version; "),
            (format!("2:{ONE} 2:{OTHER}"), "version 2 has two keys; "),
            (format!("2:{ONE} 1:ABCD="), "key 2 is not base64; "),
        ] {
            let error = read(&value).unwrap_err().to_string();
            assert!(error.starts_with(&format!("REFRESH_TOKEN_KEYS: {problem}")), "{error}");
            assert!(!error.contains("ABC") && !error.contains(ONE) && !error.contains(OTHER), "{error}");
        }
    }

    #[test]
    fn file_twin_holds_the_keys() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        std::fs::write(&path, format!("2:{ONE}\n1:{OTHER}\n")).unwrap();
        let path = path.to_str().unwrap().to_owned();
        let lookup = |name: &str| (name == "REFRESH_TOKEN_KEYS_FILE").then(|| path.clone());
        assert_eq!(SuccessorKeys::from_variables(lookup).unwrap().unwrap().active(), 2);
        let missing = SuccessorKeys::from_variables(|name| lookup(name).map(|path| path + ".missing")).unwrap_err();
        assert_eq!(missing.field(), "REFRESH_TOKEN_KEYS_FILE");
    }
}
