//! The commands that the server prints do what they and the README say.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests may fail by panic; clippy can't tell that these functions are tests"
)]

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

/// Stops the server at the end, also after a panic.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn printed_commands_work_when_pasted() {
    if Command::new("curl").arg("--version").output().is_err() {
        eprintln!("SKIPPED commands of the README: there is no curl");
        return;
    }
    let readme = include_str!("../README.md");
    let rows: Vec<_> = readme.lines().filter(|line| line.starts_with("| 2") || line.starts_with("| 4")).collect();

    let mut program = Command::new(env!("CARGO_BIN_EXE_example-mcp"));
    program.env("PORT", "0").env_remove("PORTCULLIS_ISSUER").stdout(Stdio::piped()).stderr(Stdio::null());
    let mut server = Server(program.spawn().unwrap());
    let mut printed = BufReader::new(server.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(printed.next().unwrap().starts_with("the endpoint is http://127.0.0.1:"));
    let mut comments = Vec::new();
    for _ in &rows {
        let [empty, comment, command] = [(); 3].map(|()| printed.next().unwrap());
        assert!(empty.is_empty(), "{empty}");
        let answer = Command::new("bash").args(["-c", &command]).output().unwrap();
        let answer = String::from_utf8(answer.stdout).unwrap();
        let status = answer.split(' ').nth(1).unwrap();
        let said = comment.strip_prefix("# ").and_then(|comment| comment.split_once(": ")).unwrap();
        assert_eq!(said.0, status, "{command}\n{answer}");
        comments.push(format!("| {} | {} |", said.0, said.1));
    }
    assert_eq!(comments, rows);
}
