//! The forms of header field values that credentials are read from.

use crate::credential::request::RequestView;
use crate::error::InvalidRequest;

/// Returns the value of the field `name`. Several fields are an error, because two readers could choose different ones.
pub(super) fn the_only_field<'a>(request: &'a dyn RequestView, name: &str) -> Result<Option<&'a [u8]>, InvalidRequest> {
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
    let is_body = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(byte);
    if body.is_empty() || !body.iter().all(is_body) {
        return None;
    }
    std::str::from_utf8(value).ok()
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
