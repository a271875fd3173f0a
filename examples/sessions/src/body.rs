//! The JSON body of a request.

use axum::Json;
use axum::extract::FromRequest;
use serde::{Deserialize, Deserializer};

use crate::error::ApiError;

/// A form in JSON. What cannot be read is refused in the way of this API.
#[derive(FromRequest)]
#[from_request(via(Json), rejection(ApiError))]
pub(crate) struct Body<T>(pub(crate) T);

/// Reads a field of a form. A field that is missing or is not a text counts as empty, so that the check of the form can
/// report it together with the others.
pub(crate) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(value.as_str().unwrap_or_default().to_owned())
}
