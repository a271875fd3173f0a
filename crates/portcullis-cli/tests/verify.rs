//! Runs `portcullis verify` as a process: exit statuses, every flag, standard input and the configuration file.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

mod support;

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use portcullis::jose::Algorithm;
use portcullis::verifier::jws;
use portcullis_testing::TestIssuer;
use serde_json::json;

use support::{Folder, Outcome, PORTCULLIS, run, verify, verify_with_input};

const ISSUER: &str = "https://issuer.test/";
const AUDIENCE: &str = "https://api.test";

/// An issuer with one key, a file with its key set, and the flags that accept its tokens.
struct Setup {
    folder: Folder,
    issuer: TestIssuer,
    jwks: String,
}

impl Setup {
    fn new(name: &str) -> Self {
        Self::with_algorithm(name, Algorithm::Es256)
    }

    fn with_algorithm(name: &str, algorithm: Algorithm) -> Self {
        let folder = Folder::new(name);
        let issuer = TestIssuer::from_algorithms([algorithm]);
        let jwks = folder.file("jwks.json", issuer.jwks());
        Self { folder, issuer, jwks }
    }

    fn token(&self) -> String {
        self.issuer.token().sign()
    }

    fn flags(&self) -> Vec<&str> {
        vec!["--issuer", ISSUER, "--audience", AUDIENCE, "--jwks", &self.jwks]
    }

    /// Runs the command with the usual flags and `more`.
    fn verify(&self, more: &[&str]) -> Outcome {
        verify(self.flags().into_iter().chain(more.iter().copied()))
    }
}

#[test]
fn accepted_token_keeps_its_claims_as_issued() {
    let setup = Setup::new("accept");
    let payload = format!(
        "{{\"z\":1.0,\r\n \"iss\":\"{ISSUER}\",\t\"aud\":[\"{AUDIENCE}\"],\n\"exp\":99999999999,\"big\":123456789012345678901234567890,\"a\":\"\\u0041\\n\"}}"
    );
    let outcome = setup.verify(&[&setup.issuer.token().payload(payload).sign()]);
    outcome.accepts();
    assert_eq!(
        outcome.stdout,
        format!(
            "{{\"verdict\":\"accept\",\"claims\":{{\"z\":1.0, \"iss\":\"{ISSUER}\",\"aud\":[\"{AUDIENCE}\"],\"exp\":99999999999,\"big\":123456789012345678901234567890,\"a\":\"\\u0041\\n\"}}}}\n"
        ),
        "order, numbers and escapes stay, on one line"
    );
    assert_eq!(outcome.stderr, "");
}

#[test]
fn rejection_has_a_reason_but_no_token() {
    let setup = Setup::new("reject");
    let expired = setup.issuer.token().expired().claim("email", "someone@example.com").sign();
    let outcome = setup.verify(&[&expired]);
    assert_eq!(outcome.rejects(), "expired");
    assert!(
        outcome.stdout.starts_with(r#"{"verdict":"reject","reason":"expired","detail":"expired: exp is "#),
        "{outcome:?}"
    );
    assert!(!outcome.stdout.contains("someone"), "{outcome:?}");
    for forgery in setup.issuer.forgeries() {
        let outcome = setup.verify(&["--", &forgery.token]);
        assert_eq!(outcome.rejects(), forgery.reason.as_str(), "{}", forgery.name);
        let said = outcome.stdout + &outcome.stderr;
        let parts = forgery.token.split('.').filter(|part| part.len() > 8);
        assert!(parts.clone().all(|part| !said.contains(part)), "{}: {said}", forgery.name);
    }
    assert_eq!(setup.verify(&[""]).rejects(), "not_compact_jws");
}

#[test]
fn detail_says_expected_and_actual() {
    let setup = Setup::new("detail");
    let now = 1_700_000_000;
    let token = || setup.issuer.token().issued_at(now).claim("exp", now + 60);
    let detail = |token: &str| {
        let outcome = setup.verify(&["--at", "1700000000", "--", token]);
        outcome.rejects();
        outcome.verdict()["detail"].as_str().unwrap().to_owned()
    };
    for (token, expected) in [
        (
            token().issuer("https://issuer.test").sign(),
            r#"iss is not an accepted issuer: expected "https://issuer.test/", the token has iss "https://issuer.test"; they differ only by the slash at the end: write the issuer as the token has it"#,
        ),
        (
            token().issuer("https://other.test/").sign(),
            r#"iss is not an accepted issuer: expected "https://issuer.test/", the token has iss "https://other.test/""#,
        ),
        (
            token().audience(["a", "b"]).sign(),
            r#"aud has no accepted audience: expected "https://api.test", the token has aud ["a","b"]"#,
        ),
        (
            token().audience("client").claim("nonce", "n").sign(),
            r#"aud has no accepted audience: expected "https://api.test", the token has aud "client"; it looks like an ID token, which is for the client that signed the user in; send the access token"#,
        ),
        (
            token().claim("exp", now - 3600).sign(),
            "expired: exp is 3600 seconds ago (exp 1699996400, now 1700000000, leeway 5)",
        ),
        (
            token().claim("nbf", now + 30).sign(),
            "nbf lies in the future: nbf is 30 seconds from now (nbf 1700000030, now 1700000000, leeway 5)",
        ),
        (
            token().issued_at(now + 30).claim("exp", now + 60).sign(),
            "iat lies in the future: iat is 30 seconds from now (iat 1700000030, now 1700000000, leeway 5)",
        ),
        (
            token().header("kid", "another").sign(),
            r#"no key of the issuer fits the token: the token has kid "another" and alg "ES256""#,
        ),
        (
            token().header("kid", "another").issuer("https://other.test/").sign(),
            r#"no key of the issuer fits the token: the token has kid "another" and alg "ES256", and iss "https://other.test/", where "https://issuer.test/" is expected"#,
        ),
        (
            token().header("typ", "dpop+jwt").sign(),
            r#"typ is not an accepted token type: expected "JWT" or "at+jwt", the token has typ "dpop+jwt""#,
        ),
        (token().without("aud").without("sub").sign(), "claim aud is missing: the token has exp, iat, iss, jti"),
        (token().claim("sub", 7).sign(), "claim sub has a wrong type or value: the token has sub 7"),
        (String::new(), "not three parts, joined by dots: the token is empty"),
        (
            "opaque".to_owned(),
            "not three parts, joined by dots: there is no dot, so it is an opaque token, or not a token",
        ),
        ("a.b".to_owned(), "not three parts, joined by dots: there are 2 parts"),
        ("x".repeat(16_385), "longer than 16384 bytes: the token has 16385 bytes"),
    ] {
        assert_eq!(detail(&token), expected);
    }
    let hmac = TestIssuer::from_algorithms([Algorithm::Hs256]).token().sign();
    assert!(detail(&hmac).ends_with(r#"expected ES256, the token has alg "HS256""#), "{}", detail(&hmac));
    let long = detail(&token().audience("x".repeat(5_000)).sign());
    assert!(long.chars().count() < 400 && long.ends_with('…'), "{long}");
}

#[test]
fn detail_says_what_to_remove_from_a_pasted_token() {
    let setup = Setup::new("pasted");
    let good = setup.token();
    let (start, end) = good.split_at(40);
    for (pasted, removes) in [
        (format!("Bearer {good}"), "remove the word Bearer"),
        (format!("Authorization: Bearer {good}"), "the field name Authorization"),
        (format!("\"{good}\""), "remove the quotes around it"),
        (format!("{good}\n"), "remove the white space around it"),
        (format!("{start}\n{end}"), "remove the line breaks in it"),
        (format!("{start} {end}"), "remove the white space in it"),
        (format!("{good}="), "remove the padding (=) of its parts"),
        (format!("\u{feff}{good}"), "remove the invisible characters around it"),
    ] {
        let outcome = setup.verify(&["--", &pasted]);
        assert_eq!(outcome.rejects(), "malformed", "{pasted:?}");
        let detail = outcome.verdict()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(removes), "{detail}");
    }
    setup.verify(&[&good]).accepts();
}

/// Whether a terminal could obey or hide a character of the output.
fn has_odd_characters(outcome: &Outcome) -> bool {
    let is_odd = |char: char| {
        let is_format = matches!(char, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}');
        is_format || (char.is_control() && char != '\n')
    };
    [&outcome.stdout, &outcome.stderr].iter().any(|text| text.contains(is_odd))
}

#[test]
fn odd_characters_of_tokens_are_escaped() {
    let setup = Setup::new("odd-characters");
    let odd = "\u{1b}[2J\u{7f}\u{85}\u{9b}31m\u{202e}\u{2066}\u{200b}\u{feff}\u{2028}\u{e0041}é";
    // JSON must escape C0 in strings, and everything else may be written as it is.
    let odd_json = serde_json::to_string(odd).unwrap();
    let payload = |issuer: &str, audience: &str| {
        format!("{{\"iss\":{issuer},\t\"aud\":{audience},\r\n\"exp\":99999999999,\"name\":{odd_json},{odd_json}:1}}")
    };
    let (issuer, audience) = (format!("\"{ISSUER}\""), format!("\"{AUDIENCE}\""));
    let accepted = setup.verify(&[&setup.issuer.token().payload(payload(&issuer, &audience)).sign()]);
    let verdict = accepted.accepts();
    assert!(!has_odd_characters(&accepted), "{accepted:?}");
    assert_eq!(verdict["claims"]["name"], odd, "the value stays the same");
    assert!(accepted.stdout.contains(r"\u202e") && accepted.stdout.contains(r"\udb40\udc41é"), "{accepted:?}");

    let refused = [
        setup.issuer.token().payload(payload(&odd_json, &audience)).sign(),
        setup.issuer.token().payload(payload(&issuer, &odd_json)).sign(),
        setup.issuer.token().payload(format!("{{{odd_json}:1}}")).sign(),
        setup.issuer.token().header("kid", odd).sign(),
        setup.issuer.token().header("typ", odd).sign(),
        setup.issuer.token().header("alg", odd).sign(),
        setup.issuer.token().claim("sub", [odd]).sign(),
        odd.to_owned(),
    ];
    for token in refused {
        let outcome = setup.verify(&["--", &token]);
        outcome.rejects();
        assert!(!has_odd_characters(&outcome), "{outcome:?}");
    }
    // Names, paths and key sets are outside input as well.
    let set = json!({"keys": [{"kty": odd, "kid": odd, "alg": odd, "crv": odd}, setup.issuer.first_key().jwk()]});
    let file = setup.folder.file("\u{202e}\u{9b}.json", set.to_string());
    let with_set = verify(["--any-issuer", "--any-audience", "--jwks", &file, &setup.token()]);
    with_set.accepts();
    let keys = |arguments: &[&str]| run([&["keys"], arguments].concat().into_iter().map(str::to_owned), b"");
    for outcome in [
        with_set,
        keys(&[&file]),
        keys(&["--json", &file]),
        verify(["--any-issuer", "--any-audience", "--jwks", &format!("/nonexistent/{odd}"), "t"]),
        verify(["--config", &format!("/nonexistent/{odd}.toml"), "t"]),
        verify([&format!("--{odd}"), "t"]),
        verify(["--leeway", odd, "t"]),
        run([odd.to_owned()], b""),
    ] {
        assert!(!has_odd_characters(&outcome), "{outcome:?}");
    }
    assert_eq!(keys(&["--json", &file]).verdict()["keys"][0]["kid"], odd);
}

#[test]
fn issuer_and_audience_flags_are_required() {
    let setup = Setup::new("issuer-audience");
    let token = setup.token();
    let with = |flags: &[&str]| verify(flags.iter().copied().chain(["--jwks", &setup.jwks, &token]));
    let missing = with(&["--audience", AUDIENCE]);
    assert!(missing.fails().contains("--issuer ISSUER") && missing.fails().contains("--any-issuer"));
    let missing = with(&["--issuer", ISSUER]);
    assert!(missing.fails().contains("--audience AUDIENCE") && missing.fails().contains("--any-audience"));

    with(&["--any-issuer", "--any-audience"]).accepts();
    with(&["--issuer", "other", "--issuer", ISSUER, "--audience", "other", "--audience", AUDIENCE]).accepts();
    assert_eq!(with(&["--issuer", "other", "--any-audience"]).rejects(), "wrong_issuer");
    assert_eq!(with(&["--any-issuer", "--audience", "other"]).rejects(), "wrong_audience");

    assert!(with(&["--issuer", ISSUER, "--any-issuer", "--any-audience"]).fails().contains("--any-issuer"));
    assert!(with(&["--any-issuer", "--any-audience", "--audience", "a"]).fails().contains("--any-audience"));
    assert!(with(&["--issuer", "", "--any-audience"]).fails().contains("--issuer: "));
    assert!(with(&["--any-issuer", "--audience", ""]).fails().contains("--audience: "));
}

#[test]
fn set_jwk_pem_and_der_keys_work() {
    for algorithm in [Algorithm::Rs256, Algorithm::Es512, Algorithm::EdDsa] {
        let setup = Setup::with_algorithm(&format!("keys-{algorithm}"), algorithm);
        let key = setup.issuer.first_key();
        let files = [
            ("--jwks", setup.jwks.clone()),
            ("--jwks", setup.folder.file("jwk.json", key.jwk().to_string())),
            ("--public-key", setup.folder.file("key.pem", key.public_key_pem().unwrap())),
            ("--public-key", setup.folder.file("key.der", key.public_key_der().unwrap())),
            ("--public-key", setup.folder.file("key.txt", bare_base64(&key.public_key_pem().unwrap()))),
        ];
        for (flag, file) in files {
            verify(["--issuer", ISSUER, "--audience", AUDIENCE, flag, &file, &setup.token()]).accepts();
        }
    }
}

/// Returns the base64 text of a PEM text.
fn bare_base64(pem: &str) -> String {
    pem.lines().filter(|line| !line.starts_with("-----")).collect()
}

#[test]
fn unintended_secret_is_noted() {
    let setup = Setup::new("unintended-secret");
    let with = |content: &str| {
        let file = setup.folder.file("secret.txt", content);
        verify(["--any-issuer", "--any-audience", "--secret", &file, "no token"])
    };
    let line_break = with("a secret of at least 32 bytes, in a file\n");
    assert!(line_break.stderr.starts_with("note: the secret ends with a line break"), "{line_break:?}");
    let base64 = with("kq8BYuRCI5u5mjVIlwnPBjroG7H/df+8BAw4Thi5oAM=");
    assert!(base64.stderr.starts_with("note: the secret is base64 text"), "{base64:?}");
    assert_eq!(with("a secret of at least 32 bytes, in a file").stderr, "");
}

#[test]
fn unusable_key_error_names_its_flag() {
    let setup = Setup::new("bad-keys");
    let file = |name: &str, content: &[u8]| setup.folder.file(name, content);
    let secret_jwk = r#"{"kty":"oct","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}"#;
    let cases = [
        ("--jwks", "/nonexistent".to_owned(), "/nonexistent"),
        ("--jwks", file("text.json", b"no json"), "JWK Set"),
        ("--jwks", file("empty.json", br#"{"keys":[]}"#), "no key of the set can be used"),
        ("--jwks", file("oct.json", secret_jwk.as_bytes()), "--secret FILE"),
        ("--jwks", file("octs.json", format!(r#"{{"keys":[{secret_jwk}]}}"#).as_bytes()), "--secret FILE"),
        ("--jwks", file("binary.json", b"\xff\xfe"), "UTF-8"),
        ("--jwks", file("huge.json", &vec![b' '; 1024 * 1024 + 1]), "1 MiB"),
        ("--public-key", "/nonexistent".to_owned(), "/nonexistent"),
        ("--public-key", file("text.pem", b"no key"), "DER"),
        (
            "--public-key",
            file("private.pem", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
            "-pubout",
        ),
        ("--public-key", setup.jwks.clone(), "--jwks FILE"),
        ("--secret", file("short.bin", b"only a few bytes"), "32"),
        ("--secret", file("key.pem", setup.issuer.public_key_pem().as_bytes()), "--public-key FILE"),
        ("--secret", file("key.der", &setup.issuer.first_key().public_key_der().unwrap()), "--public-key FILE"),
        ("--secret", file("ec.json", setup.issuer.first_key().jwk().to_string().as_bytes()), "--jwks FILE"),
        ("--secret", setup.jwks.clone(), "key 0"),
        ("--secret", file("none.json", br#"{"keys":[]}"#), "empty"),
    ];
    for (flag, path, expected) in cases {
        let outcome = verify(["--any-issuer", "--any-audience", flag, &path, &setup.token()]);
        let message = outcome.fails();
        assert!(message.starts_with(&format!("error: {flag}: ")) && message.contains(expected), "{path}: {message}");
    }
    let none = verify(["--any-issuer", "--any-audience", &setup.token()]);
    assert!(none.fails().contains("--jwks FILE, --jwks-url URL, --public-key FILE or --secret FILE"));
    let two = setup.verify(&["--public-key", &setup.jwks, &setup.token()]);
    assert!(two.fails().contains("cannot be used with"));
}

#[test]
fn skipped_key_is_reported() {
    let setup = Setup::new("skipped");
    let set = json!({"keys": [{"kty": "EC", "crv": "secp256k1", "kid": "odd"}, setup.issuer.first_key().jwk()]});
    let jwks = setup.folder.file("mixed.json", set.to_string());
    let outcome = verify(["--any-issuer", "--any-audience", "--jwks", &jwks, &setup.token()]);
    outcome.accepts();
    assert!(outcome.stderr.contains("key 0 (kid \"odd\"): unsupported curve"), "{}", outcome.stderr);
}

#[test]
fn secret_is_read_only_from_its_flag() {
    let setup = Setup::with_algorithm("secret", Algorithm::Hs512);
    let key = setup.issuer.first_key();
    let bytes = key.secret().unwrap();
    let other = TestIssuer::from_algorithms([Algorithm::Hs512]).first_key().jwk();
    let mut renamed = other.clone();
    renamed["kid"] = "another".into();
    let token = setup.token();
    let with = |file: &str| verify(["--issuer", ISSUER, "--audience", AUDIENCE, "--secret", file, &token]);
    with(&setup.folder.file("secret.bin", bytes)).accepts();
    with(&setup.folder.file("secret.json", key.jwk().to_string())).accepts();
    with(&setup.folder.file("set.json", json!({"keys": [key.jwk(), renamed]}).to_string())).accepts();
    // Two keys have the same `kid`, so the choice is ambiguous.
    let set = json!({"keys": [key.jwk(), other]});
    assert_eq!(with(&setup.folder.file("twice.json", set.to_string())).rejects(), "ambiguous_key");
    assert_eq!(with(&setup.folder.file("other.bin", [7; 64])).rejects(), "bad_signature");
    // A line break at the end is part of the secret.
    assert_eq!(with(&setup.folder.file("line.bin", [bytes, b"\n"].concat())).rejects(), "bad_signature");

    let given_itself = with("a secret of more than 32 bytes, typed where a file belongs");
    assert!(given_itself.fails().contains("not the secret itself"));
    assert!(!given_itself.stderr.contains("typed"), "{}", given_itself.stderr);
    let asymmetric = Setup::new("secret-hmac-with-public-key");
    let outcome = asymmetric.verify(&["--alg", "HS256", &token]);
    assert!(outcome.fails().contains("--alg: ") && outcome.fails().contains("ES256"), "{outcome:?}");
    assert_eq!(asymmetric.verify(&[&token]).rejects(), "algorithm_not_allowed");
}

#[test]
fn blank_flag_is_an_error() {
    let setup = Setup::new("blank");
    let token = setup.token();
    let usual = [("--issuer", ISSUER), ("--audience", AUDIENCE), ("--jwks", &setup.jwks)];
    let sources = ["--jwks", "--jwks-url", "--public-key", "--secret"];
    for flag in sources.into_iter().chain(["--issuer", "--audience", "--alg", "--leeway", "--typ", "--require"]) {
        for blank in ["", " "] {
            let others = usual
                .iter()
                .filter(|(other, _)| *other != flag && !(sources.contains(other) && sources.contains(&flag)));
            let others = others.flat_map(|(flag, value)| [*flag, value]);
            let outcome = verify(others.chain([flag, blank, &token]));
            assert!(outcome.fails().contains(flag), "{flag} {blank:?}: {outcome:?}");
        }
    }
    for flag in ["--typ", "--require"] {
        let outcome = setup.verify(&[flag, "sub", flag, "", &token]);
        assert!(outcome.fails().starts_with(&format!("error: {flag}: an item of the list is blank; ")), "{outcome:?}");
    }
    let clerk = ["--clerk-frontend-api", "clerk.example.com", "--jwks", &setup.jwks, "--authorized-party", "", &token];
    assert!(verify(clerk).fails().contains("--authorized-party"));
}

#[test]
fn only_allowed_algorithms_pass() {
    let setup = Setup::with_algorithm("alg", Algorithm::Rs256);
    // A key without `alg` may be used with every algorithm of its type.
    let pem = setup.folder.file("key.pem", setup.issuer.public_key_pem());
    let with = |flags: &[&str]| {
        let usual = ["--any-issuer", "--any-audience", "--public-key", &pem];
        verify(usual.into_iter().chain(flags.iter().copied()).chain([setup.token().as_str()]))
    };
    with(&[]).accepts();
    with(&["--alg", "PS256", "--alg", "RS256"]).accepts();
    assert_eq!(with(&["--alg", "PS256"]).rejects(), "algorithm_not_allowed");
    for name in ["none", "rs256", "HS", ""] {
        let outcome = with(&["--alg", name]);
        assert!(outcome.fails().contains("--alg") && outcome.fails().contains("RS256, RS384"), "{outcome:?}");
    }
    assert!(with(&["--alg", "ES256"]).fails().starts_with("error: --alg: "));
}

#[test]
fn clock_and_leeway_can_be_set() {
    let setup = Setup::new("time");
    let now = 1_700_000_000;
    let token = setup.issuer.token().issued_at(now).claim("exp", now + 60).sign();
    let at = |seconds: i64, more: &[&str]| {
        let seconds = seconds.to_string();
        setup.verify(&[&["--at", &seconds, &token], more].concat())
    };
    assert_eq!(setup.verify(&[&token]).rejects(), "expired");
    at(now, &[]).accepts();
    at(now + 64, &[]).accepts();
    assert_eq!(at(now + 65, &[]).rejects(), "expired");
    assert_eq!(at(now + 60, &["--leeway", "0"]).rejects(), "expired");
    at(now + 59, &["--leeway", "0"]).accepts();
    at(now + 659, &["--leeway", "600"]).accepts();
    assert_eq!(at(now - 6, &[]).rejects(), "issued_in_future");
    assert_eq!(at(-1, &[]).rejects(), "issued_in_future");
    // Dates beyond the range of nanoseconds in 64 bits are accepted.
    assert_eq!(at(i64::MAX, &[]).rejects(), "expired");
    assert!(at(now, &["--leeway", "601"]).fails().starts_with("error: --leeway: "));
    for (flag, value) in [("--leeway", "-1"), ("--leeway", "soon"), ("--at", "2020-01-01"), ("--at", "1e9")] {
        let outcome = setup.verify(&[flag, value, &token]);
        assert!(outcome.fails().contains(flag), "{outcome:?}");
    }
}

#[test]
fn typ_replaces_the_accepted_types() {
    let setup = Setup::new("typ");
    let access = setup.token();
    let logout = setup.issuer.token().header("typ", "logout+jwt").sign();
    let untyped = setup.issuer.token().without_header("typ").sign();
    setup.verify(&[&access]).accepts();
    setup.verify(&[&untyped]).accepts();
    assert_eq!(setup.verify(&[&logout]).rejects(), "wrong_type");
    setup.verify(&["--typ", "logout+jwt", &logout]).accepts();
    setup.verify(&["--typ", "logout+jwt", "--typ", "at+jwt", &access]).accepts();
    assert_eq!(setup.verify(&["--typ", "logout+jwt", &access]).rejects(), "wrong_type");
    assert_eq!(setup.verify(&["--typ", "at+jwt", &untyped]).rejects(), "wrong_type");
    assert!(setup.verify(&["--typ", "", &access]).fails().starts_with("error: --typ: "));
}

#[test]
fn claims_can_be_required_and_exp_waived() {
    let setup = Setup::new("require");
    let token = setup.issuer.token().claim("org", 1).sign();
    setup.verify(&["--require", "org", "--require", "jti", &token]).accepts();
    let outcome = setup.verify(&["--require", "org", "--require", "tenant", &token]);
    assert_eq!(outcome.rejects(), "missing_claim");
    assert!(outcome.stdout.contains("tenant"));
    assert!(setup.verify(&["--require", "", &token]).fails().starts_with("error: --require: "));

    let forever = setup.issuer.token().without("exp").sign();
    assert_eq!(setup.verify(&[&forever]).rejects(), "missing_claim");
    setup.verify(&["--allow-missing-exp", &forever]).accepts();
    assert_eq!(setup.verify(&["--allow-missing-exp", &setup.issuer.token().expired().sign()]).rejects(), "expired");
}

#[test]
fn jws_stops_after_the_signature() {
    let setup = Setup::new("jws");
    let token = setup.issuer.token().payload(*b"\xffno json").sign();
    let with = |flags: &[&str]| verify(["--jws", "--jwks", &setup.jwks].iter().chain(flags));
    let outcome = with(&[&token]);
    outcome.accepts();
    assert_eq!(outcome.stdout, "{\"verdict\":\"accept\",\"payload\":\"_25vIGpzb24\"}\n");
    with(&[&setup.issuer.token().payload("").expired().sign()]).accepts();
    // Flags that add no check are accepted.
    with(&["--any-issuer", "--any-audience", "--at", "0", "--leeway", "1", "--allow-missing-exp", &token]).accepts();

    let mut tampered = token.clone();
    tampered.replace_range(
        token.len() - 8..token.len() - 7,
        if token.as_bytes()[token.len() - 8] == b'A' { "B" } else { "A" },
    );
    assert_eq!(with(&[&tampered]).rejects(), "bad_signature");
    assert_eq!(with(&["--alg", "ES256", "{}"]).rejects(), "not_compact_jws");
    assert!(with(&["--alg", "ES384", &token]).fails().starts_with("error: --alg: "));
    // A flag for a check that `--jws` skips is refused.
    for flag in ["--issuer", "--audience", "--typ", "--require"] {
        let outcome = with(&[flag, "x", &token]);
        assert!(outcome.fails().contains(flag) && outcome.fails().contains("--jws"), "{outcome:?}");
    }
}

#[test]
fn every_line_of_standard_input_gets_one_verdict() {
    let setup = Setup::new("lines");
    let (good, expired) = (setup.token(), setup.issuer.token().expired().sign());
    let with = |input: &[u8]| verify_with_input(setup.flags().into_iter().chain(["-"]), input);
    let verdicts = |outcome: &Outcome| {
        let reasons = outcome.verdicts().into_iter();
        reasons.map(|verdict| verdict["reason"].as_str().unwrap_or("accept").to_owned()).collect::<Vec<_>>()
    };

    let all_good = with(format!("{good}\r\n{good}\n{good}").as_bytes());
    assert_eq!((all_good.status, verdicts(&all_good)), (0, vec!["accept".to_owned(); 3]));

    let limit = jws::DEFAULT_MAX_BYTES;
    let mut input = format!("{good}\n{expired}\n\n").into_bytes();
    input.extend([b"x".repeat(limit), b"\n".to_vec(), b"x".repeat(limit + 1), b"\n".to_vec()].concat());
    input.extend([b".".repeat(3 * limit), b"\n \xff\n".to_vec(), good.clone().into_bytes(), b"\n".to_vec()].concat());
    let mixed = with(&input);
    assert_eq!(mixed.status, 1);
    assert_eq!(
        verdicts(&mixed),
        [
            "accept",
            "expired",
            "not_compact_jws",
            "not_compact_jws",
            "too_large",
            "too_large",
            "not_compact_jws",
            "accept"
        ]
    );
    // A space before or after a token makes it malformed. The command does not trim lines.
    assert_eq!(verdicts(&with(format!(" {good}\n{good} \n").as_bytes())), ["malformed", "malformed"]);
}

#[test]
fn empty_input_is_an_error() {
    let setup = Setup::new("empty-input");
    let with = |input: &[u8]| verify_with_input(setup.flags().into_iter().chain(["-"]), input);
    assert!(with(b"").fails().contains("standard input is empty"));
    assert_eq!(with(b"\n").rejects(), "not_compact_jws");
}

#[test]
fn closed_output_ends_the_command_quietly() {
    let setup = Setup::new("broken-pipe");
    let mut child = Command::new(PORTCULLIS)
        .arg("verify")
        .args(setup.flags())
        .arg("-")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let token = setup.token();
    writeln!(stdin, "{token}").unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut first = String::new();
    stdout.read_line(&mut first).unwrap();
    assert!(first.contains("accept"), "verdicts come line by line, not at the end");
    drop(stdout);
    // The command ends when it cannot write a verdict. After that, writing a token fails.
    while writeln!(stdin, "{token}").is_ok() {}
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "not every token was accepted");
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

#[test]
fn usage_errors_do_not_repeat_tokens() {
    let setup = Setup::new("usage");
    let token = setup.token();
    assert!(setup.verify(&[]).fails().contains("or - to read one per line"));
    for outcome in [
        setup.verify(&[&token, &token]),
        run([token.clone()], b""),
        setup.verify(&["--leeway", &token]),
        setup.verify(&[&format!("--{token}")]),
    ] {
        assert!(!outcome.fails().contains(&token[..10]), "{}", outcome.stderr);
    }
    assert!(setup.verify(&["--unknown", &token]).fails().contains("--unknown"));
    // An argument that is not UTF-8 is rejected as malformed.
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt as _;
        let odd = std::ffi::OsStr::from_bytes(b"\xff.b.c");
        let output = Command::new(PORTCULLIS).arg("verify").args(setup.flags()).arg(odd).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8(output.stdout).unwrap().contains("malformed"));
    }
}

#[test]
fn help_has_examples() {
    let help = verify(["--help"]);
    assert_eq!((help.status, help.stderr.as_str()), (0, ""));
    for text in ["portcullis verify --issuer", "--jws", "--config", "Exit status", "--allow-missing-exp"] {
        assert!(help.stdout.contains(text), "{text}");
    }
    assert_eq!(run(["--version".to_owned()], b"").stdout, format!("portcullis {}\n", env!("CARGO_PKG_VERSION")));
    assert_eq!(run([], b"").status, 2);
}

#[test]
fn flags_override_the_configuration_file() {
    let setup = Setup::new("config");
    let members = json!({
        "issuer": ISSUER, "audience": ["other", AUDIENCE], "jwks_file": setup.jwks, "algorithms": ["ES256"],
        "leeway_seconds": 0, "typ": ["at+jwt"],
    });
    let json = setup.folder.file("c.json", members.to_string());
    let toml = setup.folder.file(
        "c.toml",
        format!(
            "issuer = '{ISSUER}'\naudience = ['other', '{AUDIENCE}']\njwks_file = '{}'\nalgorithms = ['ES256']\n\
             leeway_seconds = 0\ntyp = ['at+jwt']\n",
            setup.jwks
        ),
    );
    let now = 1_700_000_000;
    let token = setup.issuer.token().issued_at(now).claim("exp", now + 60).sign();
    let stranger = TestIssuer::from_algorithms([Algorithm::Es256]);
    let strange = setup.folder.file("strange.json", stranger.jwks());
    let pem = setup.folder.file("key.pem", setup.issuer.public_key_pem());
    for file in [&json, &toml] {
        let with = |more: &[&str]| {
            verify(["--config", file, "--at", "1700000061"].into_iter().chain(more.iter().copied()).chain([&*token]))
        };
        assert_eq!(with(&[]).rejects(), "expired");
        with(&["--leeway", "5"]).accepts();
        with(&["--at-is-no-flag"]).fails();
        assert_eq!(with(&["--leeway", "5", "--issuer", "x"]).rejects(), "wrong_issuer");
        assert_eq!(with(&["--leeway", "5", "--audience", "x"]).rejects(), "wrong_audience");
        assert_eq!(with(&["--leeway", "5", "--audience", "x", "--jwks", &strange]).rejects(), "bad_signature");
        assert_eq!(with(&["--leeway", "5", "--typ", "JWT"]).rejects(), "wrong_type");
        with(&["--leeway", "5", "--public-key", &pem, "--any-issuer"]).accepts();
        with(&["--jws"]).accepts();
        assert!(with(&["--alg", "RS256"]).fails().starts_with("error: --alg: "));
    }
    // A flag replaces any key source in the file.
    for source in ["jwks_url", "jwks_file", "secret_file"] {
        let members = json!({"issuer": ISSUER, "audience": AUDIENCE, source: "https://unused.example/"});
        let file = setup.folder.file("source.json", members.to_string());
        verify(["--config", &file, "--public-key", &pem, &setup.token()]).accepts();
    }
    // Flags can add the members that the file leaves out.
    let partial = setup.folder.file("partial.json", json!({"issuer": ISSUER}).to_string());
    verify(["--config", &partial, "--audience", AUDIENCE, "--jwks", &setup.jwks, &setup.token()]).accepts();
    verify(["--config", &partial, "--jws", "--jwks", &setup.jwks, &setup.token()]).accepts();
}

#[test]
fn configuration_file_errors_name_the_file() {
    let setup = Setup::new("bad-config");
    let file = |name: &str, content: &str| setup.folder.file(name, content);
    let cases = [
        ("/nonexistent.toml".to_owned(), "--config"),
        (file("c.yaml", "issuer: x"), "neither .toml nor .json"),
        (file("no-extension", "{}"), "neither .toml nor .json"),
        (file("broken.json", "{"), "JSON"),
        (file("array.json", "[]"), "JSON"),
        (
            file("twice.json", r#"{"issuer":"i","audience":"a","audience":"b","jwks_file":"k"}"#),
            "audience: given twice",
        ),
        (file("twice.toml", "issuer = 'i'\naudience = 'a'\naudience = 'b'\njwks_file = 'k'\n"), "duplicate key"),
        (file("unknown.json", r#"{"issuer":"i","audience":"a","jwks_file":"k","audiences":"b"}"#), "audiences"),
        (
            file("none.json", r#"{"issuer":"i","audience":"a","jwks_file":"k","algorithms":["none"]}"#),
            "error: algorithms in ",
        ),
        (
            file("type.json", r#"{"issuer":"i","audience":"a","jwks_file":"k","leeway_seconds":"5"}"#),
            "error: leeway_seconds in ",
        ),
        (
            file("two.json", r#"{"issuer":"i","audience":"a","jwks_file":"k","secret_file":"s"}"#),
            "more than one source",
        ),
        (file("url.json", r#"{"issuer":"i","audience":"a","jwks_url":"http://i.example/keys"}"#), "jwks_url in "),
        // Without a key source, the keys come from the issuer's metadata. This issuer is not a URL.
        (file("no-keys.json", r#"{"issuer":"i","audience":"a"}"#), "issuer in "),
        (file("no-keys-either.json", r#"{"issuer":["i","j"],"audience":"a"}"#), "exactly one issuer"),
        (file("no-issuer.json", r#"{"audience":"a","jwks_file":"k"}"#), "--issuer"),
        (
            file("empty.json", &json!({"issuer": "", "audience": "a", "jwks_file": setup.jwks}).to_string()),
            "issuer in ",
        ),
        (
            file(
                "late.json",
                &json!({"issuer": "i", "audience": "a", "jwks_file": setup.jwks, "leeway_seconds": 601}).to_string(),
            ),
            "leeway_seconds in ",
        ),
        (file("absent.json", r#"{"issuer":"i","audience":"a","jwks_file":"/nonexistent"}"#), "jwks_file in "),
    ];
    for (path, expected) in cases {
        let outcome = verify(["--config", &path, &setup.token()]);
        assert!(outcome.fails().contains(expected), "{path}: {outcome:?}");
    }
    // A line that is not TOML may contain a secret, so the message does not repeat it.
    let broken = file("broken.toml", "secret = hunter2 and more\n");
    let outcome = verify(["--config", &broken, &setup.token()]);
    assert!(outcome.fails().contains("TOML") && !outcome.stderr.contains("hunter2"), "{outcome:?}");
}
