//! The caller of a token: a user, or an application that acts for itself.

use portcullis::checks::{CheckAbout, ClaimCheck, TokenView};
use portcullis::error::InvalidToken;

use crate::grants;

/// The kind of caller.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Caller {
    /// An application that acts for itself. Its rights are in `roles`.
    Application,
    /// A user who calls through an application. The application's rights are in `scp`, the user's in `roles`.
    User,
    /// The token does not say. To avoid this, add the optional claim `idtyp` with `include_user_token` to the API.
    Undecided,
}

/// The claims that tell the kind of caller.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallerClaims<'a> {
    pub(crate) idtyp: Option<&'a str>,
    pub(crate) has_scope: bool,
    pub(crate) object: Option<&'a str>,
    pub(crate) subject: Option<&'a str>,
}

impl Caller {
    /// Decides the kind of caller.
    ///
    /// `idtyp` decides if it is present. Otherwise a scope means a user, because only users' tokens have `scp`. Without
    /// a scope, an `oid` that equals `sub` means an application, because a user's `sub` differs from its `oid`.
    /// <https://learn.microsoft.com/en-us/entra/identity-platform/access-token-claims-reference>,
    /// <https://learn.microsoft.com/en-us/entra/identity-platform/optional-claims-reference>.
    pub(crate) fn of(traits: CallerClaims<'_>) -> Self {
        match traits.idtyp {
            Some("app") if !traits.has_scope => Self::Application,
            Some("user") => Self::User,
            Some(_) => Self::Undecided,
            None if traits.has_scope => Self::User,
            None if traits.object.is_some() && traits.object == traits.subject => Self::Application,
            None => Self::Undecided,
        }
    }
}

/// Checks that the token is an access token that grants a scope or a role, and that its caller is of the accepted kind.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CallerCheck {
    pub(crate) without_grants: bool,
    pub(crate) only: Option<Caller>,
    pub(crate) members_only: bool,
}

impl ClaimCheck for CallerCheck {
    fn check(&self, token: &TokenView<'_>) -> Result<(), InvalidToken> {
        let claims = token.claims();
        let scopes = claims.get::<String>("scp")?;
        let has_scope = scopes.is_some_and(|text| grants::names(&text).next().is_some());
        let has_role = claims.get::<Vec<String>>("roles")?.is_some_and(|roles| !roles.is_empty());
        // An ID token of the same application has the same `aud` and can have the user's roles, but it has no client.
        let has_client = claims.get::<String>("azp")?.or(claims.get::<String>("appid")?).is_some();
        let is_access_token = has_scope || has_client && (has_role || self.without_grants);
        if !is_access_token {
            return Err(InvalidToken::WrongTokenClass);
        }
        if self.only.is_none() && !self.members_only {
            return Ok(());
        }
        let (idtyp, object) = (claims.get::<String>("idtyp")?, claims.get::<String>("oid")?);
        let traits =
            CallerClaims { idtyp: idtyp.as_deref(), has_scope, object: object.as_deref(), subject: claims.subject() };
        let caller = Caller::of(traits);
        if self.only.is_some_and(|only| only != caller) {
            return Err(InvalidToken::WrongTokenClass);
        }
        if !self.members_only || caller == Caller::Application {
            return Ok(());
        }
        match claims.required::<i64>("acct")? {
            0 => Ok(()),
            _ => Err(InvalidToken::CheckFailed { name: "not a guest".into() }),
        }
    }

    fn about(&self) -> CheckAbout {
        let about = CheckAbout::claim("scp").reading("roles").reading("azp").reading("appid").reading("idtyp");
        about.expecting("an access token (scp, or azp or appid with roles) of an accepted caller")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caller_follows_idtyp_then_scopes_then_oid() {
        let of = |idtyp, has_scope, object, subject| Caller::of(CallerClaims { idtyp, has_scope, object, subject });
        for (idtyp, has_scope, object, subject, expected) in [
            (Some("app"), false, Some("o"), Some("o"), Caller::Application),
            (Some("app"), false, Some("o"), Some("s"), Caller::Application),
            (Some("app"), false, None, None, Caller::Application),
            (Some("app"), true, Some("o"), Some("o"), Caller::Undecided),
            (Some("user"), true, Some("o"), Some("s"), Caller::User),
            (Some("user"), false, Some("o"), Some("o"), Caller::User),
            (Some("device"), false, Some("o"), Some("o"), Caller::Undecided),
            (Some(""), true, Some("o"), Some("s"), Caller::Undecided),
            (None, true, Some("o"), Some("s"), Caller::User),
            (None, true, Some("o"), Some("o"), Caller::User),
            (None, false, Some("o"), Some("o"), Caller::Application),
            (None, false, Some("o"), Some("s"), Caller::Undecided),
            (None, false, None, None, Caller::Undecided),
        ] {
            assert_eq!(of(idtyp, has_scope, object, subject), expected, "{idtyp:?} {has_scope} {object:?} {subject:?}");
        }
    }
}
