//! Keys from files.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::Arc;

use portcullis::{Config, ConfigError, FixedKeys, FixedKeysError, KeySource, VerifyingKey};
use serde::Deserialize;
use serde_json::value::RawValue;

/// More than any key set may have, in octets.
const MAX_OCTETS: u64 = 1024 * 1024;

/// The keys that `config` names.
///
/// # Errors
/// [`ConfigError`] names the member of [`Config`].
pub(crate) fn load(config: &Config) -> Result<FixedKeys, ConfigError> {
    match config.key_source()? {
        KeySource::JwksFile(path) => jwks(path).map_err(|problem| problem.of("jwks_file")),
        KeySource::PublicKeyFile(path) => public_key(path).map_err(|problem| problem.of("public_key_file")),
        KeySource::SecretFile(path) => secret(path).map_err(|problem| problem.of("secret_file")),
        _ => Err(ConfigError::new(
            "jwks_url",
            "this command fetches no keys",
            "write --jwks FILE, --public-key FILE or --secret FILE",
        )),
    }
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
    const HINT: &str = "name a file with a JWK Set, such as the issuer's jwks_uri serves, or with one public JWK; \
                        a secret is given by --secret FILE, PEM by --public-key FILE";
    let octets = read(path, true)?;
    let text = std::str::from_utf8(&octets).map_err(|_| Problem::new("not UTF-8", HINT))?;
    let keys = if is_one_jwk(text) { FixedKeys::jwk(text) } else { FixedKeys::jwks(text) };
    let keys = keys.map_err(|error| Problem::new(error, HINT))?;
    for skipped in keys.key_set().skipped() {
        // Only a remark: a set may well hold keys for other purposes.
        let _ = writeln!(std::io::stderr(), "note: {}: not used: {skipped}", path.display());
    }
    Ok(keys)
}

fn public_key(path: &Path) -> Result<FixedKeys, Problem> {
    const HINT: &str = "name a PEM or DER file with a public key or a certificate; a JWK is given by --jwks FILE";
    let octets = read(path, true)?;
    let keys = match std::str::from_utf8(&octets) {
        Ok(pem) if pem.contains("-----BEGIN ") || pem.trim_start().starts_with('{') => FixedKeys::pem(pem),
        _ => FixedKeys::der(&octets),
    };
    keys.map_err(|error| Problem::new(error, HINT))
}

/// No path is repeated here: the likeliest mistake is to give the secret itself.
fn secret(path: &Path) -> Result<FixedKeys, Problem> {
    const HINT: &str = "name a file that holds the secret, at least 32 octets of it or an oct JWK";
    let octets = read(path, false)?;
    if VerifyingKey::from_der(&octets).is_ok() || octets.starts_with(b"-----BEGIN ") {
        // A public key is known to everybody: as an HMAC secret it would let anybody sign.
        return Err(Problem::new("the file holds a key pair's key, no secret", "name it by --public-key FILE"));
    }
    let keys = match std::str::from_utf8(&octets) {
        Ok(text) if text.trim_start().starts_with('{') => match serde_json::from_str::<Set<'_>>(text) {
            Ok(set) => secrets(&set)?,
            Err(_) => FixedKeys::key(VerifyingKey::from_secret_jwk(text).map_err(|error| Problem::new(error, HINT))?),
        },
        _ => FixedKeys::secret(&octets).map_err(|error| Problem::new(error, HINT))?,
    };
    Ok(keys)
}

/// A file of secrets is one's own: a key in it that is no secret, or too short a one, is a mistake to be told of, and
/// not skipped as in a provider's set.
fn secrets(set: &Set<'_>) -> Result<FixedKeys, Problem> {
    const HINT: &str = "give oct keys of at least 32 octets for HS256, HS384 or HS512 alone; others by --jwks FILE";
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

fn read(path: &Path, named: bool) -> Result<Vec<u8>, Problem> {
    let mut octets = Vec::new();
    let result = File::open(path).and_then(|file| file.take(MAX_OCTETS + 1).read_to_end(&mut octets));
    match result {
        Err(source) if named => {
            Err(Problem::new(FixedKeysError::File { path: path.to_owned(), source }, "name a file that can be read"))
        }
        Err(source) => Err(Problem::new(
            format!("the file can't be read: {source}"),
            "name a file that holds the secret, not the secret itself",
        )),
        Ok(length) if length as u64 > MAX_OCTETS => {
            Err(Problem::new("the file is larger than 1 MiB", "name a file with keys"))
        }
        Ok(_) => Ok(octets),
    }
}
