//! The dependencies that the published crates add to an application.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// With two enabled backends, jsonwebtoken panics at first use. So a library must not enable a backend: only the
/// application can choose it.
#[test]
fn no_published_crate_enables_a_jsonwebtoken_backend() {
    const BACKENDS: [&str; 2] = ["aws_lc_rs", "rust_crypto"];
    let is_backend = |feature: &String| BACKENDS.contains(&feature.as_str());
    for package in published_packages() {
        let features = features_of("jsonwebtoken", &package, "normal,build");
        assert!(!features.iter().any(is_backend), "{package} switches on {features:?}");
    }
    // The core depends on jsonwebtoken, and this search finds a backend where one is enabled, as in these tests.
    assert!(tree("portcullis", "normal,build").iter().any(|dependency| dependency.name == "jsonwebtoken"));
    assert!(features_of("jsonwebtoken", "portcullis-tests", "normal,build,dev").iter().any(is_backend));
}

/// RUSTSEC-2023-0071 (RSA private keys leak through timing) and RUSTSEC-2022-0093 (an Ed25519 signing oracle) affect
/// crates that are not used. RUSTSEC-2025-0009 and RUSTSEC-2026-0044 to -0048 are fixed in the version that is used.
#[test]
fn signatures_come_from_one_library_without_known_faults() {
    let mut found = false;
    for package in published_packages() {
        for dependency in tree(&package, "normal,build") {
            let version = dependency.version;
            match dependency.name.as_str() {
                "rsa" | "ed25519-dalek" | "p256" | "p384" => panic!("{package} depends on {}", dependency.name),
                "aws-lc-sys" => {
                    found = true;
                    assert!(version >= (0, 39, 0), "{package}: aws-lc-sys {version:?}");
                }
                "ring" => assert!(version >= (0, 17, 12), "{package}: ring {version:?}"),
                _ => {}
            }
        }
    }
    assert!(found, "aws-lc-sys is in no tree");
}

struct Dependency {
    name: String,
    version: (u64, u64, u64),
    features: Vec<String>,
}

/// Returns the packages of this workspace that are published.
fn published_packages() -> Vec<String> {
    let metadata: Value =
        serde_json::from_str(&cargo(&["metadata", "--format-version", "1", "--no-deps", "--locked"])).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let published: Vec<String> = packages
        .iter()
        .filter(|package| package["publish"] != Value::Array(Vec::new()))
        .map(|package| package["name"].as_str().unwrap().to_owned())
        .collect();
    assert!(published.len() >= 4 && published.contains(&"portcullis".to_owned()), "{published:?}");
    published
}

/// Returns the enabled features of `dependency` in the tree of `package` with all features.
fn features_of(dependency: &str, package: &str, edges: &str) -> Vec<String> {
    let of_it = tree(package, edges).into_iter().filter(|each| each.name == dependency);
    of_it.flat_map(|each| each.features).collect()
}

/// Returns all dependencies of `package`. `cargo tree` resolves the features for this package and these edges, without the
/// features that the tests of this workspace enable.
fn tree(package: &str, edges: &str) -> Vec<Dependency> {
    let format = ["--prefix", "none", "--format", "{p}|{f}", "--no-dedupe"];
    let mut arguments = vec!["tree", "--locked", "--all-features", "--edges", edges, "--package", package];
    arguments.extend(format);
    let mut dependencies: Vec<Dependency> = Vec::new();
    for line in cargo(&arguments).lines() {
        let (name_and_version, features) = line.split_once('|').unwrap();
        let mut words = name_and_version.split_whitespace();
        let (Some(name), Some(version)) = (words.next(), words.next()) else { panic!("{line}") };
        let dependency = Dependency {
            name: name.to_owned(),
            version: parse_version(version),
            features: features.split(',').map(str::to_owned).collect(),
        };
        dependencies.push(dependency);
    }
    dependencies
}

/// Parses `v1.2.3-more`.
fn parse_version(version: &str) -> (u64, u64, u64) {
    let release = version.trim_start_matches('v').split(['-', '+']).next().unwrap_or_default();
    let mut numbers = release.split('.').map(|number| number.parse().unwrap());
    (numbers.next().unwrap(), numbers.next().unwrap(), numbers.next().unwrap())
}

fn cargo(arguments: &[&str]) -> String {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo).args(arguments).current_dir(workspace).output().unwrap();
    assert!(output.status.success(), "cargo {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
