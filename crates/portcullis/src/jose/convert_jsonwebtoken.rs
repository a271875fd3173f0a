//! Conversions between keys, algorithms and the types of the crate jsonwebtoken.
//!
//! They work without its cryptographic backends, and this crate enables none of them.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{AlgorithmFamily, DecodingKey, DecodingKeyKind, EncodingKey};
use pkcs1::RsaPrivateKeyRef;
use pkcs1::der::Decode;

use crate::jose::material::Material;
use crate::jose::{Algorithm, InvalidKey, UnknownAlgorithm, VerifyingKey};

impl TryFrom<jsonwebtoken::Algorithm> for Algorithm {
    type Error = UnknownAlgorithm;

    /// Fails for an algorithm that only jsonwebtoken has: it may add some.
    fn try_from(algorithm: jsonwebtoken::Algorithm) -> Result<Self, UnknownAlgorithm> {
        let mut all = Self::ALL.iter().copied();
        all.find(|ours| ours.name().parse() == Ok(algorithm)).ok_or(UnknownAlgorithm)
    }
}

impl TryFrom<Algorithm> for jsonwebtoken::Algorithm {
    type Error = UnknownAlgorithm;

    /// Fails for ES512 and ML-DSA, which jsonwebtoken does not have.
    fn try_from(algorithm: Algorithm) -> Result<Self, UnknownAlgorithm> {
        algorithm.name().parse().map_err(|_| UnknownAlgorithm)
    }
}

impl TryFrom<&DecodingKey> for VerifyingKey {
    type Error = InvalidKey;

    fn try_from(key: &DecodingKey) -> Result<Self, InvalidKey> {
        let bytes = match key.kind() {
            DecodingKeyKind::RsaModulusExponent { n, e } => return Self::prepare(Material::rsa(n, e)?),
            DecodingKeyKind::SecretOrDer(bytes) => bytes,
        };
        match key.family() {
            AlgorithmFamily::Hmac => Self::from_secret(bytes),
            AlgorithmFamily::Rsa => Self::from_der(bytes),
            // From PEM or components, jsonwebtoken keeps only the point. From DER, it keeps the bytes as they were given.
            AlgorithmFamily::Ec => match Algorithm::with_curve(|curve| curve.point_bytes() == bytes.len()) {
                Some(algorithm) => Self::prepare(Material::ec_point(algorithm, bytes.clone())?),
                None => Self::from_der(bytes),
            },
            AlgorithmFamily::Ed if bytes.len() == 32 => Self::prepare(Material::ed25519(bytes)?),
            AlgorithmFamily::Ed => Self::from_der(bytes),
        }
    }
}

impl TryFrom<&VerifyingKey> for DecodingKey {
    type Error = InvalidKey;

    /// Fails for ML-DSA, which jsonwebtoken does not have.
    fn try_from(key: &VerifyingKey) -> Result<Self, InvalidKey> {
        Ok(match key.material() {
            Material::Ec { point, .. } => Self::from_ec_der(point),
            Material::Ed25519(point) => Self::from_ed_der(point),
            Material::MlDsa { .. } => return Err(InvalidKey::UnsupportedType),
            Material::Rsa { modulus, exponent } => Self::from_rsa_raw_components(modulus, exponent),
            Material::Secret(bytes) => Self::from_secret(bytes),
        })
    }
}

impl TryFrom<&EncodingKey> for VerifyingKey {
    type Error = InvalidKey;

    /// Takes the public key of a signing key. A secret is taken as it is.
    fn try_from(key: &EncodingKey) -> Result<Self, InvalidKey> {
        let der = key.as_bytes();
        match key.family() {
            AlgorithmFamily::Hmac => Self::from_secret(der),
            AlgorithmFamily::Rsa => {
                let private = RsaPrivateKeyRef::from_der(der).map_err(|_| InvalidKey::Der)?;
                let (modulus, exponent) = (private.modulus.as_bytes(), private.public_exponent.as_bytes());
                Self::prepare(Material::rsa(modulus, exponent)?)
            }
            AlgorithmFamily::Ec => {
                let curves = [
                    (Algorithm::Es256, &ECDSA_P256_SHA256_FIXED_SIGNING),
                    (Algorithm::Es384, &ECDSA_P384_SHA384_FIXED_SIGNING),
                ];
                let fitting = curves
                    .into_iter()
                    .find_map(|(algorithm, signing)| Some((algorithm, EcdsaKeyPair::from_pkcs8(signing, der).ok()?)));
                let (algorithm, pair) = fitting.ok_or(InvalidKey::Der)?;
                Self::prepare(Material::ec_point(algorithm, pair.public_key().as_ref().to_vec())?)
            }
            AlgorithmFamily::Ed => {
                let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map_err(|_| InvalidKey::Der)?;
                Self::prepare(Material::ed25519(pair.public_key().as_ref())?)
            }
        }
    }
}

impl TryFrom<&Jwk> for VerifyingKey {
    type Error = InvalidKey;

    /// Refuses a symmetric key: see [`VerifyingKey::from_secret_jwk`].
    fn try_from(jwk: &Jwk) -> Result<Self, InvalidKey> {
        Self::from_jwk(&serde_json::to_string(jwk).map_err(|_| InvalidKey::NotAnObject)?)
    }
}

impl TryFrom<&VerifyingKey> for Jwk {
    type Error = InvalidKey;

    /// Returns the public key with its identifier, and with its algorithm if it serves only one. Fails for a secret.
    fn try_from(key: &VerifyingKey) -> Result<Self, InvalidKey> {
        let json = key.material().public_jwk().ok_or(InvalidKey::SymmetricInSet)?;
        let mut jwk: Self = serde_json::from_str(&json).map_err(|_| InvalidKey::UnsupportedType)?;
        jwk.common.key_id = key.id().map(str::to_owned);
        let mut algorithms = key.algorithms().iter();
        if let (Some(algorithm), None) = (algorithms.next(), algorithms.next()) {
            jwk.common.key_algorithm = algorithm.name().parse().ok();
        }
        Ok(jwk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::base64url;

    const ED: &str = r#"{"kty":"OKP","crv":"Ed25519","kid":"k","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    const P256: &str = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;
    const RSA: &str = r#"{"kty":"RSA","e":"AQAB","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"}"#;

    #[test]
    fn keys_convert_both_ways() {
        for json in [ED, P256, RSA] {
            let key = VerifyingKey::from_jwk(json).unwrap();
            let there = DecodingKey::try_from(&key).unwrap();
            let back = VerifyingKey::try_from(&there).unwrap();
            assert_eq!(back.thumbprint(), key.thumbprint());
            let there = Jwk::try_from(&key).unwrap();
            let back = VerifyingKey::try_from(&there).unwrap();
            assert_eq!((back.thumbprint(), back.id()), (key.thumbprint(), key.id()));
        }
        let secret = DecodingKey::from_secret(&[7; 64]);
        assert_eq!(VerifyingKey::try_from(&secret).unwrap().algorithms().to_string(), "HS256, HS384, HS512");
    }

    #[test]
    fn shared_algorithms_convert_both_ways() {
        let shared = Algorithm::ALL.iter().copied().filter(|ours| jsonwebtoken::Algorithm::try_from(*ours).is_ok());
        let shared: Vec<_> = shared.collect();
        assert_eq!(shared.len(), 12);
        for ours in shared {
            let theirs = jsonwebtoken::Algorithm::try_from(ours).unwrap();
            assert_eq!(Algorithm::try_from(theirs), Ok(ours));
        }
    }

    #[test]
    fn a_signing_key_converts_to_its_public_key() {
        let pair = Ed25519KeyPair::generate().unwrap();
        let pkcs8 = pair.to_pkcs8v1().unwrap();
        let key = VerifyingKey::try_from(&EncodingKey::from_ed_der(pkcs8.as_ref())).unwrap();
        let expected =
            format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{}"}}"#, base64url::encode(pair.public_key().as_ref()));
        assert_eq!(key.thumbprint(), VerifyingKey::from_jwk(&expected).unwrap().thumbprint());
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pkcs8 = EcdsaKeyPair::generate(algorithm).unwrap().to_pkcs8v1().unwrap();
        let key = VerifyingKey::try_from(&EncodingKey::from_ec_der(pkcs8.as_ref())).unwrap();
        assert_eq!(key.algorithms(), Algorithm::Es256.into());
        assert_eq!(
            VerifyingKey::try_from(&EncodingKey::from_secret(b"short")).unwrap_err(),
            InvalidKey::SecretTooShort { bytes: 5 }
        );
    }
}
