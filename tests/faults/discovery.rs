//! Metadata that is wrong, or names a wrong URL.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use portcullis::jose::Algorithm;
use portcullis::keys::RemoteKeys;
use portcullis::{Audience, Gate, JwtVerifier, Reason};
use portcullis_azure::Azure;
use portcullis_testing::{Endpoint, Fault, IssuerServer, TestIssuer};
use serde_json::{Value, json};

use crate::log::Log;
use crate::support::{ANY_PAUSE, REFRESH_DUE, Scene, es256, eventually, key, refuses, secs, set_of, with_members};

/// The metadata of `server` with these members. `null` removes a member.
fn metadata(server: &IssuerServer, changes: Value) -> String {
    with_members(json!({"issuer": server.url(), "jwks_uri": server.jwks_url()}), changes).to_string()
}

/// Expects that this metadata is refused, without and with cached keys. Returns the error in the status.
async fn assert_refused(body: impl Fn(&IssuerServer) -> String) -> String {
    let cold = Scene::discovering();
    cold.server.set_metadata_body(body(&cold.server));
    for _ in 0..5 {
        cold.is_unavailable(&cold.token()).await;
    }
    assert_eq!((cold.server.metadata_hits(), cold.server.all_hits()), (1, 1));
    let error = cold.keys.status().last_error.unwrap();
    cold.server.behave();
    cold.recovers().await;

    let warm = Scene::discovering().warmed().await;
    let token = warm.token();
    warm.server.set_metadata_body(body(&warm.server));
    // The metadata is read again after an hour.
    warm.clock.advance(secs(3_600));
    warm.fail_to_refresh(&token).await;
    warm.admits(&token).await;
    assert_eq!((warm.server.metadata_hits(), warm.server.jwks_hits()), (2, 1));
    warm.server.behave();
    warm.recovers().await;
    error
}

#[tokio::test]
async fn fault_53_metadata_of_another_issuer_is_refused() {
    for change in [
        |url: &str| url.trim_end_matches('/').to_owned(),
        |url: &str| format!("{url}/"),
        |url: &str| url.to_uppercase(),
        |url: &str| url.replace("127.0.0.1", "localhost"),
        |url: &str| url.replace("http:", "https:"),
        |url: &str| format!(" {url}"),
        |_: &str| "https://attacker.example/".to_owned(),
        |_: &str| String::new(),
    ] {
        let error = assert_refused(|server| metadata(server, json!({"issuer": change(&server.url())}))).await;
        assert!(error.contains("expected issuer"), "{error}");
    }
}

#[tokio::test]
async fn fault_53_metadata_at_another_url_needs_the_same_issuer() {
    for (issuer, expected) in [(None, true), (Some("https://other.example/"), false)] {
        let scene = Scene::over(es256().serve(), |server, builder| {
            let issuer = issuer.map_or_else(|| server.url(), str::to_owned);
            server.serve_at("/metadata.json", metadata(server, json!({})));
            builder.metadata_at(server.url_of("/metadata.json")).discover(&issuer).unwrap()
        });
        assert_eq!(scene.keys.warm_up().await.is_ok(), expected);
        let error = scene.keys.status().last_error.unwrap_or_default();
        assert_eq!(error.contains("expected issuer"), !expected, "{error}");
        assert_eq!((scene.server.hits("/metadata.json"), scene.server.metadata_hits()), (1, 0));
    }
}

#[tokio::test]
async fn fault_54_metadata_without_an_issuer_is_refused() {
    for issuer in [json!(null), json!(7), json!({}), json!(true)] {
        assert_refused(|server| metadata(server, json!({ "issuer": issuer }))).await;
    }
    assert_refused(|server| metadata(server, json!({"issuer": [server.url()]}))).await;
    for body in ["", "null", "[]", "<html></html>", "{\"issuer\":"] {
        assert_refused(|_| body.to_owned()).await;
    }
    assert_refused(|server| metadata(server, json!({})).replace("{\"issuer\"", "{\"issuer\":\"x\",\"issuer\"")).await;
    assert_refused(|server| format!("{}{}", metadata(server, json!({})), " ".repeat(2 * 1024 * 1024))).await;
}

#[tokio::test]
async fn fault_55_unusable_jwks_uri_is_refused() {
    for uri in [json!(null), json!(7), json!([]), json!("")] {
        assert_refused(|server| metadata(server, json!({ "jwks_uri": uri }))).await;
    }
    for uri in [
        "/.well-known/jwks.json",
        "jwks.json",
        "//127.0.0.1/jwks.json",
        "file:///etc/passwd",
        "data:application/json,{\"keys\":[]}",
        "ftp://127.0.0.1/jwks.json",
        "javascript:alert(1)",
        "https://",
    ] {
        assert_refused(|server| metadata(server, json!({ "jwks_uri": uri }))).await;
    }
    for change in [
        |url: &str| url.replace("http://", "http://user@"),
        |url: &str| url.replace("http://", "http://user:password@"),
        |url: &str| format!("{url}#keys"),
    ] {
        assert_refused(|server| metadata(server, json!({"jwks_uri": change(&server.jwks_url())}))).await;
    }
}

#[tokio::test]
async fn fault_56_jwks_uri_over_http_is_refused() {
    for uri in ["http://issuer.example/jwks.json", "HTTP://issuer.example/jwks.json", "http://localhost.example/"] {
        let error = assert_refused(|server| metadata(server, json!({ "jwks_uri": uri }))).await;
        assert!(error.contains("https"), "{error}");
    }
    // A configured URL is refused as well, before anything is fetched.
    assert!(RemoteKeys::at("http://issuer.example/jwks.json").is_err());
    assert!(RemoteKeys::discover("http://issuer.example/").is_err());
}

#[tokio::test]
async fn fault_57_jwks_uri_on_another_host_is_followed() {
    let scene = Scene::discovering();
    let keys = es256().serve();
    let uri = keys.jwks_url();
    scene.server.set_metadata_body(metadata(&scene.server, json!({ "jwks_uri": uri })));
    let token = keys.issuer().token().issuer(&scene.server.url()).sign();
    scene.admits(&token).await;
    assert_eq!((scene.server.metadata_hits(), scene.server.jwks_hits(), keys.jwks_hits()), (1, 0, 1));
    // The keys still belong to the configured issuer: a token that names the other host is refused.
    scene.refuses(&keys.issuer().token().sign(), Reason::WrongIssuer).await;
}

#[tokio::test]
async fn fault_58_metadata_cannot_lead_to_private_http() {
    for host in ["169.254.169.254", "10.0.0.1", "192.168.0.1", "172.16.0.1", "0.0.0.0", "[fd00::1]", "[fe80::1]"] {
        assert_refused(|server| metadata(server, json!({"jwks_uri": format!("http://{host}/keys")}))).await;
    }
    // Over https the address is connected to, because the metadata is that of a configured issuer. A server there needs a
    // certificate for the address.
    let scene = Scene::discovering();
    let port = scene.server.address().port();
    let uri = format!("https://{}:{port}/.well-known/jwks.json", Ipv4Addr::LOCALHOST);
    scene.server.set_metadata_body(metadata(&scene.server, json!({ "jwks_uri": uri })));
    let before = scene.server.connections();
    let answer = tokio::time::timeout(std::time::Duration::from_millis(200), scene.gate.verify(&scene.token())).await;
    assert!(!matches!(answer, Ok(Ok(_))));
    eventually("the connection was attempted", || scene.server.connections() == before + 2).await;
    assert_eq!(scene.server.jwks_hits(), 0);
}

#[tokio::test]
async fn fault_59_metadata_never_widens_the_allow_list() {
    let server = es256().serve();
    let (secret, other) = (key(Algorithm::Hs256, "secret"), key(Algorithm::EdDsa, "other"));
    server.set_jwks_body(set_of(&[server.issuer().first_key().jwk(), secret.jwk(), other.jwk()]));
    let algorithms = json!(["none", "HS256", "EdDSA", "ES256"]);
    server.set_metadata_body(metadata(&server, json!({"id_token_signing_alg_values_supported": algorithms})));
    let issuer = server.issuer();
    let keys = RemoteKeys::discover(issuer.url()).unwrap();
    let verifier = JwtVerifier::builder(issuer.url(), Audience::any_of([issuer.audience()]), keys)
        .algorithms([Algorithm::Es256])
        .build()
        .unwrap();
    let gate = Gate::new(verifier);
    assert!(gate.verify(&issuer.token().sign()).await.is_ok());
    let unsigned = format!("{}.", issuer.token().header("alg", "none").signing_input());
    for token in [issuer.token().signed_with(secret).sign(), issuer.token().signed_with(other).sign(), unsigned] {
        let error = gate.verify(&token).await.unwrap_err();
        // A missing signature is found before the algorithm is checked.
        assert!(matches!(error.reason(), Some(Reason::AlgorithmNotAllowed | Reason::Malformed)), "{error}");
    }
    assert_eq!(server.all_hits(), 2);
}

#[tokio::test]
async fn fault_60_metadata_and_keys_are_replaced_together() {
    let scene = Scene::discovering().warmed().await;
    let old = scene.token();
    // The metadata is good, and the keys are unavailable.
    scene.server.misbehave_at(Endpoint::Jwks, Fault::status(503));
    scene.fail_to_refresh(&old).await;
    scene.admits(&old).await;
    // The metadata names a URL without a key set: the cached keys stay in use.
    let moved = scene.server.url_of("/moved.json");
    scene.server.behave();
    scene.server.set_metadata_body(metadata(&scene.server, json!({ "jwks_uri": moved })));
    scene.fail_to_refresh(&old).await;
    scene.admits(&old).await;
    assert_eq!(scene.server.hits("/moved.json"), 1);
    // The metadata names the old URL again, and it is used.
    scene.server.behave();
    scene.refresh(&old).await;
    scene.admits(&old).await;
}

#[tokio::test]
async fn fault_60_validators_are_not_sent_to_another_url() {
    let scene = Scene::discovering();
    scene.server.set_header("etag", "\"1\"");
    let old = scene.token();
    scene.admits(&old).await;
    // After a failure the metadata is read again. It names another key set, which has the same ETag.
    scene.server.misbehave(Fault::status(503));
    scene.fail_to_refresh(&old).await;
    scene.server.behave();
    scene.server.set_header("etag", "\"1\"");
    let moved = key(Algorithm::Es256, "moved");
    scene.server.serve_at("/moved.json", set_of(&[moved.jwk()]));
    let uri = scene.server.url_of("/moved.json");
    scene.server.set_metadata_body(metadata(&scene.server, json!({ "jwks_uri": uri })));
    scene.refresh(&old).await;
    let requests = scene.server.requests();
    assert_eq!(requests.last().unwrap().path(), "/moved.json");
    assert_eq!(requests.last().unwrap().header("if-none-match"), None);
    scene.admits(&scene.server.issuer().token().signed_with(moved).sign()).await;
    scene.refuses(&old, Reason::UnknownKey).await;
}

#[tokio::test]
async fn fault_60_metadata_is_read_again_after_a_failure() {
    let scene = Scene::discovering().warmed().await;
    let old = scene.token();
    // The issuer has moved its keys. The old URL has none.
    let moved = key(Algorithm::Es256, "moved");
    scene.server.serve_at("/moved.json", set_of(&[moved.jwk()]));
    scene.server.misbehave_at(Endpoint::Jwks, Fault::status(404));
    let uri = scene.server.url_of("/moved.json");
    scene.server.set_metadata_body(metadata(&scene.server, json!({ "jwks_uri": uri })));
    scene.fail_to_refresh(&old).await;
    scene.clock.advance(secs(2));
    scene.admits(&old).await;
    scene.refreshed().await;
    scene.admits(&scene.server.issuer().token().signed_with(moved).sign()).await;
}

#[tokio::test]
async fn fault_61_issuer_template_is_refused() {
    let template = "https://login.microsoftonline.com/{tenantid}/v2.0";
    let error = assert_refused(|server| metadata(server, json!({ "issuer": template }))).await;
    assert!(error.contains("expected issuer"), "{error}");
}

#[tokio::test]
async fn fault_61_template_matches_only_the_tokens_tenant() {
    const API: &str = "535fb089-9ff3-47b6-9bfb-4f1264799865";
    const TENANT: &str = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490";
    const OTHER: &str = "82229342-1101-4ab6-817b-70c0747630f3";
    let server = TestIssuer::azure(TENANT, API).serve();
    let authority = format!("http://{}", server.address());
    let name = |tenant: &str| format!("{authority}/{tenant}/v2.0");
    // `common` publishes keys for all tenants and keys for one tenant.
    let [for_all, for_other] = ["for-all", "for-other"].map(|id| key(Algorithm::Rs256, id));
    let publish = |jwk: Value, tenant: &str| with_members(jwk, json!({"alg": null, "issuer": name(tenant)}));
    let keys = [publish(for_all.jwk(), "{tenantid}"), publish(for_other.jwk(), OTHER)];
    server.serve_at("/common/discovery/v2.0/keys", set_of(&keys));
    let gate = Gate::new(Azure::common(API).authority(&authority).verifier().unwrap());
    let token = |tenant: &str, tid: &str, key| {
        server.issuer().token().issuer(&name(tenant)).claim("tid", tid).signed_with(Arc::clone(key)).sign()
    };
    for (tenant, key) in [(TENANT, &for_all), (OTHER, &for_all), (OTHER, &for_other)] {
        assert!(gate.verify(&token(tenant, tenant, key)).await.is_ok(), "{tenant}");
    }
    for (tenant, tid, key, reason) in [
        ("{tenantid}", TENANT, &for_all, Reason::WrongIssuer),
        ("{tenantid}", "{tenantid}", &for_all, Reason::InvalidClaim),
        (OTHER, TENANT, &for_all, Reason::WrongIssuer),
        (TENANT, OTHER, &for_all, Reason::WrongIssuer),
        (TENANT, TENANT, &for_other, Reason::WrongIssuer),
        ("common", "common", &for_all, Reason::InvalidClaim),
    ] {
        refuses(&gate, &token(tenant, tid, key), reason).await;
    }
    assert_eq!((server.hits("/common/discovery/v2.0/keys"), server.all_hits()), (1, 1));
}

#[tokio::test]
async fn fault_62_well_known_urls_have_one_slash() {
    for path in ["", "/", "/realms/one", "/realms/one/"] {
        for oauth in [false, true] {
            let scene = Scene::over(es256().serve_under(path), |server, builder| {
                let builder = if oauth { builder.oauth_metadata() } else { builder };
                builder.discover(&server.url()).unwrap()
            });
            scene.admits(&scene.token()).await;
            let asked: Vec<_> = scene.server.requests().iter().map(|request| request.target.clone()).collect();
            let base = path.trim_end_matches('/');
            let metadata = if oauth {
                format!("/.well-known/oauth-authorization-server{base}")
            } else {
                format!("{base}/.well-known/openid-configuration")
            };
            assert_eq!(asked, [metadata, format!("{base}/.well-known/jwks.json")]);
        }
    }
}

#[tokio::test]
async fn fault_64_token_cannot_choose_what_is_fetched() {
    let attacker = es256().serve();
    let scene = Scene::discovering();
    let theirs = attacker.issuer();
    let url = attacker.jwks_url();
    let tokens = [
        theirs.token().sign(),
        theirs.token().header("kid", &url).sign(),
        theirs.token().header("jku", &url).header("x5u", &url).sign(),
        theirs.token().issuer(&scene.server.url()).header("jku", &url).header("kid", "theirs").sign(),
        scene.server.issuer().token().issuer(&attacker.url()).sign(),
        scene.server.issuer().token().header("kid", "../../admin?x=").sign(),
    ];
    for token in &tokens {
        let error = scene.gate.verify(token).await.unwrap_err();
        assert_eq!(scene.gate.refuse(&error).status, 401, "{error}");
        // Each name is looked up.
        scene.clock.advance(ANY_PAUSE);
    }
    assert_eq!(attacker.connections(), 0);
    let asked = scene.server.requests();
    assert!(asked.iter().all(|request| request.path().starts_with("/.well-known/")), "{asked:?}");
    scene.clock.advance(REFRESH_DUE);
    scene.admits(&scene.token()).await;
}

#[tokio::test]
async fn failed_fetch_names_the_request_that_failed() {
    let (log, _guards) = Log::capture();
    for (endpoint, document, path) in [
        (Endpoint::Metadata, "the metadata", ".well-known/openid-configuration"),
        (Endpoint::Jwks, "the key set", ".well-known/jwks.json"),
    ] {
        for (fault, what) in [
            (Fault::status(503), "status 503"),
            (Fault::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]".to_vec()), ""),
            (Fault::Close, "the request failed"),
            (Fault::Hang, "no answer within 300ms"),
        ] {
            let scene = Scene::over(es256().serve(), |server, builder| {
                builder.timeout(Duration::from_millis(300)).discover(&server.url()).unwrap()
            });
            scene.server.misbehave_at(endpoint, fault);
            scene.is_unavailable(&scene.token()).await;
            let url = format!("{}{path}", scene.server.url());
            let error = scene.keys.status().last_error.unwrap();
            assert!(error.starts_with(what) && error.ends_with(&format!(" ({document} at {url})")), "{error}");
            let fields = [format!("document={document} "), format!("url={url} ")];
            assert!(log.has_line(&["WARN", "keys not fetched", &fields[0], &fields[1], what]), "{}", log.text());
        }
    }
}

#[tokio::test]
async fn time_limit_covers_metadata_and_keys() {
    // Each of the two responses is in time, and both together are not.
    let scene = Scene::over(es256().serve(), |server, builder| {
        builder.timeout(Duration::from_millis(1_000)).discover(&server.url()).unwrap()
    });
    scene.server.misbehave(Fault::Delay(Duration::from_millis(700)));
    scene.is_unavailable(&scene.token()).await;
    let error = scene.keys.status().last_error.unwrap();
    assert!(error.starts_with("no answer within 1s (the key set at"), "{error}");
}

#[tokio::test]
async fn query_of_a_url_is_never_shown() {
    let (log, _guards) = Log::capture();
    let scene = Scene::over(es256().serve(), |server, builder| {
        builder.at(&format!("{}?key=hunter2", server.jwks_url())).unwrap()
    });
    scene.server.misbehave(Fault::status(500));
    scene.is_unavailable(&scene.token()).await;
    let error = scene.keys.status().last_error.unwrap();
    assert!(error.ends_with(&format!("(the key set at {})", scene.server.jwks_url())), "{error}");
    assert!(log.has_line(&["keys not fetched"]) && !log.text().contains("hunter2"), "{}", log.text());
}
