//! Wycheproof's vectors of encrypted tokens: they are refused as encrypted and never decrypted.

use portcullis::jose::AlgorithmSet;
use portcullis::keys::FixedKeys;
use portcullis::verifier::jws;
use portcullis::{AuthError, Reason};
use portcullis_testing::TestIssuer;

use crate::vectors::{array, read, text};

#[tokio::test]
async fn every_jwe_is_refused_as_encrypted() {
    let Some(json) = read("wycheproof/json_web_encryption_test.json") else { return };
    let keys: FixedKeys = TestIssuer::new().keys();
    let (mut encrypted, mut not_compact) = (0, 0);
    for group in array(&json, "testGroups") {
        for test in array(group, "tests") {
            let token = text(test, "jwe");
            let error: AuthError = jws::verify(token, &keys, AlgorithmSet::ASYMMETRIC).await.unwrap_err();
            match error.reason() {
                Some(Reason::Encrypted) => {
                    assert_eq!(token.split('.').count(), 5, "{}", test["tcId"]);
                    encrypted += 1;
                }
                Some(Reason::NotCompactJws) => {
                    assert_eq!(test["result"], "invalid", "{}: a good JWE is reported as encrypted", test["tcId"]);
                    not_compact += 1;
                }
                other => panic!("{}: {other:?}", test["tcId"]),
            }
        }
    }
    println!("json_web_encryption: {encrypted} rejected as encrypted, {not_compact} as neither JWE nor JWS");
    assert_eq!(json["numberOfTests"], encrypted + not_compact);
    assert_eq!((encrypted, not_compact), (128, 11));
}
