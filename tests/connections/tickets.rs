//! Server-sent events with a one-time ticket.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::client::{Client, Head};
use crate::service::BOUND;
use crate::{FRAMEWORKS, LATE, eventually, scenes, service};

fn ticket(address: SocketAddr, token: &str) -> String {
    let fields = [("Authorization", &*format!("Bearer {token}")), ("Content-Length", "0")];
    let (client, head) = Client::ask(address, "POST /ticket", &fields);
    assert_eq!(head.status, 200);
    client.rest()
}

fn events(address: SocketAddr, ticket: &str) -> (Client, Head) {
    Client::ask(address, &format!("GET /events?room=7&ticket={ticket}"), &[])
}

#[test]
fn ticket_opens_one_stream_that_ends_with_the_token() {
    for scene in scenes() {
        let (framework, address) = (scene.framework, scene.server.address());
        let ticket = ticket(address, &scene.token("alice", 2));
        assert_eq!(ticket.len(), 43, "{framework}");
        let (client, head) = events(address, &ticket);
        assert_eq!(head.status, 200, "{framework}");
        assert_eq!(events(address, &ticket).1.status, 401, "{framework}");
        let stream = client.stream();
        assert!(stream.contains("data: tick\n\n"), "{framework}: {stream}");
        scene.assert_nothing_goes_on();
    }
}

#[test]
fn revocation_ends_streams_and_waiting_tickets() {
    for scene in scenes() {
        let (framework, address, token) = (scene.framework, scene.server.address(), scene.long_token("alice"));
        let [waiting, used] = [(); 2].map(|()| ticket(address, &token));
        let (client, head) = events(address, &used);
        assert_eq!(head.status, 200, "{framework}");
        eventually(framework, || scene.service.open() == 1);
        scene.service.store().revoke("alice");
        let revoked_at = Instant::now();
        drop(client.stream());
        assert!(revoked_at.elapsed() < BOUND + LATE, "{framework}");
        assert_eq!(events(address, &waiting).1.status, 401, "{framework}");
        scene.assert_nothing_goes_on();
    }
}

/// The frameworks share the tickets here.
#[test]
fn bad_tickets_are_refused_with_the_same_bytes() {
    let (issuer, service) = service();
    let token = issuer.token().subject("alice").expires_in(Duration::from_secs(3_600)).sign();
    let servers = FRAMEWORKS.map(|(_, serve)| serve(&service));
    let used = ticket(servers[0].address(), &token);
    assert_eq!(events(servers[1].address(), &used).1.status, 200);
    for (query, status) in [
        ("", 401),
        ("?ticket=", 401),
        ("?ticket=x", 401),
        ("?ticket=x&ticket=y", 400),
        (&*format!("?ticket={used}"), 401),
    ] {
        let answers = servers.each_ref().map(|server| {
            let (client, mut head) = Client::ask(server.address(), &format!("GET /events{query}"), &[]);
            head.fields.retain(|(name, _)| name != "connection");
            (head, client.rest())
        });
        assert_eq!(answers[0], answers[1], "{query}");
        assert_eq!(answers[0].0.status, status, "{query}");
    }
    // Only streams take tickets.
    let ticket = ticket(servers[0].address(), &token);
    for (server, (framework, _)) in servers.iter().zip(FRAMEWORKS) {
        let (_, head) = Client::handshake(server.address(), &format!("/socket?ticket={ticket}"), &[]);
        assert_eq!(head.status, 401, "{framework}");
    }
}
