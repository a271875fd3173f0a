//! Tells the report which compiler built it.

#![allow(clippy::print_stdout, clippy::expect_used, reason = "cargo reads this output")]

use std::process::Command;

fn main() {
    let rustc = std::env::var("RUSTC").expect("cargo sets it");
    let version = Command::new(rustc).arg("--version").output().expect("rustc runs").stdout;
    println!("cargo::rustc-env=BUILT_BY={}", String::from_utf8_lossy(&version).trim());
    println!("cargo::rerun-if-changed=build.rs");
}
