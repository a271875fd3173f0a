//! Runs the command as a process, and writes files for it.

#![allow(dead_code, reason = "each test program uses its part")]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// The path of the command.
pub(crate) const PORTCULLIS: &str = env!("CARGO_BIN_EXE_portcullis");

/// A folder that only one test uses.
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// Creates an empty folder. No other test may use the same `name`.
    pub(crate) fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        if path.exists() {
            std::fs::remove_dir_all(&path).unwrap();
        }
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Writes a file and returns its path.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, content).unwrap();
        path.into_os_string().into_string().unwrap()
    }
}

/// The exit status and the output of the command.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Outcome {
    /// Returns each line of output as JSON.
    pub(crate) fn verdicts(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Returns the only verdict.
    pub(crate) fn verdict(&self) -> Value {
        let verdicts = self.verdicts();
        assert_eq!(verdicts.len(), 1, "{self:?}");
        verdicts.into_iter().next().unwrap()
    }

    /// Checks that the only token is accepted, and returns the verdict.
    #[track_caller]
    pub(crate) fn accepts(&self) -> Value {
        assert_eq!(self.status, 0, "{self:?}");
        let verdict = self.verdict();
        assert_eq!(verdict["verdict"], "accept", "{self:?}");
        verdict
    }

    /// Checks that the only token is rejected, and returns the reason.
    #[track_caller]
    pub(crate) fn rejects(&self) -> String {
        assert_eq!(self.status, 1, "{self:?}");
        let verdict = self.verdict();
        assert_eq!(verdict["verdict"], "reject", "{self:?}");
        assert!(!verdict["detail"].as_str().unwrap().is_empty());
        verdict["reason"].as_str().unwrap().to_owned()
    }

    /// Checks that the command fails with exit status 2, and returns the message.
    #[track_caller]
    pub(crate) fn fails(&self) -> &str {
        assert_eq!(self.status, 2, "{self:?}");
        assert_eq!(self.stdout, "", "no verdict where nothing was judged");
        assert!(!self.stderr.is_empty());
        &self.stderr
    }
}

/// Runs `portcullis verify` with these arguments.
pub(crate) fn verify<S: AsRef<str>>(arguments: impl IntoIterator<Item = S>) -> Outcome {
    verify_with_input(arguments, b"")
}

/// Runs `portcullis verify` with these arguments and this standard input.
pub(crate) fn verify_with_input<S: AsRef<str>>(arguments: impl IntoIterator<Item = S>, input: &[u8]) -> Outcome {
    let arguments = arguments.into_iter().map(|argument| argument.as_ref().to_owned());
    run(std::iter::once("verify".to_owned()).chain(arguments), input)
}

/// Runs the command with these arguments and this standard input.
pub(crate) fn run(arguments: impl IntoIterator<Item = String>, input: &[u8]) -> Outcome {
    let mut child = Command::new(PORTCULLIS)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    // The command may end before it reads all input. Writing then fails, and the test checks the outcome.
    let writer = std::thread::spawn(move || stdin.write_all(&input).is_ok());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    Outcome {
        status: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}
