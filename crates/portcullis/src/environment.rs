//! Environment variables.

/// The environment variable `name`, with U+FFFD for what is not Unicode in it.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

/// What `lookup` has for `name`, unless it is blank: an empty variable is how many deployments say "not set".
pub(crate) fn given(lookup: impl Fn(&str) -> Option<String>, name: &str) -> Option<String> {
    lookup(name).filter(|text| !text.trim().is_empty())
}

/// What `text` lists, separated by commas.
pub(crate) fn items(text: &str) -> Vec<String> {
    text.split(',').map(|item| item.trim().to_owned()).collect()
}

#[cfg(all(test, unix))]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    use std::process::Command;

    use super::*;

    /// A process may not change its own environment safely, so this one starts another, with one variable, in which the
    /// test says what it sees.
    #[test]
    fn what_is_not_unicode_is_set_all_the_same() {
        const NAME: &str = "PORTCULLIS_TEST_OF_VARIABLES";
        const TEST: &str = "environment::tests::what_is_not_unicode_is_set_all_the_same";
        if let Some(value) = variable(NAME) {
            assert_eq!(value, "at+jwt\u{fffd}");
            return;
        }
        let mut other = Command::new(std::env::current_exe().unwrap());
        let output = other.args([TEST, "--exact"]).env(NAME, OsStr::from_bytes(b"at+jwt\xff")).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
    }
}
