//! Runs programs for Python with packages from PyPI, which are installed below the target folder.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/live");
/// A folder that `cargo clean` removes.
const FOLDER: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/live/python");
/// The file that marks a complete installation. It contains the requirements of the installation.
const INSTALLED: &str = "installed";
/// All packages with their versions, for the providers and for the vendors' verifiers.
const REQUIREMENTS: &str = include_str!("requirements.txt");

/// Returns why they cannot run without an installation. `None` means that they can.
pub(crate) fn missing() -> Option<String> {
    let python = Command::new("python3").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if python.is_err() {
        return Some("python3 not found".to_owned());
    }
    (!is_installed())
        .then(|| "packages for Python are not installed; PORTCULLIS_LIVE=1 installs them with pip".to_owned())
}

/// Returns a command for a program in the folder of this file. Installs the packages if necessary.
pub(crate) fn program(name: &str) -> Command {
    install();
    let mut python = Command::new("python3");
    // The packages are compiled when they are used for the first time.
    python.env_remove("PYTHONDONTWRITEBYTECODE").env("PYTHONPATH", packages()).arg(Path::new(SOURCE).join(name));
    python
}

/// Returns the version of a package.
#[allow(dead_code, reason = "only the providers have a table of versions")]
pub(crate) fn version(package: &str) -> String {
    let mut pairs = REQUIREMENTS.lines().filter_map(|line| line.split_once("=="));
    pairs.find(|(name, _)| *name == package).expect("a required package").1.to_owned()
}

fn install() {
    fs::create_dir_all(FOLDER).unwrap();
    // Test processes may run at the same time, and one installs for all.
    let lock = fs::File::create(Path::new(FOLDER).join("lock")).unwrap();
    lock.lock().unwrap();
    if is_installed() {
        return;
    }
    let _ = fs::remove_dir_all(packages());
    let status = Command::new("python3")
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--root-user-action=ignore"])
        .args(["--no-compile", "--no-deps", "--target", &packages()])
        .args(["--requirement", &format!("{SOURCE}/requirements.txt")])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .expect("python3 starts");
    assert!(status.success(), "pip failed");
    fs::write(Path::new(FOLDER).join(INSTALLED), REQUIREMENTS).unwrap();
}

fn is_installed() -> bool {
    fs::read_to_string(Path::new(FOLDER).join(INSTALLED)).is_ok_and(|installed| installed == REQUIREMENTS)
}

fn packages() -> String {
    format!("{FOLDER}/packages")
}
