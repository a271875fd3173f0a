//! Unpacks Debian packages below the target folder instead of installing them, so that no service starts, no user is
//! created, and no privileges are needed.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// Debian packages, and the folder for them and for their dependencies that the system lacks.
#[derive(Debug)]
pub(crate) struct Packages {
    pub(crate) names: &'static [&'static str],
    /// A folder that `cargo clean` removes.
    pub(crate) folder: &'static str,
}

/// The file that marks a complete installation. It contains the names of the packages.
const INSTALLED: &str = "installed";

impl Packages {
    /// Returns why the programs cannot run without an installation. `None` means that they can.
    pub(crate) fn missing(&self) -> Option<String> {
        if Command::new("apt-get").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
            return Some("apt-get not found".to_owned());
        }
        let missing = || "Debian packages are not unpacked; PORTCULLIS_LIVE=1 downloads them with apt-get".to_owned();
        (!self.is_installed()).then(missing)
    }

    /// Downloads and unpacks the packages, unless they are already there.
    pub(crate) fn install(&self) {
        fs::create_dir_all(self.folder).unwrap();
        // Test processes may run at the same time, and one installs for all.
        let lock = fs::File::create(Path::new(self.folder).join("lock")).unwrap();
        lock.lock().unwrap();
        if self.is_installed() {
            return;
        }
        let plan = run(Command::new("apt-get")
            .args(["install", "--simulate", "--reinstall", "--no-install-recommends", "--quiet"])
            .args(self.names));
        let needed = plan.lines().filter_map(|line| line.strip_prefix("Inst ")?.split(' ').next());
        run(Command::new("apt-get").args(["download", "--quiet"]).args(needed).current_dir(self.folder));
        for archive in fs::read_dir(self.folder).unwrap().map(|entry| entry.unwrap().path()) {
            if archive.extension().is_some_and(|extension| extension == "deb") {
                run(Command::new("dpkg-deb").arg("--extract").arg(&archive).arg(self.folder));
                fs::remove_file(archive).unwrap();
            }
        }
        fs::write(Path::new(self.folder).join(INSTALLED), self.names.join(" ")).unwrap();
    }

    fn is_installed(&self) -> bool {
        fs::read_to_string(Path::new(self.folder).join(INSTALLED)).is_ok_and(|names| names == self.names.join(" "))
    }
}

/// Runs a command and returns its output. Panics if it fails.
fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed; perhaps `apt-get update` is needed:\n{errors}");
    String::from_utf8(output.stdout).unwrap()
}
