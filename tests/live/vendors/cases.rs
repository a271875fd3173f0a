//! The tokens, with names, that the vendors' verifiers judge.

use portcullis::jose::Algorithm;
use portcullis_testing::{TestIssuer, TokenBuilder};
use serde_json::{Value, json};

/// A token with a name.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) token: String,
}

pub(crate) fn case(name: impl Into<String>, token: &TokenBuilder) -> Case {
    Case { name: name.into(), token: token.sign() }
}

/// Returns the tokens that every vendor judges.
pub(crate) fn usual(issuer: &TestIssuer) -> Vec<Case> {
    let kinds = [forgeries, types, times, issuers, algorithms];
    let mut all = vec![case("as issued", &issuer.token())];
    all.extend(kinds.into_iter().flat_map(|kind| kind(issuer)));
    all
}

/// Returns the forgeries of `portcullis-testing`.
pub(crate) fn forgeries(issuer: &TestIssuer) -> Vec<Case> {
    issuer
        .forgeries()
        .into_iter()
        .map(|forgery| Case { name: format!("forgery, {}", forgery.name), token: forgery.token })
        .collect()
}

/// Returns good tokens in which one of `claims` is absent or has an unusual type or value.
pub(crate) fn odd_claims(issuer: &TestIssuer, claims: &[&str]) -> Vec<Case> {
    let values = [
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(""),
        json!("x"),
        json!([]),
        json!([1]),
        json!({}),
    ];
    let mut cases = Vec::new();
    for claim in claims {
        cases.push(case(format!("{claim} absent"), &issuer.token().without(claim)));
        for value in &values {
            cases.push(case(format!("{claim} = {value}"), &issuer.token().claim(claim, value)));
        }
    }
    cases
}

/// Returns good tokens with every spelling of `typ`.
pub(crate) fn types(issuer: &TestIssuer) -> Vec<Case> {
    let types = [
        "JWT",
        "jwt",
        "Jwt",
        "application/jwt",
        "at+jwt",
        "AT+JWT",
        "application/at+jwt",
        "APPLICATION/AT+JWT",
        "",
        "JOSE",
        "JWS",
        "JWE",
        "dpop+jwt",
        "logout+jwt",
        "secevent+jwt",
        "id_token",
        "application/json",
        "at+jwt ",
        "null",
    ];
    let mut cases: Vec<_> =
        types.map(|typ| case(format!("typ {typ:?}"), &issuer.token().header("typ", typ))).into_iter().collect();
    cases.push(case("typ absent", &issuer.token().without_header("typ")));
    for value in [json!(null), json!(1), json!(["JWT"]), json!({})] {
        cases.push(case(format!("typ = {value}"), &issuer.token().header("typ", &value)));
    }
    cases
}

/// Returns good tokens with other dates. All are minutes away from every bound, so that clock differences do not matter.
pub(crate) fn times(issuer: &TestIssuer) -> Vec<Case> {
    let now = issuer.token().claims()["iat"].as_i64().unwrap();
    let mut cases = Vec::new();
    for seconds in [-1_000_000_000, -86_400, -3_600, -120, 120, 600, 86_400, 1_000_000_000] {
        for claim in ["exp", "nbf", "iat", "auth_time"] {
            cases.push(case(format!("{claim} at {seconds:+} s"), &issuer.token().claim(claim, now + seconds)));
        }
    }
    for (name, value) in [
        ("a fraction", json!(now as f64 + 600.5)),
        ("beyond 64 bits", json!(1e30)),
        ("negative", json!(-1)),
        ("as text", json!((now + 600).to_string())),
    ] {
        for claim in ["exp", "nbf", "iat"] {
            cases.push(case(format!("{claim} {name}"), &issuer.token().claim(claim, &value)));
        }
    }
    cases
}

/// Returns good tokens with other issuers, similar to ours and different.
pub(crate) fn issuers(issuer: &TestIssuer) -> Vec<Case> {
    let url = issuer.url();
    let trimmed = url.trim_end_matches('/');
    let others = [
        ("without slash", trimmed.to_owned()),
        ("with a slash", format!("{trimmed}/")),
        ("with two slashes", format!("{trimmed}//")),
        ("in upper case", url.to_uppercase()),
        ("longer", format!("{trimmed}.attacker.test/")),
        ("with a path", format!("{trimmed}/x")),
        ("with a query", format!("{url}?x")),
        ("with a fragment", format!("{url}#x")),
        ("with a space before", format!(" {url}")),
        ("with a space after", format!("{url} ")),
        ("of another scheme", url.replace("http", "ftp")),
        ("of user information", url.replacen("://", "://user@", 1)),
    ];
    others.map(|(name, iss)| case(format!("iss {name}"), &issuer.token().issuer(&iss))).into()
}

/// Returns good tokens with other audiences in `claim`, similar to ours and different.
pub(crate) fn audiences(issuer: &TestIssuer, claim: &str, ours: &str) -> Vec<Case> {
    let values: [(&str, Value); 14] = [
        ("ours", json!(ours)),
        ("ours in an array", json!([ours])),
        ("ours first", json!([ours, "https://other.test"])),
        ("ours last", json!(["https://other.test", ours])),
        ("ours twice", json!([ours, ours])),
        ("others", json!(["https://other.test", "https://third.test"])),
        ("ours and a number", json!([ours, 1])),
        ("ours and null", json!([ours, null])),
        ("ours in an array in an array", json!([[ours]])),
        ("ours in an object", json!({"0": ours})),
        ("ours in upper case", json!(ours.to_uppercase())),
        ("ours and a slash", json!(format!("{ours}/"))),
        ("ours among words", json!(format!("{ours} https://other.test"))),
        ("longer than ours", json!(format!("{ours}x"))),
    ];
    values.map(|(name, value)| case(format!("{claim} {name}"), &issuer.token().claim(claim, value))).into()
}

/// Returns good tokens that are signed with each of the issuer's algorithms, and tokens with a wrong `alg`.
pub(crate) fn algorithms(issuer: &TestIssuer) -> Vec<Case> {
    let mut cases = Vec::new();
    for key in issuer.signing_keys() {
        let token = issuer.token().algorithm(key.algorithm());
        cases.push(case(format!("signed with {}", key.algorithm()), &token));
        cases.push(case(format!("signed with {}, without kid", key.algorithm()), &token.without_header("kid")));
    }
    for &algorithm in Algorithm::ALL {
        let token = issuer.token().header("alg", algorithm.name());
        if issuer.first_key().algorithm() != algorithm {
            cases.push(case(format!("alg {algorithm} over another's signature"), &token));
        }
    }
    cases
}
