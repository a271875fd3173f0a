//! The faults that the server can have.

use std::time::Duration;

/// The requests for which a [`Fault`] is set.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Endpoint {
    /// All requests, except those to an endpoint with its own fault.
    All,
    /// Requests to the introspection endpoint.
    Introspection,
    /// Requests for the key set.
    Jwks,
    /// Requests for the metadata, at both paths.
    Metadata,
}

/// A fault of the server.
///
/// "The answer" means the normal answer: status 200 with the requested document.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Fault {
    /// Closes the connection without an answer.
    Close,
    /// Sends the answer with the full `Content-Length`, but closes the connection after half of the body.
    CutShort,
    /// Sends the answer after this delay.
    Delay(Duration),
    /// Sends the whole answer byte by byte, with this pause after each.
    DripAll(Duration),
    /// Sends the head of the answer at once, and the body byte by byte, with this pause after each.
    DripBody(Duration),
    /// Sends 100 and 103 before the answer.
    EarlyHints,
    /// Has this fault for the first requests, this many, and then none.
    First(u32, Box<Fault>),
    /// Sends the answer and keeps the connection open, but never reads from it again.
    GoSilent,
    /// Never answers.
    Hang,
    /// Sends the answer with many additional header fields.
    HeaderBomb {
        /// The number of additional header fields.
        fields: usize,
        /// The size of each value, in bytes.
        bytes: usize,
    },
    /// Holds the answer until [`IssuerServer::release`](crate::IssuerServer::release). Its content is that of the moment
    /// when the request arrived.
    Hold,
    /// Sends a chunked body of this many bytes, without a `Content-Length`.
    Oversize(usize),
    /// Sends exactly these bytes and closes the connection.
    Raw(Vec<u8>),
    /// Sends half of the answer and resets the connection (RST).
    Reset,
    /// Sends the answer in chunks of one byte, so that multi-byte characters are split.
    SplitChunks,
    /// Sends the answer with another status.
    Status {
        /// The status code.
        status: u16,
        /// Names and values of header fields, which replace those of the same name.
        headers: Vec<(String, String)>,
    },
    /// Sends only half of the body, with the `Content-Length` of that half.
    Truncate,
    /// Sends the answer with this `Content-Length` and closes the connection.
    WrongContentLength(usize),
}

impl Fault {
    /// Makes a fault that sends the answer with another status.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self::Status { status, headers: Vec::new() }
    }

    /// Makes a fault that sends the answer with another status and a header field.
    #[must_use]
    pub fn status_with(status: u16, name: &str, value: &str) -> Self {
        Self::Status { status, headers: vec![(name.to_owned(), value.to_owned())] }
    }

    /// Makes a fault that redirects to `location`.
    #[must_use]
    pub fn redirect(status: u16, location: &str) -> Self {
        Self::status_with(status, "location", location)
    }

    /// Makes a fault that sends `body` with this `Content-Encoding`.
    #[must_use]
    pub fn encoded(encoding: &str, body: &[u8]) -> Self {
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: {encoding}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        Self::Raw([head.as_bytes(), body].concat())
    }

    /// Limits this fault to the first `times` requests.
    #[must_use]
    pub fn first(self, times: u32) -> Self {
        Self::First(times, Box::new(self))
    }
}
