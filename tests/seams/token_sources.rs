//! Sources of tokens, a custom one included, and the raw token of a verified caller.

use portcullis::adapter::PresentedToken;
use portcullis::error::InvalidRequest;
use portcullis::jose::Algorithm;
use portcullis::{Policy, Require, TokenSource, Verified};
use portcullis_testing::TestIssuer;

use crate::ways::{Ask, ask};

struct Authenticated;

impl Require for Authenticated {
    fn policy() -> Policy {
        Policy::authenticated()
    }
}

fn say(caller: &Verified) -> String {
    caller.subject().unwrap_or_default().to_owned()
}

/// The second of two WebSocket subprotocols: `bearer, token`.
fn subprotocol() -> TokenSource {
    TokenSource::custom("sec-websocket-protocol", |request| {
        let mut offered = Vec::new();
        request.header("sec-websocket-protocol", &mut |value| offered.push(value));
        match offered[..] {
            [] => Ok(None),
            [value] => {
                let value = std::str::from_utf8(value).map_err(|_| InvalidRequest::MalformedToken)?;
                Ok(value.strip_prefix("bearer, ").map(PresentedToken::bearer))
            }
            _ => Err(InvalidRequest::RepeatedCredential),
        }
    })
}

#[actix_web::test]
async fn custom_source_is_read() {
    const NAME: &str = "sec-websocket-protocol";
    let issuer = TestIssuer::from_algorithms([Algorithm::Es256]);
    let gate = issuer.gate().with_token_sources([subprotocol(), TokenSource::authorization()]);
    let good = format!("bearer, {}", issuer.token().subject("alice").sign());
    let expired = format!("bearer, {}", issuer.token().expired().sign());
    let bearer = format!("Bearer {}", issuer.token().subject("bob").sign());
    let offers = |value: &str| Ask::new("/orders").field(NAME, value);
    for (request, status, text) in [
        (offers(&good), 200, "alice"),
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

/// Handlers forward the raw token, or exchange it for another one.
#[actix_web::test]
async fn raw_token_is_that_of_the_source() {
    let issuer = TestIssuer::from_algorithms([Algorithm::Es256]);
    let sources = [TokenSource::cookie("session"), TokenSource::header("x-access-token"), TokenSource::authorization()];
    let gate = issuer.gate().with_token_sources(sources);
    let [first, second] = ["alice", "bob"].map(|subject| issuer.token().subject(subject).sign());
    let bearer = format!("Bearer {first}");
    for (request, expected) in [
        (Ask::with_authorization(&bearer), &first),
        (Ask::new("/orders").field("cookie", &format!("theme=dark; session={second}")), &second),
        (Ask::new("/orders").field("x-access-token", &second), &second),
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
