//! Connections with an opaque token: the verifier is asked again, and what it remembers counts.

use std::time::{Duration, Instant};

use portcullis::Gate;
use portcullis::introspection::{ClientAuthentication, IntrospectionVerifier};
use portcullis_testing::{IssuerServer, TestIssuer};

use crate::client::{Client, Frame};
use crate::service::BOUND;
use crate::{LATE, Scene, scenes_with};

/// How long an answer of the endpoint is used.
const ANSWER: Duration = Duration::from_millis(300);

fn scenes() -> impl Iterator<Item = Scene<IssuerServer>> {
    scenes_with(|| {
        let issuer = TestIssuer::new().serve();
        let client = ClientAuthentication::client_secret_basic(IssuerServer::CLIENT_ID, IssuerServer::CLIENT_SECRET);
        let verifier = IntrospectionVerifier::builder(issuer.url(), "https://api.test", client);
        let gate = Gate::new(verifier.cache(ANSWER, ANSWER).build().unwrap());
        (issuer, gate)
    })
}

fn opaque_token(scene: &Scene<IssuerServer>) -> String {
    scene.issuer.opaque_token(&scene.issuer.issuer().token().subject("alice"))
}

#[test]
fn revoked_opaque_token_ends_websockets_on_every_instance() {
    for scene in scenes() {
        let Scene { framework, serve, service, server, issuer } = &scene;
        // They share the verifier. Two verifiers share nothing.
        let others = [serve(service), serve(service)];
        let token = opaque_token(&scene);
        let mut clients = [server, &others[0], &others[1]].map(|server| Client::websocket(server.address(), &token));
        for client in &mut clients {
            assert_eq!(client.echo("hello"), Frame::Text("hello".to_owned()), "{framework}");
        }
        // All connections of a token share an answer, however often they ask.
        let (from, before) = (Instant::now(), issuer.introspection_hits());
        std::thread::sleep(ANSWER * 6);
        let asked = issuer.introspection_hits() - before;
        // An answer is replaced after three quarters of its time.
        let most = from.elapsed().as_millis() / (ANSWER * 3 / 4).as_millis() + 2;
        assert!(asked >= 1 && u128::try_from(asked).unwrap() <= most, "{framework}: {asked} of {most}");

        issuer.revoke_opaque_token(&token);
        let revoked_at = Instant::now();
        for client in &mut clients {
            assert_eq!(client.next(), Frame::close(3000, "The access token is not active"), "{framework}");
        }
        assert!(revoked_at.elapsed() < ANSWER + BOUND + LATE, "{framework}");
        assert_eq!(Client::status(server.address(), "/socket", &token), 401, "{framework}");
        scene.assert_nothing_goes_on();
    }
}

#[test]
fn outage_of_the_endpoint_ends_connections_of_opaque_tokens_after_the_bound() {
    for scene in scenes() {
        let token = opaque_token(&scene);
        let mut client = Client::websocket(scene.server.address(), &token);
        let events = Client::events(scene.server.address(), &token);
        scene.issuer.go_down();
        let down_at = Instant::now();
        let expected = Frame::close(1013, "The access token cannot be verified at the moment");
        assert_eq!(client.next(), expected, "{}", scene.framework);
        assert!(down_at.elapsed() < ANSWER + BOUND + LATE, "{}", scene.framework);
        drop(events.stream());
        scene.assert_nothing_goes_on();
        // A new connection is let in as soon as the endpoint answers.
        scene.issuer.come_back();
        assert_eq!(Client::status(scene.server.address(), "/socket", &token), 101, "{}", scene.framework);
    }
}
