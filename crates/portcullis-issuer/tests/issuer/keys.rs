//! Reading signing keys, and what the errors say.

use std::collections::HashMap;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis::ConfigError;
use portcullis::jose::Algorithm;
use portcullis_issuer::{InvalidSigningKey, KeyRing, Signer as _, SigningKey};

/// The algorithms that sign: all but HMAC.
pub(crate) fn algorithms() -> impl Iterator<Item = Algorithm> {
    Algorithm::ALL.iter().copied().filter(|algorithm| !algorithm.is_symmetric())
}

pub(crate) fn pem(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/issuer/keys");
    std::fs::read_to_string(folder.join(format!("{name}.pem"))).unwrap()
}

fn refused(text: &str) -> InvalidSigningKey {
    SigningKey::from_pem(text).unwrap_err()
}

#[test]
fn keys_of_openssl_are_read() {
    for (name, algorithm) in [
        ("ed25519", Algorithm::EdDsa),
        ("p256-pkcs8", Algorithm::Es256),
        ("p256-sec1", Algorithm::Es256),
        ("p256-sec1-with-parameters", Algorithm::Es256),
        ("p384-pkcs8", Algorithm::Es384),
        ("p521-pkcs8", Algorithm::Es512),
        ("rsa-2048-pkcs1", Algorithm::Rs256),
        ("rsa-2048-pkcs8", Algorithm::Rs256),
    ] {
        let key = SigningKey::from_pem(&pem(name)).unwrap();
        assert_eq!(key.algorithm(), algorithm, "{name}");
        assert_eq!(Some(key.id().to_owned()), key.public_key().thumbprint(), "{name}");
    }
    let ids = ["p256-pkcs8", "p256-sec1"].map(|name| SigningKey::from_pem(&pem(name)).unwrap().id().to_owned());
    assert_eq!(ids[0], ids[1], "the form does not change the name of a key");
    assert_eq!(SigningKey::from_pem(&pem("p256-pkcs8")).unwrap().public_key_pem(), pem("p256-public"));
    assert_eq!(SigningKey::from_pem(&pem("rsa-2048-pkcs1")).unwrap().public_key_pem(), pem("rsa-2048-public"));
}

#[test]
fn every_algorithm_is_generated_written_and_read() {
    assert_eq!(algorithms().count(), 13);
    for algorithm in algorithms() {
        let key = SigningKey::generate(algorithm).unwrap();
        let file = key.to_pem().unwrap();
        assert!(file.as_str().lines().all(|line| line.len() <= 64), "{algorithm}");
        let read = SigningKey::from_pem(file.as_str()).unwrap();
        assert_eq!(read.id(), key.id(), "{algorithm}");
        assert_eq!(read.with_algorithm(algorithm).unwrap().algorithm(), algorithm);
    }
    for algorithm in [Algorithm::Hs256, Algorithm::Hs384, Algorithm::Hs512] {
        assert_eq!(SigningKey::generate(algorithm).unwrap_err(), InvalidSigningKey::Symmetric);
    }
}

#[test]
fn rsa_key_serves_one_chosen_algorithm() {
    let key = SigningKey::from_pem(&pem("rsa-2048-pkcs8")).unwrap().with_algorithm(Algorithm::Ps384).unwrap();
    assert_eq!(key.public_key().algorithms(), Algorithm::Ps384.into());
    let unfit = InvalidSigningKey::AlgorithmUnfit { algorithm: Algorithm::Es256 };
    assert_eq!(key.with_algorithm(Algorithm::Es256).unwrap_err(), unfit);
    let key = SigningKey::from_pem(&pem("p256-pkcs8")).unwrap();
    assert!(key.with_algorithm(Algorithm::Es384).is_err());
}

#[test]
fn weak_and_wrong_keys_are_refused() {
    for (name, expected) in [
        ("rsa-512", InvalidSigningKey::RsaModulus { bits: 512 }),
        ("rsa-512-pkcs1", InvalidSigningKey::RsaModulus { bits: 512 }),
        ("rsa-1024", InvalidSigningKey::RsaModulus { bits: 1024 }),
        ("rsa-pss", InvalidSigningKey::UnsupportedType),
        ("rsa-2048-public", InvalidSigningKey::PublicKey),
        ("p256-public", InvalidSigningKey::PublicKey),
        ("rsa-2048-encrypted-pkcs1", InvalidSigningKey::Encrypted),
        ("p256-encrypted", InvalidSigningKey::Encrypted),
        ("secp256k1-pkcs8", InvalidSigningKey::UnsupportedCurve),
        ("secp256k1-sec1", InvalidSigningKey::UnsupportedCurve),
        ("ed448", InvalidSigningKey::UnsupportedType),
        ("x25519", InvalidSigningKey::UnsupportedType),
        ("openssh", InvalidSigningKey::OpenSsh),
    ] {
        assert_eq!(refused(&pem(name)), expected, "{name}");
    }
    let both = [pem("ed25519"), pem("p256-pkcs8")].concat();
    assert_eq!(refused(&both), InvalidSigningKey::SeveralKeys);
    assert_eq!(refused(&pem("rsa-2048-pkcs8").replace("PRIVATE", "DSA PRIVATE")), InvalidSigningKey::UnsupportedType);
    assert_eq!(refused(""), InvalidSigningKey::Pem);
    assert!(
        SigningKey::from_pem(&[pem("p256-public"), pem("p256-pkcs8")].concat()).is_ok(),
        "a key and its public key"
    );
}

#[test]
fn error_of_a_weak_key_says_how_to_make_one() {
    let text = refused(&pem("rsa-512")).to_string();
    assert!(text.starts_with("the RSA key has 512 bits"), "{text}");
    assert!(text.contains("it must have 2048 to 8192 bits"), "{text}");
    assert!(text.contains("openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out private.pem"), "{text}");
    for name in ["rsa-2048-public", "p256-encrypted", "secp256k1-pkcs8", "ed448", "openssh"] {
        let text = refused(&pem(name)).to_string();
        assert!(text.contains("openssl") || text.contains("needs the private key"), "{name}: {text}");
    }
}

#[test]
fn damaged_keys_are_refused_without_a_panic() {
    let names = ["ed25519", "p256-pkcs8", "p256-sec1", "p384-pkcs8", "rsa-2048-pkcs1", "rsa-2048-pkcs8", "rsa-512"];
    let mut refusals = 0;
    for name in names {
        let parsed = pem::parse(pem(name)).unwrap();
        let read = |der: &[u8]| {
            let text = pem::encode(&pem::Pem::new(parsed.tag(), der));
            SigningKey::from_pem(&text).map(|key| key.id().to_owned())
        };
        let whole = read(parsed.contents());
        for at in 0..parsed.contents().len() {
            if at % (1 + parsed.contents().len() / 100) != 0 {
                continue;
            }
            assert!(read(&parsed.contents()[..at]).is_err(), "{name}: {at} bytes");
            for change in [0x01, 0x80, 0xff] {
                let mut der = parsed.contents().to_vec();
                der[at] ^= change;
                // A change of the private number of Ed25519 makes another good key, never a damaged one.
                let result = read(&der);
                refusals += usize::from(result.is_err());
                assert!(result.is_err() || result != whole || name.starts_with("rsa"), "{name}: byte {at}");
            }
        }
        assert!(read(&[parsed.contents(), b"x"].concat()).is_err(), "{name}: a byte too many");
        // One form under the label of another.
        for tag in ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"].into_iter().filter(|tag| *tag != parsed.tag()) {
            _ = SigningKey::from_pem(&pem::encode(&pem::Pem::new(tag, parsed.contents())));
        }
    }
    assert!(refusals > 500, "{refusals}");
    for text in ["-----BEGIN PRIVATE KEY-----", "-----BEGIN PRIVATE KEY-----\n\n-----END PRIVATE KEY-----\n", "\0", "ä"]
    {
        assert!(SigningKey::from_pem(text).is_err(), "{text}");
    }
}

fn read(variables: &[(&str, &str)]) -> Result<Option<SigningKey>, ConfigError> {
    let variables: HashMap<_, _> = variables.iter().copied().collect();
    SigningKey::from_variables(|name| variables.get(name).map(|value| (*value).to_owned()))
}

#[test]
fn variables_hold_pem_or_base64_of_pem() {
    let (private, public) = (pem("p256-pkcs8"), pem("p256-public"));
    let id = SigningKey::from_pem(&private).unwrap().id().to_owned();
    let wrapped = STANDARD.encode(&private);
    let in_lines: Vec<_> = wrapped.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap()).collect();
    for value in [
        private.clone(),
        private.replace('\n', "\\n"),
        private.replace('\n', "\r\n"),
        wrapped.clone(),
        wrapped.trim_end_matches('=').to_owned(),
        in_lines.join("\n"),
        format!("{wrapped}\n"),
    ] {
        for public in [&public, &STANDARD.encode(&public)] {
            let key = read(&[("JWT_PRIVATE_KEY", &value), ("JWT_PUBLIC_KEY", public)]).unwrap().unwrap();
            assert_eq!(key.id(), id, "{value:?}");
        }
    }
    assert!(read(&[]).unwrap().is_none());
    assert!(read(&[("JWT_PRIVATE_KEY", " ")]).unwrap().is_none());
    let rsa = pem("rsa-2048-pkcs1");
    let key = read(&[("JWT_PRIVATE_KEY", &rsa), ("JWT_ALGORITHM", "PS256")]).unwrap().unwrap();
    assert_eq!(key.algorithm(), Algorithm::Ps256);
}

#[test]
fn twin_of_a_variable_names_a_file() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/issuer/keys");
    let [private, public] = ["p256-pkcs8.pem", "p256-public.pem"].map(|name| folder.join(name).display().to_string());
    assert!(read(&[("JWT_PRIVATE_KEY_FILE", &private), ("JWT_PUBLIC_KEY_FILE", &public)]).unwrap().is_some());
    let error = read(&[("JWT_PRIVATE_KEY_FILE", "/nowhere"), ("JWT_PUBLIC_KEY_FILE", "/nowhere")]).unwrap_err();
    assert_eq!(error.fields().collect::<Vec<_>>(), ["JWT_PRIVATE_KEY_FILE", "JWT_PUBLIC_KEY_FILE"]);
}

#[test]
fn wrong_variables_are_named() {
    let (ec, rsa, weak) = (pem("p256-pkcs8"), pem("rsa-2048-pkcs8"), STANDARD.encode(pem("rsa-512")));
    let (ec_public, rsa_public) = (pem("p256-public"), pem("rsa-2048-public"));
    let not_pem = STANDARD.encode("no PEM");
    for (variables, field, problem) in [
        (vec![("JWT_PRIVATE_KEY", &*weak)], "JWT_PRIVATE_KEY", "the RSA key has 512 bits"),
        (vec![("JWT_PRIVATE_KEY", &*ec_public)], "JWT_PRIVATE_KEY", "a public key or a certificate was given"),
        (vec![("JWT_PRIVATE_KEY", "not base64!")], "JWT_PRIVATE_KEY", "no PEM section"),
        (vec![("JWT_PRIVATE_KEY", &*not_pem)], "JWT_PRIVATE_KEY", "no PEM section"),
        (
            vec![("JWT_PRIVATE_KEY", &*ec), ("JWT_PUBLIC_KEY", &*rsa_public)],
            "JWT_PUBLIC_KEY",
            "the public key does not belong to the private key",
        ),
        (vec![("JWT_PRIVATE_KEY", &*ec), ("JWT_PUBLIC_KEY", &*ec)], "JWT_PUBLIC_KEY", "a private key was given"),
        (vec![("JWT_PUBLIC_KEY", &*ec_public)], "JWT_PUBLIC_KEY", "set without JWT_PRIVATE_KEY"),
        (vec![("JWT_ALGORITHM", "ES256")], "JWT_ALGORITHM", "set without JWT_PRIVATE_KEY"),
        (
            vec![("JWT_PRIVATE_KEY", &*rsa), ("JWT_ALGORITHM", "ES256")],
            "JWT_ALGORITHM",
            "the key cannot sign with ES256",
        ),
        (vec![("JWT_PRIVATE_KEY", &*rsa), ("JWT_ALGORITHM", "HS256")], "JWT_ALGORITHM", "HMAC is not supported"),
        (vec![("JWT_PRIVATE_KEY", &*rsa), ("JWT_ALGORITHM", "none")], "JWT_ALGORITHM", "unknown algorithm"),
        (
            vec![("JWT_PRIVATE_KEY", &*ec), ("JWT_PRIVATE_KEY_FILE", "x")],
            "JWT_PRIVATE_KEY",
            "set together with JWT_PRIVATE_KEY_FILE",
        ),
    ] {
        let error = read(&variables).unwrap_err();
        assert_eq!(error.field(), field, "{error}");
        assert!(error.to_string().contains(problem), "{error}");
        assert!(!error.to_string().contains("BEGIN P") && !error.to_string().contains(&ec[30..60]), "{error}");
    }
}

#[test]
fn no_output_shows_a_private_key() {
    let text = pem("p256-pkcs8");
    let secret = &text.lines().nth(1).unwrap()[20..40];
    let key = SigningKey::from_pem(&text).unwrap();
    let mut shown = format!("{key:?} {:?}", key.to_pem().unwrap());
    assert!(key.to_pem().unwrap().as_str().contains(secret), "the premise");
    let builder = KeyRing::builder().first_key(key);
    shown += &format!("{builder:?}");
    shown += &format!("{:?}", builder.build().unwrap());
    shown += &format!("{:?}", SigningKey::from_pem(&text.replace("MIG", "MIH")).unwrap_err());
    assert!(!shown.contains(secret) && shown.contains("SigningKey") && shown.contains("KeyRing"), "{shown}");
}
