//! Checks `tests/STANDARDS.md`: each demand names its document and section, each named test exists, and each planted change
//! still fits the code. `.ci/planted.py tests/STANDARDS.md` makes the changes and sees the tests fail.

use crate::promises_md::columns;
use crate::threats_md::{has_test, read, root, table};

const SECTIONS: [&str; 7] = ["DPoP", "Mutual TLS", "Introspection", "API keys", "Revocation", "Step-up", "MCP"];

#[test]
fn standards_have_their_sections() {
    let document = read("tests/STANDARDS.md");
    let headings: Vec<&str> = document.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    assert_eq!(headings, SECTIONS);
    let tables = document.lines().filter(|line| line.starts_with("| Demand |")).count();
    assert_eq!(tables, SECTIONS.len());
}

#[test]
fn demands_have_tests_that_exist() {
    let document = read("tests/STANDARDS.md");
    for row in rows(&document) {
        let (demand, tests, _) = columns(row);
        let (source, words) = demand.split_once(": ").unwrap_or_else(|| panic!("a document, a section: {demand}"));
        assert!(source.contains('§') || source.starts_with("Trap"), "no section: {demand}");
        assert!(words.contains(' '), "{demand}");
        assert!(!tests.is_empty(), "no test: {demand}");
        let missing: Vec<_> = tests.iter().filter(|(file, name)| !has_test(&root().join(file), name)).collect();
        assert!(missing.is_empty(), "{missing:?} do not exist: {demand}");
    }
}

#[test]
fn planted_changes_of_standards_fit_the_code() {
    let document = read("tests/STANDARDS.md");
    for row in rows(&document) {
        let (demand, _, (file, from, to)) = columns(row);
        assert_eq!(read(file).matches(from).count(), 1, "{file} has not one {from:?}, for: {demand}");
        assert!(from != to, "nothing changes: {demand}");
    }
}

/// The rows of all tables.
fn rows(document: &str) -> Vec<&str> {
    let sections = document.split("\n## ").skip(1);
    sections.flat_map(|section| table(section, "| Demand |")).collect()
}
