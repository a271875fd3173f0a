//! What callers get while the issuer is slow, down, attacked, or rotates its keys.
//!
//! The run fails when a limit is broken. `benches/peers/run.sh` runs the same scenarios with other libraries.
//!
//! `cargo bench -p portcullis-benches --bench scenarios`

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a bench may panic, and prints")]

use std::process::ExitCode;

use portcullis::keys::RemoteKeys;
use portcullis::{Audience, AuthError, Gate, JwtVerifier};
use portcullis_bench_driver::{
    About, Answer, Contender, IssuerSettings, Measured, NotBuilt, Outcome, compare, measure,
};
use portcullis_bench_report::{Cell, Report, Table};

const AT_URL: &str = concat!("portcullis ", env!("CARGO_PKG_VERSION"));
const DISCOVERED: &str = concat!("portcullis ", env!("CARGO_PKG_VERSION"), ", discovery");

fn main() -> ExitCode {
    let mut report = Report::start("scenarios");
    if report.words().iter().any(|word| word == "markdown") {
        return for_peers();
    }
    // Most of the time is that of the scenarios, so a quick run leaves one of the two out.
    if !report.is_quick() {
        report.add(table("RemoteKeys::at", measure::<AtUrl>()));
    }
    report.add(table("RemoteKeys::discover", measure::<Discovered>()));
    report.finish()
}

fn table(name: &'static str, measured: Vec<Measured>) -> Table {
    let columns = [
        ("metadata, JWKS requests", ""),
        ("accepted", ""),
        ("refused", ""),
        ("unavailable", ""),
        ("time", ""),
        ("p50", ""),
        ("p99", ""),
        ("broken limits", "count"),
    ];
    let mut table = Table::new(name, columns);
    for Measured { scenario, cells, broken } in measured {
        broken.iter().for_each(|limit| println!("{name}, {scenario}: {limit}"));
        let cells = cells.unwrap_or_else(|why| [(); 7].map(|()| why.clone())).map(Cell::Text);
        table.row(scenario, cells.into_iter().chain([Cell::count(broken.len()).must_be_at_most(0.0)]));
    }
    table
}

/// Prints the table that `benches/peers/run.sh` merges with those of other libraries.
fn for_peers() -> ExitCode {
    let settings = "RemoteKeys::at, defaults; in 3 and 6 a lifetime of 1 s";
    let at = About { name: AT_URL, settings, must_hold: true };
    let settings = "RemoteKeys::discover, defaults; in 3 and 6 a lifetime of 1 s";
    let discovered = About { name: DISCOVERED, settings, must_hold: true };
    let both = [compare::<AtUrl>(at), compare::<Discovered>(discovered)];
    if both.contains(&ExitCode::FAILURE) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Keys from a configured URL.
struct AtUrl(Gate);

impl Contender for AtUrl {
    async fn build(settings: &IssuerSettings) -> Result<Self, NotBuilt> {
        let keys = options(settings).at(&settings.jwks_url).unwrap();
        Ok(Self(gate(settings, keys)))
    }

    async fn verify(&self, token: &str) -> Answer {
        verify(&self.0, token).await
    }
}

/// Keys from a URL in the metadata.
struct Discovered(Gate);

impl Contender for Discovered {
    async fn build(settings: &IssuerSettings) -> Result<Self, NotBuilt> {
        let keys = options(settings).discover(&settings.issuer).unwrap();
        Ok(Self(gate(settings, keys)))
    }

    async fn verify(&self, token: &str) -> Answer {
        verify(&self.0, token).await
    }
}

fn options(settings: &IssuerSettings) -> portcullis::keys::RemoteKeysBuilder {
    match settings.lifetime {
        None => RemoteKeys::builder(),
        Some(lifetime) => RemoteKeys::builder().lifetime(lifetime, lifetime, lifetime),
    }
}

fn gate(settings: &IssuerSettings, keys: RemoteKeys) -> Gate {
    let audience = Audience::any_of([settings.audience.as_str()]);
    Gate::new(JwtVerifier::builder(settings.issuer.as_str(), audience, keys).build().unwrap())
}

async fn verify(gate: &Gate, token: &str) -> Answer {
    let outcome = match gate.verify(token).await.map_err(AuthError::from) {
        Ok(_) => Outcome::Accepted,
        Err(AuthError::Unavailable(_)) => Outcome::Unavailable,
        Err(_) => Outcome::Refused,
    };
    outcome.into()
}
