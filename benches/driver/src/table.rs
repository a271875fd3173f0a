//! A Markdown table with one row per scenario.

use std::time::Duration;

use crate::Measured;
use crate::finding::{Row, show};
use crate::load::Tally;

pub(crate) fn head() {
    println!(
        "| scenario | verifier | metadata, JWKS requests | accepted | refused | unavailable | time | p50 | p99 | limits |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
}

pub(crate) fn row(name: &str, row: &Measured) {
    let scenario = row.scenario;
    match &row.cells {
        Ok(cells) => {
            let verdict =
                if row.broken.is_empty() { "PASS".to_owned() } else { format!("FAIL: {}", row.broken.join("; ")) };
            println!("| {scenario} | {name} | {} | {verdict} |", cells.join(" | "));
        }
        Err(why) => println!("| {scenario} | {name} | | | | | | | | n/a: {why} |"),
    }
}

/// Makes texts of a result. A scenario that does not apply breaks no limit.
pub(crate) fn measured(row: &Row) -> Measured {
    let scenario = row.scenario.title();
    let finding = match &row.finding {
        Ok(finding) => finding,
        Err(why) => return Measured { scenario, cells: Err(why.clone()), broken: Vec::new() },
    };
    let time = |time: Option<Duration>| time.map_or_else(String::new, show);
    let Tally { accepted, refused, unavailable, .. } = finding.tally;
    let cells = [
        format!("{}, {}", finding.requests[0], finding.requests[1]),
        accepted.to_string(),
        refused.to_string(),
        unavailable.to_string(),
        time(finding.time),
        time(finding.latency.map(|latency| latency.p50)),
        time(finding.latency.map(|latency| latency.p99)),
    ];
    Measured { scenario, cells: Ok(cells), broken: finding.broken.iter().chain(&finding.late).cloned().collect() }
}
