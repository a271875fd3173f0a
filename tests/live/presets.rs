//! Tests both servers with the variables of one identity provider.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use portcullis::jose::Algorithm;
use portcullis_testing::{IssuerServer, TestIssuer, TokenBuilder};

use crate::services::Services;
use crate::{API, assert_bad_token, http};

const ISSUER: (&str, &str) = ("PORTCULLIS_ISSUER", "https://issuer.test");
const AUDIENCE: (&str, &str) = ("PORTCULLIS_AUDIENCE", API);
const INTROSPECTION: [(&str, &str); 3] = [
    ("PORTCULLIS_INTROSPECTION_URL", "https://issuer.test/introspect"),
    ("PORTCULLIS_CLIENT_ID", "api"),
    ("PORTCULLIS_CLIENT_SECRET_FILE", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")),
];
const PARTIES: &str = "https://app.example.com, https://admin.example.com";
const TENANT: &str = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490";
const OTHER_TENANT: &str = "0b1c2d3e-4f50-4617-8293-a4b5c6d7e8f9";
const CLIENT_ID: &str = "535fb089-9ff3-47b6-9bfb-4f1264799865";

pub(crate) fn auth0_works_with_two_variables() {
    let tenant = TestIssuer::new().with_audience(API).serve();
    let services = Services::start(&[("AUTH0_DOMAIN", &domain(&tenant)), ("AUTH0_AUDIENCE", API)]);
    // The preset knows the key URL, so it fetches no metadata.
    assert_eq!(tenant.metadata_hits(), 0);

    let issuer = tenant.issuer();
    let token = || issuer.token().scope("read:messages");
    let good = token().subject("auth0|1").sign();
    assert_eq!(services.get("/api/private", Some(&good)).json()["iss"], format!("{}/", domain(&tenant)));
    assert_eq!(services.get("/api/private-scoped", Some(&good)).status, 200);
    assert_eq!(services.get("/api/greeting", Some(&good)).json()["greeting"], "hello, auth0|1");

    for (bad, reason) in [
        (token().audience("https://other.test"), "wrong_audience"),
        (token().issuer(&domain(&tenant)), "wrong_issuer"),
        (token().expired(), "expired"),
    ] {
        assert_bad_token(&services.get("/api/private", Some(&bad.sign())), reason);
    }
    let unscoped = issuer.token().scope("openid").sign();
    assert_eq!(services.get("/api/private-scoped", Some(&unscoped)).status, 403);

    tenant.rotate(Algorithm::Rs256);
    assert_eq!(services.get("/api/private", Some(&tenant.issuer().token().sign())).status, 200);
    assert_eq!(services.get("/api/private", Some(&good)).status, 200);
}

pub(crate) fn authok_works_with_two_variables() {
    let tenant = TestIssuer::authok("tenant.us.authok.cn", API).serve();
    let services = Services::start(&[("AUTHOK_DOMAIN", &domain(&tenant)), ("AUTHOK_AUDIENCE", API)]);
    assert_eq!((tenant.metadata_hits(), tenant.jwks_hits()), (0, 2));

    let issuer = tenant.issuer();
    let good = issuer.token().sign();
    assert_eq!(services.get("/api/private", Some(&good)).json()["iss"], format!("{}/", domain(&tenant)));
    assert_eq!(services.get("/api/private-scoped", Some(&good)).status, 200);
    assert_eq!(services.get("/api/private-scoped", Some(&issuer.token().scope("openid").sign())).status, 403);
    for (bad, reason) in [
        (issuer.token().audience("https://other.test"), "wrong_audience"),
        (issuer.token().issuer(&domain(&tenant)), "wrong_issuer"),
        (issuer.token().expired(), "expired"),
        (issuer.token().header("alg", "PS256"), "algorithm_not_allowed"),
    ] {
        assert_refused(&services, &bad, reason);
    }
}

pub(crate) fn clerk_works_with_a_publishable_key() {
    let instance = TestIssuer::clerk("clerk.example.com").serve_under("");
    let key = publishable_key(&instance.url());
    let services = Services::start(&[("CLERK_PUBLISHABLE_KEY", &key), ("CLERK_AUTHORIZED_PARTIES", PARTIES)]);
    assert_eq!((instance.metadata_hits(), instance.jwks_hits()), (0, 2));

    let issuer = instance.issuer();
    for good in [issuer.token(), issuer.clerk_v1().token(), issuer.token().claim("azp", "https://admin.example.com")] {
        let answer = services.get("/api/private", Some(&good.sign()));
        assert_eq!((answer.status, &answer.json()["iss"]), (200, &instance.url().into()), "{answer:?}");
    }
    // A session token has no scopes.
    assert_eq!(services.get("/api/private-scoped", Some(&issuer.token().sign())).status, 403);
    assert_clerks_rules(&services, &issuer);
    // The issuer has no slash at the end.
    assert_refused(&services, &issuer.token().issuer(&format!("{}/", instance.url())), "wrong_issuer");
    for opaque in ["ak_4f1b2c3d5e", "mt_4f1b2c3d5e", "oat_4f1b2c3d5e"] {
        assert_bad_token(&services.get("/api/private", Some(opaque)), "opaque_token");
    }
}

pub(crate) fn clerk_works_offline_with_a_public_key() {
    let instance = TestIssuer::clerk("clerk.example.com");
    // The servers must not connect here, although a publishable key and header members of tokens name this address.
    let listener = TestIssuer::clerk("clerk.example.com").serve_under("");
    let (pem, named) = (instance.public_key_pem(), publishable_key(&listener.url()));
    let alone = [("CLERK_JWT_KEY", pem.as_str()), ("CLERK_AUTHORIZED_PARTIES", PARTIES)];
    let both = [alone[0], alone[1], ("CLERK_PUBLISHABLE_KEY", named.as_str())];
    for (variables, issuer) in [(&alone[..], instance.clone()), (&both, instance.clone().with_url(listener.url()))] {
        let services = Services::start(variables);
        for good in [issuer.token(), issuer.clerk_v1().token()] {
            assert_eq!(services.get("/api/private", Some(&good.sign())).status, 200);
        }
        assert_clerks_rules(&services, &issuer);
        let keys = listener.jwks_url();
        for token in [
            issuer.token().header("kid", "another").header("jku", &keys).header("x5u", &keys),
            issuer.token().header("kid", &keys),
        ] {
            // The only key has no `kid`, so it verifies tokens with any `kid`.
            assert_eq!(services.get("/api/private", Some(&token.sign())).status, 200);
        }
        let foreign = listener.issuer().with_url(issuer.url());
        assert_refused(&services, &foreign.token(), "bad_signature");
        for log in services.logs() {
            assert!(log.contains("wrong_party") && !log.contains("fetched"), "{log}");
        }
    }
    // Without a publishable key, only the form of the issuer is known.
    let services = Services::start(&alone);
    assert_refused(&services, &instance.token().issuer(&listener.url()), "wrong_issuer");
    assert_eq!((listener.connections(), listener.all_hits()), (0, 0));
}

pub(crate) fn azure_works_with_two_variables() {
    // A server on loopback replaces login.microsoftonline.com.
    let tenant = TestIssuer::azure(TENANT, CLIENT_ID).serve_under(&format!("/{TENANT}/v2.0"));
    let (v2_keys, v1_keys) = (format!("/{TENANT}/discovery/v2.0/keys"), format!("/{TENANT}/discovery/keys"));
    for keys in [&v2_keys, &v1_keys] {
        tenant.serve_at(keys, tenant.issuer().jwks());
    }
    let services = Services::start(&[
        ("AZURE_TENANT_ID", TENANT),
        ("AZURE_CLIENT_ID", CLIENT_ID),
        ("AZURE_AUTHORITY_HOST", &domain(&tenant)),
    ]);

    let issuer = tenant.issuer();
    let token = || issuer.token().claim("scp", "Files.Read read:messages");
    let good = token().sign();
    assert_eq!(services.get("/api/private", Some(&good)).json()["tid"], TENANT);
    assert_eq!(services.get("/api/private-scoped", Some(&good)).status, 200);
    assert_eq!(services.get("/api/private-scoped", Some(&issuer.token().sign())).status, 403);
    // The token of an application has roles, and they are not scopes.
    let app = issuer.token().without("scp").claim("roles", ["read:messages"]).sign();
    assert_eq!(services.get("/api/private", Some(&app)).status, 200);
    assert_eq!(services.get("/api/private-scoped", Some(&app)).status, 403);
    // An API can choose version 1.0, with another issuer and audience.
    let v1 = token().issuer(&format!("https://sts.windows.net/{TENANT}/")).audience(format!("api://{CLIENT_ID}"));
    assert_eq!(services.get("/api/private", Some(&v1.claim("ver", "1.0").sign())).status, 200);

    for (bad, reason) in [
        (token().claim("tid", OTHER_TENANT), "wrong_tenant"),
        (token().without("tid"), "missing_claim"),
        (token().issuer(&tenant.url().replace(TENANT, OTHER_TENANT)), "wrong_issuer"),
        (token().issuer(&format!("https://login.microsoftonline.com/{TENANT}/v2.0")), "wrong_issuer"),
        (token().audience(OTHER_TENANT), "wrong_audience"),
        (token().audience("https://graph.microsoft.com"), "wrong_audience"),
        (token().without("scp"), "wrong_token_class"),
        (token().header("typ", "at+jwt"), "wrong_type"),
        (token().expired().claim("nbf", 0), "expired"),
    ] {
        assert_refused(&services, &bad, reason);
    }
    assert_eq!(tenant.metadata_hits(), 0);
}

pub(crate) fn options_apply_to_every_preset() {
    let tenant = TestIssuer::auth0("tenant.eu.auth0.com", API).serve();
    let services = Services::start(&[
        ("AUTH0_DOMAIN", &domain(&tenant)),
        ("AUTH0_AUDIENCE", API),
        ("PORTCULLIS_LEEWAY_SECONDS", "600"),
        ("PORTCULLIS_TYP", "at+jwt"),
        ("PORTCULLIS_ALGORITHMS", "RS256"),
    ]);
    let issuer = tenant.issuer();
    let token = || issuer.token().header("typ", "at+jwt");
    let now = token().claims()["iat"].as_i64().unwrap();
    let late = token().issued_at(now - 4_000).claim("exp", now - 300);
    assert_eq!(services.get("/api/private", Some(&late.sign())).status, 200);
    assert_refused(&services, &late.claim("exp", now - 700), "expired");
    assert_refused(&services, &issuer.token(), "wrong_type");
    assert_refused(&services, &token().header("alg", "PS256"), "algorithm_not_allowed");
}

/// Checks that both servers refuse every token of the instance that is not a session token for this application.
fn assert_clerks_rules(services: &Services, instance: &TestIssuer) {
    let token = || instance.token();
    for (bad, reason) in [
        (token().claim("azp", "https://evil.example"), "wrong_party"),
        (token().without("azp"), "missing_claim"),
        (token().claim("sts", "pending"), "session_pending"),
        (token().audience(API), "wrong_audience"),
        (instance.clerk_template().token().without("aud"), "wrong_token_class"),
        (instance.clerk_machine().token().without("aud").claim("azp", "https://app.example.com"), "wrong_token_class"),
        (token().issuer("https://issuer.example"), "wrong_issuer"),
        (token().expired(), "expired"),
    ] {
        assert_refused(services, &bad, reason);
    }
}

/// Checks that both servers refuse the token on routes with a required and with an optional token.
fn assert_refused(services: &Services, token: &TokenBuilder, reason: &str) {
    for path in ["/api/private", "/api/private-scoped", "/api/greeting"] {
        assert_bad_token(&services.get(path, Some(&token.sign())), reason);
    }
}

fn publishable_key(frontend_api: &str) -> String {
    format!("pk_test_{}", STANDARD_NO_PAD.encode(format!("{frontend_api}$")))
}

pub(crate) fn incomplete_variables_are_named() {
    let pem = TestIssuer::clerk("clerk.example.com").public_key_pem();
    for (variables, named) in [
        (&[("AUTHOK_DOMAIN", "tenant.us.authok.cn")][..], "AUTHOK_AUDIENCE"),
        (&[("AUTHOK_AUDIENCE", API)], "AUTHOK_DOMAIN"),
        (&[("AZURE_TENANT_ID", TENANT)], "AZURE_CLIENT_ID"),
        (&[("AZURE_CLIENT_ID", CLIENT_ID)], "AZURE_TENANT_ID"),
        (&[("AZURE_TENANT_ID", "contoso.onmicrosoft.com"), ("AZURE_CLIENT_ID", CLIENT_ID)], "AZURE_TENANT_ID"),
        (&[("CLERK_AUTHORIZED_PARTIES", PARTIES)], "CLERK_PUBLISHABLE_KEY"),
        (&[("CLERK_PUBLISHABLE_KEY", "pk_test_x")], "CLERK_PUBLISHABLE_KEY"),
        (&[("CLERK_JWT_KEY", "no key")], "CLERK_JWT_KEY"),
        (&[("CLERK_JWT_KEY", &pem), ("PORTCULLIS_LEEWAY_SECONDS", "soon")], "PORTCULLIS_LEEWAY_SECONDS"),
        (&[("CLERK_JWT_KEY", &pem), ("PORTCULLIS_LEEWAY_SECONDS", "601")], "PORTCULLIS_LEEWAY_SECONDS"),
        (&[("CLERK_JWT_KEY", &pem), ("PORTCULLIS_ALGORITHMS", "ES256,HS256")], "PORTCULLIS_ALGORITHMS"),
        (&[("PORTCULLIS_ALGORITHMS", "none")], "PORTCULLIS_ALGORITHMS"),
        (&[("PORTCULLIS_ISSUER", "https://issuer.test"), ("PORTCULLIS_AUDIENCE", ",")], "PORTCULLIS_AUDIENCE"),
        (&[("CLERK_JWT_KEY", &pem), ("CLERK_AUTHORIZED_PARTIES", "https://a.example/")], "CLERK_AUTHORIZED_PARTIES"),
        (&[ISSUER, AUDIENCE, ("PORTCULLIS_DPOP", "required")], "PORTCULLIS_DPOP"),
        (&[ISSUER, AUDIENCE, ("PORTCULLIS_DPOP", "accepted"), ("PORTCULLIS_DPOP_NONCE", "true")], "PORTCULLIS_DPOP"),
        (&[ISSUER, AUDIENCE, ("PORTCULLIS_DPOP_NONCE", "true")], "PORTCULLIS_DPOP_NONCE"),
        (
            &[("AUTH0_DOMAIN", "a.eu.auth0.com"), ("AUTH0_AUDIENCE", API), ("PORTCULLIS_DPOP", "required")],
            "PORTCULLIS_DPOP",
        ),
        (&[("PORTCULLIS_DPOP", "required")], "PORTCULLIS_DPOP"),
        (&[AUDIENCE, INTROSPECTION[0], INTROSPECTION[1], INTROSPECTION[2]], "PORTCULLIS_ISSUER"),
        (&[ISSUER, INTROSPECTION[0], INTROSPECTION[1], INTROSPECTION[2]], "PORTCULLIS_AUDIENCE"),
    ] {
        for (code, output) in Services::fail_to_start(variables) {
            assert_eq!(code, Some(2), "{output}");
            assert!(output.starts_with(&format!("{named}: ")), "{output}");
        }
    }
}

pub(crate) fn two_providers_are_an_error_that_names_both() {
    for [(one, its), (other, others)] in [
        [("AUTH0_DOMAIN", "tenant.eu.auth0.com"), ("PORTCULLIS_ISSUER", "https://issuer.test")],
        [("AUTH0_AUDIENCE", API), ("CLERK_PUBLISHABLE_KEY", "pk_test_x")],
        [("AUTHOK_DOMAIN", "tenant.test"), ("AZURE_TENANT_ID", "tenant")],
        [("CLERK_JWT_KEY", "key"), ("AZURE_CLIENT_ID", CLIENT_ID)],
    ] {
        for (code, output) in Services::fail_to_start(&[(one, its), (other, others)]) {
            assert_eq!(code, Some(2), "{output}");
            assert!(output.contains(one) && output.contains(other), "{output}");
        }
    }
}

pub(crate) fn printed_commands_work_without_a_provider() {
    let services = Services::start(&[]);
    for (address, log) in services.addresses().into_iter().zip(services.logs()) {
        let counted = http::get(address, "/metrics", &[]).unwrap().body;
        assert!(
            counted.contains("portcullis_keys_held") && !counted.contains("portcullis_verification_total{"),
            "{counted}"
        );
        let mut lines = log.lines().skip_while(|line| !line.starts_with("# "));
        let mut tried = 0;
        while let (Some(comment), Some(command)) = (lines.next(), lines.next()) {
            // Each entry is a comment, a command and an empty line.
            let status: u16 = comment.strip_prefix("# ").and_then(|rest| rest.get(..3)).unwrap().parse().unwrap();
            let (start, url) = command.rsplit_once(" http://").unwrap();
            let (host, path) = url.split_at(url.find('/').unwrap());
            assert_eq!(host, address);
            let token = start
                .split_once("Authorization: Bearer ")
                .map(|(_, rest)| rest.trim_end_matches("' ").trim_end_matches('\''));
            let bearer = token.map(|token| format!("Bearer {token}"));
            let fields: Vec<_> = bearer.iter().map(|value| ("authorization", value.as_str())).collect();
            assert_eq!(http::get(host, path, &fields).unwrap().status, status, "{comment}");
            tried += 1;
            if lines.next().is_none_or(|line| !line.is_empty()) {
                break;
            }
        }
        assert_eq!(tried, 8, "{log}");
    }
}

/// Returns the tenant's URL without the slash at the end of its issuer.
fn domain(tenant: &IssuerServer) -> String {
    format!("http://{}", tenant.address())
}
