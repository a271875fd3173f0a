//! What a request presents: read strictly from the bytes of its header fields, before any token is looked at.

mod client_certificate;
mod normal_uri;
mod public_url;
mod query;
mod request;
mod scheme;
mod source;
mod syntax;
mod websocket;

use std::fmt;

pub use client_certificate::ClientCertificate;
pub(crate) use client_certificate::Thumbprint;
pub(crate) use normal_uri::normalize;
pub(crate) use public_url::PublicUrl;
pub use query::hide_parameters;
#[cfg(feature = "remote")]
pub(crate) use query::the_only_parameter;
pub use request::{HeaderList, RequestView};
pub use scheme::Scheme;
#[cfg(feature = "openapi")]
pub(crate) use source::PlaceInDocument;
pub use source::{PresentedToken, TokenSource};
pub(crate) use syntax::{is_absent, is_token, the_only_field, trim};
pub use websocket::select_subprotocol;

use crate::error::InvalidRequest;
use source::Found;

/// A token, and how a request presents it. It is unverified.
#[derive(Clone, Copy)]
pub struct Credential<'a> {
    scheme: Scheme,
    /// Text. What the gate reads from a request is ASCII.
    token: &'a [u8],
    request: Option<&'a dyn RequestView>,
    gate: GateRules<'a>,
}

/// What a gate knows that a credential is verified with.
#[derive(Clone, Copy, Default)]
pub(crate) struct GateRules<'a> {
    pub(crate) public_url: Option<&'a PublicUrl>,
    /// Whether the gate checks the key that a token is bound to, so that the verifier does not.
    pub(crate) checks_bindings: bool,
}

impl<'a> Credential<'a> {
    /// A bearer token that no HTTP request presents: it comes from a WebSocket message, gRPC metadata or a queue.
    #[must_use]
    pub fn bearer(token: &'a str) -> Self {
        Self { scheme: Scheme::Bearer, token: token.as_bytes(), request: None, gate: GateRules::default() }
    }

    /// The scheme under which the token is presented: one of [`Verifier::schemes`](crate::Verifier::schemes).
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The token's text, unverified.
    #[must_use]
    pub fn unverified_token(&self) -> &'a str {
        std::str::from_utf8(self.token).unwrap_or_default()
    }

    /// The bytes of the token's text, unverified. Reading them as text takes a part of the time of a refusal.
    pub(crate) fn unverified_bytes(&self) -> &'a [u8] {
        self.token
    }

    /// The request that presents the token; `None` outside of HTTP.
    #[must_use]
    pub fn request(&self) -> Option<&'a dyn RequestView> {
        self.request
    }

    /// The URI that the request is for, without its query: the `htu` of a DPoP proof (RFC 9449 §4.2).
    ///
    /// It is the gate's [public URL](crate::Gate::with_public_url), followed by the request's
    /// [original path](RequestView::original_path). `None` without either of them. `Host`, `Forwarded` and
    /// `X-Forwarded-*` fields never change it.
    #[must_use]
    pub fn target_uri(&self) -> Option<String> {
        self.gate.public_url?.of_path(&self.request?.original_path()?)
    }

    /// [`Self::target_uri`] in its normal form.
    pub(crate) fn normal_target_uri(&self) -> Option<String> {
        self.gate.public_url?.normal_of_path(&self.request?.original_path()?)
    }

    /// Whether the gate checks the key that the token is bound to.
    pub(crate) fn is_binding_left_to_gate(&self) -> bool {
        self.gate.checks_bindings
    }

    /// Whether a verifier of `schemes` understands the credential. A gate that checks bindings also understands the scheme
    /// `DPoP`.
    pub(crate) fn is_understood_by(&self, schemes: &[Scheme]) -> bool {
        schemes.contains(&self.scheme) || self.is_binding_left_to_gate()
    }

    pub(crate) fn with_gate(self, gate: GateRules<'a>) -> Self {
        Self { gate, ..self }
    }
}

impl fmt::Debug for Credential<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential").field("scheme", &self.scheme).finish_non_exhaustive()
    }
}

/// What the sources of a request hold.
pub(crate) enum Presented<'a> {
    /// No token.
    Nothing,
    /// A token under a scheme that the verifier does not understand: refused, never anonymous.
    NotUnderstood,
    /// A token under a scheme that the verifier understands.
    Token { presented: PresentedToken<'a>, request: &'a dyn RequestView },
}

/// A credential that is presented wrongly, and its scheme, where that is known.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Unreadable {
    pub(crate) error: InvalidRequest,
    pub(crate) scheme: Option<Scheme>,
}

impl From<InvalidRequest> for Unreadable {
    fn from(error: InvalidRequest) -> Self {
        Self { error, scheme: None }
    }
}

impl Presented<'_> {
    /// The scheme of the token, if the verifier understands it.
    pub(crate) fn scheme(&self) -> Option<Scheme> {
        match self {
            Self::Token { presented, .. } => Some(presented.scheme),
            Self::Nothing | Self::NotUnderstood => None,
        }
    }

    /// Whether the token is from a cookie, which browsers send on their own.
    pub(crate) fn is_from_cookie(&self) -> bool {
        matches!(self, Self::Token { presented: PresentedToken { is_from_cookie: true, .. }, .. })
    }

    /// The credential to verify.
    pub(crate) fn credential<'b>(&'b self, gate: GateRules<'b>) -> Option<Credential<'b>> {
        match self {
            Self::Token { presented: PresentedToken { scheme, token, .. }, request } => {
                Some(Credential { scheme: *scheme, token, request: Some(*request), gate })
            }
            Self::Nothing | Self::NotUnderstood => None,
        }
    }
}

/// Reads `sources` in order. The first that holds a token of one of `schemes` decides, whether the token is good or bad.
pub(crate) fn present<'a>(
    request: &'a dyn RequestView,
    sources: &'a [TokenSource],
    schemes: &[Scheme],
) -> Result<Presented<'a>, Unreadable> {
    let mut presented = Presented::Nothing;
    for source in sources {
        match source.read(request, schemes)? {
            Found::Nothing => {}
            Found::NotUnderstood => presented = Presented::NotUnderstood,
            Found::Token(presented) => return Ok(Presented::Token { presented, request }),
        }
    }
    Ok(presented)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: [Scheme; 2] = [Scheme::Dpop, Scheme::Bearer];

    fn present_with(sources: &[TokenSource], schemes: &[Scheme], fields: &[(&str, &str)]) -> String {
        let request = HeaderList::new("GET", fields.iter().map(|(name, value)| (*name, *value)));
        match present(&request, sources, schemes) {
            Ok(Presented::Nothing) => "nothing".to_owned(),
            Ok(Presented::NotUnderstood) => "not understood".to_owned(),
            Ok(Presented::Token { presented: PresentedToken { scheme, token, .. }, .. }) => {
                format!("{} {}", scheme.name(), String::from_utf8_lossy(&token))
            }
            Err(Unreadable { error, scheme }) => format!("{error:?} {}", scheme.map_or("", Scheme::name)),
        }
    }

    #[test]
    fn schemes_decide_what_is_a_credential() {
        let sources = [TokenSource::authorization()];
        for (schemes, value, expected) in [
            (&[Scheme::Bearer][..], "Bearer a.b.c", "Bearer a.b.c"),
            (&[Scheme::Bearer], "dpop a.b.c", "not understood"),
            (&[Scheme::Bearer], "DPoP", "not understood"),
            (&[Scheme::Bearer], "Basic dTpw", "nothing"),
            (&[Scheme::Dpop], "Bearer a.b.c", "not understood"),
            (&[Scheme::Dpop], "dPoP a.b.c", "DPoP a.b.c"),
            (&[Scheme::Dpop], "DPoP", "MalformedAuthorization DPoP"),
            (&[Scheme::Dpop], "DPoP \ta", "MalformedAuthorization DPoP"),
            (&BOTH, "DPoP  a.b.c", "DPoP a.b.c"),
            (&BOTH, "bearer a.b.c", "Bearer a.b.c"),
            (&BOTH, "Digest username=\"u\"", "nothing"),
            (&BOTH, "a.b.c", "MalformedAuthorization "),
            (&BOTH, "Bearer", "MalformedAuthorization Bearer"),
            (&BOTH, "a\tb", "MalformedAuthorization "),
            (&[], "Bearer a.b.c", "not understood"),
        ] {
            assert_eq!(present_with(&sources, schemes, &[("authorization", value)]), expected, "{schemes:?} {value}");
        }
        let sources = [TokenSource::cookie("session")];
        assert_eq!(present_with(&sources, &[Scheme::Bearer], &[("cookie", "session=a")]), "Bearer a");
        assert_eq!(present_with(&sources, &[Scheme::Dpop], &[("cookie", "session=a")]), "not understood");
    }

    #[test]
    fn first_source_with_a_token_decides() {
        let sources = [TokenSource::authorization(), TokenSource::cookie("session"), TokenSource::header("x-token")];
        let bearer = [Scheme::Bearer];
        let all = [("authorization", "Bearer a"), ("cookie", "session=b"), ("x-token", "c")];
        assert_eq!(present_with(&sources, &bearer, &all), "Bearer a");
        assert_eq!(present_with(&sources, &bearer, &all[1..]), "Bearer b");
        assert_eq!(present_with(&sources, &bearer, &all[2..]), "Bearer c");
        assert_eq!(present_with(&sources, &bearer, &[]), "nothing");
        assert_eq!(present_with(&sources, &bearer, &[("authorization", "Basic a"), all[1]]), "Bearer b");
        // A scheme that is not understood hides no token in a later source, and makes no request anonymous.
        assert_eq!(present_with(&sources, &bearer, &[("authorization", "DPoP a"), all[1]]), "Bearer b");
        assert_eq!(present_with(&sources, &bearer, &[("authorization", "DPoP a")]), "not understood");
    }

    #[test]
    fn target_uri_needs_public_url_and_path() {
        let request = |path: Option<&str>| {
            let request = HeaderList::new("GET", [("authorization", "Bearer a"), ("host", "evil.example")]);
            match path {
                Some(path) => request.with_original_path(path),
                None => request,
            }
        };
        let url = PublicUrl::new("https://api.example.com/base").unwrap();
        let target = |path: Option<&str>, url: Option<&PublicUrl>| {
            let (request, sources) = (request(path), [TokenSource::authorization()]);
            let gate = GateRules { public_url: url, checks_bindings: false };
            present(&request, &sources, &[Scheme::Bearer]).unwrap().credential(gate).unwrap().target_uri()
        };
        assert_eq!(target(Some("/a"), Some(&url)).as_deref(), Some("https://api.example.com/base/a"));
        assert_eq!(target(None, Some(&url)), None);
        assert_eq!(target(Some("/a"), None), None);
        assert_eq!(Credential::bearer("a").target_uri(), None);
    }
}
