//! JSON Web Keys (RFC 7517, RFC 7518 §6, RFC 8037, RFC 9964).

use crate::hash::{sha1, sha256};
use crate::jose::algorithm::Algorithm;
use crate::jose::algorithm_set::AlgorithmSet;
use crate::jose::base64url;
use crate::jose::json::{JsonError, JsonObject};
use crate::jose::key::VerifyingKey;
use crate::jose::material::{InvalidKey, Material};
use crate::jose::pem_der;
use crate::jose::public_material;

/// The members with key material, public or private. The prepared key does not keep them.
const MATERIAL: [&str; 14] = ["n", "e", "x", "y", "pub", "priv", "d", "p", "q", "dp", "dq", "qi", "oth", "k"];

pub(crate) fn read_public(json: &str) -> Result<VerifyingKey, InvalidKey> {
    let jwk = parse(json)?;
    match required_string(&jwk, "kty")?.as_str() {
        "oct" => Err(InvalidKey::SymmetricInSet),
        key_type => {
            let permitted = permitted_algorithms(&jwk)?;
            let material = public_material(&jwk, key_type)?;
            assemble(jwk, material, permitted)
        }
    }
}

pub(crate) fn read_secret(json: &str) -> Result<VerifyingKey, InvalidKey> {
    let jwk = parse(json)?;
    if required_string(&jwk, "kty")? != "oct" {
        return Err(InvalidKey::UnsupportedType);
    }
    let permitted = permitted_algorithms(&jwk)?;
    let material = public_material::secret(bytes(&jwk, "k")?)?;
    assemble(jwk, material, permitted)
}

/// Reads string members of a text, usable as a key or not, for messages about it.
pub(crate) fn unverified_strings<const N: usize>(json: &str, members: [&'static str; N]) -> [Option<String>; N] {
    let jwk = parse(json).ok();
    members.map(|member| optional_string(jwk.as_ref()?, member).ok().flatten())
}

fn parse(json: &str) -> Result<JsonObject, InvalidKey> {
    JsonObject::parse(json.as_bytes().to_vec()).map_err(|error| match error {
        JsonError::DuplicateMember => InvalidKey::DuplicateMember,
        _ => InvalidKey::NotAnObject,
    })
}

fn public_material(jwk: &JsonObject, key_type: &str) -> Result<Material, InvalidKey> {
    if let Some(material) = certified_material(jwk, key_type)? {
        return Ok(material);
    }
    match key_type {
        "RSA" => Material::rsa(&bytes(jwk, "n")?, &bytes(jwk, "e")?),
        "EC" => {
            let name = required_string(jwk, "crv")?;
            let algorithm = Algorithm::with_curve(|curve| curve.name == name).ok_or(InvalidKey::UnsupportedCurve)?;
            Material::ec(algorithm, &bytes(jwk, "x")?, &bytes(jwk, "y")?)
        }
        "OKP" if required_string(jwk, "crv")? == "Ed25519" => Material::ed25519(&bytes(jwk, "x")?),
        "OKP" => Err(InvalidKey::UnsupportedCurve),
        "AKP" => {
            // RFC 9964: for this key type `alg` is required and names the parameter set.
            let algorithm = Algorithm::from_name(&required_string(jwk, "alg")?).ok_or(InvalidKey::AlgorithmUnknown)?;
            Material::ml_dsa(algorithm, bytes(jwk, "pub")?)
        }
        _ => Err(InvalidKey::UnsupportedType),
    }
}

/// Reads the key of the first certificate in `x5c`, if the JWK has only certificates and no member with key material. Of the
/// certificate, only the key is used.
fn certified_material(jwk: &JsonObject, key_type: &str) -> Result<Option<Material>, InvalidKey> {
    let members: &[&str] = match key_type {
        "RSA" => &["n", "e"],
        "EC" => &["x", "y"],
        "OKP" => &["x"],
        _ => return Ok(None),
    };
    let certificates = string_array(jwk, "x5c")?.unwrap_or_default();
    let Some(first) = certificates.first().filter(|_| members.iter().all(|member| is_absent(jwk, member))) else {
        return Ok(None);
    };
    let material = pem_der::read_x5c(first)?;
    let curve = optional_string(jwk, "crv")?;
    let is_curve = |name: &str| curve.as_deref().is_none_or(|curve| curve == name);
    let fits = match (&material, key_type) {
        (Material::Rsa { .. }, "RSA") => true,
        (Material::Ec { algorithm, .. }, "EC") => {
            Algorithm::with_curve(|curve| is_curve(curve.name)) == Some(*algorithm) || curve.is_none()
        }
        (Material::Ed25519(_), "OKP") => is_curve("Ed25519"),
        _ => false,
    };
    if fits { Ok(Some(material)) } else { Err(InvalidKey::MalformedMember { member: "x5c" }) }
}

/// Checks `use` and `key_ops`, and returns the algorithm in `alg`, or `None` when there is no `alg`.
fn permitted_algorithms(jwk: &JsonObject) -> Result<Option<AlgorithmSet>, InvalidKey> {
    // SPIFFE names the keys of its JWTs `jwt-svid` (SPIFFE Trust Domain and Bundle §4.2.2).
    if optional_string(jwk, "use")?.is_some_and(|purpose| purpose != "sig" && purpose != "jwt-svid") {
        return Err(InvalidKey::NotForVerifying);
    }
    if let Some(operations) = string_array(jwk, "key_ops")?
        && !operations.iter().any(|operation| operation == "verify")
    {
        return Err(InvalidKey::NotForVerifying);
    }
    // The certificate chain is only used if there is nothing else, but a key with a malformed chain is refused.
    string_array(jwk, "x5c")?;
    match optional_string(jwk, "alg")? {
        None => Ok(None),
        Some(name) => {
            let algorithm = Algorithm::from_name(&name).ok_or(InvalidKey::AlgorithmUnknown)?;
            Ok(Some(algorithm.into()))
        }
    }
}

fn assemble(jwk: JsonObject, material: Material, permitted: Option<AlgorithmSet>) -> Result<VerifyingKey, InvalidKey> {
    if permitted.is_some_and(|permitted| permitted.intersection(material.algorithms()).is_empty()) {
        return Err(match material {
            Material::Secret(bytes) if permitted.is_some_and(|set| set.iter().all(Algorithm::is_symmetric)) => {
                InvalidKey::SecretTooShort { bytes: bytes.len() }
            }
            _ => InvalidKey::AlgorithmUnfit,
        });
    }
    let mut key = VerifyingKey::prepare(material)?;
    if let Some(permitted) = permitted {
        key = key.with_algorithms(permitted)?;
    }
    if let Some(id) = optional_string(&jwk, "kid")? {
        key = key.with_id(id);
    }
    let certificate = certificate(&jwk);
    // Only the choice of a key reads these two, so a value of another type counts as absent.
    let thumbprint = |member, hash: fn(&[u8]) -> Vec<u8>| {
        let named = optional_string(&jwk, member).unwrap_or_default();
        named.or_else(|| Some(base64url::encode(&hash(certificate.as_deref()?))))
    };
    let key = key.with_thumbprints(
        thumbprint("x5t", |bytes| sha1(bytes).to_vec()),
        thumbprint("x5t#S256", |bytes| sha256(bytes).to_vec()),
    );
    Ok(key.with_members(without_material(&jwk)?))
}

/// The key's certificate, the first of `x5c` (RFC 7517 §4.7), in DER.
fn certificate(jwk: &JsonObject) -> Option<Vec<u8>> {
    let chain = string_array(jwk, "x5c").ok()??;
    base64_simd::STANDARD.decode_to_vec(chain.first()?).ok()
}

fn without_material(jwk: &JsonObject) -> Result<JsonObject, InvalidKey> {
    let members: Vec<String> = jwk
        .iter()
        .filter(|(name, _)| !MATERIAL.contains(name))
        .map(|(name, value)| format!("{}:{value}", serde_json::Value::from(name)))
        .collect();
    parse(&format!("{{{}}}", members.join(",")))
}

fn bytes(jwk: &JsonObject, member: &'static str) -> Result<Vec<u8>, InvalidKey> {
    base64url::decode(&required_string(jwk, member)?).ok_or(InvalidKey::MalformedMember { member })
}

fn required_string(jwk: &JsonObject, member: &'static str) -> Result<String, InvalidKey> {
    optional_string(jwk, member)?.ok_or(InvalidKey::MissingMember { member })
}

/// Some identity providers write `null` for an absent member.
fn is_absent(jwk: &JsonObject, member: &str) -> bool {
    jwk.raw(member).is_none_or(|value| value == "null")
}

fn optional_string(jwk: &JsonObject, member: &'static str) -> Result<Option<String>, InvalidKey> {
    if is_absent(jwk, member) {
        return Ok(None);
    }
    let text = jwk.optional_string(member).map_err(|_| InvalidKey::MalformedMember { member })?;
    Ok(text.map(|text| text.of(jwk.text()).to_owned()))
}

fn string_array(jwk: &JsonObject, member: &'static str) -> Result<Option<Vec<String>>, InvalidKey> {
    if is_absent(jwk, member) {
        return Ok(None);
    }
    jwk.raw(member)
        .map(|value| serde_json::from_str(value).map_err(|_| InvalidKey::MalformedMember { member }))
        .transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7515, appendix A.3.1, without its private part.
    const X: &str = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
    const Y: &str = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";

    fn p256(more: &str) -> String {
        format!(r#"{{"kty":"EC","crv":"P-256","x":"{X}","y":"{Y}"{more}}}"#)
    }

    #[test]
    fn use_key_ops_and_alg_must_fit() {
        let refused = |more: &str| read_public(&p256(more)).err();
        assert_eq!(refused(""), None);
        assert_eq!(refused(r#","use":"sig","key_ops":["verify"],"alg":"ES256""#), None);
        assert_eq!(refused(r#","use":"jwt-svid""#), None);
        for purpose in ["enc", "x509-svid", "jwt-svid ", "SIG", ""] {
            assert_eq!(refused(&format!(r#","use":"{purpose}""#)), Some(InvalidKey::NotForVerifying), "{purpose}");
        }
        assert_eq!(refused(r#","key_ops":["sign"]"#), Some(InvalidKey::NotForVerifying));
        assert_eq!(refused(r#","key_ops":[]"#), Some(InvalidKey::NotForVerifying));
        assert_eq!(refused(r#","alg":"ES384""#), Some(InvalidKey::AlgorithmUnfit));
        assert_eq!(refused(r#","alg":"RS256""#), Some(InvalidKey::AlgorithmUnfit));
        assert_eq!(refused(r#","alg":"HS256""#), Some(InvalidKey::AlgorithmUnfit));
        assert_eq!(refused(r#","alg":"ECDH-ES""#), Some(InvalidKey::AlgorithmUnknown));
        assert_eq!(refused(r#","alg":"none""#), Some(InvalidKey::AlgorithmUnknown));
        for member in ["kid", "use", "alg"] {
            let wrong = InvalidKey::MalformedMember { member };
            assert_eq!(refused(&format!(r#","{member}":7"#)), Some(wrong), "{member}");
        }
        assert_eq!(refused(r#","key_ops":"verify""#), Some(InvalidKey::MalformedMember { member: "key_ops" }));
        assert_eq!(refused(r#","x5c":"MII""#), Some(InvalidKey::MalformedMember { member: "x5c" }));
        assert_eq!(refused(r#","x":"AA""#), Some(InvalidKey::DuplicateMember));
    }

    #[test]
    fn a_null_member_counts_as_absent() {
        let key = read_public(&p256(r#","use":null,"key_ops":null,"alg":null,"kid":null,"x5c":null"#)).unwrap();
        assert_eq!((key.id(), key.algorithms()), (None, Algorithm::Es256.into()));
        assert_eq!(
            read_public(&p256("").replace(&format!("\"{X}\""), "null")).err(),
            Some(InvalidKey::MissingMember { member: "x" })
        );
    }

    #[test]
    fn coordinates_need_the_length_of_their_curve() {
        let short = p256("").replace(X, &X[..42]);
        assert_eq!(read_public(&short).err(), Some(InvalidKey::MalformedMember { member: "x" }));
        let long = p256("").replace(Y, &format!("AAAA{Y}"));
        assert_eq!(read_public(&long).err(), Some(InvalidKey::MalformedMember { member: "y" }));
        let other = p256("").replace("P-256", "secp256k1");
        assert_eq!(read_public(&other).err(), Some(InvalidKey::UnsupportedCurve));
    }

    #[test]
    fn private_members_are_dropped_and_others_kept() {
        let private = p256(r#","d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI","issuer":"i""#);
        let key = read_public(&private).unwrap();
        assert_eq!(key.member::<String>("issuer").as_deref(), Some("i"));
        for member in MATERIAL {
            assert_eq!(key.member::<String>(member), None, "{member}");
        }
    }

    #[test]
    fn only_read_secret_accepts_symmetric_keys() {
        let jwk = r#"{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}"#;
        assert_eq!(read_public(jwk).err(), Some(InvalidKey::SymmetricInSet));
        assert_eq!(read_secret(jwk).unwrap().algorithms().to_string(), "HS256, HS384, HS512");
        let short = r#"{"kty":"oct","alg":"HS512","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr8"}"#;
        assert_eq!(read_secret(short).err(), Some(InvalidKey::SecretTooShort { bytes: 32 }));
        assert_eq!(read_secret(&p256("")).err(), Some(InvalidKey::UnsupportedType));
    }

    #[test]
    fn an_ml_dsa_key_needs_alg_and_exact_length() {
        let refused = |alg: &str, bytes: usize| {
            let public_key = base64url::encode(&vec![1; bytes]);
            read_public(&format!(r#"{{"kty":"AKP"{alg},"pub":"{public_key}"}}"#)).err()
        };
        assert_eq!(refused(r#","alg":"ML-DSA-44""#, 1312), None);
        assert_eq!(refused(r#","alg":"ML-DSA-65""#, 1312), Some(InvalidKey::MalformedMember { member: "pub" }));
        assert_eq!(refused(r#","alg":"ES256""#, 1312), Some(InvalidKey::AlgorithmUnfit));
        assert_eq!(refused("", 1312), Some(InvalidKey::MissingMember { member: "alg" }));
    }
}
