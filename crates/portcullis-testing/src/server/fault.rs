//! What can go wrong at a server.

use std::time::Duration;

/// Where a [`Fault`] shows.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Endpoint {
    /// Everywhere, but where another fault is set.
    All,
    /// At the key set.
    Jwks,
    /// At the metadata, both places.
    Metadata,
}

/// What a server does in the place of answering well.
///
/// "The answer" is the one that it would have given: status 200 with the document that was asked for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Fault {
    /// Closes the connection in the place of any answer.
    Close,
    /// Sends the answer with a `Content-Length` of all and closes after half of the body.
    CutShort,
    /// Sends the answer after this long.
    Delay(Duration),
    /// Sends the answer byte by byte, each after this long, from the status line on.
    DripAll(Duration),
    /// Sends the head of the answer, and then the body byte by byte, each after this long.
    DripBody(Duration),
    /// Sends 100 and 103 before the answer.
    EarlyHints,
    /// Sends this fault so many times, and then no fault.
    First(u32, Box<Fault>),
    /// Sends the answer, keeps the connection open, and never reads from it again.
    GoSilent,
    /// Never answers.
    Hang,
    /// Sends the answer with this many further header fields, each with a value of this many bytes.
    HeaderBomb {
        /// How many.
        fields: usize,
        /// How large.
        bytes: usize,
    },
    /// Keeps the answer, as it is when the request comes, until [`IssuerServer::release`](crate::IssuerServer::release).
    Hold,
    /// Sends a body of this many bytes in chunks, without saying how many they will be.
    Oversize(usize),
    /// Sends these bytes in the place of any answer, and closes.
    Raw(Vec<u8>),
    /// Sends half of the answer and resets the connection (RST).
    Reset,
    /// Sends the answer in chunks of one byte, so that every character of several is split.
    SplitChunks,
    /// Sends the answer under this status, with these header fields in the place of its own of the same names.
    Status {
        /// The status code.
        status: u16,
        /// Names and values.
        headers: Vec<(String, String)>,
    },
    /// Sends half of the body with a `Content-Length` that says so.
    Truncate,
    /// Sends the answer with this `Content-Length`, and closes.
    WrongContentLength(usize),
}

impl Fault {
    /// The answer under another status.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self::Status { status, headers: Vec::new() }
    }

    /// The answer under another status, with a header field.
    #[must_use]
    pub fn status_with(status: u16, name: &str, value: &str) -> Self {
        Self::Status { status, headers: vec![(name.to_owned(), value.to_owned())] }
    }

    /// A redirect.
    #[must_use]
    pub fn redirect(status: u16, location: &str) -> Self {
        Self::status_with(status, "location", location)
    }

    /// A body that says it is encoded.
    #[must_use]
    pub fn encoded(encoding: &str, body: &[u8]) -> Self {
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: {encoding}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        Self::Raw([head.as_bytes(), body].concat())
    }

    /// This fault, `times` times.
    #[must_use]
    pub fn first(self, times: u32) -> Self {
        Self::First(times, Box::new(self))
    }
}
