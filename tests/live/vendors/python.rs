//! Runs the verifiers for Python, which are installed below the target folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/live/vendors");
/// A folder that `cargo clean` removes.
const FOLDER: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/vendors-python");
/// The file that marks a complete installation. It contains the requirements of the installation.
const INSTALLED: &str = "installed";

/// Returns why they cannot run without an installation. `None` means that they can.
pub(crate) fn missing() -> Option<String> {
    let python = Command::new("python3").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if python.is_err() {
        return Some("python3 not found".to_owned());
    }
    (!is_installed())
        .then(|| "packages for Python are not installed; PORTCULLIS_LIVE=1 installs them with pip".to_owned())
}

/// Returns a command for one of the programs, and installs it if necessary.
pub(crate) fn program(name: &str) -> Command {
    install();
    let mut python = Command::new(executable());
    // -B: write no bytecode next to the sources.
    python.arg("-B").arg(Path::new(SOURCE).join(name));
    python
}

fn install() {
    fs::create_dir_all(FOLDER).unwrap();
    // Test processes may run at the same time, and one installs for all.
    let lock = fs::File::create(Path::new(FOLDER).join("lock")).unwrap();
    lock.lock().unwrap();
    if is_installed() {
        return;
    }
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(environment()));
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
    run(Command::new(executable()).args(pip).arg(Path::new(SOURCE).join("requirements.txt")));
    fs::write(Path::new(FOLDER).join(INSTALLED), requirements()).unwrap();
}

fn run(command: &mut Command) {
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status().expect("python3 starts");
    assert!(status.success(), "{command:?} failed");
}

fn is_installed() -> bool {
    fs::read(Path::new(FOLDER).join(INSTALLED)).is_ok_and(|installed| installed == requirements())
}

fn requirements() -> Vec<u8> {
    fs::read(Path::new(SOURCE).join("requirements.txt")).unwrap()
}

fn environment() -> PathBuf {
    Path::new(FOLDER).join("environment")
}

fn executable() -> PathBuf {
    environment().join("bin/python")
}
