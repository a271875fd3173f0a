//! The cells of a table, and their limits.

use std::fmt;

use serde::Serialize;

/// What was measured, or a text instead.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Cell {
    /// A figure, which may have a limit.
    Number {
        /// The figure, in the unit of the column.
        value: f64,
        /// Its limit.
        #[serde(flatten)]
        limit: Option<Limit>,
    },
    /// Words, for example why there is no figure.
    Text(String),
}

/// A limit of a figure.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Limit {
    /// The figure.
    #[serde(skip)]
    value: f64,
    /// The largest or the least value.
    limit: f64,
    /// Whether the limit is the least value.
    is_least: bool,
    /// Whether the bench fails when the limit is broken. Otherwise, the limit is a goal.
    pub must: bool,
    /// Whether it is kept.
    ok: bool,
}

/// A figure without a limit.
#[must_use]
pub fn number(value: f64) -> Cell {
    Cell::Number { value, limit: None }
}

impl Cell {
    /// A number of things.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "counts are small")]
    pub fn count(count: usize) -> Self {
        number(count as f64)
    }

    /// Fails the bench if the figure is larger.
    #[must_use]
    pub fn must_be_at_most(self, limit: f64) -> Self {
        self.limited(limit, false, true)
    }

    /// Sets the largest value as a goal.
    #[must_use]
    pub fn at_most(self, limit: f64) -> Self {
        self.limited(limit, false, false)
    }

    /// Fails the bench if the figure is smaller.
    #[must_use]
    pub fn must_be_at_least(self, limit: f64) -> Self {
        self.limited(limit, true, true)
    }

    /// Sets the least value as a goal.
    #[must_use]
    pub fn at_least(self, limit: f64) -> Self {
        self.limited(limit, true, false)
    }

    fn limited(self, limit: f64, is_least: bool, must: bool) -> Self {
        match self {
            Self::Number { value, .. } => {
                // A figure that is no number breaks every limit.
                let ok = if is_least { value >= limit } else { value <= limit };
                Self::Number { value, limit: Some(Limit { value, limit, is_least, must, ok }) }
            }
            Self::Text(text) => Self::Text(text),
        }
    }

    pub(crate) fn limit(&self) -> Option<Limit> {
        match self {
            Self::Number { limit, .. } => *limit,
            Self::Text(_) => None,
        }
    }

    pub(crate) fn show(&self, unit: &str) -> String {
        match self {
            Self::Number { value, limit } => {
                let digits = match unit {
                    "us" => 2,
                    "ratio" | "part" => 3,
                    _ => 0,
                };
                let mark = if limit.is_some_and(|limit| !limit.ok) { "!" } else { "" };
                let unit = if matches!(unit, "us" | "ns") { format!(" {unit}") } else { String::new() };
                format!("{mark}{value:.digits$}{unit}")
            }
            Self::Text(text) => text.clone(),
        }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl Limit {
    /// Whether the limit is kept.
    #[must_use]
    pub fn ok(self) -> bool {
        self.ok
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let relation = if self.is_least { "less" } else { "more" };
        write!(f, "{:.4} is {relation} than {}", self.value, self.limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_limits_are_found() {
        let ok = |cell: Cell| cell.limit().is_some_and(Limit::ok);
        assert!(ok(number(1.05).must_be_at_most(1.05)) && ok(number(0.97).at_least(0.97)));
        assert!(!ok(number(1.06).at_most(1.05)) && !ok(number(0.96).must_be_at_least(0.97)));
        assert!(!ok(number(f64::NAN).must_be_at_most(1.0)) && !ok(number(f64::NAN).at_least(1.0)));
        assert!(number(2.0).must_be_at_most(1.0).limit().is_some_and(|limit| limit.must));
        assert_eq!(number(1.5).at_most(1.0).show("ratio"), "!1.500");
    }
}
