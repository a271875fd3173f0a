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
mod on_actix;
mod on_axum;
#[path = "../running.rs"]
mod running;
mod service;

use std::time::{Duration, Instant};

use client::{Client, Frame};
use portcullis::jose::Algorithm;
use portcullis_testing::TestIssuer;
use running::Running;
use service::{BOUND, Service};

/// For what a busy machine may be late. The default bound is longer.
const LATE: Duration = Duration::from_secs(15);

type Serve = fn(&Service) -> Running;

const FRAMEWORKS: [(&str, Serve); 2] = [("axum", on_axum::serve), ("actix", on_actix::serve)];

fn service() -> (TestIssuer, Service) {
    let issuer = TestIssuer::from_algorithms([Algorithm::Es256]);
    let service = Service::new(issuer.gate());
    (issuer, service)
}

fn long_token(issuer: &TestIssuer, subject: &str) -> String {
    issuer.token().subject(subject).expires_in(Duration::from_secs(3_600)).sign()
}

fn eventually(what: &str, holds: impl Fn() -> bool) {
    let started_at = Instant::now();
    while !holds() {
        assert!(started_at.elapsed() < LATE, "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Sees that nothing is left: no open connection, and no question to the store.
fn assert_nothing_goes_on(service: &Service, framework: &str) {
    eventually(framework, || service.open() == 0);
    let asked = service.store().questions();
    std::thread::sleep(BOUND * 2);
    assert_eq!(service.store().questions(), asked, "{framework}");
}

#[test]
fn websocket_ends_when_the_token_expires() {
    for (framework, serve) in FRAMEWORKS {
        let (issuer, service) = service();
        let server = serve(&service);
        let expires_at = Instant::now() + Duration::from_secs(2);
        let token = issuer.token().subject("alice").expires_in(Duration::from_secs(2)).sign();
        let mut client = Client::websocket(server.address(), &token);
        assert_eq!(client.echo("hello"), Frame::Text("hello".to_owned()), "{framework}");
        assert_eq!(client.next(), Frame::close(3000, "The access token expired"), "{framework}");
        assert!(Instant::now() < expires_at + LATE, "{framework}");
        assert_nothing_goes_on(&service, framework);
        // A new connection with this token is refused (the leeway of five seconds is over then).
        std::thread::sleep(Duration::from_secs(6));
        assert_eq!(Client::status(server.address(), "/socket", &token), 401, "{framework}");
    }
}

#[test]
fn revocation_ends_websockets_on_every_instance() {
    for (framework, serve) in FRAMEWORKS {
        let (issuer, service) = service();
        let servers = [serve(&service), serve(&service), serve(&service)];
        let (alice, bob) = (long_token(&issuer, "alice"), long_token(&issuer, "bob"));
        let mut clients: Vec<Client> =
            servers.iter().map(|server| Client::websocket(server.address(), &alice)).collect();
        let mut other = Client::websocket(servers[0].address(), &bob);
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
        assert_nothing_goes_on(&service, framework);
    }
}

#[test]
fn outage_of_the_store_ends_websockets_after_the_bound() {
    for (framework, serve) in FRAMEWORKS {
        let (issuer, service) = service();
        let server = serve(&service);
        let mut client = Client::websocket(server.address(), &long_token(&issuer, "alice"));
        service.store().fail(true);
        let ended = client.next();
        assert_eq!(ended, Frame::close(1013, "The access token cannot be verified at the moment"), "{framework}");
        assert_nothing_goes_on(&service, framework);
    }
}

#[test]
fn client_that_leaves_its_websocket_ends_everything() {
    for (framework, serve) in FRAMEWORKS {
        let (issuer, service) = service();
        let server = serve(&service);
        let token = long_token(&issuer, "alice");
        let clients: Vec<Client> = (0..3).map(|_| Client::websocket(server.address(), &token)).collect();
        eventually(framework, || service.open() == 3);
        drop(clients);
        assert_nothing_goes_on(&service, framework);
    }
}

#[test]
fn events_end_when_the_token_expires() {
    for (framework, serve) in FRAMEWORKS {
        let (issuer, service) = service();
        let server = serve(&service);
        let token = issuer.token().subject("alice").expires_in(Duration::from_secs(2)).sign();
        let events = Client::events(server.address(), &token).rest();
        assert!(events.contains("data: tick\n\n"), "{framework}: {events}");
        assert_nothing_goes_on(&service, framework);
    }
}

#[test]
fn revocation_ends_events() {
    for (framework, serve) in FRAMEWORKS {
        let (issuer, service) = service();
        let server = serve(&service);
        let token = long_token(&issuer, "alice");
        let clients = [(); 3].map(|()| Client::events(server.address(), &token));
        eventually(framework, || service.open() == 3);
        service.store().revoke("alice");
        let revoked_at = Instant::now();
        for client in clients {
            drop(client.rest());
        }
        assert!(revoked_at.elapsed() < BOUND + LATE, "{framework}");
        // The client of a browser connects again, and is refused.
        assert_eq!(Client::status(server.address(), "/events", &token), 401, "{framework}");
        assert_nothing_goes_on(&service, framework);
    }
}

#[test]
fn client_that_leaves_its_events_ends_everything() {
    for (framework, serve) in FRAMEWORKS {
        let (issuer, service) = service();
        let server = serve(&service);
        let token = long_token(&issuer, "alice");
        let clients = [(); 3].map(|()| Client::events(server.address(), &token));
        eventually(framework, || service.open() == 3);
        drop(clients);
        assert_nothing_goes_on(&service, framework);
    }
}
