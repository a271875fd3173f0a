//! The machine and the versions that a report names.

use std::fs;

use serde::Serialize;

#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    cpu: String,
    cores: usize,
    kernel: String,
    /// The mean number of runnable processes in the minute before the bench started. The bench itself is one.
    load_at_start: f64,
}

#[derive(Debug, Serialize)]
pub(crate) struct Versions {
    rustc: &'static str,
    portcullis: &'static str,
    jsonwebtoken: &'static str,
    #[serde(rename = "aws-lc-rs")]
    aws_lc_rs: &'static str,
}

/// The versions that the workspace builds with.
const LOCK: &str = include_str!("../../../Cargo.lock");

impl Machine {
    pub(crate) fn read() -> Self {
        let read = |file: &str| fs::read_to_string(file).unwrap_or_default();
        let cpuinfo = read("/proc/cpuinfo");
        let cpu = cpuinfo.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split_once(": "));
        let load = read("/proc/loadavg");
        Self {
            cpu: cpu.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, model)| model.to_owned()),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            kernel: read("/proc/sys/kernel/osrelease").trim().split('-').next().unwrap_or_default().to_owned(),
            load_at_start: load.split(' ').next().and_then(|mean| mean.parse().ok()).unwrap_or(f64::NAN),
        }
    }
}

impl Versions {
    pub(crate) fn read() -> Self {
        Self {
            rustc: env!("BUILT_BY"),
            portcullis: env!("CARGO_PKG_VERSION"),
            jsonwebtoken: locked("jsonwebtoken"),
            aws_lc_rs: locked("aws-lc-rs"),
        }
    }
}

fn locked(package: &str) -> &'static str {
    let start = format!("name = \"{package}\"\nversion = \"");
    let version = LOCK.split_once(&start).and_then(|(_, rest)| rest.split('"').next());
    version.expect("Cargo.lock has the package")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_those_of_the_lock_file() {
        let versions = Versions::read();
        assert!(versions.jsonwebtoken.starts_with("11.") && versions.aws_lc_rs.starts_with("1."), "{versions:?}");
        assert!(versions.rustc.starts_with("rustc 1."), "{versions:?}");
    }
}
