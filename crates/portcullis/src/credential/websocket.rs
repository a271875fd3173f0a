//! A token among the subprotocols that a WebSocket client offers.

use crate::credential::request::RequestView;
use crate::credential::syntax::{b64token, trim};
use crate::error::InvalidRequest;
use crate::jose::base64url;

/// The name in front of a token.
const NAME: &[u8] = b"bearer";

/// The beginning of a name that holds a token in base64url, as API servers of Kubernetes read it.
const PREFIX: &[u8] = b"base64url.bearer.authorization.k8s.io.";

/// Returns the token that the request offers as a subprotocol.
///
/// The names are a list, which may be spread over several fields (RFC 6455 §11.3.4). They are compared byte by byte, as
/// browsers compare the one that the server selects. Two tokens are refused, equal ones too.
pub(super) fn read(request: &dyn RequestView) -> Result<Option<String>, InvalidRequest> {
    let mut offered = Vec::new();
    request.header("sec-websocket-protocol", &mut |field| {
        offered.extend(field.split(|byte| *byte == b',').map(trim).filter(|name| !name.is_empty()));
    });
    let mut tokens = Vec::new();
    let mut names = offered.into_iter();
    while let Some(name) = names.next() {
        if name == NAME {
            let token = names.next().and_then(b64token).ok_or(InvalidRequest::MalformedToken)?;
            tokens.push(token.to_owned());
        } else if let Some(encoded) = name.strip_prefix(PREFIX) {
            let token = base64url::decode(encoded).ok_or(InvalidRequest::MalformedToken)?;
            tokens.push(b64token(&token).ok_or(InvalidRequest::MalformedToken)?.to_owned());
        }
    }
    if tokens.len() > 1 {
        return Err(InvalidRequest::RepeatedCredential);
    }
    Ok(tokens.pop())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credential::HeaderList;

    fn offered(fields: &[&str]) -> Result<Option<String>, InvalidRequest> {
        read(&HeaderList::new("GET", fields.iter().map(|value| ("Sec-WebSocket-Protocol", *value))))
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
}
