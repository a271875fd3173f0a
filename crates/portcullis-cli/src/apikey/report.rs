//! Keys as text and as JSON.

use portcullis::claims::NumericDate;
use portcullis_sessions::api_keys::ApiKey;
use serde::Serialize;

/// A key. Times are seconds since 1970.
#[derive(Serialize)]
pub(crate) struct Line<'a> {
    /// The text of a new key.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    id: &'a str,
    owner: &'a str,
    label: &'a str,
    scopes: &'a [String],
    status: &'static str,
    created_at: i64,
    issued_at: i64,
    expires_at: Option<i64>,
    last_used_at: Option<i64>,
    revoked_at: Option<i64>,
    previous: Option<Previous>,
}

#[derive(Serialize)]
struct Previous {
    expires_at: i64,
    last_used_at: Option<i64>,
}

impl<'a> Line<'a> {
    pub(crate) fn new(key: &'a ApiKey, secret: &'a str) -> Self {
        Self { key: Some(secret), ..Self::of(key) }
    }

    pub(crate) fn of(key: &'a ApiKey) -> Self {
        Self {
            key: None,
            id: &key.id,
            owner: &key.owner,
            label: &key.label,
            scopes: &key.scopes,
            status: key.status.as_str(),
            created_at: key.created_at.seconds(),
            issued_at: key.issued_at.seconds(),
            expires_at: key.expires_at.map(NumericDate::seconds),
            last_used_at: key.last_used_at.map(NumericDate::seconds),
            revoked_at: key.revoked_at.map(NumericDate::seconds),
            previous: key.previous.map(|previous| Previous {
                expires_at: previous.expires_at.seconds(),
                last_used_at: previous.last_used_at.map(NumericDate::seconds),
            }),
        }
    }
}

/// One line for people.
pub(crate) fn text(key: &ApiKey, now: NumericDate) -> String {
    let Line { id, label, scopes, status, created_at, expires_at, last_used_at, revoked_at, previous, .. } =
        Line::of(key);
    let at = |seconds: i64| distance(seconds.saturating_sub(now.seconds()));
    let mut parts = vec![format!("{id}  {status}, made {}", at(created_at))];
    parts.push(match (revoked_at, expires_at) {
        (Some(revoked_at), _) => format!("revoked {}", at(revoked_at)),
        (None, Some(expires_at)) if status == "expired" => format!("expired {}", at(expires_at)),
        (None, Some(expires_at)) => format!("expires {}", at(expires_at)),
        (None, None) => "never expires".to_owned(),
    });
    parts.push(last_used_at.map_or_else(|| "never used".to_owned(), |used| format!("last used {}", at(used))));
    if let Some(previous) = previous {
        let used = previous.last_used_at.map_or_else(|| "not used".to_owned(), |used| format!("used {}", at(used)));
        parts.push(format!("its secret before expires {} and was {used} since the rotation", at(previous.expires_at)));
    }
    if !scopes.is_empty() {
        parts.push(format!("scopes {}", scopes.join(" ")));
    }
    if !label.is_empty() {
        parts.push(format!("label {label:?}"));
    }
    parts.join(", ")
}

/// A distance in time, in the largest unit that has two or more.
fn distance(seconds: i64) -> String {
    let amount = seconds.unsigned_abs();
    let units = [(24 * 60 * 60, "days"), (60 * 60, "hours"), (60, "minutes"), (1, "seconds")];
    let (size, unit) = units.into_iter().find(|(size, _)| amount / size >= 2).unwrap_or((1, "seconds"));
    let amount = amount / size;
    if seconds > 0 { format!("in {amount} {unit}") } else { format!("{amount} {unit} ago") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_in_the_largest_unit() {
        for (seconds, expected) in [
            (0, "0 seconds ago"),
            (-1, "1 seconds ago"),
            (119, "in 119 seconds"),
            (120, "in 2 minutes"),
            (-7_199, "119 minutes ago"),
            (7_200, "in 2 hours"),
            (7_776_000, "in 90 days"),
            (i64::MIN, "106751991167300 days ago"),
        ] {
            assert_eq!(distance(seconds), expected);
        }
    }
}
