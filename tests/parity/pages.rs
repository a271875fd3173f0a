//! The tables for unsafe requests with a token in a cookie: which pages may send them.

use crate::answer::Answer;
use crate::gates::Gates;
use crate::requests::{NONE, Row, alice, row, send};

const OWN: (&str, &str) = ("Origin", "https://api.test");
const CLIENT: (&str, &str) = ("Origin", "https://xn--bcher-kva.test:8443");
const EVIL: (&str, &str) = ("Origin", "https://evil.test");
const SAME_ORIGIN: (&str, &str) = ("Sec-Fetch-Site", "same-origin");
const SAME_SITE: (&str, &str) = ("Sec-Fetch-Site", "same-site");
const CROSS_SITE: (&str, &str) = ("Sec-Fetch-Site", "cross-site");
/// Without `Connection: upgrade`, after which some servers serve no other request on the connection.
const UPGRADE: (&str, &str) = ("Upgrade", "websocket");

/// The fields of a request.
type Fields<'a> = &'a [(&'a str, &'a str)];

pub(crate) fn allowed(gates: &Gates) -> Vec<Row> {
    let session = format!("session={}", alice(gates).sign());
    let bearer = format!("Bearer {}", alice(gates).sign());
    let (cookie, header) = (("Cookie", session.as_str()), ("Authorization", bearer.as_str()));
    let mut rows = Vec::new();
    for path in ["/pages/private", "/pages/greeting", "/guarded-pages/private", "/guarded-pages-optional/greeting"] {
        for (name, fields) in [
            ("own page", &[OWN][..]),
            ("own page with Fetch Metadata", &[OWN, SAME_ORIGIN]),
            ("own page without Origin", &[SAME_ORIGIN]),
            ("client's page", &[CLIENT]),
            ("client's page on the same site", &[CLIENT, SAME_SITE]),
            ("client's page on another site", &[CLIENT, CROSS_SITE]),
        ] {
            for method in ["POST", "DELETE"] {
                let request = send(method, path, &[fields, &[cookie]].concat(), b"");
                rows.push(row(name, request, Answer::ok("alice")));
            }
        }
        for (name, method, fields) in [
            ("link on another site", "GET", &[cookie, CROSS_SITE][..]),
            ("script of another site", "GET", &[cookie, EVIL, CROSS_SITE]),
            ("OPTIONS", "OPTIONS", &[cookie, EVIL]),
            ("header", "POST", &[header]),
            ("header, from another page", "POST", &[header, EVIL, CROSS_SITE]),
            ("header before the cookie", "POST", &[cookie, header, EVIL, CROSS_SITE]),
            ("header before the cookie, upgrade", "GET", &[cookie, header, UPGRADE, EVIL]),
        ] {
            rows.push(row(name, send(method, path, fields, b""), Answer::ok("alice")));
        }
    }
    // Without allowed origins, only the browser can say that the page is of the service.
    rows.push(row("no pages", send("POST", "/no-pages/private", &[cookie, SAME_ORIGIN], b""), Answer::ok("alice")));
    rows.push(row("no credential", send("POST", "/pages/greeting", &[EVIL], b""), Answer::ok("anonymous")));
    rows.push(row("no credential", send("POST", "/pages/private", &[EVIL], b""), Answer::missing_token()));
    rows
}

pub(crate) fn refused(gates: &Gates) -> Vec<Row> {
    let session = format!("session={}", alice(gates).sign());
    let expired = format!("session={}", alice(gates).expired().sign());
    let cookie = ("Cookie", session.as_str());
    let mut rows = Vec::new();
    for path in ["/pages/private", "/pages/greeting", "/guarded-pages/open", "/guarded-pages-optional/open"] {
        for (name, fields) in OTHER_PAGES {
            let request = send("POST", path, &[fields, &[cookie]].concat(), b"");
            rows.push(row(name, request, Answer::cross_site()));
        }
        for (method, more) in [
            ("PUT", &[][..]),
            ("PATCH", &[]),
            ("DELETE", &[]),
            // The method of the request line decides.
            ("POST", &[("X-HTTP-Method-Override", "GET")]),
            ("POST", &[("X-HTTP-Method", "GET"), ("X-Method-Override", "GET")]),
            // The handshake of a WebSocket, and other upgrades.
            ("GET", &[UPGRADE]),
            ("GET", &[("Upgrade", "h2c")]),
            ("GET", &[("Upgrade", "")]),
            ("OPTIONS", &[UPGRADE]),
        ] {
            let request = send(method, path, &[more, &[cookie, EVIL]].concat(), b"");
            rows.push(row(format!("{more:?}"), request, Answer::cross_site()));
        }
    }
    let other_scheme = [("Authorization", "Basic dTpw"), cookie, EVIL];
    rows.extend([
        row("HEAD", send("HEAD", "/pages/private", &[cookie, EVIL, UPGRADE], b""), Answer::cross_site().without_body()),
        row("body", send("POST", "/pages/private", &[cookie, EVIL], b"unread"), Answer::cross_site()),
        // The page is judged before the token.
        row(
            "expired",
            send("POST", "/pages/private", &[("Cookie", expired.as_str()), EVIL], b""),
            Answer::cross_site(),
        ),
        row(
            "good page",
            send("POST", "/pages/private", &[("Cookie", expired.as_str()), OWN], b""),
            Answer::invalid_token("expired"),
        ),
        row("scheme", send("POST", "/pages/greeting", &other_scheme, b""), Answer::cross_site()),
        row("no cookie", send("POST", "/pages/private", &NONE, b""), Answer::missing_token()),
        row("no pages", send("POST", "/no-pages/private", &[cookie, OWN], b""), Answer::cross_site()),
        row("no pages", send("POST", "/no-pages/greeting", &[cookie], b""), Answer::cross_site()),
    ]);
    rows
}

/// Requests that do not come from an allowed page, or that two readers could understand differently.
const OTHER_PAGES: [(&str, Fields<'static>); 29] = [
    ("neither field", &[]),
    ("form of another site", &[EVIL, CROSS_SITE]),
    ("older browser", &[EVIL]),
    ("another site's page that sends no Origin", &[CROSS_SITE]),
    ("typed address", &[("Sec-Fetch-Site", "none")]),
    ("sandboxed page", &[("Origin", "null")]),
    ("sandboxed page of the service", &[("Origin", "null"), SAME_ORIGIN]),
    ("another host of the site", &[("Origin", "https://other.api.test"), SAME_SITE]),
    ("the site without the host", &[("Origin", "https://test"), SAME_SITE]),
    ("a longer name", &[("Origin", "https://api.test.evil.test")]),
    ("a name that ends so", &[("Origin", "https://evil-api.test")]),
    ("http", &[("Origin", "http://api.test")]),
    ("another port", &[("Origin", "https://api.test:8443")]),
    ("default port", &[("Origin", "https://api.test:443")]),
    ("no port", &[("Origin", "https://xn--bcher-kva.test")]),
    ("slash at the end", &[("Origin", "https://api.test/")]),
    ("path", &[("Origin", "https://api.test/v1")]),
    ("upper case", &[("Origin", "HTTPS://API.TEST")]),
    ("IDN", &[("Origin", "https://b\u{fc}cher.test:8443")]),
    ("user", &[("Origin", "https://api.test@evil.test")]),
    ("empty", &[("Origin", "")]),
    ("list", &[("Origin", "https://api.test https://api.test")]),
    ("list with a comma", &[("Origin", "https://api.test, https://evil.test")]),
    ("two fields", &[OWN, EVIL]),
    ("two equal fields", &[OWN, ("origin", "https://api.test")]),
    ("contradiction", &[OWN, CROSS_SITE]),
    ("own page that would be on another host", &[OWN, SAME_SITE]),
    ("two sites", &[OWN, SAME_ORIGIN, CROSS_SITE]),
    ("site in upper case", &[OWN, ("Sec-Fetch-Site", "Same-Origin")]),
];
