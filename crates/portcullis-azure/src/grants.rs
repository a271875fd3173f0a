//! Where scopes and roles stand in tokens of Entra ID.

use portcullis::claims::{Claims, GrantReader, Grants};

/// Scopes in `scp`, roles in `roles`, and permissions nowhere. Claims that a tenant maps to other names grant nothing,
/// since what they hold may be a user's own to write.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AzureGrants;

impl GrantReader for AzureGrants {
    fn scopes<'a>(&self, claims: &'a Claims) -> Grants<'a> {
        if let Ok(scopes) = claims.get::<&str>("scp") {
            return scopes.into_iter().flat_map(names).map(Into::into).collect();
        }
        // With escapes, or no string at all.
        let scopes = claims.get::<String>("scp").ok().flatten().unwrap_or_default();
        names(&scopes).map(|scope| scope.to_owned().into()).collect()
    }

    fn roles<'a>(&self, claims: &'a Claims) -> Grants<'a> {
        let roles = claims.get::<Vec<String>>("roles").ok().flatten().unwrap_or_default();
        roles.into_iter().map(Into::into).collect()
    }
}

/// The scopes of the text of `scp`, separated by spaces.
pub(crate) fn names(text: &str) -> impl Iterator<Item = &str> {
    text.split(' ').filter(|name| !name.is_empty())
}
