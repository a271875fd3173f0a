//! Bad tokens, as attackers, faulty issuers or confused clients send them.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis::Reason;
use portcullis::jose::Algorithm;
use serde_json::{Value, json};

use crate::issuer::TestIssuer;
use crate::signing_key::SigningKey;
use crate::token::TokenBuilder;

/// A bad token, and the reason for its refusal.
///
/// Every token fits into an Authorization header, so a test can send it to a server.
#[derive(Clone)]
#[non_exhaustive]
pub struct Forgery {
    /// A short description of the error in the token.
    pub name: &'static str,
    /// The token.
    pub token: String,
    /// The reason that the verifier gives.
    pub reason: Reason,
}

impl fmt::Debug for Forgery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Forgery").field("name", &self.name).field("reason", &self.reason).finish_non_exhaustive()
    }
}

impl TestIssuer {
    /// Returns bad tokens of every kind, each with the reason for which [`Self::gate`] refuses it.
    #[must_use]
    pub fn forgeries(&self) -> Vec<Forgery> {
        let kinds = [without_signature, key_confusion, tampered, foreign_keys, shapes, headers, claims];
        kinds.into_iter().flat_map(|kind| kind(self)).collect()
    }
}

fn forgery(name: &'static str, token: impl Into<String>, reason: Reason) -> Forgery {
    Forgery { name, token: token.into(), reason }
}

/// Unsigned tokens (RFC 7519 §6), with the spellings that other libraries once accepted.
fn without_signature(issuer: &TestIssuer) -> Vec<Forgery> {
    let refused = Reason::AlgorithmNotAllowed;
    let unsigned = |alg: &str| format!("{}.", issuer.token().header("alg", alg).signing_input());
    let signed = issuer.token().header("alg", "none").sign();
    vec![
        forgery("alg none", unsigned("none"), refused),
        forgery("alg None", unsigned("None"), refused),
        forgery("alg NONE", unsigned("NONE"), refused),
        forgery("alg nOnE", unsigned("nOnE"), refused),
        forgery("alg empty", unsigned(""), refused),
        forgery("alg none with a signature", signed, refused),
        forgery("alg unknown", unsigned("RS1"), refused),
        forgery("alg in lower case", unsigned(&issuer.first_key().algorithm().name().to_lowercase()), refused),
    ]
}

/// Tokens that use the public key as the secret of an HMAC.
fn key_confusion(issuer: &TestIssuer) -> Vec<Forgery> {
    let key = issuer.first_key();
    let Some(der) = key.public_key_der() else { return Vec::new() };
    let pem = key.public_key_pem().unwrap_or_default();
    // An issuer that also has secrets allows HS256, but has no HS256 key with this kid.
    let has_secret = issuer.signing_keys().iter().any(|key| key.algorithm() == Algorithm::Hs256);
    let reason = if has_secret { Reason::UnknownKey } else { Reason::AlgorithmNotAllowed };
    let with_secret = |secret: &[u8]| {
        let signing_input = issuer.token().header("alg", "HS256").signing_input();
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), signing_input.as_bytes());
        format!("{signing_input}.{}", URL_SAFE_NO_PAD.encode(tag))
    };
    vec![
        forgery("HS256 keyed with the public PEM", with_secret(pem.as_bytes()), reason),
        forgery("HS256 keyed with the public PEM, trimmed", with_secret(pem.trim_end().as_bytes()), reason),
        forgery("HS256 keyed with the public DER", with_secret(&der), reason),
        forgery("HS256 keyed with the public JWK", with_secret(key.jwk().to_string().as_bytes()), reason),
        forgery("HS256 keyed with nothing", with_secret(b""), reason),
    ]
}

fn tampered(issuer: &TestIssuer) -> Vec<Forgery> {
    let bad = Reason::BadSignature;
    let good = issuer.token().sign();
    let (input, signature) = good.rsplit_once('.').unwrap_or_default();
    let admin = issuer.token().scope("admin").signing_input();
    let mut flipped = URL_SAFE_NO_PAD.decode(signature).unwrap_or_default();
    if let Some(last) = flipped.last_mut() {
        *last ^= 1;
    }
    let (flipped, zeros) = (URL_SAFE_NO_PAD.encode(&flipped), URL_SAFE_NO_PAD.encode(vec![0; flipped.len()]));
    let shorter = URL_SAFE_NO_PAD.decode(signature).unwrap_or_default();
    let shorter = URL_SAFE_NO_PAD.encode(shorter.get(1..).unwrap_or_default());
    vec![
        forgery("payload changed", format!("{admin}.{signature}"), bad),
        forgery("one bit of the signature changed", format!("{input}.{flipped}"), bad),
        forgery("signature of zeros", format!("{input}.{zeros}"), bad),
        forgery("signature one byte short", format!("{input}.{shorter}"), bad),
        forgery("signature empty", format!("{input}."), bad),
    ]
}

/// Tokens that are signed with another key, or that contain their own key.
fn foreign_keys(issuer: &TestIssuer) -> Vec<Forgery> {
    let own = issuer.first_key();
    let foreign = Arc::new(SigningKey::generate(own.algorithm(), own.id()));
    let forged = || issuer.token().forged_with(Arc::clone(&foreign));
    let bad = Reason::BadSignature;
    let own_key = forged().header("jwk", foreign.jwk()).sign();
    // With a key of ML-DSA, the header is too long to be read.
    let is_long = own_key.split('.').next().is_some_and(|header| header.len() > 3_072);
    vec![
        forgery("signed with another key of the same kid", forged().sign(), bad),
        forgery("signed with a key of an unknown kid", forged().header("kid", "unknown").sign(), Reason::UnknownKey),
        forgery("kid that is a path", forged().header("kid", "../../dev/null").sign(), Reason::UnknownKey),
        forgery("kid that is a query", forged().header("kid", "' OR 1=1 --").sign(), Reason::UnknownKey),
        forgery("kid empty", forged().header("kid", "").sign(), Reason::UnknownKey),
        forgery("key in jwk", own_key, if is_long { Reason::Malformed } else { bad }),
        forgery("key set in jku", forged().header("jku", "https://attacker.test/jwks.json").sign(), bad),
        forgery("certificate in x5u", forged().header("x5u", "https://attacker.test/cert.pem").sign(), bad),
        forgery("certificate in x5c", forged().header("x5c", ["MIIB"]).sign(), bad),
    ]
}

fn shapes(issuer: &TestIssuer) -> Vec<Forgery> {
    let good = issuer.token().sign();
    let parts: Vec<&str> = good.split('.').collect();
    let part = |at: usize| parts.get(at).copied().unwrap_or_default();
    let malformed = Reason::Malformed;
    let nested = format!("{{\"a\":{}{}}}", "[".repeat(2_000), "]".repeat(2_000));
    let deep = issuer.token().payload(nested).sign();
    vec![
        forgery("no dots", "opaque", Reason::NotCompactJws),
        forgery("two parts", format!("{}.{}", part(0), part(1)), Reason::NotCompactJws),
        forgery("four parts", format!("{good}.e30"), Reason::NotCompactJws),
        forgery("hundreds of dots", ".".repeat(300), Reason::NotCompactJws),
        forgery("five parts", format!("{}.a.b.c.d", part(0)), Reason::Encrypted),
        forgery("empty parts", "..", malformed),
        forgery("padded signature", format!("{good}=="), malformed),
        forgery("header in the other alphabet", format!("+/+/.{}.{}", part(1), part(2)), malformed),
        forgery("header that is not JSON", format!("Zm9v.{}.{}", part(1), part(2)), malformed),
        forgery("header that is an array", format!("W10.{}.{}", part(1), part(2)), malformed),
        forgery("payload that is not JSON", issuer.token().payload("claims").sign(), malformed),
        forgery("payload that is an array", issuer.token().payload("[]").sign(), malformed),
        forgery("payload that is empty", issuer.token().payload("").sign(), malformed),
        forgery("payload nested too deeply", deep, malformed),
        forgery("payload that is not UTF-8", issuer.token().payload(b"{\"a\":\"\xff\"}").sign(), malformed),
        forgery("payload with a claim twice", twice(issuer), malformed),
        forgery("too large", issuer.token().claim("filler", "x".repeat(16 * 1024)).sign(), Reason::TooLarge),
    ]
}

fn headers(issuer: &TestIssuer) -> Vec<Forgery> {
    let with = |name: &str, value: Value| issuer.token().header(name, value).sign();
    vec![
        forgery("crit", with("crit", json!(["exp"])), Reason::CriticalHeader),
        forgery("crit that is empty", with("crit", json!([])), Reason::CriticalHeader),
        forgery(
            "crit of b64",
            issuer.token().header("crit", ["b64"]).header("b64", false).sign(),
            Reason::CriticalHeader,
        ),
        forgery("b64 without crit", with("b64", json!(false)), Reason::CriticalHeader),
        forgery("typ of a proof", with("typ", json!("dpop+jwt")), Reason::WrongType),
        forgery("typ of a logout token", with("typ", json!("logout+jwt")), Reason::WrongType),
        forgery("typ that is a number", with("typ", json!(1)), Reason::Malformed),
        forgery("kid that is a number", with("kid", json!(1)), Reason::Malformed),
        forgery("alg that is an array", with("alg", json!(["RS256"])), Reason::Malformed),
        forgery("alg missing", issuer.token().without_header("alg").sign(), Reason::Malformed),
    ]
}

fn claims(issuer: &TestIssuer) -> Vec<Forgery> {
    let with = |name: &str, value: Value| issuer.token().claim(name, value).sign();
    let without = |name: &str| issuer.token().without(name).sign();
    let expires = issuer.token().claims().get("exp").and_then(Value::as_i64).unwrap_or_default();
    let no_slash = issuer.url().trim_end_matches('/');
    let (missing, invalid) = (Reason::MissingClaim, Reason::InvalidClaim);
    vec![
        forgery("expired", issuer.token().expired().sign(), Reason::Expired),
        forgery("exp missing", without("exp"), missing),
        forgery("exp null", with("exp", Value::Null), invalid),
        forgery("exp as text", with("exp", expires.to_string().into()), invalid),
        forgery("exp out of range", with("exp", json!(1e300)), invalid),
        forgery("not yet valid", with("nbf", expires.into()), Reason::NotYetValid),
        forgery("nbf as text", with("nbf", "0".into()), invalid),
        forgery("issued in the future", with("iat", expires.into()), Reason::IssuedInFuture),
        forgery("iss missing", without("iss"), missing),
        forgery("iss of another", with("iss", "https://attacker.test/".into()), Reason::WrongIssuer),
        forgery("iss longer", with("iss", format!("{}x", issuer.url()).into()), Reason::WrongIssuer),
        forgery("iss in an array", with("iss", json!([issuer.url()])), invalid),
        forgery("iss with another slash", with("iss", format!("{no_slash}//").into()), Reason::WrongIssuer),
        forgery("aud missing", without("aud"), missing),
        forgery("aud of another", with("aud", "https://other.test".into()), Reason::WrongAudience),
        forgery("aud empty", with("aud", json!([])), Reason::WrongAudience),
        forgery("aud of a number", with("aud", json!([1])), invalid),
        forgery(
            "aud as a prefix",
            with("aud", issuer.audience().get(..8).unwrap_or("h").into()),
            Reason::WrongAudience,
        ),
        forgery("sub that is a number", with("sub", json!(7)), invalid),
        forgery("bound to a key", with("cnf", json!({"jkt": "x"})), Reason::SenderConstrained),
    ]
}

fn twice(issuer: &TestIssuer) -> String {
    let claims = Value::Object(issuer.token().claims().clone()).to_string();
    let payload = format!("{},\"sub\":\"admin\"}}", claims.trim_end_matches('}'));
    TokenBuilder::payload(issuer.token(), payload).sign()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_forgery_is_refused_under_every_algorithm() {
        for &algorithm in Algorithm::ALL {
            let issuer = TestIssuer::from_algorithms([algorithm]);
            let gate = issuer.gate();
            assert!(gate.verify(&issuer.token().sign()).await.is_ok(), "{algorithm}");
            let forgeries = issuer.forgeries();
            assert!(forgeries.len() > 60, "{algorithm}: {}", forgeries.len());
            for forgery in forgeries {
                // The second attempt must not differ.
                for _ in 0..2 {
                    let refused = gate.verify(&forgery.token).await.unwrap_err();
                    assert_eq!(refused.reason(), Some(forgery.reason), "{algorithm}: {}", forgery.name);
                }
            }
        }
    }

    #[tokio::test]
    async fn secret_next_to_public_keys_confuses_nothing() {
        let issuer = TestIssuer::from_algorithms([Algorithm::Rs256, Algorithm::Hs256]);
        let gate = issuer.gate();
        assert!(gate.verify(&issuer.token().algorithm(Algorithm::Hs256).sign()).await.is_ok());
        for forgery in issuer.forgeries() {
            let refused = gate.verify(&forgery.token).await.unwrap_err();
            assert_eq!(refused.reason(), Some(forgery.reason), "{}", forgery.name);
        }
    }
}
