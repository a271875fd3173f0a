//! A minimal HTTP/2 client without TLS (RFC 9113 §3.3). It sends any fields, valid or not, and one request on each
//! connection.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// What a server does with a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Reply {
    Status(u16),
    /// The stream or the connection ends without an answer.
    Refused,
}

/// Sends a request with these fields, pseudo-fields included. `body` of `None` ends the stream with the fields.
pub(crate) fn exchange(address: SocketAddr, fields: &[(&str, &str)], body: Option<&[u8]>) -> Reply {
    let mut stream = TcpStream::connect(address).unwrap();
    // A server that does not answer fails the test instead of blocking it.
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let end = |is_last: bool| u8::from(is_last) * END_STREAM;
    let mut request = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    request.extend(frame(SETTINGS, 0, 0, &[]));
    request.extend(frame(HEADERS, END_HEADERS | end(body.is_none()), 1, &encode(fields)));
    if let Some(body) = body {
        request.extend(frame(DATA, end(true), 1, body));
    }
    // The server may close before the whole request is written.
    let _ = stream.write_all(&request);
    loop {
        let mut head = [0; 9];
        if stream.read_exact(&mut head).is_err() {
            return Reply::Refused;
        }
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        stream.read_exact(&mut payload).unwrap();
        match head[3] {
            HEADERS => return Reply::Status(status(&payload)),
            RST_STREAM | GOAWAY => return Reply::Refused,
            _ => {}
        }
    }
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Writes each field as a literal without indexing, with a new name (RFC 7541 §6.2.2).
fn encode(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            // An integer with a prefix of 7 bits (RFC 7541 §5.1).
            match text.len().checked_sub(127) {
                None => block.push(u8::try_from(text.len()).unwrap()),
                Some(mut rest) => {
                    block.push(127);
                    while rest >= 128 {
                        block.push(u8::try_from(rest % 128).unwrap() | 128);
                        rest /= 128;
                    }
                    block.push(u8::try_from(rest).unwrap());
                }
            }
            block.extend(text.as_bytes());
        }
    }
    block
}

/// Reads `:status`, which is the first field: from the static table, or as a literal of three digits.
fn status(block: &[u8]) -> u16 {
    const INDEXED: [u16; 7] = [200, 204, 206, 304, 400, 404, 500];
    let is_table_size = |byte: &&u8| **byte & 0xe0 == 0x20;
    let block = &block[block.iter().take_while(is_table_size).count()..];
    match *block {
        [first @ 0x88..=0x8e, ..] => INDEXED[usize::from(first - 0x88)],
        // With the name of the static table at 8, then a literal: plain, or in Huffman's code.
        [0x48 | 0x08 | 0x18, 3, hundreds, tens, ones, ..] => {
            [hundreds, tens, ones].iter().fold(0, |number, digit| number * 10 + u16::from(digit - b'0'))
        }
        [0x48 | 0x08 | 0x18, length @ (0x82 | 0x83), ref rest @ ..] => {
            huffman_digits(&rest[..usize::from(length & 0x7f)])
        }
        _ => panic!("no status in {block:02x?}"),
    }
}

/// The codes of `0`, `1` and `2` have 5 bits, those of the other digits 6 (RFC 7541, appendix B).
fn huffman_digits(bytes: &[u8]) -> u16 {
    let bits: Vec<u8> = bytes.iter().flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1)).collect();
    let number = |bits: &[u8]| bits.iter().fold(0_u16, |number, bit| number << 1 | u16::from(*bit));
    let (mut rest, mut status) = (&bits[..], 0);
    for _ in 0..3 {
        let short = number(&rest[..5]);
        let (digit, length) = if short < 3 { (short, 5) } else { (number(&rest[..6]) - 0x19 + 3, 6) };
        status = status * 10 + digit;
        rest = &rest[length..];
    }
    status
}
