//! Sources of tokens, a custom one included, and the raw token of a verified caller.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis::adapter::PresentedToken;
use portcullis::error::InvalidRequest;
use portcullis::jose::Algorithm;
use portcullis::tickets::Tickets;
use portcullis::{Policy, Require, TokenSource, Verified, dangerous};
use portcullis_testing::TestIssuer;

use crate::ways::{Ask, WAYS, ask, ask_in};

struct Authenticated;

impl Require for Authenticated {
    fn policy() -> Policy {
        Policy::authenticated()
    }
}

fn say(caller: &Verified) -> String {
    caller.subject().unwrap_or_default().to_owned()
}

/// The token of `X-Session: v1 token`.
fn session() -> TokenSource {
    TokenSource::custom("x-session", |request| {
        let mut values = Vec::new();
        request.header("x-session", &mut |value| values.push(value));
        match values[..] {
            [] => Ok(None),
            [value] => {
                let value = std::str::from_utf8(value).map_err(|_| InvalidRequest::MalformedToken)?;
                Ok(value.strip_prefix("v1 ").map(PresentedToken::bearer))
            }
            _ => Err(InvalidRequest::RepeatedCredential),
        }
    })
}

#[actix_web::test]
async fn custom_source_is_read() {
    let issuer = TestIssuer::from_algorithms([Algorithm::Es256]);
    let gate = issuer.gate().with_token_sources([session(), TokenSource::authorization()]);
    let good = format!("v1 {}", issuer.token().subject("alice").sign());
    let expired = format!("v1 {}", issuer.token().expired().sign());
    let has = |value: &str| Ask::new("/orders").field("x-session", value);
    for (request, status, text) in [
        (has(&good), 200, "alice"),
        (has(&expired), 401, r#""reason":"expired""#),
        (has("v2 x"), 401, "missing_token"),
        (has("v1 a b"), 400, "The header or cookie for the token does not hold one"),
        (has(&good).field("x-session", &good), 400, "more than one credential"),
    ] {
        let answer = ask::<Authenticated>(&gate, &request, say).await;
        assert_eq!(answer.status, status, "{request:?}: {}", answer.body);
        assert!(answer.body.contains(text), "{request:?}: {}", answer.body);
    }
}

#[actix_web::test]
async fn field_with_a_scheme_is_read() {
    const NAME: &str = "x-forwarded-authorization";
    let issuer = TestIssuer::from_algorithms([Algorithm::Es256]);
    let gate = issuer.gate().with_token_sources([TokenSource::header_with_scheme("X-Forwarded-Authorization")]);
    let good = issuer.token().subject("alice").sign();
    let forwarded = |value: &str| Ask::new("/orders").field(NAME, value);
    let malformed = "The header or cookie for the token does not hold one";
    for (request, status, text) in [
        (forwarded(&format!("Bearer {good}")), 200, "alice"),
        (forwarded(&format!("bearer {good}")), 200, "alice"),
        (forwarded(&format!("Bearer {}", issuer.token().expired().sign())), 401, r#""reason":"expired""#),
        (forwarded("Basic dTpw"), 401, "missing_token"),
        (forwarded(&good), 400, malformed),
        (forwarded(""), 400, malformed),
        (Ask::with_authorization(&format!("Bearer {good}")), 401, "missing_token"),
    ] {
        let answer = ask::<Authenticated>(&gate, &request, say).await;
        assert_eq!(answer.status, status, "{request:?}: {}", answer.body);
        assert!(answer.body.contains(text), "{request:?}: {}", answer.body);
    }
}

#[actix_web::test]
async fn subprotocols_of_a_websocket_are_read() {
    const NAME: &str = "sec-websocket-protocol";
    let issuer = TestIssuer::from_algorithms([Algorithm::Es256]);
    let sources = [TokenSource::websocket_protocol(), TokenSource::authorization()];
    let gate = issuer.gate().with_token_sources(sources);
    let good = format!("bearer, {}", issuer.token().subject("alice").sign());
    let encoded = URL_SAFE_NO_PAD.encode(good.trim_start_matches("bearer, "));
    let encoded = format!("v4.channel.k8s.io, base64url.bearer.authorization.k8s.io.{encoded}");
    let expired = format!("bearer, {}", issuer.token().expired().sign());
    let bearer = format!("Bearer {}", issuer.token().subject("bob").sign());
    let offers = |value: &str| Ask::new("/orders").field(NAME, value);
    for (request, status, text) in [
        (offers(&good), 200, "alice"),
        (offers(&encoded), 200, "alice"),
        (offers(&format!("{good}, {encoded}")), 400, "more than one credential"),
        (offers("bearer"), 400, "The header or cookie for the token does not hold one"),
        (offers(&good).field("authorization", "Bearer x"), 200, "alice"),
        (offers(&expired).field("authorization", &bearer), 401, r#""reason":"expired""#),
        (offers("chat").field("authorization", &bearer), 200, "bob"),
        (offers("chat"), 401, "missing_token"),
        (offers("bearer, a b"), 400, "The header or cookie for the token does not hold one"),
        (offers(&good).field(NAME, &good), 400, "more than one credential"),
    ] {
        let answer = ask::<Authenticated>(&gate, &request, say).await;
        assert_eq!(answer.status, status, "{request:?}: {}", answer.body);
        assert!(answer.body.contains(text), "{request:?}: {}", answer.body);
    }
}

#[actix_web::test]
async fn token_in_the_query_is_read() {
    let issuer = TestIssuer::from_algorithms([Algorithm::Es256]);
    let good = issuer.token().subject("alice").sign();
    let sources = [TokenSource::authorization(), dangerous::token_in_query("access_token")];
    let gate = issuer.gate().with_token_sources(sources);
    let asks = |query: &str| Ask::new(&format!("/orders?{query}"));
    let bearer = format!("Bearer {}", issuer.token().subject("bob").sign());
    for (request, status, text) in [
        (asks(&format!("access_token={good}")), 200, "alice"),
        (asks(&format!("page=2&access_token={good}&x")), 200, "alice"),
        (asks(&format!("access_token={good}")).field("authorization", &bearer), 200, "bob"),
        (asks(&format!("access_token={}", issuer.token().expired().sign())), 401, r#""reason":"expired""#),
        (asks(&format!("access_token={good}&access_token={good}")), 400, "more than one credential"),
        (asks("access_token=a%20b"), 400, "The header or cookie for the token does not hold one"),
        (asks("access_token=%FF"), 400, "The header or cookie for the token does not hold one"),
        (asks("access_token="), 401, "missing_token"),
        (asks(&format!("token={good}")), 401, "missing_token"),
    ] {
        let answer = ask::<Authenticated>(&gate, &request, say).await;
        assert_eq!(answer.status, status, "{request:?}: {}", answer.body);
        assert!(answer.body.contains(text), "{request:?}: {}", answer.body);
    }
    // No other source reads it.
    let request = asks(&format!("access_token={good}"));
    assert_eq!(ask::<Authenticated>(&issuer.gate(), &request, say).await.status, 401);
}

#[actix_web::test]
async fn ticket_is_read_in_every_way() {
    let (issuer, tickets) = (TestIssuer::from_algorithms([Algorithm::Es256]), Tickets::default());
    let (gate, streams) = (issuer.gate(), issuer.gate().with_tickets(&tickets));
    let caller = gate.verify(&issuer.token().subject("alice").sign()).await.unwrap();
    let mut answers = Vec::new();
    for way in WAYS {
        let request = Ask::new(&format!("/orders?ticket={}", gate.issue_ticket(&tickets, &caller).unwrap()));
        let first = ask_in::<Authenticated>(way, &streams, &request, say).await;
        assert!(first.status == 200 && first.body.contains("alice"), "{way:?}");
        answers.push(ask_in::<Authenticated>(way, &streams, &request, say).await);
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert!(answers[0].status == 401 && answers[0].body.contains(r#""reason":"inactive""#), "{answers:?}");
}

/// Handlers forward the raw token, or exchange it for another one.
#[actix_web::test]
async fn raw_token_is_that_of_the_source() {
    let issuer = TestIssuer::from_algorithms([Algorithm::Es256]);
    let sources = [
        TokenSource::cookie("session"),
        TokenSource::header("x-access-token"),
        TokenSource::websocket_protocol(),
        TokenSource::authorization(),
    ];
    let gate = issuer.gate().with_token_sources(sources);
    let [first, second] = ["alice", "bob"].map(|subject| issuer.token().subject(subject).sign());
    let bearer = format!("Bearer {first}");
    for (request, expected) in [
        (Ask::with_authorization(&bearer), &first),
        (Ask::new("/orders").field("cookie", &format!("theme=dark; session={second}")), &second),
        (Ask::new("/orders").field("x-access-token", &second), &second),
        (Ask::new("/orders").field("sec-websocket-protocol", &format!("bearer, {second}")), &second),
        // The source that decides is the one whose token was verified.
        (Ask::with_authorization(&bearer).field("cookie", &format!("session={second}")), &second),
    ] {
        let answer = ask::<Authenticated>(&gate, &request, |caller| {
            assert!(!format!("{caller:?}").contains("ey"), "{caller:?}");
            caller.raw_token().unwrap_or_default()
        });
        assert_eq!(answer.await.body, *expected);
    }
}
