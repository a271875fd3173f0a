//! Requests that two readers could understand differently: what is a preflight, which method or path a request has, where
//! it ends. None reaches a handler without a token, on any framework, over HTTP/1.1 and over HTTP/2.
//!
//! The handlers take every method and every path, which is the worst case.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use portcullis::Gate;
use portcullis_testing::TestIssuer;

use crate::client::Connection;
use crate::http2::{self, Reply};
use crate::running::Running;

/// Where a CORS layer is, as seen from the guard.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Cors {
    None,
    Around,
    Behind,
}

struct Server {
    name: String,
    cors: Cors,
    handled: Arc<AtomicUsize>,
    running: Running,
}

const ORIGIN: (&str, &str) = ("origin", "https://app.test");
const METHOD: (&str, &str) = ("access-control-request-method", "DELETE");

#[test]
fn preflight_is_answered_outside_the_handler() {
    for server in servers(&TestIssuer::new().gate()) {
        for fields in [
            &[ORIGIN, METHOD][..],
            &[ORIGIN, METHOD, ("access-control-request-headers", "authorization")],
            &[ORIGIN, METHOD, ("x-http-method-override", "DELETE")],
            &[ORIGIN, METHOD, ("content-length", "0")],
        ] {
            let expected = if server.cors == Cors::Around { 200 } else { 204 };
            for (name, reply) in server.send("OPTIONS", "/messages", fields, None) {
                assert_eq!(reply, Reply::Status(expected), "{name}: {fields:?}");
            }
            assert_eq!(server.calls(), 0, "{}: {fields:?}", server.name);
        }
    }
}

#[test]
fn request_like_a_preflight_reaches_no_handler() {
    let body = Some(&b"unread"[..]);
    for server in servers(&TestIssuer::new().gate()) {
        for (fields, body) in [
            (&[][..], None),
            (&[ORIGIN], None),
            (&[METHOD], None),
            (&[("origin", ""), METHOD], None),
            (&[ORIGIN, ORIGIN, METHOD], None),
            (&[("origin", "https://a.test, https://b.test"), METHOD], None),
            (&[("origin", "not an origin"), METHOD], None),
            (&[ORIGIN, ("access-control-request-method", "")], None),
            (&[ORIGIN, ("access-control-request-method", "G(T")], None),
            (&[ORIGIN, ("access-control-request-method", "GET, PUT")], None),
            (&[ORIGIN, METHOD, METHOD], None),
            (&[ORIGIN, METHOD], body),
            (&[ORIGIN, METHOD, ("content-length", "6")], body),
            (&[ORIGIN, METHOD, ("authorization", "Basic dTpw")], body),
        ] {
            for path in ["/messages", "/other", "*"] {
                for (name, reply) in server.send("OPTIONS", path, fields, body) {
                    // A CORS layer around the guard answers what it takes for a preflight.
                    let is_allowed = match reply {
                        Reply::Status(400 | 401 | 404) | Reply::Refused => true,
                        Reply::Status(200) => server.cors == Cors::Around,
                        Reply::Status(_) => false,
                    };
                    assert!(is_allowed, "{name} {path} {fields:?}: {reply:?}");
                }
                assert_eq!(server.calls(), 0, "{} {path}: {fields:?}", server.name);
            }
        }
        // HTTP/2 has no upgrades.
        let upgrade = [ORIGIN, METHOD, ("upgrade", "websocket"), ("connection", "upgrade")];
        let [(name, reply), _] = server.send("OPTIONS", "/messages", &upgrade, None);
        let expected = if server.cors == Cors::Around { 200 } else { 401 };
        assert_eq!((reply, server.calls()), (Reply::Status(expected), 0), "{name}");
    }
}

/// What a request is must not depend on which of its parts is asked.
#[test]
fn no_form_of_a_request_avoids_the_guard() {
    let issuer = TestIssuer::new();
    let bearer = format!("Bearer {}", issuer.token().sign());
    let token = ("authorization", bearer.as_str());
    for server in servers(&issuer.gate()).into_iter().filter(|server| server.cors == Cors::None) {
        for (method, path, fields) in FORMS {
            for (name, reply) in server.send(method, path, fields, None) {
                let refused = matches!(reply, Reply::Status(400 | 401 | 404 | 405) | Reply::Refused);
                assert!(refused, "{name} {method} {path} {fields:?}: {reply:?}");
            }
            assert_eq!(server.calls(), 0, "{} {method} {path}: {fields:?}", server.name);
            let with_token = [fields, &[token][..]].concat();
            for (name, reply) in server.send(method, path, &with_token, None) {
                // With a token, the handler is reached, unless the framework refuses the request or a credential is repeated.
                let reached = matches!(reply, Reply::Status(200 | 400 | 404) | Reply::Refused);
                assert!(reached, "{name} {method} {path} {fields:?} with a token: {reply:?}");
            }
            server.handled.store(0, Ordering::SeqCst);
        }
    }
}

/// A method, a path and header fields.
type Form = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

const FORMS: &[Form] = &[
    // The method.
    ("POST", "/messages", &[("x-http-method-override", "OPTIONS"), ORIGIN, METHOD]),
    ("POST", "/messages", &[("x-http-method", "OPTIONS"), ORIGIN, METHOD]),
    ("POST", "/messages", &[("x-method-override", "OPTIONS"), ORIGIN, METHOD]),
    ("GET", "/messages?_method=OPTIONS", &[ORIGIN, METHOD]),
    ("HEAD", "/messages", &[]),
    ("HEAD", "/messages", &[ORIGIN, METHOD]),
    ("TRACE", "/messages", &[]),
    ("TRACE", "/messages", &[ORIGIN, METHOD]),
    ("PURGE", "/messages", &[]),
    ("options", "/messages", &[ORIGIN, METHOD]),
    ("OPTIONS", "*", &[]),
    ("OPTIONS", "*", &[ORIGIN]),
    // The path.
    ("GET", "//messages", &[]),
    ("GET", "/./messages", &[]),
    ("GET", "/public/../messages", &[]),
    ("GET", "/public/%2e%2e/messages", &[]),
    ("GET", "/%6dessages", &[]),
    ("GET", "/messages%2f", &[]),
    ("GET", "/messages;public", &[]),
    ("GET", "/MESSAGES", &[]),
    ("GET", "/messages/", &[]),
    ("GET", "/messages", &[("x-original-url", "/public"), ("x-rewrite-url", "/public")]),
    ("GET", "/messages", &[("x-forwarded-prefix", "/public"), ("x-forwarded-uri", "/public")]),
    // The host.
    ("GET", "/messages", &[("x-forwarded-host", "localhost"), ("forwarded", "for=127.0.0.1;host=localhost")]),
    ("GET", "/messages", &[("x-forwarded-for", "127.0.0.1"), ("x-real-ip", "127.0.0.1")]),
    // The credential.
    ("GET", "/messages?access_token=x", &[]),
    ("GET", "/messages", &[("proxy-authorization", "Bearer x"), ("x-authorization", "Bearer x")]),
    ("GET", "/messages", &[("authorization", "Basic dTpw")]),
    ("GET", "/messages", &[("authorization", "")]),
    // The protocol.
    ("GET", "/messages", &[("upgrade", "websocket"), ("connection", "upgrade"), ("sec-websocket-version", "13")]),
    (
        "GET",
        "/messages",
        &[("upgrade", "h2c"), ("connection", "upgrade, http2-settings"), ("http2-settings", "AAMAAABk")],
    ),
    ("GET", "/messages", &[("content-length", "0"), ("transfer-encoding", "identity")]),
];

/// Over HTTP/2, the target of a request is in several fields.
#[test]
fn no_pseudo_field_avoids_the_guard() {
    for server in servers(&TestIssuer::new().gate()).into_iter().filter(|server| server.cors == Cors::None) {
        const GET: (&str, &str) = (":method", "GET");
        const HTTP: (&str, &str) = (":scheme", "http");
        const PATH: (&str, &str) = (":path", "/messages");
        const AUTHORITY: (&str, &str) = (":authority", "api.test");
        for fields in [
            &[GET, HTTP, PATH][..],
            &[GET, HTTP, PATH, AUTHORITY, ("host", "other.test")],
            &[GET, HTTP, PATH, (":authority", "user@api.test")],
            &[GET, HTTP, PATH, (":authority", "")],
            &[GET, HTTP, PATH, (":path", "/public")],
            &[GET, (":method", "OPTIONS"), HTTP, PATH, ORIGIN, METHOD],
            &[GET, HTTP, PATH, ORIGIN, METHOD, (":method", "OPTIONS")],
            &[GET, HTTP, (":path", "http://api.test/messages")],
            &[GET, HTTP, (":path", "messages")],
            &[GET, HTTP, (":path", "")],
            &[GET, HTTP, (":path", "*")],
            &[GET, HTTP],
            &[GET, (":scheme", "https"), PATH, AUTHORITY],
            &[GET, HTTP, PATH, AUTHORITY, ("Authorization", "Bearer x")],
            &[GET, HTTP, PATH, AUTHORITY, ("transfer-encoding", "chunked")],
            &[GET, HTTP, PATH, AUTHORITY, ("connection", "upgrade"), ("upgrade", "websocket")],
            &[GET, HTTP, PATH, AUTHORITY, ("content-length", "6")],
            &[(":method", "CONNECT"), (":authority", "api.test:80")],
            &[(":method", "CONNECT"), HTTP, PATH, AUTHORITY, (":protocol", "websocket")],
            &[(":method", "OPTIONS"), HTTP, (":path", "*"), AUTHORITY],
        ] {
            let reply = http2::exchange(server.address(), fields, None);
            assert!(
                matches!(reply, Reply::Status(400 | 401 | 404) | Reply::Refused),
                "{}: {fields:?}: {reply:?}",
                server.name
            );
            assert_eq!(server.calls(), 0, "{}: {fields:?}", server.name);
        }
    }
}

/// Clients of HTTP/2 may send each cookie in a separate field (RFC 9113 §8.2.3).
#[test]
fn credential_is_read_from_fields_of_http_2() {
    let issuer = TestIssuer::new();
    let sources = [portcullis::TokenSource::cookie("session"), portcullis::TokenSource::authorization()];
    let (good, expired) = (issuer.token().sign(), issuer.token().expired().sign());
    let (session, other) = (format!("session={good}"), format!("session={expired}"));
    let bearer = format!("Bearer {good}");
    for server in servers(&issuer.gate().with_token_sources(sources)) {
        for (fields, expected) in [
            (&[("cookie", "a=b"), ("cookie", session.as_str()), ("cookie", "c=d")][..], 200),
            (&[("authorization", bearer.as_str())], 200),
            (&[("cookie", &session), ("cookie", &other)], 400),
            (&[("authorization", &bearer), ("authorization", &bearer)], 400),
            (&[("cookie", &other), ("authorization", &bearer)], 401),
        ] {
            let [_, (name, reply)] = server.send("GET", "/messages", fields, None);
            assert_eq!(reply, Reply::Status(expected), "{name}");
            assert_eq!(server.handled.swap(0, Ordering::SeqCst) > 0, expected == 200, "{name}");
        }
    }
}

/// What a cookie may do must not depend on the protocol, or on how many fields a value is in.
#[test]
fn no_form_of_a_request_hides_its_page() {
    let issuer = TestIssuer::new();
    let sources = [portcullis::TokenSource::cookie("session"), portcullis::TokenSource::authorization()];
    let gate = issuer.gate().with_token_sources(sources).with_public_url("https://api.test").unwrap();
    let (session, bearer) = (format!("session={}", issuer.token().sign()), format!("Bearer {}", issuer.token().sign()));
    let cookie = ("cookie", session.as_str());
    const OWN: (&str, &str) = ("origin", "https://api.test");
    const EVIL: (&str, &str) = ("origin", "https://evil.test");
    for server in servers(&gate) {
        for (method, fields, expected) in [
            ("POST", &[cookie, OWN][..], 200),
            ("POST", &[("cookie", "a=b"), cookie, OWN, ("sec-fetch-site", "same-origin")], 200),
            ("POST", &[("authorization", bearer.as_str()), EVIL], 200),
            ("GET", &[cookie, EVIL], 200),
            ("POST", &[cookie], 403),
            ("POST", &[cookie, EVIL], 403),
            ("POST", &[cookie, OWN, EVIL], 403),
            ("POST", &[cookie, EVIL, OWN], 403),
            ("POST", &[cookie, OWN, OWN], 403),
            ("POST", &[cookie, ("origin", "https://api.test, https://evil.test")], 403),
            ("POST", &[cookie, ("origin", "null")], 403),
            ("POST", &[cookie, ("origin", "HTTPS://API.TEST")], 403),
            ("POST", &[cookie, ("origin", "https://api.test:443")], 403),
            ("POST", &[cookie, ("origin", "https://api.test/")], 403),
            ("POST", &[cookie, OWN, ("sec-fetch-site", "cross-site")], 403),
            ("POST", &[cookie, EVIL, ("x-http-method-override", "GET")], 403),
            ("POST", &[cookie, EVIL, ("host", "evil.test"), ("x-forwarded-host", "evil.test")], 403),
            ("PURGE", &[cookie, EVIL], 403),
            ("get", &[cookie, EVIL], 403),
            // A guard that answers preflights takes this request for none.
            ("POST", &[cookie, EVIL, METHOD], 403),
        ] {
            for (name, reply) in server.send(method, "/messages", fields, None) {
                // A framework may refuse a second host or an unknown method itself.
                let is_refused = matches!(reply, Reply::Status(400 | 403) | Reply::Refused);
                let is_expected = if expected == 200 { reply == Reply::Status(200) } else { is_refused };
                assert!(is_expected, "{name} {method} {fields:?}: {reply:?}");
            }
            let calls = server.handled.swap(0, Ordering::SeqCst);
            assert_eq!(calls > 0, expected == 200, "{} {method} {fields:?}", server.name);
        }
        // The handshake of a WebSocket over HTTP/1.1, and over HTTP/2 (RFC 8441).
        let upgrade = [cookie, EVIL, ("upgrade", "websocket"), ("connection", "upgrade")];
        let [(name, reply), _] = server.send("GET", "/messages", &upgrade, None);
        assert_eq!(reply, Reply::Status(403), "{name}");
        server.handled.store(0, Ordering::SeqCst);
        let [http, path] = [(":scheme", "http"), (":path", "/messages")];
        let connect = [(":method", "CONNECT"), http, path, (":authority", "api.test"), (":protocol", "websocket")];
        let reply = http2::exchange(server.address(), &[&connect[..], &[cookie, EVIL]].concat(), None);
        assert!(matches!(reply, Reply::Status(400 | 403 | 404) | Reply::Refused), "{}: {reply:?}", server.name);
        assert_eq!(server.calls(), 0, "{}", server.name);
    }
}

/// The guard looks whether a request has a body, and takes nothing of it away.
#[test]
fn body_behind_the_guard_is_whole() {
    let issuer = TestIssuer::new();
    let bearer = format!("Bearer {}", issuer.token().sign());
    let (gate, other) = (issuer.gate(), issuer.gate());
    let guard = portcullis_axum::AuthLayer::new(gate).allow_cors_preflight();
    let handler = |body: axum::body::Bytes| async move {
        if body == BODY { axum::http::StatusCode::OK } else { axum::http::StatusCode::BAD_REQUEST }
    };
    let axum = Running::axum(axum::Router::new().fallback(handler).layer(guard));
    let actix = Running::actix_speaking(
        move |app| {
            let guard = portcullis_actix::AuthMiddleware::new(other.clone()).allow_cors_preflight();
            let handler = |body: actix_web::web::Bytes| async move {
                if body == BODY {
                    actix_web::HttpResponse::Ok().finish()
                } else {
                    actix_web::HttpResponse::BadRequest().finish()
                }
            };
            app.service(actix_web::web::resource("/messages").wrap(guard).to(handler));
        },
        true,
    );
    let fields = [
        (":method", "OPTIONS"),
        (":scheme", "http"),
        (":path", "/messages"),
        (":authority", "api.test"),
        ("authorization", &bearer),
        ORIGIN,
        METHOD,
    ];
    for server in [&axum, &actix] {
        assert_eq!(http2::exchange(server.address(), &fields, Some(BODY)), Reply::Status(200));
    }
}

const BODY: &[u8] = b"the whole body";

/// A refusal has the fields of a CORS layer around the guard, so that pages can read it.
#[test]
fn refusal_has_the_fields_of_cors_around_the_guard() {
    for server in servers(&TestIssuer::new().gate()) {
        let request = b"GET /messages HTTP/1.1\r\nHost: api.test\r\nOrigin: https://app.test\r\n\r\n";
        let answer = Connection::open(server.address()).exchange(request, false);
        let allowed = answer.fields.iter().find(|(name, _)| name == "access-control-allow-origin");
        assert_eq!((answer.status, allowed.is_some()), (401, server.cors == Cors::Around), "{}", server.name);
        assert_eq!(server.calls(), 0, "{}", server.name);
    }
}

impl Server {
    fn address(&self) -> SocketAddr {
        self.running.address()
    }

    fn calls(&self) -> usize {
        self.handled.load(Ordering::SeqCst)
    }

    /// Sends the request over HTTP/1.1, and over HTTP/2.
    fn send(&self, method: &str, path: &str, fields: &[(&str, &str)], body: Option<&[u8]>) -> [(String, Reply); 2] {
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: api.test\r\n");
        fields.iter().for_each(|(name, value)| request.push_str(&format!("{name}: {value}\r\n")));
        let has_length = fields.iter().any(|(name, _)| *name == "content-length");
        let length = body.filter(|_| !has_length).map(|body| format!("content-length: {}\r\n", body.len()));
        let request = format!("{request}{}\r\n", length.unwrap_or_default());
        let request = [request.as_bytes(), body.unwrap_or_default()].concat();
        let answer = Connection::open(self.address()).exchange(&request, method == "HEAD");
        let pseudo = [(":method", method), (":scheme", "http"), (":path", path), (":authority", "api.test")];
        let only_http1 = ["upgrade", "connection", "http2-settings", "transfer-encoding"];
        let fields = fields.iter().filter(|(name, _)| !only_http1.contains(name));
        let fields: Vec<_> = pseudo.iter().chain(fields).copied().collect();
        let reply = http2::exchange(self.address(), &fields, body);
        [
            (format!("{} over HTTP/1.1", self.name), Reply::Status(answer.status)),
            (format!("{} over HTTP/2", self.name), reply),
        ]
    }
}

/// Servers of both frameworks, without a CORS layer, with one around the guard and with one behind it.
fn servers(gate: &Gate) -> Vec<Server> {
    let server = |is_axum: bool, cors: Cors| {
        let handled = Arc::<AtomicUsize>::default();
        let start = if is_axum { start_axum } else { start_actix };
        let running = start(gate.clone(), Arc::clone(&handled), cors);
        let name = format!("{}, CORS {cors:?}", if is_axum { "Axum" } else { "Actix" });
        Server { name, cors, handled, running }
    };
    [Cors::None, Cors::Around, Cors::Behind]
        .into_iter()
        .flat_map(|cors| [server(true, cors), server(false, cors)])
        .collect()
}

fn start_axum(gate: Gate, handled: Arc<AtomicUsize>, cors: Cors) -> Running {
    let handler = move || {
        handled.fetch_add(1, Ordering::SeqCst);
        async { "reached" }
    };
    let guard = portcullis_axum::AuthLayer::new(gate).allow_cors_preflight();
    let layer = tower_http::cors::CorsLayer::permissive;
    let app = axum::Router::new().route("/messages", axum::routing::any(handler.clone())).fallback(handler);
    Running::axum(match cors {
        Cors::None => app.layer(guard),
        Cors::Around => app.layer(guard).layer(layer()),
        Cors::Behind => app.layer(layer()).layer(guard),
    })
}

fn start_actix(gate: Gate, handled: Arc<AtomicUsize>, cors: Cors) -> Running {
    use actix_cors::Cors as Middleware;
    use actix_web::web;
    let configure = move |app: &mut web::ServiceConfig| {
        let handled = Arc::clone(&handled);
        let handler = move || {
            handled.fetch_add(1, Ordering::SeqCst);
            async { "reached" }
        };
        let guard = || portcullis_actix::AuthMiddleware::new(gate.clone()).allow_cors_preflight();
        let (resource, all) =
            (web::resource("/messages").to(handler.clone()), web::scope("").default_service(web::to(handler)));
        match cors {
            Cors::None => app.service(resource.wrap(guard())).service(all.wrap(guard())),
            Cors::Around => app
                .service(resource.wrap(guard()).wrap(Middleware::permissive()))
                .service(all.wrap(guard()).wrap(Middleware::permissive())),
            Cors::Behind => app
                .service(resource.wrap(Middleware::permissive()).wrap(guard()))
                .service(all.wrap(Middleware::permissive()).wrap(guard())),
        };
    };
    Running::actix_speaking(configure, true)
}
