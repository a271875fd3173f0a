//! `cargo run -p example-mcp` starts the server with an embedded issuer and prints commands to try. With
//! `PORTCULLIS_ISSUER` it accepts the tokens of that issuer. `PORTCULLIS_AUDIENCE` is then the URL by which clients know the
//! endpoint, for example `https://notes.example/mcp`.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that talks to its user")]

use std::error::Error;
use std::process::ExitCode;

use portcullis_axum::Config;
use portcullis_axum::jose::Algorithm;
use portcullis_testing::{IssuerServer, TestIssuer};

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_env_filter(log_filter()).init();
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let port: u16 = std::env::var("PORT").map_or(Ok(3010), |port| port.parse())?;
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    let local = format!("http://{}/mcp", listener.local_addr()?);
    // The embedded issuer stops when it is dropped.
    let (config, embedded) = if std::env::var_os("PORTCULLIS_ISSUER").is_some() {
        (Config::from_env()?, None)
    } else {
        let server = TestIssuer::from_algorithms([Algorithm::Es256]).with_audience(&local).serve();
        (Config::new(server.issuer().url(), &local), Some(server))
    };
    let [resource] = config.audience.as_slice() else {
        return Err("PORTCULLIS_AUDIENCE: write one URL, the endpoint's".into());
    };
    let app = example_mcp::on_axum::app(&example_mcp::Service::new(config.verifier()?, resource)?)?;
    println!("the endpoint is {local}");
    for line in embedded.iter().flat_map(|issuer| lines_to_try(issuer, &local)) {
        println!("\n{line}");
    }
    axum::serve(listener, app).with_graceful_shutdown(stopped()).await?;
    Ok(())
}

/// Commands for a shell, each under a comment that says what it shows.
fn lines_to_try(server: &IssuerServer, endpoint: &str) -> Vec<String> {
    let issuer = server.issuer();
    let token = |scope: &str| issuer.token().subject("alice").scope(scope).sign();
    let (reader, writer) = (token("notes:read"), token("notes:read notes:write"));
    let elsewhere = issuer.token().audience("https://elsewhere.example/mcp").scope("notes:read").sign();
    let post = |comment: &str, token: Option<&str>, method: &str, params: &str| {
        let field = token.map(|token| format!("-H 'Authorization: Bearer {token}' ")).unwrap_or_default();
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
        format!("# {comment}\ncurl -i {field}-d '{body}' {endpoint}")
    };
    let (add, list) = (r#"{"name":"add_note","arguments":{"text":"buy milk"}}"#, r#"{"name":"list_notes"}"#);
    let well_known = endpoint.replace("/mcp", "/.well-known/oauth-protected-resource/mcp");
    vec![
        post(
            "401: no token; the challenge says where to learn more, and which scope to ask for",
            None,
            "tools/list",
            "{}",
        ),
        format!("# 200: which says where to get a token\ncurl -i {well_known}"),
        post("200: a good token", Some(&reader), "tools/list", "{}"),
        post("403: the tool needs another scope, which the challenge names", Some(&reader), "tools/call", add),
        post("200: a token with that scope", Some(&writer), "tools/call", add),
        post("200: what was noted", Some(&reader), "tools/call", list),
        post("401: a token for another server", Some(&elsewhere), "tools/list", "{}"),
    ]
}

async fn stopped() {
    if let Err(error) = tokio::signal::ctrl_c().await {
        eprintln!("Ctrl-C can't be heard: {error}");
        std::future::pending::<()>().await;
    }
}

/// Returns the filter in `RUST_LOG`. The default shows refusals and fetches.
fn log_filter() -> tracing_subscriber::EnvFilter {
    tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info,portcullis=debug".into())
}
