//! The body of a guarded service's response.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// The body of a response from behind an [`AuthLayer`](crate::AuthLayer): the service's own, or a refusal's.
    ///
    /// It wraps the service's body, because a refusal needs a body of the same type, and not every body type can be made
    /// from text: tonic's, for example, cannot. It works with every [`Body`] of [`Bytes`], and needs no allocation. Frames
    /// and trailers of the service pass unchanged.
    #[derive(Clone, Debug)]
    pub struct AuthBody<B> {
        #[pin]
        body: Kind<B>,
    }
}

pin_project! {
    #[derive(Clone, Debug)]
    #[project = KindProjection]
    enum Kind<B> {
        Service { #[pin] body: B },
        Refusal { text: Bytes },
    }
}

impl<B> AuthBody<B> {
    pub(crate) fn of_service(body: B) -> Self {
        Self { body: Kind::Service { body } }
    }

    pub(crate) fn of_refusal(text: String) -> Self {
        Self { body: Kind::Refusal { text: text.into() } }
    }
}

impl<B: Body<Data = Bytes>> Body for AuthBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project().body.project() {
            KindProjection::Service { body } => body.poll_frame(context),
            KindProjection::Refusal { text } if text.is_empty() => Poll::Ready(None),
            KindProjection::Refusal { text } => Poll::Ready(Some(Ok(Frame::data(std::mem::take(text))))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.body {
            Kind::Service { body } => body.is_end_stream(),
            Kind::Refusal { text } => text.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            Kind::Service { body } => body.size_hint(),
            Kind::Refusal { text } => SizeHint::with_exact(text.len() as u64),
        }
    }
}
