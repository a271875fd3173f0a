//! The groups of a caller, and whether the token lists them.

use std::fmt;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// The caller's groups. A caller whose token does not list groups may still have groups.
/// <https://learn.microsoft.com/en-us/entra/identity-platform/access-token-claims-reference#groups-overage-claim>
#[derive(Clone, Eq, PartialEq)]
#[non_exhaustive]
pub enum Groups {
    /// All groups of the caller: object identifiers, or names if the API's registration asks for names.
    Listed(Vec<String>),
    /// The caller has more groups than fit into the token (200, or 6 in the implicit flow). Ask Microsoft Graph for them.
    Overage,
    /// The token says nothing about groups. Either the API's registration does not ask for them, or the caller has no
    /// group.
    NotIssued,
}

impl Groups {
    /// Tells whether the caller is in `group`. `None` means that the token does not say.
    #[must_use]
    pub fn contains(&self, group: &str) -> Option<bool> {
        self.listed().map(|groups| groups.iter().any(|listed| listed == group))
    }

    /// Returns the groups, if the token lists all of them.
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

/// The claims about groups.
#[derive(Deserialize)]
struct Members {
    groups: Option<Vec<String>>,
    hasgroups: Option<Value>,
    #[serde(rename = "_claim_names")]
    claim_names: Option<Value>,
}

/// Reads the groups. If any claim says that groups are missing, the listed groups are ignored.
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
