//! A complete service with accounts, login sessions and its own tokens. `cargo run -p example-sessions` starts it; the README
//! has a walk-through with curl.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that talks to its user")]

use std::error::Error;
use std::process::ExitCode;

use example_sessions::{Server, Settings, StartError};
use tracing_subscriber::EnvFilter;

#[tokio::main]
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
            ExitCode::from(if matches!(error, StartError::Settings(_)) { 2 } else { 1 })
        }
    }
}

async fn run() -> Result<(), StartError> {
    let server = Server::start(Settings::from_env()?).await?;
    println!("listening on {}", server.url());
    server.run(stopped()).await
}

/// Waits for Ctrl-C, or for the signal with which systemd and Docker stop a service.
async fn stopped() {
    let terminated = async {
        #[cfg(unix)]
        if let Ok(mut signals) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            signals.recv().await;
            return;
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        result = tokio::signal::ctrl_c() => {
            if let Err(error) = result {
                eprintln!("Ctrl-C cannot be heard: {error}");
                std::future::pending::<()>().await;
            }
        }
        () = terminated => {}
    }
}
