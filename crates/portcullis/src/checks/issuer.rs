//! The check of `iss` (RFC 7519 §4.1.1).

use std::sync::Arc;

use crate::checks::{CheckAbout, ClaimCheck, TokenView, validate_names};
use crate::error::{ConfigError, InvalidToken};

/// The accepted issuers. They are compared byte by byte: `https://a.example` and `https://a.example/` are two issuers.
#[derive(Clone, Debug)]
pub struct Issuer(IssuerRule);

#[derive(Clone, Debug)]
enum IssuerRule {
    Any,
    AnyOf(Vec<String>),
    By(Arc<dyn ClaimCheck>),
}

impl Issuer {
    /// Accepts any of these issuers. They share one set of keys, for example the custom domains of one tenant.
    pub fn any_of<S: Into<String>>(issuers: impl IntoIterator<Item = S>) -> Self {
        Self(IssuerRule::AnyOf(issuers.into_iter().map(Into::into).collect()))
    }

    /// Accepts the issuers that `rule` accepts: for identity providers that write the name of the tenant into `iss` and
    /// have one set of keys for all tenants.
    ///
    /// The rule must compare the whole of `iss`, and all else that binds a token to its tenant, with known values. It
    /// should refuse with [`InvalidToken::WrongIssuer`] or [`InvalidToken::WrongTenant`].
    ///
    /// ```
    /// use portcullis::checks::{ClaimCheck, TokenView};
    /// use portcullis::error::InvalidToken;
    /// use portcullis::Issuer;
    ///
    /// struct Tenants(Vec<String>);
    ///
    /// impl ClaimCheck for Tenants {
    ///     fn check(&self, token: &TokenView<'_>) -> Result<(), InvalidToken> {
    ///         let issuer = token.claims().issuer().ok_or_else(|| InvalidToken::missing("iss"))?;
    ///         let tenant = issuer.strip_prefix("https://login.example/tenants/").ok_or(InvalidToken::WrongIssuer)?;
    ///         if self.0.iter().any(|known| known == tenant) { Ok(()) } else { Err(InvalidToken::WrongTenant) }
    ///     }
    /// }
    ///
    /// let issuer = Issuer::by_rule(Tenants(vec!["one".to_owned(), "two".to_owned()]));
    /// ```
    pub fn by_rule(rule: impl ClaimCheck + 'static) -> Self {
        Self(IssuerRule::By(Arc::new(rule)))
    }

    pub(crate) fn any() -> Self {
        Self(IssuerRule::Any)
    }

    /// The first configured issuer, or `None` when any issuer is accepted or a rule decides.
    pub(crate) fn first(&self) -> Option<&str> {
        match &self.0 {
            IssuerRule::Any | IssuerRule::By(_) => None,
            IssuerRule::AnyOf(issuers) => issuers.first().map(String::as_str),
        }
    }

    /// The configured issuers, or `None` when any issuer is accepted or a rule decides.
    pub(crate) fn accepted(&self) -> Option<&[String]> {
        match &self.0 {
            IssuerRule::Any | IssuerRule::By(_) => None,
            IssuerRule::AnyOf(issuers) => Some(issuers),
        }
    }

    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        match &self.0 {
            IssuerRule::AnyOf(issuers) => validate_names(
                "issuer",
                issuers,
                "write the issuer exactly as tokens have it in iss, for example https://tenant.example/",
            ),
            IssuerRule::Any | IssuerRule::By(_) => Ok(()),
        }
    }
}

impl<S: Into<String>> From<S> for Issuer {
    fn from(issuer: S) -> Self {
        Self::any_of([issuer])
    }
}

impl ClaimCheck for Issuer {
    #[inline]
    fn check(&self, token: &TokenView<'_>) -> Result<(), InvalidToken> {
        let accepted = match &self.0 {
            IssuerRule::Any => return Ok(()),
            IssuerRule::By(rule) => return rule.check(token),
            IssuerRule::AnyOf(accepted) => accepted,
        };
        let issuer = token.claims.issuer().ok_or_else(|| InvalidToken::missing("iss"))?;
        if accepted.iter().any(|accepted| accepted == issuer) { Ok(()) } else { Err(InvalidToken::WrongIssuer) }
    }

    fn about(&self) -> CheckAbout {
        match &self.0 {
            IssuerRule::Any => CheckAbout::claim("iss").expecting("any issuer"),
            IssuerRule::By(rule) => rule.about(),
            IssuerRule::AnyOf(accepted) => CheckAbout::claim("iss").expecting_any_of(accepted),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::with_view;

    #[test]
    fn issuers_are_compared_byte_by_byte() {
        let issuer = Issuer::any_of(["https://a.example/", "https://b.example"]);
        let check = |iss: &str| with_view(&format!(r#"{{"iss":"{iss}"}}"#), 0, |token| issuer.check(token));
        assert_eq!(check("https://a.example/"), Ok(()));
        assert_eq!(check("https://b.example"), Ok(()));
        for iss in ["https://a.example", "https://b.example/", "https://A.example/", "", "https://a.example/x", "a"] {
            assert_eq!(check(iss), Err(InvalidToken::WrongIssuer), "{iss}");
        }
        assert_eq!(with_view("{}", 0, |token| issuer.check(token)), Err(InvalidToken::missing("iss")));
        assert_eq!(with_view("{}", 0, |token| Issuer::any().check(token)), Ok(()));
    }

    #[test]
    fn a_rule_decides_alone() {
        struct OwnTenant;
        impl ClaimCheck for OwnTenant {
            fn check(&self, token: &TokenView<'_>) -> Result<(), InvalidToken> {
                let issuer = token.claims.issuer().ok_or_else(|| InvalidToken::missing("iss"))?;
                if issuer == "https://a.example/t1" { Ok(()) } else { Err(InvalidToken::WrongTenant) }
            }
        }
        let issuer = Issuer::by_rule(OwnTenant);
        let check = |claims: &str| with_view(claims, 0, |token| issuer.check(token));
        assert_eq!(check(r#"{"iss":"https://a.example/t1"}"#), Ok(()));
        assert_eq!(check(r#"{"iss":"https://a.example/t2"}"#), Err(InvalidToken::WrongTenant));
        assert_eq!(check("{}"), Err(InvalidToken::missing("iss")));
        assert_eq!((issuer.first(), issuer.accepted()), (None, None));
        assert!(issuer.validate().is_ok());
    }

    #[test]
    fn empty_names_and_white_space_are_errors() {
        for issuer in [
            Issuer::from(""),
            Issuer::any_of(Vec::<String>::new()),
            Issuer::any_of(["a", ""]),
            Issuer::from("https://a.example\n"),
            Issuer::any_of(["a", " b"]),
        ] {
            assert_eq!(issuer.validate().unwrap_err().field(), "issuer");
        }
    }
}
