//! The arguments of `portcullis apikey`.

use std::ffi::OsString;
use std::time::Duration;

use clap::{Args, Subcommand};

pub(crate) const AFTER_HELP: &str = "\
The database is one that SqlStore of portcullis-sessions uses. Its tables are made if they are missing. A URL with a password
belongs in the variable DATABASE_URL, or in a file that DATABASE_URL_FILE names.

Exit status: 0 done, 1 there is no such key, 2 bad usage or configuration, or the database is unavailable.

Examples:
  # Make a key for 90 days. The only line on standard output is the key, which is shown once:
  portcullis apikey new --database sqlite:keys.db --owner alice --label \"nightly export\" --scope orders:read

  # The keys of an owner, one JSON object for each:
  DATABASE_URL=postgres://user:password@db.example.com/shop portcullis apikey list --owner alice --json

  # Revoke a key by its name, and a key that was found in public by its text:
  portcullis apikey revoke --database sqlite:keys.db kG1pQb0JTQ6mZ0a0yqS2Vw
  portcullis apikey revoke --database sqlite:keys.db - < leaked.txt
";

#[derive(Subcommand)]
pub(crate) enum ApikeyCommand {
    /// Make a key and print it once
    New(NewArgs),
    /// List the keys of an owner
    List(ListArgs),
    /// Revoke a key, or all keys of an owner
    Revoke(RevokeArgs),
}

/// Where the keys are.
#[derive(Args)]
pub(crate) struct StoreArgs {
    /// The database: sqlite:FILE, mysql://…, postgres://… [default: the variable DATABASE_URL]
    #[arg(long, value_name = "URL")]
    pub(crate) database: Option<String>,
    /// What the names of the tables begin with, as in the service
    #[arg(long, value_name = "PREFIX", default_value = "", hide_default_value = true)]
    pub(crate) table_prefix: String,
    /// What keys begin with, as in the service
    #[arg(long, value_name = "PREFIX", default_value = "pk_")]
    pub(crate) prefix: String,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct NewArgs {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// Whose key it is: the claim sub of its requests
    #[arg(long)]
    pub(crate) owner: String,
    /// What the owner recognizes it by
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) label: String,
    /// A scope that it grants; repeat for several
    #[arg(long = "scope", value_name = "SCOPE")]
    pub(crate) scopes: Vec<String>,
    /// How long it is accepted: a number with s, m, h or d
    #[arg(long, value_name = "DURATION", default_value = "90d", value_parser = duration)]
    pub(crate) expires_in: Duration,
    /// Let it be accepted until it is revoked
    #[arg(long, conflicts_with = "expires_in")]
    pub(crate) never_expires: bool,
}

#[derive(Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// Whose keys to list
    #[arg(long)]
    pub(crate) owner: String,
}

#[derive(Args)]
pub(crate) struct RevokeArgs {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// The name of the key, or - to read its text from standard input
    #[arg(
        value_name = "ID | -",
        required_unless_present = "owner",
        conflicts_with = "owner",
        allow_hyphen_values = true
    )]
    pub(crate) id: Option<OsString>,
    /// Revoke all keys of this owner
    #[arg(long)]
    pub(crate) owner: Option<String>,
}

fn duration(text: &str) -> Result<Duration, &'static str> {
    const HINT: &str = "not a duration; write a number with s, m, h or d, for example 90d";
    let unit = text.chars().next_back().ok_or(HINT)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 60 * 60,
        'd' => 24 * 60 * 60,
        _ => return Err(HINT),
    };
    let number = text.strip_suffix(unit).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    let number: u64 = number.and_then(|digits| digits.parse().ok()).ok_or(HINT)?;
    number.checked_mul(seconds).map(Duration::from_secs).ok_or(HINT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        for (text, seconds) in [("45s", 45), ("30m", 1_800), ("12h", 43_200), ("90d", 7_776_000), ("0s", 0)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in [
            "",
            "d",
            "90",
            "90 d",
            "+9d",
            "-9d",
            "1.5h",
            "9w",
            "9dd",
            "99999999999999999999d",
            "213503982334602d",
            "9ö",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
