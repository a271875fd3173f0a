//! A token among the subprotocols that a WebSocket client offers.

use std::borrow::Cow;

use memchr::memchr_iter;

use crate::credential::request::RequestView;
use crate::credential::syntax::{b64token, trim};
use crate::error::InvalidRequest;
use crate::jose::base64url;

/// How many subprotocols a request may offer where a token is looked for among them. Clients offer a few.
const MAX_OFFERED: usize = 64;

/// The longest name that holds a token in base64url, in bytes. Decoding a longer one takes longer than a refusal may.
const MAX_BYTES_OF_NAME: usize = 4 * 1024;

/// The name in front of a token.
const NAME: &[u8] = b"bearer";

/// The beginning of a name that holds a token in base64url, as API servers of Kubernetes read it.
const PREFIX: &[u8] = b"base64url.bearer.authorization.k8s.io.";

/// Returns the token that the request offers as a subprotocol.
///
/// The names are a list, which may be spread over several fields (RFC 6455 §11.3.4). They are compared byte by byte, as
/// browsers compare the one that the server selects. Two tokens are refused, equal ones too.
pub(super) fn read(request: &dyn RequestView) -> Result<Option<Cow<'_, [u8]>>, InvalidRequest> {
    let (mut offered, mut elements) = (Vec::new(), 0_usize);
    request.header("sec-websocket-protocol", &mut |field| {
        let mut start = 0;
        for end in memchr_iter(b',', field).chain([field.len()]) {
            elements += 1;
            if elements > MAX_OFFERED {
                return;
            }
            let name = trim(field.get(start..end).unwrap_or_default());
            start = end + 1;
            if !name.is_empty() {
                offered.push(name);
            }
        }
    });
    if elements > MAX_OFFERED {
        return Err(InvalidRequest::MalformedToken);
    }
    let (mut first, mut tokens) = (None, 0_usize);
    let mut names = offered.into_iter();
    while let Some(name) = names.next() {
        let token = if name == NAME {
            Cow::Borrowed(names.next().ok_or(InvalidRequest::MalformedToken)?)
        } else if let Some(encoded) = name.strip_prefix(PREFIX) {
            let encoded = Some(encoded).filter(|_| name.len() <= MAX_BYTES_OF_NAME);
            Cow::Owned(encoded.and_then(base64url::decode).ok_or(InvalidRequest::MalformedToken)?)
        } else {
            continue;
        };
        b64token(&token).ok_or(InvalidRequest::MalformedToken)?;
        first = first.or(Some(token));
        tokens += 1;
    }
    if tokens > 1 { Err(InvalidRequest::RepeatedCredential) } else { Ok(first) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credential::HeaderList;

    fn offered(fields: &[&str]) -> Result<Option<String>, InvalidRequest> {
        let request = HeaderList::new("GET", fields.iter().map(|value| ("Sec-WebSocket-Protocol", *value)));
        read(&request).map(|token| token.map(|token| String::from_utf8(token.into_owned()).unwrap()))
    }

    #[test]
    fn both_forms_hold_a_token() {
        for fields in [
            &["bearer, a.b.c"][..],
            &["bearer,a.b.c"],
            &["chat, bearer, a.b.c, v2"],
            &["chat", "bearer", "a.b.c"],
            &[",, bearer ,\ta.b.c ,"],
            &["base64url.bearer.authorization.k8s.io.YS5iLmM"],
            &["v4.channel.k8s.io, base64url.bearer.authorization.k8s.io.YS5iLmM"],
        ] {
            assert_eq!(offered(fields), Ok(Some("a.b.c".to_owned())), "{fields:?}");
        }
        for fields in [&[][..], &[""], &["chat"], &["Bearer, a.b.c"], &["x-bearer, a.b.c"], &["a.b.c"]] {
            assert_eq!(offered(fields), Ok(None), "{fields:?}");
        }
    }

    #[test]
    fn offer_without_exactly_one_token_is_malformed() {
        for fields in [
            &["bearer"][..],
            &["chat, bearer"],
            &["bearer, a b"],
            &["bearer, \u{e9}"],
            &["base64url.bearer.authorization.k8s.io."],
            &["base64url.bearer.authorization.k8s.io.YS5iLmM="],
            &["base64url.bearer.authorization.k8s.io.YS 5"],
            // A space, in base64url.
            &["base64url.bearer.authorization.k8s.io.YSBi"],
        ] {
            assert_eq!(offered(fields), Err(InvalidRequest::MalformedToken), "{fields:?}");
        }
        for fields in [
            &["bearer, a, bearer, a"][..],
            &["bearer, a", "bearer, b"],
            &["bearer, a.b.c, base64url.bearer.authorization.k8s.io.YS5iLmM"],
        ] {
            assert_eq!(offered(fields), Err(InvalidRequest::RepeatedCredential), "{fields:?}");
        }
    }

    #[test]
    fn length_of_a_name_that_holds_a_token_is_bounded() {
        let prefix = std::str::from_utf8(PREFIX).unwrap();
        for (token, expected) in [(3_042, Ok(3_042)), (3_045, Err(InvalidRequest::MalformedToken))] {
            let name = format!("{prefix}{}", base64url::encode(&vec![b'a'; token]));
            assert_eq!(offered(&[&name]).map(|token| token.unwrap().len()), expected, "{}", name.len());
        }
        // The other form has no separate limit.
        let long = "a".repeat(16_000);
        assert_eq!(offered(&[&format!("bearer, {long}")]), Ok(Some(long)));
    }

    #[test]
    fn number_of_offered_names_is_bounded() {
        let offer = |names: usize| format!("{}bearer,a.b.c", "x,".repeat(names - 2));
        for (names, expected) in [
            (MAX_OFFERED - 1, Ok(Some("a.b.c".to_owned()))),
            (MAX_OFFERED, Ok(Some("a.b.c".to_owned()))),
            (MAX_OFFERED + 1, Err(InvalidRequest::MalformedToken)),
        ] {
            assert_eq!(offered(&[&offer(names)]), expected, "{names}");
            // Several fields are one list.
            let fields: Vec<String> = offer(names).split(',').map(str::to_owned).collect();
            assert_eq!(offered(&fields.iter().map(String::as_str).collect::<Vec<_>>()), expected, "{names}");
        }
        assert_eq!(offered(&[&",".repeat(MAX_OFFERED)]), Err(InvalidRequest::MalformedToken));
    }
}
