//! The claims as the type that a handler asks for.

use serde::de::DeserializeOwned;

use crate::claims::Claims;
use crate::error::InvalidToken;

/// What the extractors of the adapters can read all claims as: any type that serde can deserialise, or [`NoClaims`].
#[diagnostic::on_unimplemented(
    message = "claims can't be read as `{Self}`",
    note = "derive `serde::Deserialize` for the type, without borrowing from the input"
)]
pub trait FromClaims: Sized {
    /// Reads the claims.
    ///
    /// # Errors
    /// [`InvalidToken::InvalidClaims`] when they do not fit.
    fn from_claims(claims: &Claims) -> Result<Self, InvalidToken>;
}

impl<C: DeserializeOwned> FromClaims for C {
    fn from_claims(claims: &Claims) -> Result<Self, InvalidToken> {
        claims.deserialize()
    }
}

/// No typed claims are asked for; nothing is read.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct NoClaims;

impl FromClaims for NoClaims {
    fn from_claims(_: &Claims) -> Result<Self, InvalidToken> {
        Ok(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_fit_or_do_not() {
        let claims = Claims::parse(br#"{"sub":"u","tenant":"t"}"#.to_vec()).unwrap();
        #[derive(Debug, serde::Deserialize)]
        struct Tenant {
            tenant: String,
        }
        #[derive(Debug, serde::Deserialize)]
        struct Unfit {
            #[allow(dead_code)]
            tenant: u8,
        }
        assert_eq!(Tenant::from_claims(&claims).unwrap().tenant, "t");
        assert_eq!(Unfit::from_claims(&claims).unwrap_err(), InvalidToken::InvalidClaims);
        assert_eq!(NoClaims::from_claims(&claims), Ok(NoClaims));
    }
}
