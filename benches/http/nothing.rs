//! An extractor, a layer and a middleware that do nothing: what is left is the framework's own cost.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use tower::{Layer, Service};

/// The extractor, of both frameworks.
pub(crate) struct Nothing;

impl<S: Sync> FromRequestParts<S> for Nothing {
    type Rejection = Infallible;

    async fn from_request_parts(_: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self)
    }
}

impl FromRequest for Nothing {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, actix_web::Error>>;

    fn from_request(_: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self))
    }
}

/// The layer of Axum.
#[derive(Clone)]
pub(crate) struct NoLayer;

/// The service behind it.
#[derive(Clone)]
pub(crate) struct Behind<S>(S);

impl<S> Layer<S> for NoLayer {
    type Service = Behind<S>;

    fn layer(&self, inner: S) -> Behind<S> {
        Behind(inner)
    }
}

impl<R, S: Service<R>> Service<R> for Behind<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: R) -> S::Future {
        self.0.call(request)
    }
}
