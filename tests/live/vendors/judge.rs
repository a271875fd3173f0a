//! Runs a vendor's verifier as a process.
//!
//! The process reads JSON, one value per line: first its settings, then tokens as `{"token": "…"}`. It answers each token
//! with one line, `{"accepted": true}` or `{"accepted": false, "why": "…"}`, and ends at the end of its input.

use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Debug)]
pub(crate) struct Judge {
    child: Child,
    questions: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Verdict {
    pub(crate) accepted: bool,
    /// The message about a refused token.
    #[serde(default)]
    pub(crate) why: String,
    /// The claims that it read from an accepted token, if the settings ask for them.
    #[serde(default)]
    pub(crate) decoded: Value,
}

impl Judge {
    pub(crate) fn start(mut program: Command, settings: &Value) -> Self {
        let mut child =
            program.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a vendor's verifier starts");
        let mut questions = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap()).lines();
        writeln!(questions, "{settings}").unwrap();
        Self { child, questions, answers }
    }

    pub(crate) fn verdict(&mut self, token: &str) -> Verdict {
        writeln!(self.questions, "{}", json!({ "token": token })).expect("the vendor's verifier listens");
        let answer = self.answers.next().expect("the vendor's verifier answers").unwrap();
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error} in {answer:?}"))
    }
}

impl Drop for Judge {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
