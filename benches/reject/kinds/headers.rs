//! Tokens whose header is hard to read.

use crate::attempt::Attempt;
use crate::kinds::Kind;
use crate::tokens::{UNKNOWN, claims, filler, longest_header, members, sent, wide, with_header};

pub(crate) const HEADERS: &[Kind] = &[
    ("unsigned", |gate, issuers, size| sent(gate, r#"{"alg":"none"}"#, size, |room| claims(&issuers[0], room))),
    ("unsigned, wide payload", |gate, _, size| sent(gate, r#"{"alg":"none"}"#, size, |room| wide(room, UNKNOWN))),
    ("unknown kid", |gate, issuers, size| {
        let header = r#"{"alg":"RS256","typ":"JWT","kid":"made-up-1"}"#;
        sent(gate, header, size, |room| claims(&issuers[0], room))
    }),
    ("unknown kid, wide payload", |gate, issuers, size| {
        let header = r#"{"alg":"RS256","typ":"JWT","kid":"made-up-1"}"#;
        sent(gate, header, size, |room| wide(room, &issuers[0]))
    }),
    ("huge kid", |gate, issuers, size| {
        let payload = format!(r#"{{"iss":"{}"}}"#, issuers[0]);
        with_header(gate, &payload, size, |room| format!(r#"{{"alg":"RS256","kid":"{}"}}"#, filler(room, 24)))
    }),
    ("huge kid, escaped", |gate, issuers, size| {
        let payload = format!(r#"{{"iss":"{}"}}"#, issuers[0]);
        with_header(gate, &payload, size, |room| {
            format!(r#"{{"alg":"RS256","kid":"{}"}}"#, r"\u0061".repeat(room.saturating_sub(24) / 6))
        })
    }),
    ("kid of 512 bytes", |gate, issuers, size| {
        let kid = "k".repeat(512.min(size / 2));
        let header = format!(r#"{{"alg":"RS256","typ":"JWT","kid":"{kid}"}}"#);
        sent(gate, &header, size, |room| claims(&issuers[0], room))
    }),
    ("huge x5t", |gate, issuers, size| {
        let payload = format!(r#"{{"iss":"{}"}}"#, issuers[0]);
        with_header(gate, &payload, size, |room| {
            format!(r#"{{"alg":"RS256","kid":"made-up-1","x5t":"{}","x5t#S256":"a"}}"#, filler(room, 60))
        })
    }),
    ("huge typ", |gate, issuers, size| {
        let payload = format!(r#"{{"iss":"{}"}}"#, issuers[0]);
        with_header(gate, &payload, size, |room| format!(r#"{{"alg":"RS256","typ":"{}"}}"#, filler(room, 24)))
    }),
    ("header, many members", |gate, issuers, size| {
        let payload = format!(r#"{{"iss":"{}"}}"#, issuers[0]);
        with_header(gate, &payload, size, |room| members(room, |at| format!("\"{at:x}\":0")))
    }),
    ("header, many escaped members", |gate, issuers, size| {
        let payload = format!(r#"{{"iss":"{}"}}"#, issuers[0]);
        with_header(gate, &payload, size, |room| members(room, |at| format!("\"\\u0061{at:x}\":0")))
    }),
    ("header, equal long members", |gate, issuers, size| {
        let payload = format!(r#"{{"iss":"{}"}}"#, issuers[0]);
        with_header(gate, &payload, size, |room| {
            let long = "a".repeat(room / 48);
            members(room, |at| format!("\"a{long}{at:02}a\":0"))
        })
    }),
    ("header, 60 escaped members", |gate, issuers, size| {
        let payload = format!(r#"{{"iss":"{}"}}"#, issuers[0]);
        with_header(gate, &payload, size, |room| {
            let long = r"\u0061".repeat(room / 400);
            members(room.min(60 * (room / 400 * 6 + 10)), |at| format!("\"{long}{at:02}\":0"))
        })
    }),
    ("header, wide value", |gate, issuers, size| {
        let payload = format!(r#"{{"iss":"{}"}}"#, issuers[0]);
        with_header(gate, &payload, size, |room| {
            format!(r#"{{"alg":"RS256","x":[{}0]}}"#, "0,".repeat(room.saturating_sub(24) / 2))
        })
    }),
    ("header, wide value of strings", |gate, issuers, size| {
        let payload = format!(r#"{{"iss":"{}"}}"#, issuers[0]);
        with_header(gate, &payload, size, |room| {
            format!(r#"{{"alg":"RS256","x":[{}0]}}"#, r#""","#.repeat(room.saturating_sub(24) / 3))
        })
    }),
    ("header, wide value of objects", |gate, issuers, size| {
        let payload = format!(r#"{{"iss":"{}"}}"#, issuers[0]);
        with_header(gate, &payload, size, |room| {
            format!(r#"{{"alg":"RS256","x":[{}0]}}"#, r#"{"":0},"#.repeat(room.saturating_sub(24) / 7))
        })
    }),
    ("header, deep value", |gate, issuers, size| {
        let payload = format!(r#"{{"iss":"{}"}}"#, issuers[0]);
        with_header(gate, &payload, size, |room| {
            let nested = format!("{}{},", "[".repeat(60), "]".repeat(60));
            format!(r#"{{"alg":"RS256","x":[{}0]}}"#, nested.repeat(room.saturating_sub(24) / 121))
        })
    }),
    ("header, long number", |gate, issuers, size| {
        let payload = format!(r#"{{"iss":"{}"}}"#, issuers[0]);
        with_header(gate, &payload, size, |room| {
            format!(r#"{{"alg":"none","x":1{}}}"#, "0".repeat(room.saturating_sub(20)))
        })
    }),
    ("header, white space", |gate, issuers, size| {
        let payload = format!(r#"{{"iss":"{}"}}"#, issuers[0]);
        with_header(gate, &payload, size, |room| format!(r#"{{"alg":{}"none"}}"#, " ".repeat(room.saturating_sub(14))))
    }),
    ("header, text of two bytes", |gate, issuers, size| {
        let payload = format!(r#"{{"iss":"{}"}}"#, issuers[0]);
        with_header(gate, &payload, size, |room| {
            format!(r#"{{"alg":"none","x":"{}"}}"#, "é".repeat(room.saturating_sub(24) / 2))
        })
    }),
    ("header, not base64url", |gate, _, size| Attempt::bearer(gate, &format!("{}+.e30.AAAA", "A".repeat(size - 10)))),
    ("header, not JSON", |gate, _, size| with_header(gate, "{}", size, |room| "{".repeat(room))),
    ("wrong type, wide payload", |gate, issuers, size| {
        sent(gate, r#"{"alg":"RS256","typ":"logout+jwt"}"#, size, |room| wide(room, &issuers[0]))
    }),
    ("header of 3,072 bytes, text", |gate, issuers, size| {
        longest_header(gate, issuers, size, |room| format!(r#""x5c":["{}"]"#, filler(room, 10)))
    }),
    ("header of 3,072 bytes, number", |gate, issuers, size| {
        longest_header(gate, issuers, size, |room| format!(r#""x":1{}"#, "0".repeat(room.saturating_sub(8))))
    }),
    ("header of 3,072 bytes, literals", |gate, issuers, size| {
        longest_header(gate, issuers, size, |room| {
            let each = format!("[{}],", "true,".repeat(8).trim_end_matches(','));
            format!(r#""x":[{}0]"#, each.repeat(6.min(room / each.len())))
        })
    }),
    ("header of 3,072 bytes, escapes", |gate, issuers, size| {
        longest_header(gate, issuers, size, |room| {
            let escapes = r"\u0061".repeat(48.min(room / 12));
            format!(r#""x":"{escapes}{}""#, filler(room, 12 + escapes.len()))
        })
    }),
    ("header of 3,072 bytes, members", |gate, issuers, size| {
        longest_header(gate, issuers, size, |room| {
            let name = "n".repeat((room / 12).saturating_sub(10));
            (0..11).map(|at| format!(r#""{name}{at:02}a":0"#)).collect::<Vec<_>>().join(",")
        })
    }),
    ("header of 3,072 bytes, escaped names", |gate, issuers, size| {
        longest_header(gate, issuers, size, |room| {
            let name = "n".repeat((room / 12).saturating_sub(16));
            (0..11).map(|at| format!(r#""\u0061{name}{at:02}a":0"#)).collect::<Vec<_>>().join(",")
        })
    }),
];
