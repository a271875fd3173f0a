//! A Markdown table with one row per scenario.

use std::time::Duration;

use crate::finding::{Row, show};
use crate::load::Tally;

pub(crate) fn head() {
    println!(
        "| scenario | verifier | metadata, JWKS requests | accepted | refused | unavailable | time | p50 | p99 | limits |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
}

pub(crate) fn row(name: &str, row: &Row) {
    let scenario = row.scenario.title();
    let finding = match &row.finding {
        Ok(finding) => finding,
        Err(why) => {
            println!("| {scenario} | {name} | | | | | | | | n/a: {why} |");
            return;
        }
    };
    let time = |time: Option<Duration>| time.map_or_else(String::new, show);
    let Tally { accepted, refused, unavailable, .. } = finding.tally;
    let missed: Vec<_> = finding.broken.iter().chain(&finding.late).map(String::as_str).collect();
    let verdict = if missed.is_empty() { "PASS".to_owned() } else { format!("FAIL: {}", missed.join("; ")) };
    println!(
        "| {scenario} | {name} | {}, {} | {accepted} | {refused} | {unavailable} | {} | {} | {} | {verdict} |",
        finding.requests[0],
        finding.requests[1],
        time(finding.time),
        time(finding.latency.map(|latency| latency.p50)),
        time(finding.latency.map(|latency| latency.p99)),
    );
}
