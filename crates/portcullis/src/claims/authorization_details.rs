//! Authorization details (RFC 9396): what a token allows, as objects of a type.

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::claims::Claims;
use crate::error::InvalidToken;
use crate::jose::json::JsonObject;

const CLAIM: &str = "authorization_details";

impl Claims {
    /// Reads the entries of `authorization_details` with the type `kind`.
    ///
    /// # Errors
    /// [`InvalidToken::InvalidClaim`] when the claim is not a list of objects with a `type`, an object has a member twice, or an
    /// entry of this type does not fit `T`.
    pub(crate) fn authorization_details<T: DeserializeOwned>(&self, kind: &str) -> Result<Vec<T>, InvalidToken> {
        let invalid = || InvalidToken::invalid(CLAIM);
        let entries = self.get::<Vec<&RawValue>>(CLAIM)?.unwrap_or_default();
        let mut details = Vec::new();
        for entry in entries {
            let object = JsonObject::parse(entry.get().as_bytes().to_vec()).map_err(|_| invalid())?;
            let name = object.optional_string("type").ok().flatten().ok_or_else(invalid)?;
            if name.of(object.text()) == kind {
                details.push(serde_json::from_str(object.text()).map_err(|_| invalid())?);
            }
        }
        Ok(details)
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Payment {
        r#type: String,
        creditor: String,
    }

    fn payments(details: &str) -> Result<Vec<String>, InvalidToken> {
        let claims = Claims::parse(format!(r#"{{"authorization_details":{details}}}"#).into_bytes()).unwrap();
        let payments = claims.authorization_details::<Payment>("payment")?;
        assert!(payments.iter().all(|payment| payment.r#type == "payment"));
        Ok(payments.into_iter().map(|payment| payment.creditor).collect())
    }

    #[test]
    fn entries_of_the_type_are_read() {
        let shop = r#"{"type":"payment","creditor":"shop"}"#;
        assert_eq!(payments(&format!("[{shop}]")).unwrap(), ["shop"]);
        let several = format!(r#"[{{"type":"account"}},{shop},{{"creditor":"m\u0065","type":"p\u0061yment"}}]"#);
        assert_eq!(payments(&several).unwrap(), ["shop", "me"]);
        for none in
            ["[]", "null", r#"[{"type":"Payment","creditor":"shop"}]"#, r#"[{"type":"payment ","creditor":"x"}]"#]
        {
            assert_eq!(payments(none).unwrap(), [""; 0], "{none}");
        }
        let absent = Claims::parse(b"{}".to_vec()).unwrap().authorization_details::<Payment>("payment");
        assert_eq!(absent, Ok(Vec::new()));
    }

    #[test]
    fn an_unreadable_entry_voids_the_claim() {
        let shop = r#"{"type":"payment","creditor":"shop"}"#;
        for details in [
            shop.to_owned(),
            "\"payment\"".to_owned(),
            "true".to_owned(),
            "7".to_owned(),
            format!(r#"{{"payment":{shop}}}"#),
            format!("[{shop},7]"),
            format!("[{shop},null]"),
            format!("[{shop},[{shop}]]"),
            format!("[{shop},{{}}]"),
            format!(r#"[{shop},{{"type":7}}]"#),
            format!(r#"[{shop},{{"type":null}}]"#),
            format!(r#"[{shop},{{"type":["payment"]}}]"#),
            format!(r#"[{shop},{{"type":"account","type":"payment"}}]"#),
            // Of this type, but not of this form.
            format!(r#"[{shop},{{"type":"payment"}}]"#),
            format!(r#"[{shop},{{"type":"payment","creditor":7}}]"#),
            format!(r#"[{shop},{{"type":"payment","creditor":"me","creditor":"you"}}]"#),
            // A member that the type does not know may be a limit.
            format!(r#"[{shop},{{"type":"payment","creditor":"me","limit":1}}]"#),
        ] {
            assert_eq!(payments(&details), Err(InvalidToken::invalid(CLAIM)), "{details}");
        }
    }
}
