//! Claims as the type that a handler asks for.

use serde::de::DeserializeOwned;

use crate::claims::Claims;
use crate::error::InvalidToken;

/// A type that the extractors of the adapters can read all claims as: any type that serde can deserialize, or
/// [`NoClaims`].
///
/// ```
/// # use portcullis::{Gate, JwtVerifier};
/// use portcullis::claims::FromClaims;
///
/// #[derive(serde::Deserialize)]
/// struct Member {
///     #[serde(rename = "sub")]
///     id: String,
///     org_id: String,
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let keys = portcullis::keys::FixedKeys::jwk(r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#)?;
/// # let token = "eyJhbGciOiJFZERTQSIsInR5cCI6ImF0K2p3dCJ9.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwiYXVkIjoiYXBpIiwic3ViIjoiYWxpY2UiLCJvcmdfaWQiOiJvcmdfMSIsImVudGl0bGVtZW50cyI6WyJpbnZvaWNlczp3cml0ZSJdLCJleHAiOjQxMDI0NDQ4MDB9.bmhc5JNiSqEOaZ8IOBkJxBhC1VvsaSy7HzxkZ-fU0gVcihG7BOpjYYMx3f8_06d-TlpqBeEqp8zoUpuOB54vCg";
/// # let gate = Gate::new(JwtVerifier::builder("https://issuer.example", "api", keys).build()?);
/// let caller = gate.verify(token).await?;
/// let member = Member::from_claims(caller.all_claims())?;
/// assert_eq!((member.id.as_str(), member.org_id.as_str()), ("alice", "org_1"));
/// # Ok(()) }
/// ```
#[diagnostic::on_unimplemented(
    message = "claims cannot be read as `{Self}`",
    note = "derive `serde::Deserialize` for the type, without borrowing from the input"
)]
pub trait FromClaims: Sized {
    /// Reads the claims.
    ///
    /// # Errors
    /// [`InvalidToken::InvalidClaims`] when the claims do not fit.
    fn from_claims(claims: &Claims) -> Result<Self, InvalidToken>;
}

impl<C: DeserializeOwned> FromClaims for C {
    fn from_claims(claims: &Claims) -> Result<Self, InvalidToken> {
        claims.deserialize()
    }
}

/// The type for handlers that read no typed claims.
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
