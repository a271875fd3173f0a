//! Installs programs for node with packages from npm below the target folder.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// The file that marks a complete installation. It contains the lock file of the installation.
const INSTALLED: &str = "installed";

/// A folder with `package.json`, `package-lock.json` and programs, and the folder of the installation.
#[derive(Debug)]
pub(crate) struct Packages {
    pub(crate) source: &'static str,
    /// A folder that `cargo clean` removes.
    pub(crate) folder: &'static str,
    pub(crate) programs: &'static [&'static str],
}

impl Packages {
    /// Returns why the programs cannot run without an installation. `None` means that they can.
    pub(crate) fn missing(&self) -> Option<String> {
        if Command::new("node").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
            return Some("node not found".to_owned());
        }
        (!self.is_installed())
            .then(|| "packages for node are not installed; PORTCULLIS_LIVE=1 installs them with npm".to_owned())
    }

    /// Installs packages and programs that are missing or outdated.
    pub(crate) fn install(&self) {
        fs::create_dir_all(self.folder).unwrap();
        // Test processes may run at the same time, and one installs for all.
        let lock = fs::File::create(Path::new(self.folder).join("lock")).unwrap();
        lock.lock().unwrap();
        if !self.is_installed() {
            self.copy("package.json");
            self.copy("package-lock.json");
            let npm = Command::new("npm")
                .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])
                .current_dir(self.folder)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .status()
                .expect("npm starts");
            assert!(npm.success(), "npm ci failed");
            fs::write(Path::new(self.folder).join(INSTALLED), self.lock_file()).unwrap();
        }
        self.programs.iter().for_each(|program| self.copy(program));
    }

    fn is_installed(&self) -> bool {
        fs::read(Path::new(self.folder).join(INSTALLED)).is_ok_and(|installed| installed == self.lock_file())
    }

    fn lock_file(&self) -> Vec<u8> {
        fs::read(Path::new(self.source).join("package-lock.json")).unwrap()
    }

    // An unchanged file is not written again, because another process may be reading it.
    fn copy(&self, name: &str) {
        let (from, to) = (Path::new(self.source).join(name), Path::new(self.folder).join(name));
        let content = fs::read(from).unwrap();
        if fs::read(&to).is_ok_and(|there| there == content) {
            return;
        }
        fs::write(to, content).unwrap();
    }
}
