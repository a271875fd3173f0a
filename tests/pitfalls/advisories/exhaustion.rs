//! Tokens that cost too much time or memory, or make the verifier panic.

use portcullis::error::InvalidToken;
use portcullis::jose::Algorithm;
use portcullis::{Gate, Reason};
use portcullis_testing::TestIssuer;
use serde_json::{Value, json};

use crate::support::{admitted, encoded, refused};

/// CVE-2025-22868, CVE-2025-27144 and CVE-2025-30204: memory use grew with the number of dots.
#[tokio::test]
async fn cve_2025_30204_size_is_checked_before_dots() {
    let gate = TestIssuer::new().gate();
    let limit = 16 * 1024;
    assert_eq!(refused(&gate, &".".repeat(limit)).await, InvalidToken::NotCompactJws);
    assert_eq!(refused(&gate, &".".repeat(limit + 1)).await, InvalidToken::TooLarge { limit });
    assert_eq!(refused(&gate, &".".repeat(16 * 1024 * 1024)).await, InvalidToken::TooLarge { limit });
    assert_eq!(refused(&gate, "....").await, InvalidToken::Encrypted);
}

/// Parts had no size limit.
#[tokio::test]
async fn cve_2025_61920_no_part_is_larger_than_the_limit() {
    let issuer = TestIssuer::new();
    let gate = issuer.gate();
    let (good, large) = (issuer.token().sign(), "A".repeat(16 * 1024 + 1));
    let parts: Vec<&str> = good.split('.').collect();
    let too_large = InvalidToken::TooLarge { limit: 16 * 1024 };
    for token in [
        format!("{large}.{}.{}", parts[0], parts[1]),
        format!("{}.{large}.{}", parts[0], parts[2]),
        format!("{}.{}.{large}", parts[0], parts[1]),
        large.clone(),
    ] {
        assert_eq!(refused(&gate, &token).await, too_large);
    }
    let filled = issuer.token().claim("filler", "x".repeat(20_000)).sign();
    assert_eq!(refused(&gate, &filled).await, too_large);
    let wide = Gate::new(issuer.verifier().max_token_bytes(64 * 1024).build().unwrap());
    admitted(&wide, &filled).await;

    let many = (0..65).fold(issuer.token(), |token, number| token.header(&format!("member-{number}"), 0));
    assert_eq!(refused(&gate, &many.sign()).await.reason(), Reason::Malformed);
    for length in [513, 8_000] {
        let long_kid = issuer.token().header("kid", "k".repeat(length)).sign();
        assert_eq!(refused(&gate, &long_kid).await.reason(), Reason::Malformed);
    }
    let longest_kid = issuer.token().header("kid", "k".repeat(512)).sign();
    assert_eq!(refused(&gate, &longest_kid).await, InvalidToken::UnknownKey);
    admitted(&gate, &good).await;
}

/// Nested JSON overflowed the stack.
#[tokio::test]
async fn cve_2025_53864_nesting_is_bounded() {
    let issuer = TestIssuer::new();
    let wide = Gate::new(issuer.verifier().max_token_bytes(16 * 1024 * 1024).build().unwrap());
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let claims = Value::Object(issuer.token().claims().clone()).to_string();
    for depth in [64, 1_000, 100_000, 1_000_000] {
        let payload = claims.replacen('{', &format!("{{\"deep\":{},", nested(depth)), 1);
        let token = issuer.token().payload(payload).sign();
        assert_eq!(refused(&wide, &token).await, InvalidToken::Malformed { part: "payload" }, "{depth}");
        let header = format!("{{\"alg\":\"RS256\",\"deep\":{}}}", nested(depth));
        let token = format!("{}.e30.AAAA", encoded(header));
        assert_eq!(refused(&wide, &token).await.reason(), Reason::Malformed, "{depth}");
        let unclosed = issuer.token().payload("{\"a\":".repeat(depth)).sign();
        assert_eq!(refused(&wide, &unclosed).await, InvalidToken::Malformed { part: "payload" }, "{depth}");
    }
    let deep: Value = serde_json::from_str(&nested(60)).unwrap();
    admitted(&wide, &issuer.token().claim("deep", &deep).header("deep", &deep).sign()).await;
}

/// CVE-2019-17195, CVE-2024-21664, CVE-2026-34986: uncaught exceptions. Every prefix of a good token, and every
/// change of one character, is refused.
#[tokio::test]
async fn cve_2019_17195_damaged_tokens_are_refused() {
    for algorithm in [Algorithm::Es256, Algorithm::Hs256] {
        let issuer = TestIssuer::from_algorithms([algorithm]);
        let gate = issuer.gate();
        let good = issuer.token().sign();
        for at in 1..good.len() {
            refused(&gate, &good[..at]).await;
            refused(&gate, &good[at..]).await;
        }
        for (at, was) in good.char_indices() {
            for damage in ['A', 'z', '_', '.', '=', '"', '{', '\0', '\u{e9}', '\u{10ffff}'] {
                let damaged = format!("{}{damage}{}", &good[..at], &good[at + 1..]);
                if damage != was {
                    refused(&gate, &damaged).await;
                }
                let longer = format!("{}{damage}{}", &good[..at], &good[at..]);
                refused(&gate, &longer).await;
            }
        }
        admitted(&gate, &good).await;
    }
}

/// Signed payloads with arbitrary bytes.
#[tokio::test]
async fn no_signed_payload_panics() {
    let issuer = TestIssuer::from_algorithms([Algorithm::Hs256]);
    let gate = issuer.gate();
    let claims = Value::Object(issuer.token().claims().clone()).to_string().into_bytes();
    let mut refusals = 0;
    for at in 0..claims.len() {
        for byte in [b'"', b'{', b'}', b'[', b',', b':', b'\\', b'0', b'-', b'n', 0x00, 0x7f, 0x80, 0xc0, 0xed, 0xff] {
            let mut damaged = claims.clone();
            damaged[at] = byte;
            // Some changes are harmless, for example of a letter in a name.
            refusals += usize::from(gate.verify(&issuer.token().payload(damaged).sign()).await.is_err());
        }
        refused(&gate, &issuer.token().payload(&claims[..at]).sign()).await;
    }
    assert!(refusals > claims.len() * 10, "{refusals}");
    admitted(&gate, &issuer.token().payload(claims).sign()).await;
}

/// Advisories about PBES2 iterations (`p2c`), compressed payloads (`zip`) and decryption do not apply: a JWE is refused
/// before a part of it is decoded.
#[tokio::test]
async fn cve_2024_28180_no_jwe_is_decoded() {
    let issuer = TestIssuer::new();
    let gate = issuer.gate();
    for header in [
        json!({"alg": "PBES2-HS512+A256KW", "enc": "A256GCM", "p2c": 2_147_483_647, "p2s": "AAAA"}),
        json!({"alg": "dir", "enc": "A128CBC-HS256", "zip": "DEF"}),
        json!({"alg": "ECDH-ES", "enc": "A256GCM", "epk": {}}),
        json!({"alg": "RSA1_5", "enc": "A256GCM"}),
    ] {
        let header = encoded(header.to_string());
        for token in
            [format!("{header}.AAAA.AAAA.AAAA.AAAA"), format!("{header}..AAAA.AAAA.AAAA"), format!("{header}....")]
        {
            assert_eq!(refused(&gate, &token).await, InvalidToken::Encrypted);
        }
        assert_eq!(refused(&gate, &format!("{header}.e30.AAAA")).await, InvalidToken::AlgorithmNotAllowed);
    }
    assert_eq!(refused(&gate, "!!!.\u{0}.\u{e9}..").await, InvalidToken::Encrypted);
    // `zip` has no meaning in a signed token: the payload is not decompressed.
    let compressed = issuer.token().header("zip", "DEF").payload([0x4b, 0x4c, 0x04, 0x00]).sign();
    assert_eq!(refused(&gate, &compressed).await, InvalidToken::Malformed { part: "payload" });
    admitted(&gate, &issuer.token().sign()).await;
}
