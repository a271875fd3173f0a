//! A prepared key: the only place where signatures are checked.

use std::fmt;

use aws_lc_rs::signature::{self, ParsedPublicKey, RsaPublicKeyComponents, VerificationAlgorithm};
use aws_lc_rs::{digest, hmac};
use serde::de::DeserializeOwned;

use crate::hash::sha256;
use crate::jose::algorithm::{Algorithm, KeyType};
use crate::jose::algorithm_set::AlgorithmSet;
use crate::jose::base64url;
use crate::jose::json::JsonObject;
use crate::jose::material::{InvalidKey, Material};
use crate::sentence::debug_as_sentence;

/// A key that verifies signatures. It is parsed and prepared once.
///
/// The key decides which algorithms it serves, by its type, curve, `use`, `key_ops` and `alg` (RFC 8725 §3.1).
///
/// ```
/// use portcullis::jose::Algorithm;
/// use portcullis::keys::VerifyingKey;
///
/// let key = VerifyingKey::from_secret(b"a secret of at least 32 bytes, from a vault")?;
/// let key = key.with_algorithms(Algorithm::Hs256)?.with_id("2026-01");
/// assert_eq!(key.id(), Some("2026-01"));
/// assert!(key.verify(Algorithm::Hs256, b"message", b"not its signature").is_err());
///
/// // RFC 8037, appendix A.2.
/// let key = VerifyingKey::from_jwk(r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#)?;
/// assert_eq!(key.algorithms(), Algorithm::EdDsa.into());
/// # Ok::<(), portcullis::keys::InvalidKey>(())
/// ```
pub struct VerifyingKey {
    id: Option<Box<str>>,
    algorithms: AlgorithmSet,
    prepared: Box<[(Algorithm, Prepared)]>,
    material: Material,
    members: Option<JsonObject>,
    x5t: Option<Box<str>>,
    x5t_s256: Option<Box<str>>,
}

enum Prepared {
    /// A key whose signatures are of a hash.
    Hashed(ParsedPublicKey, &'static digest::Algorithm),
    /// A key whose signatures are of the whole message.
    Whole(ParsedPublicKey),
    Secret(Box<hmac::Key>),
}

/// The error for a signature that does not verify, or for an algorithm that the key does not serve.
#[derive(Clone, Copy, Eq, PartialEq, thiserror::Error)]
#[error("the signature does not verify")]
pub struct InvalidSignature;

debug_as_sentence!(InvalidSignature);

impl VerifyingKey {
    /// Sets the identifier of the key, which tokens name in `kid`.
    #[must_use]
    pub fn with_id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into().into());
        self
    }

    /// Restricts the key to `algorithms`.
    ///
    /// # Errors
    /// [`InvalidKey::AlgorithmUnfit`] when the key serves none of them.
    pub fn with_algorithms(mut self, algorithms: impl Into<AlgorithmSet>) -> Result<Self, InvalidKey> {
        self.algorithms = self.algorithms.intersection(algorithms.into());
        if self.algorithms.is_empty() {
            return Err(InvalidKey::AlgorithmUnfit);
        }
        self.prepared =
            self.prepared.into_iter().filter(|(algorithm, _)| self.algorithms.contains(*algorithm)).collect();
        Ok(self)
    }

    /// Returns the identifier of the key: its `kid`.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Returns the algorithms that the key serves.
    #[must_use]
    pub fn algorithms(&self) -> AlgorithmSet {
        self.algorithms
    }

    /// Returns the SHA-256 thumbprint of the key (RFC 7638) in base64url.
    ///
    /// Returns `None` for a secret, because its thumbprint would help to guess it.
    #[must_use]
    pub fn thumbprint(&self) -> Option<String> {
        let jwk = self.material.public_jwk()?;
        Some(base64url::encode(&sha256(jwk.as_bytes())))
    }

    /// Returns the public key as a JWK (RFC 7517): its parameters, `alg` if it serves one algorithm, `kid` if it has an
    /// identifier, and `use`. `None` for a secret.
    ///
    /// ```
    /// use portcullis::keys::VerifyingKey;
    ///
    /// let text = r#"{"crv":"Ed25519","kty":"OKP","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    /// let jwk = VerifyingKey::from_jwk(text)?.with_id("2026-01").to_jwk();
    /// let members = r#","alg":"EdDSA","kid":"2026-01","use":"sig"}"#;
    /// assert_eq!(jwk, Some(format!("{}{members}", text.trim_end_matches('}'))));
    /// # Ok::<(), portcullis::keys::InvalidKey>(())
    /// ```
    #[must_use]
    pub fn to_jwk(&self) -> Option<String> {
        let mut jwk = self.material.public_jwk()?;
        jwk.pop();
        let mut algorithms = self.algorithms.iter();
        // The parameters of ML-DSA include `alg`.
        if let (Some(algorithm), None, false) =
            (algorithms.next(), algorithms.next(), matches!(self.material, Material::MlDsa { .. }))
        {
            jwk.push_str(&format!(r#","alg":"{algorithm}""#));
        }
        if let Some(id) = self.id() {
            jwk.push_str(&format!(r#","kid":{}"#, serde_json::Value::from(id)));
        }
        jwk.push_str(r#","use":"sig"}"#);
        Some(jwk)
    }

    /// Returns another public member of the JWK that the key was read from, for example Entra ID's `issuer`.
    ///
    /// Returns `None` when the member is absent or does not fit `T`.
    #[must_use]
    pub fn member<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        serde_json::from_str(self.members.as_ref()?.raw(name)?).ok()
    }

    /// Checks that `signature`, in the form of RFC 7518 §3, is a signature of `message` with this key and `algorithm`.
    ///
    /// # Errors
    /// [`InvalidSignature`], without a cause.
    pub fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        let (_, prepared) = self.prepared.iter().find(|(served, _)| *served == algorithm).ok_or(InvalidSignature)?;
        match prepared {
            // These two calls take less time than `verify_sig`, whose context can hash a message in parts. With FIPS 140, the
            // module has to hash the message itself.
            Prepared::Hashed(key, hash) if !cfg!(feature = "fips") => {
                key.verify_digest_sig(&digest::digest(hash, message), signature)
            }
            Prepared::Hashed(key, _) | Prepared::Whole(key) => key.verify_sig(message, signature),
            Prepared::Secret(key) => hmac::verify(key, message, signature),
        }
        .map_err(|_| InvalidSignature)
    }

    /// The length of the longest signature that the key can have made, in bytes.
    pub(crate) fn longest_signature(&self) -> usize {
        self.material.longest_signature()
    }

    /// The length of the shortest signature that the key can have made, in bytes.
    pub(crate) fn shortest_signature(&self) -> usize {
        self.material.shortest_signature()
    }

    pub(crate) fn prepare(material: Material) -> Result<Self, InvalidKey> {
        let algorithms = material.algorithms();
        let prepared = algorithms
            .iter()
            .map(|algorithm| Ok((algorithm, Prepared::new(algorithm, &material)?)))
            .collect::<Result<_, InvalidKey>>()?;
        Ok(Self { id: None, algorithms, prepared, material, members: None, x5t: None, x5t_s256: None })
    }

    /// With the thumbprints of its certificate, in base64url: SHA-1 and SHA-256 (RFC 7517 §4.8, §4.9).
    pub(crate) fn with_thumbprints(mut self, x5t: Option<String>, x5t_s256: Option<String>) -> Self {
        self.x5t = x5t.map(Into::into);
        self.x5t_s256 = x5t_s256.map(Into::into);
        self
    }

    /// The SHA-1 thumbprint of its certificate, if that is known.
    pub(crate) fn x5t(&self) -> Option<&str> {
        self.x5t.as_deref()
    }

    /// The SHA-256 thumbprint of its certificate, if that is known.
    pub(crate) fn x5t_s256(&self) -> Option<&str> {
        self.x5t_s256.as_deref()
    }

    pub(crate) fn with_members(mut self, members: JsonObject) -> Self {
        self.members = Some(members);
        self
    }

    /// Whether both keys have the same material and the same other members, so that no check can distinguish them.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.material == other.material
            && self.members.as_ref().map(JsonObject::text) == other.members.as_ref().map(JsonObject::text)
    }

    /// The parts that the key was made from.
    #[cfg(feature = "jsonwebtoken")]
    pub(crate) fn material(&self) -> &Material {
        &self.material
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyingKey")
            .field("id", &self.id)
            .field("algorithms", &self.algorithms)
            .finish_non_exhaustive()
    }
}

impl Prepared {
    fn new(algorithm: Algorithm, material: &Material) -> Result<Self, InvalidKey> {
        let parse = |parameters: &'static dyn VerificationAlgorithm, bytes: &[u8]| {
            ParsedPublicKey::new(parameters, bytes).map_err(|_| InvalidKey::NotOnCurve)
        };
        match (material, algorithm.key_type()) {
            (Material::Ec { point, .. }, KeyType::Ec(curve)) => {
                Ok(Self::Hashed(parse(curve.parameters, point)?, curve.hash))
            }
            (Material::Ed25519(point), KeyType::Ed25519) => Ok(Self::Whole(parse(&signature::ED25519, point)?)),
            (Material::MlDsa { public_key, .. }, KeyType::MlDsa(set)) => {
                Ok(Self::Whole(parse(set.parameters, public_key)?))
            }
            (Material::Rsa { modulus, exponent }, KeyType::Rsa(parameters, hash)) => {
                let components = RsaPublicKeyComponents { n: modulus.as_slice(), e: exponent.as_slice() };
                let key = components.to_parsed_public_key(parameters).map_err(|_| InvalidKey::RsaExponent)?;
                Ok(Self::Hashed(key, hash))
            }
            (Material::Secret(bytes), KeyType::Secret(hash)) => {
                Ok(Self::Secret(Box::new(hmac::Key::new(*hash, bytes))))
            }
            _ => Err(InvalidKey::AlgorithmUnfit),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7515, appendix A.3.1.
    const P256: &str = r#"{"kty":"EC","crv":"P-256","kid":"a3","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","issuer":"https://i.example"}"#;

    #[test]
    fn a_key_serves_only_its_own_algorithms() {
        let key = VerifyingKey::from_jwk(P256).unwrap();
        assert_eq!(key.id(), Some("a3"));
        assert_eq!(key.algorithms(), Algorithm::Es256.into());
        assert_eq!(key.member::<String>("issuer").as_deref(), Some("https://i.example"));
        for algorithm in Algorithm::ALL {
            assert_eq!(key.verify(*algorithm, b"m", &[0; 64]), Err(InvalidSignature));
        }
        assert_eq!(key.with_algorithms(Algorithm::Rs256).unwrap_err(), InvalidKey::AlgorithmUnfit);
    }

    #[test]
    fn other_members_distinguish_keys() {
        let key = VerifyingKey::from_jwk(P256).unwrap();
        assert!(key.is_same(&VerifyingKey::from_jwk(P256).unwrap()));
        let moved = P256.replace("https://i.example", "https://j.example");
        assert!(!key.is_same(&VerifyingKey::from_jwk(&moved).unwrap()));
        assert!(!key.is_same(&VerifyingKey::from_secret(&[7; 32]).unwrap()));
    }

    #[test]
    fn a_point_off_the_curve_is_refused() {
        let off =
            P256.replace("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0", "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5aw");
        assert_eq!(VerifyingKey::from_jwk(&off).unwrap_err(), InvalidKey::NotOnCurve);
        let zero = P256
            .replace("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", &"A".repeat(43))
            .replace("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0", &"A".repeat(43));
        assert_eq!(VerifyingKey::from_jwk(&zero).unwrap_err(), InvalidKey::NotOnCurve);
    }

    #[test]
    fn the_thumbprint_matches_rfc_8037() {
        let jwk = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
        let key = VerifyingKey::from_jwk(jwk).unwrap();
        assert_eq!(key.thumbprint().as_deref(), Some("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"));
        assert_eq!(VerifyingKey::from_secret(&[1; 32]).unwrap().thumbprint(), None);
    }

    #[test]
    fn written_jwk_reads_as_the_same_key() {
        let key = VerifyingKey::from_jwk(P256).unwrap().with_id("a \"quoted\" \u{e4}");
        let written = key.to_jwk().unwrap();
        let read = VerifyingKey::from_jwk(&written).unwrap();
        assert_eq!((read.id(), read.algorithms()), (key.id(), key.algorithms()));
        assert_eq!((read.thumbprint(), read.to_jwk().as_ref()), (key.thumbprint(), Some(&written)));
        let rsa = VerifyingKey::from_jwk(RSA).unwrap();
        assert_eq!(rsa.to_jwk().unwrap(), RSA, "six algorithms, so no alg");
        let narrowed = rsa.with_algorithms(Algorithm::Ps256).unwrap().to_jwk().unwrap();
        assert!(narrowed.ends_with(r#","alg":"PS256","use":"sig"}"#), "{narrowed}");
        assert_eq!(VerifyingKey::from_secret(&[1; 32]).unwrap().to_jwk(), None);
    }

    /// RFC 7515, appendix A.2.1.
    const RSA: &str = r#"{"e":"AQAB","kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","use":"sig"}"#;

    #[test]
    fn debug_hides_the_secret() {
        let key = VerifyingKey::from_secret(b"0123456789abcdef0123456789abcdef").unwrap();
        assert_eq!(format!("{key:?}"), "VerifyingKey { id: None, algorithms: {Hs256}, .. }");
    }
}
