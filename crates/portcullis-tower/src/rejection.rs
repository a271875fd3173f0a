//! Plain values of the core as `http` types.

use http::header::{CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use portcullis::Refusal;
use portcullis::adapter::PreflightAnswer;

/// Makes the response to a request that is refused: the gate's [`Refusal`], byte for byte. Its method `map` turns the body
/// into that of your framework.
///
/// ```
/// use portcullis_tower::{AuthError, response};
///
/// # let gate = portcullis_testing::TestIssuer::new().gate();
/// let response = response(gate.refuse(&AuthError::MissingToken));
/// assert_eq!(response.status(), 401);
/// assert_eq!(response.headers()["www-authenticate"], r#"Bearer realm="api""#);
/// ```
#[must_use]
pub fn response(refusal: Refusal) -> Response<String> {
    let Refusal { status, headers, body, .. } = refusal;
    let mut response = with_status(status, body);
    for (name, value) in headers {
        let field = (name_of(&name), HeaderValue::try_from(value));
        if let (Some(name), Ok(value)) = field {
            // An error means that the map is full.
            let _ = response.headers_mut().try_append(name, value);
        }
    }
    response
}

/// Makes the response to a CORS preflight request, which has no body.
pub(crate) fn preflight_response(answer: PreflightAnswer) -> Response<String> {
    let mut response = with_status(answer.status, String::new());
    add_fields(response.headers_mut(), answer.headers);
    response
}

fn with_status(status: u16, body: String) -> Response<String> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
}

/// The name of a field, unless HTTP cannot send it. Those of most refusals are not parsed.
fn name_of(name: &str) -> Option<HeaderName> {
    match name {
        "www-authenticate" => Some(WWW_AUTHENTICATE),
        "cache-control" => Some(CACHE_CONTROL),
        "content-type" => Some(CONTENT_TYPE),
        other => HeaderName::try_from(other).ok(),
    }
}

/// Adds the header fields of a caller to the response of the service. A `cache-control` replaces that of the service, which
/// does not know that the response has a nonce.
pub(crate) fn add_fields_of_caller(headers: &mut HeaderMap, fields: &[(String, String)]) {
    if fields.iter().any(|(name, _)| name.eq_ignore_ascii_case(CACHE_CONTROL.as_str())) {
        headers.remove(CACHE_CONTROL);
    }
    add_fields(headers, fields);
}

/// Adds header fields. Fields that HTTP cannot send are left out, and so are fields beyond the number that a map of them
/// holds. The gate's own fields can always be sent.
pub(crate) fn add_fields<T: AsRef<str>>(headers: &mut HeaderMap, fields: &[(T, T)]) {
    for (name, value) in fields {
        let field = (name_of(name.as_ref()), HeaderValue::try_from(value.as_ref()));
        if let (Some(name), Ok(value)) = field {
            // An error means that the map is full.
            let _ = headers.try_append(name, value);
        }
    }
}
