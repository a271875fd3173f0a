//! A second service next to `example-sessions`. Start it with `SESSIONS_URL=http://localhost:8000`; the README has the other
//! variables.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that talks to its user")]

use std::error::Error;
use std::net::{Ipv4Addr, TcpListener};
use std::process::ExitCode;

use example_sessions_actix::{Settings, gate, serve};
use tracing_subscriber::EnvFilter;

#[actix_web::main]
async fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| "info,portcullis=debug".into());
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_env_filter(filter).init();
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            let mut cause = error.source();
            while let Some(error) = cause {
                eprintln!("  because: {error}");
                cause = error.source();
            }
            let is_setting = error.is::<portcullis_actix::ConfigError>();
            ExitCode::from(if is_setting { 2 } else { 1 })
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let settings = Settings::from_env()?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, settings.port))?;
    let own_url = format!("http://localhost:{}", listener.local_addr()?.port());
    let own_url = settings.public_url.clone().unwrap_or(own_url);
    let gate = gate(&settings, &own_url).await?;
    println!("listening on {own_url}");
    Ok(serve(&settings, gate, listener)?.await?)
}
