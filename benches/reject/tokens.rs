//! Tokens of a size, whose parts are hard to read.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis::Gate;

use crate::attempt::Attempt;

/// An issuer that no gate knows.
pub(crate) const UNKNOWN: &str = "https://unknown.example";

/// A token whose header is as long as it may be, and has `alg`, a `kid` that no key has, and `more`. Its payload is hard to
/// read.
pub(crate) fn longest_header(gate: &Gate, issuers: &[String], size: usize, more: impl Fn(usize) -> String) -> Attempt {
    let room = (size / 2).min(3_072) * 3 / 4;
    let fixed = r#"{"alg":"RS256","kid":"made-up-1",}"#.len();
    let header = format!(r#"{{"alg":"RS256","kid":"made-up-1",{}}}"#, more(room.saturating_sub(fixed)));
    sent(gate, &header, size, |room| wide(room, &issuers[0]))
}

/// A header whose key no gate has.
pub(crate) const HEADER_WITHOUT_KEY: &str = r#"{"alg":"RS256","typ":"JWT","kid":"made-up-1"}"#;

pub(crate) fn sent(gate: &Gate, header: &str, size: usize, payload: impl Fn(usize) -> String) -> Attempt {
    Attempt::bearer(gate, &token(header, size, payload))
}

/// A token of about `size` bytes. `payload` gets the number of bytes that it may have.
pub(crate) fn token(header: &str, size: usize, payload: impl Fn(usize) -> String) -> String {
    let header = encode(header);
    let room = size.saturating_sub(header.len() + 6) * 3 / 4;
    format!("{header}.{}.AAAA", encode(&payload(room)))
}

pub(crate) fn with_header(gate: &Gate, payload: &str, size: usize, header: impl Fn(usize) -> String) -> Attempt {
    let payload = encode(payload);
    let room = size.saturating_sub(payload.len() + 6).max(32) * 3 / 4;
    Attempt::bearer(gate, &format!("{}.{payload}.AAAA", encode(&header(room))))
}

pub(crate) fn claims(issuer: &str, room: usize) -> String {
    format!(r#"{{"iss":"{issuer}","sub":"u","aud":"api","exp":4102444800,"a":"{}"}}"#, filler(room, 64 + issuer.len()))
}

/// A payload with many members, `iss` last.
pub(crate) fn wide(room: usize, issuer: &str) -> String {
    let members: String = (0..room.saturating_sub(40) / 9).map(|at| format!("\"{at:04x}\":0,")).collect();
    format!(r#"{{{members}"iss":"{issuer}"}}"#)
}

/// A payload with deep values, `iss` last.
pub(crate) fn deep(room: usize, issuer: &str) -> String {
    let nested = format!("{}{},", "[".repeat(50), "]".repeat(50));
    format!(r#"{{"a":[{}0],"iss":"{issuer}"}}"#, nested.repeat(room.saturating_sub(40) / nested.len()))
}

pub(crate) fn members(room: usize, member: impl Fn(usize) -> String) -> String {
    let mut text = r#"{"alg":"RS256""#.to_owned();
    for at in 0.. {
        let next = member(at);
        if text.len() + next.len() + 2 > room {
            break;
        }
        text = format!("{text},{next}");
    }
    format!("{text}}}")
}

pub(crate) fn filler(room: usize, used: usize) -> String {
    "x".repeat(room.saturating_sub(used))
}

pub(crate) fn encode(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}
