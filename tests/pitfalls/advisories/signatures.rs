//! The values and the encodings of signatures.

use aws_lc_rs::hmac;
use portcullis::error::InvalidToken;
use portcullis::jose::Algorithm;
use portcullis::keys::{FixedKeys, InvalidKey, VerifyingKey};
use portcullis_testing::TestIssuer;
use serde_json::json;

use crate::support::{admitted, decoded, encoded, gate_with, generated, refused, split_signature, with_member};

/// The order of each curve (SEC 2), in hexadecimal.
const CURVES: [(Algorithm, &str); 3] = [
    (Algorithm::Es256, "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"),
    (
        Algorithm::Es384,
        "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973",
    ),
    (
        Algorithm::Es512,
        "01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa\
         51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409",
    ),
];

/// The order of the base point of Ed25519 (RFC 8032 §5.1), in hexadecimal.
const ED25519_ORDER: &str = "1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3ed";

#[tokio::test]
async fn cve_2022_21449_zero_r_and_s() {
    for (algorithm, order) in CURVES {
        let issuer = TestIssuer::from_algorithms([algorithm]);
        let gate = issuer.gate();
        let token = issuer.token().sign();
        let (input, signature) = split_signature(&token);
        let (r, s) = signature.split_at(signature.len() / 2);
        let (zero, order) = (vec![0; r.len()], from_hex(order));
        assert_eq!(order.len(), r.len());
        let one = plus(&zero, &[1]).unwrap();
        let highest = vec![0xff; r.len()];
        let mut forged = vec![(zero.clone(), zero.clone()), (zero.clone(), s.to_vec()), (r.to_vec(), zero.clone())];
        for other in [&one, &order, &highest] {
            forged.extend([
                (other.clone(), other.clone()),
                (zero.clone(), other.clone()),
                (other.clone(), zero.clone()),
            ]);
            forged.extend([(other.clone(), s.to_vec()), (r.to_vec(), other.clone())]);
        }
        // The same numbers plus the order, if they fit: these would be a second signature for the same token.
        forged.extend(plus(r, &order).map(|r| (r, s.to_vec())));
        forged.extend(plus(s, &order).map(|s| (r.to_vec(), s)));
        for (r, s) in forged {
            let token = format!("{input}.{}", encoded([r.clone(), s.clone()].concat()));
            assert_eq!(refused(&gate, &token).await, InvalidToken::BadSignature, "{algorithm}: {r:x?} {s:x?}");
        }
        admitted(&gate, &token).await;
    }
}

#[tokio::test]
async fn ed25519_signatures_have_one_form() {
    let issuer = TestIssuer::from_algorithms([Algorithm::EdDsa]);
    let gate = issuer.gate();
    let token = issuer.token().sign();
    let (input, signature) = split_signature(&token);
    let (r, s) = signature.split_at(32);
    let reversed = |bytes: &[u8]| bytes.iter().rev().copied().collect::<Vec<u8>>();
    let beyond_order = reversed(&plus(&reversed(s), &from_hex(ED25519_ORDER)).unwrap());
    // RFC 8032 §8.4: S plus the order also satisfies the equation. Then the neutral element as R, with S zero.
    let neutral = [vec![1], vec![0; 31]].concat();
    for forged in [[r, &beyond_order].concat(), [&neutral[..], &[0; 32]].concat(), vec![0; 64], [r, r].concat()] {
        let token = format!("{input}.{}", encoded(forged));
        assert_eq!(refused(&gate, &token).await, InvalidToken::BadSignature);
    }
    admitted(&gate, &token).await;
}

#[tokio::test]
async fn rsa_signatures_are_smaller_than_the_modulus() {
    for algorithm in [Algorithm::Rs256, Algorithm::Ps256] {
        let issuer = TestIssuer::from_algorithms([algorithm]);
        let gate = issuer.gate();
        let modulus = decoded(issuer.first_key().jwk()["n"].as_str().unwrap());
        // s + n fits the length of n only for some signatures.
        let fits = (0..1_000).find_map(|id| {
            let token = issuer.token().claim("jti", id.to_string()).sign();
            let (input, signature) = split_signature(&token);
            let larger = plus(&signature, &modulus)?;
            Some((token.clone(), format!("{input}.{}", encoded(larger))))
        });
        let (good, larger) = fits.unwrap();
        assert_eq!(refused(&gate, &larger).await, InvalidToken::BadSignature);
        admitted(&gate, &good).await;
    }
}

/// CVE-2020-14966, CVE-2020-14967 and CVE-2020-14968: leading zeros and other bytes around a signature.
#[tokio::test]
async fn cve_2020_14966_a_signature_has_its_exact_length() {
    for &algorithm in Algorithm::ALL {
        let issuer = TestIssuer::from_algorithms([algorithm]);
        let gate = issuer.gate();
        let token = issuer.token().sign();
        let (input, signature) = split_signature(&token);
        let last = signature.len() - 1;
        let forged = [
            [&[0][..], &signature].concat(),
            [&[0, 0, 0, 0][..], &signature].concat(),
            [&signature[..], &[0]].concat(),
            [&signature[..], &signature].concat(),
            signature[..last].to_vec(),
            signature[1..].to_vec(),
            signature[..signature.len() / 2].to_vec(),
            Vec::new(),
        ];
        for forged in forged {
            let token = format!("{input}.{}", encoded(&forged));
            assert_eq!(refused(&gate, &token).await, InvalidToken::BadSignature, "{algorithm}: {}", forged.len());
        }
        admitted(&gate, &token).await;
    }
}

/// JWS does not use DER for ECDSA signatures (RFC 7518 §3.4).
#[tokio::test]
async fn an_ecdsa_signature_in_der_is_refused() {
    let issuer = TestIssuer::from_algorithms([Algorithm::Es256]);
    let token = issuer.token().sign();
    let (input, signature) = split_signature(&token);
    let integer = |bytes: &[u8]| [&[0x02, 33, 0][..], bytes].concat();
    let (r, s) = signature.split_at(32);
    let der = [&[0x30, 70][..], &integer(r), &integer(s)].concat();
    let forged = format!("{input}.{}", encoded(der));
    assert_eq!(refused(&issuer.gate(), &forged).await, InvalidToken::BadSignature);
    admitted(&issuer.gate(), &token).await;
}

/// The tag was compared only up to the length of the tag in the token.
#[tokio::test]
async fn cve_2020_28042_the_whole_hmac_is_compared() {
    for algorithm in [Algorithm::Hs256, Algorithm::Hs384, Algorithm::Hs512] {
        let issuer = TestIssuer::from_algorithms([algorithm]);
        let gate = issuer.gate();
        let token = issuer.token().sign();
        let (input, tag) = split_signature(&token);
        for length in 0..tag.len() {
            let token = format!("{input}.{}", encoded(&tag[..length]));
            assert_eq!(refused(&gate, &token).await, InvalidToken::BadSignature, "{algorithm}: {length}");
        }
        // A tag of a shorter hash with the same secret is refused.
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, issuer.first_key().secret().unwrap());
        let sha1 = format!("{input}.{}", encoded(hmac::sign(&key, input.as_bytes())));
        assert_eq!(refused(&gate, &sha1).await, InvalidToken::BadSignature);
        admitted(&gate, &token).await;
    }
}

/// Characters outside base64url were skipped.
#[tokio::test]
async fn cve_2022_25898_signatures_are_strict_base64url() {
    for algorithm in [Algorithm::Rs256, Algorithm::Es256, Algorithm::Hs256] {
        let issuer = TestIssuer::from_algorithms([algorithm]);
        let gate = issuer.gate();
        let token = issuer.token().sign();
        let (input, signature) = token.rsplit_once('.').unwrap();
        let malformed = InvalidToken::Malformed { part: "signature" };
        for at in 0..=signature.len() {
            let (before, after) = signature.split_at(at);
            for odd in ["=", "+", "/", " ", "\n", "~", "%3D", "\0", "\u{e9}", "\u{200b}"] {
                let token = format!("{input}.{before}{odd}{after}");
                assert_eq!(refused(&gate, &token).await, malformed, "{algorithm}: {odd:?} at {at}");
            }
        }
        // Unused bits of the last character must be zero, otherwise one signature would have several texts.
        const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let (body, last) = signature.split_at(signature.len() - 1);
        let position = ALPHABET.find(last).unwrap();
        for spare in 1..4 {
            let token = format!("{input}.{body}{}", &ALPHABET[position + spare..=position + spare]);
            assert_eq!(refused(&gate, &token).await, malformed, "{algorithm}");
        }
        admitted(&gate, &token).await;
    }
}

/// With an exponent of 3, a cube root is a forged signature for a verifier that ignores the end of the padded hash. The key
/// and the good token here are real. The forgery is the cube root of `00 01`, eight times `ff`, `00`, the DigestInfo with
/// the right hash, and arbitrary bytes.
#[tokio::test]
async fn cve_2006_4339_the_whole_padded_hash_is_compared() {
    const MODULUS: &str = "\
        stnwGzfsWg7rp4l8sS9aa9MIR9kTz49v_8ZqYzBJTJgzPuuxtbToPW35LQjOHz3k4D6hJurfy3jJ0PG_rVfijeg1FhujQZnUzBka\
        gqfeCWTnxm2X___zw9l3EkauHdYoPN43BUx87ff_kUWvmneuAD5fpKCbUEir_hLvlkIIcxcbHaW5Q5wBQvi9DXzEFGFI94EdD48B\
        dXaH7cHcgjGelviDN0P75Hqm7kHhA5uNF3IE5k7sjwPgZIt86Ge-VapC-U5XmypnqkIIZiY477x5ANc8Mr6kXyLIK0Mdja0rPB2J\
        m3CCzPV5Sf5uVN1kwrezb6NNDfoFeuFXdASgLnHBWQ";
    const GOOD: &str = "\
        eyJhbGciOiJSUzI1NiIsImtpZCI6ImUzIn0.eyJpc3MiOiJodHRwczovL2lzc3Vlci50ZXN0LyIsInN1YiI6InVzZXItMSIsImF1\
        ZCI6Imh0dHBzOi8vYXBpLnRlc3QiLCJleHAiOjQxMDI0NDQ4MDB9.TiqdijHVHTe2qTKYkBvfj4w9cFvSzXe1Cl9_3yYFXl5g9L8\
        lzPvqak4fXAGmRv6GqZXeoWtI9BToCI25nypniTUdG938qk7OtZcsRtwtVgObOtQ5LdMHgIhuvYJEYsQfTAPN1cZRqDFFE0S_6XD\
        yT4uH_DYRMRjw6hi73gAzDkt26TInYvjoa7PfbEy_q0b3x1F3GSXJbtHmPMauovURYnvYwnOfRp5aYvUYbSiZAaN6LljfMpoaYgA\
        R-Jz_KgCWE-BQKl3iuS3Ao2U9_zTERtP6QDk99MFfJwIabMmlb9N3a1O9aSeyg_6iCyjphTnyJ_nsyYZWHgNHm8m0mPq3TA";
    const FORGED: &str = "\
        eyJhbGciOiJSUzI1NiIsImtpZCI6ImUzIn0.eyJpc3MiOiJodHRwczovL2lzc3Vlci50ZXN0LyIsInN1YiI6ImFkbWluIiwiYXVk\
        IjoiaHR0cHM6Ly9hcGkudGVzdCIsImV4cCI6NDEwMjQ0NDgwMH0.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
        AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
        AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAMsv9SnrceQVYPXZ1IPUW\
        QHWRdtN4JvLvY649x60DvQ_un1vWZt5V5bSv8huGipEYx_l5cUZ3b_eiRgpEI8gGTwcVOa1GYZSasI5tC-ar0shg3PdJaA";
    let jwk = json!({"kty": "RSA", "kid": "e3", "n": MODULUS, "e": "Aw"}).to_string();
    let gate = gate_with(&TestIssuer::new(), FixedKeys::jwk(&jwk).unwrap());
    assert_eq!(refused(&gate, FORGED).await, InvalidToken::BadSignature);
    assert_eq!(admitted(&gate, GOOD).await.subject(), Some("user-1"));
}

/// CVE-2016-9121, CVE-2017-12974 and CVE-2017-16007: points on another curve, with fewer points.
#[test]
fn cve_2017_16007_a_point_must_be_on_its_curve() {
    for algorithm in [Algorithm::Es256, Algorithm::Es384, Algorithm::Es512] {
        let (_, jwk) = generated(algorithm, "key");
        assert!(VerifyingKey::from_jwk(&jwk.to_string()).is_ok());
        let mut y = decoded(jwk["y"].as_str().unwrap());
        let zero = encoded(vec![0; y.len()]);
        *y.last_mut().unwrap() ^= 1;
        let off = with_member(jwk.clone(), "y", encoded(&y));
        let origin = with_member(with_member(jwk.clone(), "x", zero.as_str()), "y", zero.as_str());
        let beyond = with_member(jwk.clone(), "x", encoded(vec![0xff; y.len()]));
        for jwk in [off, origin, beyond] {
            assert_eq!(VerifyingKey::from_jwk(&jwk.to_string()).unwrap_err(), InvalidKey::NotOnCurve, "{algorithm}");
        }
    }
}

/// Adds big-endian numbers, in the length of the first. Returns `None` when the sum does not fit.
fn plus(one: &[u8], other: &[u8]) -> Option<Vec<u8>> {
    let mut sum = one.to_vec();
    let mut carry = 0;
    for (at, byte) in sum.iter_mut().rev().enumerate() {
        let added = other.len().checked_sub(at + 1).map_or(0, |place| other[place]);
        let digit = u16::from(*byte) + u16::from(added) + carry;
        *byte = digit.to_be_bytes()[1];
        carry = digit >> 8;
    }
    (carry == 0).then_some(sum)
}

fn from_hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}
