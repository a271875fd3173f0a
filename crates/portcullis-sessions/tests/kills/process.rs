//! A test that runs again as a child, which its parent kills.

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};

const TASK: &str = "PORTCULLIS_TEST_OF_KILLS";
/// Before what a child tells its parent. The harness of tests writes other lines.
const MARK: &str = "child says ";

/// What a child has to do. `None` in the parent.
pub(crate) fn task() -> Option<Vec<String>> {
    let task = std::env::var(TASK).ok()?;
    Some(task.split('\n').map(str::to_owned).collect())
}

/// Tells the parent something.
pub(crate) fn tell(text: &str) {
    // The harness does not end its line before the test begins.
    println!("\n{MARK}{text}");
}

pub(crate) struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Running {
    /// Runs the test `name` again, with a task.
    pub(crate) fn test(name: &str, task: &[&str]) -> Self {
        Self::test_with(name, task, &[])
    }

    /// Runs the test `name` again, with a task and with variables.
    pub(crate) fn test_with(name: &str, task: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([name, "--exact", "--nocapture"])
            .env(TASK, task.join("\n"))
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// What the child tells next. `None` after its end.
    pub(crate) fn next(&mut self) -> Option<String> {
        self.lines.find_map(|line| line.unwrap().strip_prefix(MARK).map(str::to_owned))
    }

    /// Kills the child with SIGKILL. Returns what it had told before.
    pub(crate) fn kill(mut self) -> Vec<String> {
        self.child.kill().unwrap();
        let left = std::iter::from_fn(|| self.next()).collect();
        assert!(!self.child.wait().unwrap().success());
        left
    }

    /// Waits for the end of a child that ends by itself.
    pub(crate) fn wait(mut self) {
        assert!(self.next().is_none());
        assert!(self.child.wait().unwrap().success());
    }
}
