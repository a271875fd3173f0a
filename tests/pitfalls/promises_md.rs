//! Checks `tests/PROMISES.md`: the documents still say each promise, each named test exists, and each planted change still
//! fits the code. `.ci/planted.py` makes the changes and sees the tests fail.

use std::collections::BTreeSet;

use crate::threats_md::{has_test, promised_tests, read, root, table};

/// The part of the README that says what to expect, from its first line to the first program.
const OPENING: (&str, &str) = ("# Portcullis", "Try it without configuration");

struct Row<'d> {
    document: &'d str,
    promise: &'d str,
    tests: BTreeSet<(&'d str, &'d str)>,
    change: Change<'d>,
}

/// A file, a text in it, and the text that replaces it.
pub(crate) type Change<'d> = (&'d str, &'d str, &'d str);

#[test]
fn documents_make_each_promise() {
    let document = read("tests/PROMISES.md");
    for Row { document, promise, .. } in rows(&document) {
        assert!(words(&read(document)).contains(&words(promise)), "{document} does not say: {promise}");
    }
}

#[test]
fn promises_have_tests_that_exist() {
    let document = read("tests/PROMISES.md");
    for Row { promise, tests, .. } in rows(&document) {
        assert!(!tests.is_empty(), "no test: {promise}");
        let missing: Vec<_> = tests.iter().filter(|(file, name)| !has_test(&root().join(file), name)).collect();
        assert!(missing.is_empty(), "{missing:?} do not exist: {promise}");
    }
}

#[test]
fn planted_changes_fit_the_code() {
    let document = read("tests/PROMISES.md");
    for Row { promise, change: (file, from, to), .. } in rows(&document) {
        assert_eq!(read(file).matches(from).count(), 1, "{file} has not one {from:?}, for: {promise}");
        assert!(from != to, "nothing changes: {promise}");
    }
}

#[test]
fn each_sentence_of_the_opening_is_a_promise() {
    let (document, readme) = (read("tests/PROMISES.md"), read("README.md"));
    let (_, opening) = readme.split_once(OPENING.0).unwrap();
    let (opening, _) = opening.split_once(OPENING.1).unwrap();
    let promises: Vec<String> = rows(&document).into_iter().map(|row| words(row.promise)).collect();
    let no_promises = document.split_once("## Sentences without a promise").unwrap().1;
    let listed: Vec<String> = no_promises.lines().filter_map(|line| line.strip_prefix("- ")).map(words).collect();
    let sentences: Vec<String> = opening.split(". ").flat_map(|part| part.split("\n")).map(words).collect();
    let sentences: Vec<_> = sentences.iter().filter(|sentence| sentence.contains(' ')).collect();
    assert!(sentences.len() > 12, "{sentences:?}");
    for sentence in sentences {
        let sentence = sentence.trim_end_matches('.');
        let said = |texts: &[String]| texts.iter().any(|text| text.contains(sentence) || sentence.contains(&**text));
        assert!(said(&promises) || said(&listed), "no row for: {sentence}");
    }
}

fn rows(document: &str) -> Vec<Row<'_>> {
    let rows: Vec<_> = table(document, "| Promise |").into_iter().map(row).collect();
    assert!(rows.len() > 40, "{}", rows.len());
    rows
}

fn row(line: &str) -> Row<'_> {
    let (promise, tests, change) = columns(line);
    let (document, promise) = promise.split_once(": ").unwrap();
    Row { document, promise, tests, change }
}

/// The three columns of a row: what is promised, its tests, and the planted change.
pub(crate) fn columns(line: &str) -> (&str, BTreeSet<(&str, &str)>, Change<'_>) {
    let columns: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
    let [promise, tests, change] = *columns else { panic!("three columns: {line}") };
    let code: Vec<&str> = change.split('`').skip(1).step_by(2).collect();
    let [file, from, to] = *code else { panic!("a file and two texts: {change}") };
    (promise, promised_tests(tests), (file, from, to))
}

/// The words of a text, without line breaks, marks of Markdown, and the targets of links.
fn words(text: &str) -> String {
    let without_targets: String = text
        .split("](")
        .enumerate()
        .map(|(at, part)| if at == 0 { part } else { part.split_once(')').unwrap().1 })
        .collect();
    let plain: String = without_targets.chars().filter(|character| !matches!(character, '*' | '`' | '[')).collect();
    plain.trim_start_matches("- ").split_whitespace().collect::<Vec<_>>().join(" ")
}
