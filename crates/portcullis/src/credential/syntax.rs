//! The forms of header field values that credentials are read from.

use memchr::{memchr, memchr_iter, memrchr};

use crate::credential::request::RequestView;
use crate::error::InvalidRequest;
use crate::jose::base64url;

/// Returns the value of the field `name`. Several fields are an error, because two readers could choose different ones.
pub(crate) fn the_only_field<'a>(request: &'a dyn RequestView, name: &str) -> Result<Option<&'a [u8]>, InvalidRequest> {
    let (mut first, mut count) = (None, 0_usize);
    request.header(name, &mut |value| {
        first = first.or(Some(value));
        count += 1;
    });
    match count {
        0 | 1 => Ok(first),
        _ => Err(InvalidRequest::RepeatedCredential),
    }
}

/// Whether the request has no field `name`.
pub(crate) fn is_absent(request: &dyn RequestView, name: &str) -> bool {
    the_only_field(request, name) == Ok(None)
}

/// The longest `b64token` of another form than a JWT, in bytes: with `~`, `+`, `/`, or more dots. Opaque tokens are shorter.
/// It bounds how long the check takes, which is slower for such bytes.
pub(super) const MAX_BYTES_OF_OTHER_FORM: usize = 8 * 1024;

/// The number of bytes that are looked at together.
const BLOCK: usize = 64;

/// `1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="` (RFC 6750 §2.1). One that is not of the form of a JWT has at
/// most [`MAX_BYTES_OF_OTHER_FORM`].
pub(super) fn b64token(value: &[u8]) -> Option<&[u8]> {
    let padding = if value.ends_with(b"=") { count_last(value, |byte| byte == b'=') } else { 0 };
    let body = value.get(..value.len() - padding).filter(|body| !body.is_empty())?;
    let is_b64token = if value.len() <= MAX_BYTES_OF_OTHER_FORM { is_body(body) } else { has_form_of_jwt(body) };
    is_b64token.then_some(value)
}

/// Whether `text` is base64url with at most as many dots as any JWT has. The check of base64url is the fastest for a long text.
fn has_form_of_jwt(text: &[u8]) -> bool {
    let (Some(first), Some(last)) = (memchr(b'.', text), memrchr(b'.', text)) else { return is_base64url(text) };
    // The first and the last dot of a signed token are near its ends, so both are found soon.
    let [header, payload, signature] =
        [text.get(..first), text.get(first + 1..last), text.get(last + 1..)].map(Option::unwrap_or_default);
    if !is_base64url(header) || !is_base64url(signature) {
        return false;
    }
    let dots = memchr_iter(b'.', payload).take(2).chain([payload.len()]);
    let parts = || {
        dots.scan(0, |start, dot| {
            let part = payload.get(*start..dot);
            *start = dot + 1;
            part
        })
    };
    is_base64url(payload) || parts().all(is_base64url)
}

/// Whether `part` is base64url, apart from its last bytes, which may be any of a `b64token`.
fn is_base64url(part: &[u8]) -> bool {
    let (fours, rest) = part.split_at_checked(part.len() / 4 * 4).unwrap_or((&[], part));
    base64url::is_valid(fours) && is_body(rest)
}

/// Whether all bytes may be in the body of a `b64token`. Most tokens have neither `~` nor `+`.
fn is_body(text: &[u8]) -> bool {
    is_faultless(text, fault_of_jwt) || is_faultless(text, fault)
}

/// Whether `fault` is zero for all bytes.
fn is_faultless(text: &[u8], fault: impl Fn(u8) -> u8) -> bool {
    let faults = |bytes: &[u8]| bytes.iter().fold(0, |faults, byte| faults | fault(*byte));
    let (blocks, rest) = text.as_chunks::<BLOCK>();
    // Some bytes are looked at twice, which is faster than a short run.
    let rest = text.last_chunk::<BLOCK>().map_or(rest, |block| block.as_slice());
    faults(blocks.as_flattened()) | faults(rest) == 0
}

/// Zero for the bytes of the body of a `b64token`.
fn fault(byte: u8) -> u8 {
    fault_of_jwt(byte).min(byte ^ b'+').min(byte ^ b'~')
}

/// Zero for the bytes of JWTs and for `/`. Written so that the compiler uses few vector instructions: `-`, `.`, `/` and the
/// digits follow each other.
fn fault_of_jwt(byte: u8) -> u8 {
    let digit = byte.wrapping_sub(b'-').saturating_sub(b'9' - b'-');
    let letter = (byte | 0x20).wrapping_sub(b'a').saturating_sub(b'z' - b'a');
    digit.min(letter).min(byte ^ b'_')
}

/// The number of bytes at the start of `text` that `fits` accepts.
pub(super) fn count_first(text: &[u8], fits: impl Fn(u8) -> bool) -> usize {
    let (blocks, _) = text.as_chunks::<BLOCK>();
    let blocks = blocks.iter().take_while(|block| block.iter().fold(true, |all, byte| all & fits(*byte))).count();
    let rest = text.get(blocks * BLOCK..).unwrap_or_default();
    blocks * BLOCK + rest.iter().take_while(|byte| fits(**byte)).count()
}

/// The number of bytes at the end of `text` that `fits` accepts.
fn count_last(text: &[u8], fits: impl Fn(u8) -> bool) -> usize {
    let (_, blocks) = text.as_rchunks::<BLOCK>();
    let is_fit = |block: &&[u8; BLOCK]| block.iter().fold(true, |all, byte| all & fits(*byte));
    let blocks = blocks.iter().rev().take_while(is_fit).count();
    let rest = text.get(..text.len() - blocks * BLOCK).unwrap_or_default();
    blocks * BLOCK + rest.iter().rev().take_while(|byte| fits(**byte)).count()
}

/// Removes the optional white space around a field value (RFC 9110 §5.5).
pub(crate) fn trim(value: &[u8]) -> &[u8] {
    let is_space = |byte| matches!(byte, b' ' | b'\t');
    // Most values have none, or one.
    let start = match value {
        [b' ' | b'\t', ..] => count_first(value, is_space),
        _ => 0,
    };
    let value = value.get(start..).unwrap_or_default();
    let end = match value {
        [.., b' ' | b'\t'] => count_last(value, is_space),
        _ => 0,
    };
    value.get(..value.len() - end).unwrap_or_default()
}

/// `token = 1*tchar` (RFC 9110 §5.6.2).
pub(crate) fn is_token(value: &[u8]) -> bool {
    !value.is_empty() && value.iter().all(|byte| is_token_byte(*byte))
}

/// `tchar` (RFC 9110 §5.6.2).
pub(super) fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `b64token` is, byte by byte.
    fn is_b64token(value: &[u8]) -> bool {
        let body = value.len() - value.iter().rev().take_while(|byte| **byte == b'=').count();
        let is_body = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(byte);
        body > 0 && value[..body].iter().all(is_body)
    }

    #[test]
    fn every_byte_of_a_token_is_judged_at_every_place() {
        for byte in 0..=u8::MAX {
            for (before, after) in [(0, 0), (1, 1), (3, 300), (300, 3), (0, 64), (64, 0), (63, 1), (600, 600)] {
                let token = [&vec![b'a'; before][..], &[byte], &vec![b'b'; after]].concat();
                let found = b64token(&token);
                assert_eq!(found.is_some(), is_b64token(&token), "{byte} after {before} before {after}");
            }
            for length in [1, 2, 3, 63, 64, 65, 66, 129] {
                for at in 0..length {
                    let mut token = vec![b'~'; length];
                    token[at] = byte;
                    assert_eq!(b64token(&token).is_some(), is_b64token(&token), "{byte} at {at} of {length}");
                }
            }
        }
        assert!(b64token(b"a.b.c.d.e.f.g~.h").is_some() && b64token(&[b'.'; 1_000]).is_some());
        assert!(b64token(b"a.b.c.d.e.f.g,.h").is_none() && b64token(b"..").is_some());
    }

    #[test]
    fn random_texts_are_judged_byte_by_byte() {
        let alphabets: [&[u8]; 4] = [b"aZ09-_.", b"aZ09-_~+/.", b"aA9-_.=", b"a-_.+/~= ,\x00\xff"];
        for round in 0..40_000 {
            let alphabet = alphabets[round % alphabets.len()];
            let length = fastrand::usize(..if round % 8 == 0 { 400 } else { 12 });
            let text: Vec<u8> = (0..length).map(|_| alphabet[fastrand::usize(..alphabet.len())]).collect();
            assert_eq!(b64token(&text).is_some(), is_b64token(&text), "{}", text.escape_ascii());
        }
    }

    #[test]
    fn token_of_another_form_than_a_jwt_has_a_bounded_length() {
        let most = MAX_BYTES_OF_OTHER_FORM;
        for unit in ["~+/-_", "....", "ab+", "a/", "~"] {
            let text = unit.repeat(most + 1);
            for (length, is_read) in [(most - 1, true), (most, true), (most + 1, false)] {
                assert_eq!(b64token(&text.as_bytes()[..length]).is_some(), is_read, "{unit} {length}");
            }
        }
        // Padding counts.
        assert!(b64token(format!("~~~~{}", "=".repeat(most - 4)).as_bytes()).is_some());
        assert!(b64token(format!("~~~~{}", "=".repeat(most - 3)).as_bytes()).is_none());
        for parts in 1..=6 {
            let long = vec!["a".repeat(most + 1); parts].join(".");
            assert_eq!(b64token(long.as_bytes()).is_some(), parts <= 5, "{parts}");
            let short = vec!["a"; parts].join(".");
            assert!(b64token(short.as_bytes()).is_some());
        }
    }

    #[test]
    fn spaces_are_removed_at_both_ends() {
        let old = |mut value: &[u8]| {
            while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
                value = rest;
            }
            value.to_vec()
        };
        for length in [0, 1, 2, 63, 64, 65, 127, 128, 129, 300] {
            for (before, after) in [(0, 0), (0, length), (length, 0), (length, length), (1, length)] {
                for inner in ["", "a", " a\tb ", "\n", "\u{e9}"] {
                    let text = format!("{}{inner}{}", " \t".repeat(before), "\t ".repeat(after));
                    assert_eq!(trim(text.as_bytes()), old(text.as_bytes()), "{text:?}");
                }
            }
        }
        for byte in 0..=u8::MAX {
            for length in [1, 64, 65, 130] {
                let text = [&vec![b' '; length][..], &[byte], &vec![b'\t'; length]].concat();
                assert_eq!(trim(&text), old(&text), "{byte}");
            }
        }
    }
}
