//! Runs the vendors' verifiers for node.

use std::process::Command;

use crate::npm::Packages;

const PACKAGES: Packages = Packages {
    source: concat!(env!("CARGO_MANIFEST_DIR"), "/live/vendors"),
    folder: concat!(env!("CARGO_TARGET_TMPDIR"), "/vendors"),
    programs: &["auth0.mjs", "clerk.mjs", "cognito.mjs", "dpop.mjs", "judge.mjs"],
};

/// Returns why they cannot run without an installation. `None` means that they can.
pub(crate) fn missing() -> Option<String> {
    PACKAGES.missing()
}

/// Returns a command for one of the programs, and installs it if necessary.
pub(crate) fn program(name: &str) -> Command {
    PACKAGES.install();
    let mut node = Command::new("node");
    node.arg(name).current_dir(PACKAGES.folder);
    node
}
