//! The bare signature check: aws-lc's own call, with a prepared key. It does not use this library, so that a change of the library
//! does not move what it is compared with.

use std::hint::black_box;

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{self, ParsedPublicKey, RsaParameters, RsaPublicKeyComponents, VerificationAlgorithm};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis::jose::Algorithm;
use serde_json::Value;

/// A key that aws-lc prepared.
pub(crate) enum BareKey {
    Public(ParsedPublicKey),
    Secret(Box<hmac::Key>),
}

impl BareKey {
    /// The key of a JWK.
    pub(crate) fn new(algorithm: Algorithm, jwk: &Value) -> Self {
        let part = |name: &str| {
            let encoded = jwk.get(name).and_then(Value::as_str).expect("a complete JWK");
            URL_SAFE_NO_PAD.decode(encoded).expect("base64url")
        };
        let secret = |hash| Self::Secret(Box::new(hmac::Key::new(hash, &part("k"))));
        let public = |parameters: &'static dyn VerificationAlgorithm, key: Vec<u8>| {
            Self::Public(ParsedPublicKey::new(parameters, key).expect("a good key"))
        };
        let rsa = |parameters: &'static RsaParameters| {
            let components = RsaPublicKeyComponents { n: part("n"), e: part("e") };
            Self::Public(components.to_parsed_public_key(parameters).expect("a good key"))
        };
        let point = || [vec![4], part("x"), part("y")].concat();
        match algorithm {
            Algorithm::Es256 => public(&signature::ECDSA_P256_SHA256_FIXED, point()),
            Algorithm::Es384 => public(&signature::ECDSA_P384_SHA384_FIXED, point()),
            Algorithm::Es512 => public(&signature::ECDSA_P521_SHA512_FIXED, point()),
            Algorithm::EdDsa => public(&signature::ED25519, part("x")),
            Algorithm::Hs256 => secret(hmac::HMAC_SHA256),
            Algorithm::Hs384 => secret(hmac::HMAC_SHA384),
            Algorithm::Hs512 => secret(hmac::HMAC_SHA512),
            Algorithm::MlDsa44 => public(&signature::ML_DSA_44, part("pub")),
            Algorithm::MlDsa65 => public(&signature::ML_DSA_65, part("pub")),
            Algorithm::MlDsa87 => public(&signature::ML_DSA_87, part("pub")),
            Algorithm::Ps256 => rsa(&signature::RSA_PSS_2048_8192_SHA256),
            Algorithm::Ps384 => rsa(&signature::RSA_PSS_2048_8192_SHA384),
            Algorithm::Ps512 => rsa(&signature::RSA_PSS_2048_8192_SHA512),
            Algorithm::Rs256 => rsa(&signature::RSA_PKCS1_2048_8192_SHA256),
            Algorithm::Rs384 => rsa(&signature::RSA_PKCS1_2048_8192_SHA384),
            Algorithm::Rs512 => rsa(&signature::RSA_PKCS1_2048_8192_SHA512),
            other => panic!("{other} is not measured"),
        }
    }

    /// Checks a signature, which must be good.
    pub(crate) fn check(&self, message: &[u8], signature: &[u8]) {
        let (message, signature) = (black_box(message), black_box(signature));
        let checked = match self {
            Self::Public(key) => key.verify_sig(message, signature),
            Self::Secret(key) => hmac::verify(key, message, signature),
        };
        assert!(checked.is_ok());
    }
}
