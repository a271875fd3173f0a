//! The tables: requests, each with the answer of the contract.

use portcullis_testing::TokenBuilder;
use serde_json::json;

use crate::answer::Answer;
use crate::gates::{Gates, errors_of_checks};
use crate::{api_keys, dpop, guarded, introspection, mtls, pages, seams, step_up};

#[derive(Clone)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) request: Vec<u8>,
    pub(crate) expected: Answer,
}

pub(crate) type Table = fn(&Gates) -> Vec<Row>;

pub(crate) const ALL: &[Table] = &[
    let_in,
    no_credential,
    malformed,
    bad_tokens,
    forbidden,
    outages,
    server_errors,
    header_source,
    cookie_source,
    pages::allowed,
    pages::refused,
    customized,
    guarded::let_in,
    guarded::kept_out,
    guarded::optional,
    guarded::preflights,
    guarded::nested,
    guarded::other_places,
    guarded::reworded,
    guarded::metadata,
    guarded::outages,
    seams::session_checks,
    seams::step_up,
    seams::schemes,
    seams::target_uris,
    step_up::age_of_the_token,
    step_up::login_of_the_user,
    step_up::authorization_details,
    step_up::actors,
    step_up::implied_scopes,
    step_up::demands_together,
    mtls::let_in,
    mtls::refused,
    mtls::unproven,
    mtls::metadata,
    introspection::let_in,
    introspection::refused,
    introspection::outages,
    dpop::refused,
    api_keys::let_in,
    api_keys::bad_keys,
    api_keys::malformed_fields,
    api_keys::both_fields,
    api_keys::lacking,
    api_keys::outages,
];

impl Row {
    pub(crate) fn is_head(&self) -> bool {
        self.request.starts_with(b"HEAD ")
    }
}

pub(crate) fn let_in(gates: &Gates) -> Vec<Row> {
    let token = alice(gates).sign();
    let mut rows: Vec<Row> = ["Bearer ", "bearer ", "BEARER ", "bEaReR ", "Bearer    ", " \tBearer "]
        .into_iter()
        .map(|scheme| {
            let value = format!("{scheme}{token}");
            row(format!("scheme {scheme:?}"), get("/main/private", &[("Authorization", value)]), Answer::ok("alice"))
        })
        .collect();
    let bearer = format!("Bearer {token}");
    for name in ["authorization", "AUTHORIZATION", "aUTHORIZATION"] {
        rows.push(row(name, get("/main/private", &[(name, &bearer)]), Answer::ok("alice")));
    }
    let with_space_behind = format!("{bearer} \t ");
    rows.push(row("space behind", get("/main/private", &[("Authorization", with_space_behind)]), Answer::ok("alice")));
    let with_query = "/main/private?access_token=x&token=%FF";
    rows.push(row("query", get(with_query, &[("Authorization", &bearer)]), Answer::ok("alice")));
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        let request = send(method, "/main/private", &[("Authorization", &bearer)], b"");
        rows.push(row(method, request, Answer::ok("alice")));
    }
    let request = send("POST", "/main/private", &[("Authorization", &bearer)], b"{\"text\":\"unread\"}");
    rows.push(row("POST with a body", request, Answer::ok("alice")));
    let request = send("HEAD", "/main/private", &[("Authorization", &bearer)], b"");
    rows.push(row("HEAD", request, Answer::ok("alice").without_body()));

    let long = alice(gates).claim("filler", "x".repeat(11_000)).sign();
    assert!(long.len() > 14_000 && long.len() <= 16 * 1024);
    let odd_type = alice(gates).header("typ", "application/AT+JWT").sign();
    let no_type = alice(gates).without_header("typ").sign();
    let both_scopes = alice(gates).scope("openid write:messages read:messages").sign();
    let scopes_in_array = alice(gates).without("scope").claim("scp", ["read:messages", "write:messages"]).sign();
    let editor = alice(gates).claim("roles", ["editor"]).sign();
    let of_tenant = alice(gates).claim("tenant", "t\u{f6}nant").sign();
    rows.extend([
        row("long token", bearing("/main/private", &long), Answer::ok("alice")),
        row("typ in another case", bearing("/main/private", &odd_type), Answer::ok("alice")),
        row("no typ", bearing("/main/private", &no_type), Answer::ok("alice")),
        row("all scopes", bearing("/main/scoped", &both_scopes), Answer::ok("alice")),
        row("scopes in an array", bearing("/main/scoped", &scopes_in_array), Answer::ok("alice")),
        row("one of the scopes", bearing("/main/any-scope", &alice(gates).scope("admin").sign()), Answer::ok("alice")),
        row("role", bearing("/main/role", &editor), Answer::ok("alice")),
        row("typed", bearing("/main/typed", &of_tenant), Answer::ok("t\u{f6}nant")),
        row("optional", bearing("/main/greeting", &token), Answer::ok("alice")),
        row("optional and typed", bearing("/main/typed-greeting", &of_tenant), Answer::ok("t\u{f6}nant")),
    ]);
    rows
}

pub(crate) fn no_credential(_: &Gates) -> Vec<Row> {
    let mut rows = Vec::new();
    for path in ["/main/private", "/main/scoped", "/main/role", "/main/typed"] {
        rows.push(row(format!("nothing for {path}"), get(path, &NONE), Answer::missing_token()));
    }
    for path in ["/main/greeting", "/main/typed-greeting"] {
        rows.push(row(format!("nothing for {path}"), get(path, &NONE), Answer::ok("anonymous")));
    }
    let other_schemes = [
        "Basic dXNlcjpwYXNz",
        "basic dXNlcjpwYXNz",
        "Digest username=\"x\", realm=\"y\"",
        "Negotiate YII=",
        "ApiKey secret",
        "Bearer.token x",
        "XBearer token",
    ];
    for value in other_schemes {
        let field = [("Authorization", value)];
        rows.push(row(format!("{value}, required"), get("/main/private", &field), Answer::missing_token()));
        rows.push(row(format!("{value}, optional"), get("/main/greeting", &field), Answer::ok("anonymous")));
    }
    // A request with a DPoP credential is never anonymous.
    for path in ["/main/private", "/main/greeting"] {
        for value in ["DPoP eyJ.eyJ.c2ln", "dpop x", "DPOP"] {
            let request = get(path, &[("Authorization", value)]);
            rows.push(row(format!("{value} for {path}"), request, Answer::missing_token()));
        }
    }
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        rows.push(row(method, send(method, "/main/private", &NONE, b""), Answer::missing_token()));
    }
    let body = b"{\"text\":\"unread\"}";
    rows.extend([
        row("HEAD", send("HEAD", "/main/private", &NONE, b""), Answer::missing_token().without_body()),
        row("POST with a body", send("POST", "/main/private", &NONE, body), Answer::missing_token()),
        row("POST with a body, optional", send("POST", "/main/greeting", &NONE, body), Answer::ok("anonymous")),
        row("token in the query", get("/main/private?access_token=a.b.c", &NONE), Answer::missing_token()),
        row("query of odd bytes", get("/main/private?token=%FF", &NONE), Answer::missing_token()),
        row("token in a cookie", get("/main/private", &[("Cookie", "session=a.b.c")]), Answer::missing_token()),
        row("proxy's field", get("/main/private", &[("Proxy-Authorization", "Bearer a.b.c")]), Answer::missing_token()),
    ]);
    rows
}

pub(crate) fn malformed(gates: &Gates) -> Vec<Row> {
    let values: [&[u8]; 23] = [
        b"",
        b" ",
        b" \t ",
        b"Bearer",
        b"bearer",
        b"Bearer ",
        b"Bearer\tabc",
        b"Bearer \tabc",
        b"Bearer a b",
        b"Bearer a,b",
        b"Bearer a;b",
        b"Bearer a@b",
        b"Bearer a\tb",
        b"Bearer =",
        b"Bearer a=b",
        b"Bearer \"a\"",
        b"Bearer <token>",
        b"Bearer, a",
        b",Bearer a",
        b"Bearer: a",
        b"Bearer a\xffb",
        b"Bearer caf\xc3\xa9",
        b"\xff\xfe",
    ];
    let mut rows = Vec::new();
    for path in ["/main/private", "/main/greeting", "/main/scoped"] {
        for value in values {
            let name = format!("{:?} for {path}", String::from_utf8_lossy(value));
            rows.push(row(name, get(path, &[("Authorization", value)]), Answer::malformed_authorization()));
        }
    }
    let good = format!("Bearer {}", alice(gates).sign());
    let good = good.as_str();
    let repeated: [(&str, &[(&str, &str)]); 6] = [
        ("equal", &[("Authorization", good), ("Authorization", good)]),
        ("in two cases", &[("Authorization", good), ("authorization", good)]),
        ("good and bad", &[("Authorization", good), ("Authorization", "Bearer x")]),
        ("Basic and Bearer", &[("Authorization", "Basic eA=="), ("Authorization", good)]),
        ("good and empty", &[("Authorization", good), ("Authorization", "")]),
        ("three", &[("Authorization", good), ("X-Between", "x"), ("Authorization", good), ("Authorization", good)]),
    ];
    for path in ["/main/private", "/main/greeting"] {
        for (name, fields) in repeated {
            rows.push(row(format!("{name}, for {path}"), get(path, fields), Answer::repeated()));
        }
    }
    let head = send("HEAD", "/main/private", &[("Authorization", "Bearer")], b"");
    rows.push(row("HEAD", head, Answer::malformed_authorization().without_body()));
    let post = send("POST", "/main/private", &[("Authorization", "Bearer")], b"unread");
    rows.push(row("POST with a body", post, Answer::malformed_authorization()));
    rows
}

pub(crate) fn bad_tokens(gates: &Gates) -> Vec<Row> {
    let mut rows = Vec::new();
    let forgeries = gates.issuer.forgeries();
    assert!(forgeries.len() > 60);
    for path in ["/main/private", "/main/greeting"] {
        for forgery in &forgeries {
            let expected = Answer::invalid_token(forgery.reason.as_str());
            rows.push(row(format!("{} for {path}", forgery.name), bearing(path, &forgery.token), expected));
        }
    }
    for error in errors_of_checks() {
        let reason = error.reason().as_str();
        let token = alice(gates).claim("refuse_as", reason).sign();
        rows.push(row(reason, bearing("/main/private", &token), Answer::invalid_token(reason)));
    }
    let unnamed_key = alice(gates).without_header("kid").sign();
    rows.push(row("two keys", bearing("/two-keys/private", &unnamed_key), Answer::invalid_token("ambiguous_key")));
    for (name, token) in [
        ("tenant missing", alice(gates)),
        ("tenant that is a number", alice(gates).claim("tenant", 7)),
        ("tenant that is null", alice(gates).claim("tenant", json!(null))),
    ] {
        for path in ["/main/typed", "/main/typed-greeting"] {
            let request = bearing(path, &token.sign());
            rows.push(row(format!("{name}, for {path}"), request, Answer::invalid_token("invalid_claims")));
        }
    }
    let expired = alice(gates).expired().sign();
    let field = [("Authorization", format!("Bearer {expired}"))];
    let huge = "x".repeat(60_000);
    rows.extend([
        // The token is checked before the policy.
        row("expired and without the scope", bearing("/main/scoped", &expired), Answer::invalid_token("expired")),
        row("HEAD", send("HEAD", "/main/private", &field, b""), Answer::invalid_token("expired").without_body()),
        row(
            "POST with a body",
            send("POST", "/main/private", &field, b"{\"text\":\"unread\"}"),
            Answer::invalid_token("expired"),
        ),
        row("DELETE", send("DELETE", "/main/private", &field, b""), Answer::invalid_token("expired")),
        row("60,000 bytes", bearing("/main/private", &huge), Answer::invalid_token("too_large")),
        row(
            "every byte of b64token",
            bearing("/main/private", "-._~+/09azAZ=="),
            Answer::invalid_token("not_compact_jws"),
        ),
    ]);
    rows
}

pub(crate) fn forbidden(gates: &Gates) -> Vec<Row> {
    let both = || Answer::insufficient_scope("read:messages write:messages");
    let scope = |scope: &str| alice(gates).scope(scope).sign();
    let numbers = alice(gates).without("scope").claim("scp", [1, 2]).sign();
    let as_role = alice(gates).scope("editor").claim("roles", json!([])).sign();
    let no_scope = alice(gates).without("scope").sign();
    let field = [("Authorization", format!("Bearer {no_scope}"))];
    vec![
        row("no scope", bearing("/main/scoped", &no_scope), both()),
        row("empty scope", bearing("/main/scoped", &scope("")), both()),
        row("one of two", bearing("/main/scoped", &scope("read:messages")), both()),
        row("parts of the names", bearing("/main/scoped", &scope("read:message write")), both()),
        row("names in capitals", bearing("/main/scoped", &scope("READ:MESSAGES WRITE:MESSAGES")), both()),
        row("names with a comma", bearing("/main/scoped", &scope("read:messages,write:messages")), both()),
        row("names in a longer one", bearing("/main/scoped", &scope("xread:messages write:messages.x")), both()),
        row("scopes that are numbers", bearing("/main/scoped", &numbers), both()),
        row(
            "no scope of several",
            bearing("/main/any-scope", &scope("write:messages")),
            Answer::insufficient_scope("read:messages admin"),
        ),
        row("no role", bearing("/main/role", &no_scope), Answer::insufficient()),
        row("role named as scope", bearing("/main/role", &as_role), Answer::insufficient()),
        row("HEAD", send("HEAD", "/main/scoped", &field, b""), both().without_body()),
    ]
}

pub(crate) fn outages(gates: &Gates) -> Vec<Row> {
    let good = alice(gates).sign();
    let unsigned = alice(gates).header("alg", "none").sign();
    let field = [("Authorization", format!("Bearer {good}"))];
    vec![
        row("known length", bearing("/outage/private", &good), Answer::unavailable("7")),
        row("unknown length", bearing("/outage-of-unknown-length/private", &good), Answer::unavailable("5")),
        row("part of a second", bearing("/outage-of-part-of-a-second/private", &good), Answer::unavailable("2")),
        row("optional", bearing("/outage/greeting", &good), Answer::unavailable("7")),
        row("scoped", bearing("/outage/scoped", &good), Answer::unavailable("7")),
        row("typed", bearing("/outage/typed", &good), Answer::unavailable("7")),
        row("HEAD", send("HEAD", "/outage/private", &field, b""), Answer::unavailable("7").without_body()),
        row("POST with a body", send("POST", "/outage/private", &field, b"unread"), Answer::unavailable("7")),
        // Answers that need no keys.
        row("no token", get("/outage/private", &NONE), Answer::missing_token()),
        row("no token, optional", get("/outage/greeting", &NONE), Answer::ok("anonymous")),
        row("malformed", get("/outage/private", &[("Authorization", "Bearer")]), Answer::malformed_authorization()),
        row("alg none", bearing("/outage/private", &unsigned), Answer::invalid_token("algorithm_not_allowed")),
        row("garbage", bearing("/outage/private", "garbage"), Answer::invalid_token("not_compact_jws")),
    ]
}

pub(crate) fn server_errors(gates: &Gates) -> Vec<Row> {
    let good = alice(gates).sign();
    let field = [("Authorization", format!("Bearer {good}"))];
    let mut rows: Vec<Row> = ["private", "scoped", "role", "typed", "greeting", "typed-greeting"]
        .into_iter()
        .flat_map(|route| {
            let path = format!("/no-gate/{route}");
            [
                row(format!("{path} with a token"), bearing(&path, &good), Answer::server_error()),
                row(format!("{path} without one"), get(&path, &NONE), Answer::server_error()),
            ]
        })
        .collect();
    rows.extend([
        row("malformed", get("/no-gate/private", &[("Authorization", "Bearer")]), Answer::server_error()),
        row("HEAD", send("HEAD", "/no-gate/private", &field, b""), Answer::server_error().without_body()),
        row("POST with a body", send("POST", "/no-gate/private", &field, b"unread"), Answer::server_error()),
        // The cause goes to the log only.
        row("broken verifier", bearing("/broken/private", &good), Answer::server_error()),
        row("broken verifier, no token", get("/broken/private", &NONE), Answer::missing_token()),
        // The connection stays open, as each row shows with one more request.
        row("panicking provider", bearing("/panic/private", &good), Answer::server_error()),
        row("panicking provider, optional", bearing("/panic/greeting", &good), Answer::server_error()),
        row("panicking provider, no token", get("/panic/private", &NONE), Answer::missing_token()),
        row("panicking provider behind a guard", bearing("/guarded-panic/open", &good), Answer::server_error()),
    ]);
    rows
}

pub(crate) fn header_source(gates: &Gates) -> Vec<Row> {
    const NAME: &str = "X-Access-Token";
    let good = alice(gates).sign();
    let good = good.as_str();
    let expired = alice(gates).expired().sign();
    let with = |value: &str| get("/header/private", &[(NAME, value)]);
    let bearer = format!("Bearer {good}");
    vec![
        row("good", with(good), Answer::ok("alice")),
        row("name in lower case", get("/header/private", &[("x-access-token", good)]), Answer::ok("alice")),
        row("optional", get("/header/greeting", &[(NAME, good)]), Answer::ok("alice")),
        row("with a scheme", with(&bearer), Answer::malformed_token()),
        row("empty", with(""), Answer::malformed_token()),
        row("empty, optional", get("/header/greeting", &[(NAME, "")]), Answer::malformed_token()),
        row("quoted", with(&format!("\"{good}\"")), Answer::malformed_token()),
        row("bytes beyond ASCII", get("/header/private", &[(NAME, &b"a\xff"[..])]), Answer::malformed_token()),
        row("expired", with(&expired), Answer::invalid_token("expired")),
        row("garbage", with("garbage"), Answer::invalid_token("not_compact_jws")),
        row("repeated", get("/header/private", &[(NAME, good), (NAME, good)]), Answer::repeated()),
        row("absent", get("/header/private", &NONE), Answer::missing_token()),
        row("absent, optional", get("/header/greeting", &NONE), Answer::ok("anonymous")),
        row("in another place", get("/header/private", &[("Authorization", &bearer)]), Answer::missing_token()),
    ]
}

pub(crate) fn cookie_source(gates: &Gates) -> Vec<Row> {
    let good = alice(gates).sign();
    let expired = alice(gates).expired().sign();
    let with = |path: &str, cookies: String| get(path, &[("Cookie", cookies)]);
    let among_others = [&b"theme=\xff; session="[..], good.as_bytes(), b"; x"].concat();
    let session = format!("session={good}");
    let (bearer, bearer_expired) = (format!("Bearer {good}"), format!("Bearer {expired}"));
    let both = |cookie: &str, authorization: &str| {
        get("/cookie-first/private", &[("Cookie", cookie), ("Authorization", authorization)])
    };
    vec![
        row("good", with("/cookie/private", session.clone()), Answer::ok("alice")),
        row("optional", with("/cookie/greeting", session.clone()), Answer::ok("alice")),
        row("among others of any bytes", get("/cookie/private", &[("Cookie", among_others)]), Answer::ok("alice")),
        row(
            "in the second field",
            get("/cookie/private", &[("Cookie", "a=b"), ("Cookie", &session)]),
            Answer::ok("alice"),
        ),
        row("twice the same", with("/cookie/private", format!("{session}; {session}")), Answer::ok("alice")),
        row("twice, differing", with("/cookie/private", format!("{session}; session=x")), Answer::repeated()),
        row(
            "twice, differing, optional",
            with("/cookie/greeting", format!("session=x; {session}")),
            Answer::repeated(),
        ),
        row("taken back", with("/cookie/private", "session=".into()), Answer::missing_token()),
        row("taken back, optional", with("/cookie/greeting", "session=; a=b".into()), Answer::ok("anonymous")),
        row("absent", get("/cookie/private", &NONE), Answer::missing_token()),
        row("only others", with("/cookie/private", format!("sessions=x; x{session}")), Answer::missing_token()),
        row("quoted", with("/cookie/private", format!("session=\"{good}\"")), Answer::malformed_token()),
        row(
            "bytes beyond ASCII",
            get("/cookie/private", &[("Cookie", &b"session=a\xff"[..])]),
            Answer::malformed_token(),
        ),
        row("expired", with("/cookie/private", format!("session={expired}")), Answer::invalid_token("expired")),
        row(
            "expired, optional",
            with("/cookie/greeting", format!("session={expired}")),
            Answer::invalid_token("expired"),
        ),
        row("only Authorization", get("/cookie/private", &[("Authorization", &bearer)]), Answer::missing_token()),
        // The first source that holds a token decides.
        row("cookie before field", both(&session, &bearer_expired), Answer::ok("alice")),
        row("bad cookie before field", both(&format!("session={expired}"), &bearer), Answer::invalid_token("expired")),
        row("malformed cookie before field", both("session=\"x\"", &bearer), Answer::malformed_token()),
        row("no cookie before field", both("a=b", &bearer), Answer::ok("alice")),
        row("no cookie before bad field", both("session=", &bearer_expired), Answer::invalid_token("expired")),
    ]
}

pub(crate) fn customized(gates: &Gates) -> Vec<Row> {
    let good = alice(gates).sign();
    let expired = alice(gates).expired().sign();
    vec![
        row(
            "realm, no token",
            get("/realm/private", &NONE),
            Answer::refused(
                401,
                Some(r#"Bearer realm="orders \"eu\" \\1""#),
                r#"{"error":"missing_token","error_description":"This resource requires a bearer token"}"#,
            ),
        ),
        row(
            "realm, bad token",
            bearing("/realm/private", &expired),
            Answer::refused(
                401,
                Some(
                    r#"Bearer realm="orders \"eu\" \\1", error="invalid_token", error_description="The access token expired""#,
                ),
                r#"{"error":"invalid_token","error_description":"The access token expired","reason":"expired"}"#,
            ),
        ),
        row("realm, good token", bearing("/realm/private", &good), Answer::ok("alice")),
        row(
            "two challenges and a field of the verifier's",
            bearing("/custom/private", &good),
            Answer::refused(
                401,
                Some(r#"DPoP error="use_dpop_nonce", algs="ES256 EdDSA""#),
                r#"{"error":"use_dpop_nonce","error_description":"The proof needs a nonce"}"#,
            )
            .with_field("www-authenticate", r#"Bearer realm="api""#)
            .with_field("dpop-nonce", "n-1"),
        ),
    ]
}

pub(crate) const NONE: [(&str, &str); 0] = [];

/// A good token. Rows change it.
pub(crate) fn alice(gates: &Gates) -> TokenBuilder {
    gates.issuer.token().subject("alice")
}

/// Rows of several tables may have one name, so the request line is part of the name.
pub(crate) fn row(name: impl AsRef<str>, request: Vec<u8>, expected: Answer) -> Row {
    let line = request.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let name = format!("{} ({})", name.as_ref(), String::from_utf8_lossy(line));
    Row { name, request, expected }
}

pub(crate) fn bearing(path: &str, token: &str) -> Vec<u8> {
    get(path, &[("Authorization", format!("Bearer {token}"))])
}

pub(crate) fn get(path: &str, fields: &[(&str, impl AsRef<[u8]>)]) -> Vec<u8> {
    send("GET", path, fields, b"")
}

pub(crate) fn send(method: &str, path: &str, fields: &[(&str, impl AsRef<[u8]>)], body: &[u8]) -> Vec<u8> {
    let mut request = format!("{method} {path} HTTP/1.1\r\nHost: api.test\r\n").into_bytes();
    for (name, value) in fields {
        request.extend([name.as_bytes(), b": ", value.as_ref(), b"\r\n"].concat());
    }
    if !body.is_empty() {
        request.extend(format!("Content-Length: {}\r\n", body.len()).into_bytes());
    }
    request.extend([b"\r\n", body].concat());
    request
}
