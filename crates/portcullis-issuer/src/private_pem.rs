//! Private keys in PEM: PKCS #8 (RFC 5958), PKCS #1 (RFC 8017) and SEC 1 (RFC 5915).

use aws_lc_rs::signature::{EcdsaKeyPair, Ed25519KeyPair, PqdsaKeyPair, RsaKeyPair};
use pkcs1::RsaPrivateKeyRef;
use pkcs1::der::Decode;
use pkcs1::der::asn1::AnyRef;
use pkcs8::{ObjectIdentifier, PrivateKeyInfoRef};
use portcullis::jose::Algorithm;
use zeroize::Zeroizing;

use crate::key_pair::{KeyPair, Scheme};
use crate::signing_key::InvalidSigningKey;

/// The length of an RSA modulus, in bits: that of the keys that the core verifies with.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

// RFC 8017 appendix C, RFC 5480 §2.1.1, RFC 8410 §3, RFC 9881 §2.
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const CURVES: [(ObjectIdentifier, Algorithm); 3] = [
    (ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7"), Algorithm::Es256),
    (ObjectIdentifier::new_unwrap("1.3.132.0.34"), Algorithm::Es384),
    (ObjectIdentifier::new_unwrap("1.3.132.0.35"), Algorithm::Es512),
];
const ML_DSA: [(ObjectIdentifier, Algorithm); 3] = [
    (ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.3.17"), Algorithm::MlDsa44),
    (ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.3.18"), Algorithm::MlDsa65),
    (ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.3.19"), Algorithm::MlDsa87),
];

/// Reads the one private key of a PEM text, and the algorithm that it signs with. An RSA key signs with RS256.
pub(crate) fn read(text: &str) -> Result<(Algorithm, KeyPair), InvalidSigningKey> {
    let sections = pem::parse_many(text).map_err(|_| InvalidSigningKey::Pem)?;
    let (mut found, mut has_public) = (None, false);
    for section in sections {
        let is_encrypted = section.tag() == "ENCRYPTED PRIVATE KEY" || section.headers().get("DEK-Info").is_some();
        let form = match section.tag() {
            _ if is_encrypted => return Err(InvalidSigningKey::Encrypted),
            "OPENSSH PRIVATE KEY" => return Err(InvalidSigningKey::OpenSsh),
            "PRIVATE KEY" => read_pkcs8,
            "RSA PRIVATE KEY" => read_pkcs1,
            "EC PRIVATE KEY" => read_sec1,
            tag if tag.ends_with("PRIVATE KEY") => return Err(InvalidSigningKey::UnsupportedType),
            tag => {
                has_public |= tag.ends_with("PUBLIC KEY") || tag == "CERTIFICATE";
                continue;
            }
        };
        let der = Zeroizing::new(section.into_contents());
        if found.replace((form, der)).is_some() {
            return Err(InvalidSigningKey::SeveralKeys);
        }
    }
    match found {
        Some((form, der)) => form(&der),
        None if has_public => Err(InvalidSigningKey::PublicKey),
        None => Err(InvalidSigningKey::Pem),
    }
}

/// Reads DER (PKCS #8).
pub(crate) fn read_pkcs8(der: &[u8]) -> Result<(Algorithm, KeyPair), InvalidSigningKey> {
    let info = PrivateKeyInfoRef::from_der(der).map_err(|_| InvalidSigningKey::Damaged)?;
    let of = |table: &[(ObjectIdentifier, Algorithm)], oid| {
        table.iter().find(|(known, _)| *known == oid).map(|(_, algorithm)| *algorithm)
    };
    match info.algorithm.oid {
        RSA => read_pkcs1(info.private_key.as_bytes()),
        EC => {
            let curve = info.algorithm.parameters_oid().ok().and_then(|oid| of(&CURVES, oid));
            let algorithm = curve.ok_or(InvalidSigningKey::UnsupportedCurve)?;
            ecdsa(algorithm, |parameters| EcdsaKeyPair::from_pkcs8(parameters, der).ok())
                .ok_or(InvalidSigningKey::Damaged)
        }
        ED25519 => {
            let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map_err(|_| InvalidSigningKey::Damaged)?;
            Ok((Algorithm::EdDsa, KeyPair::Ed25519(pair)))
        }
        oid => {
            let algorithm = of(&ML_DSA, oid).ok_or(InvalidSigningKey::UnsupportedType)?;
            let Some(Scheme::MlDsa(parameters)) = Scheme::of(algorithm) else {
                return Err(InvalidSigningKey::UnsupportedType);
            };
            let pair = PqdsaKeyPair::from_pkcs8(parameters, der).map_err(|_| InvalidSigningKey::Damaged)?;
            Ok((algorithm, KeyPair::MlDsa(pair)))
        }
    }
}

fn read_pkcs1(der: &[u8]) -> Result<(Algorithm, KeyPair), InvalidSigningKey> {
    let parts = RsaPrivateKeyRef::from_der(der).map_err(|_| InvalidSigningKey::Damaged)?;
    let modulus = parts.modulus.as_bytes();
    let unused = modulus.first().map_or(0, |first| first.leading_zeros() as usize);
    let bits = modulus.len().saturating_mul(8).saturating_sub(unused);
    if !RSA_BITS.contains(&bits) {
        return Err(InvalidSigningKey::RsaModulus { bits });
    }
    let Some(Scheme::Rsa(encoding)) = Scheme::of(Algorithm::Rs256) else {
        return Err(InvalidSigningKey::UnsupportedType);
    };
    let pair = RsaKeyPair::from_der(der).map_err(|_| InvalidSigningKey::Damaged)?;
    Ok((Algorithm::Rs256, KeyPair::Rsa(encoding, Box::new(pair))))
}

fn read_sec1(der: &[u8]) -> Result<(Algorithm, KeyPair), InvalidSigningKey> {
    // The cryptographic library ignores bytes after the structure.
    AnyRef::from_der(der).map_err(|_| InvalidSigningKey::Damaged)?;
    let of_curve = |&(_, algorithm): &(ObjectIdentifier, Algorithm)| {
        ecdsa(algorithm, |parameters| EcdsaKeyPair::from_private_key_der(parameters, der).ok())
    };
    CURVES.iter().find_map(of_curve).ok_or_else(|| {
        // The curve is named inside. A name that is not ours explains the failure.
        let names = |oid: &ObjectIdentifier| der.windows(oid.as_bytes().len()).any(|bytes| bytes == oid.as_bytes());
        match CURVES.iter().any(|(oid, _)| names(oid)) {
            true => InvalidSigningKey::Damaged,
            false => InvalidSigningKey::UnsupportedCurve,
        }
    })
}

fn ecdsa(
    algorithm: Algorithm,
    read: impl FnOnce(&'static aws_lc_rs::signature::EcdsaSigningAlgorithm) -> Option<EcdsaKeyPair>,
) -> Option<(Algorithm, KeyPair)> {
    match Scheme::of(algorithm) {
        Some(Scheme::Ecdsa(parameters)) => Some((algorithm, KeyPair::Ecdsa(read(parameters)?))),
        _ => None,
    }
}
