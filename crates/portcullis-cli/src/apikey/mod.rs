//! `portcullis apikey`.

mod args;
mod report;

use std::ffi::OsStr;
use std::io::{self, Write as _};
use std::process::ExitCode;

use portcullis::ConfigError;
use portcullis::clock::{Clock as _, SystemClock};
use portcullis::config::variables::{environment, given};
use portcullis_sessions::SqlStore;
use portcullis_sessions::api_keys::{ApiKeyError, ApiKeys};
use serde::Serialize;

pub(crate) use self::args::{AFTER_HELP, ApikeyCommand};
use self::args::{ListArgs, NewArgs, RevokeArgs, StoreArgs};
use self::report::{Line, text};
use crate::failure::Failure;
use crate::input::next_line;
use crate::printable::printable;

/// Makes, lists or revokes keys, and returns the exit status.
///
/// # Errors
/// [`Failure`] when that is impossible.
pub(crate) fn run(command: &ApikeyCommand) -> Result<ExitCode, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::Start)?;
    runtime.block_on(async {
        match command {
            ApikeyCommand::New(args) => new(args).await,
            ApikeyCommand::List(args) => list(args).await,
            ApikeyCommand::Revoke(args) => revoke(args).await,
        }
    })
}

async fn new(args: &NewArgs) -> Result<ExitCode, Failure> {
    let keys = open(&args.store).await?;
    let lifetime = (!args.never_expires).then_some(args.expires_in);
    let made = keys.create(&args.owner, &args.label, args.scopes.clone(), lifetime).await.map_err(failure)?;
    let shown = if args.store.json {
        json(&Line::new(&made.key, made.secret.as_str()))
    } else {
        Ok(made.secret.as_str().to_owned())
    };
    if let Err(error) = shown.and_then(|line| print(&line)) {
        // The key was never shown, so no client can use it.
        keys.revoke_any(&made.key.id).await.map_err(|error| failure(error.into()))?;
        return Err(error);
    }
    note("this key is shown once; the database has its hash");
    note(&text(&made.key, SystemClock::new().now()));
    Ok(ExitCode::SUCCESS)
}

async fn list(args: &ListArgs) -> Result<ExitCode, Failure> {
    let keys = open(&args.store).await?.list(&args.owner).await.map_err(|error| failure(error.into()))?;
    let now = SystemClock::new().now();
    for key in &keys {
        print(&if args.store.json { json(&Line::of(key))? } else { text(key, now) })?;
    }
    if keys.is_empty() {
        note("the owner has no keys");
    }
    Ok(ExitCode::from(u8::from(keys.is_empty())))
}

async fn revoke(args: &RevokeArgs) -> Result<ExitCode, Failure> {
    let id = args.id.as_deref();
    let secret = if id == Some(OsStr::new("-")) { Some(secret_from_input()?) } else { None };
    let id = id.map(name).transpose()?;
    let keys = open(&args.store).await?;
    let revoked = match (&args.owner, &secret, id) {
        (Some(owner), ..) => keys.revoke_all(owner).await,
        (None, Some(secret), _) => match keys.find(secret).await {
            Ok(Some(key)) => keys.revoke_any(&key.id).await.map(u64::from),
            Ok(None) => Ok(0),
            Err(error) => Err(error),
        },
        (None, None, id) => keys.revoke_any(id.unwrap_or_default()).await.map(u64::from),
    };
    let revoked = revoked.map_err(|error| failure(error.into()))?;
    if args.store.json {
        print(&json(&serde_json::json!({ "revoked": revoked }))?)?;
    }
    note(&match revoked {
        0 => "there is no such key, or it was revoked before".to_owned(),
        1 => "revoked 1 key".to_owned(),
        more => format!("revoked {more} keys"),
    });
    Ok(ExitCode::from(u8::from(revoked == 0)))
}

async fn open(args: &StoreArgs) -> Result<ApiKeys, Failure> {
    const HINT: &str = "write --database sqlite:FILE, or set DATABASE_URL";
    let url = match &args.database {
        Some(url) if has_password(url) => {
            let hint = "set DATABASE_URL, or DATABASE_URL_FILE to the name of a file with it";
            let problem = "has a password, which other users of this machine can see in the list of processes";
            return Err(ConfigError::new("--database", problem, hint).into());
        }
        Some(url) => url.clone(),
        None => given(environment, "DATABASE_URL")?.ok_or_else(|| ConfigError::new("--database", "not given", HINT))?,
    };
    let store = SqlStore::builder(&url).table_prefix(&args.table_prefix).max_connections(1).connect().await;
    Ok(ApiKeys::builder(store.map_err(|error| database(&error))?).prefix(&args.prefix).build()?)
}

/// Whether a URL has a password in front of the host, or as a parameter.
fn has_password(url: &str) -> bool {
    let authority = url.split_once("://").map_or("", |(_, rest)| rest.split(['/', '?']).next().unwrap_or_default());
    let user = authority.rsplit_once('@').map_or("", |(user, _)| user);
    user.contains(':') || url.contains("password=")
}

/// The name of a key from the command line. No error repeats it, because it may be the text of a key.
fn name(id: &OsStr) -> Result<&str, ConfigError> {
    let name = id.to_str().filter(|name| name.len() <= 22);
    name.ok_or_else(|| {
        let problem = "not the name of a key; its text would be visible in the list of processes";
        ConfigError::new("ID", problem, "write the name that `list` shows, or - and the key on standard input")
    })
}

fn secret_from_input() -> Result<String, Failure> {
    let line = next_line(&mut io::stdin().lock(), 1024).map_err(Failure::Input)?.unwrap_or_default();
    Ok(line.trim().to_owned())
}

fn failure(error: ApiKeyError) -> Failure {
    match error {
        ApiKeyError::InvalidInput { field, problem } => {
            let flag = match field {
                "owner" => "--owner",
                "label" => "--label",
                "scopes" => "--scope",
                _ => "--expires-in",
            };
            ConfigError::new(flag, problem, "see `portcullis apikey new --help`").into()
        }
        other => database(&other),
    }
}

/// A failure with all its causes.
fn database(error: &(dyn std::error::Error + 'static)) -> Failure {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    Failure::Database(causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}")))
}

fn json(value: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string(value).map_err(|error| Failure::Output(error.into()))
}

fn print(line: &str) -> Result<(), Failure> {
    let mut output = io::stdout().lock();
    writeln!(output, "{}", printable(line)).and_then(|()| output.flush()).map_err(Failure::Output)
}

fn note(line: &str) {
    // If standard error is closed, the exit status still says it.
    let _ = writeln!(io::stderr(), "{}", printable(line));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_in_urls_are_found() {
        for url in [
            "mysql://u:p@host/db",
            "postgres://u:p@host",
            "postgres://:p@/db?host=/run",
            "postgres://u@h/db?password=p",
        ] {
            assert!(has_password(url), "{url}");
        }
        for url in ["sqlite:keys.db", "sqlite:///a:b@c.db", "mysql://u@host:3306/db", "postgres://host/db?user=u", ""] {
            assert!(!has_password(url), "{url}");
        }
    }
}
