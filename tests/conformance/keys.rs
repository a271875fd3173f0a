//! Reads the keys that RFC 7515, 7517, 7518, 7520, 7638, 8037 and 9449 print.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis::keys::{InvalidKey, KeySet, VerifyingKey};
use serde_json::{Value, json};

use crate::vectors::{array, read, text};

fn key(jwk: &Value) -> Result<VerifyingKey, InvalidKey> {
    VerifyingKey::from_jwk(&jwk.to_string())
}

fn algorithms(jwk: &Value) -> String {
    key(jwk).unwrap().algorithms().to_string()
}

const ANY_RSA: &str = "PS256, PS384, PS512, RS256, RS384, RS512";

/// Returns the entry whose `section` starts with `section`.
fn entry<'v>(file: &'v Value, section: &str) -> &'v Value {
    let entries = file.as_array().unwrap();
    entries.iter().find(|entry| text(entry, "section").starts_with(section)).unwrap()
}

#[test]
fn thumbprints_match_the_printed_ones() {
    let Some(rfc7638) = read("rfc/rfc7638.json") else { return };
    let Some(rfc8037) = read("rfc/rfc8037.json") else { return };
    let Some(rfc9449) = read("rfc/rfc9449_dpop.json") else { return };
    let entries = [&rfc7638, &rfc8037, &rfc9449].into_iter().flat_map(|file| file.as_array().unwrap());
    let mut compared = 0;
    for entry in entries {
        let printed = entry.get("thumbprint_sha256").or(entry.get("jkt"));
        if let (Some(jwk), Some(printed)) = (entry.get("jwk"), printed) {
            assert_eq!(key(jwk).unwrap().thumbprint().as_deref(), printed.as_str());
            compared += 1;
        }
    }
    println!("thumbprints: {compared} compared");
    assert_eq!(compared, 3);
}

#[test]
fn rfc_7517_keys() {
    let Some(file) = read("rfc/rfc7517.json") else { return };
    assert_eq!(file.as_array().unwrap().len(), 6, "each is checked below");
    let of = |section: &str| &entry(&file, section)["jwk_or_set"];
    let set = |section: &str| KeySet::from_json(&of(section).to_string()).unwrap();

    assert_eq!(algorithms(of("s3")), "ES256");
    let public = set("A.1");
    assert_eq!(public.skipped()[0].why, InvalidKey::NotForVerifying, "use: enc");
    let rsa = public.keys().next().unwrap();
    assert_eq!((rsa.id(), rsa.algorithms().to_string().as_str()), (Some("2011-04-29"), "RS256"));
    // With their private members, the keys are the same, and the private members cannot be read.
    let private = set("A.2");
    assert_eq!(private.len(), 1);
    let same = private.keys().next().unwrap();
    assert_eq!(same.thumbprint(), rsa.thumbprint());
    for member in ["d", "p", "q", "dp", "dq", "qi"] {
        assert!(of("A.2")["keys"][1].get(member).is_some() && same.member::<Value>(member).is_none(), "{member}");
    }
    let symmetric = set("A.3");
    assert!(symmetric.is_empty());
    assert!(symmetric.skipped().iter().all(|skipped| skipped.why == InvalidKey::SymmetricInSet));
    // A key for A128KW is not an HMAC key. A key without `alg` is.
    let secret = |index: usize| VerifyingKey::from_secret_jwk(&of("A.3")["keys"][index].to_string());
    assert_eq!(secret(0).unwrap_err(), InvalidKey::AlgorithmUnknown);
    assert_eq!(secret(1).unwrap().algorithms().to_string(), "HS256, HS384, HS512");

    let certified = of("B (x5c)");
    assert_eq!(algorithms(certified), ANY_RSA);
    let certificate = STANDARD.decode(certified["x5c"][0].as_str().unwrap()).unwrap();
    let in_certificate = VerifyingKey::from_der(&certificate).unwrap();
    assert_eq!(in_certificate.thumbprint(), key(certified).unwrap().thumbprint());
    assert_eq!(key(of("C.1")).unwrap_err(), InvalidKey::NotForVerifying, "use: enc");
}

#[test]
fn rfc_7515_certificates() {
    let Some(file) = read("rfc/rfc7515.json") else { return };
    let chain = array(entry(&file, "Appendix B"), "x5c_raw");
    let read = |certificate: &Value| VerifyingKey::from_der(&STANDARD.decode(certificate.as_str().unwrap()).unwrap());
    let read: Vec<_> = chain.iter().map(|each| read(each).map(|key| key.algorithms().to_string())).collect();
    // The root certificate of 1999 has a key of 1,024 bits.
    let expected = [Ok(ANY_RSA.to_owned()), Ok(ANY_RSA.to_owned()), Err(InvalidKey::RsaModulus { bits: 1024 })];
    assert_eq!(read, expected);
}

#[test]
fn rfc_7518_ephemeral_keys_are_on_p256() {
    let Some(file) = read("rfc/rfc7518.json") else { return };
    let objects = array(&file[0], "objects");
    assert_eq!(objects.len(), 3, "two keys and a header");
    for jwk in [&objects[0], &objects[1], &objects[2]["epk"]] {
        assert_eq!(algorithms(jwk), "ES256");
    }
    assert_eq!(key(&objects[2]).unwrap_err(), InvalidKey::MissingMember { member: "kty" });
}

#[test]
fn rfc_7520_keys() {
    let jwk = |name: &str| read(&format!("rfc7520-cookbook/jwk/{name}.json"));
    let Some(public) = jwk("3_1.ec_public_key") else { return };
    let private = jwk("3_2.ec_private_key").unwrap();
    assert_eq!((algorithms(&public).as_str(), algorithms(&private).as_str()), ("ES512", "ES512"));
    assert_eq!(key(&public).unwrap().thumbprint(), key(&private).unwrap().thumbprint());
    let public = jwk("3_3.rsa_public_key").unwrap();
    let private = jwk("3_4.rsa_private_key").unwrap();
    assert_eq!((algorithms(&public).as_str(), algorithms(&private).as_str()), (ANY_RSA, ANY_RSA));
    assert_eq!(key(&public).unwrap().thumbprint(), key(&private).unwrap().thumbprint());
    let secret = |jwk: &Value| VerifyingKey::from_secret_jwk(&jwk.to_string());
    let mac = jwk("3_5.symmetric_key_mac_computation").unwrap();
    assert_eq!(secret(&mac).unwrap().algorithms().to_string(), "HS256");
    let encryption = jwk("3_6.symmetric_key_encryption").unwrap();
    assert!(secret(&encryption).is_err());
    for jwk in [mac, encryption] {
        assert_eq!(key(&jwk).unwrap_err(), InvalidKey::SymmetricInSet);
    }
}

#[test]
fn x25519_keys_are_refused() {
    let Some(file) = read("rfc7520-cookbook/curve25519/ecdh-es.json") else { return };
    let jwk = &file["input"]["key"];
    assert_eq!(jwk["crv"], "X25519");
    assert_eq!(key(jwk).unwrap_err(), InvalidKey::NotForVerifying, "use: enc");
    for curve in ["X25519", "Ed448", "X448"] {
        let relabelled = json!({"kty": "OKP", "crv": curve, "x": jwk["x"]});
        assert_eq!(key(&relabelled).unwrap_err(), InvalidKey::UnsupportedCurve, "{curve}");
    }
}
