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
const WORD: &str = "bearer";

/// The beginning of a name that holds a token in base64url, as API servers of Kubernetes read it.
const PREFIX: &[u8] = b"base64url.bearer.authorization.k8s.io.";

/// What a request offers: the names of its list, as far as they are read.
struct Offered<'a> {
    /// The names of real subprotocols, in their order.
    names: Vec<&'a [u8]>,
    /// Whether the word `bearer` announces a token.
    has_word: bool,
    first_token: Option<Cow<'a, [u8]>>,
    tokens: usize,
}

/// Returns the token that the request offers as a subprotocol. Two tokens are refused, equal ones too.
pub(super) fn read(request: &dyn RequestView) -> Result<Option<Cow<'_, [u8]>>, InvalidRequest> {
    let Offered { first_token, tokens, .. } = Offered::by(request)?;
    if tokens > 1 { Err(InvalidRequest::RepeatedCredential) } else { Ok(first_token) }
}

/// Returns the subprotocol to select for the handshake of a WebSocket: the first of `supported` that the request offers. If it
/// offers none of them, but a token after the word `bearer` ([`TokenSource::websocket_protocol`]), it is that word.
///
/// A name that holds a token is never selected, because the response would repeat it. `None` means that the response has no
/// subprotocol. A browser that offered some then closes the connection (RFC 6455 §4.1).
///
/// ```
/// use portcullis::adapter::HeaderList;
/// use portcullis::websocket::select_subprotocol;
///
/// let offer = |names: &str| HeaderList::new("GET", [("sec-websocket-protocol", names)]);
/// assert_eq!(select_subprotocol(&offer("bearer, eyJ0.eyJz.c2ln, chat.v2"), ["chat.v2", "chat.v1"]), Some("chat.v2"));
/// assert_eq!(select_subprotocol(&offer("bearer, eyJ0.eyJz.c2ln"), ["chat.v2"]), Some("bearer"));
/// assert_eq!(select_subprotocol(&offer("bearer, chat.v2"), ["chat.v2"]), Some("bearer"), "chat.v2 is the token");
/// ```
///
/// [`TokenSource::websocket_protocol`]: crate::TokenSource::websocket_protocol
pub fn select_subprotocol<'s>(
    request: &dyn RequestView,
    supported: impl IntoIterator<Item = &'s str>,
) -> Option<&'s str> {
    let Offered { names, has_word, .. } = Offered::by(request).ok()?;
    let is_offered = |name: &&str| names.contains(&name.as_bytes());
    supported.into_iter().find(is_offered).or(has_word.then_some(WORD))
}

impl<'a> Offered<'a> {
    /// The names are a list, which may be spread over several fields (RFC 6455 §11.3.4). They are compared byte by byte, as
    /// browsers compare the one that the server selects.
    fn by(request: &'a dyn RequestView) -> Result<Self, InvalidRequest> {
        let (mut list, mut elements) = (Vec::new(), 0_usize);
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
                    list.push(name);
                }
            }
        });
        if elements > MAX_OFFERED {
            return Err(InvalidRequest::MalformedToken);
        }
        let mut offered = Self { names: Vec::new(), has_word: false, first_token: None, tokens: 0 };
        let mut list = list.into_iter();
        while let Some(name) = list.next() {
            let token = if name == WORD.as_bytes() {
                offered.has_word = true;
                Cow::Borrowed(list.next().ok_or(InvalidRequest::MalformedToken)?)
            } else if let Some(encoded) = name.strip_prefix(PREFIX) {
                let encoded = Some(encoded).filter(|_| name.len() <= MAX_BYTES_OF_NAME);
                Cow::Owned(encoded.and_then(base64url::decode).ok_or(InvalidRequest::MalformedToken)?)
            } else {
                offered.names.push(name);
                continue;
            };
            b64token(&token).ok_or(InvalidRequest::MalformedToken)?;
            offered.first_token = offered.first_token.or(Some(token));
            offered.tokens += 1;
        }
        Ok(offered)
    }
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

    #[test]
    fn selected_name_is_real_and_never_a_token() {
        let select = |fields: &[&str]| {
            let request = HeaderList::new("GET", fields.iter().map(|value| ("Sec-WebSocket-Protocol", *value)));
            select_subprotocol(&request, ["chat.v2", "chat.v1"])
        };
        let kubernetes = "base64url.bearer.authorization.k8s.io.YS5iLmM";
        for (fields, expected) in [
            (&[][..], None),
            (&["bearer, a.b.c"], Some("bearer")),
            (&["bearer, a.b.c, chat.v1"], Some("chat.v1")),
            (&["chat.v1, bearer, a.b.c", "chat.v2"], Some("chat.v2")),
            (&["chat.v2"], Some("chat.v2")),
            (&["chat.v3"], None),
            (&["Chat.v2"], None),
            (&[kubernetes], None),
            (&[kubernetes, "chat.v1"], Some("chat.v1")),
            // The token has the name of a subprotocol.
            (&["bearer, chat.v2"], Some("bearer")),
            (&["bearer, chat.v2, chat.v1"], Some("chat.v1")),
            // The gate refuses these.
            (&["bearer"], None),
            (&["bearer, a b, chat.v1"], None),
        ] {
            assert_eq!(select(fields), expected, "{fields:?}");
        }
        assert_eq!(select(&[&"chat.v2,".repeat(65)]), None);
        let request = HeaderList::new("GET", [("sec-websocket-protocol", kubernetes)]);
        assert_eq!(select_subprotocol(&request, [kubernetes]), None);
    }
}
