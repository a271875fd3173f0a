//! Tokens whose issuer is hard to find.

use crate::attempt::Attempt;
use crate::kinds::Kind;
use crate::tokens::{HEADER_WITHOUT_KEY, UNKNOWN, claims, deep, encode, filler, members, sent, wide};

pub(crate) const PAYLOADS: &[Kind] = &[
    ("wrong algorithm, deep payload", |gate, issuers, size| {
        sent(gate, r#"{"alg":"HS256"}"#, size, |room| deep(room, &issuers[0]))
    }),
    ("unknown issuer first", |gate, _, size| sent(gate, HEADER_WITHOUT_KEY, size, |room| claims(UNKNOWN, room))),
    ("unknown issuer last, long text", |gate, _, size| {
        sent(gate, HEADER_WITHOUT_KEY, size, |room| format!(r#"{{"a":"{}","iss":"{UNKNOWN}"}}"#, filler(room, 48)))
    }),
    ("unknown issuer last, many members", |gate, _, size| {
        sent(gate, HEADER_WITHOUT_KEY, size, |room| wide(room, UNKNOWN))
    }),
    ("unknown issuer last, many texts", |gate, _, size| {
        sent(gate, HEADER_WITHOUT_KEY, size, |room| {
            format!(r#"{{"a":[{}0],"iss":"{UNKNOWN}"}}"#, r#""ab","#.repeat(room.saturating_sub(48) / 5))
        })
    }),
    ("unknown issuer last, numbers", |gate, _, size| {
        sent(gate, HEADER_WITHOUT_KEY, size, |room| {
            format!(r#"{{"a":[{}0],"iss":"{UNKNOWN}"}}"#, "1,".repeat(room.saturating_sub(48) / 2))
        })
    }),
    ("unknown issuer last, escapes", |gate, _, size| {
        sent(gate, HEADER_WITHOUT_KEY, size, |room| {
            format!(r#"{{"a":"{}","iss":"{UNKNOWN}"}}"#, r#"\""#.repeat(room.saturating_sub(48) / 2))
        })
    }),
    ("unknown issuer last, deep", |gate, _, size| sent(gate, HEADER_WITHOUT_KEY, size, |room| deep(room, UNKNOWN))),
    ("unknown issuer of any length", |gate, _, size| {
        sent(gate, HEADER_WITHOUT_KEY, size, |room| format!(r#"{{"iss":"https://{}"}}"#, filler(room, 18)))
    }),
    ("unknown issuer, escaped", |gate, _, size| {
        sent(gate, HEADER_WITHOUT_KEY, size, |room| {
            format!(r#"{{"iss":"{}"}}"#, r"\u0061".repeat(room.saturating_sub(10) / 6))
        })
    }),
    ("many nested issuers", |gate, issuers, size| {
        sent(gate, HEADER_WITHOUT_KEY, size, |room| {
            let each = format!(r#"{{"iss":"{}"}},"#, issuers.last().unwrap());
            format!(r#"{{"a":[{}0],"iss":"{UNKNOWN}"}}"#, each.repeat(room.saturating_sub(48) / each.len()))
        })
    }),
    ("many nested unknown issuers", |gate, _, size| {
        sent(gate, HEADER_WITHOUT_KEY, size, |room| {
            format!(r#"{{"a":[{}0],"iss":"{UNKNOWN}"}}"#, r#"{"iss":"a"},"#.repeat(room.saturating_sub(48) / 12))
        })
    }),
    ("no issuer", |gate, _, size| {
        sent(gate, HEADER_WITHOUT_KEY, size, |room| members(room, |at| format!("\"{at:x}\":0")).replace("alg", "foo"))
    }),
    ("issuer is a list", |gate, _, size| {
        sent(gate, HEADER_WITHOUT_KEY, size, |room| {
            format!(r#"{{"iss":[{}0]}}"#, "1,".repeat(room.saturating_sub(12) / 2))
        })
    }),
    ("payload, not base64url at the end", |gate, _, size| {
        let header = encode(HEADER_WITHOUT_KEY);
        let room = size.saturating_sub(header.len() + 8).max(8) / 4 * 4;
        Attempt::bearer(gate, &format!("{header}.{}+.AAAA", encode(&format!(r#"{{"a":"{}"#, filler(room * 3 / 4, 6)))))
    }),
    ("payload, not JSON", |gate, _, size| sent(gate, HEADER_WITHOUT_KEY, size, |room| "[".repeat(room))),
];
