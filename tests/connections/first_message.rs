//! A token in the first message of a WebSocket.

use std::time::Instant;

use crate::client::{BINARY, Client, FIRST_PART, Frame, LAST_PART, NEXT_PART, PING, TEXT};
use crate::service::{FIRST_LIMIT, MAX_LATER};
use crate::{LATE, Scene, scenes};

fn connect(scene: &Scene) -> Client {
    let (client, head) = Client::handshake(scene.server.address(), "/first", &[]);
    assert_eq!(head.status, 101);
    client
}

#[test]
fn first_message_lets_its_caller_in() {
    for scene in scenes() {
        let (framework, token) = (scene.framework, scene.long_token("alice"));
        let mut client = connect(&scene);
        client.send(PING, b"");
        client.send(TEXT, token.as_bytes());
        assert_eq!(client.echo("hello"), Frame::text("hello"), "{framework}");
        // A message in several frames.
        let mut other = connect(&scene);
        let (start, rest) = token.as_bytes().split_at(40);
        let (middle, end) = rest.split_at(40);
        for (kind, part) in [(FIRST_PART, start), (NEXT_PART, middle), (LAST_PART, end)] {
            other.send(kind, part);
        }
        assert_eq!(other.echo("hello"), Frame::text("hello"), "{framework}");
        scene.service.store().revoke("alice");
        for client in [&mut client, &mut other] {
            assert_eq!(client.next(), Frame::close(3000, "The access token was revoked"), "{framework}");
        }
        scene.assert_nothing_goes_on();
    }
}

#[test]
fn expiry_ends_a_connection_with_a_first_message() {
    for scene in scenes() {
        let mut client = connect(&scene);
        client.send(TEXT, scene.token("alice", 2).as_bytes());
        assert_eq!(client.next(), Frame::close(3000, "The access token expired"), "{}", scene.framework);
        scene.assert_nothing_goes_on();
    }
}

#[test]
fn connection_without_a_good_first_message_is_closed() {
    for scene in scenes() {
        let (framework, long) = (scene.framework, "a".repeat(20 * 1024));
        scene.service.store().revoke("bob");
        for (kind, payload, expected) in [
            (TEXT, &*scene.issuer.token().expired().sign(), Frame::close(3000, "The access token expired")),
            (TEXT, "hello", Frame::close(3000, "The access token is not a signed JWT")),
            (TEXT, "", Frame::close(3000, "This resource requires a bearer token")),
            (TEXT, &*scene.long_token("bob"), Frame::close(3000, "The access token was revoked")),
            (TEXT, &long, Frame::close(1009, "The first message is too large")),
            (BINARY, "hello", Frame::close(1003, "The first message has to be text")),
        ] {
            let mut client = connect(&scene);
            client.send(kind, payload.as_bytes());
            assert_eq!(client.next(), expected, "{framework}");
        }
        // A message in several frames that are too large together.
        let mut client = connect(&scene);
        client.send(FIRST_PART, &[b'a'; 10_000]);
        client.send(LAST_PART, &[b'a'; 10_000]);
        assert_eq!(client.next(), Frame::close(1009, "The first message is too large"), "{framework}");
        // A frame that no later message may have either.
        let mut client = connect(&scene);
        client.send(TEXT, &vec![b'a'; MAX_LATER + 1]);
        let ended = client.next();
        assert!(matches!(ended, Frame::End | Frame::Close { code: 1009, .. }), "{framework}: {ended:?}");
        scene.assert_nothing_goes_on();
    }
}

#[test]
fn silent_connection_is_closed_in_time() {
    for scene in scenes() {
        let (framework, started_at) = (scene.framework, Instant::now());
        let mut client = connect(&scene);
        // A ping is not a message.
        client.send(PING, b"");
        assert_eq!(client.next(), Frame::close(3008, "The access token did not come in time"), "{framework}");
        assert!((FIRST_LIMIT..FIRST_LIMIT + LATE).contains(&started_at.elapsed()), "{framework}");
        scene.assert_nothing_goes_on();
    }
}
