//! The tables for guards, for refusals that a service changes, and for resource metadata.

use portcullis_testing::TokenBuilder;

use crate::answer::Answer;
use crate::gates::Gates;
use crate::requests::{NONE, Row, alice, bearing, get, row, send};

const NAMED: &str = "X-Access-Token";

pub(crate) fn let_in(gates: &Gates) -> Vec<Row> {
    let everything = alice(gates)
        .scope("read:messages write:messages")
        .claim("roles", ["editor"])
        .claim("tenant", "t\u{f6}nant")
        .sign();
    let admin = alice(gates).scope("openid admin").sign();
    let both = alice(gates).scope("admin read:messages write:messages").sign();
    let field = [("Authorization", format!("Bearer {everything}"))];
    let nonce = |answer: Answer| answer.with_field("dpop-nonce", "n-2");
    let said = [
        ("private", "alice"),
        ("scoped", "alice"),
        ("any-scope", "alice"),
        ("role", "alice"),
        ("greeting", "alice"),
        ("typed", "t\u{f6}nant"),
        ("typed-greeting", "t\u{f6}nant"),
        ("open", "open"),
    ];
    let mut rows: Vec<Row> = said
        .iter()
        .map(|(route, text)| row("let in", bearing(&format!("/guarded/{route}"), &everything), Answer::ok(text)))
        .collect();
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        rows.push(row(method, send(method, "/guarded/private", &field, b""), Answer::ok("alice")));
    }
    rows.extend([
        row("HEAD", send("HEAD", "/guarded/private", &field, b""), Answer::ok("alice").without_body()),
        row("body", send("POST", "/guarded/private", &field, b"unread"), Answer::ok("alice")),
        row("body, no extractor", send("POST", "/guarded/open", &field, b"unread"), Answer::ok("open")),
        row("admin", bearing("/guarded-admin/private", &admin), Answer::ok("alice")),
        row("admin, no extractor", bearing("/guarded-admin/open", &admin), Answer::ok("open")),
        row("admin, optional", bearing("/guarded-admin/greeting", &admin), Answer::ok("alice")),
        row("policies of guard and handler", bearing("/guarded-admin/scoped", &both), Answer::ok("alice")),
        row(
            "the guard's gate, not the application's",
            bearing("/guarded-otherwise/private", &both),
            Answer::ok("alice"),
        ),
        row("and for all", bearing("/guarded-otherwise/greeting", &both), Answer::ok("alice")),
        // The caller's fields appear once, also when the handler's policy refuses the caller.
        row("a field of the scheme's", bearing("/guarded-nonce/private", "x"), nonce(Answer::ok("alice"))),
        row("the same, no extractor", bearing("/guarded-nonce/open", "x"), nonce(Answer::ok("open"))),
        row(
            "the same, refused by the handler's policy",
            bearing("/guarded-nonce/scoped", "x"),
            nonce(Answer::insufficient_scope("read:messages write:messages")),
        ),
    ]);
    rows
}

pub(crate) fn kept_out(gates: &Gates) -> Vec<Row> {
    let mut rows = Vec::new();
    for route in ["private", "scoped", "role", "greeting", "typed", "typed-greeting", "open", "document"] {
        rows.push(row("nothing", get(&format!("/guarded/{route}"), &NONE), Answer::missing_token()));
    }
    for forgery in gates.issuer.forgeries() {
        let expected = Answer::invalid_token(forgery.reason.as_str());
        rows.push(row(forgery.name, bearing("/guarded/open", &forgery.token), expected));
    }
    for value in ["Basic dXNlcjpwYXNz", "DPoP eyJ.eyJ.c2ln", "Bearertoken x"] {
        rows.push(row(value, get("/guarded/open", &[("Authorization", value)]), Answer::missing_token()));
    }
    for value in [&b""[..], b"Bearer", b"Bearer a b", b"Bearer\tabc", b"Bearer a\xffb", b"\xff\xfe", b"eyJ.eyJ.c2ln"] {
        let name = String::from_utf8_lossy(value);
        rows.push(row(name, get("/guarded/open", &[("Authorization", value)]), Answer::malformed_authorization()));
    }
    let plain = alice(gates).scope("administrator read:messages").sign();
    let admin = alice(gates).scope("admin").claim("tenant", 7).sign();
    let expired = alice(gates).scope("read").expired().sign();
    let bearer = format!("Bearer {admin}");
    let wants_admin = || Answer::insufficient_scope("admin");
    for route in ["private", "greeting", "scoped", "typed", "open", "document"] {
        rows.push(row("not admin", bearing(&format!("/guarded-admin/{route}"), &plain), wants_admin()));
    }
    let field = [("Authorization", format!("Bearer {plain}"))];
    rows.extend([
        row("HEAD", send("HEAD", "/guarded/open", &NONE, b""), Answer::missing_token().without_body()),
        row("HEAD, not admin", send("HEAD", "/guarded-admin/open", &field, b""), wants_admin().without_body()),
        row("body", send("POST", "/guarded/open", &NONE, b"unread"), Answer::missing_token()),
        row("body, not admin", send("POST", "/guarded-admin/open", &field, b"unread"), wants_admin()),
        row(
            "repeated",
            get("/guarded/open", &[("Authorization", &bearer), ("Authorization", &bearer)]),
            Answer::repeated(),
        ),
        row("nothing, where admin is asked for", get("/guarded-admin/open", &NONE), Answer::missing_token()),
        row("expired, and not admin", bearing("/guarded-admin/open", &expired), Answer::invalid_token("expired")),
        row(
            "the guard's policy allows, the handler's does not",
            bearing("/guarded-admin/scoped", &admin),
            Answer::insufficient_scope("read:messages write:messages"),
        ),
        row("a role", bearing("/guarded-admin/role", &admin), Answer::insufficient()),
        row("claims that do not fit", bearing("/guarded/typed", &admin), Answer::invalid_token("invalid_claims")),
        row(
            "claims that do not fit, optional",
            bearing("/guarded/typed-greeting", &admin),
            Answer::invalid_token("invalid_claims"),
        ),
        row(
            "a caller of the application's gate",
            bearing("/guarded-otherwise/open", &bob(gates).sign()),
            Answer::invalid_token("bad_signature"),
        ),
        row("no token for a scheme's own field", get("/guarded-nonce/open", &NONE), Answer::missing_token()),
        row(
            "two challenges and a field of the verifier's",
            bearing("/guarded-custom/open", &admin),
            Answer::refused(
                401,
                Some(r#"DPoP error="use_dpop_nonce", algs="ES256 EdDSA""#),
                r#"{"error":"use_dpop_nonce","error_description":"The proof needs a nonce"}"#,
            )
            .with_field("www-authenticate", r#"Bearer realm="api""#)
            .with_field("dpop-nonce", "n-1"),
        ),
    ]);
    rows
}

pub(crate) fn optional(gates: &Gates) -> Vec<Row> {
    let plain = alice(gates).scope("read").claim("tenant", "t1").sign();
    let admin = alice(gates).scope("admin").sign();
    let expired = alice(gates).scope("admin").expired().sign();
    let others = bob(gates).sign();
    let with = |path: &str, value: &str| get(path, &[("Authorization", value)]);
    let mut rows = Vec::new();
    // A good token before a request without one: the second answer must not be that of the first.
    for (route, known, unknown) in [
        ("private", Answer::ok("alice"), Answer::missing_token()),
        ("greeting", Answer::ok("alice"), Answer::ok("anonymous")),
        ("typed-greeting", Answer::ok("t1"), Answer::ok("anonymous")),
        ("open", Answer::ok("open"), Answer::ok("open")),
    ] {
        let path = format!("/guarded-optional/{route}");
        rows.push(row("good", bearing(&path, &plain), known));
        rows.push(row("nothing", get(&path, &NONE), unknown));
    }
    for route in ["greeting", "open"] {
        let path = format!("/guarded-optional/{route}");
        rows.extend([
            row("expired", bearing(&path, &expired), Answer::invalid_token("expired")),
            row("another issuer's", bearing(&path, &others), Answer::invalid_token("bad_signature")),
            row("garbage", bearing(&path, "garbage"), Answer::invalid_token("not_compact_jws")),
            row("malformed", with(&path, "Bearer"), Answer::malformed_authorization()),
            row("empty", with(&path, ""), Answer::malformed_authorization()),
            row("a token without its scheme", with(&path, &plain), Answer::malformed_authorization()),
            row("a single word", with(&path, "Basic"), Answer::malformed_authorization()),
            row("DPoP", with(&path, "DPoP eyJ.eyJ.c2ln"), Answer::missing_token()),
        ]);
        let path = format!("/guarded-optional-admin/{route}");
        rows.push(row("not admin", bearing(&path, &plain), Answer::insufficient_scope("admin")));
        rows.push(row("expired admin", bearing(&path, &expired), Answer::invalid_token("expired")));
    }
    rows.extend([
        row("Basic", with("/guarded-optional/greeting", "Basic eA=="), Answer::ok("anonymous")),
        row("Basic, no extractor", with("/guarded-optional/open", "Basic eA=="), Answer::ok("open")),
        row("admin", bearing("/guarded-optional-admin/greeting", &admin), Answer::ok("alice")),
        row("no caller, so no policy", get("/guarded-optional-admin/greeting", &NONE), Answer::ok("anonymous")),
        row("nothing", get("/guarded-optional-admin/private", &NONE), Answer::missing_token()),
    ]);
    rows
}

pub(crate) fn preflights(gates: &Gates) -> Vec<Row> {
    const ORIGIN: (&str, &str) = ("Origin", "https://app.example");
    const METHOD: (&str, &str) = ("Access-Control-Request-Method", "DELETE");
    const OVERRIDE: (&str, &str) = ("X-HTTP-Method-Override", "OPTIONS");
    const OPEN: &str = "/guarded-cors/open";
    let whole = |path: &str, more: &[(&str, &str)]| send("OPTIONS", path, &[&[ORIGIN, METHOD], more].concat(), b"");
    let bearer = |token: String| format!("Bearer {token}");
    let admin = bearer(alice(gates).scope("admin").sign());
    let plain = bearer(alice(gates).scope("read").sign());
    let expired = bearer(alice(gates).scope("admin").expired().sign());
    let (admin, plain) = (("Authorization", admin.as_str()), ("Authorization", plain.as_str()));
    let expired = ("Authorization", expired.as_str());
    let answered = || Answer::preflight();
    let with =
        |name: &str, fields: &[(&str, &str)], expected: Answer| row(name, send("OPTIONS", OPEN, fields, b""), expected);
    let mut rows = vec![
        row("whole", whole(OPEN, &[]), answered()),
        row("whole, with fields", whole(OPEN, &[("Access-Control-Request-Headers", "authorization")]), answered()),
        row("of a null origin", send("OPTIONS", OPEN, &[("Origin", "null"), METHOD], b""), answered()),
        row(
            "names in lower case",
            send("OPTIONS", OPEN, &[("origin", "https://app.example"), ("access-control-request-method", "PUT")], b""),
            answered(),
        ),
        row("that would be another method", whole(OPEN, &[("X-HTTP-Method-Override", "DELETE")]), answered()),
        // The guard answers it, so no handler sees it, also with a bad token.
        row("bad token", whole(OPEN, &[expired]), answered()),
        row("whole, extractor", whole("/guarded-cors/private", &[]), answered()),
        row("whole, optional extractor", whole("/guarded-cors/greeting", &[]), answered()),
        row("admin, extractor", whole("/guarded-cors/private", &[admin]), answered()),
        row("not admin, policy of the extractor", whole("/guarded-cors/scoped", &[plain]), answered()),
        row("no length", whole(OPEN, &[("Content-Length", "0")]), answered()),
        // Requests that two readers could understand differently.
        with("an empty origin", &[("Origin", ""), METHOD], Answer::missing_token()),
        with("two origins", &[ORIGIN, ORIGIN, METHOD], Answer::missing_token()),
        with(
            "a list of origins",
            &[("Origin", "https://a.example, https://b.example"), METHOD],
            Answer::missing_token(),
        ),
        with("an empty method", &[ORIGIN, ("Access-Control-Request-Method", "")], Answer::missing_token()),
        with("no method token", &[ORIGIN, ("Access-Control-Request-Method", "G(T")], Answer::missing_token()),
        with(
            "two methods in one field",
            &[ORIGIN, ("Access-Control-Request-Method", "GET, PUT")],
            Answer::missing_token(),
        ),
        with("two methods", &[ORIGIN, METHOD, METHOD], Answer::missing_token()),
        row("a body", send("OPTIONS", OPEN, &[ORIGIN, METHOD], b"unread"), Answer::missing_token()),
        row("a body, admin", send("OPTIONS", OPEN, &[ORIGIN, METHOD, admin], b"unread"), Answer::ok("open")),
        row("HEAD", send("HEAD", OPEN, &[ORIGIN, METHOD], b""), Answer::missing_token().without_body()),
        row("in the query", get("/guarded-cors/open?_method=OPTIONS", &[ORIGIN, METHOD]), Answer::missing_token()),
        row("only OPTIONS", send("OPTIONS", OPEN, &NONE, b""), Answer::missing_token()),
        row("without a method", send("OPTIONS", OPEN, &[ORIGIN], b""), Answer::missing_token()),
        row("without an origin", send("OPTIONS", OPEN, &[METHOD], b""), Answer::missing_token()),
        row(
            "a name that is longer",
            send("OPTIONS", OPEN, &[ORIGIN, ("Access-Control-Request-Method-X", "GET")], b""),
            Answer::missing_token(),
        ),
        row("the method in lower case", send("options", OPEN, &[ORIGIN, METHOD], b""), Answer::missing_token()),
        row("half, admin", send("OPTIONS", OPEN, &[ORIGIN, admin], b""), Answer::ok("open")),
        row("half, not admin", send("OPTIONS", OPEN, &[ORIGIN, plain], b""), Answer::insufficient_scope("admin")),
        row("half, bad token", send("OPTIONS", OPEN, &[METHOD, expired], b""), Answer::invalid_token("expired")),
        row("not allowed", whole("/guarded/open", &[]), Answer::missing_token()),
        row("not allowed, admin", whole("/guarded/open", &[admin]), Answer::ok("open")),
        row("not allowed, optional", whole("/guarded-optional/open", &[]), Answer::ok("open")),
        row(
            "not allowed, optional, bad token",
            whole("/guarded-optional/open", &[expired]),
            Answer::invalid_token("expired"),
        ),
    ];
    for method in ["GET", "POST", "PUT", "DELETE", "PATCH"] {
        let request = |more: &[(&str, &str)]| send(method, OPEN, &[&[ORIGIN, METHOD], more].concat(), b"");
        rows.push(row("another method", request(&[]), Answer::missing_token()));
        rows.push(row("another method, overridden", request(&[OVERRIDE]), Answer::missing_token()));
        rows.push(row("another method, not admin", request(&[OVERRIDE, plain]), Answer::insufficient_scope("admin")));
        rows.push(row("another method, admin", request(&[OVERRIDE, admin]), Answer::ok("open")));
    }
    rows
}

pub(crate) fn nested(gates: &Gates) -> Vec<Row> {
    let (outer, inner) = (alice(gates).sign(), bob(gates).sign());
    let (outer, inner) = (outer.as_str(), inner.as_str());
    let outer_expired = alice(gates).expired().sign();
    let inner_expired = bob(gates).expired().sign();
    // The key of one issuer under the name of the other.
    let posing = alice(gates).issuer(gates.other_issuer.url()).sign();
    let admin = alice(gates).scope("admin").sign();
    let pair = |path: &str, authorization: &str, named: &str| {
        get(path, &[("Authorization", format!("Bearer {authorization}").as_str()), (NAMED, named)])
    };
    let mut rows = Vec::new();
    for (path, text) in [("/nested/private", "bob"), ("/nested/greeting", "bob"), ("/nested/open", "open")] {
        rows.extend([
            row("each its own", pair(path, outer, inner), Answer::ok(text)),
            row("only the outer's", bearing(path, outer), inner_missing_token()),
            row("only the inner's", get(path, &[(NAMED, inner)]), Answer::missing_token()),
            row("nothing", get(path, &NONE), Answer::missing_token()),
            row("the outer's for both", pair(path, outer, outer), inner_bad_signature()),
            row("the inner's for both", pair(path, inner, inner), Answer::invalid_token("bad_signature")),
            row("the one's for the other", pair(path, inner, outer), Answer::invalid_token("bad_signature")),
            row("the outer's expired", pair(path, &outer_expired, inner), Answer::invalid_token("expired")),
            row("the outer's poses", pair(path, &posing, inner), Answer::invalid_token("wrong_issuer")),
            row("the outer's poses to the inner", pair(path, outer, &posing), inner_bad_signature()),
            row("the inner's expired", pair(path, outer, &inner_expired), inner_expired_token()),
        ]);
    }
    for (path, text) in [("/nested-optional/private", "bob"), ("/nested-optional/greeting", "bob")] {
        rows.extend([
            row("each its own", pair(path, outer, inner), Answer::ok(text)),
            row("the outer's for both", pair(path, outer, outer), inner_bad_signature()),
            row("the inner's expired", pair(path, outer, &inner_expired), inner_expired_token()),
            row("only the inner's", get(path, &[(NAMED, inner)]), Answer::missing_token()),
        ]);
    }
    rows.extend([
        // The caller of the outer guard does not count for the inner one.
        row("only the outer's", bearing("/nested-optional/private", outer), inner_missing_token()),
        row("only the outer's", bearing("/nested-optional/greeting", outer), Answer::ok("anonymous")),
        row("only the outer's", bearing("/nested-optional/open", outer), Answer::ok("open")),
        // No token passes two issuers that read the same field.
        row("outer's", bearing("/nested-one-place/open", outer), inner_bad_signature()),
        row("inner's", bearing("/nested-one-place/open", inner), Answer::invalid_token("bad_signature")),
        row("posing", bearing("/nested-one-place/open", &posing), Answer::invalid_token("wrong_issuer")),
        row("nothing", get("/nested-one-place/open", &NONE), Answer::missing_token()),
        row("one gate, admin", bearing("/nested-one-gate/private", &admin), Answer::ok("alice")),
        row("one gate, not admin", bearing("/nested-one-gate/private", outer), Answer::insufficient_scope("admin")),
        row("one gate, not admin", bearing("/nested-one-gate/open", outer), Answer::insufficient_scope("admin")),
        row("one gate, nothing", get("/nested-one-gate/open", &NONE), Answer::missing_token()),
    ]);
    rows
}

pub(crate) fn other_places(gates: &Gates) -> Vec<Row> {
    const PATHS: [(&str, &str); 2] = [("/guarded-sources/private", "alice"), ("/guarded-sources/open", "open")];
    let good = alice(gates).sign();
    let good = good.as_str();
    let bearer = format!("Bearer {good}");
    let session = format!("session={good}");
    let expired = alice(gates).expired().sign();
    let session_expired = format!("session={expired}");
    let twice = format!("{session}; {session_expired}");
    let someone = alice(gates).subject("someone").sign();
    let mut rows = Vec::new();
    for (path, text) in PATHS {
        let cookie_and_field = |cookie: &str, named: &str| get(path, &[("Cookie", cookie), (NAMED, named)]);
        rows.extend([
            row("cookie", get(path, &[("Cookie", &session)]), Answer::ok(text)),
            row("field", get(path, &[(NAMED, good)]), Answer::ok(text)),
            row("cookie before field", cookie_and_field(&session, &someone), Answer::ok(text)),
            row("cookie before bad field", cookie_and_field(&session, &expired), Answer::ok(text)),
            row("bad cookie before field", cookie_and_field(&session_expired, good), Answer::invalid_token("expired")),
            row("malformed cookie before field", cookie_and_field("session=\"x\"", good), Answer::malformed_token()),
            row("two cookies before field", cookie_and_field(&twice, good), Answer::repeated()),
            row("cookie taken back", cookie_and_field("session=", good), Answer::ok(text)),
            row("another cookie", cookie_and_field("theme=dark", &expired), Answer::invalid_token("expired")),
            row("scheme in the field", get(path, &[(NAMED, &bearer)]), Answer::malformed_token()),
            row("two fields", get(path, &[(NAMED, good), (NAMED, good)]), Answer::repeated()),
            row("Authorization", get(path, &[("Authorization", &bearer)]), Answer::missing_token()),
            row("nothing", get(path, &NONE), Answer::missing_token()),
        ]);
    }
    rows
}

pub(crate) fn reworded(gates: &Gates) -> Vec<Row> {
    let good = alice(gates).scope("read").sign();
    let expired = alice(gates).expired().sign();
    let reworded = |status, code: &str, challenge: &str, body: &str| {
        let fields = [
            ("cache-control", "no-store"),
            ("content-type", "text/html; charset=utf-8"),
            ("www-authenticate", challenge),
            ("x-request-denied", code),
        ];
        Answer::spelled_out(status, &fields, body)
    };
    let missing_token =
        || reworded(401, "missing_token", r#"Bearer realm="orders""#, "<p>This resource requires a bearer token</p>");
    let mut rows = Vec::new();
    for prefix in ["/hook", "/guarded-hook"] {
        let path = |route: &str| format!("{prefix}/{route}");
        rows.extend([
            row("good", bearing(&path("private"), &good), Answer::ok("alice")),
            row("no token", get(&path("private"), &NONE), missing_token()),
            row("no token, HEAD", send("HEAD", &path("private"), &NONE, b""), missing_token().without_body()),
            row("no token, body", send("POST", &path("private"), &NONE, b"unread"), missing_token()),
            row(
                "bad token",
                bearing(&path("private"), &expired),
                reworded(
                    401,
                    "invalid_token",
                    r#"Bearer realm="orders", error="invalid_token", error_description="The access token expired""#,
                    "<p>The access token expired</p>",
                ),
            ),
            row(
                "malformed",
                get(&path("private"), &[("Authorization", "Bearer")]),
                reworded(
                    400,
                    "invalid_request",
                    r#"Bearer realm="orders", error="invalid_request", error_description="The Authorization field is not of the form Bearer token""#,
                    "<p>The Authorization field is not of the form Bearer token</p>",
                ),
            ),
            row(
                "claims that do not fit",
                bearing(&path("typed"), &good),
                reworded(
                    401,
                    "invalid_token",
                    r#"Bearer realm="orders", error="invalid_token", error_description="The claims of the access token do not fit this resource""#,
                    "<p>The claims of the access token do not fit this resource</p>",
                ),
            ),
            row(
                "another status",
                bearing(&path("scoped"), &good),
                reworded(
                    404,
                    "insufficient_scope",
                    r#"Bearer realm="orders", error="insufficient_scope", error_description="The access token does not grant what this resource requires", scope="read:messages write:messages""#,
                    "<p>The access token does not grant what this resource requires</p>",
                ),
            ),
        ]);
    }
    // Fields that cannot be sent are left out, and an invalid status becomes 500.
    let invalid = Answer::refused(500, Some(r#"Bearer realm="api""#), "")
        .with_field("x-empty", "")
        .with_field("x-twice", "1")
        .with_field("x-twice", "2")
        .with_field("x-umlaut", "\u{f6}");
    rows.push(row("a hook that makes it invalid", get("/bad-hook/private", &NONE), invalid));
    rows
}

pub(crate) fn metadata(gates: &Gates) -> Vec<Row> {
    const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource/orders";
    const DOCUMENT: &str = r#"{"resource":"https://api.test/orders","authorization_servers":["https://issuer.test/"],"scopes_supported":["read:messages"],"bearer_methods_supported":["header"],"resource_name":"Orders"}"#;
    const BODY_OF_MISSING_TOKEN: &str =
        r#"{"error":"missing_token","error_description":"This resource requires a bearer token"}"#;
    let good = alice(gates).scope("read").sign();
    let expired = alice(gates).expired().sign();
    let document = || Answer::document(DOCUMENT);
    let challenged = |status, attributes: &str, body| {
        let challenge = format!(
            r#"Bearer realm="api"{attributes}, resource_metadata="https://api.test/.well-known/oauth-protected-resource/orders""#
        );
        Answer::refused(status, Some(&challenge), body)
    };
    let mut rows = vec![
        row("well-known", get(WELL_KNOWN, &NONE), document()),
        row("well-known, HEAD", send("HEAD", WELL_KNOWN, &NONE, b""), document().without_body()),
        // Browsers ask before they send a custom field.
        row(
            "well-known, OPTIONS",
            send("OPTIONS", WELL_KNOWN, &[("Access-Control-Request-Headers", "mcp-protocol-version")], b""),
            Answer::new(
                204,
                [
                    ("access-control-allow-headers", "*"),
                    ("access-control-allow-methods", "GET, HEAD"),
                    ("access-control-allow-origin", "*"),
                    ("allow", "GET, HEAD, OPTIONS"),
                ]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .to_vec(),
                Vec::new(),
            ),
        ),
        row("well-known, query", get(&format!("{WELL_KNOWN}?a=%FF"), &NONE), document()),
        // It is served without a token, and with a bad one.
        row("well-known, token", bearing(WELL_KNOWN, &good), document()),
        row("well-known, bad token", bearing(WELL_KNOWN, &expired), document()),
        row("well-known, malformed", get(WELL_KNOWN, &[("Authorization", "Bearer")]), document()),
        row("elsewhere", get("/metadata/document", &NONE), document()),
        row("behind a guard", bearing("/guarded-metadata/document", &good), document()),
        row("no metadata", get("/main/document", &NONE), Answer::not_found()),
        row("no metadata, HEAD", send("HEAD", "/main/document", &NONE, b""), Answer::not_found()),
        row("no metadata behind a guard", bearing("/guarded/document", &good), Answer::not_found()),
        row("no gate", get("/no-gate/document", &NONE), Answer::server_error()),
        row(
            "behind a guard, no token",
            get("/guarded-metadata/document", &NONE),
            challenged(401, "", BODY_OF_MISSING_TOKEN),
        ),
        // The challenge for a missing or bad token names the scopes of the policy.
        row(
            "a policy, no token",
            get("/metadata/any-scope", &NONE),
            challenged(401, r#", scope="read:messages admin""#, BODY_OF_MISSING_TOKEN),
        ),
        row(
            "a policy, bad token",
            bearing("/metadata/any-scope", &expired),
            challenged(
                401,
                r#", error="invalid_token", error_description="The access token expired", scope="read:messages admin""#,
                r#"{"error":"invalid_token","error_description":"The access token expired","reason":"expired"}"#,
            ),
        ),
        row("a policy without scopes", get("/metadata/role", &NONE), challenged(401, "", BODY_OF_MISSING_TOKEN)),
        row(
            "a guard's policy",
            get("/guarded-metadata-admin/open", &NONE),
            challenged(401, r#", scope="admin""#, BODY_OF_MISSING_TOKEN),
        ),
    ];
    for prefix in ["/metadata", "/guarded-metadata"] {
        let path = |route: &str| format!("{prefix}/{route}");
        rows.extend([
            row("good", bearing(&path("private"), &good), Answer::ok("alice")),
            row("no token", get(&path("private"), &NONE), challenged(401, "", BODY_OF_MISSING_TOKEN)),
            row(
                "bad token",
                bearing(&path("private"), &expired),
                challenged(
                    401,
                    r#", error="invalid_token", error_description="The access token expired""#,
                    r#"{"error":"invalid_token","error_description":"The access token expired","reason":"expired"}"#,
                ),
            ),
            row(
                "malformed",
                get(&path("private"), &[("Authorization", "Bearer")]),
                challenged(
                    400,
                    r#", error="invalid_request", error_description="The Authorization field is not of the form Bearer token""#,
                    r#"{"error":"invalid_request","error_description":"The Authorization field is not of the form Bearer token"}"#,
                ),
            ),
            row(
                "no scope",
                bearing(&path("any-scope"), &good),
                challenged(
                    403,
                    r#", error="insufficient_scope", error_description="The access token does not grant what this resource requires", scope="read:messages admin""#,
                    r#"{"error":"insufficient_scope","error_description":"The access token does not grant what this resource requires","scope":"read:messages admin"}"#,
                ),
            ),
        ]);
    }
    rows
}

pub(crate) fn outages(gates: &Gates) -> Vec<Row> {
    let good = alice(gates).sign();
    let unsigned = alice(gates).header("alg", "none").sign();
    let field = [("Authorization", format!("Bearer {good}"))];
    let malformed = [("Authorization", "Bearer")];
    let mut rows: Vec<Row> = ["private", "scoped", "role", "greeting", "typed", "typed-greeting", "open"]
        .iter()
        .flat_map(|route| {
            [
                // The policy cannot be checked either.
                row("down", bearing(&format!("/guarded-outage/{route}"), &good), Answer::unavailable("7")),
                row("optional", bearing(&format!("/guarded-outage-optional/{route}"), &good), Answer::unavailable("5")),
            ]
        })
        .collect();
    rows.extend([
        row("HEAD", send("HEAD", "/guarded-outage/open", &field, b""), Answer::unavailable("7").without_body()),
        row("body", send("POST", "/guarded-outage/open", &field, b"unread"), Answer::unavailable("7")),
        row("no token", get("/guarded-outage/open", &NONE), Answer::missing_token()),
        row("malformed", get("/guarded-outage/open", &malformed), Answer::malformed_authorization()),
        row("alg none", bearing("/guarded-outage/open", &unsigned), Answer::invalid_token("algorithm_not_allowed")),
        row("optional, no token", get("/guarded-outage-optional/open", &NONE), Answer::ok("open")),
        row("optional, no caller", get("/guarded-outage-optional/greeting", &NONE), Answer::ok("anonymous")),
        row("optional, malformed", get("/guarded-outage-optional/open", &malformed), Answer::malformed_authorization()),
    ]);
    rows
}

/// A good token of the other issuer. Rows change it.
fn bob(gates: &Gates) -> TokenBuilder {
    gates.other_issuer.token().subject("bob")
}

fn inner_missing_token() -> Answer {
    Answer::refused(
        401,
        Some(r#"Bearer realm="inner""#),
        r#"{"error":"missing_token","error_description":"This resource requires a bearer token"}"#,
    )
}

fn inner_bad_signature() -> Answer {
    Answer::refused(
        401,
        Some(
            r#"Bearer realm="inner", error="invalid_token", error_description="The signature of the access token is invalid""#,
        ),
        r#"{"error":"invalid_token","error_description":"The signature of the access token is invalid","reason":"bad_signature"}"#,
    )
}

fn inner_expired_token() -> Answer {
    Answer::refused(
        401,
        Some(r#"Bearer realm="inner", error="invalid_token", error_description="The access token expired""#),
        r#"{"error":"invalid_token","error_description":"The access token expired","reason":"expired"}"#,
    )
}
