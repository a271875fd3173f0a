//! Compares a gate with the requests and responses that RFC 6750, 9068 and 9449 print.

use portcullis::adapter::HeaderList;
use portcullis::clock::ManualClock;
use portcullis::{Gate, Policy, Refusal};
use portcullis_testing::TestIssuer;
use serde_json::Value;

use crate::vectors::{array, read, text};

/// Returns the answer of the gate to a request with these header fields.
async fn answer<'h>(gate: &Gate, headers: impl IntoIterator<Item = (&'h str, &'h str)>) -> Refusal {
    let request = HeaderList::new("GET", headers);
    gate.refuse(&gate.admit(&request, &Policy::authenticated()).await.unwrap_err())
}

fn challenge(refusal: &Refusal) -> Option<&str> {
    let (_, value) = refusal.headers.iter().find(|(name, _)| name == "www-authenticate")?;
    Some(value)
}

#[tokio::test]
async fn printed_messages() {
    let Some(messages) = read("rfc/http_messages.json") else { return };
    let issuer = TestIssuer::new();
    let gate = issuer.gate().with_realm("example");
    let (mut requests, mut responses, mut tokens, mut of_other_schemes) = (0, 0, 0, 0);
    for message in messages.as_array().unwrap() {
        if let Some(request) = message.get("request") {
            let fields = array(request, "headers").iter();
            let fields = fields.map(|field| (field[0].as_str().unwrap(), field[1].as_str().unwrap()));
            let refusal = answer(&gate, fields).await;
            let (status, code) = match (&message["rfc"].as_u64(), message["figure"].as_u64(), &message["section"]) {
                // The request has a token, but not a JWT.
                (Some(6750), _, section) if section == "2.1" => (401, "invalid_token"),
                (Some(9449), Some(18), _) => (401, "invalid_token"),
                // Tokens in the body or the query are not read.
                (Some(6750), ..) => (401, "missing_token"),
                (Some(9449), Some(19), _) => (400, "invalid_request"),
                other => panic!("{other:?}"),
            };
            assert_eq!(refusal.status, status, "{message}");
            assert!(refusal.body.starts_with(&format!(r#"{{"error":"{code}""#)), "{}", refusal.body);
            if let Some(printed) = message.get("response") {
                assert_eq!(printed["status"], refusal.status, "{message}");
            }
            requests += 1;
        } else if let Some(header) = message.get("header") {
            accepted_at_its_time(&issuer, header, &message["claims"]).await;
            tokens += 1;
        } else if message["rfc"] == 6750 {
            let printed = message["response"]["www_authenticate"][0].as_str().unwrap();
            let token = format!("Bearer {}", issuer.token().expired().sign());
            let headers = if printed.contains("error") { vec![("authorization", token.as_str())] } else { vec![] };
            let refusal = answer(&gate, headers).await;
            assert_eq!((challenge(&refusal), message["response"]["status"] == refusal.status), (Some(printed), true));
            responses += 1;
        } else {
            // Responses of a server that accepts DPoP. The bare `Bearer` of figure 17 lacks the parameter that RFC 6750 §3
            // requires.
            assert_eq!(message["rfc"], 9449);
            of_other_schemes += 1;
        }
    }
    println!(
        "http_messages: {requests} requests answered, {responses} responses repeated, {tokens} token accepted, \
         {of_other_schemes} of a DPoP server left out"
    );
    assert_eq!((requests, responses, tokens, of_other_schemes), (5, 2, 1, 3));
}

/// RFC 9068, figure 2, where `typ` is `at+JWT`.
async fn accepted_at_its_time(issuer: &TestIssuer, header: &Value, claims: &Value) {
    let token = issuer.token().header("typ", &header["typ"]).payload(claims.to_string()).sign();
    let issuer = issuer.clone().with_url(text(claims, "iss")).with_audience(text(claims, "aud"));
    let verifier = issuer.verifier().token_types(["at+jwt"]).clock(ManualClock::at_unix(1_639_528_911)).build();
    let caller = Gate::new(verifier.unwrap()).verify(&token).await.unwrap();
    assert_eq!(caller.subject(), claims["sub"].as_str());
    assert_eq!(caller.client_id().as_deref(), claims["client_id"].as_str());
}
