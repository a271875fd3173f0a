//! Checks `tests/PROVIDERS.md`: each fact about an identity provider has a row, and each row names tests that exist.

use std::path::Path;

use crate::threats_md::{has_test, promised_tests};

#[test]
fn providers_md_shows_every_fact_with_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let document = std::fs::read_to_string(root.join("tests/PROVIDERS.md")).unwrap();
    let rows: Vec<_> = document.lines().filter(|line| line.starts_with("| ") && !line.ends_with("| Tests |")).collect();
    assert!(rows.len() > 50, "only {} facts", rows.len());
    for row in rows {
        let tests = promised_tests(row);
        assert!(!tests.is_empty(), "no test: {row}");
        for (file, name) in tests {
            assert!(has_test(&root.join(file), name), "{file} has no test {name}: {row}");
        }
    }
}
