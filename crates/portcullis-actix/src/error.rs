//! A refusal as an error and a response.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{HttpResponse, ResponseError};
use portcullis::Refusal;

/// The answer to a request that is not let in: the gate's [`Refusal`], octet by octet.
#[derive(Clone, Debug)]
pub struct Rejection(Box<Refusal>);

impl Rejection {
    /// The refusal, with its reason.
    #[must_use]
    pub fn refusal(&self) -> &Refusal {
        &self.0
    }
}

impl From<Refusal> for Rejection {
    fn from(refusal: Refusal) -> Self {
        Self(Box::new(refusal))
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.reason {
            Some(reason) => write!(f, "refused with {}: {reason}", self.0.status),
            None => write!(f, "refused with {}", self.0.status),
        }
    }
}

impl ResponseError for Rejection {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        for (name, value) in &self.0.headers {
            // What is no header field can't be sent; the gate's own always are.
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name.as_str()), HeaderValue::try_from(value.as_str()))
            {
                response.append_header((name, value));
            }
        }
        response.body(self.0.body.clone())
    }
}
