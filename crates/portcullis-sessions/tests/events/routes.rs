//! The routes of both frameworks send the same bytes.

use std::net::{SocketAddr, TcpListener};

use portcullis_sessions::{BackchannelLogout, EventReceiver};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::provider::{Provider, SESSION_REVOKED};

#[allow(unreachable_pub, reason = "documents show it as users write it")]
#[path = "../../docs/first_receivers_actix.rs"]
mod on_actix;
#[allow(unreachable_pub, reason = "documents show it as users write it")]
#[path = "../../docs/first_receivers_axum.rs"]
mod on_axum;

#[tokio::test]
async fn first_receivers_take_at_most_twelve_lines() {
    for program in
        [include_str!("../../docs/first_receivers_axum.rs"), include_str!("../../docs/first_receivers_actix.rs")]
    {
        assert!(program.lines().filter(|line| !line.trim().is_empty()).count() <= 12);
    }
    let provider = Provider::new();
    let keys = portcullis::keys::RemoteKeys::builder().at("http://127.0.0.1:9/jwks").unwrap();
    assert!(on_axum::receivers(&provider.deny_list, keys).is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_frameworks_answer_reports_with_the_same_bytes() {
    let provider = Provider::new();
    let (url, keys) = (provider.issuer.url(), || provider.issuer.keys());
    let logout = BackchannelLogout::new(url, "client-1", keys(), &provider.deny_list).unwrap();
    let events = EventReceiver::builder(url, "receiver-1", keys(), &provider.deny_list).build().unwrap();
    let servers = [serve_axum(&logout, &events).await, serve_actix(&logout, &events)];
    let form = "application/x-www-form-urlencoded";
    let set = "application/secevent+jwt";
    let logout_form = |token: String| format!("logout_token={token}");
    let good_logout = || logout_form(provider.logout_token().sign());
    let repeated = good_logout();
    let event = || provider.event(SESSION_REVOKED, json!({})).sign();
    // The path, the type, the bodies for each framework, and the status.
    let mut table: Vec<(&str, &str, [String; 2], u16)> = vec![
        ("/logout", form, [good_logout(), good_logout()], 200),
        ("/events", set, [event(), event()], 202),
        ("/logout", form, [String::new(), String::new()], 400),
        ("/logout", "text/plain", [good_logout(), good_logout()], 400),
        ("/events", "text/plain", [event(), event()], 400),
        ("/events", set, [String::new(), String::new()], 400),
    ];
    let same = |body: String| [body.clone(), body];
    for length in [32 * 1024, 32 * 1024 + 1, 300_000] {
        table.push(("/logout", form, same("a".repeat(length)), 400));
        table.push(("/events", set, same("a".repeat(length)), 400));
    }
    for token in provider.issuer.forgeries() {
        table.push(("/logout", form, same(logout_form(token.token.clone())), 400));
        table.push(("/events", set, same(token.token), 400));
    }
    let [first, ..] = servers;
    assert!(post(first, "/logout", form, &repeated).await.starts_with("HTTP/1.1 200"));
    table.push(("/logout", form, same(repeated), 400));
    assert!(table.len() > 60, "{}", table.len());
    for (path, content_type, bodies, status) in &table {
        let mut answers = Vec::new();
        for (server, body) in servers.iter().zip(bodies) {
            answers.push(post(*server, path, content_type, body).await);
        }
        assert!(answers[0].starts_with(&format!("HTTP/1.1 {status} ")), "{path} {:.80} {}", bodies[0], answers[0]);
        assert_eq!(answers[0], answers[1], "{path} {:.80}", bodies[0]);
        assert!(answers[0].contains("cache-control: no-store\r\n"), "{}", answers[0]);
    }
    provider.store.set_down(true);
    for (path, content_type, body, status) in [("/logout", form, good_logout(), 400), ("/events", set, event(), 503)] {
        let answers =
            [post(servers[0], path, content_type, &body).await, post(servers[1], path, content_type, &body).await];
        assert!(answers[0].starts_with(&format!("HTTP/1.1 {status} ")) && answers[0].contains("retry-after: 5\r\n"));
        assert_eq!(answers[0], answers[1]);
    }
}

async fn serve_axum(logout: &BackchannelLogout, events: &EventReceiver) -> SocketAddr {
    use portcullis_sessions::axum::{backchannel_logout, security_events};

    let app = backchannel_logout::<()>("/logout", logout).merge(security_events("/events", events));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async { axum::serve(listener, app).await });
    address
}

fn serve_actix(logout: &BackchannelLogout, events: &EventReceiver) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (logout, events) = (logout.clone(), events.clone());
    std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(async {
            let app = move || {
                let (logout, events) = (logout.clone(), events.clone());
                actix_web::App::new().configure(move |app| on_actix::receivers(app, &logout, &events))
            };
            let server = actix_web::HttpServer::new(app).workers(1).disable_signals();
            server.listen(listener).unwrap().run().await
        })
    });
    address
}

/// Sends a request and returns the answer without its date, with the header fields sorted.
async fn post(server: SocketAddr, path: &str, content_type: &str, body: &str) -> String {
    let mut connection = TcpStream::connect(server).await.unwrap();
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: {content_type}\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    // A server may answer before it has read a body that is too long.
    let _ = connection.write_all(request.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = connection.read_to_end(&mut answer).await;
    let answer = String::from_utf8(answer).unwrap();
    let Some((head, body)) = answer.split_once("\r\n\r\n") else { panic!("no answer: {path} {answer}") };
    let mut lines: Vec<&str> = head.split("\r\n").collect();
    let status = lines.remove(0).to_owned();
    let mut fields: Vec<String> = lines.iter().map(|line| line.to_string()).collect();
    fields.retain(|line| !line.starts_with("date:") && !line.starts_with("connection:"));
    fields.sort();
    format!("{status}\r\n{}\r\n\r\n{body}", fields.join("\r\n"))
}
