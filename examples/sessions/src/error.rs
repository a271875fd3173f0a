//! Errors of the API. Each has a stable code.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse, Response};
use portcullis_axum::error::Unavailable;
use portcullis_axum::{Refusal, Rejection};
use serde_json::json;

use crate::passwords::PasswordError;

/// Why a request was refused, or could not be answered.
#[derive(Debug)]
pub(crate) enum ApiError {
    UserExists,
    /// Fields of a form, and what is wrong with each.
    InvalidInput(BTreeMap<&'static str, &'static str>),
    InvalidCredentials,
    UserUnverified,
    /// With the time after which another attempt is allowed.
    RateLimited(Duration),
    NoSuchSession,
    InvalidJson,
    UnsupportedMediaType,
    BodyTooLarge,
    NotFound,
    MethodNotAllowed,
    /// The response of the gate, or about a session.
    Gate(Rejection),
    /// A database is unavailable. Clients try again.
    Unavailable,
    /// An error of the service.
    Server,
}

impl ApiError {
    /// Logs what went wrong. The client does not learn it.
    pub(crate) fn server(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error, "a request could not be answered");
        Self::Server
    }

    fn unavailable(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error, "a database is unavailable");
        Self::Unavailable
    }

    /// Makes the response to a request whose handler panicked.
    pub(crate) fn panicked() -> Response {
        tracing::error!("a handler panicked");
        Self::Server.into_response()
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, code, description) = match self {
            Self::Gate(rejection) => return rejection.into_response(),
            Self::UserExists => (StatusCode::CONFLICT, "user_exists", "There is an account with this address"),
            Self::InvalidInput(_) => (StatusCode::BAD_REQUEST, "invalid_input", "Some fields are missing or wrong"),
            Self::InvalidCredentials => {
                (StatusCode::BAD_REQUEST, "invalid_credentials", "The address or the password is wrong")
            }
            Self::UserUnverified => (StatusCode::UNAUTHORIZED, "user_unverified", "The account is not verified yet"),
            Self::RateLimited(_) => {
                (StatusCode::TOO_MANY_REQUESTS, "rate_limited", "There were too many attempts; try again later")
            }
            Self::NoSuchSession => {
                (StatusCode::NOT_FOUND, "no_such_session", "You have no open session with this name")
            }
            Self::InvalidJson => (StatusCode::BAD_REQUEST, "invalid_json", "The body is not a JSON object"),
            Self::UnsupportedMediaType => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "Send Content-Type: application/json")
            }
            Self::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "The body has more than 16 KiB"),
            Self::NotFound => (StatusCode::NOT_FOUND, "not_found", "There is nothing at this address"),
            Self::MethodNotAllowed => {
                (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "This address has no such method")
            }
            Self::Unavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                "temporarily_unavailable",
                "The service is unavailable at the moment; try again",
            ),
            Self::Server => {
                (StatusCode::INTERNAL_SERVER_ERROR, "server_error", "The service could not answer the request")
            }
        };
        let body = json!({"error": code, "error_description": description});
        let retry = |seconds: u64| [(RETRY_AFTER, seconds.to_string())];
        match self {
            Self::InvalidInput(fields) => {
                let body = json!({"error": code, "error_description": description, "fields": fields});
                (status, Json(body)).into_response()
            }
            Self::RateLimited(wait) => (status, retry(wait.as_secs().saturating_add(1)), Json(body)).into_response(),
            Self::Unavailable => (status, retry(1), Json(body)).into_response(),
            _ => (status, Json(body)).into_response(),
        }
    }
}

impl From<Rejection> for ApiError {
    fn from(rejection: Rejection) -> Self {
        Self::Gate(rejection)
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        Self::Gate(refusal.into())
    }
}

impl From<Unavailable> for ApiError {
    fn from(error: Unavailable) -> Self {
        Self::unavailable(&error)
    }
}

impl From<sqlx::Error> for ApiError {
    fn from(error: sqlx::Error) -> Self {
        Self::unavailable(&error)
    }
}

impl From<PasswordError> for ApiError {
    fn from(error: PasswordError) -> Self {
        Self::server(&error)
    }
}

impl From<JsonRejection> for ApiError {
    fn from(rejection: JsonRejection) -> Self {
        match rejection {
            JsonRejection::MissingJsonContentType(_) => Self::UnsupportedMediaType,
            rejection if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => Self::BodyTooLarge,
            _ => Self::InvalidJson,
        }
    }
}
