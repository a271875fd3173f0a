//! Tests that run again in a new process: they measure its memory, or need its environment.

#![allow(dead_code, reason = "a test target uses a part of it")]

use std::ffi::OsStr;
use std::process::Command;

const IN_CHILD: &str = "PORTCULLIS_TEST_IN_CHILD";

/// Runs only the calling test again, in a new process with these variables, and returns what it printed. In the new
/// process it returns `None`, and the test goes on. `test` is the full name of the test.
///
/// # Panics
/// When the test fails in the new process.
pub(crate) fn run_in_child<V: AsRef<OsStr>>(test: &str, variables: &[(&str, V)]) -> Option<String> {
    if std::env::var_os(IN_CHILD).is_some() {
        return None;
    }
    let mut again = Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", test, "--nocapture"]).env(IN_CHILD, "1");
    for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        again.env_remove(name);
    }
    for (name, value) in variables {
        again.env(name, value);
    }
    let output = again.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    Some(text)
}

/// [`run_in_child`], for a test that needs no variables. Returns whether this process is the first one, where the test ends.
pub(crate) fn ran_alone(test: &str) -> bool {
    run_in_child::<&str>(test, &[]).is_some()
}

/// The resident memory of this process, in bytes.
#[cfg(target_os = "linux")]
pub(crate) fn resident_bytes() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 4_096
}
