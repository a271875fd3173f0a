//! Requests that a framework refuses as invalid HTTP, so that they reach no gate.
//!
//! The frameworks make these answers, so the two may differ. On both, a refused request reaches neither gate nor handler,
//! its connection is closed, and other connections are still served. A request that only one framework refuses reaches
//! the gate of the other like any request.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use portcullis::adapter::Credential;
use portcullis::{AuthError, Gate, JwtVerifier, Verified, Verifier, async_trait};
use portcullis_testing::TestIssuer;

use crate::answer::Answer;
use crate::client::Connection;
use crate::running::Running;

/// What a framework does with a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Outcome {
    /// Answers with this status and closes.
    Answers(u16),
    /// Like `Answers`, but bytes that arrive after the close may reset the connection, and then the answer is lost.
    AnswersOrResets(u16),
    /// Passes the request on.
    Takes,
}

use Outcome::{Answers, AnswersOrResets, Takes};

/// A request, in which `TOKEN` is replaced by fields with a good token.
struct Case {
    name: &'static str,
    request: Vec<u8>,
    axum: Outcome,
    actix: Outcome,
}

fn case(name: &'static str, request: impl AsRef<[u8]>, axum: Outcome, actix: Outcome) -> Case {
    Case { name, request: request.as_ref().to_owned(), axum, actix }
}

fn refused_by_both() -> Vec<Case> {
    let bad = |name, request: &str| case(name, request, Answers(400), Answers(400));
    let field = |name, field: &str| bad(name, &format!("GET / HTTP/1.1\r\nTOKEN{field}\r\n\r\n"));
    let target = |name, target: &str| bad(name, &format!("GET {target} HTTP/1.1\r\nTOKEN\r\n"));
    let version = |name, version: &str| bad(name, &format!("GET / {version}\r\nTOKEN\r\n"));
    let body =
        |name, fields: &str| bad(name, &format!("POST / HTTP/1.1\r\nTOKEN{fields}\r\n\r\n3\r\nabc\r\n0\r\n\r\n"));
    let fields: String = (0..200).map(|number| format!("x-{number}: 1\r\n")).collect();
    let huge = "x".repeat(2_000_000);
    vec![
        // RFC 9110 §5.5: CR, LF and NUL, and other control characters except HTAB.
        field("NUL in a value", "x: a\0b"),
        field("a control character in a value", "x: a\x01b"),
        field("DEL in a value", "x: a\x7fb"),
        field("a bare CR in a value", "x: a\rb"),
        field("a bare LF in a value", "x: a\nb"),
        // RFC 9112 §5.2: line folding.
        field("a folded value", "x: a\r\n b"),
        field("a value folded by a tab", "x: a\r\n\tb"),
        field("a folded Authorization field", "Authorization: Bearer\r\n abc"),
        bad("a fold before the first field", "GET / HTTP/1.1\r\n x: a\r\nTOKEN\r\n"),
        // RFC 9112 §5.1: no space before the colon.
        field("a space before the colon", "x : a"),
        field("a space within a name", "x y: a"),
        field("no name", ": a"),
        field("no colon", "nocolon"),
        case("a byte beyond ASCII in a name", b"GET / HTTP/1.1\r\nTOKENx\xff: a\r\n\r\n", Answers(400), Answers(400)),
        bad("lines that end at CR", "GET / HTTP/1.1\rTOKEN\r\r"),
        bad("an invalid method", "G(T / HTTP/1.1\r\nTOKEN\r\n"),
        bad("no method", " / HTTP/1.1\r\nTOKEN\r\n"),
        target("a space in the target", "/a b"),
        target("NUL in the target", "/a\0"),
        target("angle brackets in the target", "/a<b>"),
        target("no target", ""),
        target("an invalid authority", "http://[::1/"),
        version("HTTP/2.0 in plain text", "HTTP/2.0"),
        version("HTTP/1.2", "HTTP/1.2"),
        version("HTTP/0.9", "HTTP/0.9"),
        version("a version in lower case", "http/1.1"),
        bad("no version", "GET /\r\n\r\n"),
        case(
            "TLS where plain text is spoken",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            Answers(400),
            Answers(400),
        ),
        // RFC 9112 §6.3: lengths that contradict each other or are invalid.
        body("two lengths", "Content-Length: 3\r\nContent-Length: 4"),
        body("two lengths in one field", "Content-Length: 3, 4"),
        body("a negative length", "Content-Length: -1"),
        body("a length with a sign", "Content-Length: +3"),
        body("a length that is not a number", "Content-Length: x"),
        body("a length beyond 64 bits", "Content-Length: 99999999999999999999999"),
        body("an unknown coding", "Transfer-Encoding: xchunked"),
        body("chunked, but not last", "Transfer-Encoding: chunked, identity"),
        bad("chunks in HTTP/1.0", "POST / HTTP/1.0\r\nTOKENTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        case("200 fields", format!("GET / HTTP/1.1\r\nTOKEN{fields}\r\n"), Answers(431), Answers(431)),
        case(
            "a field of 2,000,000 bytes",
            format!("GET / HTTP/1.1\r\nTOKENx: {huge}\r\n\r\n"),
            AnswersOrResets(431),
            AnswersOrResets(431),
        ),
        case(
            "a target of 2,000,000 bytes",
            format!("GET /{huge} HTTP/1.1\r\nTOKEN\r\n"),
            AnswersOrResets(431),
            AnswersOrResets(431),
        ),
        case(
            "a target of 70,000 bytes",
            format!("GET /{} HTTP/1.1\r\nTOKEN\r\n", "x".repeat(70_000)),
            Answers(414),
            Answers(400),
        ),
    ]
}

fn taken_by_one_or_both() -> Vec<Case> {
    let fields: String = (0..97).map(|number| format!("x-{number}: 1\r\n")).collect();
    let get = |fields: &str| format!("GET / HTTP/1.1\r\nTOKEN{fields}\r\n");
    let post = |fields: &str, body: &str| format!("POST / HTTP/1.1\r\nTOKEN{fields}\r\n\r\n{body}");
    let chunked = "3\r\nabc\r\n0\r\n\r\n";
    vec![
        // RFC 9112 §2.2 lets a recipient take a lone LF as the end of a line.
        case("lines that end at LF", "GET / HTTP/1.1\nTOKEN\n", Takes, Takes),
        case("a method in lower case", "get / HTTP/1.1\r\nTOKEN\r\n", Takes, Takes),
        case("an unknown method", "FROBNICATE / HTTP/1.1\r\nTOKEN\r\n", Takes, Takes),
        case("two Host fields", get("Host: other.test\r\n"), Takes, Answers(400)),
        case("100 fields", get(&fields), Takes, Answers(431)),
        case("a field of 200,000 bytes", get(&format!("x: {}\r\n", "x".repeat(200_000))), Takes, AnswersOrResets(431)),
        case("the same length twice", post("Content-Length: 3\r\nContent-Length: 3", "abc"), Takes, Answers(400)),
        case(
            "a length and chunks",
            post("Content-Length: 3\r\nTransfer-Encoding: chunked", chunked),
            Takes,
            Answers(400),
        ),
    ]
}

#[test]
fn requests_refused_by_a_framework_reach_no_gate() {
    let service = Service::new();
    for case in refused_by_both() {
        assert!(case.axum != Takes && case.actix != Takes, "{}", case.name);
        service.tries(&case);
    }
}

#[test]
fn requests_taken_by_one_framework_reach_its_gate() {
    let service = Service::new();
    for case in taken_by_one_or_both() {
        assert!(case.axum == Takes || case.actix == Takes, "{}", case.name);
        service.tries(&case);
    }
}

#[test]
fn bad_request_behind_a_good_one_is_separate() {
    let service = Service::new();
    for server in &service.servers {
        let mut connection = Connection::open(server.address);
        let good = service.with_token("GET / HTTP/1.1\r\nTOKEN\r\n");
        connection.write(&[good.as_slice(), b"GET / HTTP/1.1\r\nx: a\0b\r\n\r\n"].concat());
        assert_eq!(connection.read_answer(false), Answer::ok("reached"));
        assert_eq!(connection.read_answer(false).status, 400, "{}", server.name);
        assert_eq!(server.counts(), (1, 1));
    }
}

/// Both servers, each with a guard before all routes, and the numbers of requests that reached guard and handler.
struct Service {
    issuer: TestIssuer,
    servers: [Server; 2],
}

struct Server {
    name: &'static str,
    address: SocketAddr,
    judged: Arc<AtomicUsize>,
    handled: Arc<AtomicUsize>,
    _running: Running,
}

impl Service {
    fn new() -> Self {
        let issuer = TestIssuer::new();
        let server = |name, start: fn(Gate, Arc<AtomicUsize>) -> Running| {
            let (judged, handled) = (Arc::default(), Arc::default());
            let verifier = Counting { asked: Arc::clone(&judged), verifier: issuer.verifier().build().unwrap() };
            let running = start(Gate::new(verifier), Arc::clone(&handled));
            Server { name, address: running.address(), judged, handled, _running: running }
        };
        let servers = [server("Axum", start_axum), server("Actix", start_actix)];
        Self { issuer, servers }
    }

    fn with_token(&self, request: impl AsRef<[u8]>) -> Vec<u8> {
        let fields = format!("Host: api.test\r\nAuthorization: Bearer {}\r\n", self.issuer.token().sign());
        replace(request.as_ref(), b"TOKEN", fields.as_bytes())
    }

    fn tries(&self, case: &Case) {
        for (server, expected) in self.servers.iter().zip([case.axum, case.actix]) {
            let name = format!("{} on {}", case.name, server.name);
            let mut other = Connection::open(server.address);
            let (judged, handled) = server.counts();
            server.meets(&self.with_token(&case.request), expected, 200, &name);
            let reached = usize::from(expected == Takes);
            assert_eq!(server.counts(), (judged + reached, handled + reached), "{name}");
            if expected == Takes {
                let without = replace(&case.request, b"TOKEN", b"Host: api.test\r\n");
                server.meets(&without, Takes, 401, &name);
                assert_eq!(server.counts(), (judged + 1, handled + 1), "{name}, without a token");
            }
            let good = self.with_token("GET / HTTP/1.1\r\nTOKEN\r\n");
            assert_eq!(other.exchange(&good, false), Answer::ok("reached"), "another connection, after {name}");
        }
    }
}

impl Server {
    /// The numbers of requests that reached the gate and the handler.
    fn counts(&self) -> (usize, usize) {
        (self.judged.load(Ordering::SeqCst), self.handled.load(Ordering::SeqCst))
    }

    /// Sends the request and compares the outcome. A request that is taken is answered with `status`.
    fn meets(&self, request: &[u8], expected: Outcome, status: u16, name: &str) {
        if expected == Takes {
            let mut connection = Connection::open(self.address);
            connection.write(request);
            assert_eq!(connection.read_answer(false).status, status, "{name}");
            return;
        }
        let mut stream = TcpStream::connect(self.address).unwrap();
        // A server that neither answers nor closes fails the test instead of blocking it.
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        // The server may close before the whole request is written.
        let _ = stream.write_all(request);
        let mut answer = Vec::new();
        let end = stream.read_to_end(&mut answer).map_err(|error| error.kind());
        let answer = String::from_utf8(answer).unwrap();
        let status_line = |status: u16| answer.starts_with(&format!("HTTP/1.1 {status} "));
        let reset = end == Err(std::io::ErrorKind::ConnectionReset);
        match expected {
            Answers(status) => assert!(status_line(status) && end.is_ok(), "{name}: {end:?} {answer}"),
            AnswersOrResets(status) => assert!(
                status_line(status) && (end.is_ok() || reset) || answer.is_empty() && reset,
                "{name}: {end:?} {answer}"
            ),
            Takes => {}
        }
        if !answer.is_empty() {
            assert!(answer.to_ascii_lowercase().contains("\r\nconnection: close\r\n"), "{name}: {answer}");
            assert!(answer.ends_with("\r\n\r\n"), "no body, which could repeat the request: {name}: {answer}");
        }
    }
}

/// Counts the calls of a verifier.
#[derive(Debug)]
struct Counting {
    asked: Arc<AtomicUsize>,
    verifier: JwtVerifier,
}

#[async_trait]
impl Verifier for Counting {
    async fn verify(&self, credential: &Credential<'_>) -> Result<Verified, AuthError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.verifier.verify(credential).await
    }
}

fn start_axum(gate: Gate, handled: Arc<AtomicUsize>) -> Running {
    let handler = move || {
        handled.fetch_add(1, Ordering::SeqCst);
        async { "reached" }
    };
    Running::axum(axum::Router::new().fallback(handler).layer(portcullis_axum::AuthLayer::new(gate)))
}

fn start_actix(gate: Gate, handled: Arc<AtomicUsize>) -> Running {
    Running::actix(move |app| {
        let handled = Arc::clone(&handled);
        let handler = move || {
            handled.fetch_add(1, Ordering::SeqCst);
            async { "reached" }
        };
        let all = actix_web::web::scope("").wrap(portcullis_actix::AuthMiddleware::new(gate.clone()));
        app.service(all.default_service(actix_web::web::to(handler)));
    })
}

fn replace(text: &[u8], what: &[u8], with: &[u8]) -> Vec<u8> {
    match text.windows(what.len()).position(|window| window == what) {
        Some(at) => [&text[..at], with, &text[at + what.len()..]].concat(),
        None => text.to_owned(),
    }
}
