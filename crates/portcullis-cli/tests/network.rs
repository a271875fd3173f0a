//! Runs `portcullis verify` and `portcullis keys` as processes that fetch keys from an issuer on this machine.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

mod support;

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use portcullis::jose::Algorithm;
use portcullis_testing::{Endpoint, Fault, IssuerServer, TestIssuer};
use serde_json::{Value, json};

use support::{Folder, Outcome, PORTCULLIS, run, verify, verify_with_input};

const AUDIENCE: &str = "https://api.test";

fn token(server: &IssuerServer) -> String {
    server.issuer().token().sign()
}

/// Runs `portcullis keys` with these arguments.
fn keys<S: AsRef<str>>(arguments: impl IntoIterator<Item = S>) -> Outcome {
    let arguments = arguments.into_iter().map(|argument| argument.as_ref().to_owned());
    run(std::iter::once("keys".to_owned()).chain(arguments), b"")
}

#[test]
fn keys_are_fetched_once_for_all_tokens() {
    let server = TestIssuer::new().serve();
    let flags = ["--issuer", &server.url(), "--audience", AUDIENCE, "--jwks-url", &server.jwks_url()];
    verify(flags.into_iter().chain([token(&server).as_str()])).accepts();
    assert_eq!((server.jwks_hits(), server.all_hits()), (1, 1));

    let good = token(&server);
    let expired = server.issuer().token().expired().sign();
    let input = format!("{good}\nno token\n{expired}\n{good}\n{good}\n");
    let outcome = verify_with_input(flags.into_iter().chain(["-"]), input.as_bytes());
    assert_eq!((outcome.status, outcome.verdicts().len()), (1, 5));
    assert_eq!(server.all_hits(), 2);

    // `--jws` checks only the signature. `--at` sets the clock for tokens, but not for the fetch.
    verify(["--jws", "--jwks-url", &server.jwks_url(), &good]).accepts();
    let at = verify(flags.into_iter().chain(["--at", "0", &good]));
    assert_eq!(at.rejects(), "issued_in_future");
}

#[test]
fn forgeries_are_rejected_with_fetched_keys() {
    let server = TestIssuer::new().serve();
    let forgeries = server.issuer().forgeries();
    let input: String = forgeries.iter().map(|forgery| forgery.token.clone() + "\n").collect();
    let outcome = verify_with_input(["--oidc-issuer", &server.url(), "--audience", AUDIENCE, "-"], input.as_bytes());
    let verdicts = outcome.verdicts();
    assert_eq!((outcome.status, verdicts.len()), (1, forgeries.len()));
    for (forgery, verdict) in forgeries.iter().zip(verdicts) {
        assert_eq!(verdict["reason"], forgery.reason.as_str(), "{}", forgery.name);
    }
}

#[test]
fn key_rotation_is_followed() {
    let server = TestIssuer::new().serve();
    let old = token(&server);
    let with = |token: &str| verify(["--oidc-issuer", &server.url(), "--audience", AUDIENCE, token]);
    with(&old).accepts();
    server.rotate(Algorithm::Es256);
    with(&token(&server)).accepts();
    with(&old).accepts();
    server.withdraw("RS256-1");
    assert_eq!(with(&old).rejects(), "unknown_key");
    with(&token(&server)).accepts();
}

#[test]
fn rotation_between_two_lines_is_followed() {
    let server = TestIssuer::new().serve();
    let mut child = Command::new(PORTCULLIS)
        .args(["verify", "--oidc-issuer", &server.url(), "--audience", AUDIENCE, "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    for rotation in [None, Some(Algorithm::EdDsa)] {
        if let Some(algorithm) = rotation {
            server.rotate(algorithm);
        }
        writeln!(stdin, "{}", token(&server)).unwrap();
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        assert!(line.contains(r#""verdict":"accept""#), "{rotation:?}: {line}");
    }
    drop(stdin);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!((server.jwks_hits(), server.metadata_hits()), (2, 1));
}

#[test]
fn without_keys_there_is_no_verdict() {
    let server = TestIssuer::new().serve();
    let (issuer, url) = (server.url(), server.jwks_url());
    let by_url = |token: &str| verify(["--issuer", &issuer, "--audience", AUDIENCE, "--jwks-url", &url, token]);
    let by_issuer = || verify(["--oidc-issuer", &issuer, "--audience", AUDIENCE, &token(&server)]);
    let by_domain = || verify(["--auth0-domain", &issuer, "--audience", AUDIENCE, &token(&server)]);

    server.misbehave(Fault::status(503));
    assert!(by_url(&token(&server)).fails().starts_with("error: --jwks-url: no keys, so no verdict: status 503"));
    assert!(by_issuer().fails().starts_with("error: --oidc-issuer: no keys, so no verdict: status 503"));
    assert!(by_domain().fails().starts_with("error: --auth0-domain: no keys, so no verdict: status 503"));
    // A verdict about the form of a token needs no keys.
    assert_eq!(by_url("no token").rejects(), "not_compact_jws");
    assert_eq!(by_url(&format!("Bearer {}", token(&server))).rejects(), "malformed");
    assert_eq!(by_url(&"x".repeat(20_000)).rejects(), "too_large");
    assert_eq!(by_url("a.b.c.d.e").rejects(), "encrypted");
    let flags = ["--oidc-issuer", &issuer, "--audience", AUDIENCE, "-"];
    let mixed = verify_with_input(flags, format!("no token\n{}\n", token(&server)).as_bytes());
    assert_eq!((mixed.status, mixed.stdout.lines().count()), (2, 1), "{mixed:?}");
    server.behave();
    server.set_jwks_body("<html></html>");
    assert!(by_url(&token(&server)).fails().contains("not a JWK Set"));
    server.set_jwks_body(r#"{"keys":[{"kty":"FOO"}]}"#);
    let unusable = by_issuer();
    assert!(unusable.fails().contains("no key of the set can be used") && unusable.stderr.contains("portcullis keys"));
    server.go_down();
    assert!(by_url(&token(&server)).fails().contains("onnection refused"));
    assert!(keys([&url]).fails().starts_with("error: URL: no keys: the request failed"));
    server.come_back();
    server.behave();
    by_url(&token(&server)).accepts();
}

#[test]
fn unused_proxy_is_named_when_a_fetch_fails() {
    let server = TestIssuer::new().serve();
    server.go_down();
    let (url, good) = (server.jwks_url(), token(&server));
    for arguments in [vec!["keys", &url], vec!["verify", "--any-issuer", "--any-audience", "--jwks-url", &url, &good]] {
        let run = |variable: &str| {
            let mut command = Command::new(PORTCULLIS);
            for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy"] {
                command.env_remove(name);
            }
            let output =
                command.args(&arguments).env(variable, "http://user:secret@proxy.example:3128").output().unwrap();
            assert_eq!(output.status.code(), Some(2));
            String::from_utf8(output.stderr).unwrap()
        };
        let said = run("HTTPS_PROXY");
        assert!(said.contains("HTTPS_PROXY is set and not used") && !said.contains("secret"), "{said}");
        assert!(!run("NO_PROXY").contains("not used"));
    }
}

#[test]
fn longer_tokens_are_read_from_standard_input() {
    let server = TestIssuer::new().serve();
    let folder = Folder::new("longer-tokens");
    let long = server.issuer().token().claim("groups", vec!["a group with a long name"; 1_000]).sign();
    assert!(long.len() > 16_384, "the premise");
    for (limit, accepted) in [(16_384, false), (65_536, true)] {
        let members = json!({"issuer": server.url(), "audience": AUDIENCE, "max_token_bytes": limit});
        let file = folder.file("config.json", members.to_string());
        let outcome = verify_with_input(["--config", &file, "-"], format!("{long}\r\n").as_bytes());
        assert_eq!(outcome.status == 0, accepted, "{limit}: {}", outcome.stderr);
    }
}

#[test]
fn failed_key_lookup_ends_the_run() {
    let server = TestIssuer::new().serve();
    let mut child = Command::new(PORTCULLIS)
        .args(["verify", "--oidc-issuer", &server.url(), "--audience", AUDIENCE, "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let known = token(&server);
    writeln!(stdin, "{known}").unwrap();
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    assert!(line.contains("accept"), "{line}");
    // The new key cannot be fetched, so there is no verdict on its token.
    server.rotate(Algorithm::Es256);
    server.misbehave(Fault::status(500));
    // All lines are written at once, because the command ends before it reads the last one.
    stdin.write_all(format!("{known}\n{}\n{known}\n", token(&server)).as_bytes()).unwrap();
    drop(stdin);
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut stdout, &mut rest).unwrap();
    assert_eq!(rest.matches("accept").count(), 1, "the keys in hand serve on, and nothing is said after: {rest}");
    assert_eq!(rest.lines().count(), 1);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("status 500"));
}

#[test]
fn metadata_of_another_issuer_is_an_error() {
    let server = TestIssuer::new().serve();
    let issuer = server.url();
    let without_slash = issuer.trim_end_matches('/');
    for outcome in [
        verify(["--oidc-issuer", without_slash, "--audience", AUDIENCE, &token(&server)]),
        keys(["--oidc-issuer", without_slash]),
    ] {
        let message = outcome.fails();
        assert!(message.starts_with("error: --oidc-issuer: "), "{message}");
        assert!(message.contains(&format!("expected issuer {without_slash:?}, got {issuer:?}")), "{message}");
        assert!(message.contains("slash at the end; write the issuer as its metadata does"), "{message}");
    }
    assert_eq!(server.jwks_hits(), 0, "jwks_uri of another issuer's metadata is not asked");
    server.set_metadata_body(json!({"issuer": "https://other.example", "jwks_uri": server.jwks_url()}).to_string());
    let outcome = verify(["--oidc-issuer", &issuer, "--audience", AUDIENCE, &token(&server)]);
    assert!(outcome.fails().contains(r#"got "https://other.example""#), "{outcome:?}");
    assert!(outcome.stderr.contains("if it is the one you mean"), "{outcome:?}");
}

#[test]
fn provider_flag_sets_issuer_and_keys() {
    let folder = Folder::new("provider");
    let server = TestIssuer::from_algorithms([Algorithm::Rs256, Algorithm::Es256]).serve();
    let (issuer, good) = (server.url(), token(&server));
    let es256 = server.issuer().token().algorithm(Algorithm::Es256).sign();
    let file = folder.file("jwks.json", server.issuer().jwks());
    let strange = folder.file("strange.json", TestIssuer::from_algorithms([Algorithm::Rs256]).jwks());
    for provider in ["--oidc-issuer", "--auth0-domain"] {
        let with = |more: &[&str]| verify([provider, &issuer].into_iter().chain(more.iter().copied()));
        with(&["--audience", AUDIENCE, &good]).accepts();
        with(&["--audience", "other", "--audience", AUDIENCE, &good]).accepts();
        with(&["--any-audience", &good]).accepts();
        with(&["--jws", &good]).accepts();
        assert_eq!(with(&["--audience", "other", &good]).rejects(), "wrong_audience");
        let other_issuer = server.issuer().token().issuer("https://other.example/").sign();
        assert_eq!(with(&["--audience", AUDIENCE, &other_issuer]).rejects(), "wrong_issuer");
        assert!(with(&[&good]).fails().contains("--audience AUDIENCE"));
        assert!(with(&["--audience", "", &good]).fails().starts_with("error: --audience: "));
        for flag in ["--issuer=x", "--any-issuer"] {
            assert!(with(&[flag, "--audience", AUDIENCE, &good]).fails().contains("cannot be used with"));
        }
        assert_eq!(with(&["--audience", AUDIENCE, "--typ", "JWT", &good]).rejects(), "wrong_type");
        let hits = server.all_hits();
        with(&["--audience", AUDIENCE, "--jwks", &file, &good]).accepts();
        assert_eq!(with(&["--audience", AUDIENCE, "--jwks", &strange, &good]).rejects(), "bad_signature");
        assert_eq!(server.all_hits(), hits, "keys from a file are not fetched");
    }
    // The preset's algorithms apply unless `--alg` names others.
    let auth0 = |more: &[&str]| verify(["--auth0-domain", &issuer, "--audience", AUDIENCE].iter().chain(more));
    assert_eq!(auth0(&[&es256]).rejects(), "algorithm_not_allowed");
    auth0(&["--alg", "ES256", &es256]).accepts();
    verify(["--oidc-issuer", &issuer, "--audience", AUDIENCE, &es256]).accepts();
    assert!(verify(["--oidc-issuer", &issuer, "--auth0-domain", "d", &good]).fails().contains("cannot be used with"));
}

#[test]
fn forbidden_urls_are_refused() {
    for url in ["http://keys.example/", "keys.example", "file:///etc/passwd", "https://u:p@keys.example/"] {
        let outcome = verify(["--any-issuer", "--any-audience", "--jwks-url", url, "t"]);
        assert!(outcome.fails().starts_with("error: --jwks-url: ") && outcome.stderr.contains("https"), "{outcome:?}");
        let outcome = verify(["--any-audience", "--oidc-issuer", url, "t"]);
        assert!(outcome.fails().starts_with("error: --oidc-issuer: "), "{outcome:?}");
    }
    let outcome = verify(["--any-audience", "--auth0-domain", "tenant.eu.auth0.com/api", "t"]);
    assert!(outcome.fails().starts_with("error: --auth0-domain: "), "{outcome:?}");
    assert!(keys(["http://keys.example/"]).fails().starts_with("error: URL: it is http"));
}

#[test]
fn configuration_file_uses_url_or_discovery() {
    let folder = Folder::new("network-config");
    let server = TestIssuer::new().serve();
    let mut members = json!({"issuer": server.url(), "audience": AUDIENCE});
    let discovered = folder.file("discovery.json", members.to_string());
    members["jwks_url"] = server.jwks_url().into();
    let named = folder.file("url.json", members.to_string());
    let good = token(&server);
    verify(["--config", &discovered, &good]).accepts();
    assert_eq!((server.metadata_hits(), server.jwks_hits()), (1, 1));
    verify(["--config", &named, &good]).accepts();
    assert_eq!((server.metadata_hits(), server.jwks_hits()), (1, 2));
    // A flag overrides the key source in the file.
    verify(["--config", &named, "--oidc-issuer", &server.url(), &good]).accepts();
    assert_eq!(server.metadata_hits(), 2);
    verify(["--config", &discovered, "--jwks-url", &server.jwks_url(), &good]).accepts();
    verify(["--config", &named, "--auth0-domain", &server.url(), &good]).accepts();
    assert_eq!(server.metadata_hits(), 2);

    server.misbehave_at(Endpoint::Jwks, Fault::status(404));
    let failed = verify(["--config", &named, &good]);
    assert!(failed.fails().starts_with(&format!("error: jwks_url in {named}: no keys")), "{failed:?}");
    let failed = verify(["--config", &discovered, &good]);
    assert!(failed.fails().starts_with(&format!("error: issuer in {discovered}: no keys")), "{failed:?}");
}

/// Returns a key set with two usable keys and one key for each reason not to use it.
fn odd_set(issuer: &TestIssuer) -> Value {
    let usable = issuer.first_key().jwk();
    let mut encryption = usable.clone();
    (encryption["use"], encryption["alg"], encryption["kid"]) = ("enc".into(), "RSA-OAEP".into(), "enc-1".into());
    let mut nameless = issuer.signing_keys()[1].jwk();
    nameless.as_object_mut().unwrap().remove("kid");
    json!({"keys": [
        encryption,
        usable,
        {"kty": "FOO", "kid": "odd\u{1b}[2J\nkey 9: usable"},
        {"kty": "RSA", "kid": "weak", "alg": "RS256", "e": "AQAB", "n": "8".repeat(171)},
        {"kty": "oct", "k": "c2VjcmV0LXRoYXQtbXVzdC1ub3QtYmUtc2hvd24"},
        nameless,
        7,
    ]})
}

#[test]
fn keys_command_describes_each_key() {
    let issuer = TestIssuer::from_algorithms([Algorithm::Rs256, Algorithm::Es256]);
    let thumbprints: Vec<_> =
        issuer.signing_keys().iter().map(|key| key.verifying_key().thumbprint().unwrap()).collect();
    let set = odd_set(&issuer).to_string();
    let folder = Folder::new("odd-set");
    let file = folder.file("odd.json", &set);
    let server = issuer.serve();
    server.set_jwks_body(set);
    let expected = format!(
        "key 0: not usable: kid \"enc-1\", RSA, RSA-OAEP: its use or key_ops do not include verifying signatures\n\
         key 1: usable: kid \"RS256-1\", RSA, RS256, thumbprint {}\n\
         key 2: not usable: kid \"odd\\u{{1b}}[2J\\nkey 9: usable\", FOO: unsupported key type\n\
         key 3: not usable: kid \"weak\", RSA, RS256: the RSA modulus has 1024 bits or is even; it must be odd and have \
         2048 to 8192\n\
         key 4: not usable: no kid, oct: a symmetric key (oct) is not accepted in a key set\n\
         key 5: usable: no kid, EC P-256, ES256, thumbprint {}\n\
         key 6: not usable: no kid: not a JSON object\n\
         2 of 7 keys can be used, for ES256, RS256\n",
        thumbprints[0], thumbprints[1]
    );
    let (url, issuer) = (server.jwks_url(), server.url());
    for arguments in [&[file.as_str()][..], &[&url], &["--oidc-issuer", &issuer]] {
        let outcome = keys(arguments);
        assert_eq!((outcome.status, outcome.stderr.as_str()), (0, ""), "{outcome:?}");
        assert_eq!(outcome.stdout, expected);
    }

    let report = keys(["--json", &url]).verdict();
    assert_eq!((&report["usable"], &report["total"]), (&json!(2), &json!(7)));
    assert_eq!(
        report["keys"][1],
        json!({"index": 1, "kid": "RS256-1", "type": "RSA", "algorithms": ["RS256"], "thumbprint": thumbprints[0],
               "usable": true})
    );
    assert_eq!(
        report["keys"][0],
        json!({"index": 0, "kid": "enc-1", "type": "RSA", "algorithms": ["RSA-OAEP"], "thumbprint": null,
               "usable": false, "why": "its use or key_ops do not include verifying signatures"})
    );
    assert_eq!(report["keys"][5]["curve"], "P-256");
}

#[test]
fn set_without_usable_keys_is_shown() {
    let server = TestIssuer::new().serve();
    let folder = Folder::new("unusable-set");
    for (set, lines) in [(r#"{"keys":[{"kty":"oct","kid":"s","k":"AAAA"}]}"#, 2), (r#"{"keys":[]}"#, 1)] {
        server.set_jwks_body(set);
        for outcome in [keys([server.jwks_url()]), keys([folder.file("set.json", set)])] {
            assert_eq!((outcome.status, outcome.stderr.as_str()), (1, ""), "{outcome:?}");
            assert_eq!(outcome.stdout.lines().count(), lines, "{outcome:?}");
            assert!(outcome.stdout.contains("0 of "), "{outcome:?}");
        }
        let outcome = keys(["--json".to_owned(), server.jwks_url()]);
        assert_eq!((outcome.status, &outcome.verdict()["usable"]), (1, &json!(0)));
    }
}

#[test]
fn ambiguous_keys_are_reported() {
    let [one, two] = [(); 2].map(|()| TestIssuer::from_algorithms([Algorithm::EdDsa]).first_key().jwk());
    let folder = Folder::new("ambiguous");
    let set = folder.file("set.json", json!({"keys": [one, two]}).to_string());
    let outcome = keys([&set]);
    assert_eq!(outcome.status, 0);
    let lines: Vec<_> = outcome.stdout.lines().collect();
    assert!(lines[0].contains("ambiguous with key 1") && lines[1].contains("ambiguous with key 0"), "{outcome:?}");
    assert_eq!(keys(["--json", &set]).verdict()["keys"][0]["ambiguous_with"], json!([1]));
}

#[test]
fn single_jwk_is_shown_as_a_set() {
    let folder = Folder::new("one-jwk");
    let key = folder.file("key.json", TestIssuer::new().first_key().jwk().to_string());
    let outcome = keys([&key]);
    assert!(outcome.status == 0 && outcome.stdout.ends_with("1 of 1 key can be used, for RS256\n"), "{outcome:?}");
    let weak = folder.file("weak.json", r#"{"kty":"RSA","n":"AQAB","e":"AQAB"}"#);
    let outcome = keys([&weak]);
    assert!(outcome.status == 1 && outcome.stdout.contains("RSA modulus has 17 bits"), "{outcome:?}");
}

#[test]
fn missing_key_set_is_an_error() {
    let server = TestIssuer::new().serve();
    let folder = Folder::new("no-set");
    assert!(keys([folder.file("text.json", "text")]).fails().contains("JWK Set"));
    assert!(keys([folder.file("binary.json", b"\xff")]).fails().contains("UTF-8"));
    let token = token(&server);
    let outcome = keys([&token]);
    assert!(outcome.fails().starts_with("error: FILE: ") && !outcome.stderr.contains("eyJ"), "{outcome:?}");
    // The metadata document is not a key set.
    let metadata = format!("{}.well-known/openid-configuration", server.url());
    assert!(keys([&metadata]).fails().contains("not a JWK Set"));
    assert!(keys([server.url_of("/nothing")]).fails().contains("status 404"));
    assert!(keys::<&str>([]).fails().contains("--oidc-issuer"));
    assert!(keys(["--oidc-issuer", "https://i.example", "file"]).fails().contains("cannot be used with"));
    let help = keys(["--help"]);
    assert!(help.status == 0 && help.stdout.contains("portcullis keys --oidc-issuer"), "{help:?}");
}
