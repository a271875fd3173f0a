//! The claims in which policies find scopes, permissions and roles.

use std::borrow::Cow;

use portcullis::claims::{Claims, GrantReader, Grants};

use crate::claims::{claim_of, scopes};
use crate::organization::Organization;

/// Reads scopes, permissions and roles from Clerk's claims, for policies.
///
/// Roles and permissions are those of the active organization, with their prefix: `org:admin`, `org:invoices:create`.
/// Scopes come from `scope`, `scp` and `scopes`: of machine tokens, of OAuth access tokens, or of a session token to
/// which you added such a claim.
#[derive(Clone, Copy, Debug, Default)]
pub struct ClerkGrants;

impl GrantReader for ClerkGrants {
    fn scopes<'a>(&self, claims: &'a Claims) -> Grants<'a> {
        scopes(|name| claim_of(claims, name)).into_iter().map(Cow::Owned).collect()
    }

    fn permissions<'a>(&self, claims: &'a Claims) -> Grants<'a> {
        let organization = Organization::read(|name| claim_of(claims, name));
        organization.into_iter().flat_map(|organization| organization.permissions).map(Cow::Owned).collect()
    }

    fn roles<'a>(&self, claims: &'a Claims) -> Grants<'a> {
        let organization = Organization::read(|name| claim_of(claims, name));
        organization.and_then(|organization| organization.role).into_iter().map(Cow::Owned).collect()
    }
}
