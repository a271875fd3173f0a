//! A minimal client for WebSockets (RFC 6455) and server-sent events.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

pub(crate) struct Client(BufReader<TcpStream>);

#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Frame {
    Close {
        code: u16,
        reason: String,
    },
    Text(String),
    /// The connection ended without a closing handshake.
    End,
}

/// The head of an answer. Its fields are sorted, and `date` is left out.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(String, String)>,
}

/// The kinds of frames that a client sends, with the bit that marks the last frame of a message.
pub(crate) const TEXT: u8 = 0x81;
pub(crate) const BINARY: u8 = 0x82;
pub(crate) const PING: u8 = 0x89;
pub(crate) const FIRST_PART: u8 = 0x01;
pub(crate) const NEXT_PART: u8 = 0x00;
pub(crate) const LAST_PART: u8 = 0x80;

const HANDSHAKE: [(&str, &str); 4] = [
    ("Connection", "Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
];

impl Frame {
    pub(crate) fn close(code: u16, reason: &str) -> Self {
        Self::Close { code, reason: reason.to_owned() }
    }

    pub(crate) fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl Head {
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }
}

impl Client {
    pub(crate) fn websocket(address: SocketAddr, token: &str) -> Self {
        let (client, head) = Self::handshake(address, "/socket", &[("Authorization", &format!("Bearer {token}"))]);
        assert_eq!(head.status, 101);
        client
    }

    pub(crate) fn events(address: SocketAddr, token: &str) -> Self {
        let (client, head) = Self::ask(address, "GET /events", &[("Authorization", &format!("Bearer {token}"))]);
        assert_eq!(head.status, 200);
        client
    }

    pub(crate) fn status(address: SocketAddr, path: &str, token: &str) -> u16 {
        let authorization = format!("Bearer {token}");
        let handshake = if path == "/socket" { &HANDSHAKE[..] } else { &[] };
        let fields = [&[("Authorization", authorization.as_str())], handshake].concat();
        Self::ask(address, &format!("GET {path}"), &fields).1.status
    }

    /// Asks for a WebSocket with these fields.
    pub(crate) fn handshake(address: SocketAddr, path: &str, fields: &[(&str, &str)]) -> (Self, Head) {
        Self::ask(address, &format!("GET {path}"), &[fields, &HANDSHAKE].concat())
    }

    /// Sends a request without a body, and reads the head of the answer.
    pub(crate) fn ask(address: SocketAddr, start: &str, fields: &[(&str, &str)]) -> (Self, Head) {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let mut client = Self(BufReader::new(stream));
        let mut head = format!("{start} HTTP/1.1\r\nHost: a.test\r\n");
        if !fields.iter().any(|(name, _)| *name == "Connection") {
            head += "Connection: close\r\n";
        }
        for (name, value) in fields {
            head += &format!("{name}: {value}\r\n");
        }
        client.0.get_mut().write_all(format!("{head}\r\n").as_bytes()).unwrap();
        let status = client.line().split(' ').nth(1).unwrap().parse().unwrap();
        let mut fields: Vec<_> = std::iter::from_fn(|| Some(client.line()).filter(|line| !line.is_empty()))
            .map(|line| {
                line.split_once(": ").map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).unwrap()
            })
            .filter(|(name, _)| name != "date")
            .collect();
        fields.sort();
        (client, Head { status, fields })
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Sends a text, and returns the next frame.
    pub(crate) fn echo(&mut self, text: &str) -> Frame {
        self.send(TEXT, text.as_bytes());
        self.next()
    }

    /// Sends a frame. A server that has closed the connection does not read it.
    pub(crate) fn send(&mut self, kind: u8, payload: &[u8]) {
        // Masked with zeros (RFC 6455 §5.3).
        let length = match payload.len() {
            length @ 0..126 => vec![0x80 | u8::try_from(length).unwrap()],
            length => [&[0x80 | 127][..], &u64::try_from(length).unwrap().to_be_bytes()].concat(),
        };
        let _ = self.0.get_mut().write_all(&[&[kind], &length[..], &[0; 4], payload].concat());
    }

    /// Returns the next text or the end. Answers to pings are skipped.
    pub(crate) fn next(&mut self) -> Frame {
        let mut head = [0; 2];
        if self.0.read_exact(&mut head).is_err() {
            return Frame::End;
        }
        let length = match head[1] {
            length @ 0..126 => length.into(),
            126 => {
                let mut length = [0; 2];
                self.0.read_exact(&mut length).unwrap();
                u16::from_be_bytes(length).into()
            }
            other => panic!("a frame of length {other}"),
        };
        let mut payload = vec![0; length];
        self.0.read_exact(&mut payload).unwrap();
        match head[0] {
            0x81 => Frame::Text(String::from_utf8(payload).unwrap()),
            0x88 => {
                let code = u16::from_be_bytes([payload[0], payload[1]]);
                Frame::Close { code, reason: String::from_utf8(payload[2..].to_vec()).unwrap() }
            }
            0x8a => self.next(),
            other => panic!("a frame {other:x}"),
        }
    }

    /// Reads until the server closes the connection.
    pub(crate) fn rest(mut self) -> String {
        let mut rest = String::new();
        self.0.read_to_string(&mut rest).unwrap();
        rest
    }

    /// Reads until the server closes the connection. The body is in chunks, and has an end.
    pub(crate) fn stream(self) -> String {
        let rest = self.rest();
        assert!(rest.ends_with("0\r\n\r\n"), "the body has no end: {rest}");
        rest
    }
}
