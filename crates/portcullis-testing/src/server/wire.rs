//! HTTP/1.1 on a raw socket, so that answers can be broken in every way.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::server::fault::Fault;
use crate::server::site::{Answer, PlannedAnswer, RequestHead, Site};

/// The largest request head that is read, in bytes.
const HEAD_MAX: usize = 64 * 1024;

/// The largest request body that is read, in bytes.
const BODY_MAX: usize = 1024 * 1024;

/// Answers the requests of one connection until either side closes it.
pub(super) async fn serve_connection(mut stream: TcpStream, site: Arc<Site>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut read = Vec::new();
    while let Some(request) = read_head(&mut stream, &mut read).await? {
        let plan = site.plan(request);
        if !answer(&mut stream, plan, &site).await? {
            break;
        }
    }
    Ok(())
}

/// Reads the next request. `None` means the end of the connection, or bytes that are not a request.
async fn read_head(stream: &mut TcpStream, read: &mut Vec<u8>) -> io::Result<Option<RequestHead>> {
    loop {
        if let Some(end) = read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            let head: Vec<u8> = read.drain(..end + 4).collect();
            let Some(mut request) = parse_head(&String::from_utf8_lossy(&head)) else { return Ok(None) };
            let length = request.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0_usize);
            while read.len() < length.min(BODY_MAX) {
                if stream.read_buf(read).await? == 0 {
                    return Ok(None);
                }
            }
            request.body = read.drain(..length.min(BODY_MAX)).collect();
            return Ok(Some(request));
        }
        if read.len() > HEAD_MAX || stream.read_buf(read).await? == 0 {
            return Ok(None);
        }
    }
}

fn parse_head(head: &str) -> Option<RequestHead> {
    let mut lines = head.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    Some(RequestHead { method, target, headers, body: Vec::new() })
}

/// Answers one request, with its fault. Returns whether the connection stays open.
async fn answer(stream: &mut TcpStream, plan: PlannedAnswer, site: &Site) -> io::Result<bool> {
    let PlannedAnswer { mut answer, fault, hold } = plan;
    if let Some(hold) = hold {
        let _ = hold.await;
    }
    let half = answer.body.len() / 2;
    match fault {
        None | Some(Fault::Hold | Fault::First(..)) => return send(stream, &answer).await,
        Some(Fault::Close) => {}
        Some(Fault::CutShort) => {
            stream.write_all(&answer.head(answer.body.len())).await?;
            stream.write_all(answer.body.get(..half).unwrap_or_default()).await?;
        }
        Some(Fault::Delay(delay)) => {
            tokio::time::sleep(delay).await;
            return send(stream, &answer).await;
        }
        Some(Fault::DripAll(pause)) => {
            let all = [answer.head(answer.body.len()), answer.body].concat();
            drip(stream, &all, pause).await?;
        }
        Some(Fault::DripBody(pause)) => {
            stream.write_all(&answer.head(answer.body.len())).await?;
            drip(stream, &answer.body, pause).await?;
        }
        Some(Fault::EarlyHints) => {
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
            stream.write_all(b"HTTP/1.1 103 Early Hints\r\nlink: </style.css>; rel=preload\r\n\r\n").await?;
            return send(stream, &answer).await;
        }
        Some(Fault::GoSilent) => {
            send(stream, &answer).await?;
            std::future::pending::<()>().await;
        }
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::HeaderBomb { fields, bytes }) => {
            let value = "x".repeat(bytes);
            answer.headers.extend((0..fields).map(|number| (format!("x-bomb-{number}"), value.clone())));
            send(stream, &answer).await?;
        }
        Some(Fault::Oversize(bytes)) => oversize(stream, bytes, site).await?,
        Some(Fault::Raw(bytes)) => stream.write_all(&bytes).await?,
        Some(Fault::Reset) => {
            stream.write_all(&answer.head(answer.body.len())).await?;
            stream.write_all(answer.body.get(..half).unwrap_or_default()).await?;
            // Closing without lingering drops unsent bytes and sends RST.
            stream.set_zero_linger()?;
        }
        Some(Fault::SplitChunks) => {
            stream.write_all(&answer.chunked_head()).await?;
            for byte in &answer.body {
                stream.write_all(&[b'1', b'\r', b'\n', *byte, b'\r', b'\n']).await?;
            }
            stream.write_all(b"0\r\n\r\n").await?;
            return Ok(true);
        }
        Some(Fault::Status { status, headers }) => {
            answer.status = status;
            let replaced = |name: &str| headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(name));
            answer.headers.retain(|(name, _)| !replaced(name));
            answer.headers.extend(headers);
            return send(stream, &answer).await;
        }
        Some(Fault::Truncate) => {
            answer.body.truncate(half);
            return send(stream, &answer).await;
        }
        Some(Fault::WrongContentLength(length)) => {
            stream.write_all(&answer.head(length)).await?;
            stream.write_all(&answer.body).await?;
        }
    }
    Ok(false)
}

async fn send(stream: &mut TcpStream, answer: &Answer) -> io::Result<bool> {
    // RFC 9110 §6.4.1: answers with these statuses never have a body.
    if matches!(answer.status, 204 | 304) {
        stream.write_all(&answer.head_without_length()).await?;
    } else {
        stream.write_all(&answer.head(answer.body.len())).await?;
        stream.write_all(&answer.body).await?;
    }
    Ok(true)
}

async fn drip(stream: &mut TcpStream, bytes: &[u8], pause: Duration) -> io::Result<()> {
    for byte in bytes {
        stream.write_all(&[*byte]).await?;
        tokio::time::sleep(pause).await;
    }
    Ok(())
}

async fn oversize(stream: &mut TcpStream, bytes: usize, site: &Site) -> io::Result<()> {
    const CHUNK: usize = 64 * 1024;
    stream
        .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n")
        .await?;
    let spaces = vec![b' '; CHUNK];
    let mut left = bytes;
    while left > 0 {
        let now = left.min(CHUNK);
        stream.write_all(format!("{now:x}\r\n").as_bytes()).await?;
        stream.write_all(spaces.get(..now).unwrap_or_default()).await?;
        stream.write_all(b"\r\n").await?;
        site.sent(now);
        left -= now;
    }
    stream.write_all(b"0\r\n\r\n").await
}

impl Answer {
    fn head(&self, length: usize) -> Vec<u8> {
        self.head_with(&format!("content-length: {length}\r\n"))
    }

    fn chunked_head(&self) -> Vec<u8> {
        self.head_with("transfer-encoding: chunked\r\n")
    }

    fn head_without_length(&self) -> Vec<u8> {
        self.head_with("")
    }

    fn head_with(&self, framing: &str) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} Answer\r\n{framing}", self.status);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        head.into_bytes()
    }
}
