//! Verifies Wycheproof's vectors of bare signatures with `VerifyingKey::verify`.

use std::collections::BTreeMap;

use portcullis::jose::Algorithm;
use portcullis::keys::{InvalidKey, VerifyingKey};
use serde_json::Value;

use crate::vectors::{array, bytes, read, text};

#[derive(Debug, Default, Eq, PartialEq)]
struct Count {
    accepted: usize,
    rejected: usize,
    /// Rejected because the key cannot be used.
    key_refused: usize,
    /// The number of vectors with another verdict than their `result`, by cause.
    overruled: BTreeMap<&'static str, usize>,
}

/// A file of vectors, and how to read it.
struct File {
    name: &'static str,
    algorithm: Algorithm,
    /// The member with the signature.
    signature: &'static str,
    /// Makes the key, from the group and the vector.
    key: fn(&Value, &Value) -> Result<VerifyingKey, InvalidKey>,
    /// Why the verdict differs from the `result` of a vector, if it does.
    exception: fn(&Value, &Value) -> Option<&'static str>,
}

impl File {
    fn check(&self) -> Option<Count> {
        let name = self.name;
        let json = read(&format!("wycheproof/{name}_test.json"))?;
        let mut count = Count::default();
        let mut exceptions: BTreeMap<_, Vec<u64>> = BTreeMap::new();
        for group in array(&json, "testGroups") {
            for test in array(group, "tests") {
                let id = test["tcId"].as_u64().unwrap();
                let (message, signature) = (bytes(test, "msg"), bytes(test, self.signature));
                let accepted = match (self.key)(group, test) {
                    Ok(key) => key.verify(self.algorithm, &message, &signature).is_ok(),
                    Err(_) => {
                        count.key_refused += 1;
                        false
                    }
                };
                *if accepted { &mut count.accepted } else { &mut count.rejected } += 1;
                let taken = match text(test, "result") {
                    "valid" => true,
                    "invalid" => false,
                    // Only vector 8 of RSA: its DigestInfo lacks the NULL that RFC 8017 §9.2 requires.
                    "acceptable" => false,
                    other => panic!("{name} {id}: {other}"),
                };
                let exception = (self.exception)(group, test);
                assert_eq!(accepted == taken, exception.is_none(), "{name} {id}: {}", test["comment"]);
                if let Some(reason) = exception {
                    exceptions.entry(reason).or_default().push(id);
                }
            }
        }
        let total = count.accepted + count.rejected;
        println!(
            "{name}: {total} vectors, {} accepted, {} rejected, {} of those by their key",
            count.accepted, count.rejected, count.key_refused
        );
        for (reason, ids) in exceptions {
            println!("  overruled, {}: {reason}: {ids:?}", ids.len());
            count.overruled.insert(reason, ids.len());
        }
        assert_eq!(json["numberOfTests"].as_u64(), u64::try_from(total).ok(), "{name}: none is skipped");
        Some(count)
    }
}

fn count(accepted: usize, rejected: usize) -> Count {
    Count { accepted, rejected, ..Count::default() }
}

fn never(_: &Value, _: &Value) -> Option<&'static str> {
    None
}

/// Reads the key of a group. It is given in up to four forms, which must all give the same key.
fn public_key(group: &Value, _: &Value) -> Result<VerifyingKey, InvalidKey> {
    let key = VerifyingKey::from_pem(text(group, "publicKeyPem"));
    let der = VerifyingKey::from_der(&bytes(group, "publicKeyDer"));
    let asn = group.get("publicKeyAsn").map(|_| VerifyingKey::from_der(&bytes(group, "publicKeyAsn")));
    let jwk = group.get("publicKeyJwk").map(|jwk| VerifyingKey::from_jwk(&jwk.to_string()));
    let identity = |key: &Result<VerifyingKey, InvalidKey>| match key {
        Ok(key) => Ok(key.thumbprint().unwrap()),
        Err(error) => Err(error.clone()),
    };
    for other in [Some(der), asn, jwk].into_iter().flatten() {
        assert_eq!(identity(&other), identity(&key), "{group}");
    }
    key
}

#[test]
fn ecdsa() {
    for (name, algorithm, expected) in [
        ("ecdsa_secp256r1_sha256_p1363", Algorithm::Es256, count(173, 89)),
        ("ecdsa_secp384r1_sha384_p1363", Algorithm::Es384, count(193, 87)),
        ("ecdsa_secp521r1_sha512_p1363", Algorithm::Es512, count(231, 87)),
    ] {
        let file = File { name, algorithm, signature: "sig", key: public_key, exception: never };
        let Some(count) = file.check() else { return };
        assert_eq!(count, expected, "{name}");
    }
}

#[test]
fn keys_on_secp256k1_are_refused() {
    let Some(json) = read("wycheproof/ecdsa_secp256k1_sha256_p1363_test.json") else { return };
    let (mut groups, mut vectors) = (0, 0);
    for group in array(&json, "testGroups") {
        assert_eq!(public_key(group, &Value::Null).unwrap_err(), InvalidKey::UnsupportedCurve);
        groups += 1;
        vectors += array(group, "tests").len();
    }
    println!("ecdsa_secp256k1_sha256_p1363: {vectors} vectors, none accepted: all {groups} keys are refused");
    assert_eq!((groups, vectors), (108, 252));
}

#[test]
fn ed25519() {
    let file =
        File { name: "ed25519", algorithm: Algorithm::EdDsa, signature: "sig", key: public_key, exception: never };
    let Some(result) = file.check() else { return };
    assert_eq!(result, count(88, 63));
}

#[test]
fn rsa_pkcs1() {
    let file = File {
        name: "rsa_signature_2048_sha256",
        algorithm: Algorithm::Rs256,
        signature: "sig",
        key: public_key,
        exception: never,
    };
    let Some(result) = file.check() else { return };
    assert_eq!(result, count(9, 250));
}

#[test]
fn rsa_pss() {
    let file = File {
        name: "rsa_pss_2048_sha256_mgf1_32",
        algorithm: Algorithm::Ps256,
        signature: "sig",
        key: public_key,
        exception: never,
    };
    let Some(result) = file.check() else { return };
    assert_eq!(result, count(63, 45));
}

#[test]
fn hmac() {
    const SHORT_KEY: &str = "marked valid, but RFC 7518 section 3.2 requires a key of at least 32 bytes";
    const SHORT_TAG: &str = "marked valid, but RFC 7518 section 3.2 has no truncated tags";
    let file = File {
        name: "hmac_sha256",
        algorithm: Algorithm::Hs256,
        signature: "tag",
        key: |_, test| VerifyingKey::from_secret(&bytes(test, "key")),
        exception: |group, test| match (text(test, "result"), group["keySize"].as_u64(), group["tagSize"].as_u64()) {
            ("valid", Some(0..256), _) => Some(SHORT_KEY),
            ("valid", _, Some(0..256)) => Some(SHORT_TAG),
            _ => None,
        },
    };
    let Some(result) = file.check() else { return };
    let exceptions = [(SHORT_KEY, 6), (SHORT_TAG, 30)];
    let expected = Count { accepted: 30, rejected: 144, key_refused: 6, overruled: exceptions.into_iter().collect() };
    assert_eq!(result, expected);
}
