//! Bodies that are not a key set, or are too large.

use portcullis::keys::RemoteKeys;
use portcullis_testing::Fault;
use serde_json::json;

use crate::log::Log;
use crate::support::{Scene, assert_accepted, assert_fails, secs, set_of, with_members};

#[tokio::test]
async fn fault_09_truncated_body_fails() {
    assert_fails(|server| server.misbehave(Fault::Truncate)).await;
    assert_fails(|server| server.misbehave(Fault::CutShort)).await;
    assert_fails(|server| server.misbehave(Fault::WrongContentLength(100_000))).await;
    assert_fails(|server| server.misbehave(Fault::WrongContentLength(20))).await;
    // All keys are complete, but the end of the set is missing.
    assert_fails(|server| {
        let jwks = server.issuer().jwks();
        server.set_jwks_body(jwks.trim_end_matches('}'));
    })
    .await;
}

#[tokio::test]
async fn fault_10_endless_body_is_read_up_to_the_limit() {
    const HUNDRED_MEGABYTES: usize = 100 * 1024 * 1024;
    let scene = Scene::warm().await;
    scene.server.misbehave(Fault::Oversize(HUNDRED_MEGABYTES));
    let error = scene.fail_to_refresh(&scene.token()).await;
    assert!(error.contains("larger than"), "{error}");
    // The socket buffers take some bytes beyond the limit.
    let sent = scene.server.bytes_sent();
    assert!(sent < HUNDRED_MEGABYTES / 2, "{sent}");
    assert_fails(|server| server.misbehave(Fault::Oversize(HUNDRED_MEGABYTES))).await;
    // With an announced length beyond the limit, nothing is read.
    let error = assert_fails(|server| server.misbehave(Fault::WrongContentLength(HUNDRED_MEGABYTES))).await;
    assert!(error.contains("larger than"), "{error}");
}

#[tokio::test]
async fn fault_10_body_limit_is_exact() {
    let server_body = |scene: &Scene, bytes: usize| {
        let jwks = scene.server.issuer().jwks();
        scene.server.set_jwks_body(format!("{jwks}{}", " ".repeat(bytes - jwks.len())));
    };
    let scene = Scene::with(|builder| builder.max_body_bytes(5_000)).warmed().await;
    let token = scene.token();
    server_body(&scene, 5_000);
    scene.refresh(&token).await;
    server_body(&scene, 5_001);
    scene.fail_to_refresh(&token).await;
    // Without a Content-Length, in chunks of one byte.
    scene.server.misbehave(Fault::SplitChunks);
    server_body(&scene, 5_000);
    scene.refresh(&token).await;
    server_body(&scene, 5_001);
    scene.fail_to_refresh(&token).await;
    // A limit of zero, or beyond the largest key set, is a configuration error.
    let url = scene.server.jwks_url();
    for (bytes, usable) in [(0, false), (1, true), (1024 * 1024, true), (1024 * 1024 + 1, false)] {
        assert_eq!(RemoteKeys::builder().max_body_bytes(bytes).at(&url).is_ok(), usable, "{bytes}");
    }
}

#[tokio::test]
async fn fault_11_no_encoding_is_requested_or_decoded() {
    let scene = Scene::cold();
    let bomb = gzip_bomb(scene.server.issuer().jwks().as_bytes());
    assert!(bomb.len() < 100_000, "{}", bomb.len());
    for encoding in ["gzip", "br", "zstd", "deflate", "identity, gzip"] {
        assert_fails(|server| server.misbehave(Fault::encoded(encoding, &bomb))).await;
    }
    // A small body with an encoding fails as well.
    let small = gzip(scene.server.issuer().jwks().as_bytes(), 0);
    assert_fails(|server| server.misbehave(Fault::encoded("gzip", &small))).await;

    scene.admits(&scene.token()).await;
    assert!(scene.server.requests().iter().all(|request| request.header("accept-encoding").is_none()));
}

#[tokio::test]
async fn fault_12_byte_order_mark_is_skipped() {
    assert_accepted(|server| server.set_jwks_body(format!("\u{feff}{}", server.issuer().jwks()))).await;
}

#[tokio::test]
async fn fault_13_only_utf_8_is_accepted() {
    assert_fails(|server| {
        let jwks = server.issuer().jwks();
        server.set_jwks_body([br#"{"a":""#, &[0xff][..], br#"","#, &jwks.as_bytes()[1..]].concat());
    })
    .await;
    for little in [true, false] {
        assert_fails(|server| {
            let text = format!("\u{feff}{}", server.issuer().jwks());
            let bytes = |unit: u16| if little { unit.to_le_bytes() } else { unit.to_be_bytes() };
            server.set_jwks_body(text.encode_utf16().flat_map(bytes).collect::<Vec<_>>());
        })
        .await;
    }
}

#[tokio::test]
async fn fault_14_deep_or_long_json_fails() {
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
        let levels = 100_000;
        assert_fails(|server| {
            server.set_jwks_body(format!(r#"{{"keys":{}1{}}}"#, open.repeat(levels), close.repeat(levels)));
        })
        .await;
        // Together with a good key.
        assert_fails(|server| {
            let jwks = server.issuer().jwks();
            let deep = format!(r#"{{"a":{}1{},"#, open.repeat(levels), close.repeat(levels));
            server.set_jwks_body(format!("{deep}{}", &jwks[1..]));
        })
        .await;
    }
    let members: String = (0..1_000_000).map(|number| format!(r#""{number}":0,"#)).collect();
    assert_fails(|server| server.set_jwks_body(format!("{{{members}{}", &server.issuer().jwks()[1..]))).await;
    let elements = "0,".repeat(500_000);
    assert_fails(|server| server.set_jwks_body(format!(r#"{{"keys":[{elements}0]}}"#))).await;
}

#[tokio::test]
async fn fault_15_duplicate_member_invalidates_key_or_set() {
    let scene = Scene::cold();
    let token = scene.token();
    let good = scene.server.issuer().first_key().jwk();
    let text = good.to_string();
    // A duplicate member in one key invalidates this key.
    let twice = text.replacen('{', r#"{"x":"AAAA","#, 1);
    let other = with_members(good.clone(), json!({"kid": "other"}));
    scene.server.set_jwks_body(format!(r#"{{"keys":[{twice},{other}]}}"#));
    scene.refuses(&token, portcullis::Reason::UnknownKey).await;
    assert_eq!(scene.keys.status().keys, 1);
    // A duplicate member in the set invalidates the set, in either order.
    for body in [format!(r#"{{"keys":[],"keys":[{text}]}}"#), format!(r#"{{"keys":[{text}],"keys":[]}}"#)] {
        assert_fails(|server| server.set_jwks_body(body.clone())).await;
    }
}

#[tokio::test]
async fn fault_21_html_page_with_status_200_fails() {
    let page = "<!DOCTYPE html><html><body>Please sign in to the network</body></html>";
    assert_fails(|server| {
        server.set_header("content-type", "text/html");
        server.set_jwks_body(page);
    })
    .await;
    for body in ["null", "[]", "{}", r#""keys""#, r#"{"keys":{}}"#, r#"{"keys":null}"#, r#"{"error":"x"}"#] {
        assert_fails(|server| server.set_jwks_body(body)).await;
    }
}

#[tokio::test]
async fn fault_22_empty_set_does_not_replace_good_keys() {
    let error = assert_fails(|server| server.set_jwks_body(r#"{"keys":[]}"#)).await;
    assert!(error.contains("no key"), "{error}");

    // The log has a warning, and the cached keys are used until they are too old.
    let (log, _guards) = Log::capture();
    let scene = Scene::warm().await;
    let token = scene.token();
    scene.server.set_jwks_body(r#"{"keys":[]}"#);
    scene.fail_to_refresh(&token).await;
    assert!(log.has_line(&["WARN", "keys not fetched", "no key of the set can be used"]), "{}", log.text());
    scene.clock.advance(secs(24 * 3_600));
    scene.is_unavailable(&token).await;
}

#[tokio::test]
async fn fault_23_unusable_set_does_not_replace_good_keys() {
    let none_usable = |server: &portcullis_testing::IssuerServer| {
        let key = server.issuer().first_key().jwk();
        server.set_jwks_body(set_of(&[
            with_members(key.clone(), json!({"use": "enc"})),
            with_members(key, json!({"kty": "FOO"})),
            json!({"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA"}),
        ]));
    };
    let error = assert_fails(none_usable).await;
    assert!(error.contains("no key of the set can be used (3 skipped)"), "{error}");
}

#[tokio::test]
async fn fault_31_a_thousand_keys_are_the_maximum() {
    let with_fillers = |server: &portcullis_testing::IssuerServer, count: usize| {
        let good = server.issuer().first_key().jwk();
        let fillers = (1..count).map(|number| with_members(good.clone(), json!({"kid": format!("filler-{number}")})));
        server.set_jwks_body(set_of(&fillers.chain([good.clone()]).collect::<Vec<_>>()));
    };
    assert_accepted(|server| with_fillers(server, 1_000)).await;
    let error = assert_fails(|server| with_fillers(server, 1_001)).await;
    assert!(error.contains("more than 1,000 keys"), "{error}");
    // The smallest members.
    let error = assert_fails(|server| server.set_jwks_body(set_of(&vec![json!({}); 10_000]))).await;
    assert!(error.contains("more than 1,000 keys"), "{error}");
    assert_fails(|server| with_fillers(server, 10_000)).await;
}

#[tokio::test]
async fn fault_66_character_split_between_chunks_is_read() {
    let scene = Scene::cold();
    let kid = "schlüssel-鍵-🔑";
    let key = crate::support::key(portcullis::jose::Algorithm::Es256, kid);
    scene.server.set_jwks_body(set_of(&[key.jwk()]));
    scene.server.misbehave(Fault::SplitChunks);
    scene.admits(&scene.server.issuer().token().signed_with(key).sign()).await;
}

/// A gzip stream of `content` and ten megabytes of spaces.
fn gzip_bomb(content: &[u8]) -> Vec<u8> {
    gzip(content, 10 * 1024 * 1024 / 258)
}

/// A gzip stream (RFC 1952) with one block of fixed codes (RFC 1951): `content`, then `runs` times 258 spaces.
fn gzip(content: &[u8], runs: usize) -> Vec<u8> {
    let mut bits = Bits::default();
    bits.low_first(0b011, 3);
    for byte in content.iter().chain(b" ") {
        match byte {
            0..=143 => bits.high_first(0x30 + u32::from(*byte), 8),
            _ => bits.high_first(0x190 + u32::from(*byte) - 144, 9),
        }
    }
    for _ in 0..runs {
        // A copy of length 258 and distance 1.
        bits.high_first(0b1100_0101, 8);
        bits.high_first(0, 5);
    }
    bits.high_first(0, 7);
    let no_checksum = [0; 8];
    [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255][..], &bits.bytes, &no_checksum].concat()
}

#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    used: usize,
}

impl Bits {
    fn low_first(&mut self, value: u32, count: usize) {
        for at in 0..count {
            if self.used == 0 {
                self.bytes.push(0);
            }
            *self.bytes.last_mut().unwrap() |= u8::from(value >> at & 1 == 1) << self.used;
            self.used = (self.used + 1) % 8;
        }
    }

    fn high_first(&mut self, value: u32, count: usize) {
        for at in (0..count).rev() {
            self.low_first(value >> at & 1, 1);
        }
    }
}
