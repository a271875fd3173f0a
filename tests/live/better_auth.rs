//! Tokens of sessions of better-auth, a library for node. A person signs up and exchanges the cookie for a JWT.

use serde_json::{Value, json};

use crate::http::{self, Answer};
use crate::node;
use crate::process::{Port, Process};
use crate::services::Services;
use crate::{API, assert_bad_token};

/// <https://github.com/better-auth/better-auth>. `better_auth.mjs` runs it.
pub(crate) const TESTS: [(&str, fn()); 1] = named![self::person_who_signs_up_is_accepted];

fn person_who_signs_up_is_accepted() {
    let port = Port::reserve();
    let mut command = node::command("better_auth.mjs");
    let mut process = Process::start(command.arg(port.number.to_string()), &format!("better_auth-{}", port.number));
    let issuer = process.read("issuer ");
    let keys = format!("{issuer}/api/auth/jwks");
    let serve = |audience| {
        let issuer = ("PORTCULLIS_ISSUER", issuer.as_str());
        Services::start(&[issuer, ("PORTCULLIS_JWKS_URL", &keys), ("PORTCULLIS_AUDIENCE", audience)])
    };

    let (person, session) = sign_up(&issuer);
    let token = token_of(&issuer, &session).json()["token"].as_str().unwrap().to_owned();
    let (services, others) = (serve(API), serve("https://other.test"));
    let answer = services.get("/api/private", Some(&token));
    assert_eq!((answer.status, &answer.json()["sub"]), (200, &person["id"]), "{answer:?}");
    assert_eq!(services.get("/api/private-scoped", Some(&token)).status, 200);
    let greeting = services.get("/api/greeting", Some(&token)).json();
    assert_eq!(greeting["greeting"], format!("hello, {}", person["id"].as_str().unwrap()));

    assert_bad_token(&others.get("/api/private", Some(&token)), "wrong_audience");
    let (input, signature) = token.rsplit_once('.').unwrap();
    let first = if signature.starts_with('A') { "B" } else { "A" };
    assert_bad_token(
        &services.get("/api/private", Some(&format!("{input}.{first}{}", &signature[1..]))),
        "bad_signature",
    );
    // The token of the session is for better-auth only.
    let (_, value) = session.split_once('=').unwrap();
    let (identifier, _) = value.split_once('.').unwrap();
    assert_bad_token(&services.get("/api/private", Some(identifier)), "not_compact_jws");
    // Without a session there is no token.
    assert_eq!(token_of(&issuer, "").status, 401);
}

/// Registers a person, and returns what the server knows about the person, and the cookie of the session.
fn sign_up(issuer: &str) -> (Value, String) {
    let person = json!({"email": "alice@example.com", "name": "Alice", "password": "a long password"});
    let url = format!("{issuer}/api/auth/sign-up/email");
    let answer = http::send_json("POST", &url, &[("origin", issuer)], &person.to_string()).unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    let cookie = answer.all("set-cookie")[0].split(';').next().unwrap();
    (answer.json()["user"].clone(), cookie.to_owned())
}

fn token_of(issuer: &str, cookie: &str) -> Answer {
    http::get_url_with(&format!("{issuer}/api/auth/token"), &[("cookie", cookie)]).unwrap()
}
