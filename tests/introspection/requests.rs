//! What is sent, where to, and what is read.

use std::time::Duration;

use portcullis::introspection::{IntrospectionBuilder, IntrospectionVerifier};
use portcullis::{Gate, Verifier, dangerous};
use portcullis_testing::{Endpoint, Fault, IssuerServer, TestIssuer};

use crate::log::Log;
use crate::support::{AUDIENCE, admitted, builder, client, gate, gate_of, refused, server, token};

/// A verifier that finds the endpoint by metadata.
fn discovering(server: &IssuerServer) -> IntrospectionBuilder {
    IntrospectionVerifier::builder(server.url(), AUDIENCE, client())
}

#[tokio::test]
async fn request_is_a_form_by_post() {
    let server = server();
    let opaque = server.opaque_token(&token(&server));
    admitted(&gate(&server), &opaque).await;
    let request = &server.requests()[0];
    assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", "/introspect"));
    assert_eq!(request.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(request.header("accept"), Some("application/json"));
    assert_eq!(request.header("accept-encoding"), None);
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(request.form(), [pair("token", &opaque), pair("token_type_hint", "access_token")]);
}

#[tokio::test]
async fn token_cannot_add_members_to_the_form() {
    let server = server();
    assert_eq!(refused(&gate(&server), "a&client_id=x&token=b=+c").await, (401, Some("inactive")));
    assert_eq!(server.requests()[0].form()[0], ("token".to_owned(), "a&client_id=x&token=b=+c".to_owned()));
    assert_eq!(server.requests()[0].form().len(), 2);
}

#[tokio::test]
async fn endpoint_is_found_by_metadata_once() {
    for issuer in ["/", "/realms/one"] {
        let server = TestIssuer::new().serve_under(issuer);
        for builder in [discovering(&server), discovering(&server).oauth_metadata()] {
            let before = server.metadata_hits();
            let gate = gate_of(builder);
            assert!(!gate.status().ready);
            for _ in 0..3 {
                admitted(&gate, &server.opaque_token(&token(&server))).await;
            }
            assert_eq!(server.metadata_hits() - before, 1);
            assert!(gate.status().ready);
        }
    }
}

#[tokio::test]
async fn warm_up_finds_the_endpoint_and_sends_no_token() {
    let server = server();
    let verifier = discovering(&server).build().unwrap();
    assert!(!verifier.status().ready);
    verifier.warm_up().await.unwrap();
    assert!(verifier.status().ready);
    assert_eq!((server.metadata_hits(), server.introspection_hits()), (1, 0));
    let gate = Gate::new(discovering(&server).build().unwrap());
    assert!(gate.ready().await.ready);
    server.go_down();
    let verifier = discovering(&server).build().unwrap();
    assert_eq!(verifier.warm_up().await.unwrap_err().status(), 503);
}

#[tokio::test]
async fn metadata_of_another_issuer_is_an_outage() {
    let server = server();
    let body = |issuer: &str, url: &str| format!(r#"{{"issuer":"{issuer}","introspection_endpoint":"{url}"}}"#);
    let (issuer, url) = (server.url(), server.introspection_url());
    for (document, expected) in [
        (body("https://other.test/", &url), "expected issuer"),
        (body(issuer.trim_end_matches('/'), &url), "expected issuer"),
        (body(&issuer, "http://api.test/introspect"), "introspection_endpoint can't be used: it is http"),
        (body(&issuer, "/introspect"), "introspection_endpoint can't be used: not an absolute URL"),
        (format!(r#"{{"issuer":"{issuer}"}}"#), "introspection_endpoint"),
        ("[]".to_owned(), "not a JSON object"),
    ] {
        let (log, _guards) = Log::capture();
        server.set_metadata_body(document.as_str());
        assert_eq!(refused(&gate_of(discovering(&server)), "opaque").await, (503, None), "{document}");
        assert!(log.has_line(&[expected]), "{document}: {}", log.text());
    }
    assert_eq!(server.introspection_hits(), 0);
}

#[tokio::test]
async fn redirect_is_not_followed() {
    let (server, other) = (server(), server());
    let opaque = server.opaque_token(&token(&server));
    for status in [301, 302, 303, 307, 308] {
        let (log, _guards) = Log::capture();
        server.misbehave_at(Endpoint::Introspection, Fault::redirect(status, &other.introspection_url()));
        assert_eq!(refused(&gate(&server), &opaque).await, (503, None), "{status}");
        assert!(log.has_line(&["which is not followed"]), "{}", log.text());
    }
    assert_eq!(other.all_hits(), 0);
}

#[tokio::test]
async fn answer_of_64_kib_is_read_and_no_more() {
    let server = server();
    let known = format!(r#"{{"active":true,"aud":"{AUDIENCE}","exp":4102444800,"pad":""#);
    let padded = |length: usize| format!("{known}{}\"}}", "x".repeat(length - known.len() - 2));
    let gate = gate(&server);
    admitted(&gate, &server.opaque_token_answering(padded(64 * 1024))).await;
    assert_eq!(refused(&gate, &server.opaque_token_answering(padded(64 * 1024 + 1))).await, (503, None));
}

#[tokio::test]
async fn encoded_answer_is_not_decoded() {
    let server = server();
    server.misbehave_at(Endpoint::Introspection, Fault::encoded("gzip", b"\x1f\x8b\x08\x00"));
    assert_eq!(refused(&gate(&server), "opaque").await, (503, None));
}

#[tokio::test]
async fn own_header_fields_are_sent_to_the_endpoint() {
    let server = server();
    let gate = gate_of(builder(&server).header("x-tenant", "t1").header("user-agent", "orders/1"));
    admitted(&gate, &server.opaque_token(&token(&server))).await;
    let request = &server.requests()[0];
    assert_eq!((request.header("x-tenant"), request.header("user-agent")), (Some("t1"), Some("orders/1")));
}

#[tokio::test]
async fn own_client_sends_the_requests() {
    let server = server();
    let client = reqwest::Client::builder().user_agent("own/1").redirect(reqwest::redirect::Policy::none());
    let gate = gate_of(builder(&server).client(client.build().unwrap()));
    for _ in 0..3 {
        admitted(&gate, &server.opaque_token(&token(&server))).await;
    }
    assert_eq!((server.requests()[0].header("user-agent"), server.connections()), (Some("own/1"), 1));
}

#[tokio::test]
async fn time_limit_covers_metadata_and_answer() {
    let server = server();
    server.misbehave_at(Endpoint::Metadata, Fault::Delay(Duration::from_millis(400)));
    server.misbehave_at(Endpoint::Introspection, Fault::Delay(Duration::from_millis(400)));
    let gate = gate_of(discovering(&server).timeout(Duration::from_millis(600)));
    let started = std::time::Instant::now();
    assert_eq!(refused(&gate, "opaque").await, (503, None));
    assert!(started.elapsed() < Duration::from_millis(780), "{:?}", started.elapsed());
}

#[tokio::test]
async fn plain_http_is_only_for_this_machine_and_named_hosts() {
    let verifier = |builder: IntrospectionBuilder| builder.endpoint("http://idp.cluster/introspect").build();
    let issuer = || IntrospectionVerifier::builder("https://issuer.example", AUDIENCE, client());
    assert_eq!(verifier(issuer()).unwrap_err().field(), "introspection_url");
    assert!(verifier(dangerous::allow_http(issuer(), "idp.cluster")).is_ok());
}

#[tokio::test]
async fn issuer_is_reached_at_its_internal_url() {
    let server = server();
    let document =
        r#"{"issuer":"https://issuer.example","introspection_endpoint":"https://issuer.example/introspect"}"#;
    server.set_metadata_body(document);
    let issuer = IntrospectionVerifier::builder("https://issuer.example", AUDIENCE, client());
    let gate = gate_of(issuer.issuer_at(server.url()));
    let opaque = server.opaque_token(&token(&server).without("iss"));
    assert_eq!(admitted(&gate, &opaque).await.issuer(), Some("https://issuer.example"));
}
