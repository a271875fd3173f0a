//! Compares the time to the first accepted token, with discovery, with a bare client that makes the same two round trips.
//!
//! The bare client is one of reqwest with the same settings. It gets the metadata and the keys, reads the key and checks the
//! signature. A connection of TCP without a client shows what the server and the two round trips take.
//!
//! `cargo bench -p portcullis-benches --bench startup`

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a bench may fail by panicking"
)]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis::adapter::Credential;
use portcullis::jose::Algorithm;
use portcullis::keys::{KeySet, RemoteKeys};
use portcullis::{Audience, JwtVerifier, Verifier as _};
use portcullis_bench_report::{Report, Table, median, number};
use portcullis_testing::{IssuerServer, TestIssuer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The largest ratio to the bare client.
const LIMIT: f64 = 1.1;

fn main() -> ExitCode {
    let mut report = Report::start("startup");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let server = TestIssuer::from_algorithms([Algorithm::Rs256]).serve();
    let token = server.issuer().token().scope("read:messages").sign();
    let mut rounds = Vec::new();
    runtime.block_on(async {
        for _ in 0..report.rounds(400) {
            let bare = timed(bare_client(&server, &token)).await;
            let ours = timed(first_accepted(&server, &token)).await;
            rounds.push([bare, ours, timed(bare_connection(&server, &token)).await]);
        }
    });
    let time = |at: usize| number(median(rounds.iter().map(|round| round[at]).collect()) / 1e3);
    let ratio = |at: usize| number(median(rounds.iter().map(|round| round[at] / round[0]).collect()));
    let mut table = Table::new("first accepted token", [("time", "us"), ("of the bare client", "ratio")]);
    table.row("bare client of reqwest", [time(0), ratio(0)]);
    table.row("RemoteKeys::discover", [time(1), ratio(1).at_most(LIMIT)]);
    table.row("bare connection", [time(2), ratio(2)]);
    report.add(table);
    report.finish()
}

/// How long it takes, in nanoseconds.
async fn timed(work: impl Future<Output = ()>) -> f64 {
    let start = Instant::now();
    work.await;
    start.elapsed().as_nanos() as f64
}

async fn first_accepted(server: &IssuerServer, token: &str) {
    let keys = RemoteKeys::builder().discover(&server.url()).unwrap();
    let audience = Audience::any_of([server.issuer().audience().to_owned()]);
    let verifier = JwtVerifier::builder(server.url(), audience, keys).build().unwrap();
    assert!(verifier.verify(&Credential::bearer(token)).await.is_ok());
}

/// With the settings of this library: no redirects, no proxy, TLS with the roots of the system.
async fn bare_client(server: &IssuerServer, token: &str) {
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().http1_only();
    let client = client.tls_backend_rustls().timeout(Duration::from_secs(5)).build().unwrap();
    let get = async |url: String| client.get(url).send().await.unwrap().bytes().await.unwrap();
    let url = format!("{}/.well-known/openid-configuration", server.url().trim_end_matches('/'));
    let metadata: serde_json::Value = serde_json::from_slice(&get(url).await).unwrap();
    let jwks = get(metadata["jwks_uri"].as_str().unwrap().to_owned()).await;
    check(std::str::from_utf8(&jwks).unwrap(), token);
}

async fn bare_connection(server: &IssuerServer, token: &str) {
    let url = server.url();
    let host = url.trim_start_matches("http://").trim_end_matches('/');
    let mut connection = TcpStream::connect(host).await.unwrap();
    connection.set_nodelay(true).unwrap();
    let metadata = get(&mut connection, host, "/.well-known/openid-configuration").await;
    assert!(metadata.contains("jwks_uri"), "the metadata");
    let jwks = get(&mut connection, host, server.jwks_url().trim_start_matches(url.trim_end_matches('/'))).await;
    check(&jwks, token);
}

/// Reads the key and checks the signature, and nothing else.
fn check(jwks: &str, token: &str) {
    let keys = KeySet::from_json(jwks).unwrap();
    let key = keys.keys().next().unwrap();
    let (input, signature) = token.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    assert!(key.verify(Algorithm::Rs256, input.as_bytes(), &signature).is_ok());
}

/// Returns the body of the response. The server sends its length.
async fn get(connection: &mut TcpStream, host: &str, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n");
    connection.write_all(request.as_bytes()).await.unwrap();
    let (mut received, mut part) = (Vec::new(), [0; 8_192]);
    loop {
        let length = connection.read(&mut part).await.unwrap();
        assert!(length > 0, "the server closed the connection");
        received.extend_from_slice(&part[..length]);
        let text = String::from_utf8_lossy(&received);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let head = head.to_ascii_lowercase();
        let announced = head.split_once("content-length: ").expect("a length").1.split("\r\n").next().unwrap();
        if body.len() >= announced.parse::<usize>().unwrap() {
            return body.to_owned();
        }
    }
}
