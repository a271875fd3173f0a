//! A signing key in environment variables, as containers and tutorials have it.

use portcullis::ConfigError;
use portcullis::config::variables::{environment, given};
use portcullis::jose::{Algorithm, UnknownAlgorithm};
use portcullis::keys::VerifyingKey;
use zeroize::Zeroizing;

use crate::encoding;
use crate::signer::Signer as _;
use crate::signing_key::{InvalidSigningKey, SigningKey};

const PRIVATE_KEY: &str = "JWT_PRIVATE_KEY";
const PUBLIC_KEY: &str = "JWT_PUBLIC_KEY";
const ALGORITHM: &str = "JWT_ALGORITHM";

impl SigningKey {
    /// Reads the key from environment variables. `None` if none of them is set.
    ///
    /// | variable | value |
    /// |---|---|
    /// | `JWT_PRIVATE_KEY` | the private key in PEM, or that PEM in base64 |
    /// | `JWT_PUBLIC_KEY` | optional: the public key in PEM, or that PEM in base64. It must belong to the private key |
    /// | `JWT_ALGORITHM` | optional: the algorithm, for example `PS256` for an RSA key |
    ///
    /// Each variable has a twin with `_FILE` at the end of its name, which names a file that holds the value
    /// ([`variables`](portcullis::config::variables)). Line breaks of the PEM may be written as `\n`.
    ///
    /// # Errors
    /// [`ConfigError`] names each variable that is wrong, and what to write instead.
    pub fn from_env() -> Result<Option<Self>, ConfigError> {
        Self::from_variables(environment)
    }

    /// Reads the key from the variables of [`Self::from_env`], with `lookup` instead of the environment.
    ///
    /// ```
    /// use portcullis::jose::Algorithm;
    /// use portcullis_issuer::SigningKey;
    ///
    /// let (key, other) = (SigningKey::generate(Algorithm::Es256)?, SigningKey::generate(Algorithm::Es256)?);
    /// let private_pem = key.to_pem()?;
    /// let read = |public_pem: String| SigningKey::from_variables(|name| match name {
    ///     "JWT_PRIVATE_KEY" => Some(private_pem.as_str().to_owned()),
    ///     "JWT_PUBLIC_KEY" => Some(public_pem.clone()),
    ///     _ => None,
    /// });
    /// assert!(read(key.public_key_pem())?.is_some());
    /// assert!(read(other.public_key_pem()).unwrap_err().to_string().starts_with("JWT_PUBLIC_KEY: "));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Self::from_env`].
    pub fn from_variables(lookup: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, ConfigError> {
        let private_key = given(&lookup, PRIVATE_KEY).map(|value| value.map(Zeroizing::new));
        let ((private_key, public_key), algorithm) = ConfigError::both(
            ConfigError::both(private_key, given(&lookup, PUBLIC_KEY)),
            given(&lookup, ALGORITHM).and_then(|name| name.map(|name| read_algorithm(&name)).transpose()),
        )?;
        let Some(private_key) = private_key else {
            let others = [(public_key.is_some(), PUBLIC_KEY), (algorithm.is_some(), ALGORITHM)];
            return match others.into_iter().find(|(is_set, _)| *is_set) {
                None => Ok(None),
                Some((_, name)) => {
                    let problem = format!("set without {PRIVATE_KEY}");
                    Err(ConfigError::new(name, problem, format!("set {PRIVATE_KEY} as well, or neither of them")))
                }
            };
        };
        let public_key = public_key.map(|text| read_public(&text)).transpose();
        let private_key = pem_of(&private_key)
            .and_then(|pem| SigningKey::from_pem(&pem))
            .map_err(|error| invalid(PRIVATE_KEY, &error));
        let (private_key, public_key) = ConfigError::both(private_key, public_key)?;
        if public_key.is_some_and(|public_key| public_key.thumbprint() != private_key.public_key().thumbprint()) {
            let hint = "write it with `openssl pkey -in private.pem -pubout`, or leave the variable out";
            return Err(ConfigError::new(PUBLIC_KEY, "the public key does not belong to the private key", hint));
        }
        match algorithm {
            None => Ok(Some(private_key)),
            Some(algorithm) => {
                private_key.with_algorithm(algorithm).map(Some).map_err(|error| invalid(ALGORITHM, &error))
            }
        }
    }
}

fn read_algorithm(name: &str) -> Result<Algorithm, ConfigError> {
    let algorithm = name.trim().parse().map_err(|_: UnknownAlgorithm| {
        ConfigError::new(ALGORITHM, "unknown algorithm", "write one of ES256, ES384, EdDSA, RS256, PS256, ML-DSA-65")
    })?;
    if Algorithm::is_symmetric(algorithm) {
        return Err(invalid(ALGORITHM, &InvalidSigningKey::Symmetric));
    }
    Ok(algorithm)
}

fn read_public(text: &str) -> Result<VerifyingKey, ConfigError> {
    let hint = "write the public key in PEM, or that PEM in base64, or leave the variable out";
    let pem = pem_of(text).map_err(|_| ConfigError::new(PUBLIC_KEY, "neither PEM nor base64 of PEM", hint))?;
    VerifyingKey::from_pem(&pem).map_err(|error| ConfigError::new(PUBLIC_KEY, error.to_string(), hint))
}

/// Returns the PEM in the value of a variable.
fn pem_of(value: &str) -> Result<Zeroizing<String>, InvalidSigningKey> {
    if value.contains("-----BEGIN ") {
        return Ok(Zeroizing::new(value.replace("\\n", "\n")));
    }
    let packed: Zeroizing<String> = Zeroizing::new(value.split_ascii_whitespace().collect());
    let bytes = Zeroizing::new(encoding::decode_standard(&packed).ok_or(InvalidSigningKey::Pem)?);
    let text = std::str::from_utf8(&bytes).map_err(|_| InvalidSigningKey::Pem)?;
    if !text.contains("-----BEGIN ") {
        return Err(InvalidSigningKey::Pem);
    }
    Ok(Zeroizing::new(text.to_owned()))
}

/// The text of `error` is its problem and then, after the first semicolon, what to do.
fn invalid(name: &'static str, error: &InvalidSigningKey) -> ConfigError {
    let text = error.to_string();
    match text.split_once("; ") {
        Some((problem, hint)) => ConfigError::new(name, problem.to_owned(), hint.to_owned()),
        None => ConfigError::new(name, text, "write a private key in PEM, or that PEM in base64"),
    }
}
