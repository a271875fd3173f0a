//! Connections that live longer than their request, on both frameworks: they end when the token expires, when it is revoked,
//! and when the client goes away.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests may fail by panic; clippy can't tell that these functions are tests"
)]

mod client;
mod first_message;
mod on_actix;
mod on_axum;
mod opaque;
mod revoked;
#[path = "../running.rs"]
mod running;
mod service;
mod subprotocols;
mod tickets;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use client::{Client, Frame};
use portcullis::Gate;
use portcullis::jose::Algorithm;
use portcullis_testing::TestIssuer;
use running::Running;
use service::{BOUND, Service};

/// For what a busy machine may be late. The default bound is longer.
const LATE: Duration = Duration::from_secs(15);

type Serve = fn(&Service) -> Running;

const FRAMEWORKS: [(&str, Serve); 2] = [("axum", on_axum::serve), ("actix", on_actix::serve)];

fn service() -> (TestIssuer, Service) {
    let (issuer, gate) = issuer_and_gate();
    (issuer, Service::new(gate))
}

fn issuer_and_gate() -> (TestIssuer, Gate) {
    let issuer = TestIssuer::from_algorithms([Algorithm::Es256]);
    let gate = issuer.gate();
    (issuer, gate)
}

/// The service on one framework, and the issuer of its tokens.
struct Scene<I = TestIssuer> {
    framework: &'static str,
    serve: Serve,
    issuer: I,
    service: Service,
    server: Running,
}

/// The service on each framework, one after the other.
fn scenes() -> impl Iterator<Item = Scene> {
    scenes_with(issuer_and_gate)
}

fn scenes_with<I>(start: fn() -> (I, Gate)) -> impl Iterator<Item = Scene<I>> {
    FRAMEWORKS.into_iter().map(move |(framework, serve)| {
        let (issuer, gate) = start();
        let service = Service::new(gate);
        Scene { framework, serve, issuer, server: serve(&service), service }
    })
}

impl Scene {
    fn token(&self, subject: &str, seconds: u64) -> String {
        self.issuer.token().subject(subject).expires_in(Duration::from_secs(seconds)).sign()
    }

    fn long_token(&self, subject: &str) -> String {
        self.token(subject, 3_600)
    }
}

impl<I> Scene<I> {
    /// Opens three connections, and waits until the handlers of all have begun.
    fn three_clients(&self, open: fn(SocketAddr, &str) -> Client, token: &str) -> [Client; 3] {
        let clients = [(); 3].map(|()| open(self.server.address(), token));
        eventually(self.framework, || self.service.open() == 3);
        clients
    }

    /// Sees that nothing is left: no open connection, and no question to the store.
    fn assert_nothing_goes_on(&self) {
        eventually(self.framework, || self.service.open() == 0);
        let asked = self.service.store().questions();
        std::thread::sleep(BOUND * 2);
        assert_eq!(self.service.store().questions(), asked, "{}", self.framework);
    }
}

fn eventually(what: &str, holds: impl Fn() -> bool) {
    let started_at = Instant::now();
    while !holds() {
        assert!(started_at.elapsed() < LATE, "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn websocket_ends_when_the_token_expires() {
    for scene in scenes() {
        let (framework, address) = (scene.framework, scene.server.address());
        let expires_at = Instant::now() + Duration::from_secs(2);
        let token = scene.token("alice", 2);
        let mut client = Client::websocket(address, &token);
        assert_eq!(client.echo("hello"), Frame::Text("hello".to_owned()), "{framework}");
        assert_eq!(client.next(), Frame::close(3000, "The access token expired"), "{framework}");
        assert!(Instant::now() < expires_at + LATE, "{framework}");
        scene.assert_nothing_goes_on();
        // A new connection with this token is refused (the leeway of five seconds is over then).
        std::thread::sleep(Duration::from_secs(6));
        assert_eq!(Client::status(address, "/socket", &token), 401, "{framework}");
    }
}

#[test]
fn revocation_ends_websockets_on_every_instance() {
    for scene in scenes() {
        let Scene { framework, serve, service, server, .. } = &scene;
        let others = [serve(service), serve(service)];
        let (alice, bob) = (scene.long_token("alice"), scene.long_token("bob"));
        let mut clients = [server, &others[0], &others[1]].map(|server| Client::websocket(server.address(), &alice));
        let mut other = Client::websocket(server.address(), &bob);
        for client in &mut clients {
            assert_eq!(client.echo("hello"), Frame::Text("hello".to_owned()), "{framework}");
        }
        service.store().revoke("alice");
        let revoked_at = Instant::now();
        for client in &mut clients {
            assert_eq!(client.next(), Frame::close(3000, "The access token was revoked"), "{framework}");
        }
        println!("{framework}: ended {:?} after the revocation, bound {BOUND:?}", revoked_at.elapsed());
        assert!(revoked_at.elapsed() < BOUND + LATE, "{framework}");
        assert_eq!(other.echo("still here"), Frame::Text("still here".to_owned()), "{framework}");
        drop(other);
        scene.assert_nothing_goes_on();
    }
}

#[test]
fn outage_of_the_store_ends_websockets_after_the_bound() {
    for scene in scenes() {
        let mut client = Client::websocket(scene.server.address(), &scene.long_token("alice"));
        scene.service.store().fail(true);
        let expected = Frame::close(1013, "The access token cannot be verified at the moment");
        assert_eq!(client.next(), expected, "{}", scene.framework);
        scene.assert_nothing_goes_on();
    }
}

#[test]
fn client_that_leaves_its_websocket_ends_everything() {
    for scene in scenes() {
        drop(scene.three_clients(Client::websocket, &scene.long_token("alice")));
        scene.assert_nothing_goes_on();
    }
}

#[test]
fn events_end_when_the_token_expires() {
    for scene in scenes() {
        let events = Client::events(scene.server.address(), &scene.token("alice", 2)).stream();
        assert!(events.contains("data: tick\n\n"), "{}: {events}", scene.framework);
        scene.assert_nothing_goes_on();
    }
}

#[test]
fn revocation_ends_events() {
    for scene in scenes() {
        let (framework, token) = (scene.framework, scene.long_token("alice"));
        let clients = scene.three_clients(Client::events, &token);
        scene.service.store().revoke("alice");
        let revoked_at = Instant::now();
        for client in clients {
            drop(client.stream());
        }
        assert!(revoked_at.elapsed() < BOUND + LATE, "{framework}");
        // The client of a browser connects again, and is refused.
        assert_eq!(Client::status(scene.server.address(), "/events", &token), 401, "{framework}");
        scene.assert_nothing_goes_on();
    }
}

#[test]
fn client_that_leaves_its_events_ends_everything() {
    for scene in scenes() {
        drop(scene.three_clients(Client::events, &scene.long_token("alice")));
        scene.assert_nothing_goes_on();
    }
}
