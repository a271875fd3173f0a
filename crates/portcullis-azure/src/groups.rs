//! The groups of a caller, and whether all of them are there.

/// The caller's groups. A token that does not list them is no token of a caller without groups.
/// <https://learn.microsoft.com/en-us/entra/identity-platform/access-token-claims-reference#groups-overage-claim>
#[derive(Clone, Debug, Eq, PartialEq)]
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
