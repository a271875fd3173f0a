//! Where a request may carry its token.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use memchr::memchr_iter;

use crate::credential::Unreadable;
use crate::credential::query::the_only_parameter;
use crate::credential::request::RequestView;
use crate::credential::scheme::Scheme;
use crate::credential::syntax::{b64token, count_first, is_token_byte, the_only_field, trim};
use crate::credential::websocket;
use crate::error::InvalidRequest;
use crate::jose::compact;

/// How long the values of several cookies for one token may be together, in bytes: as long as a token may be by default.
const MAX_BYTES_OF_COOKIES: usize = compact::DEFAULT_MAX_BYTES;

/// How many cookies a request may have where a token is looked for among them. Empty pairs count. Chrome keeps up to 180 for a
/// site, and sends all that fit the request.
const MAX_COOKIES: usize = 180;

/// How often a cookie with a token may appear. Browsers send it once for each path and domain.
const MAX_EQUAL_COOKIES: u8 = 8;

/// The longest scheme that is read, in bytes. The registered ones have at most 20.
const MAX_BYTES_OF_SCHEME: usize = 64;

/// One place where a request may carry its token.
///
/// A gate reads its sources in order. The first that holds a token decides: a bad token there is refused, and the later
/// sources are not read.
///
/// ```
/// use portcullis::{Gate, TokenSource};
///
/// # fn gate(gate: Gate) -> Gate {
/// gate.with_token_sources([TokenSource::authorization(), TokenSource::cookie("session")])
/// # }
/// ```
#[derive(Clone)]
pub struct TokenSource(Place);

#[derive(Clone)]
enum Place {
    /// A field with a scheme. Only `Authorization` has a refusal that names it.
    Credentials(Cow<'static, str>),
    Cookie(Cow<'static, str>),
    Cookies {
        names: Arc<[Cow<'static, str>]>,
        choose: Arc<Choose>,
    },
    Custom {
        name: Cow<'static, str>,
        read: Arc<Read>,
    },
    Header(Cow<'static, str>),
    Query(Cow<'static, str>),
    WebSocketProtocol,
}

const AUTHORIZATION: &str = "authorization";

type Choose = dyn Fn(&[&str]) -> usize + Send + Sync;
type Read = dyn for<'a> Fn(&'a dyn RequestView) -> Result<Option<PresentedToken<'a>>, InvalidRequest> + Send + Sync;

/// A token as a request presents it: a scheme and a text. It is unverified.
#[derive(Clone)]
pub struct PresentedToken<'a> {
    pub(super) scheme: Scheme,
    /// Only a token of a custom source can have bytes outside of ASCII, until it is checked.
    pub(super) token: Cow<'a, [u8]>,
    pub(super) is_from_cookie: bool,
}

/// Where clients put a token.
#[cfg(feature = "openapi")]
pub(crate) enum PlaceInDocument<'a> {
    Authorization,
    Cookie(&'a str),
    Custom(&'a str),
    Field(&'a str),
    FieldWithScheme(&'a str),
    Query(&'a str),
    WebSocketProtocol,
}

/// What a source holds.
pub(super) enum Found<'a> {
    Nothing,
    NotUnderstood,
    Token(PresentedToken<'a>),
}

impl TokenSource {
    /// The field `Authorization`: a scheme that the verifier understands, one or more spaces, and the token (RFC 6750
    /// §2.1).
    ///
    /// Another scheme, for example `Basic`, does not count. A single word is malformed: it is most likely a token whose
    /// scheme was forgotten. So is a scheme of more than 64 bytes. An empty field is malformed too, even if a later source holds a good token: a client that sends
    /// it meant to send a credential there.
    #[must_use]
    pub fn authorization() -> Self {
        Self(Place::Credentials(AUTHORIZATION.into()))
    }

    /// The header field `name`, in upper or lower case, with a value of the form of [`Authorization`](Self::authorization):
    /// a scheme and the token. It serves proxies that move that field, for example to `X-Forwarded-Authorization`.
    ///
    /// [`Self::header`] reads a field that holds only the token.
    ///
    /// ```
    /// use portcullis::{Gate, TokenSource};
    ///
    /// # fn gate(gate: Gate) -> Gate {
    /// gate.with_token_sources([TokenSource::header_with_scheme("X-Forwarded-Authorization")])
    /// # }
    /// ```
    pub fn header_with_scheme(name: impl Into<Cow<'static, str>>) -> Self {
        Self(Place::Credentials(lower_case(name.into())))
    }

    /// The cookie `name`. It holds only a bearer token.
    ///
    /// Browsers send cookies with every request, also with those that other sites cause. So the gate refuses an unsafe
    /// request with a token from a cookie unless it comes from a page of an allowed origin
    /// ([`Gate::with_allowed_origins`](crate::Gate::with_allowed_origins)).
    ///
    /// A request with more than 180 cookies of any name is answered with 400. Chrome keeps no more for a site.
    pub fn cookie(name: impl Into<Cow<'static, str>>) -> Self {
        Self(Place::Cookie(name.into()))
    }

    /// One of the cookies `names`. Each holds only a bearer token. The gate refuses cross-site requests as for
    /// [`Self::cookie`].
    ///
    /// Where a request has several of them, `choose` gets their values in the order of `names` and returns the position
    /// of the one to verify; any other number means the first. It chooses among unverified tokens, so its choice must
    /// not decide anything else.
    ///
    /// Several values that are longer than 16 KiB together are answered with 400, and so are more than 180 cookies of any
    /// name. Browsers send at most 4 KiB in a cookie.
    pub fn cookies<S, F>(names: impl IntoIterator<Item = S>, choose: F) -> Self
    where
        S: Into<Cow<'static, str>>,
        F: Fn(&[&str]) -> usize + Send + Sync + 'static,
    {
        Self(Place::Cookies { names: names.into_iter().map(Into::into).collect(), choose: Arc::new(choose) })
    }

    /// A custom source, read by `read`. `name` describes it in `Debug` output.
    ///
    /// The gate checks what `read` returns: a token that is not of the form `b64token` (RFC 6750 §2.1) is answered with
    /// 400, one under a scheme that the verifier does not understand with 401. If `read` looks at the field `Cookie`, the
    /// token counts as one from a [cookie](Self::cookie).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use portcullis::TokenSource;
    /// use portcullis::adapter::PresentedToken;
    ///
    /// // A client of an older version sends `X-Session: v1 TOKEN`.
    /// let session = TokenSource::custom("x-session", |request| {
    ///     let mut token = None;
    ///     request.header("x-session", &mut |value| token = std::str::from_utf8(value).ok());
    ///     Ok(token.and_then(|value| value.strip_prefix("v1 ")).map(PresentedToken::bearer))
    /// });
    /// # use portcullis::{Gate, Policy, adapter::HeaderList};
    /// # let keys = portcullis::keys::FixedKeys::secret(&[7; 32])?;
    /// # let gate = Gate::new(portcullis::JwtVerifier::builder("https://issuer.example", "api", keys).build()?);
    /// let gate = gate.with_token_sources([TokenSource::authorization(), session]);
    ///
    /// let request = HeaderList::new("GET", [("x-session", "v1 not-a-jwt")]);
    /// let refused = gate.admit(&request, &Policy::authenticated()).await.unwrap_err();
    /// assert_eq!(refused.reason().unwrap().as_str(), "not_compact_jws");
    /// # Ok(()) }
    /// ```
    pub fn custom<F>(name: impl Into<Cow<'static, str>>, read: F) -> Self
    where
        F: for<'a> Fn(&'a dyn RequestView) -> Result<Option<PresentedToken<'a>>, InvalidRequest>
            + Send
            + Sync
            + 'static,
    {
        Self(Place::Custom { name: name.into(), read: Arc::new(read) })
    }

    /// The header field `name`, in upper or lower case. It holds only a bearer token, without a scheme
    /// ([`Self::header_with_scheme`] reads one with a scheme).
    pub fn header(name: impl Into<Cow<'static, str>>) -> Self {
        Self(Place::Header(lower_case(name.into())))
    }

    /// The field `Sec-WebSocket-Protocol`, for browsers: their `WebSocket` cannot set `Authorization`, but can offer
    /// subprotocols. A bearer token is read from both forms in use:
    ///
    /// - `bearer, TOKEN`: `new WebSocket(url, ["bearer", token])`. The token follows the word `bearer`, which is in lower
    ///   case.
    /// - `base64url.bearer.authorization.k8s.io.TOKEN_IN_BASE64URL`, next to the real subprotocol, as for Kubernetes.
    ///
    /// **The handler must select one of the offered subprotocols**, or the browser closes the connection (RFC 6455 §4.1).
    /// The adapters' `websocket::select_subprotocol` chooses it: a real one that the service supports, else the word `bearer`,
    /// never the token. The second form has no such word, so it needs a real subprotocol.
    ///
    /// More than 64 subprotocols, or a name in base64url of more than 4,096 bytes, are answered with 400.
    ///
    /// `EventSource` of browsers cannot set header fields. Give its requests a
    /// [ticket](crate::Gate::with_tickets) or a token in a [cookie](Self::cookie), or use `fetch`.
    ///
    /// ```
    /// use portcullis::{Gate, TokenSource};
    ///
    /// # fn gate(gate: Gate) -> Gate {
    /// gate.with_token_sources([TokenSource::authorization(), TokenSource::websocket_protocol()])
    /// # }
    /// ```
    #[must_use]
    pub fn websocket_protocol() -> Self {
        Self(Place::WebSocketProtocol)
    }

    /// Where clients put the token, for documents.
    #[cfg(feature = "openapi")]
    pub(crate) fn places_in_document(&self) -> Vec<PlaceInDocument<'_>> {
        match &self.0 {
            Place::Credentials(name) if name == AUTHORIZATION => vec![PlaceInDocument::Authorization],
            Place::Credentials(name) => vec![PlaceInDocument::FieldWithScheme(name)],
            Place::Cookie(name) => vec![PlaceInDocument::Cookie(name)],
            Place::Cookies { names, .. } => names.iter().map(|name| PlaceInDocument::Cookie(name)).collect(),
            Place::Custom { name, .. } => vec![PlaceInDocument::Custom(name)],
            Place::Header(name) => vec![PlaceInDocument::Field(name)],
            Place::Query(name) => vec![PlaceInDocument::Query(name)],
            Place::WebSocketProtocol => vec![PlaceInDocument::WebSocketProtocol],
        }
    }

    /// See [`dangerous::token_in_query`](crate::dangerous::token_in_query).
    pub(crate) fn query(name: Cow<'static, str>) -> Self {
        Self(Place::Query(name))
    }

    /// Reads the source of `request`. `schemes` are those that the verifier understands.
    pub(super) fn read<'a>(&self, request: &'a dyn RequestView, schemes: &[Scheme]) -> Result<Found<'a>, Unreadable> {
        let found = self.find(request, schemes)?;
        Ok(match found {
            Found::Token(presented) if self.is_cookie() => {
                Found::Token(PresentedToken { is_from_cookie: true, ..presented })
            }
            found => found,
        })
    }

    /// Whether browsers send what the source reads on their own. A custom source is looked at when it reads.
    pub(crate) fn is_cookie(&self) -> bool {
        match &self.0 {
            Place::Cookie(_) | Place::Cookies { .. } => true,
            Place::Credentials(name) | Place::Header(name) => name == "cookie",
            Place::Custom { .. } | Place::Query(_) | Place::WebSocketProtocol => false,
        }
    }

    fn find<'a>(&self, request: &'a dyn RequestView, schemes: &[Scheme]) -> Result<Found<'a>, Unreadable> {
        let of_bytes = |token: Cow<'a, [u8]>| PresentedToken { scheme: Scheme::Bearer, token, is_from_cookie: false };
        let bearer = |token: Option<&'a [u8]>| Ok(Found::new(token.map(|token| of_bytes(token.into())), schemes));
        match &self.0 {
            Place::Credentials(name) => match the_only_field(request, name)? {
                // The text of the refusal names the field `Authorization`.
                Some(value) if name == AUTHORIZATION => {
                    read_credentials(value, schemes, InvalidRequest::MalformedAuthorization)
                }
                Some(value) => read_credentials(value, schemes, InvalidRequest::MalformedToken),
                None => Ok(Found::Nothing),
            },
            Place::Cookie(name) => bearer(read_cookie(request, name)?),
            Place::Cookies { names, choose } => bearer(read_cookies(request, names, &**choose)?),
            Place::Custom { read, .. } => match read_custom(request, &**read)? {
                Some(presented) if b64token(&presented.token).is_none() => Err(InvalidRequest::MalformedToken.into()),
                presented => Ok(Found::new(presented, schemes)),
            },
            Place::Header(name) => match the_only_field(request, name)? {
                Some(value) => bearer(Some(b64token(trim(value)).ok_or(InvalidRequest::MalformedToken)?)),
                None => Ok(Found::Nothing),
            },
            Place::Query(name) => match the_only_parameter(request, name)?.filter(|value| !value.is_empty()) {
                Some(value) if b64token(value.as_bytes()).is_none() => Err(InvalidRequest::MalformedToken.into()),
                value => Ok(Found::new(value.map(PresentedToken::bearer), schemes)),
            },
            Place::WebSocketProtocol => Ok(Found::new(websocket::read(request)?.map(of_bytes), schemes)),
        }
    }
}

impl<'a> PresentedToken<'a> {
    /// A token under `scheme`.
    pub fn new(scheme: Scheme, token: impl Into<Cow<'a, str>>) -> Self {
        let token = match token.into() {
            Cow::Borrowed(token) => Cow::Borrowed(token.as_bytes()),
            Cow::Owned(token) => Cow::Owned(token.into_bytes()),
        };
        Self { scheme, token, is_from_cookie: false }
    }

    /// A bearer token.
    pub fn bearer(token: impl Into<Cow<'a, str>>) -> Self {
        Self::new(Scheme::Bearer, token)
    }
}

impl<'a> Found<'a> {
    fn new(presented: Option<PresentedToken<'a>>, schemes: &[Scheme]) -> Self {
        match presented {
            None => Self::Nothing,
            Some(presented) if schemes.contains(&presented.scheme) => Self::Token(presented),
            Some(_) => Self::NotUnderstood,
        }
    }
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::Credentials(name) if name == AUTHORIZATION => f.write_str("Authorization"),
            Place::Credentials(name) => f.debug_tuple("HeaderWithScheme").field(name).finish(),
            Place::Cookie(name) => f.debug_tuple("Cookie").field(name).finish(),
            Place::Cookies { names, .. } => f.debug_tuple("Cookies").field(names).finish(),
            Place::Custom { name, .. } => f.debug_tuple("Custom").field(name).finish(),
            Place::Header(name) => f.debug_tuple("Header").field(name).finish(),
            Place::Query(name) => f.debug_tuple("Query").field(name).finish(),
            Place::WebSocketProtocol => f.write_str("WebSocketProtocol"),
        }
    }
}

impl fmt::Debug for PresentedToken<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PresentedToken").field("scheme", &self.scheme).finish_non_exhaustive()
    }
}

fn lower_case(name: Cow<'static, str>) -> Cow<'static, str> {
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) { name.to_ascii_lowercase().into() } else { name }
}

/// Reads `credentials = auth-scheme [ 1*SP ( token68 / ... ) ]` (RFC 9110 §11.4). What follows a scheme that the verifier
/// understands has to be a `b64token`; what follows another scheme is not looked at. A single word that is not one of our
/// schemes is malformed, because a token without its scheme has this form. So is a scheme of more than 64 bytes.
fn read_credentials<'a>(
    value: &'a [u8],
    schemes: &[Scheme],
    malformed: InvalidRequest,
) -> Result<Found<'a>, Unreadable> {
    let malformed = Unreadable::from(malformed);
    let value = trim(value);
    let (scheme, rest) = match value.strip_prefix(b"Bearer") {
        // The usual case.
        Some(rest @ [b' ', ..]) => (Scheme::Bearer, rest),
        _ => match read_scheme(value).ok_or(malformed)? {
            (Some(scheme), rest) => (scheme, rest),
            (None, _) => return Ok(Found::Nothing),
        },
    };
    if !schemes.contains(&scheme) {
        return Ok(Found::NotUnderstood);
    }
    let spaces = match rest {
        // The usual case.
        [b' ', next, ..] if *next != b' ' => 1,
        _ => count_first(rest, |byte| byte == b' '),
    };
    let token = rest.get(spaces..).and_then(b64token);
    let token = token.ok_or(Unreadable { scheme: Some(scheme), ..malformed })?;
    Ok(Found::Token(PresentedToken { scheme, token: Cow::Borrowed(token), is_from_cookie: false }))
}

/// Reads the scheme at the start of a trimmed value. Returns one of ours or `None`, with what follows it. Without a scheme, or
/// with a single word that is not one of ours, there is no answer.
fn read_scheme(value: &[u8]) -> Option<(Option<Scheme>, &[u8])> {
    let start = value.get(..=MAX_BYTES_OF_SCHEME).unwrap_or(value);
    let length = start.iter().take_while(|byte| is_token_byte(**byte)).count();
    let (name, rest) = value.split_at_checked(length)?;
    if name.is_empty() || name.len() > MAX_BYTES_OF_SCHEME || !matches!(rest.first(), None | Some(b' ')) {
        return None;
    }
    let scheme = Scheme::from_name(name);
    (scheme.is_some() || !rest.is_empty()).then_some((scheme, rest))
}

/// Reads a custom source, and notes whether it looks at cookies.
fn read_custom<'a>(request: &dyn RequestView, read: &Read) -> Result<Option<PresentedToken<'a>>, InvalidRequest> {
    let watched = Watched { request, is_cookie_read: AtomicBool::new(false) };
    let presented = read(&watched)?.map(|presented| (presented.scheme, presented.token.into_owned()));
    let is_from_cookie = watched.is_cookie_read.load(Ordering::Relaxed);
    Ok(presented.map(|(scheme, token)| PresentedToken { scheme, token: Cow::Owned(token), is_from_cookie }))
}

/// A request that notes whether its cookies are read.
struct Watched<'a> {
    request: &'a dyn RequestView,
    is_cookie_read: AtomicBool,
}

impl RequestView for Watched<'_> {
    fn header<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
        if name.eq_ignore_ascii_case("cookie") {
            self.is_cookie_read.store(true, Ordering::Relaxed);
        }
        self.request.header(name, visit);
    }

    fn method(&self) -> Cow<'_, str> {
        self.request.method()
    }

    fn original_path(&self) -> Option<Cow<'_, str>> {
        self.request.original_path()
    }

    fn may_have_unannounced_body(&self) -> bool {
        self.request.may_have_unannounced_body()
    }
}

/// Reads one of several cookies. All of them are read, so a malformed one is always reported.
fn read_cookies<'a>(
    request: &'a dyn RequestView,
    names: &[Cow<'static, str>],
    choose: &Choose,
) -> Result<Option<&'a [u8]>, InvalidRequest> {
    let mut cookies: Vec<_> = names.iter().map(|name| Cookie::new(name)).collect();
    find_cookies(request, &mut cookies)?;
    let mut tokens = Vec::with_capacity(names.len());
    let mut bytes = 0;
    for cookie in cookies {
        let Some(value) = cookie.value()? else { continue };
        bytes += value.len();
        // Browsers send no cookie of more than 4,096 bytes. The limit comes before the bytes of a token are looked at.
        if !tokens.is_empty() && bytes > MAX_BYTES_OF_COOKIES {
            return Err(InvalidRequest::MalformedToken);
        }
        tokens.push(b64token(value).ok_or(InvalidRequest::MalformedToken)?);
    }
    let [first, _, ..] = tokens.as_slice() else { return Ok(tokens.pop()) };
    // What is a `b64token` is ASCII.
    let texts: Vec<_> = tokens.iter().map(|token| std::str::from_utf8(token).unwrap_or_default()).collect();
    Ok(Some(tokens.get(choose(&texts)).unwrap_or(first)))
}

/// Reads the value of the cookie `name`.
fn read_cookie<'a>(request: &'a dyn RequestView, name: &str) -> Result<Option<&'a [u8]>, InvalidRequest> {
    let mut cookie = [Cookie::new(name)];
    find_cookies(request, &mut cookie)?;
    let [cookie] = cookie;
    cookie.value()?.map(|value| b64token(value).ok_or(InvalidRequest::MalformedToken)).transpose()
}

/// A cookie that is looked for.
struct Cookie<'a, 'n> {
    name: &'n [u8],
    first: Option<&'a [u8]>,
    seen: u8,
    differs: bool,
}

impl<'a, 'n> Cookie<'a, 'n> {
    fn new(name: &'n str) -> Self {
        Self { name: name.as_bytes(), first: None, seen: 0, differs: false }
    }

    /// Takes the value of `pair` if it is this cookie. An empty value counts as absent: servers delete cookies so. Returns
    /// whether the cookie has two values, or too many.
    fn take_from(&mut self, pair: &'a [u8]) -> bool {
        // Nearly all pairs end here.
        if !matches!(pair.get(self.name.len()), Some(b'=' | b' ' | b'\t')) {
            return false;
        }
        let last = self.name.len().wrapping_sub(1);
        if pair.get(last) != self.name.last() || pair.first() != self.name.first() {
            return false;
        }
        if let Some(value) = value_of(pair, self.name).filter(|value| !value.is_empty()) {
            self.seen = self.seen.saturating_add(1);
            self.differs |= self.seen > MAX_EQUAL_COOKIES || self.first.is_some_and(|first| first != value);
            self.first = self.first.or(Some(value));
        }
        self.differs
    }

    fn value(self) -> Result<Option<&'a [u8]>, InvalidRequest> {
        if self.differs { Err(InvalidRequest::RepeatedCredential) } else { Ok(self.first) }
    }
}

/// Finds the values of `cookies` (RFC 6265 §4.2.1) in one walk.
///
/// It works on bytes, because other cookies may hold any. A cookie of this name with such bytes is malformed, not absent.
fn find_cookies<'a>(request: &'a dyn RequestView, cookies: &mut [Cookie<'a, '_>]) -> Result<(), InvalidRequest> {
    let (mut pairs, mut is_repeated) = (0_usize, false);
    request.header("cookie", &mut |field| {
        let mut start = 0;
        if is_repeated {
            return;
        }
        for end in memchr_iter(b';', field).chain([field.len()]) {
            pairs += 1;
            if pairs > MAX_COOKIES {
                return;
            }
            let pair = match field.get(start..end).unwrap_or_default() {
                [b' ', pair @ ..] => pair,
                pair => pair,
            };
            let pair = if let Some(b' ' | b'\t') = pair.first() { trim(pair) } else { pair };
            start = end + 1;
            is_repeated = cookies.iter_mut().fold(false, |repeated, cookie| repeated | cookie.take_from(pair));
            if is_repeated {
                return;
            }
        }
    });
    if pairs > MAX_COOKIES { Err(InvalidRequest::MalformedToken) } else { Ok(()) }
}

/// The value of `pair` if its name is `name`.
fn value_of<'a>(pair: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let rest = pair.strip_prefix(name)?;
    trim(rest).strip_prefix(b"=").map(trim)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credential::HeaderList;

    fn read(source: &TokenSource, fields: &[(&str, &[u8])]) -> Result<String, InvalidRequest> {
        let request = HeaderList::new("GET", fields.iter().map(|(name, value)| (*name, *value)));
        let found = source.read(&request, &[Scheme::Bearer]).map_err(|unreadable| unreadable.error);
        found.map(|found| match found {
            Found::Nothing => "nothing".to_owned(),
            Found::NotUnderstood => "not understood".to_owned(),
            Found::Token(presented) => format!("token {}", String::from_utf8_lossy(&presented.token)),
        })
    }

    fn authorization(value: &[u8]) -> Result<String, InvalidRequest> {
        read(&TokenSource::authorization(), &[("Authorization", value)])
    }

    #[test]
    fn scheme_matches_in_any_case_before_spaces() {
        for value in ["Bearer a.b.c", "bearer a.b.c", "BEARER   a.b.c", " Bearer a.b.c\t"] {
            assert_eq!(authorization(value.as_bytes()).as_deref(), Ok("token a.b.c"), "{value:?}");
        }
        assert_eq!(authorization(b"Bearer -._~+/09azAZ==").as_deref(), Ok("token -._~+/09azAZ=="));
    }

    #[test]
    fn other_schemes_are_not_a_token() {
        for value in ["Basic dXNlcjpwYXNz", "Bearertoken a", "Digest username=\"x\"", "Bearer, a"] {
            let expected =
                if value.starts_with("Bearer,") { Err(InvalidRequest::MalformedAuthorization) } else { Ok("nothing") };
            assert_eq!(authorization(value.as_bytes()).as_deref(), expected.as_ref().copied(), "{value:?}");
        }
        assert_eq!(authorization(b"DPoP abc").as_deref(), Ok("not understood"));
    }

    #[test]
    fn malformed_field_is_not_an_absent_field() {
        let malformed: [&[u8]; 18] = [
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
            // A single word is most likely a token without its scheme.
            b"Bearertoken",
            b"eyJ.eyJ.c2ln",
            b" Basic\t",
            b"-._~+",
        ];
        for value in malformed {
            assert_eq!(authorization(value), Err(InvalidRequest::MalformedAuthorization), "{value:?}");
        }
    }

    #[test]
    fn two_equal_fields_are_refused() {
        let fields: [(&str, &[u8]); 2] = [("authorization", b"Bearer a"), ("Authorization", b"Bearer a")];
        assert_eq!(read(&TokenSource::authorization(), &fields), Err(InvalidRequest::RepeatedCredential));
        let fields: [(&str, &[u8]); 2] = [("authorization", b"Basic a"), ("authorization", b"Bearer a")];
        assert_eq!(read(&TokenSource::authorization(), &fields), Err(InvalidRequest::RepeatedCredential));
    }

    #[test]
    fn header_holds_only_the_token() {
        let source = TokenSource::header("X-Access-Token");
        assert_eq!(read(&source, &[("x-access-token", b"a.b.c")]).as_deref(), Ok("token a.b.c"));
        assert_eq!(read(&source, &[]).as_deref(), Ok("nothing"));
        assert_eq!(read(&source, &[("x-access-token", b"Bearer a.b.c")]), Err(InvalidRequest::MalformedToken));
        assert_eq!(read(&source, &[("x-access-token", b"")]), Err(InvalidRequest::MalformedToken));
    }

    #[test]
    fn other_field_may_have_a_scheme() {
        let source = TokenSource::header_with_scheme("X-Forwarded-Authorization");
        let forwarded = |value: &'static [u8]| read(&source, &[("x-forwarded-authorization", value)]);
        assert_eq!(forwarded(b"bearer  a.b.c").as_deref(), Ok("token a.b.c"));
        assert_eq!(forwarded(b"Basic dTpw").as_deref(), Ok("nothing"));
        assert_eq!(forwarded(b"DPoP a.b.c").as_deref(), Ok("not understood"));
        for value in [&b"a.b.c"[..], b"", b"Bearer", b"Bearer a b", b"Bearer\ta"] {
            assert_eq!(forwarded(value), Err(InvalidRequest::MalformedToken), "{value:?}");
        }
        let both: [(&str, &[u8]); 2] = [("x-forwarded-authorization", b"Bearer a"); 2];
        assert_eq!(read(&source, &both), Err(InvalidRequest::RepeatedCredential));
        assert_eq!(read(&source, &[("authorization", b"Bearer a")]).as_deref(), Ok("nothing"));
        assert_eq!(format!("{source:?}"), r#"HeaderWithScheme("x-forwarded-authorization")"#);
        assert_eq!(format!("{:?}", TokenSource::authorization()), "Authorization");
    }

    #[test]
    fn cookie_is_found_among_other_bytes() {
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
    fn chosen_cookie_decides() {
        let longest = |tokens: &[&str]| (0..tokens.len()).max_by_key(|at| tokens[*at].len()).unwrap();
        let source = TokenSource::cookies(["__session_1", "__session"], longest);
        let cookies = |value: &'static [u8]| read(&source, &[("cookie", value)]);
        assert_eq!(cookies(b"__session=a; __session_1=bb").as_deref(), Ok("token bb"));
        assert_eq!(cookies(b"__session=aaa; __session_1=bb").as_deref(), Ok("token aaa"));
        assert_eq!(cookies(b"__session=a").as_deref(), Ok("token a"));
        assert_eq!(cookies(b"__session_2=a").as_deref(), Ok("nothing"));
        assert_eq!(cookies(b"__session=a\xff; __session_1=bb"), Err(InvalidRequest::MalformedToken));
        // Together they are longer than any token.
        let half = "a".repeat(8 * 1024);
        let of_lengths = |more: &str| {
            let value = format!("__session={half}; __session_1={half}{more}");
            read(&source, &[("cookie", value.as_bytes())]).map(|found| found.len())
        };
        assert_eq!(of_lengths(""), Ok("token ".len() + half.len()));
        assert_eq!(of_lengths("a"), Err(InvalidRequest::MalformedToken));
        assert_eq!(
            read(&source, &[("cookie", format!("__session={half}{half}a").as_bytes())]).map(|found| found.len()),
            Ok(6 + 16 * 1024 + 1)
        );
        // A position that does not exist means the first.
        let source = TokenSource::cookies(["a", "b"], |_| 2);
        assert_eq!(read(&source, &[("cookie", b"b=y; a=x")]).as_deref(), Ok("token x"));
    }

    #[test]
    fn all_cookies_of_a_browser_are_read() {
        const OF_CHROME: usize = 180;
        let source = TokenSource::cookie("__session");
        let cookies = (1..OF_CHROME).map(|number| format!("cookie-{number}=x"));
        let field = cookies.chain(["__session=a.b.c".to_owned()]).collect::<Vec<_>>().join("; ");
        assert_eq!(read(&source, &[("cookie", field.as_bytes())]).as_deref(), Ok("token a.b.c"));
    }

    #[test]
    fn number_of_cookies_is_bounded() {
        let one = TokenSource::cookie("__session");
        let several = TokenSource::cookies(["__session_1", "__session"], |_| 0);
        for source in [one, several] {
            for (cookies, expected) in [
                (MAX_COOKIES - 1, Ok("token a.b.c")),
                (MAX_COOKIES, Ok("token a.b.c")),
                (MAX_COOKIES + 1, Err(InvalidRequest::MalformedToken)),
            ] {
                let others = vec!["x=y"; cookies - 1].join("; ");
                for field in [format!("__session=a.b.c; {others}"), format!("{others}; __session=a.b.c")] {
                    assert_eq!(read(&source, &[("cookie", field.as_bytes())]).as_deref(), expected.as_ref().copied());
                    // Over HTTP/2, each cookie may have its own field.
                    let fields: Vec<_> = field.split("; ").map(|pair| ("cookie", pair.as_bytes())).collect();
                    assert_eq!(read(&source, &fields).as_deref(), expected.as_ref().copied());
                }
            }
        }
    }

    #[test]
    fn number_of_equal_cookies_is_bounded() {
        let source = TokenSource::cookie("__session");
        let most = usize::from(MAX_EQUAL_COOKIES);
        for (equal, expected) in [
            (most - 1, Ok("token a")),
            (most, Ok("token a")),
            (most + 1, Err(InvalidRequest::RepeatedCredential)),
            (MAX_COOKIES, Err(InvalidRequest::RepeatedCredential)),
        ] {
            let field = vec!["__session=a"; equal].join("; ");
            assert_eq!(
                read(&source, &[("cookie", field.as_bytes())]).as_deref(),
                expected.as_ref().copied(),
                "{equal}"
            );
        }
    }

    #[test]
    fn cookies_are_found_as_one_by_one() {
        /// Finds one cookie, pair by pair.
        fn find<'a>(fields: &[&'a [u8]], name: &str) -> Result<Option<&'a [u8]>, InvalidRequest> {
            let pairs = fields.iter().flat_map(|field| field.split(|byte| *byte == b';'));
            let value_of = |pair: &'a [u8]| {
                let rest = pair.trim_ascii().strip_prefix(name.as_bytes())?.trim_ascii();
                rest.strip_prefix(b"=").map(<[u8]>::trim_ascii).filter(|value| !value.is_empty())
            };
            let values: Vec<_> = pairs.filter_map(value_of).collect();
            match values.as_slice() {
                [] => Ok(None),
                [first, rest @ ..] if rest.iter().all(|value| value == first) => Ok(Some(first)),
                _ => Err(InvalidRequest::RepeatedCredential),
            }
        }
        let names = ["s_1", "s", "t"];
        let parts: [&[u8]; 11] = [b"s", b"s_1", b"t", b"=", b"=", b";", b"; ", b"a", b" ", b"=a;", b"\xff"];
        for _ in 0..20_000 {
            let field = || (0..fastrand::usize(..14)).flat_map(|_| parts[fastrand::usize(..parts.len())]).copied();
            let fields: Vec<Vec<u8>> = (0..fastrand::usize(1..3)).map(|_| field().collect()).collect();
            let slices: Vec<&[u8]> = fields.iter().map(Vec::as_slice).collect();
            let expected: Vec<_> = names.iter().map(|name| find(&slices, name)).collect();
            let request = HeaderList::new("GET", slices.iter().map(|field| ("cookie", *field)));
            let mut cookies: Vec<_> = names.iter().map(|name| Cookie::new(name)).collect();
            find_cookies(&request, &mut cookies).unwrap();
            let found: Vec<_> = cookies.into_iter().map(Cookie::value).collect();
            let shown: Vec<_> = slices.iter().map(|field| field.escape_ascii().to_string()).collect();
            // The walk ends at the first cookie with two values.
            let is_repeated = expected.iter().any(Result::is_err);
            assert_eq!(found.iter().any(Result::is_err), is_repeated, "{shown:?}");
            assert!(is_repeated || found == expected, "{shown:?}");
        }
    }

    #[test]
    fn length_of_a_scheme_is_bounded() {
        for (length, rest, expected) in [
            (MAX_BYTES_OF_SCHEME, " dTpw", Ok("nothing")),
            (MAX_BYTES_OF_SCHEME + 1, " dTpw", Err(InvalidRequest::MalformedAuthorization)),
            (MAX_BYTES_OF_SCHEME, "", Err(InvalidRequest::MalformedAuthorization)),
            (20_000, "", Err(InvalidRequest::MalformedAuthorization)),
        ] {
            let value = format!("{}{rest}", "s".repeat(length));
            assert_eq!(authorization(value.as_bytes()).as_deref(), expected.as_ref().copied(), "{length}{rest}");
        }
        for spaces in [1, 63, 64, 65, 1_000] {
            let value = format!("Bearer{}a.b.c", " ".repeat(spaces));
            assert_eq!(authorization(value.as_bytes()).as_deref(), Ok("token a.b.c"));
        }
    }

    #[test]
    fn custom_source_yields_scheme_and_token() {
        let source = TokenSource::custom("x-dpop", |request| {
            let mut value = None;
            request.header("x-dpop", &mut |field| value = std::str::from_utf8(field).ok());
            match value {
                None => Ok(None),
                Some("broken") => Err(InvalidRequest::RepeatedCredential),
                Some(token) => Ok(Some(PresentedToken::new(Scheme::Dpop, token.to_owned()))),
            }
        });
        let found = |value: &str, schemes: &[Scheme]| {
            let request = HeaderList::new("GET", [("x-dpop", value)]);
            let found = source.read(&request, schemes).map_err(|unreadable| unreadable.error);
            found.map(|found| match found {
                Found::Token(PresentedToken { scheme, token, .. }) => {
                    Some((scheme, String::from_utf8(token.into_owned()).unwrap()))
                }
                Found::Nothing | Found::NotUnderstood => None,
            })
        };
        assert_eq!(found("a.b.c", &[Scheme::Dpop]), Ok(Some((Scheme::Dpop, "a.b.c".to_owned()))));
        assert_eq!(found("a.b.c", &[Scheme::Bearer]), Ok(None));
        assert_eq!(found("a b", &[Scheme::Dpop]), Err(InvalidRequest::MalformedToken));
        assert_eq!(found("", &[Scheme::Dpop]), Err(InvalidRequest::MalformedToken));
        assert_eq!(found("broken", &[Scheme::Dpop]), Err(InvalidRequest::RepeatedCredential));
        assert_eq!(read(&source, &[]).as_deref(), Ok("nothing"));
        assert_eq!(read(&source, &[("x-dpop", b"a.b.c")]).as_deref(), Ok("not understood"));
        assert_eq!(format!("{source:?}"), r#"Custom("x-dpop")"#);
    }
}
