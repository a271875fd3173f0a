//! A minimal client for WebSockets (RFC 6455) and server-sent events.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

pub(crate) struct Client(BufReader<TcpStream>);

#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Frame {
    Close { code: u16, reason: String },
    Text(String),
}

impl Frame {
    pub(crate) fn close(code: u16, reason: &str) -> Self {
        Self::Close { code, reason: reason.to_owned() }
    }
}

impl Client {
    pub(crate) fn websocket(address: SocketAddr, token: &str) -> Self {
        let (client, status) = Self::ask(address, "/socket", token);
        assert_eq!(status, 101);
        client
    }

    pub(crate) fn events(address: SocketAddr, token: &str) -> Self {
        let (client, status) = Self::ask(address, "/events", token);
        assert_eq!(status, 200);
        client
    }

    pub(crate) fn status(address: SocketAddr, path: &str, token: &str) -> u16 {
        Self::ask(address, path, token).1
    }

    fn ask(address: SocketAddr, path: &str, token: &str) -> (Self, u16) {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let mut client = Self(BufReader::new(stream));
        let connection = if path == "/socket" {
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
        } else {
            "Connection: close"
        };
        let head =
            format!("GET {path} HTTP/1.1\r\nHost: a.test\r\nAuthorization: Bearer {token}\r\n{connection}\r\n\r\n");
        client.0.get_mut().write_all(head.as_bytes()).unwrap();
        let status = client.line().split(' ').nth(1).unwrap().parse().unwrap();
        while !client.line().is_empty() {}
        (client, status)
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Sends a text, and returns the next frame.
    pub(crate) fn echo(&mut self, text: &str) -> Frame {
        // Masked with zeros (RFC 6455 §5.3).
        let head = [0x81, 0x80 | u8::try_from(text.len()).unwrap(), 0, 0, 0, 0];
        self.0.get_mut().write_all(&[&head, text.as_bytes()].concat()).unwrap();
        self.next()
    }

    pub(crate) fn next(&mut self) -> Frame {
        let mut head = [0; 2];
        self.0.read_exact(&mut head).unwrap();
        assert!(head[1] < 126, "a short frame without a mask");
        let mut payload = vec![0; head[1].into()];
        self.0.read_exact(&mut payload).unwrap();
        match head[0] {
            0x81 => Frame::Text(String::from_utf8(payload).unwrap()),
            0x88 => {
                let code = u16::from_be_bytes([payload[0], payload[1]]);
                Frame::Close { code, reason: String::from_utf8(payload[2..].to_vec()).unwrap() }
            }
            other => panic!("a frame {other:x}"),
        }
    }

    /// Reads until the server closes the connection.
    pub(crate) fn rest(mut self) -> String {
        let mut rest = String::new();
        self.0.read_to_string(&mut rest).unwrap();
        assert!(rest.ends_with("0\r\n\r\n"), "the body has no end: {rest}");
        rest
    }
}
