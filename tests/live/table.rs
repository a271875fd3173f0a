//! Compares the table in `README.md` with the tokens that the providers issue.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::provider::{IdentityProvider, ProviderKind, TokenRequest};
use crate::scenarios::{LIFETIME, claims, header};
use crate::{SEPARATE, SHARED};

const README: &str = include_str!("README.md");

pub(crate) fn readme_describes_the_tokens(kind: &'static ProviderKind) {
    let row = row(kind, &*(kind.start)(LIFETIME));
    assert!(README.lines().any(|line| line == row), "the table in README.md must contain this line:\n{row}");
}

fn row(kind: &ProviderKind, provider: &dyn IdentityProvider) -> String {
    let request = TokenRequest::scoped("read:messages write:messages");
    let sent = provider.form(&request);
    let token = provider.token(&request);
    let (header, claims) = (header(&token), claims(&token));
    let keys: Value = serde_json::from_str(&provider.keys()).unwrap();
    // Members with key material are left out: each key type has its own.
    let listed = ["alg", "kid", "use"];
    let members = keys["keys"].as_array().unwrap().iter().flat_map(names);
    let cells = [
        code(kind.name),
        (kind.version)(),
        code(&without_port(provider.issuer())),
        codes(sent.iter().map(|(name, _)| *name)),
        kind.algorithms.join(" "),
        code(header["typ"].as_str().unwrap()),
        form(&claims["aud"]).to_owned(),
        format!("{}, {}", code("scope"), form(&claims["scope"])),
        codes(names(&claims)),
        codes(members.filter(|name| listed.contains(name)).collect::<BTreeSet<_>>()),
        code(kind.without_audience),
        (SHARED.len() + SEPARATE.len() + kind.own.len()).to_string(),
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

/// Returns the sorted names of the members.
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
