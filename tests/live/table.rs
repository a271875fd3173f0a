//! The table in `README.md` against what is seen.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::provider::{Make, Provider, Wanted};
use crate::scenarios::{LIFETIME, claims, header};
use crate::{ALONE, SHARED};

const README: &str = include_str!("README.md");

pub(crate) fn the_readme_tells_what_its_tokens_look_like(make: &'static Make) {
    let row = row(make, &*(make.start)(LIFETIME));
    assert!(README.lines().any(|line| line == row), "README.md has to have this line in its table:\n{row}");
}

fn row(make: &Make, provider: &dyn Provider) -> String {
    let wanted = Wanted::scoped("read:messages write:messages");
    let sent = provider.form(&wanted);
    let token = provider.token(&wanted);
    let (header, claims) = (header(&token), claims(&token));
    let keys: Value = serde_json::from_str(&provider.keys()).unwrap();
    // Numbers of keys are not told: each kind has its own.
    let told = ["alg", "kid", "use"];
    let members = keys["keys"].as_array().unwrap().iter().flat_map(names);
    let cells = [
        code(make.name),
        (make.version)(),
        code(&without_port(provider.issuer())),
        codes(sent.iter().map(|(name, _)| *name)),
        make.algorithms.join(" "),
        code(header["typ"].as_str().unwrap()),
        form(&claims["aud"]).to_owned(),
        format!("{}, {}", code("scope"), form(&claims["scope"])),
        codes(names(&claims)),
        codes(members.filter(|name| told.contains(name)).collect::<BTreeSet<_>>()),
        code(make.without_audience),
        (SHARED.len() + ALONE.len() + make.own.len()).to_string(),
    ];
    format!("| {} |", cells.join(" | "))
}

fn form(claim: &Value) -> &'static str {
    match claim {
        Value::Array(_) => "array",
        Value::String(_) => "string",
        _ => panic!("neither a string nor an array"),
    }
}

/// Sorted.
fn names(object: &Value) -> BTreeSet<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

fn without_port(url: &str) -> String {
    let (start, rest) = url.rsplit_once(':').unwrap();
    format!("{start}:{}", rest.trim_start_matches(|digit: char| digit.is_ascii_digit()).replacen("", "PORT", 1))
}

fn codes<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    texts.into_iter().map(code).collect::<Vec<_>>().join(" ")
}

fn code(text: &str) -> String {
    format!("`{text}`")
}
