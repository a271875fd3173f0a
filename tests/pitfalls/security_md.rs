//! SECURITY.md promises tests by name; a promise without its test fails here.

use std::collections::BTreeSet;
use std::path::Path;

#[test]
fn security_md_names_only_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let document = std::fs::read_to_string(root.join("SECURITY.md")).unwrap();
    let promised = promised_tests(&document);
    assert!(promised.len() > 60, "only {} tests are named", promised.len());
    let missing: Vec<_> = promised.iter().filter(|(file, name)| !has_test(&root.join(file), name)).collect();
    assert!(missing.is_empty(), "SECURITY.md names tests that do not exist: {missing:#?}");
    // The look-up does tell a test from a helper, and from a name that is only part of one.
    let this = root.join("tests/pitfalls/security_md.rs");
    assert!(has_test(&this, "security_md_names_only_tests_that_exist"));
    assert!(!has_test(&this, "promised_tests") && !has_test(&this, "security_md_names_only"));
}

#[test]
fn security_md_answers_every_threat_with_a_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let document = std::fs::read_to_string(root.join("SECURITY.md")).unwrap();
    let mut rows = 0;
    for table in document.split("\n\n").filter(|block| block.starts_with('|')) {
        let (head, body) = table.split_once('\n').unwrap();
        if !head.contains("Test") {
            continue;
        }
        for row in body.lines().skip(1) {
            rows += 1;
            assert!(!promised_tests(row).is_empty(), "no test: {row}");
        }
    }
    assert!(rows > 30, "{rows}");
}

/// The file and the name in each `path/to/file.rs::name_of_test` of a text.
pub(crate) fn promised_tests(text: &str) -> BTreeSet<(&str, &str)> {
    text.split('`').skip(1).step_by(2).filter_map(|code| code.split_once(".rs::").map(|_| split(code))).collect()
}

fn split(code: &str) -> (&str, &str) {
    let end = code.find("::").unwrap();
    (&code[..end], &code[end + 2..])
}

/// Whether a function of this name stands under a test attribute in the file.
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
