//! Checks `tests/THREATS.md`: each named test exists, each row names one, and the threats are those of `SECURITY.md`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

#[test]
fn threats_md_names_only_tests_that_exist() {
    let document = read("tests/THREATS.md");
    let promised = promised_tests(&document);
    assert!(promised.len() > 60, "only {} tests are named", promised.len());
    let missing: Vec<_> = promised.iter().filter(|(file, name)| !has_test(&root().join(file), name)).collect();
    assert!(missing.is_empty(), "tests/THREATS.md names tests that do not exist: {missing:#?}");
    // The search tells a test from a helper, and from a name that is only a part of another.
    let this = root().join("tests/pitfalls/threats_md.rs");
    assert!(has_test(&this, "threats_md_names_only_tests_that_exist"));
    assert!(!has_test(&this, "promised_tests") && !has_test(&this, "threats_md_names_only"));
}

#[test]
fn threats_md_has_a_test_in_every_row() {
    let document = read("tests/THREATS.md");
    let rows = [table(&document, "| Threat |"), table(&document, "| Advisories |")].concat();
    assert!(rows.len() > 80, "{}", rows.len());
    for row in rows {
        assert!(!promised_tests(row).is_empty(), "no test: {row}");
    }
}

#[test]
fn both_documents_list_the_same_threats() {
    let (promises, tests) = (read("SECURITY.md"), read("tests/THREATS.md"));
    let [promised, tested] = [&promises, &tests].map(|document| -> Vec<&str> {
        table(document, "| Threat |").into_iter().filter_map(|row| row.split(" | ").next()).collect()
    });
    assert!(promised.len() > 30, "{}", promised.len());
    assert_eq!(promised, tested);
}

/// Returns the file and the name in each `path/to/file.rs::name_of_test` of a text.
pub(crate) fn promised_tests(text: &str) -> BTreeSet<(&str, &str)> {
    text.split('`').skip(1).step_by(2).filter_map(|code| code.split_once(".rs::").map(|_| split(code))).collect()
}

fn split(code: &str) -> (&str, &str) {
    let end = code.find("::").unwrap();
    (&code[..end], &code[end + 2..])
}

/// Whether the file has a function of this name under a test attribute.
pub(crate) fn has_test(file: &Path, name: &str) -> bool {
    let Ok(source) = std::fs::read_to_string(file) else { return false };
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    lines.windows(2).any(|pair| {
        let is_test = pair[0].starts_with("#[") && pair[0].contains("test");
        let signature = pair[1].strip_prefix("async ").unwrap_or(pair[1]);
        is_test
            && signature.strip_prefix("fn ").and_then(|rest| rest.split_once('(')).is_some_and(|(own, _)| own == name)
    })
}

/// Returns the rows of the table that starts with this header, without the header and the line below it.
pub(crate) fn table<'d>(document: &'d str, header: &str) -> Vec<&'d str> {
    let lines = document.lines().skip_while(|line| !line.starts_with(header));
    lines.take_while(|line| line.starts_with('|')).skip(2).collect()
}

pub(crate) fn read(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).unwrap()
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}
