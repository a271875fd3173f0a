//! Runs the command on published vectors of signed tokens: Wycheproof, RFC 7515, 7519, 7520, 7797 and 8037.
//!
//! `PORTCULLIS_VECTORS` names the folder with the vectors. The default is `shared/vectors` next to the clone. The tests
//! print a line for each file: the number of vectors and of each verdict. They also list the vectors whose expected
//! result differs from the command's verdict, with the reason.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that panics has failed, and what this one counts is to be read"
)]

mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use support::{Folder, Outcome, verify};

/// The vectors whose `result` differs from the verdict of a strict verifier, each with the reason.
type Traps = &'static [(u64, &'static str)];

const BINDS_ALG: &str = "marked valid, but the key's alg is PS256 and the token's PS384; 332 to 340 have that invalid";
const NO_SUCH_ALG: &str = "marked valid, but the key's alg is ES521, which does not exist; JWK 19 has that invalid";
const SAME_AS_357: &str = "marked invalid, but byte for byte the same token as 357, which is valid";
const NOT_BASE64URL: &str = "marked valid, but a part holds ?, which is not base64url";
const ROCA: &str = "marked invalid because of how the key was generated; the signature is good, and the key is trusted";
const A_JWE: &str = "marked valid, but it is a JWE, and only signed tokens are read";

/// The number of vectors in a file, and of each verdict.
#[derive(Debug, Default, Eq, PartialEq)]
struct Count {
    total: usize,
    accepted: usize,
    rejected: usize,
    /// Vectors whose key cannot be used. There is no verdict on the token, and the exit status is 2.
    key_refused: usize,
    traps: usize,
}

#[test]
fn wycheproof_json_web_signature() {
    let traps: Traps = &[
        (346, BINDS_ALG),
        (347, NO_SUCH_ALG),
        (350, BINDS_ALG),
        (351, NO_SUCH_ALG),
        (367, SAME_AS_357),
        (370, SAME_AS_357),
        (372, NOT_BASE64URL),
        (373, NOT_BASE64URL),
    ];
    let expected = Count { total: 401, accepted: 42, rejected: 353, key_refused: 6, traps: 8 };
    agree("json_web_signature", traps, &expected);
}

#[test]
fn wycheproof_json_web_key() {
    let expected = Count { total: 26, accepted: 6, rejected: 1, key_refused: 19, traps: 1 };
    agree("json_web_key", &[(7, ROCA)], &expected);
}

#[test]
fn wycheproof_json_web_crypto() {
    let traps: Traps = &[(46, ROCA), (50, A_JWE), (67, A_JWE)];
    let expected = Count { total: 83, accepted: 5, rejected: 77, key_refused: 1, traps: 3 };
    agree("json_web_crypto", traps, &expected);
}

/// Runs every vector of a Wycheproof file and compares the verdict with its `result`.
fn agree(file: &str, traps: Traps, expected: &Count) {
    let Some(json) = read(&format!("wycheproof/{file}_test.json")) else { return };
    let folder = Folder::new(&format!("wycheproof-{file}"));
    let mut count = Count::default();
    let mut met = Vec::new();
    for (number, group) in array(&json, "testGroups").iter().enumerate() {
        for test in array(group, "tests") {
            let id = test["tcId"].as_u64().unwrap();
            let (token, flag, keys) = match test.get("jwe") {
                // The key of a JWE only decrypts. The verdict is the same with any key that verifies.
                Some(jwe) => (jwe, "--jwks", some_verifying_key(&json)),
                None => (&test["jws"], key_flag(group), keys(group)),
            };
            let keys = folder.file(&format!("{number}.json"), keys.to_string());
            let token = token.as_str().map_or_else(|| token.to_string(), str::to_owned);
            let outcome = verify(["--jws", flag, &keys, "--", &token]);
            count.total += 1;
            let accepted = match outcome.status {
                0 => {
                    assert_eq!(outcome.accepts()["payload"], token.split('.').nth(1).unwrap(), "{file} {id}");
                    count.accepted += 1;
                    true
                }
                1 => {
                    outcome.rejects();
                    count.rejected += 1;
                    false
                }
                _ => {
                    assert!(outcome.fails().starts_with(&format!("error: {flag}: ")), "{file} {id}: {outcome:?}");
                    count.key_refused += 1;
                    false
                }
            };
            if accepted != (test["result"] == "valid") {
                let reason = traps.iter().find(|(trap, _)| *trap == id);
                let (_, reason) = reason.unwrap_or_else(|| panic!("{file} {id}: {}: {outcome:?}", test["comment"]));
                met.push((id, *reason));
            }
        }
    }
    count.traps = met.len();
    println!(
        "{file}: {} vectors, {} accepted, {} rejected, {} with a key that is refused, {} not taken at their word",
        count.total, count.accepted, count.rejected, count.key_refused, count.traps
    );
    for (id, reason) in &met {
        println!("  {id}: {reason}");
    }
    assert_eq!(json["numberOfTests"].as_u64(), u64::try_from(count.total).ok(), "{file}: none is skipped");
    assert_eq!(met, traps, "{file}: what is listed as a trap is one");
    assert_eq!(&count, expected, "{file}");
}

/// Returns the keys that a verifier of this group needs: the public keys, or the secret.
fn keys(group: &Value) -> &Value {
    group.get("public").unwrap_or(&group["private"])
}

fn key_flag(group: &Value) -> &'static str {
    let keys = keys(group);
    let is_secret = |key: &Value| key["kty"] == "oct";
    let has_secret = is_secret(keys) || keys["keys"].as_array().is_some_and(|keys| keys.iter().any(is_secret));
    if has_secret { "--secret" } else { "--jwks" }
}

fn some_verifying_key(file: &Value) -> &Value {
    array(file, "testGroups").iter().find_map(|group| group.get("public")).unwrap()
}

#[test]
fn mixed_key_set_has_no_hmac_key() {
    let Some(json) = read("wycheproof/json_web_key_test.json") else { return };
    let group = &json["testGroups"][0];
    assert_eq!(group["comment"], "jws_mixedSymmetryKeyset");
    let jwks = Folder::new("mixed-key-set").file("keys.json", group["private"].to_string());
    let outcome = verify(["--jws", "--jwks", &jwks, group["tests"][0]["jws"].as_str().unwrap()]);
    assert_eq!(outcome.rejects(), "algorithm_not_allowed");
    assert!(outcome.stderr.contains("symmetric key"), "{}", outcome.stderr);
}

/// Runs the command with `--jws` on a token of an RFC. Returns the payload, or the reason why it is rejected.
fn says(folder: &Folder, jwk: &Value, token: &str) -> Result<Value, String> {
    let flag = if jwk["kty"] == "oct" { "--secret" } else { "--jwks" };
    let outcome = verify(["--jws", flag, &folder.file("key.json", jwk.to_string()), "--", token]);
    match outcome.status {
        0 => Ok(outcome.accepts()["payload"].clone()),
        _ => Err(outcome.rejects()),
    }
}

/// Returns a key for examples that have no key, for example those with `alg` `none`.
fn any_key() -> Value {
    // This key is from RFC 8037, appendix A.2.
    json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})
}

#[test]
fn rfc_7515_7519_7797_and_8037_examples() {
    let folder = Folder::new("rfc-examples");
    let mut verdicts = BTreeMap::new();
    for rfc in ["rfc7515", "rfc7519", "rfc7797", "rfc8037"] {
        let Some(examples) = read(&format!("rfc/{rfc}.json")) else { return };
        let examples = examples.as_array().unwrap();
        let (mut accepted, mut rejected, mut without_token) = (0, 0, 0);
        for example in examples {
            let section = example["section"].as_str().unwrap();
            // RFC 7797 uses one key for all examples. The first example has it.
            let jwk = [example.get("jwk"), examples[0].get("jwk")].into_iter().flatten().find(|jwk| jwk.is_object());
            let jwk = jwk.cloned().unwrap_or_else(any_key);
            let serializations = [example.get("json_serialization"), example.pointer("/json/0")];
            let token = match example.get("compact").and_then(Value::as_str) {
                Some(compact) => compact.to_owned(),
                None => match serializations.into_iter().flatten().next() {
                    Some(json) => json.to_string(),
                    None => {
                        // The example is a key or a certificate. The tests of the library cover it.
                        without_token += 1;
                        continue;
                    }
                },
            };
            let verdict = says(&folder, &jwk, &token);
            assert_eq!(verdict.is_ok(), example["expect"] == "valid-signature", "{rfc} {section}: {verdict:?}");
            if let (Ok(payload), Some(expected)) = (&verdict, example.get("payload_b64")) {
                assert_eq!(payload, expected, "{rfc} {section}");
            }
            *if verdict.is_ok() { &mut accepted } else { &mut rejected } += 1;
            verdicts.insert(format!("{rfc} {section}"), verdict.err().unwrap_or_default());
        }
        println!("{rfc}: {accepted} accepted, {rejected} rejected, {without_token} without a token");
        assert_eq!(accepted + rejected + without_token, examples.len());
    }
    let reasons: Vec<_> = verdicts.iter().map(|(example, reason)| (example.as_str(), reason.as_str())).collect();
    assert_eq!(
        reasons,
        [
            ("rfc7515 Appendix A.1.1", ""),
            ("rfc7515 Appendix A.2.1", ""),
            ("rfc7515 Appendix A.3.1", ""),
            ("rfc7515 Appendix A.4.1", ""),
            ("rfc7515 Appendix A.5", "algorithm_not_allowed"),
            ("rfc7515 Appendix A.6.4", "not_compact_jws"),
            ("rfc7515 Appendix A.7", "not_compact_jws"),
            ("rfc7515 Appendix E", "critical_header"),
            ("rfc7519 3.1", ""),
            ("rfc7519 6.1", "algorithm_not_allowed"),
            ("rfc7519 Appendix A.1.", "encrypted"),
            ("rfc7519 Appendix A.2.", "encrypted"),
            ("rfc7797 4.1", ""),
            ("rfc7797 4.2 detached/b64=false", "not_compact_jws"),
            ("rfc8037 Appendix A.4/A.5", ""),
        ]
    );
}

#[test]
fn rfc_jwts_are_accepted_before_they_expire() {
    let folder = Folder::new("rfc-jwts");
    let mut looked_at = 0;
    for (rfc, sections) in
        [("rfc7515", &["Appendix A.1.1", "Appendix A.2.1", "Appendix A.3.1"][..]), ("rfc7519", &["3.1"])]
    {
        let Some(examples) = read(&format!("rfc/{rfc}.json")) else { return };
        let examples = examples.as_array().unwrap();
        for example in examples.iter().filter(|example| sections.contains(&example["section"].as_str().unwrap())) {
            let jwk = &example["jwk"];
            let flag = if jwk["kty"] == "oct" { "--secret" } else { "--jwks" };
            let key = folder.file("key.json", jwk.to_string());
            let token = example["compact"].as_str().unwrap();
            let with = |more: &[&str]| -> Outcome {
                verify([flag, &key, "--any-audience"].into_iter().chain(more.iter().copied()).chain([token]))
            };
            let accepted = with(&["--issuer", "joe", "--at", "1300819379"]).accepts();
            assert_eq!(
                accepted["claims"],
                json!({"iss": "joe", "exp": 1_300_819_380, "http://example.com/is_root": true})
            );
            assert_eq!(with(&["--issuer", "joe", "--at", "1300819385"]).rejects(), "expired");
            assert_eq!(with(&["--issuer", "joe"]).rejects(), "expired");
            assert_eq!(with(&["--issuer", "jo", "--at", "1300819379"]).rejects(), "wrong_issuer");
            looked_at += 1;
        }
    }
    println!("JWTs of RFC 7515 and RFC 7519: {looked_at} accepted at their time, and expired today");
    assert_eq!(looked_at, 4);
}

#[test]
fn rfc_7520_cookbook() {
    let folder = Folder::new("cookbook");
    // Each file, and the verdict on each serialization: compact, general JSON, flattened JSON.
    let expected = [
        ("jws/4_1.rsa_v15_signature", ["", "not_compact_jws", "not_compact_jws"]),
        ("jws/4_2.rsa-pss_signature", ["", "not_compact_jws", "not_compact_jws"]),
        ("jws/4_3.ecdsa_signature", ["", "not_compact_jws", "not_compact_jws"]),
        ("jws/4_4.hmac-sha2_integrity_protection", ["", "not_compact_jws", "not_compact_jws"]),
        // The payload is detached. The signature is for that payload, and not for the empty one in the token.
        ("jws/4_5.signature_with_detached_content", ["bad_signature", "not_compact_jws", "not_compact_jws"]),
        ("jws/4_6.protecting_specific_header_fields", ["-", "not_compact_jws", "not_compact_jws"]),
        ("jws/4_7.protecting_content_only", ["-", "not_compact_jws", "not_compact_jws"]),
        // This JSON contains four dots. The command counts only the dots.
        ("jws/4_8.multiple_signatures", ["-", "encrypted", "-"]),
        ("curve25519/jws", ["", "not_compact_jws", "not_compact_jws"]),
        ("rfc7797/4.2.hmac-sha2_b64_false", ["-", "not_compact_jws", "not_compact_jws"]),
        ("rfc7797/hmac-sha2_b64_false", ["critical_header", "not_compact_jws", "not_compact_jws"]),
    ];
    let (mut accepted, mut rejected) = (0, 0);
    for (file, reasons) in expected {
        let Some(json) = read(&format!("rfc7520-cookbook/{file}.json")) else { return };
        let key = json.pointer("/input/key").filter(|key| key.is_object()).cloned().unwrap_or_else(any_key);
        for (form, reason) in ["compact", "json", "json_flat"].into_iter().zip(reasons) {
            let Some(token) = json["output"].get(form) else {
                assert_eq!(reason, "-", "{file} {form}");
                continue;
            };
            let text = token.as_str().map_or_else(|| token.to_string(), str::to_owned);
            match says(&folder, &key, &text) {
                Ok(payload) => {
                    assert_eq!(reason, "", "{file} {form}");
                    let middle = text.split('.').nth(1).unwrap();
                    assert_eq!(payload, middle, "{file} {form}");
                    accepted += 1;
                }
                Err(said) => {
                    assert_eq!(said, reason, "{file} {form}");
                    rejected += 1;
                }
            }
        }
    }
    println!("RFC 7520 JWS, with RFC 7797 and Ed25519: {accepted} accepted, {rejected} rejected");
    assert_eq!((accepted, rejected), (5, 23));

    let Some(nested) = read("rfc7520-cookbook/6.nesting_signatures_and_encryption.json") else { return };
    let inner = nested.pointer("/sign/output/compact").and_then(Value::as_str).unwrap();
    let key = nested.pointer("/sign/input/key").unwrap();
    assert!(says(&folder, key, inner).is_ok());
    let outer = nested.pointer("/encrypt/output/compact").and_then(Value::as_str).unwrap();
    assert_eq!(says(&folder, key, outer), Err("encrypted".to_owned()));
}

#[test]
fn every_cookbook_jwe_is_rejected() {
    let folder = Folder::new("cookbook-jwe");
    let key = any_key();
    let Some(base) = base() else { return };
    let mut files: Vec<_> =
        std::fs::read_dir(base.join("rfc7520-cookbook/jwe")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.push(base.join("rfc7520-cookbook/curve25519/ecdh-es.json"));
    let (mut compact, mut only_json) = (0, 0);
    for file in &files {
        let json: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        match json["output"].get("compact").and_then(Value::as_str) {
            Some(token) => {
                assert_eq!(says(&folder, &key, token), Err("encrypted".to_owned()), "{}", file.display());
                compact += 1;
            }
            None => {
                let text = json["output"].to_string();
                // The reason depends only on the number of dots in the JSON.
                let reason = says(&folder, &key, &text).unwrap_err();
                assert!(["not_compact_jws", "encrypted"].contains(&reason.as_str()), "{}: {reason}", file.display());
                only_json += 1;
            }
        }
    }
    println!("RFC 7520 JWE: {compact} rejected as encrypted, {only_json} only in JSON and rejected as such");
    assert_eq!((compact, only_json), (10, 4));
}

fn array<'v>(value: &'v Value, name: &str) -> &'v Vec<Value> {
    value[name].as_array().unwrap()
}

fn read(path: &str) -> Option<Value> {
    let path = base()?.join(path);
    let text = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Some(serde_json::from_slice(&text).unwrap())
}

/// Returns the folder with the vectors. If it does not exist, prints a line and returns `None`.
fn base() -> Option<PathBuf> {
    let path = match std::env::var_os("PORTCULLIS_VECTORS") {
        Some(named) => PathBuf::from(named),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors"),
    };
    if path.is_dir() {
        return Some(path);
    }
    println!("SKIPPED: no vectors at {}", path.display());
    None
}
