//! Checks the documents: what they name exists, and each page of the design lists its own questions.

use std::path::{Path, PathBuf};

use crate::threats_md::{has_test, promised_tests};

#[test]
fn documents_name_only_files_and_tests_that_exist() {
    let (mut named, mut missing) = (0, Vec::new());
    for document in documents() {
        let text = std::fs::read_to_string(&document).unwrap();
        let paths = text.split('`').skip(1).step_by(2).filter(|code| is_path(code));
        let paths = paths.map(|path| (path.to_owned(), root().join(path).exists()));
        let links =
            text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()).filter(|link| is_file(link));
        let links = links.map(|link| (link.to_owned(), document.with_file_name(link).exists()));
        let tests = promised_tests(&text).into_iter();
        let tests = tests.map(|(file, test)| (format!("{file}::{test}"), has_test(&root().join(file), test)));
        for (name, exists) in paths.chain(links).chain(tests) {
            named += 1;
            if !exists {
                missing.push(format!("{} names {name}", document.strip_prefix(root()).unwrap().display()));
            }
        }
    }
    assert!(named > 60, "{named}");
    assert!(missing.is_empty(), "documents name what does not exist: {missing:#?}");
}

#[test]
fn pages_of_the_design_list_their_questions() {
    let pages = markdown_files(&root().join("crates/portcullis/docs"));
    assert!(pages.len() > 10);
    for page in pages.iter().filter(|page| !page.ends_with("README.md")) {
        let text = std::fs::read_to_string(page).unwrap();
        let listed: Vec<String> =
            text.lines().filter(|line| line.starts_with("- [")).map(|line| line[2..].to_owned()).collect();
        let questions: Vec<String> = text.lines().filter_map(|line| line.strip_prefix("## ")).map(link_to).collect();
        assert_eq!(listed, questions, "{}", page.display());
    }
    let index = std::fs::read_to_string(root().join("crates/portcullis/docs/README.md")).unwrap();
    for page in pages.iter().filter_map(|page| page.file_name()?.to_str()).filter(|name| *name != "README.md") {
        assert!(index.contains(&format!(": {page}")), "the index does not list {page}");
    }
}

#[test]
fn libraries_document_their_features() {
    let (mut checked, mut missing) = (0, Vec::new());
    for library in std::fs::read_dir(root().join("crates")).unwrap().map(|entry| entry.unwrap().path()) {
        let Ok(code) = std::fs::read_to_string(library.join("src/lib.rs")) else { continue };
        let manifest = std::fs::read_to_string(library.join("Cargo.toml")).unwrap();
        let features = manifest.lines().skip_while(|line| *line != "[features]").skip(1);
        let features = features.take_while(|line| !line.starts_with('[')).filter_map(|line| line.split_once(" = "));
        let documented: String = code
            .lines()
            .skip_while(|line| !line.starts_with("//! # Features"))
            .enumerate()
            .take_while(|(number, line)| line.starts_with("//!") && (*number == 0 || !line.starts_with("//! # ")))
            .map(|(_, line)| line)
            .collect();
        for (feature, _) in features.filter(|(feature, _)| *feature != "default" && !feature.starts_with('#')) {
            checked += 1;
            if !documented.contains(&format!("`{feature}`")) {
                missing.push(format!("{}: {feature}", library.display()));
            }
        }
    }
    assert!(checked > 40, "{checked}");
    assert!(missing.is_empty(), "features that the documentation does not name: {missing:#?}");
}

/// Returns a link to the heading of this title, as GitHub and rustdoc name its anchor.
fn link_to(title: &str) -> String {
    let kept = title.chars().filter(|c| c.is_alphanumeric() || "-_ ".contains(*c));
    format!("[{title}](#{})", kept.collect::<String>().to_lowercase().replace(' ', "-"))
}

fn is_path(code: &str) -> bool {
    let of_the_repository =
        ["crates/", "tests/", "examples/", "benches/", ".ci/"].iter().any(|top| code.starts_with(top));
    of_the_repository && code.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c))
}

fn is_file(link: &str) -> bool {
    !link.is_empty() && !link.contains(':')
}

fn documents() -> Vec<PathBuf> {
    let mut documents = markdown_files(&root());
    documents.extend(markdown_files(&root().join("tests")));
    documents.extend(markdown_files(&root().join("crates/portcullis/docs")));
    for crate_folder in std::fs::read_dir(root().join("crates")).unwrap() {
        documents.extend(markdown_files(&crate_folder.unwrap().path()));
    }
    documents
}

fn markdown_files(folder: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}
