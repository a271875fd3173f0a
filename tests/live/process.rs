//! Processes that never outlive the tests, and reserved ports.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Lines, Write};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use tokio::net::TcpSocket;

/// Returns the folder for the files of the tests. `cargo clean` removes it.
pub(crate) fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_TARGET_TMPDIR"), "/live"))
}

/// The process of an OpenID provider.
///
/// The process must end at the end of its standard input. The input stays open until this value is dropped or the tests
/// end, even if they are killed.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    commands: Option<ChildStdin>,
    answers: Lines<BufReader<ChildStdout>>,
    log: PathBuf,
}

impl Process {
    /// Starts `command`. Its standard error goes to the file `{name}.log`.
    pub(crate) fn start(command: &mut Command, name: &str) -> Self {
        let log = folder().join(format!("{name}.log"));
        let errors = fs::File::create(&log).unwrap();
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors).spawn();
        let mut child = child.unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let commands = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, commands, answers, log }
    }

    /// Sends a line to the process and waits for the answer "done".
    pub(crate) fn send(&mut self, command: &str) {
        writeln!(self.commands.as_mut().unwrap(), "{command}").unwrap();
        self.read("done");
    }

    /// Waits for a line that starts with `start`, and returns the rest of that line.
    pub(crate) fn read(&mut self, start: &str) -> String {
        let mut lines = self.answers.by_ref().map_while(Result::ok);
        let said = lines.find_map(|line| line.strip_prefix(start).map(str::to_owned));
        said.unwrap_or_else(|| panic!("the provider ended; its log is {}", self.log.display()))
    }

    /// Waits until `done` returns `true`, for a limited time.
    pub(crate) fn wait_until(&self, done: impl Fn() -> bool) {
        let came = (0..600).any(|_| {
            sleep(Duration::from_millis(50));
            done()
        });
        assert!(came, "the provider does not answer; its log is {}", self.log.display());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.commands = None;
        let _ = self.child.wait();
        if !std::thread::panicking() {
            let _ = fs::remove_file(&self.log);
        }
    }
}

/// Runs a program under a shell that watches standard input. Both end when the input ends, or when the program ends, with
/// its exit code.
pub(crate) fn guarded(program: impl AsRef<OsStr>) -> Command {
    const GUARD: &str = r#"
        exec 3<&0
        "$@" 3<&- & program=$!
        { read -r _ <&3; kill -KILL $program; } & guard=$!
        wait $program; code=$?
        kill $guard
        exit $code
    "#;
    let mut command = Command::new("/bin/sh");
    command.args(["-c", GUARD, "sh"]).arg(program).stdin(Stdio::piped());
    command
}

/// Makes a command use the libraries of unpacked packages before those of the system.
pub(crate) fn with_libraries(mut command: Command, packages: &Path) -> Command {
    let folders = fs::read_dir(packages.join("usr/lib")).into_iter().flatten().map(|entry| entry.unwrap().path());
    let libraries = folders.filter(|path| path.to_string_lossy().contains("-linux-"));
    command.env("LD_LIBRARY_PATH", std::env::join_paths(libraries).unwrap());
    command
}

/// A port that is reserved for a provider.
#[derive(Debug)]
pub(crate) struct Port {
    pub(crate) number: u16,
    // A socket that is bound but does not listen refuses connections. On Linux, the provider can still listen on its port.
    _reserve: Option<TcpSocket>,
}

impl Port {
    pub(crate) fn reserve() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let number = socket.local_addr().unwrap().port();
        Self { number, _reserve: cfg!(target_os = "linux").then_some(socket) }
    }
}
