//! The forms of header field values that credentials are read from.

use memchr::memchr_iter;

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

/// `1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="` (RFC 6750 §2.1).
pub(super) fn b64token(value: &[u8]) -> Option<&str> {
    let padding = value.iter().rev().take_while(|byte| **byte == b'=').count();
    let body = value.get(..value.len() - padding)?;
    if body.is_empty() || !split_at_dots(body).all(is_part_of_b64token) {
        return None;
    }
    std::str::from_utf8(value).ok()
}

/// Splits at the first dots: as many as the parts of any JWT need.
fn split_at_dots(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let dots = memchr_iter(b'.', text).take(4).chain([text.len()]);
    dots.scan(0, |start, dot| {
        let part = text.get(*start..dot);
        *start = dot + 1;
        part
    })
}

/// Whether all bytes may be in the body of a `b64token`. Most parts are base64url, which is checked faster.
fn is_part_of_b64token(part: &[u8]) -> bool {
    let (fours, rest) = part.split_at_checked(part.len() / 4 * 4).unwrap_or((&[], part));
    (base64url::is_valid(fours) || fours.chunks(255).all(is_b64token_run)) && is_b64token_run(rest)
}

/// Whether all bytes may be in the body of a `b64token`. The loop has no exit, so the compiler can use vector instructions.
fn is_b64token_run(run: &[u8]) -> bool {
    // `-`, `.`, `/` and the digits follow each other.
    let is_body = |byte: u8| {
        byte.wrapping_sub(b'-') <= b'9' - b'-'
            || (byte | 0x20).wrapping_sub(b'a') <= b'z' - b'a'
            || matches!(byte, b'+' | b'_' | b'~')
    };
    run.iter().fold(true, |all, byte| all & is_body(*byte))
}

/// Removes the optional white space around a field value (RFC 9110 §5.5).
pub(crate) fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
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

    #[test]
    fn every_byte_of_a_token_is_judged_at_every_place() {
        for byte in 0..=u8::MAX {
            let allowed = byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
            for (before, after) in [(0, 0), (1, 1), (3, 300), (300, 3), (0, 64), (64, 0), (600, 600)] {
                let token = [&vec![b'a'; before][..], &[byte], &vec![b'b'; after]].concat();
                let found = b64token(&token);
                // Padding stands at the end only.
                let allowed = allowed || (byte == b'=' && after == 0 && before > 0);
                assert_eq!(found.is_some(), allowed, "{byte} after {before} before {after}");
            }
        }
        assert!(b64token(b"a.b.c.d.e.f.g~.h").is_some() && b64token(&[b'.'; 1_000]).is_some());
        assert!(b64token(b"a.b.c.d.e.f.g,.h").is_none() && b64token(b"..").is_some());
    }
}
