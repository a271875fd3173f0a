//! Clients that prove their key: bound tokens and DPoP proofs (RFC 9449).

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use portcullis::error::ProofError;
use portcullis::jose::Algorithm;
use serde_json::{Value, json};

use crate::signing_key::SigningKey;
use crate::token::TokenBuilder;

/// The key of a client that makes DPoP proofs (RFC 9449). **For tests only.**
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use portcullis::Policy;
/// use portcullis::adapter::HeaderList;
/// use portcullis::possession::Dpop;
/// use portcullis_testing::{DpopKey, TestIssuer};
///
/// let (issuer, key) = (TestIssuer::new(), DpopKey::new());
/// let gate = issuer.gate().with_public_url("https://api.test")?.with_dpop(Dpop::required())?;
///
/// let token = issuer.token().bound_to(&key).sign();
/// let proof = key.proof("GET", "https://api.test/orders", &token).sign();
/// let fields = [("authorization", format!("DPoP {token}")), ("dpop", proof)];
/// let request = HeaderList::new("GET", fields).with_original_path("/orders");
///
/// assert!(gate.admit(&request, &Policy::authenticated()).await.is_ok());
/// let again = gate.admit(&request, &Policy::authenticated()).await.unwrap_err();
/// assert_eq!(again.code(), "invalid_dpop_proof", "a proof serves one request");
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct DpopKey(Arc<SigningKey>);

/// A DPoP proof with one error, and the error that the gate finds.
#[derive(Clone)]
#[non_exhaustive]
pub struct DamagedProof {
    /// A short description of the error.
    pub name: &'static str,
    /// The value of the field `DPoP`.
    pub proof: String,
    /// The error that the gate finds.
    pub error: ProofError,
}

/// Numbers the proofs, so that each has a different `jti`.
static PROOFS: AtomicU64 = AtomicU64::new(0);

impl DpopKey {
    /// Generates a key for ES256.
    #[must_use]
    pub fn new() -> Self {
        Self::generate(Algorithm::Es256)
    }

    /// Generates a key for `algorithm`.
    #[must_use]
    pub fn generate(algorithm: Algorithm) -> Self {
        Self(Arc::new(SigningKey::generate(algorithm, "dpop")))
    }

    /// Returns the thumbprint of the key: `jkt` of the tokens that are bound to it.
    #[must_use]
    pub fn thumbprint(&self) -> String {
        self.0.verifying_key().thumbprint().unwrap_or_default()
    }

    /// Returns the public key as a JWK, with only its parameters.
    #[must_use]
    pub fn jwk(&self) -> Value {
        let mut jwk = self.0.jwk();
        if let Some(members) = jwk.as_object_mut() {
            // `alg` is a parameter of the keys of ML-DSA (RFC 9964).
            let needs_algorithm = members.get("kty").is_some_and(|kty| kty == "AKP");
            members.retain(|name, _| !matches!(&**name, "kid" | "use") && (needs_algorithm || name != "alg"));
        }
        jwk
    }

    /// Starts a good proof for a request with `method` to `uri` with the access token `token`. Each has a different `jti`.
    /// The builder changes its header and claims, for example `.claim("nonce", nonce)`.
    pub fn proof(&self, method: &str, uri: &str, token: &str) -> TokenBuilder {
        let id = format!("proof-{}-{}", std::process::id(), PROOFS.fetch_add(1, Ordering::Relaxed));
        TokenBuilder::of_proof(&self.0)
            .header("typ", "dpop+jwt")
            .header("jwk", self.jwk())
            .claim("jti", id)
            .claim("htm", method)
            .claim("htu", uri)
            .claim("ath", hash_of(token))
    }

    /// Returns proofs for the same request, each with one error: as attackers, faulty clients or confused ones send them.
    ///
    /// The gate's [`Dpop`](portcullis::possession::Dpop) has its default algorithms and window, and `uri` has a path.
    #[must_use]
    pub fn damaged_proofs(&self, method: &str, uri: &str, token: &str) -> Vec<DamagedProof> {
        let start = || self.proof(method, uri, token);
        let kinds = [self.damaged_forms(&start), self.damaged_headers(&start), damaged_claims(&start, uri, token)];
        kinds.into_iter().flatten().collect()
    }

    fn damaged_forms(&self, start: &dyn Fn() -> TokenBuilder) -> Vec<DamagedProof> {
        let good = start().sign();
        let (input, signature) = good.rsplit_once('.').unwrap_or_default();
        let (header, payload) = input.split_once('.').unwrap_or_default();
        let last = if signature.starts_with('A') { "B" } else { "A" };
        let other = Self::generate(self.0.algorithm());
        vec![
            damaged("no parts", "proof", ProofError::Malformed),
            damaged("two parts", input, ProofError::Malformed),
            damaged("four parts", format!("{good}.e30"), ProofError::Malformed),
            damaged("encrypted", format!("{good}.e30.e30"), ProofError::Malformed),
            damaged("two proofs in one field", format!("{good}, {good}"), ProofError::Malformed),
            damaged("a scheme before it", format!("DPoP {good}"), ProofError::Malformed),
            damaged("JSON serialization", json!({"payload": payload}).to_string(), ProofError::Malformed),
            damaged("header with padding", format!("{header}=.{payload}.{signature}"), ProofError::Malformed),
            damaged("header that is no JSON", format!("e30x.{payload}.{signature}"), ProofError::Malformed),
            damaged("header that is an array", format!("W10.{payload}.{signature}"), ProofError::Malformed),
            damaged("too large", format!("{good}{}", "A".repeat(16 * 1024)), ProofError::TooLarge),
            damaged("long header", start().header("x", "x".repeat(6_000)).sign(), ProofError::TooLarge),
            damaged("no signature", format!("{input}."), ProofError::BadSignature),
            damaged("changed signature", format!("{input}.{last}{}", &signature[1..]), ProofError::BadSignature),
            damaged("shortened signature", format!("{input}.{}", &signature[4..]), ProofError::BadSignature),
            damaged("signature with padding", format!("{good}="), ProofError::BadSignature),
            damaged("changed payload", format!("{header}.e30.{signature}"), ProofError::BadSignature),
            damaged("signature of another key", start().forged_with(other.0).sign(), ProofError::BadSignature),
        ]
    }

    fn damaged_headers(&self, start: &dyn Fn() -> TokenBuilder) -> Vec<DamagedProof> {
        let with = |name: &str, value: Value| start().header(name, value).sign();
        let with_jwk = |name: &str, value: Value| {
            let mut jwk = self.jwk();
            if let Some(members) = jwk.as_object_mut() {
                members.insert(name.to_owned(), value);
            }
            start().header("jwk", jwk).sign()
        };
        let other = if self.0.algorithm() == Algorithm::EdDsa { Algorithm::Es384 } else { Algorithm::EdDsa };
        let secret = json!({"kty": "oct", "k": URL_SAFE_NO_PAD.encode([7; 32])});
        let mut proofs = vec![
            damaged("no typ", start().without_header("typ").sign(), ProofError::WrongType),
            damaged("typ of JWTs", with("typ", json!("JWT")), ProofError::WrongType),
            damaged("typ of access tokens", with("typ", json!("at+jwt")), ProofError::WrongType),
            damaged("typ in upper case", with("typ", json!("DPOP+JWT")), ProofError::WrongType),
            damaged("typ with application/", with("typ", json!("application/dpop+jwt")), ProofError::WrongType),
            damaged("no alg", start().without_header("alg").sign(), ProofError::Malformed),
            damaged("alg none", with("alg", json!("none")), ProofError::AlgorithmNotAllowed),
            damaged("alg of a secret", with("alg", json!("HS256")), ProofError::AlgorithmNotAllowed),
            damaged("alg unknown", with("alg", json!("RS1")), ProofError::AlgorithmNotAllowed),
            damaged("alg of another key", with("alg", json!(other.name())), ProofError::UnusableKey),
            damaged("crit", with("crit", json!(["b64"])), ProofError::CriticalHeader),
            damaged("b64", with("b64", json!(true)), ProofError::CriticalHeader),
            damaged("no jwk", start().without_header("jwk").sign(), ProofError::UnusableKey),
            damaged("jwk null", with("jwk", Value::Null), ProofError::UnusableKey),
            damaged("jwk as text", with("jwk", json!(self.jwk().to_string())), ProofError::UnusableKey),
            damaged("jwk as an array", with("jwk", json!([self.jwk()])), ProofError::UnusableKey),
            damaged("jwk with only a name", with("jwk", json!({"kid": "dpop"})), ProofError::UnusableKey),
            damaged("jwk that is a secret", with("jwk", secret), ProofError::PrivateKey),
            damaged("jwk with a private member", with_jwk("d", json!("AAAA")), ProofError::PrivateKey),
            damaged("jwk with an empty private member", with_jwk("d", Value::Null), ProofError::PrivateKey),
            damaged("jwk with a prime", with_jwk("p", json!("AAAA")), ProofError::PrivateKey),
            damaged("jwk for encryption", with_jwk("use", json!("enc")), ProofError::UnusableKey),
            damaged("jwk of another type", with_jwk("kty", json!("XYZ")), ProofError::UnusableKey),
        ];
        if self.0.algorithm() == Algorithm::Es256 {
            let other = Self::generate(Algorithm::Es256).jwk().get("x").cloned().unwrap_or_default();
            let small = json!({"kty": "RSA", "n": URL_SAFE_NO_PAD.encode([0xff; 128]), "e": "AQAB"});
            proofs.extend([
                damaged("jwk off its curve", with_jwk("x", other), ProofError::UnusableKey),
                damaged("jwk with a short coordinate", with_jwk("x", json!("AAAA")), ProofError::UnusableKey),
                damaged("jwk of another curve", with_jwk("crv", json!("secp256k1")), ProofError::UnusableKey),
                damaged("jwk with 1,024 bits", with("jwk", small), ProofError::UnusableKey),
            ]);
        }
        proofs
    }
}

fn damaged_claims(start: &dyn Fn() -> TokenBuilder, uri: &str, token: &str) -> Vec<DamagedProof> {
    let with = |name: &str, value: Value| start().claim(name, value).sign();
    let without = |name: &str| start().without(name).sign();
    let now = start().claims()["iat"].as_i64().unwrap_or_default();
    let host_end = uri.find("://").and_then(|at| uri[at + 3..].find('/').map(|end| at + 3 + end)).unwrap_or(uri.len());
    let (origin, path) = uri.split_at(host_end);
    let hash = digest::digest(&digest::SHA256, token.as_bytes());
    let hexadecimal: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let other_scheme = uri.strip_prefix("https").map_or_else(|| format!("https{uri}"), |rest| format!("ftp{rest}"));
    vec![
        damaged("payload that is no JSON", start().payload("proof").sign(), ProofError::Malformed),
        damaged("payload that is an array", start().payload("[]").sign(), ProofError::Malformed),
        damaged("a claim twice", start().payload(r#"{"jti":"a","jti":"a"}"#).sign(), ProofError::Malformed),
        damaged("no claims", start().payload("{}").sign(), ProofError::MissingClaim),
        damaged("no jti", without("jti"), ProofError::MissingClaim),
        damaged("empty jti", with("jti", json!("")), ProofError::MissingClaim),
        damaged("jti as a number", with("jti", json!(7)), ProofError::InvalidClaim),
        damaged("no htm", without("htm"), ProofError::MissingClaim),
        damaged("htm as an array", with("htm", json!(["GET"])), ProofError::InvalidClaim),
        damaged("another method", with("htm", json!("PROPFIND")), ProofError::WrongMethod),
        damaged("method in lower case", with("htm", json!("get")), ProofError::WrongMethod),
        damaged("no htu", without("htu"), ProofError::MissingClaim),
        damaged("htu null", with("htu", Value::Null), ProofError::MissingClaim),
        damaged("htu as a number", with("htu", json!(7)), ProofError::InvalidClaim),
        damaged("htu with only a path", with("htu", json!(path)), ProofError::WrongTarget),
        damaged("htu of another path", with("htu", json!(format!("{uri}/other"))), ProofError::WrongTarget),
        damaged("htu with a slash more", with("htu", json!(format!("{origin}/{path}"))), ProofError::WrongTarget),
        damaged("htu of another host", with("htu", json!(format!("{origin}.example{path}"))), ProofError::WrongTarget),
        damaged("htu of another port", with("htu", json!(format!("{origin}:1{path}"))), ProofError::WrongTarget),
        damaged("htu of another scheme", with("htu", json!(other_scheme)), ProofError::WrongTarget),
        damaged("htu in upper case", with("htu", json!(uri.to_uppercase())), ProofError::WrongTarget),
        damaged("no iat", without("iat"), ProofError::MissingClaim),
        damaged("iat as text", with("iat", json!(now.to_string())), ProofError::InvalidClaim),
        damaged("iat in milliseconds", with("iat", json!(now.saturating_mul(1000))), ProofError::FromFuture),
        damaged("iat too old", with("iat", json!(now - 90)), ProofError::TooOld),
        damaged("iat too far ahead", with("iat", json!(now + 90)), ProofError::FromFuture),
        damaged("exp in the past", with("exp", json!(now - 30)), ProofError::TooOld),
        damaged("exp as text", with("exp", json!("never")), ProofError::InvalidClaim),
        damaged("nbf in the future", with("nbf", json!(now + 30)), ProofError::FromFuture),
        damaged("no ath", without("ath"), ProofError::MissingClaim),
        damaged("ath of another token", with("ath", json!(hash_of("another"))), ProofError::WrongToken),
        damaged("ath with padding", with("ath", json!(format!("{}=", hash_of(token)))), ProofError::WrongToken),
        damaged("ath in base64", with("ath", json!(STANDARD.encode(hash.as_ref()))), ProofError::WrongToken),
        damaged("ath in hexadecimal", with("ath", json!(hexadecimal)), ProofError::WrongToken),
        damaged("the token as ath", with("ath", json!(token)), ProofError::WrongToken),
    ]
}

fn damaged(name: &'static str, proof: impl Into<String>, error: ProofError) -> DamagedProof {
    DamagedProof { name, proof: proof.into(), error }
}

/// `ath`: the SHA-256 of a token in base64url.
fn hash_of(token: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, token.as_bytes()))
}

impl Default for DpopKey {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for DpopKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DpopKey").field("algorithm", &self.0.algorithm()).finish_non_exhaustive()
    }
}

impl fmt::Debug for DamagedProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DamagedProof").field("name", &self.name).field("error", &self.error).finish_non_exhaustive()
    }
}
