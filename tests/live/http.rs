//! A minimal HTTP client for these tests.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// The answer of a server. The names of header fields are in lower case.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    /// Returns the values of all header fields with this name.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(field, _)| field == name).map(|(_, value)| value.as_str()).collect()
    }

    /// Parses the body as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }
}

/// Sends a request without a body to `address` (host and port).
pub(crate) fn get(address: &str, target: &str, headers: &[(&str, &str)]) -> io::Result<Answer> {
    exchange(address, "GET", target, headers, "")
}

/// Sends a GET request to `url`.
pub(crate) fn get_url(url: &str) -> io::Result<Answer> {
    let (address, target) = split(url);
    get(address, target, &[])
}

/// Posts a form to `url`.
pub(crate) fn post_form(url: &str, form: &[(&str, &str)]) -> io::Result<Answer> {
    let pairs: Vec<_> = form.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
    let (address, target) = split(url);
    exchange(address, "POST", target, &[("content-type", "application/x-www-form-urlencoded")], &pairs.join("&"))
}

/// Sends JSON to `url`.
pub(crate) fn send_json(method: &str, url: &str, headers: &[(&str, &str)], json: &str) -> io::Result<Answer> {
    let (address, target) = split(url);
    exchange(address, method, target, &[headers, &[("content-type", "application/json")]].concat(), json)
}

/// Splits a URL into host and port, and the path with its first slash.
fn split(url: &str) -> (&str, &str) {
    let rest = url.strip_prefix("http://").expect("a provider on loopback has no TLS");
    rest.split_at(rest.find('/').unwrap_or(rest.len()))
}

// With HTTP/1.0, an answer ends with the connection and is never chunked.
fn exchange(address: &str, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> io::Result<Answer> {
    let mut request = format!("{method} {target} HTTP/1.0\r\nhost: {address}\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        request += &format!("{name}: {value}\r\n");
    }
    request += "\r\n";
    request += body;

    let mut connection = TcpStream::connect(address)?;
    connection.set_read_timeout(Some(Duration::from_secs(30)))?;
    connection.write_all(request.as_bytes())?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    parse(&answer).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, answer))
}

pub(crate) fn parse(answer: &str) -> Option<Answer> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers = lines
        .map(|line| line.split_once(':').map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())))
        .collect::<Option<_>>()?;
    Some(Answer { status, headers, body: body.to_owned() })
}

/// Percent-encodes everything except letters and digits (RFC 3986 §2.1).
pub(crate) fn encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect()
}
