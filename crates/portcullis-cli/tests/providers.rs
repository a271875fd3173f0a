//! Runs `portcullis verify` as a process with the flags that name an identity provider.
//!
//! Tokens and keys have the shape that the identity provider gives them.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

mod support;

use portcullis::jose::Algorithm;
use portcullis_testing::{TestIssuer, TokenBuilder};
use serde_json::json;

use support::{Folder, Outcome, verify};

const API: &str = "https://api.example.com";
const TENANT: &str = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490";
const OTHER_TENANT: &str = "0b1c2d3e-4f50-4617-8293-a4b5c6d7e8f9";
const CLIENT_ID: &str = "535fb089-9ff3-47b6-9bfb-4f1264799865";
const FRONTEND_API: &str = "clerk.example.com";
const APP: &str = "https://app.example.com";

/// An identity provider, the flags that name it, and a file with its keys.
struct Setup {
    issuer: TestIssuer,
    flags: Vec<String>,
    jwks: String,
    folder: Folder,
}

impl Setup {
    fn new(name: &str, issuer: TestIssuer, flags: &[&str]) -> Self {
        let folder = Folder::new(name);
        let jwks = folder.file("jwks.json", issuer.jwks());
        Self { issuer, flags: flags.iter().map(|flag| (*flag).to_owned()).collect(), jwks, folder }
    }

    fn auth0(name: &str) -> Self {
        let flags = ["--auth0-domain", "tenant.eu.auth0.com", "--audience", API];
        Self::new(name, TestIssuer::auth0("tenant.eu.auth0.com", API), &flags)
    }

    fn authok(name: &str) -> Self {
        let flags = ["--authok-domain", "tenant.us.authok.cn", "--audience", API];
        Self::new(name, TestIssuer::authok("tenant.us.authok.cn", API), &flags)
    }

    fn azure(name: &str, issuer: TestIssuer) -> Self {
        Self::new(name, issuer, &["--azure-tenant", TENANT, "--azure-client-id", CLIENT_ID])
    }

    fn clerk(name: &str) -> Self {
        let flags = ["--clerk-frontend-api", FRONTEND_API, "--authorized-party", APP];
        Self::new(name, TestIssuer::clerk(FRONTEND_API), &flags)
    }

    /// Runs the command with the usual flags, the keys in the file, and `more`.
    fn verify(&self, more: &[&str], token: &TokenBuilder) -> Outcome {
        let flags = self.flags.iter().map(String::as_str).chain(["--jwks", &self.jwks]);
        verify(flags.chain(more.iter().copied()).chain([token.sign().as_str()]))
    }

    fn token(&self) -> TokenBuilder {
        self.issuer.token()
    }
}

#[test]
fn auth0_and_authok_rules_are_applied() {
    for setup in [Setup::auth0("auth0"), Setup::authok("authok")] {
        let claims = setup.verify(&[], &setup.token()).accepts();
        assert_eq!(claims["claims"]["iss"], setup.issuer.url());
        let without_slash = setup.issuer.url().trim_end_matches('/');
        for (token, reason) in [
            (setup.token().issuer(without_slash), "wrong_issuer"),
            (setup.token().audience("https://other.example.com"), "wrong_audience"),
            (setup.token().expired(), "expired"),
            (setup.token().without("aud"), "missing_claim"),
        ] {
            assert_eq!(setup.verify(&[], &token).rejects(), reason);
        }
        assert_eq!(setup.verify(&["--any-audience"], &setup.token()).status, 2, "both at once");
        let without_audience = [setup.flags[0].as_str(), &setup.flags[1], "--jwks", &setup.jwks, "x"];
        assert!(verify(without_audience).fails().starts_with("error: --audience: "));
        let wrong = [setup.flags[0].as_str(), "tenant.example/path", "--audience", API, "x"];
        assert!(verify(wrong).fails().starts_with(&format!("error: {}: ", setup.flags[0])));
    }
    // Authok signs only with RS256. Auth0 also has PS256. Other algorithms need `--alg`.
    let keys = || TestIssuer::from_algorithms([Algorithm::Ps256, Algorithm::Es256]).with_audience(API);
    for (setup, ps256) in [
        (
            Setup::new(
                "auth0-ps256",
                keys().with_url("https://tenant.eu.auth0.com/"),
                &["--auth0-domain", "tenant.eu.auth0.com", "--audience", API],
            ),
            true,
        ),
        (
            Setup::new(
                "authok-ps256",
                keys().with_url("https://tenant.us.authok.cn/"),
                &["--authok-domain", "tenant.us.authok.cn", "--audience", API],
            ),
            false,
        ),
    ] {
        let es256 = setup.token().algorithm(Algorithm::Es256);
        if ps256 {
            setup.verify(&[], &setup.token()).accepts();
            assert_eq!(setup.verify(&[], &es256).rejects(), "algorithm_not_allowed");
        } else {
            assert!(setup.verify(&[], &setup.token()).fails().contains("RS256"), "no key of the file serves it");
        }
        setup.verify(&["--alg", "ES256"], &es256).accepts();
    }
}

#[test]
fn clerk_session_rules_are_applied() {
    let setup = Setup::clerk("clerk");
    assert_eq!(setup.verify(&[], &setup.token()).accepts()["claims"]["azp"], APP);
    setup.verify(&[], &setup.issuer.clerk_v1().token()).accepts();
    setup.verify(&["--authorized-party", "https://other.example.com"], &setup.token()).accepts();
    for (token, reason) in [
        (setup.token().claim("azp", "https://evil.example"), "wrong_party"),
        (setup.token().without("azp"), "missing_claim"),
        (setup.token().claim("sts", "pending"), "session_pending"),
        (setup.token().audience(API), "wrong_audience"),
        (setup.token().issuer("https://clerk.other.example"), "wrong_issuer"),
        (setup.token().issuer("https://clerk.example.com/"), "wrong_issuer"),
        (setup.issuer.clerk_template().token().without("aud"), "wrong_token_class"),
        (setup.token().expired(), "expired"),
    ] {
        assert_eq!(setup.verify(&[], &token).rejects(), reason);
    }
    let opaque = verify(["--clerk-frontend-api", FRONTEND_API, "--jwks", &setup.jwks, "ak_4f1b2c3d"]);
    assert_eq!(opaque.rejects(), "opaque_token");
    // Without `--authorized-party`, any origin is accepted. `--audience` is for the audience of a token template.
    let any_party = Setup { flags: setup.flags[..2].to_vec(), ..setup };
    any_party.verify(&[], &any_party.token().claim("azp", "https://evil.example")).accepts();
    let for_api = any_party.token().audience(API);
    assert_eq!(any_party.verify(&[], &for_api).rejects(), "wrong_audience");
    any_party.verify(&["--audience", API], &for_api).accepts();
    assert_eq!(any_party.verify(&["--audience", API], &any_party.token()).rejects(), "missing_claim");
    any_party.verify(&["--any-audience"], &for_api).accepts();
}

#[test]
fn entra_access_token_rules_are_applied() {
    for (name, issuer) in [
        ("azure", TestIssuer::azure(TENANT, CLIENT_ID)),
        ("azure-app", TestIssuer::azure_app(TENANT, CLIENT_ID)),
        ("azure-v1", TestIssuer::azure_v1(TENANT, CLIENT_ID)),
        ("azure-v1-app", TestIssuer::azure_v1_app(TENANT, CLIENT_ID)),
    ] {
        let setup = Setup::azure(name, issuer);
        assert!(!setup.issuer.jwks().contains("\"alg\""), "the premise");
        assert_eq!(setup.verify(&[], &setup.token()).accepts()["claims"]["tid"], TENANT);
        let elsewhere = setup.issuer.url().replace(TENANT, OTHER_TENANT);
        for (token, reason) in [
            (setup.token().issuer(&elsewhere), "wrong_issuer"),
            (setup.token().claim("tid", OTHER_TENANT), "wrong_tenant"),
            (setup.token().without("tid"), "missing_claim"),
            (setup.token().audience("6b1f6b2e-0d3a-4c55-9f0e-3a1b5c7d9e11"), "wrong_audience"),
            (setup.token().audience("https://graph.microsoft.com"), "wrong_audience"),
            (setup.token().without("scp").without("roles"), "wrong_token_class"),
            (setup.token().header("typ", "at+jwt"), "wrong_type"),
            (setup.token().expired().claim("nbf", 0), "expired"),
        ] {
            assert_eq!(setup.verify(&[], &token).rejects(), reason, "{name}");
        }
        // The detail has the types that the preset accepts.
        let typed = setup.verify(&[], &setup.token().header("typ", "at+jwt")).verdicts();
        let detail = typed[0]["detail"].as_str().unwrap_or_default();
        assert!(detail.contains(r#"expected "JWT", the token has typ "at+jwt""#), "{detail}");
        // A custom application ID URI replaces the default audiences.
        let uri = setup.token().audience(API);
        setup.verify(&["--audience", API], &uri).accepts();
        assert_eq!(setup.verify(&["--audience", API], &setup.token()).rejects(), "wrong_audience");
        setup.verify(&["--any-audience"], &uri).accepts();
    }
    let graph = Setup::azure("azure-graph", TestIssuer::azure(TENANT, CLIENT_ID));
    let outcome = graph.verify(&[], &graph.token().audience("00000003-0000-0000-c000-000000000000"));
    assert_eq!(outcome.rejects(), "wrong_audience");
    assert!(outcome.stdout.contains("Microsoft Graph"), "{}", outcome.stdout);
}

#[test]
fn many_tenants_of_entra_can_be_named() {
    let other = TestIssuer::azure(OTHER_TENANT, CLIENT_ID);
    for (tenant, accepted) in [
        ("organizations", true),
        ("common", true),
        ("consumers", false),
        (&*format!("{TENANT}, {OTHER_TENANT}"), true),
        (TENANT, false),
    ] {
        let setup = Setup::new(
            &format!("azure-{}", tenant.replace([' ', ','], "")),
            other.clone(),
            &["--azure-tenant", tenant, "--azure-client-id", CLIENT_ID],
        );
        let outcome = setup.verify(&[], &setup.token());
        assert_eq!(outcome.status, i32::from(!accepted), "{tenant}: {outcome:?}");
    }
}

#[test]
fn key_file_replaces_the_providers_keys() {
    // These hosts are not reachable from here. A fetch would fail with exit status 2 instead of a verdict.
    for setup in [
        Setup::auth0("own-keys-auth0"),
        Setup::authok("own-keys-authok"),
        Setup::azure("own-keys-azure", TestIssuer::azure(TENANT, CLIENT_ID)),
        Setup::clerk("own-keys-clerk"),
    ] {
        let pem = setup.folder.file("key.pem", setup.issuer.public_key_pem());
        let stranger = setup.folder.file("strange.json", TestIssuer::new().jwks());
        let flags: Vec<&str> = setup.flags.iter().map(String::as_str).collect();
        let token = setup.token().sign();
        verify([&flags[..], &["--public-key", &pem, &token]].concat()).accepts();
        let rejected = verify([&flags[..], &["--jwks", &stranger, &token]].concat()).rejects();
        assert!(["unknown_key", "bad_signature"].contains(&rejected.as_str()), "{rejected}");
        // `--jws` checks only the signature, with the algorithms of the identity provider.
        let provider: Vec<&str> = flags.iter().copied().take_while(|flag| *flag != "--audience").collect();
        verify([&provider[..], &["--jws", "--jwks", &setup.jwks, &token]].concat()).accepts();
        for flag in ["--issuer=x", "--any-issuer"] {
            let outcome = verify([&flags[..], &[flag, "--jwks", &setup.jwks, &token]].concat());
            assert!(outcome.fails().contains("cannot be used with"), "{outcome:?}");
        }
    }
}

#[test]
fn provider_flag_overrides_the_configuration_file() {
    let setup = Setup::clerk("clerk-config");
    let members = json!({"issuer": "https://issuer.test/", "audience": API, "jwks_url": "https://issuer.test/keys",
        "leeway_seconds": 600});
    let file = setup.folder.file("c.json", members.to_string());
    let late = setup.token().expired().issued_at(0).claim("nbf", 0).claim("exp", 60);
    setup.verify(&["--config", &file], &setup.token()).accepts();
    setup.verify(&["--config", &file, "--at", "600"], &late).accepts();
    assert_eq!(setup.verify(&["--config", &file, "--at", "660"], &late).rejects(), "expired");
    assert_eq!(setup.verify(&["--config", &file, "--audience", API], &setup.token()).rejects(), "missing_claim");
    // The audience of the file applies if the identity provider's flag sets none.
    let auth0 =
        Setup::new("auth0-config", TestIssuer::auth0("t.eu.auth0.com", API), &["--auth0-domain", "t.eu.auth0.com"]);
    auth0.verify(&["--config", &file], &auth0.token()).accepts();
    assert_eq!(auth0.verify(&["--config", &file], &auth0.token().audience("x")).rejects(), "wrong_audience");
}

#[test]
fn error_names_both_of_two_providers() {
    let providers: [&[&str]; 5] = [
        &["--oidc-issuer", "https://issuer.test/"],
        &["--auth0-domain", "tenant.eu.auth0.com"],
        &["--authok-domain", "tenant.us.authok.cn"],
        &["--azure-tenant", TENANT, "--azure-client-id", CLIENT_ID],
        &["--clerk-frontend-api", FRONTEND_API],
    ];
    for (position, one) in providers.iter().enumerate() {
        for other in &providers[position + 1..] {
            for pair in [[*one, *other].concat(), [*other, *one].concat()] {
                let outcome = verify([&pair[..], &["--audience", API, "x"]].concat());
                let message = outcome.fails();
                assert!(message.contains(one[0]) && message.contains(other[0]), "{pair:?}: {message}");
            }
        }
    }
}

#[test]
fn provider_flags_are_refused_for_other_providers() {
    let fails = |arguments: &[&str]| verify([arguments, &["--audience", API, "x"]].concat()).fails().to_owned();
    assert!(fails(&["--azure-tenant", TENANT]).contains("--azure-client-id <ID>"));
    assert!(fails(&["--azure-client-id", CLIENT_ID]).contains("--azure-tenant <TENANT>"));
    assert!(fails(&["--authorized-party", APP]).contains("--clerk-frontend-api <HOST>"));
    for other in
        [["--auth0-domain", "t.auth0.com"], ["--oidc-issuer", "https://i.test/"], ["--authok-domain", "t.authok.cn"]]
    {
        for own in [["--azure-client-id", CLIENT_ID], ["--authorized-party", APP]] {
            let message = fails(&[other, own].concat());
            assert!(message.contains(own[0]) && message.contains(other[0]), "{message}");
        }
    }
}

#[test]
fn invalid_value_is_reported_with_its_flag() {
    for (arguments, flag) in [
        (&["--azure-tenant", "contoso.onmicrosoft.com", "--azure-client-id", CLIENT_ID][..], "--azure-tenant"),
        (&["--azure-tenant", "", "--azure-client-id", CLIENT_ID], "--azure-tenant"),
        (&["--azure-tenant", TENANT, "--azure-client-id", "api://orders"], "--azure-client-id"),
        (&["--clerk-frontend-api", "clerk.example.com/v1"], "--clerk-frontend-api"),
        (&["--clerk-frontend-api", "http://clerk.example.com"], "--clerk-frontend-api"),
        (
            &["--clerk-frontend-api", FRONTEND_API, "--authorized-party", "https://app.example.com/"],
            "--authorized-party",
        ),
        (&["--authok-domain", "ftp://t.authok.cn", "--audience", API], "--authok-domain"),
        (&["--clerk-frontend-api", FRONTEND_API, "--audience", ""], "--audience"),
        (&["--clerk-frontend-api", FRONTEND_API, "--jwks", "/nonexistent"], "--jwks"),
    ] {
        let outcome = verify([arguments, &["x"]].concat());
        assert!(outcome.fails().starts_with(&format!("error: {flag}: ")), "{arguments:?}: {outcome:?}");
    }
}

#[test]
fn help_names_every_provider() {
    let help = verify(["--help"]).stdout;
    for flag in [
        "--oidc-issuer <ISSUER>",
        "--auth0-domain <DOMAIN>",
        "--authok-domain <DOMAIN>",
        "--azure-tenant <TENANT>",
        "--azure-client-id <ID>",
        "--clerk-frontend-api <HOST>",
        "--authorized-party <ORIGIN>",
    ] {
        assert!(help.contains(flag), "{flag}");
    }
}

#[test]
fn keys_are_fetched_from_each_provider() {
    let authok = TestIssuer::new().with_audience(API).serve();
    let domain = format!("http://{}", authok.address());
    verify(["--authok-domain", &domain, "--audience", API, &authok.issuer().token().sign()]).accepts();
    assert_eq!((authok.jwks_hits(), authok.all_hits()), (1, 1));

    let clerk = TestIssuer::clerk(FRONTEND_API).serve_under("");
    verify(["--clerk-frontend-api", &clerk.url(), &clerk.issuer().token().sign()]).accepts();
    assert_eq!((clerk.jwks_hits(), clerk.all_hits()), (1, 1));

    for (server, flag, url) in [(authok, "--authok-domain", domain), (clerk, "--clerk-frontend-api", String::new())] {
        let url = if url.is_empty() { server.url() } else { url };
        server.misbehave(portcullis_testing::Fault::status(503));
        let outcome = verify([flag, &url, "--audience", API, &server.issuer().token().sign()]);
        let message = outcome.fails();
        assert!(message.starts_with(&format!("error: {flag}: no keys, so no verdict: status 503")), "{message}");
    }
}

#[test]
fn rules_of_machines_are_applied() {
    const CLUSTER: &str = "https://kubernetes.default.svc.cluster.local";
    const AWS: &str = "https://abc123.tokens.sts.global.api.aws";
    let other = |token: TokenBuilder, claim: &str, value: &str| token.claim(claim, value);
    for (name, issuer, flags, claim, reason) in [
        (
            "github",
            TestIssuer::github_actions(API),
            vec!["--github-repository", "456789"],
            "repository_id",
            "wrong_party",
        ),
        (
            "gitlab",
            TestIssuer::gitlab("https://gitlab.com", API),
            vec!["--gitlab-project", "22"],
            "project_id",
            "wrong_party",
        ),
        ("bitbucket", TestIssuer::bitbucket("acme", API), vec!["--bitbucket-workspace", "acme"], "iss", "wrong_issuer"),
        (
            "kubernetes",
            TestIssuer::kubernetes(CLUSTER, API),
            vec!["--kubernetes-issuer", CLUSTER, "--service-account", "shop:web"],
            "sub",
            "check_failed",
        ),
        ("aws", TestIssuer::aws_outbound(AWS, API), vec!["--aws-issuer", AWS], "sub", "wrong_tenant"),
        (
            "google",
            TestIssuer::google_service_account(API),
            vec!["--google-account", "107517467455664443765"],
            "azp",
            "wrong_token_class",
        ),
        (
            "spiffe",
            TestIssuer::spiffe("example.org", API),
            vec!["--spiffe-trust-domain", "example.org"],
            "sub",
            "wrong_tenant",
        ),
        (
            "cloudflare",
            TestIssuer::cloudflare_access("acme.cloudflareaccess.com", API),
            vec!["--cloudflare-team-domain", "acme.cloudflareaccess.com"],
            "type",
            "wrong_token_class",
        ),
        ("iap", TestIssuer::google_iap(API), vec!["--google-iap"], "iss", "wrong_issuer"),
    ] {
        let flags: Vec<&str> = flags.into_iter().chain(["--audience", API]).collect();
        let setup = Setup::new(name, issuer, &flags);
        setup.verify(&[], &setup.token()).accepts();
        assert_eq!(setup.verify(&[], &other(setup.token(), claim, "other")).rejects(), reason, "{name}");
        assert_eq!(setup.verify(&[], &setup.token().audience("https://other.example.com")).rejects(), "wrong_audience");
        assert_eq!(setup.verify(&[], &setup.token().expired()).rejects(), "expired", "{name}");
    }
}

#[test]
fn machines_with_an_audience_of_their_own_need_no_flag_for_it() {
    let team = "team_7Gw5ZMBpQA8h9GF832KGp7nwbuh3";
    let vercel =
        Setup::new("vercel", TestIssuer::vercel("acme", team), &["--vercel-team", "acme", "--vercel-team-id", team]);
    vercel.verify(&[], &vercel.token()).accepts();
    assert_eq!(vercel.verify(&[], &vercel.token().claim("environment", "preview")).rejects(), "check_failed");
    let flags = ["--entra-workload-tenant", TENANT, "--entra-client-id", CLIENT_ID];
    let entra = Setup::new("entra", TestIssuer::azure_app(TENANT, CLIENT_ID), &flags);
    entra.verify(&[], &entra.token()).accepts();
    const ARN: &str = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/lb/0123456789abcdef";
    let flags = ["--alb-arn", ARN, "--alb-issuer", "https://issuer.example"];
    let alb = Setup::new("alb", TestIssuer::aws_alb(ARN, "https://issuer.example"), &flags);
    let ask = |token: String| {
        let flags: Vec<&str> = flags.into_iter().chain(["--jwks", &alb.jwks, &token]).collect();
        verify(flags)
    };
    ask(alb.token().sign_padded()).accepts();
    assert_eq!(ask(alb.token().header("signer", "other").sign_padded()).rejects(), "wrong_tenant");
    for (flags, named) in [
        (&["--vercel-team", "acme", "--vercel-team-id", "acme"][..], "--vercel-team-id"),
        (&["--alb-arn", "lb", "--alb-issuer", "https://issuer.example"], "--alb-arn"),
        (&["--google-account", "robot@p.iam.gserviceaccount.com", "--audience", API], "--google-account"),
        (&["--kubernetes-issuer", "kubernetes", "--audience", API], "--kubernetes-issuer"),
    ] {
        let flags: Vec<&str> = flags.iter().copied().chain(["x"]).collect();
        let outcome = verify(flags);
        let error = outcome.fails();
        assert!(error.starts_with(&format!("error: {named}: ")), "{error}");
    }
}
