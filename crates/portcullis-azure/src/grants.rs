//! The claims in which policies find scopes and roles.

use portcullis::claims::{Claims, GrantReader, Grants};

/// Reads scopes from `scp` and roles from `roles`. Entra ID has no permissions.
///
/// Claims that a tenant maps to other names grant nothing, because users may be able to write their values.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AzureGrants;

impl GrantReader for AzureGrants {
    fn scopes<'a>(&self, claims: &'a Claims) -> Grants<'a> {
        if let Ok(scopes) = claims.get::<&str>("scp") {
            return scopes.into_iter().flat_map(names).map(Into::into).collect();
        }
        // The string has escapes, or the claim is not a string.
        let scopes = claims.get::<String>("scp").ok().flatten().unwrap_or_default();
        names(&scopes).map(|scope| scope.to_owned().into()).collect()
    }

    fn roles<'a>(&self, claims: &'a Claims) -> Grants<'a> {
        let roles = claims.get::<Vec<String>>("roles").ok().flatten().unwrap_or_default();
        roles.into_iter().map(Into::into).collect()
    }
}

/// Splits the text of `scp` into scopes.
pub(crate) fn names(text: &str) -> impl Iterator<Item = &str> {
    text.split(' ').filter(|name| !name.is_empty())
}
