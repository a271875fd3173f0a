//! Where a request may carry its token.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use crate::credential::request::RequestView;
use crate::error::InvalidRequest;

/// One place where a request may carry its token.
///
/// A gate looks at its sources in order. The first that holds a token decides: a bad token there is refused, and never
/// falls through to the next source.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum TokenSource {
    /// `Authorization: Bearer token` (RFC 6750 §2.1).
    Authorization,
    /// A cookie that holds the token alone. Cookies are sent by browsers on their own, so routes that change something
    /// need protection from cross-site requests beside it.
    Cookie(Cow<'static, str>),
    /// One of several cookies, each of which holds a token alone.
    Cookies(CookieChoice),
    /// A header field, by its lower-case name, that holds the token alone, as some proxies send it.
    Header(Cow<'static, str>),
}

pub(super) enum Found<'a> {
    Dpop,
    Nothing,
    Token(&'a str),
}

impl TokenSource {
    /// The cookie `name`.
    pub fn cookie(name: impl Into<Cow<'static, str>>) -> Self {
        Self::Cookie(name.into())
    }

    /// One of the cookies `names`. Where more than one is there, `choose` gets their values in the order of `names`, and
    /// says the position of the one to verify: a choice among unverified tokens, which is all that it may be.
    pub fn cookies<S, F>(names: impl IntoIterator<Item = S>, choose: F) -> Self
    where
        S: Into<Cow<'static, str>>,
        F: Fn(&[&str]) -> usize + Send + Sync + 'static,
    {
        Self::Cookies(CookieChoice { names: names.into_iter().map(Into::into).collect(), choose: Arc::new(choose) })
    }

    /// The header field `name`, in any case.
    pub fn header(name: impl Into<Cow<'static, str>>) -> Self {
        let name = name.into();
        Self::Header(if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            name.to_ascii_lowercase().into()
        } else {
            name
        })
    }

    pub(super) fn read<'a>(&self, request: &'a dyn RequestView) -> Result<Found<'a>, InvalidRequest> {
        match self {
            Self::Authorization => match the_only_field(request, "authorization")? {
                Some(value) => read_authorization(value),
                None => Ok(Found::Nothing),
            },
            Self::Cookie(name) => read_cookie(request, name),
            Self::Cookies(choice) => choice.read(request),
            Self::Header(name) => match the_only_field(request, name)? {
                Some(value) => b64token(trim(value)).map(Found::Token).ok_or(InvalidRequest::MalformedToken),
                None => Ok(Found::Nothing),
            },
        }
    }
}

/// Which cookies may hold a token, and which of them to take.
#[derive(Clone)]
pub struct CookieChoice {
    names: Vec<Cow<'static, str>>,
    choose: Arc<Choose>,
}

type Choose = dyn Fn(&[&str]) -> usize + Send + Sync;

impl CookieChoice {
    fn read<'a>(&self, request: &'a dyn RequestView) -> Result<Found<'a>, InvalidRequest> {
        let mut tokens = Vec::with_capacity(self.names.len());
        for name in &self.names {
            match read_cookie(request, name)? {
                Found::Token(token) => tokens.push(token),
                Found::Nothing | Found::Dpop => {}
            }
        }
        Ok(match tokens.as_slice() {
            [] => Found::Nothing,
            [token] => Found::Token(token),
            [first, ..] => Found::Token(tokens.get((self.choose)(&tokens)).unwrap_or(first)),
        })
    }
}

impl PartialEq for CookieChoice {
    fn eq(&self, other: &Self) -> bool {
        self.names == other.names && Arc::ptr_eq(&self.choose, &other.choose)
    }
}

impl Eq for CookieChoice {}

impl fmt::Debug for CookieChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CookieChoice").field("names", &self.names).finish_non_exhaustive()
    }
}

fn the_only_field<'a>(request: &'a dyn RequestView, name: &str) -> Result<Option<&'a [u8]>, InvalidRequest> {
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

/// `credentials = auth-scheme [ 1*SP ( token68 / ... ) ]` (RFC 9110 §11.4), for Bearer with a b64token.
fn read_authorization(value: &[u8]) -> Result<Found<'_>, InvalidRequest> {
    let malformed = InvalidRequest::MalformedAuthorization;
    let value = trim(value);
    let scheme_length = value.iter().take_while(|byte| is_token_byte(**byte)).count();
    let (scheme, rest) = value.split_at_checked(scheme_length).ok_or(malformed)?;
    if scheme.is_empty() || !matches!(rest.first(), None | Some(b' ')) {
        return Err(malformed);
    }
    if scheme.eq_ignore_ascii_case(b"DPoP") {
        return Ok(Found::Dpop);
    }
    if !scheme.eq_ignore_ascii_case(b"Bearer") {
        return Ok(Found::Nothing);
    }
    let spaces = rest.iter().take_while(|byte| **byte == b' ').count();
    rest.get(spaces..).and_then(b64token).map(Found::Token).ok_or(malformed)
}

/// The value of the cookie `name` (RFC 6265 §4.2.1). An empty one is how a cookie is taken back: it counts as absent.
///
/// Works on bytes, because the cookies beside ours may hold any, and one of ours that does is malformed, not absent.
fn read_cookie<'a>(request: &'a dyn RequestView, name: &str) -> Result<Found<'a>, InvalidRequest> {
    let (mut first, mut differs) = (None, false);
    request.header("cookie", &mut |field| {
        for pair in field.split(|byte| *byte == b';') {
            let Some(equals) = pair.iter().position(|byte| *byte == b'=') else { continue };
            let Some((key, value)) = pair.split_at_checked(equals) else { continue };
            let value = trim(value.get(1..).unwrap_or_default());
            if trim(key) == name.as_bytes() && !value.is_empty() {
                differs |= first.is_some_and(|first| first != value);
                first = first.or(Some(value));
            }
        }
    });
    match first {
        None => Ok(Found::Nothing),
        Some(_) if differs => Err(InvalidRequest::RepeatedCredential),
        Some(value) => b64token(value).map(Found::Token).ok_or(InvalidRequest::MalformedToken),
    }
}

/// `1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="` (RFC 6750 §2.1).
fn b64token(value: &[u8]) -> Option<&str> {
    let padding = value.iter().rev().take_while(|byte| **byte == b'=').count();
    let body = value.get(..value.len() - padding)?;
    let is_body = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(byte);
    if body.is_empty() || !body.iter().all(is_body) {
        return None;
    }
    std::str::from_utf8(value).ok()
}

/// Without the optional white space around a field value (RFC 9110 §5.5).
fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// `tchar` (RFC 9110 §5.6.2).
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credential::HeaderList;

    fn read(source: &TokenSource, fields: &[(&str, &[u8])]) -> Result<String, InvalidRequest> {
        let request = HeaderList::new("GET", fields.iter().map(|(name, value)| (*name, *value)));
        source.read(&request).map(|found| match found {
            Found::Dpop => "dpop".to_owned(),
            Found::Nothing => "nothing".to_owned(),
            Found::Token(token) => format!("token {token}"),
        })
    }

    fn authorization(value: &[u8]) -> Result<String, InvalidRequest> {
        read(&TokenSource::Authorization, &[("Authorization", value)])
    }

    #[test]
    fn the_scheme_is_matched_in_any_case_and_spaces_may_be_many() {
        for value in ["Bearer a.b.c", "bearer a.b.c", "BEARER   a.b.c", " Bearer a.b.c\t"] {
            assert_eq!(authorization(value.as_bytes()).as_deref(), Ok("token a.b.c"), "{value:?}");
        }
        assert_eq!(authorization(b"Bearer -._~+/09azAZ==").as_deref(), Ok("token -._~+/09azAZ=="));
    }

    #[test]
    fn other_schemes_are_no_credential_of_ours() {
        for value in ["Basic dXNlcjpwYXNz", "Basic", "Bearertoken", "Digest username=\"x\"", "Bearer, a"] {
            let expected =
                if value.starts_with("Bearer,") { Err(InvalidRequest::MalformedAuthorization) } else { Ok("nothing") };
            assert_eq!(authorization(value.as_bytes()).as_deref(), expected.as_ref().copied(), "{value:?}");
        }
        assert_eq!(authorization(b"DPoP abc").as_deref(), Ok("dpop"));
    }

    #[test]
    fn malformed_fields_are_told_apart_from_absent_ones() {
        let malformed: [&[u8]; 14] = [
            b"",
            b" ",
            b"Bearer",
            b"Bearer ",
            b"Bearer\tabc",
            b"Bearer \tabc",
            b"Bearer a b",
            b"Bearer a,b",
            b"Bearer a\xffb",
            b"\xff\xfe",
            b"Bearer =",
            b"Bearer a=b",
            b"Bearer \"a\"",
            b",Bearer a",
        ];
        for value in malformed {
            assert_eq!(authorization(value), Err(InvalidRequest::MalformedAuthorization), "{value:?}");
        }
    }

    #[test]
    fn two_fields_are_refused_even_when_they_are_equal() {
        let fields: [(&str, &[u8]); 2] = [("authorization", b"Bearer a"), ("Authorization", b"Bearer a")];
        assert_eq!(read(&TokenSource::Authorization, &fields), Err(InvalidRequest::RepeatedCredential));
        let fields: [(&str, &[u8]); 2] = [("authorization", b"Basic a"), ("authorization", b"Bearer a")];
        assert_eq!(read(&TokenSource::Authorization, &fields), Err(InvalidRequest::RepeatedCredential));
    }

    #[test]
    fn a_header_carries_the_raw_token() {
        let source = TokenSource::header("X-Access-Token");
        assert_eq!(read(&source, &[("x-access-token", b"a.b.c")]).as_deref(), Ok("token a.b.c"));
        assert_eq!(read(&source, &[]).as_deref(), Ok("nothing"));
        assert_eq!(read(&source, &[("x-access-token", b"Bearer a.b.c")]), Err(InvalidRequest::MalformedToken));
        assert_eq!(read(&source, &[("x-access-token", b"")]), Err(InvalidRequest::MalformedToken));
    }

    #[test]
    fn a_cookie_is_found_among_others_whatever_they_hold() {
        let source = TokenSource::cookie("__session");
        let cookies = |value: &'static [u8]| read(&source, &[("cookie", value)]);
        assert_eq!(cookies(b"a=\xff; __session=a.b.c; x").as_deref(), Ok("token a.b.c"));
        assert_eq!(cookies(b"__session=").as_deref(), Ok("nothing"));
        assert_eq!(cookies(b"__sessions=a; x__session=b").as_deref(), Ok("nothing"));
        assert_eq!(cookies(b"__session=a; __session=a").as_deref(), Ok("token a"));
        assert_eq!(cookies(b"__session=a; __session=b"), Err(InvalidRequest::RepeatedCredential));
        assert_eq!(cookies(b"__session=a\xff"), Err(InvalidRequest::MalformedToken));
        assert_eq!(cookies(b"__session=\"a\""), Err(InvalidRequest::MalformedToken));
    }

    #[test]
    fn among_several_cookies_the_chosen_one_decides() {
        let longest = |tokens: &[&str]| (0..tokens.len()).max_by_key(|at| tokens[*at].len()).unwrap();
        let source = TokenSource::cookies(["__session_1", "__session"], longest);
        let cookies = |value: &'static [u8]| read(&source, &[("cookie", value)]);
        assert_eq!(cookies(b"__session=a; __session_1=bb").as_deref(), Ok("token bb"));
        assert_eq!(cookies(b"__session=aaa; __session_1=bb").as_deref(), Ok("token aaa"));
        assert_eq!(cookies(b"__session=a").as_deref(), Ok("token a"));
        assert_eq!(cookies(b"__session_2=a").as_deref(), Ok("nothing"));
        // A bad one is not passed over in silence.
        assert_eq!(cookies(b"__session=a\xff; __session_1=bb"), Err(InvalidRequest::MalformedToken));
        // A choice that is none takes the first.
        let source = TokenSource::cookies(["a", "b"], |_| 2);
        assert_eq!(read(&source, &[("cookie", b"b=y; a=x")]).as_deref(), Ok("token x"));
    }
}
