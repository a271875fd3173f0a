//! The JSON body of a request.

use axum::Json;
use axum::extract::{FromRequest, Request};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::error::ApiError;

/// A form in JSON. What cannot be read is refused in the way of this API.
pub(crate) struct Body<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        // As an object first, because serde also reads a struct from an array.
        let Json(object) = Json::<Map<String, Value>>::from_request(request, state).await?;
        T::deserialize(Value::Object(object)).map(Self).map_err(|_| ApiError::InvalidJson)
    }
}

/// Reads a field of a form. A field that is missing or is not a text counts as empty, so that the check of the form can
/// report it together with the others.
pub(crate) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let value = Value::deserialize(deserializer)?;
    Ok(value.as_str().unwrap_or_default().to_owned())
}
