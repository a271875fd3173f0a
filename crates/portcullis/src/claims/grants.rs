//! Reading scopes, permissions and roles from the claims.

use std::borrow::Cow;
use std::fmt;

use crate::claims::Claims;

/// The names of scopes, permissions or roles.
pub type Grants<'a> = Vec<Cow<'a, str>>;

/// Reads scopes, permissions and roles from the claims. Each identity provider has other claims for them.
///
/// A claim that cannot be read grants nothing. The methods have defaults: scopes have standard claims, permissions and
/// roles do not.
///
/// ```
/// use std::borrow::Cow;
///
/// use portcullis::claims::{Claims, GrantReader, Grants};
/// # use portcullis::{Gate, JwtVerifier};
///
/// /// An identity provider with permissions in the claim `entitlements`.
/// #[derive(Debug)]
/// struct Entitlements;
///
/// impl GrantReader for Entitlements {
///     fn permissions<'a>(&self, claims: &'a Claims) -> Grants<'a> {
///         let names = claims.get::<Vec<String>>("entitlements").ok().flatten();
///         names.into_iter().flatten().map(Cow::Owned).collect()
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let keys = portcullis::keys::FixedKeys::jwk(r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#)?;
/// # let token = "eyJhbGciOiJFZERTQSIsInR5cCI6ImF0K2p3dCJ9.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwiYXVkIjoiYXBpIiwic3ViIjoiYWxpY2UiLCJvcmdfaWQiOiJvcmdfMSIsImVudGl0bGVtZW50cyI6WyJpbnZvaWNlczp3cml0ZSJdLCJleHAiOjQxMDI0NDQ4MDB9.bmhc5JNiSqEOaZ8IOBkJxBhC1VvsaSy7HzxkZ-fU0gVcihG7BOpjYYMx3f8_06d-TlpqBeEqp8zoUpuOB54vCg";
/// let verifier = JwtVerifier::builder("https://issuer.example", "api", keys)
///     .grants(Entitlements)
///     .build()?;
/// let caller = Gate::new(verifier).verify(token).await?;
/// assert_eq!(caller.permissions(), ["invoices:write"]);
/// # Ok(()) }
/// ```
pub trait GrantReader: fmt::Debug + Send + Sync {
    /// Reads the scopes (RFC 6749 §3.3). Default: the scopes in `scope` and `scp`, each a space-delimited string or an
    /// array (RFC 8693 §4.2, RFC 9068 §2.2.3).
    fn scopes<'a>(&self, claims: &'a Claims) -> Grants<'a> {
        ["scope", "scp"].into_iter().flat_map(|name| space_delimited_or_array(claims, name)).collect()
    }

    /// Reads the permissions, as the identity provider defines them. Default: no permissions.
    fn permissions<'a>(&self, _: &'a Claims) -> Grants<'a> {
        Grants::new()
    }

    /// Reads the roles, as the identity provider defines them. Default: no roles.
    fn roles<'a>(&self, _: &'a Claims) -> Grants<'a> {
        Grants::new()
    }
}

/// Reads scopes from `scope` and `scp`, permissions from the array `permissions` and roles from the array `roles`. The
/// last two can be read from other claims.
///
/// ```
/// use portcullis::claims::StandardGrants;
///
/// // Keycloak has the roles of its realm in `{"realm_access":{"roles":["admin"]}}`.
/// let grants = StandardGrants::new().with_roles_at(["realm_access", "roles"]);
/// ```
#[derive(Clone, Debug)]
pub struct StandardGrants {
    permissions: Vec<String>,
    roles: Vec<String>,
}

impl StandardGrants {
    /// Makes a reader of the usual claims.
    #[must_use]
    pub fn new() -> Self {
        Self { permissions: vec!["permissions".to_owned()], roles: vec!["roles".to_owned()] }
    }

    /// Reads the permissions at this path of members.
    #[must_use]
    pub fn with_permissions_at<S: Into<String>>(mut self, path: impl IntoIterator<Item = S>) -> Self {
        self.permissions = path.into_iter().map(Into::into).collect();
        self
    }

    /// Reads the roles at this path of members.
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
    fn scopes_are_strings_or_arrays() {
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
    fn roles_can_be_read_from_another_claim() {
        let claims = claims(r#"{"permissions":["p"],"roles":["r"],"realm_access":{"roles":["admin"]}}"#);
        let usual = StandardGrants::new();
        assert_eq!(usual.permissions(&claims), ["p"]);
        assert_eq!(usual.roles(&claims), ["r"]);
        assert_eq!(usual.with_roles_at(["realm_access", "roles"]).roles(&claims), ["admin"]);
    }

    #[test]
    fn the_default_reader_finds_only_scopes() {
        #[derive(Debug)]
        struct Silent;
        impl GrantReader for Silent {}
        let claims = claims(r#"{"scope":"a","scp":["b"],"permissions":["p"],"roles":["r"]}"#);
        assert_eq!(Silent.scopes(&claims), ["a", "b"]);
        assert!(Silent.permissions(&claims).is_empty() && Silent.roles(&claims).is_empty());
    }
}
