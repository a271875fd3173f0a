//! A service whose keys come from a folder, from another service or from a table, on Axum and on Actix Web at the same time.
//!
//! ```sh
//! mkdir keys
//! cargo run -p example-custom-key-provider -- folder keys      # a folder of PEM, JWK and JWK Set files
//! cargo run -p example-custom-key-provider -- service URL      # a JSON object of kid and PEM, as Google has it
//! cargo run -p example-custom-key-provider -- table keys.db    # a table in SQLite
//! ```
//!
//! Axum listens on `PORT` (3010 unless set), Actix Web on the port after it. In another terminal,
//!
//! ```sh
//! cargo run -p example-custom-key-provider -- mint k1
//! ```
//!
//! creates a key pair, and prints commands to paste: they add the public key to the folder or the table, send a request
//! with a token that the private key signed, and remove the key again. The server does not restart. A change in the table
//! takes effect after up to 10 seconds.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program with a user interface in the terminal")]

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use actix_web::{App, HttpServer};
use example_custom_key_provider::{KeyFolder, KeyService, KeyTable, on_actix, on_axum};
use portcullis_axum::jose::Algorithm;
use portcullis_axum::keys::{CachedKeys, RemoteKeys, TimeLimited};
use portcullis_axum::{Audience, Gate, JwtVerifier, KeyProvider};
use portcullis_testing::{SigningKey, TestIssuer};

const ISSUER: &str = "https://issuer.example";
const AUDIENCE: &str = "https://api.example";
const USAGE: &str = "usage: example-custom-key-provider (folder PATH | service URL | table FILE | mint KID)";

/// The longest time that a request waits for the database.
const TIME_LIMIT: Duration = Duration::from_secs(2);
/// How long a row is cached. A disabled key is accepted for up to this time; without `CachedKeys` it is refused at once.
const LIFETIME: Duration = Duration::from_secs(10);

#[actix_web::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_env_filter(log_filter()).init();
    match run(&std::env::args().skip(1).collect::<Vec<_>>()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

async fn run(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    let port = std::env::var("PORT").map_or(Ok(3010), |port| port.parse())?;
    match arguments {
        [what, path] if what == "folder" => serve(KeyFolder::open(path)?, port).await,
        [what, url] if what == "service" => {
            serve(RemoteKeys::loaded_by(KeyService::new(reqwest::Client::new(), url))?, port).await
        }
        [what, path] if what == "table" => {
            let table = TimeLimited::new(KeyTable::open(path).await?, TIME_LIMIT)?;
            serve(CachedKeys::new(table, 1_000, LIFETIME)?, port).await
        }
        [what, kid] if what == "mint" => mint(kid, port),
        _ => Err(USAGE.into()),
    }
}

async fn serve(keys: impl KeyProvider + 'static, port: u16) -> Result<(), Box<dyn Error>> {
    let gate = Gate::new(JwtVerifier::builder(ISSUER, Audience::any_of([AUDIENCE]), keys).build()?);
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    println!("Axum listens on http://{}", listener.local_addr()?);
    let routes = gate.clone();
    let actix = HttpServer::new(move || App::new().configure(on_actix::routes(routes.clone()))).bind((
        "127.0.0.1",
        port.checked_add(1).ok_or("PORT: write a number below 65535, because the next port is used as well")?,
    ))?;
    for address in actix.addrs() {
        println!("Actix Web listens on http://{address}");
    }
    tokio::spawn(async move { axum::serve(listener, on_axum::app(gate)).await });
    // Actix Web stops at Ctrl-C, and then the program ends.
    actix.run().await?;
    Ok(())
}

fn mint(kid: &str, port: u16) -> Result<(), Box<dyn Error>> {
    if kid.is_empty() || !kid.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)) {
        return Err("KID: write letters, digits, - and _".into());
    }
    let key = Arc::new(SigningKey::generate(Algorithm::EdDsa, kid));
    let issuer = TestIssuer::from_algorithms([Algorithm::EdDsa]).with_url(ISSUER).with_audience(AUDIENCE);
    let token = issuer.token().subject("alice").signed_with(Arc::clone(&key)).sign();
    let jwk = key.jwk();
    println!("# add the key to the folder, or to the table");
    println!("echo '{jwk}' > keys/{kid}.jwk");
    println!("sqlite3 keys.db \"INSERT INTO verifying_keys (kid, jwk) VALUES ('{kid}', '{}')\"", {
        jwk.to_string().replace('"', "\\\"")
    });
    println!(
        "\n# 401 before the key is added, 200 after it, and 401 after it is removed (the table: after up to 10 seconds)"
    );
    for port in [port, port.saturating_add(1)] {
        println!("curl -i -H 'Authorization: Bearer {token}' http://127.0.0.1:{port}/");
    }
    println!("\n# remove the key");
    println!("rm keys/{kid}.jwk");
    println!("sqlite3 keys.db \"UPDATE verifying_keys SET enabled = 0 WHERE kid = '{kid}'\"");
    Ok(())
}

/// The filter of `RUST_LOG`. Default: refusals, and files that can't be read.
fn log_filter() -> tracing_subscriber::EnvFilter {
    tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info,portcullis=debug".into())
}
