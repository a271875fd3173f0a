//! A minimal HTTP client for these tests.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, ClientConnection, StreamOwned};

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
    get_url_with(url, &[])
}

/// Sends a GET request to `url` with these header fields.
pub(crate) fn get_url_with(url: &str, headers: &[(&str, &str)]) -> io::Result<Answer> {
    let (address, target) = split(url);
    get(address, target, headers)
}

/// Posts a form to `url`.
pub(crate) fn post_form(url: &str, form: &[(&str, &str)]) -> io::Result<Answer> {
    post_form_with(url, &[], form)
}

/// Posts a form to `url` with these header fields.
pub(crate) fn post_form_with(url: &str, headers: &[(&str, &str)], form: &[(&str, &str)]) -> io::Result<Answer> {
    let (address, target) = split(url);
    exchange(address, "POST", target, &[headers, &[FORM]].concat(), &form_encoded(form))
}

/// Posts a form to `url` over TLS.
pub(crate) fn post_form_over_tls(url: &str, client: Arc<ClientConfig>, form: &[(&str, &str)]) -> io::Result<Answer> {
    let (address, target) = split(url);
    let (host, _) = address.rsplit_once(':').expect("a port");
    let connection = tls(TcpStream::connect(address)?, host, client);
    converse(connection, host, "POST", target, &[FORM], &form_encoded(form))
}

/// Sends JSON to `url`.
pub(crate) fn send_json(method: &str, url: &str, headers: &[(&str, &str)], json: &str) -> io::Result<Answer> {
    let (address, target) = split(url);
    exchange(address, method, target, &[headers, &[("content-type", "application/json")]].concat(), json)
}

/// Starts TLS with the server of this name.
pub(crate) fn tls(
    connection: TcpStream,
    name: &str,
    client: Arc<ClientConfig>,
) -> StreamOwned<ClientConnection, TcpStream> {
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    StreamOwned::new(ClientConnection::new(client, name).unwrap(), connection)
}

/// Sends a request on a connection, and reads until it ends.
pub(crate) fn converse(
    mut connection: impl Read + Write,
    host: &str,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> io::Result<Answer> {
    // With HTTP/1.0, an answer ends with the connection and is never chunked.
    let mut request = format!("{method} {target} HTTP/1.0\r\nhost: {host}\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        request += &format!("{name}: {value}\r\n");
    }
    request += "\r\n";
    request += body;
    connection.write_all(request.as_bytes())?;

    let mut answer = Vec::new();
    match connection.read_to_end(&mut answer) {
        // Some servers close the connection without closing TLS.
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => return Err(error),
        _ => {}
    }
    let answer = String::from_utf8(answer).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    parse(&answer).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, answer))
}

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// Encodes pairs as a form, or as the query of a URL.
pub(crate) fn form_encoded(form: &[(&str, &str)]) -> String {
    let pairs: Vec<_> = form.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
    pairs.join("&")
}

/// Splits a URL into host and port, and the path with its first slash.
fn split(url: &str) -> (&str, &str) {
    let (_, rest) = url.split_once("://").expect("a URL");
    rest.split_at(rest.find('/').unwrap_or(rest.len()))
}

fn exchange(address: &str, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> io::Result<Answer> {
    let connection = TcpStream::connect(address)?;
    connection.set_read_timeout(Some(Duration::from_secs(30)))?;
    converse(connection, address, method, target, headers, body)
}

fn parse(answer: &str) -> Option<Answer> {
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
