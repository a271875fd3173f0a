//! What a token lets its bearer do: where scopes, permissions and roles stand among the claims.

use std::borrow::Cow;
use std::fmt;

use crate::claims::Claims;

/// Names of scopes, permissions or roles.
pub type Grants<'a> = Vec<Cow<'a, str>>;

/// Reads scopes, permissions and roles from claims, which every provider keeps elsewhere.
///
/// What can't be read grants nothing, and what is left out is not looked for, but for scopes, which have a standard place.
pub trait GrantReader: fmt::Debug + Send + Sync {
    /// The scopes (RFC 6749 §3.3). Default: those in `scope` and `scp`, each a space-delimited string or an array
    /// (RFC 8693 §4.2, RFC 9068 §2.2.3).
    fn scopes<'a>(&self, claims: &'a Claims) -> Grants<'a> {
        ["scope", "scp"].into_iter().flat_map(|name| space_delimited_or_array(claims, name)).collect()
    }

    /// The permissions, in the provider's own sense. Default: none.
    fn permissions<'a>(&self, _: &'a Claims) -> Grants<'a> {
        Grants::new()
    }

    /// The roles, in the provider's own sense. Default: none.
    fn roles<'a>(&self, _: &'a Claims) -> Grants<'a> {
        Grants::new()
    }
}

/// The usual places: scopes in `scope` and `scp`, permissions in the array `permissions`, roles in the array `roles`. The
/// last two can be moved.
///
/// ```
/// use portcullis::claims::StandardGrants;
///
/// let keycloak = StandardGrants::new().with_roles_at(["realm_access", "roles"]);
/// ```
#[derive(Clone, Debug)]
pub struct StandardGrants {
    permissions: Vec<String>,
    roles: Vec<String>,
}

impl StandardGrants {
    /// The usual places.
    #[must_use]
    pub fn new() -> Self {
        Self { permissions: vec!["permissions".to_owned()], roles: vec!["roles".to_owned()] }
    }

    /// Permissions at this path of members.
    #[must_use]
    pub fn with_permissions_at<S: Into<String>>(mut self, path: impl IntoIterator<Item = S>) -> Self {
        self.permissions = path.into_iter().map(Into::into).collect();
        self
    }

    /// Roles at this path of members.
    #[must_use]
    pub fn with_roles_at<S: Into<String>>(mut self, path: impl IntoIterator<Item = S>) -> Self {
        self.roles = path.into_iter().map(Into::into).collect();
        self
    }
}

impl Default for StandardGrants {
    fn default() -> Self {
        Self::new()
    }
}

impl GrantReader for StandardGrants {
    fn permissions<'a>(&self, claims: &'a Claims) -> Grants<'a> {
        claims.strings_at(&self.permissions).into_iter().map(Cow::Owned).collect()
    }

    fn roles<'a>(&self, claims: &'a Claims) -> Grants<'a> {
        claims.strings_at(&self.roles).into_iter().map(Cow::Owned).collect()
    }
}

fn space_delimited_or_array<'a>(claims: &'a Claims, name: &'static str) -> Grants<'a> {
    match claims.get::<&str>(name) {
        Ok(None) => Vec::new(),
        Ok(Some(text)) => text.split(' ').filter(|scope| !scope.is_empty()).map(Cow::Borrowed).collect(),
        // An array, or a string with escapes.
        Err(_) => match claims.get::<String>(name) {
            Ok(text) => {
                let owned = |scope: &str| Cow::Owned(scope.to_owned());
                text.iter().flat_map(|text| text.split(' ')).filter(|scope| !scope.is_empty()).map(owned).collect()
            }
            Err(_) => match claims.get::<Vec<String>>(name) {
                Ok(scopes) => scopes.into_iter().flatten().map(Cow::Owned).collect(),
                Err(_) => Vec::new(),
            },
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(json: &str) -> Claims {
        Claims::parse(json.as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn scopes_are_strings_or_arrays_in_scope_and_scp() {
        for (json, expected) in [
            (r#"{"scope":"a b  c"}"#, &["a", "b", "c"][..]),
            (r#"{"scope":["a","b"]}"#, &["a", "b"]),
            (r#"{"scp":"a b"}"#, &["a", "b"]),
            (r#"{"scp":["a"]}"#, &["a"]),
            (r#"{"scope":"a","scp":["b"]}"#, &["a", "b"]),
            (r#"{"scope":"a\u0020b"}"#, &["a", "b"]),
            (r#"{"scope":""}"#, &[]),
            (r#"{"scope":7}"#, &[]),
            (r#"{"scope":["a",7]}"#, &[]),
            (r#"{"scope":null}"#, &[]),
            ("{}", &[]),
        ] {
            assert_eq!(StandardGrants::new().scopes(&claims(json)), expected, "{json}");
        }
    }

    #[test]
    fn permissions_and_roles_can_be_moved() {
        let claims = claims(r#"{"permissions":["p"],"roles":["r"],"realm_access":{"roles":["admin"]}}"#);
        let usual = StandardGrants::new();
        assert_eq!(usual.permissions(&claims), ["p"]);
        assert_eq!(usual.roles(&claims), ["r"]);
        assert_eq!(usual.with_roles_at(["realm_access", "roles"]).roles(&claims), ["admin"]);
    }

    #[test]
    fn a_reader_that_says_nothing_finds_scopes_alone() {
        #[derive(Debug)]
        struct Silent;
        impl GrantReader for Silent {}
        let claims = claims(r#"{"scope":"a","scp":["b"],"permissions":["p"],"roles":["r"]}"#);
        assert_eq!(Silent.scopes(&claims), ["a", "b"]);
        assert!(Silent.permissions(&claims).is_empty() && Silent.roles(&claims).is_empty());
    }
}
