//! Plain values of the core as `http` types.

use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use portcullis::Refusal;

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
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    add_fields(response.headers_mut(), &headers);
    response
}

/// Adds header fields. Fields that HTTP cannot send are left out. The gate's own fields can always be sent.
pub(crate) fn add_fields(headers: &mut HeaderMap, fields: &[(String, String)]) {
    for (name, value) in fields {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.append(name, value);
        }
    }
}
