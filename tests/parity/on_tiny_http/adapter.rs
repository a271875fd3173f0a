//! An adapter for tiny_http, a blocking server that has no middleware and no extractors.
//!
//! It has what the published adapters have: callers that are required, allowed by a policy or optional, guards before
//! parts of a service, resource metadata and refusals. The gate does the work; this file translates types. A test keeps
//! it below 220 lines.

use std::borrow::Cow;
use std::io::Cursor;
use std::net::IpAddr;
use std::ops::Deref;

use portcullis::adapter::{Admission, Decision, Guard, RequestView};
use portcullis::claims::{FromClaims, NoClaims};
use portcullis::{Gate, Policy, Refusal, Require, Verified};
use tiny_http::{Header, Method, Request, Response};
use tokio::runtime::Handle;

/// A response with its whole body.
pub(crate) type Answer = Response<Cursor<Vec<u8>>>;

/// A verified caller, with the claims as `C`. It dereferences to [`Verified`].
pub(crate) struct Auth<C = NoClaims> {
    verified: Verified,
    /// The claims, deserialized.
    pub(crate) claims: C,
}

/// The gate that handlers use, and the caller that a guard before them let in.
pub(crate) struct Context {
    gate: Option<Gate>,
    admission: Option<Admission>,
    runtime: Handle,
}

impl Context {
    /// A request that has passed no guard.
    pub(crate) fn new(gate: Option<Gate>, runtime: Handle) -> Self {
        Self { gate, admission: None, runtime }
    }

    /// Returns the caller of `request`.
    pub(crate) fn auth<C: FromClaims>(&self, request: &Request) -> Result<Auth<C>, Rejection> {
        self.extract(request, &Policy::authenticated())
    }

    /// Returns the caller of `request` if the policy of `P` allows it.
    pub(crate) fn authorized<P: Require, C: FromClaims>(&self, request: &Request) -> Result<Auth<C>, Rejection> {
        self.extract(request, &self.gate()?.policy_of::<P>()?)
    }

    /// Returns the caller of `request`, or `None` when it has no credential. A bad credential is refused.
    pub(crate) fn maybe_auth<C: FromClaims>(&self, request: &Request) -> Result<Option<Auth<C>>, Rejection> {
        let (view, policy) = (View::of(request), Policy::authenticated());
        let extraction = self.gate()?.extract_optional(&view, self.admission.as_ref(), &policy);
        let caller = self.runtime.block_on(extraction)?;
        Ok(caller.map(|(verified, claims)| Auth { verified, claims }))
    }

    /// Serves the gate's protected resource metadata (RFC 9728), or 404 where it has none.
    pub(crate) fn resource_metadata(&self, request: &Request) -> Result<Answer, Rejection> {
        let sent = self.gate()?.metadata_answer(request.method().as_str());
        Ok(answer(sent.status, sent.headers.iter().copied(), sent.body))
    }

    /// Lets `request` through to `inner` if `guard` admits it.
    pub(crate) fn guarded(&self, guard: &Guard, request: &Request, inner: impl FnOnce(&Self) -> Answer) -> Answer {
        let view = View::of(request);
        let admission = match self.runtime.block_on(guard.admit(&view, self.admission.as_ref())) {
            Ok(Decision::Pass(admission)) => admission,
            Ok(Decision::Answer(sent)) => return answer(sent.status, sent.headers.iter().copied(), String::new()),
            Err(refusal) => return Rejection(refusal).into(),
        };
        let fields = admission.as_ref().map(|admission| admission.response_headers().to_vec()).unwrap_or_default();
        let admission = admission.or_else(|| self.admission.clone());
        let answer = inner(&Self { gate: Some(guard.gate().clone()), admission, runtime: self.runtime.clone() });
        with_fields_of_caller(answer, &fields)
    }

    fn extract<C: FromClaims>(&self, request: &Request, policy: &Policy) -> Result<Auth<C>, Rejection> {
        let view = View::of(request);
        let extraction = self.gate()?.extract(&view, self.admission.as_ref(), policy);
        let (verified, claims) = self.runtime.block_on(extraction)?;
        Ok(Auth { verified, claims })
    }

    fn gate(&self) -> Result<&Gate, Rejection> {
        self.gate.as_ref().ok_or_else(|| Refusal::misconfigured("no gate: give the context one").into())
    }
}

impl<C> Deref for Auth<C> {
    type Target = Verified;

    fn deref(&self) -> &Verified {
        &self.verified
    }
}

/// The response to a request that is refused.
pub(crate) struct Rejection(Refusal);

impl From<Refusal> for Rejection {
    fn from(refusal: Refusal) -> Self {
        Self(refusal)
    }
}

impl From<Rejection> for Answer {
    fn from(Rejection(refusal): Rejection) -> Self {
        let status = if (100..1_000).contains(&refusal.status) { refusal.status } else { 500 };
        let fields = refusal.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        answer(status, fields, refusal.body)
    }
}

/// Makes a response with these fields and this body.
pub(crate) fn answer<'a>(status: u16, fields: impl IntoIterator<Item = (&'a str, &'a str)>, body: String) -> Answer {
    with_fields(Response::from_data(body).with_status_code(status), fields)
}

/// Adds the fields of a caller. A `cache-control` replaces that of the service, which does not know that the response has a
/// nonce.
pub(crate) fn with_fields_of_caller(mut answer: Answer, fields: &[(String, String)]) -> Answer {
    if fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("cache-control")) {
        let kept = answer.headers().iter().filter(|header| !header.field.equiv("cache-control"));
        let (kept, status, length) = (kept.cloned().collect(), answer.status_code(), answer.data_length());
        answer = Response::new(status, kept, answer.into_reader(), length, None);
    }
    with_fields(answer, fields.iter().map(|(name, value)| (name.as_str(), value.as_str())))
}

/// Adds the fields that HTTP can send. tiny_http does not check them.
fn with_fields<'a>(answer: Answer, fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Answer {
    let is_name =
        |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let is_value = |value: &str| value.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~'));
    let fields = fields.into_iter().filter(|(name, value)| is_name(name) && is_value(value));
    fields.filter_map(|(name, value)| Header::from_bytes(name, value).ok()).fold(answer, Response::with_header)
}

/// The parts of a request that the gate reads. The whole request cannot be shared between threads.
struct View<'a> {
    headers: &'a [Header],
    method: &'a Method,
    url: &'a str,
    peer_address: Option<IpAddr>,
}

impl<'a> View<'a> {
    fn of(request: &'a Request) -> Self {
        let peer_address = request.remote_addr().map(|address| address.ip());
        Self { headers: request.headers(), method: request.method(), url: request.url(), peer_address }
    }
}

impl RequestView for View<'_> {
    fn header<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
        let named = self.headers.iter().filter(|header| header.field.as_str().as_str().eq_ignore_ascii_case(name));
        named.for_each(|header| visit(header.value.as_bytes()));
    }

    fn method(&self) -> Cow<'_, str> {
        self.method.as_str().into()
    }

    fn original_path(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(path(self.url)))
    }

    fn query(&self) -> Option<Cow<'_, str>> {
        self.url.split_once('?').map(|(_, query)| Cow::Borrowed(query))
    }

    fn peer_address(&self) -> Option<IpAddr> {
        self.peer_address
    }
}

/// The path of a request target, which may be a whole URL (RFC 9112 §3.2.2).
pub(crate) fn path(target: &str) -> &str {
    let target = match target.split_once("://") {
        Some((scheme, rest)) if !scheme.contains('/') => rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/"),
        _ => target,
    };
    target.split('?').next().unwrap_or_default()
}
