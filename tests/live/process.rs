//! Processes that never outlive the tests, and a provider's port.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Lines, Write};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use tokio::net::TcpSocket;

/// Where the tests keep their files. `cargo clean` removes it.
pub(crate) fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_TARGET_TMPDIR"), "/live"))
}

/// A provider's process. It has to end when its standard input does, which is held open until this is dropped or the tests
/// end, also when they are killed.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    orders: Option<ChildStdin>,
    answers: Lines<BufReader<ChildStdout>>,
    log: PathBuf,
}

impl Process {
    /// Starts `command`. What it writes to standard error goes to a file, which `name` names.
    pub(crate) fn start(command: &mut Command, name: &str) -> Self {
        let log = folder().join(format!("{name}.log"));
        let errors = fs::File::create(&log).unwrap();
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors).spawn();
        let mut child = child.unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let orders = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, orders, answers, log }
    }

    /// Writes it a line, which it has to answer with "done".
    pub(crate) fn order(&mut self, order: &str) {
        writeln!(self.orders.as_mut().unwrap(), "{order}").unwrap();
        self.read("done");
    }

    /// Reads until it prints a line that starts with `start`, and returns the rest of that line.
    pub(crate) fn read(&mut self, start: &str) -> String {
        let mut lines = self.answers.by_ref().map_while(Result::ok);
        let said = lines.find_map(|line| line.strip_prefix(start).map(str::to_owned));
        said.unwrap_or_else(|| panic!("the provider ended; its log is {}", self.log.display()))
    }

    /// Asks until it is `done`; a bounded number of times.
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
        self.orders = None;
        let _ = self.child.wait();
        if !std::thread::panicking() {
            let _ = fs::remove_file(&self.log);
        }
    }
}

/// Runs a program that takes no notice of its standard input under a shell that does: both end when that ends, and when
/// the program does, with its exit code.
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

/// A port that nobody else gets.
#[derive(Debug)]
pub(crate) struct Port {
    pub(crate) number: u16,
    // A socket that is bound but does not listen refuses connections, and on Linux lets the provider listen beside it.
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
