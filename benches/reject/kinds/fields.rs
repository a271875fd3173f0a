//! Fields and cookies that are hard to read.

use crate::attempt::Attempt;
use crate::kinds::Kind;
use crate::tokens::{HEADER_WITHOUT_KEY, encode, token, wide};

pub(crate) const FIELDS: &[Kind] = &[
    ("two cookies", |gate, issuers, size| {
        let token = token(r#"{"alg":"none"}"#, size, |room| wide(room, &issuers[0]));
        let other = token.replace(".AAAA", ".AAAB");
        let fields = format!("__session={token}; __session_NlzYlTJw={other}");
        Attempt::new(gate, [("cookie", fields)])
    }),
    ("many cookies", |gate, _, size| Attempt::new(gate, [("cookie", "a=b; ".repeat(size / 5))])),
    ("one large other cookie", |gate, _, size| Attempt::new(gate, [("cookie", format!("x={}", "=".repeat(size)))])),
    ("180 cookies", |gate, _, size| {
        let each = format!("x={}", "b".repeat((size / 180).saturating_sub(4)));
        Attempt::new(gate, [("cookie", vec![each; 180.min(size / 4)].join("; "))])
    }),
    ("180 cookies with almost the name", |gate, _, size| {
        let each = format!("__session_{}", "x".repeat(size / 360));
        Attempt::new(gate, [("cookie", vec![each; 180.min(size / 12)].join("; "))])
    }),
    ("many equal cookies", |gate, _, size| {
        let each = format!("__session={}", "x".repeat(size / 360));
        Attempt::new(gate, [("cookie", vec![each; 180.min(size / 12)].join("; "))])
    }),
    ("two equal cookies", |gate, _, size| {
        let each = format!("__session={}", "x".repeat(size / 2 - 12));
        Attempt::new(gate, [("cookie", format!("{each}; {each}"))])
    }),
    ("cookie, percent-encoded", |gate, _, size| {
        Attempt::new(gate, [("cookie", format!("__session={}", "%41".repeat(size / 3)))])
    }),
    ("cookie, spaces", |gate, _, size| {
        Attempt::new(gate, [("cookie", format!("__session={}", " \t".repeat(size / 2)))])
    }),
    ("cookie, unknown kid", |gate, issuers, size| {
        Attempt::new(
            gate,
            [("cookie", format!("__session={}", token(HEADER_WITHOUT_KEY, size, |room| wide(room, &issuers[0]))))],
        )
    }),
    ("websocket, many names", |gate, _, size| Attempt::new(gate, [("sec-websocket-protocol", "a,".repeat(size / 2))])),
    ("websocket, 64 names", |gate, _, size| {
        Attempt::new(gate, [("sec-websocket-protocol", vec!["a".repeat(size / 64); 64].join(","))])
    }),
    ("websocket, token", |gate, issuers, size| {
        let token = token(HEADER_WITHOUT_KEY, size, |room| wide(room, &issuers[0]));
        Attempt::new(gate, [("sec-websocket-protocol", format!("bearer, {token}"))])
    }),
    ("websocket, token in base64url", |gate, issuers, size| {
        let token = encode(&token(HEADER_WITHOUT_KEY, size * 3 / 4, |room| wide(room, &issuers[0])));
        Attempt::new(gate, [("sec-websocket-protocol", format!("base64url.bearer.authorization.k8s.io.{token}"))])
    }),
    ("forwarded, unknown kid", |gate, issuers, size| {
        let token = token(HEADER_WITHOUT_KEY, size, |room| wide(room, &issuers[0]));
        Attempt::new(gate, [("x-forwarded-authorization", format!("Bearer {token}"))])
    }),
    ("forwarded, no scheme", |gate, _, size| Attempt::new(gate, [("x-forwarded-authorization", "a".repeat(size))])),
    ("other field, unknown kid", |gate, issuers, size| {
        Attempt::new(gate, [("x-token", token(HEADER_WITHOUT_KEY, size, |room| wide(room, &issuers[0])))])
    }),
    ("other field, all bytes but letters", |gate, _, size| Attempt::new(gate, [("x-token", "~+/-_".repeat(size / 5))])),
];
