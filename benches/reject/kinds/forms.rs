//! Credentials that are not tokens in the JWS Compact Serialization.

use portcullis::adapter::HeaderList;

use crate::attempt::Attempt;
use crate::kinds::Kind;

pub(crate) const FORMS: &[Kind] = &[
    ("opaque", |gate, _, size| Attempt::bearer(gate, &"a".repeat(size))),
    ("opaque, prefixed", |gate, _, size| Attempt::bearer(gate, &format!("ya29.{}", "a".repeat(size - 5)))),
    ("opaque, all bytes but letters", |gate, _, size| Attempt::bearer(gate, &"~+/-_".repeat(size / 5))),
    ("dots", |gate, _, size| Attempt::bearer(gate, &".".repeat(size))),
    ("encrypted", |gate, _, size| {
        let part = "A".repeat(size / 5 - 1);
        Attempt::bearer(gate, &[part.as_str(); 5].join("."))
    }),
    ("malformed field", |gate, _, size| Attempt::bearer(gate, &format!("{},", "a".repeat(size)))),
    ("no scheme", |gate, _, size| Attempt::new(gate, [("authorization", "a".repeat(size))])),
    ("long scheme", |gate, _, size| Attempt::new(gate, [("authorization", format!("{} b", "a".repeat(size)))])),
    ("spaces before the token", |gate, _, size| {
        Attempt::new(gate, [("authorization", format!("Bearer{}a", " ".repeat(size)))])
    }),
    ("spaces around the field", |gate, _, size| {
        let spaces = " \t".repeat(size / 4);
        Attempt::new(gate, [("authorization", format!("{spaces}Bearer a{spaces}"))])
    }),
    ("padding", |gate, _, size| Attempt::bearer(gate, &format!("a{}", "=".repeat(size)))),
    ("standard base64", |gate, _, size| Attempt::bearer(gate, &"abcdefghijklmno/".repeat(size / 16))),
    ("other form, longest", |gate, _, size| Attempt::bearer(gate, &"~+/-_.".repeat(size.min(8 * 1_024) / 6))),
    ("100 fields", |gate, _, size| Attempt {
        request: HeaderList::new(
            "GET",
            (0..100).map(|_| ("authorization", format!("Bearer {}", "a".repeat(size / 100)))),
        ),
        ..Attempt::bearer(gate, "")
    }),
];
