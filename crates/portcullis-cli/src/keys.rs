//! Keys from files and from the network.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::Arc;

use portcullis::config::KeySource;
use portcullis::keys::{FixedKeys, InvalidKey, KeySet, VerifyingKey, doubt_about_secret};
use portcullis::{Config, ConfigError, KeyProvider};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::printable::printable;

/// The largest file that is read, in bytes; no key set may be larger.
const MAX_BYTES: u64 = 1024 * 1024;

/// Loads the keys that `config` names. Keys from the network are not fetched yet.
///
/// # Errors
/// [`ConfigError`] names the member of [`Config`].
pub(crate) fn load(config: &Config) -> Result<Arc<dyn KeyProvider>, ConfigError> {
    let fixed = match config.key_source()? {
        KeySource::JwksFile(path) => jwks(path).map_err(|problem| problem.of("jwks_file")),
        KeySource::PublicKeyFile(path) => public_key(path).map_err(|problem| problem.of("public_key_file")),
        KeySource::SecretFile(path) => secret(path).map_err(|problem| problem.of("secret_file")),
        _ => return config.keys(),
    };
    Ok(Arc::new(fixed?))
}

/// Reads a file with a key set or one public JWK.
///
/// # Errors
/// [`ConfigError`] about `FILE`. It never repeats the path, which may be a token in the wrong place.
pub(crate) fn key_set(path: &Path) -> Result<KeySet, ConfigError> {
    const HINT: &str = "name the URL of a JWK Set, or a file with a JWK Set or one public JWK";
    let set = || {
        let bytes = read(path).map_err(|error| Problem::new(error, HINT))?;
        let text = std::str::from_utf8(&bytes).map_err(|_| Problem::new("not UTF-8", HINT))?;
        let set = if is_one_jwk(text) {
            KeySet::from_json(&format!("{{\"keys\":[{text}]}}"))
        } else {
            KeySet::from_json(text)
        };
        set.map_err(|error| Problem::new(error, HINT))
    };
    set().map_err(|problem| problem.of("FILE"))
}

struct Problem {
    what: String,
    hint: &'static str,
}

impl Problem {
    fn new(what: impl ToString, hint: &'static str) -> Self {
        Self { what: what.to_string(), hint }
    }

    fn of(self, member: &'static str) -> ConfigError {
        ConfigError::new(member, self.what, self.hint)
    }
}

fn jwks(path: &Path) -> Result<FixedKeys, Problem> {
    const HINT: &str = "name a file with a JWK Set, as the issuer's jwks_uri serves it, or with one public JWK; \
                        a secret is given by --secret FILE, PEM by --public-key FILE";
    let bytes = read_named(path)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| Problem::new("not UTF-8", HINT))?;
    let keys = if is_one_jwk(text) { FixedKeys::jwk(text) } else { FixedKeys::jwks(text) };
    let keys = keys.map_err(|error| Problem::new(error, HINT))?;
    for skipped in keys.key_set().skipped() {
        // Only a note, because a set often has keys for other purposes.
        let note = format!("{}: not used: {skipped}", path.display());
        let _ = writeln!(std::io::stderr(), "note: {}", printable(&note));
    }
    Ok(keys)
}

fn public_key(path: &Path) -> Result<FixedKeys, Problem> {
    const HINT: &str = "name a PEM or DER file with a public key or a certificate; a JWK is given by --jwks FILE";
    let bytes = read_named(path)?;
    let keys = match std::str::from_utf8(&bytes) {
        Ok(pem) => FixedKeys::pem(pem),
        Err(_) => FixedKeys::der(&bytes),
    };
    keys.map_err(|error| Problem::new(error, HINT))
}

/// Reads a secret. No error repeats the path, because the likeliest mistake is to give the secret itself.
fn secret(path: &Path) -> Result<FixedKeys, Problem> {
    const HINT: &str = "name a file that holds the secret, with at least 32 bytes, or an oct JWK";
    let bytes =
        read(path).map_err(|error| Problem::new(error, "name a file that holds the secret, not the secret itself"))?;
    let object = std::str::from_utf8(&bytes).ok().filter(|text| text.trim_start().starts_with('{'));
    if let Some(set) = object.and_then(|text| serde_json::from_str::<Set<'_>>(text).ok()) {
        return secrets(&set);
    }
    let key = match (object, VerifyingKey::from_secret(&bytes)) {
        (_, Err(InvalidKey::NotASecret)) => {
            const HINT: &str = "name it by --public-key FILE, or by --jwks FILE if it is JSON";
            return Err(Problem::new(InvalidKey::NotASecret, HINT));
        }
        (Some(text), _) => VerifyingKey::from_secret_jwk(text),
        (None, key) => {
            if key.is_ok()
                && let Some(doubt) = doubt_about_secret(&bytes)
            {
                let _ = writeln!(std::io::stderr(), "note: {doubt}");
            }
            key
        }
    };
    key.map(FixedKeys::key).map_err(|error| Problem::new(error, HINT))
}

/// Reads a set of secrets. A file of secrets is the user's own, so a key in it that is not a secret or too short is an
/// error. It is not skipped as in an issuer's set.
fn secrets(set: &Set<'_>) -> Result<FixedKeys, Problem> {
    const HINT: &str = "give oct keys of at least 32 bytes for HS256, HS384 or HS512; give other keys by --jwks FILE";
    if set.keys.is_empty() {
        return Err(Problem::new("the key set is empty", HINT));
    }
    let keys = set.keys.iter().enumerate().map(|(index, json)| {
        let key = VerifyingKey::from_secret_jwk(json.get());
        key.map(Arc::new).map_err(|error| Problem::new(format!("key {index}: {error}"), HINT))
    });
    Ok(FixedKeys::keys(keys.collect::<Result<Vec<_>, _>>()?))
}

#[derive(Deserialize)]
struct Set<'a> {
    #[serde(borrow)]
    keys: Vec<&'a RawValue>,
}

fn is_one_jwk(text: &str) -> bool {
    #[derive(Deserialize)]
    struct Members {
        kty: Option<serde::de::IgnoredAny>,
        keys: Option<serde::de::IgnoredAny>,
    }
    serde_json::from_str::<Members>(text).is_ok_and(|members| members.kty.is_some() && members.keys.is_none())
}

fn read_named(path: &Path) -> Result<Vec<u8>, Problem> {
    read(path).map_err(|error| Problem::new(format!("{}: {error}", path.display()), "name a file with keys"))
}

/// Reads a file, unless it is larger than keys can be.
fn read(path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    match File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes)) {
        Err(error) => Err(format!("the file cannot be read: {error}")),
        Ok(length) if length as u64 > MAX_BYTES => Err("the file is larger than 1 MiB".to_owned()),
        Ok(_) => Ok(bytes),
    }
}
