//! Signed answers (RFC 9701).

use std::sync::Arc;

use portcullis::clock::ManualClock;
use portcullis::introspection::IntrospectionBuilder;
use portcullis::jose::Algorithm;
use portcullis::keys::RemoteKeys;
use portcullis::{Gate, Verifier};
use portcullis_testing::{Endpoint, Fault, IssuerServer, SigningKey, TokenBuilder};
use serde_json::{Value, json};

use crate::log::Log;
use crate::support::{AUDIENCE, admitted, builder, gate, gate_of, refused, server, token};

const TYPE: &str = "token-introspection+jwt";
const MEDIA_TYPE: &str = "application/token-introspection+jwt";

fn signed(server: &IssuerServer) -> IntrospectionBuilder {
    builder(server).signed_answers(RemoteKeys::at(&server.jwks_url()).unwrap())
}

/// The JWT of a signed answer, to change.
fn jwt(server: &IssuerServer) -> TokenBuilder {
    let answer = json!({"active": true, "sub": "user-1", "aud": AUDIENCE, "exp": token(server).claims()["exp"]});
    let jwt = token(server).header("typ", TYPE).without("sub").without("exp").without("jti");
    jwt.audience(IssuerServer::CLIENT_ID).claim("token_introspection", answer)
}

/// How a token is judged about which the endpoint sends `jwt`.
async fn judged(server: &IssuerServer, jwt: &str) -> Result<String, (u16, Option<&'static str>)> {
    server.serve_at("/introspect", jwt);
    let gate = gate_of(signed(server));
    match gate.verify("opaque").await {
        Ok(caller) => Ok(caller.subject().unwrap_or_default().to_owned()),
        Err(denied) => Err((denied.status(), denied.reason().map(|reason| reason.as_str()))),
    }
}

#[tokio::test]
async fn signed_answer_is_asked_for_and_accepted() {
    let server = server();
    let gate = gate_of(signed(&server));
    let opaque = server.opaque_token(&token(&server).scope("read"));
    let caller = admitted(&gate, &opaque).await;
    assert_eq!(caller.subject(), Some("user-1"));
    assert_eq!(caller.scopes(), ["read"]);
    assert!(caller.header().is_none() && caller.raw_token().is_none(), "the answer is no access token");
    let request = server.requests().into_iter().find(|request| request.path() == "/introspect").unwrap();
    assert_eq!(request.header("accept"), Some(MEDIA_TYPE));
    server.revoke_opaque_token("made-up");
    assert_eq!(refused(&gate, "made-up").await, (401, Some("inactive")));
}

#[tokio::test]
async fn unsigned_answer_is_an_outage() {
    let server = server();
    let (log, _guards) = Log::capture();
    let plain = format!(r#"{{"active":true,"sub":"user-1","aud":"{AUDIENCE}","exp":4102444800}}"#);
    for body in [plain.as_str(), r#"{"active":false}"#, "", "not.signed", "opaque", &format!(" {plain}")] {
        assert_eq!(judged(&server, body).await, Err((503, None)), "{body}");
    }
    assert!(log.has_line(&["the answer is not signed, and only signed answers are accepted"]), "{}", log.text());
    let unsigned = jwt(&server).header("alg", "none").signing_input();
    assert_eq!(judged(&server, &format!("{unsigned}.")).await, Err((503, None)));
}

#[tokio::test]
async fn type_of_a_signed_answer_is_checked() {
    let server = server();
    assert_eq!(judged(&server, &jwt(&server).sign()).await, Ok("user-1".to_owned()));
    assert_eq!(judged(&server, &jwt(&server).header("typ", MEDIA_TYPE).sign()).await, Ok("user-1".to_owned()));
    for other in ["JWT", "at+jwt", "introspection+jwt", ""] {
        assert_eq!(judged(&server, &jwt(&server).header("typ", other).sign()).await, Err((503, None)), "{other}");
    }
    assert_eq!(judged(&server, &jwt(&server).without_header("typ").sign()).await, Err((503, None)));
}

#[tokio::test]
async fn signed_answer_is_from_the_issuer_for_this_client() {
    let server = server();
    for wrong in [
        jwt(&server).issuer("https://other.test/"),
        jwt(&server).without("iss"),
        jwt(&server).audience("other-client"),
        jwt(&server).audience(AUDIENCE),
        jwt(&server).without("aud"),
    ] {
        assert_eq!(judged(&server, &wrong.sign()).await, Err((503, None)), "{:?}", wrong.claims());
    }
    let both = jwt(&server).audience(["other-client", IssuerServer::CLIENT_ID]);
    assert_eq!(judged(&server, &both.sign()).await, Ok("user-1".to_owned()));
}

#[tokio::test]
async fn signature_is_that_of_the_issuer() {
    let server = server();
    let foreign = Arc::new(SigningKey::generate(Algorithm::Es256, "foreign"));
    assert_eq!(judged(&server, &jwt(&server).forged_with(Arc::clone(&foreign)).sign()).await, Err((503, None)));
    assert_eq!(judged(&server, &jwt(&server).signed_with(foreign).sign()).await, Err((503, None)));
    let secret = Arc::new(SigningKey::generate(Algorithm::Hs256, "secret"));
    assert_eq!(judged(&server, &jwt(&server).signed_with(secret).sign()).await, Err((503, None)));
}

#[tokio::test]
async fn signed_answer_has_a_recent_issue_time() {
    let server = server();
    let now = token(&server).claims()["iat"].as_i64().unwrap();
    let clock = Arc::new(ManualClock::at_unix(now));
    for (iat, is_good) in [(now, true), (now - 65, true), (now - 66, false), (now + 5, true), (now + 6, false)] {
        server.serve_at("/introspect", jwt(&server).claim("iat", iat).sign());
        let gate = gate_of(signed(&server).clock(Arc::clone(&clock)));
        assert_eq!(gate.verify("opaque").await.is_ok(), is_good, "{}", iat - now);
    }
    assert_eq!(judged(&server, &jwt(&server).without("iat").sign()).await, Err((503, None)));
}

#[tokio::test]
async fn answer_is_under_token_introspection_only() {
    let server = server();
    let top = jwt(&server).without("token_introspection").claim("active", true).claim("sub", "user-1");
    assert_eq!(judged(&server, &top.sign()).await, Err((503, None)));
    for value in [json!(null), json!("x"), json!([]), json!({}), json!({"active": "true"}), json!(true)] {
        let jwt = jwt(&server).claim("token_introspection", &value);
        assert_eq!(judged(&server, &jwt.sign()).await, Err((503, None)), "{value}");
    }
    let inactive = jwt(&server).claim("token_introspection", json!({"active": false}));
    assert_eq!(judged(&server, &inactive.sign()).await, Err((401, Some("inactive"))));
    // The audience of the JWT is this client, that of the answer is this API.
    let other =
        jwt(&server).claim("token_introspection", json!({"active": true, "aud": "x", "exp": 4_102_444_800_i64}));
    assert_eq!(judged(&server, &other.sign()).await, Err((401, Some("wrong_audience"))));
    let duplicate = format!(
        r#"{{"iss":"{}","aud":"api","iat":{},"token_introspection":{{"active":false,"active":true}}}}"#,
        server.url(),
        token(&server).claims()["iat"]
    );
    assert_eq!(judged(&server, &jwt(&server).payload(duplicate).sign()).await, Err((503, None)));
}

#[tokio::test]
async fn signed_answer_is_never_an_access_token() {
    let server = server();
    let issuer = server.issuer();
    let exp = token(&server).claims()["exp"].clone();
    // Even for the audience of the API, and with all claims of an access token.
    let jwt = jwt(&server).audience([IssuerServer::CLIENT_ID, AUDIENCE]).subject("user-1").claim("exp", exp).sign();
    assert_eq!(refused(&issuer.gate(), &jwt).await, (401, Some("wrong_type")));
    assert_eq!(refused(&gate(&server), &jwt).await, (401, Some("wrong_token_class")));
    assert_eq!(server.introspection_hits(), 0);
}

#[tokio::test]
async fn access_token_is_never_a_signed_answer() {
    let server = server();
    let access_token = token(&server).audience(IssuerServer::CLIENT_ID).claim("token_introspection", Value::Null);
    assert_eq!(judged(&server, &access_token.sign()).await, Err((503, None)));
    let with_answer = token(&server)
        .audience(IssuerServer::CLIENT_ID)
        .claim("token_introspection", json!({"active": true, "aud": AUDIENCE, "exp": 4_102_444_800_i64}));
    assert_eq!(judged(&server, &with_answer.sign()).await, Err((503, None)));
}

#[tokio::test]
async fn outage_of_the_keys_is_an_outage() {
    let server = server();
    server.misbehave_at(Endpoint::Jwks, Fault::status(503));
    let gate = gate_of(signed(&server));
    let opaque = server.opaque_token(&token(&server));
    assert_eq!(refused(&gate, &opaque).await, (503, None));
    let verifier = signed(&server).build().unwrap();
    assert!(!verifier.status().ready && verifier.warm_up().await.is_err());
    server.behave();
    assert!(Gate::new(signed(&server).build().unwrap()).ready().await.ready);
    admitted(&gate_of(signed(&server)), &opaque).await;
}
