//! Tests of the session cookies.

use portcullis::adapter::HeaderList;
use portcullis::{Gate, Policy, TokenSource};
use portcullis_clerk::Clerk;
use portcullis_testing::TestIssuer;

use crate::{HOST, instance};

/// The key of `clerk.example.com`, and the suffix of its cookies.
const KEY: &str = "pk_live_Y2xlcmsuZXhhbXBsZS5jb20k";
const OWN: &str = "__session_naoXFJnI";
const PLAIN: &str = "__session";

/// Sends a request with these cookies to a gate for `clerk`. Returns the caller's subject, or the reason or code of the
/// refusal.
async fn subject(clerk: &Clerk, instance: &TestIssuer, cookies: &[(&str, &str)]) -> Result<Option<String>, String> {
    let gate = Gate::new(clerk.clone().keys(instance.keys()).verifier().unwrap())
        .with_token_sources([TokenSource::authorization(), clerk.session_cookies()]);
    let cookies: Vec<String> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let cookies = cookies.join("; ");
    let request = HeaderList::new("GET", [("cookie", cookies.as_bytes())]);
    match gate.admit_optional(&request, &Policy::authenticated()).await {
        Ok(caller) => Ok(caller.and_then(|caller| caller.subject().map(str::to_owned))),
        Err(error) => Err(error.reason().map_or(error.code().to_owned(), |reason| reason.to_string())),
    }
}

#[tokio::test]
async fn own_and_newest_cookie_wins() {
    let instance = instance();
    let clerk = Clerk::from_publishable_key(KEY).unwrap();
    let now = instance.token().claims()["iat"].as_i64().unwrap();
    let of = |subject: &str, issued_at: i64| instance.token().subject(subject).claim("iat", issued_at).sign();
    let foreign = TestIssuer::clerk("clerk.example.org").token().subject("foreign").claim("iat", now + 4).sign();
    let (old, new) = (of("old", now - 20), of("new", now - 10));
    for (cookies, expected) in [
        (vec![(OWN, old.as_str())], "old"),
        (vec![(PLAIN, &old)], "old"),
        (vec![(OWN, &old), (PLAIN, &new)], "new"),
        (vec![(OWN, &new), (PLAIN, &old)], "new"),
        (vec![(PLAIN, &new), (OWN, &old)], "new"),
        // The issuer counts more than the date.
        (vec![(OWN, &old), (PLAIN, &foreign)], "old"),
        (vec![(OWN, &foreign), (PLAIN, &old)], "old"),
        // A value that is not a token never wins.
        (vec![(OWN, "rubbish"), (PLAIN, &old)], "old"),
    ] {
        assert_eq!(subject(&clerk, &instance, &cookies).await.unwrap().as_deref(), Some(expected));
    }
    // Of two equally old tokens, the one in the cookie with the instance's suffix wins.
    let (one, other) = (of("own", now), of("plain", now));
    for cookies in [[(OWN, one.as_str()), (PLAIN, &other)], [(PLAIN, &other), (OWN, &one)]] {
        assert_eq!(subject(&clerk, &instance, &cookies).await.unwrap().as_deref(), Some("own"));
    }
    assert_eq!(subject(&clerk, &instance, &[("__session_other", &old)]).await, Ok(None));
}

#[tokio::test]
async fn chosen_cookie_is_verified() {
    let instance = instance();
    let clerk = Clerk::from_publishable_key(KEY).unwrap();
    let now = instance.token().claims()["iat"].as_i64().unwrap();
    let good = instance.token().claim("iat", now - 1).sign();
    // The forged token is newer and names our issuer. It is refused, and the good one is not tried.
    let forged = TestIssuer::clerk(HOST).token().claim("iat", now).sign();
    let both = [(OWN, good.as_str()), (PLAIN, forged.as_str())];
    assert_eq!(subject(&clerk, &instance, &both).await, Err("bad_signature".to_owned()));
    let foreign = TestIssuer::clerk("clerk.example.org").token().sign();
    assert!(subject(&clerk, &instance, &[(OWN, &foreign)]).await.is_err());
}

#[tokio::test]
async fn plain_cookie_is_read_without_publishable_key() {
    let instance = instance();
    let token = instance.token().subject("user_1").sign();
    let clerk = Clerk::from_frontend_api(HOST);
    assert_eq!(subject(&clerk, &instance, &[(PLAIN, &token)]).await, Ok(Some("user_1".to_owned())));
    assert_eq!(subject(&clerk, &instance, &[(OWN, &token)]).await, Ok(None));
}

/// As the documentation of `session_cookies` sets it up: the front end is named twice, for its tokens and for its pages.
#[tokio::test]
async fn cookie_of_another_page_changes_nothing() {
    let instance = instance();
    let front_end = ["https://app.example.com"];
    let clerk = Clerk::from_publishable_key(KEY).unwrap().authorized_parties(front_end);
    let token = instance.token().claim("azp", front_end[0]).sign();
    let without_pages = Gate::new(clerk.clone().keys(instance.keys()).verifier().unwrap())
        .with_token_sources([TokenSource::authorization(), clerk.session_cookies()]);
    let gate = without_pages.clone().with_allowed_origins(front_end).unwrap();
    let status = async |gate: &Gate, method: &str, origin: &str, credential: (&str, String)| {
        let fields = [("origin", origin.to_owned()), credential];
        match gate.admit(&HeaderList::new(method, fields), &Policy::authenticated()).await {
            Ok(_) => 200,
            Err(refused) => refused.status(),
        }
    };
    for name in [OWN, PLAIN] {
        let cookie = ("cookie", format!("{name}={token}"));
        for (method, origin, expected) in [
            ("POST", "https://app.example.com", [200, 403]),
            ("POST", "https://other.example.com", [403, 403]),
            ("GET", "https://other.example.com", [200, 200]),
        ] {
            let [with, without] = expected;
            assert_eq!(status(&gate, method, origin, cookie.clone()).await, with, "{name} {method} {origin}");
            // Without allowed origins, no page may change anything.
            assert_eq!(
                status(&without_pages, method, origin, cookie.clone()).await,
                without,
                "{name} {method} {origin}"
            );
        }
    }
    let header = ("authorization", format!("Bearer {token}"));
    assert_eq!(status(&gate, "POST", "https://other.example.com", header).await, 200);
}
