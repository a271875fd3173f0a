//! Runs `portcullis explain` as a process: pasted text, shapes, every check, and the same verdict as `verify`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that panics has failed")]

mod support;

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis::jose::Algorithm;
use portcullis_testing::TestIssuer;
use serde_json::{Value, json};

use support::{Folder, Outcome, run, verify};

const ISSUER: &str = "https://issuer.test/";
const AUDIENCE: &str = "https://api.test";
/// The date of the tokens.
const NOW: i64 = 1_700_000_000;
const AT: &str = "1700000000";

fn explain<S: AsRef<str>>(arguments: impl IntoIterator<Item = S>, input: &str) -> Outcome {
    let arguments = arguments.into_iter().map(|argument| argument.as_ref().to_owned());
    run(std::iter::once("explain".to_owned()).chain(arguments), input.as_bytes())
}

/// Explains `input`, and returns the only object.
#[track_caller]
fn explained(arguments: &[&str], input: &str) -> Value {
    let outcome = explain(arguments.iter().copied().chain(["--json"]), input);
    assert!(outcome.status < 2, "{outcome:?}");
    outcome.verdict()
}

/// Returns a token with this header and these claims, and a signature that no key made.
fn token(header: Value, claims: Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.c2lnbmF0dXJl", part(&header), part(&claims))
}

/// An issuer, a file with its keys, and the flags that accept its tokens.
struct Setup {
    issuer: TestIssuer,
    jwks: String,
    _folder: Folder,
}

impl Setup {
    fn new(name: &str) -> Self {
        let (folder, issuer) = (Folder::new(name), TestIssuer::from_algorithms([Algorithm::Es256]));
        let jwks = folder.file("jwks.json", issuer.jwks());
        Self { issuer, jwks, _folder: folder }
    }

    fn flags(&self) -> Vec<&str> {
        vec!["--issuer", ISSUER, "--audience", AUDIENCE, "--jwks", &self.jwks]
    }

    /// Returns the explanation as text, and checks that the token is refused.
    #[track_caller]
    fn ticket(&self, token: &str) -> String {
        let outcome = explain(self.flags().into_iter().chain(["--at", AT]), token);
        assert_eq!(outcome.status, 1, "{outcome:?}");
        outcome.stdout
    }

    fn token(&self) -> portcullis_testing::TokenBuilder {
        self.issuer.token().issued_at(NOW).claim("exp", NOW + 600)
    }
}

/// Returns the lines that say what to do.
fn to_do(text: &str) -> Vec<&str> {
    text.lines().filter_map(|line| line.strip_prefix("to do: ")).collect()
}

#[test]
fn token_is_decoded_without_flags_and_without_trust() {
    let text = token(
        json!({"alg": "RS256", "kid": "k1"}),
        json!({"iss": ISSUER, "aud": "api", "exp": NOW - 180, "iat": NOW - 4000, "nbf": NOW + 60}),
    );
    let outcome = explain(["--at", AT], &format!("Bearer {text}\n"));
    assert_eq!((outcome.status, outcome.stderr.as_str()), (0, ""), "{outcome:?}");
    let lines: Vec<_> = outcome.stdout.lines().collect();
    assert!(lines[0].starts_with("Decoded, not verified: "), "{}", lines[0]);
    assert_eq!(lines[1], "looks like: an access token");
    assert_eq!(lines[2], "removed: the word Bearer, the white space around it");
    for part in
        ["2023-11-14T22:10:20Z, expired 3 minutes ago", "issued 1 hour ago", "valid in 1 minute", r#"kid  "k1""#]
    {
        assert!(outcome.stdout.contains(part), "{part}: {}", outcome.stdout);
    }
    assert!(!outcome.stdout.contains('\u{1b}') && !outcome.stdout.contains("checks"), "{}", outcome.stdout);
    let json = explain(["--json"], &text).stdout;
    let start = r#"{"form":"jwt","kind":"access","provider":null,"header":{"alg":"RS256","kid":"k1"},"claims":{"#;
    assert!(json.starts_with(start) && json.ends_with("\"removed\":[],\"checks\":[]}\n"), "{json}");
    // A dash and an argument mean the same.
    assert_eq!(explain(["--json", "-"], &text).stdout, json);
    assert_eq!(explain(["--json", &text], "").stdout, json);
    for nothing in ["", "\n", "''"] {
        assert!(explain::<&str>([], nothing).fails().starts_with("error: TOKEN: there is no token"));
    }
    assert_eq!(explain(["a", "b"], "").status, 2);
    assert_eq!(explained(&[], "no token at all")["form"], "opaque");
}

#[test]
fn pasted_text_is_understood() {
    let setup = Setup::new("explain-pasted");
    let good = setup.issuer.token().sign();
    let (start, end) = good.split_at(good.len() / 2);
    for (pasted, removed) in [
        (
            format!("curl -i -H 'Authorization: Bearer {good}' http://127.0.0.1:3010/api/private"),
            "the curl command around it",
        ),
        (format!("Authorization: Bearer {good}"), "the field name Authorization"),
        (format!("\"{good}\","), "the quotes around it"),
        (format!("{start}\r\n{end}\n"), "the line breaks in it"),
        (format!("{{\"access_token\":\"{good}\",\"token_type\":\"Bearer\"}}"), "the text around it"),
    ] {
        let outcome = explain(setup.flags().into_iter().chain(["--json"]), &pasted);
        assert_eq!(outcome.status, 0, "{outcome:?}");
        let removed_parts = outcome.verdict()["removed"].clone();
        assert!(removed_parts.as_array().unwrap().contains(&json!(removed)), "{pasted}: {removed_parts}");
    }
    // Each line is a token, so each gets an object.
    let expired = setup.issuer.token().expired().sign();
    let outcome = explain(setup.flags().into_iter().chain(["--json"]), &format!("{good}\n{expired}\n{good}\n"));
    assert_eq!((outcome.status, outcome.verdicts().len()), (1, 3));
}

#[test]
fn providers_and_kinds_are_recognized_by_shape() {
    let rs256 = || json!({"alg": "RS256", "kid": "k"});
    let tid = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490";
    for (header, claims, provider, kind) in [
        (
            rs256(),
            json!({"iss": "https://t.eu.auth0.com/", "aud": "api", "azp": "c", "scope": "read"}),
            "Auth0",
            "access",
        ),
        (rs256(), json!({"iss": "https://t.eu.auth0.com/", "aud": "c", "nonce": "n", "email": "e"}), "Auth0", "id"),
        (
            rs256(),
            json!({"iss": "https://login.acme.example/", "aud": ["api", "https://login.acme.example/userinfo"], "scope": "a"}),
            "Auth0",
            "access",
        ),
        (
            rs256(),
            json!({"iss": format!("https://login.microsoftonline.com/{tid}/v2.0"), "tid": tid, "ver": "2.0", "aud": "c", "azp": "d", "scp": "a"}),
            "Entra v2",
            "access",
        ),
        (
            rs256(),
            json!({"iss": format!("https://login.microsoftonline.com/{tid}/v2.0"), "tid": tid, "ver": "2.0", "aud": "c", "name": "n"}),
            "Entra v2",
            "id",
        ),
        (
            rs256(),
            json!({"iss": format!("https://sts.windows.net/{tid}/"), "tid": tid, "ver": "1.0", "aud": "api://c", "appid": "d", "scp": "a"}),
            "Entra v1",
            "access",
        ),
        (
            json!({"alg": "RS256", "kid": "ins_1", "cat": "cl_B7d4PD111AAA"}),
            json!({"iss": "https://clerk.acme.example", "sid": "s", "sub": "user_1"}),
            "Clerk",
            "access",
        ),
        (
            rs256(),
            json!({"iss": "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_a", "token_use": "access", "client_id": "c"}),
            "Cognito",
            "access",
        ),
        (
            rs256(),
            json!({"iss": "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_a", "token_use": "id", "aud": "c"}),
            "Cognito",
            "id",
        ),
        (
            rs256(),
            json!({"iss": "https://kc.example/realms/main", "typ": "Bearer", "azp": "web", "aud": "account"}),
            "Keycloak",
            "access",
        ),
        (
            rs256(),
            json!({"iss": "https://kc.example/realms/main", "typ": "ID", "azp": "web", "aud": "web"}),
            "Keycloak",
            "id",
        ),
        (
            json!({"alg": "HS512"}),
            json!({"iss": "https://kc.example/realms/main", "typ": "Refresh"}),
            "Keycloak",
            "refresh",
        ),
        (rs256(), json!({"iss": "https://securetoken.google.com/p", "aud": "p", "firebase": {}}), "Firebase", "id"),
        (
            rs256(),
            json!({"iss": "https://dev-1.okta.com/oauth2/default", "cid": "0oa", "uid": "u", "scp": ["a"]}),
            "Okta",
            "access",
        ),
        (
            rs256(),
            json!({"iss": "https://abc.supabase.co/auth/v1", "role": "authenticated", "aal": "aal1"}),
            "Supabase",
            "access",
        ),
        (
            rs256(),
            json!({"iss": "https://token.actions.githubusercontent.com", "repository": "a/b", "aud": "api"}),
            "GitHub Actions",
            "id",
        ),
        (
            rs256(),
            json!({"iss": "https://gitlab.acme.example", "project_path": "a/b", "namespace_path": "a", "pipeline_id": "1"}),
            "GitLab",
            "id",
        ),
        (
            rs256(),
            json!({"iss": "https://kubernetes.default.svc", "kubernetes.io": {}, "aud": ["api"]}),
            "Kubernetes",
            "access",
        ),
        (rs256(), json!({"iss": "https://accounts.google.com", "aud": "c", "azp": "c", "sub": "1"}), "Google", "id"),
        (
            json!({"alg": "ES256", "signer": "arn:aws:elasticloadbalancing:eu:1:lb"}),
            json!({"iss": "https://i.example", "sub": "u"}),
            "AWS ALB",
            "assertion",
        ),
    ] {
        let found = explained(&[], &token(header, claims.clone()));
        assert_eq!((&found["provider"], &found["kind"]), (&json!(provider), &json!(kind)), "{claims}");
        assert_eq!(found["claims"], claims);
    }
    for (text, form, kind, provider) in [
        ("ya29.a0AfH6SMBx", "opaque", "opaque", json!("Google")),
        ("ghs_16C7e42F292c6912E7710c838347Ae178B4a", "opaque", "opaque", json!("GitHub")),
        ("wQx0w5rLq3f7u-Zy1p0aaaabbbbccccdddd", "opaque", "opaque", Value::Null),
    ] {
        let found = explained(&[], text);
        assert_eq!(
            (&found["form"], &found["kind"], &found["provider"]),
            (&json!(form), &json!(kind), &provider),
            "{text}"
        );
        assert_eq!((&found["header"], &found["claims"]), (&Value::Null, &Value::Null));
    }
    let encrypted = format!(
        "{}.k.i.c.t",
        URL_SAFE_NO_PAD.encode(r#"{"alg":"dir","enc":"A256GCM","iss":"https://t.us.auth0.com/"}"#)
    );
    let found = explained(&[], &encrypted);
    assert_eq!(
        (&found["form"], &found["kind"], &found["provider"]),
        (&json!("jwe"), &json!("encrypted"), &json!("Auth0"))
    );
    let typed = explained(&[], &token(json!({"alg": "ES256", "typ": "dpop+jwt"}), json!({"htm": "GET", "jti": "1"})));
    assert_eq!(typed["kind"], "proof");
}

#[test]
fn tokens_of_real_providers_are_recognized() {
    for (file, provider, kind) in [
        ("auth0_other", json!("Auth0"), "access"),
        ("alb_padded", json!("AWS ALB"), "assertion"),
        ("clerk_other", json!("Clerk"), "access"),
        ("cognito_access", json!("Cognito"), "access"),
        ("cognito_id", json!("Cognito"), "id"),
        ("firebase_id", json!("Firebase"), "id"),
        ("google_opaque", json!("Google"), "opaque"),
        ("keycloak_id", json!("Keycloak"), "id"),
        ("keycloak_refresh", json!("Keycloak"), "refresh"),
        ("okta_org", json!("Okta"), "access"),
        ("supabase_authenticated", json!("Supabase"), "access"),
        ("zitadel_opaque", Value::Null, "opaque"),
    ] {
        let found = explained(&[], &given(file));
        assert_eq!((&found["provider"], &found["kind"]), (&provider, &json!(kind)), "{file}");
    }
}

/// Reads a token that a client of a real service sent.
fn given(name: &str) -> String {
    std::fs::read_to_string(folder_of_given().join(format!("{name}.txt"))).unwrap().trim().to_owned()
}

fn folder_of_given() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/presets/given")
}

/// `explain` and `verify` agree: the same exit status, and a failed check exactly where `verify` refuses.
#[track_caller]
fn agree(flags: &[&str], token: &str) {
    let verdict = verify(flags.iter().copied().chain(["--", token]));
    let explained = explain(flags.iter().copied().chain(["--json", "--", token]), "");
    assert_eq!(explained.status, verdict.status, "{token}: {verdict:?} {explained:?}");
    if verdict.status == 2 {
        assert_eq!(explained.stderr, verdict.stderr);
        return;
    }
    let json = explained.verdict();
    assert_eq!(json["removed"], json!([]), "{token}");
    let checks = json["checks"].as_array().unwrap();
    let failed: Vec<_> = checks.iter().filter(|check| check["ok"] == false).collect();
    assert_eq!(failed.is_empty(), verdict.status == 0, "{token}: {verdict:?} {failed:?}");
    let members: Vec<_> = json.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members.len(), 7, "{members:?}");
    for check in checks {
        assert_eq!(check.as_object().unwrap().len(), 4, "{check}");
        assert!(check["expected"].is_string() && check["actual"].is_string() && check["ok"].is_boolean(), "{check}");
    }
    // As text too.
    let text = explain(flags.iter().copied().chain(["--", token]), "");
    assert_eq!(text.status, verdict.status);
    match verdict.verdict()["reason"].as_str() {
        Some(reason) => assert!(text.stdout.contains(&format!("verdict: refused, {reason}: ")), "{}", text.stdout),
        None => assert!(text.stdout.contains("verdict: accepted"), "{}", text.stdout),
    }
}

#[test]
fn explain_and_verify_agree_on_forgeries() {
    let setup = Setup::new("explain-forgeries");
    let flags = setup.flags();
    for forgery in setup.issuer.forgeries().into_iter().filter(|forgery| !forgery.token.trim().is_empty()) {
        // Pasted text is cleaned, so only tokens that are not changed by it are compared.
        let is_clean =
            forgery.token.bytes().all(|byte| byte.is_ascii_graphic()) && !forgery.token.contains(['"', '\'', ',']);
        if is_clean {
            agree(&flags, &forgery.token);
        }
    }
    agree(&flags, &setup.issuer.token().sign());
    let required = [&flags[..], &["--require", "tenant", "--typ", "at+jwt"]].concat();
    agree(&required, &setup.issuer.token().sign());
    let signature = ["--jws", "--jwks", &setup.jwks];
    agree(&signature, &setup.issuer.token().expired().sign());
    agree(&signature, &setup.issuer.token().forged_with(TestIssuer::new().first_key().clone()).sign());
}

#[test]
fn explain_and_verify_agree_on_tokens_of_real_providers() {
    let keys = folder_of_given().join("keys.json").to_str().unwrap().to_owned();
    let files = std::fs::read_dir(folder_of_given()).unwrap().map(|entry| entry.unwrap().path());
    let tokens: Vec<String> = files
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .map(|path| std::fs::read_to_string(path).unwrap().trim().to_owned())
        .collect();
    assert!(tokens.len() > 10);
    let list = json!({"issuers": [
        {"issuer": "https://kc.example/realms/main", "audience": "web", "jwks_file": keys},
        {"issuer": "https://issuer.example/", "audience": "api", "jwks_file": keys},
    ]});
    let folder = Folder::new("explain-list");
    let list = folder.file("issuers.json", list.to_string());
    for token in &tokens {
        agree(&["--any-issuer", "--any-audience", "--jwks", &keys], token);
        agree(&["--auth0-domain", "tenant.eu.auth0.com", "--audience", "api", "--jwks", &keys], token);
        agree(&["--clerk-frontend-api", "lucky-cat-1.clerk.accounts.dev", "--jwks", &keys], token);
        agree(&["--config", &list], token);
    }
}

#[test]
fn every_check_is_listed_not_only_the_first_failure() {
    let setup = Setup::new("explain-all-checks");
    let bad =
        setup.token().issuer("https://other.test/").audience("other").claim("exp", NOW - 60).claim("nbf", NOW + 90);
    let bad = bad.forged_with(TestIssuer::from_algorithms([Algorithm::Es256]).first_key().clone()).sign();
    let found = explained(&[&setup.flags()[..], &["--at", AT, "--require", "tenant"]].concat(), &bad);
    let failed: Vec<_> = found["checks"].as_array().unwrap().iter().filter(|check| check["ok"] == false).collect();
    let names: Vec<_> = failed.iter().map(|check| check["check"].as_str().unwrap()).collect();
    assert_eq!(names, ["signature", "iss", "aud", "exp", "nbf", "tenant"]);
    assert_eq!(
        (&failed[1]["expected"], &failed[1]["actual"]),
        (&json!(r#""https://issuer.test/""#), &json!(r#""https://other.test/""#))
    );
    assert_eq!(failed[3]["actual"], "1699999940 (2023-11-14T22:12:20Z, 1 minute ago)");
    let passed = found["checks"].as_array().unwrap().iter().filter(|check| check["ok"] == true);
    assert!(
        passed
            .map(|check| check["check"].as_str().unwrap())
            .eq(["size", "form", "header", "typ", "alg", "key", "payload", "iat", "cnf", "events"])
    );
}

#[test]
fn checks_of_a_padded_token_are_listed() {
    const ARN: &str = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/lb/0123456789abcdef";
    let issuer = TestIssuer::aws_alb(ARN, "https://issuer.example");
    let keys = Folder::new("explain-alb").file("keys.json", issuer.jwks());
    let flags = ["--alb-arn", ARN, "--alb-issuer", "https://issuer.example", "--jwks", &keys];
    let failed = |token: &str| {
        let found = explained(&flags, token);
        let checks = found["checks"].as_array().unwrap().clone();
        assert!(checks.len() > 10, "{found}");
        let failed = checks.iter().filter(|check| check["ok"] == false);
        failed.map(|check| check["check"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let token = issuer.token();
    let padded = token.sign_padded();
    assert!(padded.contains('='));
    assert_eq!(failed(&padded), [""; 0]);
    assert_eq!(failed(&token.issuer("https://other.example").expired().sign_padded()), ["iss", "exp"]);
}

#[test]
fn terminal_escapes_are_neutralized() {
    let setup = Setup::new("explain-escapes");
    let odd = "\u{1b}[2J\u{9b}31m\u{202e}\u{2066}\u{200b}\u{feff}";
    let token = setup.token().claim(odd, odd).claim("aud", odd).header("kid", odd).sign();
    for arguments in [vec!["--json"], vec![], setup.flags(), [&setup.flags()[..], &["--json"]].concat()] {
        let outcome = explain(arguments, &token);
        let said = outcome.stdout + &outcome.stderr;
        let is_odd = |char: char| {
            (char.is_control() && char != '\n') || matches!(char, '\u{200b}'..='\u{202e}' | '\u{2066}' | '\u{feff}')
        };
        assert!(!said.contains(is_odd), "{said:?}");
        assert!(said.contains("\\u202e"), "{said}");
    }
    // An opaque token is not repeated.
    let opaque = explain::<&str>([], &format!("4f2a{odd}"));
    assert!(!opaque.stdout.contains("4f2a"), "{opaque:?}");
}

#[test]
fn missing_keys_end_with_status_2_after_the_explanation() {
    let server = TestIssuer::new().serve();
    let token = server.issuer().token().sign();
    let (issuer, url) = (server.url(), server.jwks_url());
    explain(["--json"], &token);
    assert_eq!(server.all_hits(), 0, "nothing is sent unless asked");
    let flags = ["--issuer", &issuer, "--audience", AUDIENCE, "--jwks-url", &url];
    assert_eq!(explain(flags, &token).status, 0);
    server.go_down();
    let outcome = explain(flags, &token);
    assert_eq!(outcome.status, 2, "{outcome:?}");
    assert!(outcome.stderr.starts_with("error: --jwks-url: no keys, so no verdict: "), "{outcome:?}");
    assert!(outcome.stdout.contains("FAILED   key: "), "{}", outcome.stdout);
}

#[test]
fn help_has_examples_and_exit_statuses() {
    let help = explain(["--help"], "");
    assert_eq!((help.status, help.stderr.as_str()), (0, ""));
    for text in
        ["Nothing is sent anywhere", "Exit status: as verify", "portcullis explain --config", "--audience", "--json"]
    {
        assert!(help.stdout.contains(text), "{text}");
    }
    let help = run(["doctor", "--help"].map(str::to_owned), b"").stdout;
    for text in
        ["Exit status: 0 healthy, 1 a fault, 2 bad usage", "PORTCULLIS_ISSUER", "portcullis doctor - < token.txt"]
    {
        assert!(help.contains(text), "{text}");
    }
}

#[test]
fn ticket_of_a_wrong_audience() {
    let setup = Setup::new("ticket-audience");
    let text = setup.ticket(&setup.token().audience("https://other-api.test").sign());
    assert!(
        text.contains(r#"FAILED   aud: expected "https://api.test"; the token: "https://other-api.test""#),
        "{text}"
    );
    let [line] = to_do(&text)[..] else { panic!("{text}") };
    assert!(line.starts_with(r#"the token is for "https://other-api.test": have the client ask for a token for "https://api.test" (the parameter audience"#), "{line}");
}

#[test]
fn ticket_of_a_wrong_tenant() {
    let (ours, theirs) = ("8eaef023-2b34-4da1-9baa-8bc8c9d6a490", "0b1c2d3e-4f50-4617-8293-a4b5c6d7e8f9");
    let client = "535fb089-9ff3-47b6-9bfb-4f1264799865";
    let (folder, issuer) = (Folder::new("ticket-tenant"), TestIssuer::azure(theirs, client));
    let jwks = folder.file("jwks.json", issuer.jwks());
    let outcome =
        explain(["--azure-tenant", ours, "--azure-client-id", client, "--jwks", &jwks], &issuer.token().sign());
    assert_eq!(outcome.status, 1, "{outcome:?}");
    let lines = to_do(&outcome.stdout);
    assert!(
        lines.iter().any(|line| line.contains("is of another tenant")
            && line.contains(theirs)
            && line.contains("AZURE_TENANT_ID")),
        "{}",
        outcome.stdout
    );
}

#[test]
fn ticket_of_an_id_token() {
    let setup = Setup::new("ticket-id-token");
    let text = setup.ticket(&setup.token().header("typ", "JWT").audience("web-client").claim("nonce", "n").sign());
    assert!(text.contains("looks like: an ID token"), "{text}");
    let [line] = to_do(&text)[..] else { panic!("{text}") };
    assert!(
        line.starts_with(
            "an ID token is for the client that signed the user in: have the client send the access token"
        ),
        "{line}"
    );
}

#[test]
fn ticket_of_an_opaque_token() {
    let setup = Setup::new("ticket-opaque");
    let text = setup.ticket("wQx0w5rLq3f7u-Zy1p0aaaabbbbccccdddd");
    let [line] = to_do(&text)[..] else { panic!("{text}") };
    assert!(line.starts_with("have the client ask for a token for your API, so that it is a JWT (Auth0 and Authok: the parameter audience"), "{line}");
    assert!(line.contains("PORTCULLIS_INTROSPECTION_URL"), "{line}");
}

#[test]
fn ticket_of_a_wrong_clock() {
    let setup = Setup::new("ticket-clock");
    let text = setup.ticket(&setup.issuer.token().issued_at(NOW + 90).claim("exp", NOW + 600).sign());
    assert!(text.contains("1700000090 (2023-11-14T22:14:50Z, in 1 minute)"), "{text}");
    let line = to_do(&text)[0];
    assert!(
        line.starts_with(
            "iat lies in the future: the clock of this machine is behind that of the issuer, so synchronize it (NTP)"
        ),
        "{line}"
    );
    assert!(line.contains("PORTCULLIS_LEEWAY_SECONDS"), "{line}");
}
