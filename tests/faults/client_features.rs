//! The features of reqwest that other crates of a service enable change no key fetch. With the feature `client-features`, all
//! tests of this target run with them.

use portcullis_testing::{Fault, IssuerServer};
use reqwest::header::CONTENT_ENCODING;

use crate::support::{Scene, assert_fails};

/// `body` in each encoding, in its form without compression.
fn encodings(body: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let length = u16::try_from(body.len()).unwrap();
    let stored = [&[1][..], &length.to_le_bytes(), &(!length).to_le_bytes(), body].concat();
    let gzip = [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff][..], &stored, &crc32(body), &u32::from(length).to_le_bytes()];
    let zlib = [&[0x78, 1][..], &stored, &adler32(body)];
    let header = 1 << 20 | (u32::from(length) - 1) << 4;
    let brotli = [&header.to_le_bytes()[..3], body, &[3]];
    vec![("gzip", gzip.concat()), ("deflate", zlib.concat()), ("br", brotli.concat())]
}

fn crc32(bytes: &[u8]) -> [u8; 4] {
    let bit = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
    let crc = bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| bit(crc)));
    (!crc).to_le_bytes()
}

fn adler32(bytes: &[u8]) -> [u8; 4] {
    let (low, high) = bytes.iter().fold((1, 0), |(low, high), byte| {
        let low = (low + u32::from(*byte)) % 65_521;
        (low, (high + low) % 65_521)
    });
    (high << 16 | low).to_be_bytes()
}

/// The key set of the server.
fn key_set(server: &IssuerServer) -> String {
    server.issuer().jwks()
}

#[tokio::test]
async fn features_of_other_crates_decode_nothing() {
    for number in 0..3 {
        let encoded = |server: &IssuerServer| encodings(key_set(server).as_bytes()).swap_remove(number);
        // A client without the options asks for the encoding and decodes it.
        let scene = Scene::cold();
        let (encoding, body) = encoded(&scene.server);
        scene.server.misbehave(Fault::encoded(encoding, &body));
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let response = client.get(scene.server.jwks_url()).send().await.unwrap();
        assert_eq!(response.headers().get(CONTENT_ENCODING), None, "{encoding}");
        assert_eq!(response.text().await.unwrap(), key_set(&scene.server), "{encoding}");
        let asked = scene.server.requests().last().unwrap().header("accept-encoding").unwrap().to_owned();
        assert!(asked.contains(encoding), "{asked}");

        assert_fails(|server| {
            let (encoding, body) = encoded(server);
            server.misbehave(Fault::encoded(encoding, &body));
        })
        .await;
    }
}

#[tokio::test]
async fn features_of_other_crates_add_no_header_field() {
    let scene = Scene::cold();
    scene.server.set_header("set-cookie", "session=1; Path=/");
    let token = scene.token();
    scene.admits(&token).await;
    scene.refresh(&token).await;
    let requests = scene.server.requests();
    assert_eq!(requests.len(), 2);
    for request in requests {
        for name in ["accept-encoding", "cookie", "referer", "te", "upgrade", "http2-settings"] {
            assert_eq!(request.header(name), None, "{name}");
        }
    }
}
