//! The verifiers that run on node.

use std::process::Command;

use crate::npm::Packages;

const PACKAGES: Packages = Packages {
    source: concat!(env!("CARGO_MANIFEST_DIR"), "/live/vendors"),
    folder: concat!(env!("CARGO_TARGET_TMPDIR"), "/vendors"),
    programs: &["auth0.mjs", "clerk.mjs", "cognito.mjs", "judge.mjs"],
};

/// Why they can't be run as things are; `None` when they can.
pub(crate) fn missing() -> Option<String> {
    PACKAGES.missing()
}

/// One of the programs, installed if need be.
pub(crate) fn program(name: &str) -> Command {
    PACKAGES.install();
    let mut node = Command::new("node");
    node.arg(name).current_dir(PACKAGES.folder);
    node
}
