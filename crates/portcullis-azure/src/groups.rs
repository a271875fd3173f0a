//! The groups of a caller, and whether all of them are there.

use std::fmt;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// The caller's groups. A token that does not list them is no token of a caller without groups.
/// <https://learn.microsoft.com/en-us/entra/identity-platform/access-token-claims-reference#groups-overage-claim>
#[derive(Clone, Eq, PartialEq)]
#[non_exhaustive]
pub enum Groups {
    /// All of them: object identifiers, or names where the registration asks for these.
    Listed(Vec<String>),
    /// There are more than fit into the token (200, or 6 by the implicit flow): ask Microsoft Graph.
    Overage,
    /// The API's registration does not ask for groups, or the caller has none: the token does not say which.
    NotIssued,
}

impl Groups {
    /// Whether the caller is in `group`; `None` when the token does not say.
    #[must_use]
    pub fn contains(&self, group: &str) -> Option<bool> {
        self.listed().map(|groups| groups.iter().any(|listed| listed == group))
    }

    /// The groups, where the token lists all of them.
    #[must_use]
    pub fn listed(&self) -> Option<&[String]> {
        match self {
            Self::Listed(groups) => Some(groups),
            Self::Overage | Self::NotIssued => None,
        }
    }
}

impl fmt::Debug for Groups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Listed(_) => "Listed(..)",
            Self::Overage => "Overage",
            Self::NotIssued => "NotIssued",
        })
    }
}

/// The claims that say something of groups.
#[derive(Deserialize)]
struct Members {
    groups: Option<Vec<String>>,
    hasgroups: Option<Value>,
    #[serde(rename = "_claim_names")]
    claim_names: Option<Value>,
}

/// Reads the groups from among all claims. Any sign that groups are missing counts before those that are listed.
pub(crate) fn read<'de, D: Deserializer<'de>>(claims: D) -> Result<Groups, D::Error> {
    let Members { groups, hasgroups, claim_names } = Members::deserialize(claims)?;
    let elsewhere = claim_names.is_some_and(|names| names.get("groups").is_some());
    let has_groups = hasgroups.is_some_and(|value| value != Value::Bool(false));
    Ok(match groups {
        _ if elsewhere || has_groups => Groups::Overage,
        Some(groups) => Groups::Listed(groups),
        None => Groups::NotIssued,
    })
}
