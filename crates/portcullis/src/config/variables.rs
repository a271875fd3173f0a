//! Environment variables: what is set, and their `_FILE` twins.
//!
//! Every variable has a twin with `_FILE` at the end of its name, which names a file that holds the value, as secrets are
//! mounted into containers: `AUTH0_DOMAIN_FILE` for `AUTH0_DOMAIN`. The value is the text of the file without its final
//! line break. A variable and its twin together are an error. A variable whose own name ends in `_FILE` has no twin.

use std::fs::File;
use std::io::Read as _;

use crate::error::ConfigError;

/// Returns the environment variable `name`.
///
/// Bytes that are not Unicode become U+FFFD: a variable that cannot be read must not pass for one that is not set, because
/// that could leave out a check.
#[must_use]
pub fn environment(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

/// Returns the value of the variable `name`, or that of the file that its twin names. `lookup` is the environment, for
/// example [`environment`].
///
/// `None` means that neither is set. A blank variable counts as not set, because many deployments write it so;
/// [`restriction`] refuses it. A blank file is an error.
///
/// # Errors
/// [`ConfigError`] if the variable and its twin are both set, or if the file cannot be read.
pub fn given(lookup: impl Fn(&str) -> Option<String>, name: &'static str) -> Result<Option<String>, ConfigError> {
    let value = non_blank(&lookup, name);
    if name.ends_with(FILE_SUFFIX) {
        return Ok(value);
    }
    let twin = format!("{name}{FILE_SUFFIX}");
    match (value, non_blank(&lookup, &twin)) {
        (value, None) => Ok(value),
        (None, Some(path)) => match value_of_file(&path) {
            Ok(value) => Ok(Some(value)),
            Err(problem) => Err(ConfigError::new(twin, problem, format!("name a file that holds the value of {name}"))),
        },
        (Some(_), Some(_)) => Err(ConfigError::new(name, format!("set together with {twin}"), "set only one of them")),
    }
}

/// Returns the value of the variable `name`, as [`given`] does, if the variable restricts what is accepted.
///
/// A variable that is set and blank is an error, because a check would silently be left out. The same holds for its twin.
///
/// ```
/// use portcullis::config::variables::restriction;
///
/// let lookup = |name: &str| (name == "EXAMPLE_ORIGINS").then(|| " ".to_owned());
/// assert_eq!(restriction(lookup, "EXAMPLE_CLIENTS", "list clients"), Ok(None));
/// assert_eq!(
///     restriction(lookup, "EXAMPLE_ORIGINS", "list origins").unwrap_err().to_string(),
///     "EXAMPLE_ORIGINS: set, but blank; list origins, or leave the variable out"
/// );
/// ```
///
/// # Errors
/// [`ConfigError`] as [`given`], and if the variable or its twin is blank; `instead` says what to write.
pub fn restriction(
    lookup: impl Fn(&str) -> Option<String>,
    name: &'static str,
    instead: &str,
) -> Result<Option<String>, ConfigError> {
    let value = given(&lookup, name)?;
    match (&value, blank_name(&lookup, name)) {
        (None, Some(blank)) => Err(blank_error(blank, instead)),
        _ => Ok(value),
    }
}

/// Returns the name of the variable, or of its twin, that is set and blank.
pub(super) fn blank_name(lookup: impl Fn(&str) -> Option<String>, name: &str) -> Option<String> {
    let twin = (!name.ends_with(FILE_SUFFIX)).then(|| format!("{name}{FILE_SUFFIX}"));
    let names = std::iter::once(name.to_owned()).chain(twin);
    names.into_iter().find(|name| lookup(name).is_some_and(|text| text.trim().is_empty()))
}

pub(super) fn blank_error(name: String, instead: &str) -> ConfigError {
    ConfigError::new(name, "set, but blank", format!("{instead}, or leave the variable out"))
}

/// Returns the items of the variable `name`, which are separated by commas, as [`given`] reads it.
///
/// ```
/// use portcullis::config::variables::listed;
///
/// let lookup = |name: &str| (name == "EXAMPLE_DOMAIN").then(|| "one.example, two.example".to_owned());
/// assert_eq!(listed(lookup, "EXAMPLE_DOMAIN", "write the tenant's domain")?, ["one.example", "two.example"]);
/// assert!(listed(lookup, "EXAMPLE_API", "write the API's identifier").is_err());
/// # Ok::<(), portcullis::ConfigError>(())
/// ```
///
/// # Errors
/// [`ConfigError`] as [`given`], and if the variable is not set; `instead` says what to write.
pub fn listed(
    lookup: impl Fn(&str) -> Option<String>,
    name: &'static str,
    instead: &'static str,
) -> Result<Vec<String>, ConfigError> {
    let text = given(lookup, name)?.ok_or_else(|| ConfigError::new(name, "not set", instead))?;
    Ok(items(&text))
}

/// Splits `text` at commas. An empty item is kept, so that the check of the value refuses it.
pub(super) fn items(text: &str) -> Vec<String> {
    text.split(',').map(|item| item.trim().to_owned()).collect()
}

/// Returns the variable `name` unless it is blank.
pub(super) fn non_blank(lookup: impl Fn(&str) -> Option<String>, name: &str) -> Option<String> {
    lookup(name).filter(|text| !text.trim().is_empty())
}

/// What the name of a variable ends in whose value is the path of a file.
const FILE_SUFFIX: &str = "_FILE";

/// More than any value needs, in bytes.
const MAX_BYTES: u64 = 1024 * 1024;

/// Returns the text of a file without its final line break. No error repeats the path: it may be the value itself, in the
/// wrong variable.
fn value_of_file(path: &str) -> Result<String, String> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes));
    let length = read.map_err(|error| format!("the file cannot be read: {error}"))?;
    if length as u64 > MAX_BYTES {
        return Err("the file is larger than 1 MiB".to_owned());
    }
    let text = String::from_utf8(bytes).map_err(|_| "the file is not UTF-8")?;
    if text.trim().is_empty() {
        return Err("the file is empty".to_owned());
    }
    let line = text.strip_suffix('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
    Ok(line.unwrap_or(&text).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_is_present_or_an_error() {
        let read = |value: Option<&'static str>| {
            let lookup = |name: &str| value.filter(|_| name == "DOMAIN").map(str::to_owned);
            listed(lookup, "DOMAIN", "write the domain")
        };
        assert_eq!(read(Some(" a.example ,b.example")), Ok(vec!["a.example".to_owned(), "b.example".to_owned()]));
        assert_eq!(read(Some("a.example,")), Ok(vec!["a.example".to_owned(), String::new()]));
        for value in [None, Some(""), Some(" ")] {
            assert_eq!(read(value).unwrap_err().to_string(), "DOMAIN: not set; write the domain");
        }
    }

    #[test]
    fn file_twin_holds_the_value() {
        let folder = std::env::temp_dir().join(format!("portcullis-variables-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("value");
        let read = |variables: &[&str]| {
            let lookup = |name: &str| variables.contains(&name).then(|| path.to_str().unwrap().to_owned());
            given(lookup, "SECRET")
        };
        for (content, value) in
            [("a", "a"), ("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), (" a\nb \n", " a\nb "), ("\u{e4}", "\u{e4}")]
        {
            std::fs::write(&path, content).unwrap();
            assert_eq!(read(&["SECRET_FILE"]).unwrap().as_deref(), Some(value));
        }
        assert_eq!(read(&[]), Ok(None));
        let both = read(&["SECRET", "SECRET_FILE"]).unwrap_err().to_string();
        assert_eq!(both, "SECRET: set together with SECRET_FILE; set only one of them");
        for (content, problem) in
            [(&b"\n"[..], "empty"), (b"", "empty"), (b"\xff", "not UTF-8"), (&[b'a'; 1024 * 1024 + 1], "larger")]
        {
            std::fs::write(&path, content).unwrap();
            let error = read(&["SECRET_FILE"]).unwrap_err();
            assert_eq!(error.field(), "SECRET_FILE");
            assert!(error.to_string().contains(problem), "{error}");
        }
        std::fs::remove_dir_all(&folder).unwrap();
        let error = read(&["SECRET_FILE"]).unwrap_err().to_string();
        assert!(error.starts_with("SECRET_FILE: the file cannot be read: "), "{error}");
        assert!(error.ends_with("; name a file that holds the value of SECRET"), "{error}");
        assert!(!error.contains("portcullis-variables"), "{error}");
    }

    #[test]
    fn blank_restriction_is_an_error() {
        let read = |variables: &[(&str, &str)]| {
            let lookup =
                |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
            restriction(lookup, "ORIGINS", "list origins").map_err(|error| error.field().to_owned())
        };
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&[("ORIGINS", "a")]), Ok(Some("a".to_owned())));
        assert_eq!(read(&[("ORIGINS", "a"), ("ORIGINS_FILE", " ")]), Ok(Some("a".to_owned())));
        for blank in ["", " ", "\t\n", "\u{a0}"] {
            assert_eq!(read(&[("ORIGINS", blank)]), Err("ORIGINS".to_owned()));
            assert_eq!(read(&[("ORIGINS_FILE", blank)]), Err("ORIGINS_FILE".to_owned()));
        }
    }

    #[test]
    fn blank_twin_is_not_set() {
        let lookup = |name: &str| Some(if name == "SECRET" { "s" } else { " " }.to_owned());
        assert_eq!(given(lookup, "SECRET").unwrap().as_deref(), Some("s"));
    }

    #[test]
    fn name_that_ends_in_file_has_no_twin() {
        let lookup = |name: &str| name.ends_with("_FILE_FILE").then(|| "x".to_owned());
        assert_eq!(given(lookup, "KEY_FILE"), Ok(None));
    }

    /// A process may not change its own environment safely. This test starts itself as another process with one variable,
    /// which then says what it sees.
    #[cfg(unix)]
    #[test]
    fn variable_that_is_not_unicode_is_set() {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt as _;
        use std::process::Command;

        const NAME: &str = "PORTCULLIS_TEST_OF_VARIABLES";
        const TEST: &str = "config::variables::tests::variable_that_is_not_unicode_is_set";
        if let Some(value) = environment(NAME) {
            assert_eq!(value, "at+jwt\u{fffd}");
            return;
        }
        let mut other = Command::new(std::env::current_exe().unwrap());
        let output = other.args([TEST, "--exact"]).env(NAME, OsStr::from_bytes(b"at+jwt\xff")).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
    }
}
