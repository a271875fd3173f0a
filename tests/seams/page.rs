//! The code on the pages of the documentation, which has to be the code of tests.

/// The blocks of a page that rustdoc does not compile.
pub(crate) fn blocks(page: &str) -> Vec<&str> {
    page.split("```rust,ignore\n").skip(1).filter_map(|rest| rest.split("\n```").next()).collect()
}

/// Checks that each block is in one of the files, apart from the indentation.
pub(crate) fn assert_in_sources(blocks: &[&str], sources: &[&str]) {
    let lines = |text: &str| text.lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>();
    let sources: Vec<_> = sources.iter().map(|source| lines(source)).collect();
    for block in blocks {
        let wanted = lines(block);
        let is_there = sources.iter().any(|source| source.windows(wanted.len()).any(|window| window == wanted));
        assert!(is_there, "no test has this code:\n{block}");
    }
}
