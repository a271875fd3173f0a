//! Debian packages, unpacked below the target folder instead of installed: no service starts, no user is made, and no
//! rights are needed.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// Packages, and where they are unpacked together with whatever they depend on that the system does not have.
#[derive(Debug)]
pub(crate) struct Packages {
    pub(crate) names: &'static [&'static str],
    /// A folder that `cargo clean` removes.
    pub(crate) folder: &'static str,
}

/// Written at the end, with the names of the packages.
const INSTALLED: &str = "installed";

impl Packages {
    /// Why their programs can't be run as things are; `None` when they can.
    pub(crate) fn missing(&self) -> Option<String> {
        if Command::new("apt-get").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
            return Some("apt-get not found".to_owned());
        }
        let missing = || "Debian packages are not unpacked; PORTCULLIS_LIVE=1 downloads them with apt-get".to_owned();
        (!self.is_installed()).then(missing)
    }

    /// Downloads and unpacks them, unless they are there.
    pub(crate) fn install(&self) {
        fs::create_dir_all(self.folder).unwrap();
        // Test processes may run side by side, and one installs for all.
        let alone = fs::File::create(Path::new(self.folder).join("lock")).unwrap();
        alone.lock().unwrap();
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

/// What it prints, once it has ended well.
fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed, perhaps for want of `apt-get update`:\n{errors}");
    String::from_utf8(output.stdout).unwrap()
}
