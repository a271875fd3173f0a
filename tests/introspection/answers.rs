//! How an answer is judged: like the claims of a JWT.

use std::sync::Arc;
use std::time::Duration;

use portcullis::claims::{Claims, StandardGrants};
use portcullis::clock::ManualClock;
use portcullis::introspection::IntrospectionVerifier;
use portcullis::verifier::Evidence;
use portcullis::{Audience, Verifier, scopes};

use crate::support::{AUDIENCE, active, admitted, builder, client, gate, gate_of, refused, server, token};

#[tokio::test]
async fn active_token_is_accepted_with_its_claims() {
    let server = server();
    let opaque = server.opaque_token(
        &token(&server).subject("alice").scope("read write").claim("client_id", "web").claim("username", "al"),
    );
    let caller = admitted(&gate(&server), &opaque).await;
    assert_eq!((caller.subject(), caller.client_id().as_deref()), (Some("alice"), Some("web")));
    assert_eq!(caller.scopes(), ["read", "write"]);
    assert_eq!(caller.evidence(), Evidence::Introspection);
    assert_eq!(caller.claim::<String>("username").unwrap().as_deref(), Some("al"));
    assert_eq!(caller.issuer(), Some(server.url().as_str()));
    assert!(caller.header().is_none() && caller.raw_token().is_none() && caller.expires_at().is_some());
    assert!(scopes("read write").check(&caller).is_ok());
    assert_eq!(scopes("admin").check(&caller).unwrap_err().status(), 403);
}

#[tokio::test]
async fn token_that_is_not_active_is_refused() {
    let server = server();
    let gate = gate(&server);
    let revoked = server.opaque_token(&token(&server));
    server.revoke_opaque_token(&revoked);
    let expired = server.opaque_token(&token(&server).expired());
    let inactive = server.opaque_token_answering(r#"{"active":false,"sub":"user-1","exp":"soon"}"#);
    for token in [&revoked, &expired, &inactive, "made-up", "x"] {
        assert_eq!(refused(&gate, token).await, (401, Some("inactive")), "{token}");
    }
}

#[tokio::test]
async fn active_must_be_the_boolean_true() {
    let server = server();
    let gate = gate(&server);
    for value in [r#""true""#, r#""TRUE""#, "1", "null", "[true]", "{}", r#""active""#] {
        let token = server.opaque_token_answering(format!(r#"{{"active":{value},"sub":"u","aud":"{AUDIENCE}"}}"#));
        assert_eq!(refused(&gate, &token).await, (503, None), "{value}");
    }
    for answer in ["{}", r#"{"sub":"u"}"#, "true", "[]", "", "null", "<html></html>", r#"{"active":true"#] {
        let token = server.opaque_token_answering(answer);
        assert_eq!(refused(&gate, &token).await, (503, None), "{answer}");
    }
}

#[tokio::test]
async fn duplicate_members_are_refused() {
    let server = server();
    let gate = gate(&server);
    for members in [r#","active":true"#, r#","sub":"user-2""#, r#","x":1,"x":1"#, r#","\u0073ub":"user-2""#] {
        assert_eq!(refused(&gate, &active(&server, members)).await, (503, None), "{members}");
    }
    admitted(&gate, &active(&server, r#","x":1"#)).await;
}

#[tokio::test]
async fn times_are_judged_with_the_leeway() {
    let server = server();
    let now = token(&server).claims()["iat"].as_i64().unwrap();
    let clock = Arc::new(ManualClock::at_unix(now));
    let gate = gate_of(builder(&server).clock(Arc::clone(&clock)));
    let with = |exp: i64, members: String| {
        server.opaque_token_answering(format!(r#"{{"active":true,"aud":"{AUDIENCE}","exp":{exp}{members}}}"#))
    };
    let none = String::new;
    assert_eq!(refused(&gate, &with(now - 5, none())).await, (401, Some("expired")));
    admitted(&gate, &with(now - 4, none())).await;
    assert_eq!(refused(&gate, &with(now + 60, format!(r#","nbf":{}"#, now + 6))).await, (401, Some("not_yet_valid")));
    admitted(&gate, &with(now + 60, format!(r#","nbf":{}"#, now + 5))).await;
    assert_eq!(
        refused(&gate, &with(now + 60, format!(r#","iat":{}"#, now + 6))).await,
        (401, Some("issued_in_future"))
    );
    let strict = gate_of(builder(&server).clock(clock).leeway(Duration::ZERO));
    assert_eq!(refused(&strict, &with(now, none())).await, (401, Some("expired")));
}

#[tokio::test]
async fn expiry_is_required_unless_allowed() {
    let server = server();
    let token = server.opaque_token_answering(format!(r#"{{"active":true,"aud":"{AUDIENCE}"}}"#));
    assert_eq!(refused(&gate(&server), &token).await, (401, Some("missing_claim")));
    admitted(&gate_of(builder(&server).accept_without_expiration()), &token).await;
}

#[tokio::test]
async fn audience_is_required_unless_none_is_issued() {
    let server = server();
    let exp = token(&server).claims()["exp"].clone();
    let with = |aud: &str| server.opaque_token_answering(format!(r#"{{"active":true,"exp":{exp}{aud}}}"#));
    let gate = gate(&server);
    assert_eq!(refused(&gate, &with("")).await, (401, Some("missing_claim")));
    assert_eq!(refused(&gate, &with(r#","aud":"https://other.test""#)).await, (401, Some("wrong_audience")));
    assert_eq!(refused(&gate, &with(r#","aud":[]"#)).await, (401, Some("wrong_audience")));
    assert_eq!(refused(&gate, &with(r#","aud":7"#)).await, (401, Some("invalid_claim")));
    admitted(&gate, &with(r#","aud":["https://other.test","https://api.test"]"#)).await;
    let builder = IntrospectionVerifier::builder(server.url(), Audience::not_issued(), client());
    let none_issued = gate_of(builder.endpoint(server.introspection_url()));
    admitted(&none_issued, &with("")).await;
    assert_eq!(refused(&none_issued, &with(r#","aud":"https://api.test""#)).await, (401, Some("wrong_audience")));
    let builder = IntrospectionVerifier::builder(server.url(), Audience::claim("client_id", ["web"]), client());
    let by_client = gate_of(builder.endpoint(server.introspection_url()));
    admitted(&by_client, &with(r#","client_id":"web""#)).await;
    assert_eq!(refused(&by_client, &with(r#","client_id":"app""#)).await, (401, Some("wrong_audience")));
}

#[tokio::test]
async fn issuer_is_that_of_the_endpoint() {
    let server = server();
    let gate = gate(&server);
    assert_eq!(admitted(&gate, &active(&server, "")).await.issuer(), Some(server.url().as_str()));
    admitted(&gate, &active(&server, &format!(r#","iss":"{}""#, server.url()))).await;
    for other in ["https://other.test", "", &server.url().replace("http", "HTTP"), &format!("{}/", server.url())] {
        let token = active(&server, &format!(r#","iss":"{other}""#));
        assert_eq!(refused(&gate, &token).await, (401, Some("wrong_issuer")), "{other}");
    }
    assert_eq!(refused(&gate, &active(&server, r#","iss":7"#)).await, (401, Some("invalid_claim")));
}

#[tokio::test]
async fn wrong_claim_types_are_the_fault_of_the_token() {
    let server = server();
    let gate = gate(&server);
    for members in [r#","nbf":"0""#, r#","iat":true"#, r#","jti":7"#, r#","token_type":7"#] {
        assert_eq!(refused(&gate, &active(&server, members)).await, (401, Some("invalid_claim")), "{members}");
    }
}

#[tokio::test]
async fn refresh_token_is_no_access_token() {
    let server = server();
    let gate = gate(&server);
    for members in [r#","token_type":"refresh_token""#, r#","token_use":"refresh_token""#, r#","token_type":"N_A""#] {
        assert_eq!(refused(&gate, &active(&server, members)).await, (401, Some("wrong_token_class")), "{members}");
    }
    for members in [r#","token_type":"bearer""#, r#","token_type":"Bearer","token_use":"access_token""#] {
        admitted(&gate, &active(&server, members)).await;
    }
}

#[tokio::test]
async fn own_checks_run_after_the_standard_ones() {
    let server = server();
    let of_one = |claims: &Claims| matches!(claims.get::<u8>("org"), Ok(Some(1)));
    let gate = gate_of(builder(&server).require_claims(["org"]).check_fn("organization", of_one));
    assert_eq!(refused(&gate, &active(&server, "")).await, (401, Some("missing_claim")));
    assert_eq!(refused(&gate, &active(&server, r#","org":2"#)).await, (401, Some("check_failed")));
    let other = active(&server, r#","org":2,"iss":"https://other.test""#);
    assert_eq!(refused(&gate, &other).await, (401, Some("wrong_issuer")));
    admitted(&gate, &active(&server, r#","org":1"#)).await;
}

#[tokio::test]
async fn grants_are_read_as_configured() {
    let server = server();
    let gate = gate_of(builder(&server).grants(StandardGrants::new().with_roles_at(["rights"])));
    let caller = admitted(&gate, &active(&server, r#","rights":["read"],"scope":"write""#)).await;
    assert_eq!(caller.roles(), ["read"]);
    assert_eq!(caller.scopes(), ["write"]);
}

#[tokio::test]
async fn jwt_is_never_sent_unless_asked_for() {
    let server = server();
    let jwt = token(&server).sign();
    let gate = gate(&server);
    for token in [&jwt, "a.b.c", "a.b.c.d.e", ".."] {
        assert_eq!(refused(&gate, token).await, (401, Some("wrong_token_class")), "{token}");
    }
    assert_eq!(server.introspection_hits(), 0);
    let asking = gate_of(builder(&server).accept_jwts());
    assert_eq!(refused(&asking, &jwt).await, (401, Some("inactive")));
    assert_eq!(server.introspection_hits(), 1);
}

#[tokio::test]
async fn long_token_is_never_sent() {
    let server = server();
    let gate = gate(&server);
    assert_eq!(refused(&gate, &"a".repeat(8_193)).await, (401, Some("too_large")));
    assert_eq!(server.introspection_hits(), 0);
    assert_eq!(refused(&gate, &"a".repeat(8_192)).await, (401, Some("inactive")));
    assert_eq!(server.introspection_hits(), 1);
}

#[tokio::test]
async fn issuer_and_status_are_those_of_the_endpoint() {
    let server = server();
    let verifier = builder(&server).build().unwrap();
    assert_eq!(verifier.issuers(), [server.url()]);
    assert!(verifier.status().ready && verifier.warm_up().await.is_ok());
    assert_eq!(server.all_hits(), 0, "no token is sent, and nothing else is needed");
}
