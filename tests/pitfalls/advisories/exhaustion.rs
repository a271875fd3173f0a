//! Tokens that cost more than they should, or bring the verifier down.

use portcullis::Gate;
use portcullis::error::InvalidToken;
use portcullis::jose::Algorithm;
use portcullis_testing::TestIssuer;
use serde_json::{Value, json};

use crate::support::{admitted, encoded, refused};

/// CVE-2025-22868, CVE-2025-27144 and CVE-2025-30204: memory in proportion to the number of dots.
#[tokio::test]
async fn cve_2025_30204_dots_are_counted_up_to_the_sixth_and_after_the_size() {
    let gate = TestIssuer::new().gate();
    let limit = 16 * 1024;
    assert_eq!(refused(&gate, &".".repeat(limit)).await, InvalidToken::NotCompactJws);
    assert_eq!(refused(&gate, &".".repeat(limit + 1)).await, InvalidToken::TooLarge { limit });
    assert_eq!(refused(&gate, &".".repeat(16 * 1024 * 1024)).await, InvalidToken::TooLarge { limit });
    assert_eq!(refused(&gate, "....").await, InvalidToken::Encrypted);
}

/// CVE-2025-61920: parts of any size.
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
    assert_eq!(refused(&gate, &many.sign()).await, InvalidToken::Malformed { part: "header" });
    let long_kid = issuer.token().header("kid", "k".repeat(8_000)).sign();
    assert_eq!(refused(&gate, &long_kid).await, InvalidToken::UnknownKey);
    admitted(&gate, &good).await;
}

/// CVE-2025-53864: a stack that overflows on nested JSON.
#[tokio::test]
async fn cve_2025_53864_nesting_is_bounded_in_header_and_payload() {
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
        assert_eq!(refused(&wide, &token).await, InvalidToken::Malformed { part: "header" }, "{depth}");
        let unclosed = issuer.token().payload("{\"a\":".repeat(depth)).sign();
        assert_eq!(refused(&wide, &unclosed).await, InvalidToken::Malformed { part: "payload" }, "{depth}");
    }
    let deep: Value = serde_json::from_str(&nested(60)).unwrap();
    admitted(&wide, &issuer.token().claim("deep", &deep).header("deep", &deep).sign()).await;
}

/// CVE-2019-17195, CVE-2024-21664, CVE-2026-34986: exceptions that nobody caught. Every prefix of a good token, and
/// the token with any one byte changed, is refused in order.
#[tokio::test]
async fn cve_2019_17195_no_damage_to_a_token_panics_or_passes() {
    for algorithm in [Algorithm::Es256, Algorithm::Hs256] {
        let issuer = TestIssuer::from_algorithms([algorithm]);
        let gate = issuer.gate();
        let good = issuer.token().sign();
        for end in 0..good.len() {
            refused(&gate, &good[..end]).await;
            refused(&gate, &good[end + 1..]).await;
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

/// Damage below the encoding: signed payloads and headers of any bytes.
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
            // A digit or a letter of a name may change without harm.
            refusals += usize::from(gate.verify(&issuer.token().payload(damaged).sign()).await.is_err());
        }
        refused(&gate, &issuer.token().payload(&claims[..at]).sign()).await;
    }
    assert!(refusals > claims.len() * 10, "{refusals}");
    admitted(&gate, &issuer.token().payload(claims).sign()).await;
}

/// The many advisories about PBES2 iterations (`p2c`), compressed payloads (`zip`) and decryption: nothing here
/// decrypts, so nothing of a JWE is even decoded.
#[tokio::test]
async fn cve_2024_28180_no_jwe_is_decoded_decrypted_or_decompressed() {
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
    // `zip` means nothing in a signed token: the payload is read as it is.
    let compressed = issuer.token().header("zip", "DEF").payload([0x4b, 0x4c, 0x04, 0x00]).sign();
    assert_eq!(refused(&gate, &compressed).await, InvalidToken::Malformed { part: "payload" });
    admitted(&gate, &issuer.token().sign()).await;
}
