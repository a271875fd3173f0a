//! A minimal HTTP/1.1 client. It sends any bytes, and it panics when an answer is not valid.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::answer::Answer;

pub(crate) struct Connection {
    address: SocketAddr,
    stream: BufReader<TcpStream>,
    /// Whether the last answer closed the connection (RFC 9112 §9.6).
    is_closed: bool,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        // A server that does not answer fails the test instead of blocking it.
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        Self { address, stream: BufReader::new(stream), is_closed: false }
    }

    pub(crate) fn exchange(&mut self, request: &[u8], head: bool) -> Answer {
        if self.is_closed {
            *self = Self::open(self.address);
        }
        self.write(request);
        self.read_answer(head)
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.stream.get_mut().write_all(bytes).unwrap();
    }

    /// Reads one answer. The answer to HEAD has no body, even with a `content-length` (RFC 9112 §6.3).
    pub(crate) fn read_answer(&mut self, head: bool) -> Answer {
        let status_line = self.line();
        let status = status_line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).expect(&status_line);
        let status = status.parse().expect(&status_line);
        let mut fields = Vec::new();
        loop {
            let line = self.line();
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').expect(&line);
            fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        self.is_closed = fields.contains(&("connection".to_owned(), "close".to_owned()));
        // A 204 has no body and no length (RFC 9110 §8.6).
        let length =
            fields.iter().find(|(name, _)| name == "content-length").map(|(_, length)| length.parse().unwrap());
        assert!(length.is_some() || status == 204, "{status_line}: an answer of known length");
        let mut body = vec![0; if head { 0 } else { length.unwrap_or(0) }];
        self.stream.read_exact(&mut body).unwrap();
        Answer::new(status, fields, body)
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        line.strip_suffix("\r\n").expect("a whole line").to_owned()
    }
}
