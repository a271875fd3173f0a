//! A token as a subprotocol of a WebSocket: what is answered, byte by byte.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::client::{Client, Frame};
use crate::{FRAMEWORKS, scenes, service};

const OFFER: &str = "Sec-WebSocket-Protocol";

#[test]
fn real_subprotocol_is_answered_and_never_the_token() {
    let (issuer, service) = service();
    let token = issuer.token().subject("alice").expires_in(Duration::from_secs(3_600)).sign();
    let encoded = format!("base64url.bearer.authorization.k8s.io.{}", URL_SAFE_NO_PAD.encode(&token));
    let bearer = format!("bearer, {token}");
    for (offers, selected) in [
        (vec![bearer.clone()], Some("bearer")),
        (vec![format!("{bearer}, chat.v2")], Some("chat.v2")),
        (vec![format!("chat.v2, chat.v1, {bearer}")], Some("chat.v2")),
        (vec!["chat.v1".to_owned(), bearer.clone(), "chat.v2".to_owned()], Some("chat.v2")),
        (vec![format!("{bearer}, chat.v1")], Some("bearer")),
        (vec![format!("{encoded}, chat.v2")], Some("chat.v2")),
        (vec![encoded], None),
    ] {
        let fields: Vec<_> = offers.iter().map(|offer| (OFFER, offer.as_str())).collect();
        let mut heads = Vec::new();
        for (framework, serve) in FRAMEWORKS {
            let server = serve(&service);
            let (mut client, head) = Client::handshake(server.address(), "/socket", &fields);
            assert_eq!(
                (head.status, head.value(&OFFER.to_ascii_lowercase())),
                (101, selected),
                "{framework} {offers:?}"
            );
            assert!(head.fields.iter().all(|(_, value)| !value.contains(&token[..20])), "{framework}");
            assert_eq!(client.echo("hello"), Frame::text("hello"), "{framework}");
            heads.push(head.fields.into_iter().filter(|(name, _)| name.starts_with("sec-")).collect::<Vec<_>>());
        }
        assert_eq!(heads[0], heads[1], "{offers:?}");
    }
}

#[test]
fn bad_offers_are_refused_with_the_same_bytes() {
    let (issuer, service) = service();
    let token = issuer.token().subject("alice").expires_in(Duration::from_secs(3_600)).sign();
    for (offer, status) in [
        ("chat.v2".to_owned(), 401),
        ("bearer".to_owned(), 400),
        (format!("bearer, {token}, bearer, {token}"), 400),
        (format!("bearer, {}", issuer.token().expired().sign()), 401),
        (format!("bearer, {token}x"), 401),
    ] {
        let answers = FRAMEWORKS.map(|(_, serve)| {
            let server = serve(&service);
            let (client, mut head) = Client::ask(server.address(), "GET /socket", &[(OFFER, &offer)]);
            head.fields.retain(|(name, _)| name != "connection");
            (head, client.rest())
        });
        assert_eq!(answers[0], answers[1], "{offer}");
        assert_eq!(answers[0].0.status, status, "{offer}");
        assert!(!format!("{answers:?}").contains(&token[..20]), "{offer}");
    }
}

#[test]
fn subprotocol_with_an_expiring_token_ends_with_it() {
    for scene in scenes() {
        let offer = format!("bearer, {}", scene.token("alice", 2));
        let (mut client, head) = Client::handshake(scene.server.address(), "/socket", &[(OFFER, &offer)]);
        assert_eq!(head.status, 101, "{}", scene.framework);
        assert_eq!(client.next(), Frame::close(3000, "The access token expired"), "{}", scene.framework);
        scene.assert_nothing_goes_on();
    }
}
