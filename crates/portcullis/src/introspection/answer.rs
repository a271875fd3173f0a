//! The answer of the endpoint (RFC 7662 §2.2): a JSON object, read strictly.

use serde_json::value::RawValue;

use crate::claims::Claims;
use crate::error::InvalidToken;
use crate::jose::json::{JsonError, JsonObject};
use crate::verifier::SenderConstraint;

/// What the endpoint says about a token.
#[allow(clippy::large_enum_variant, reason = "it is taken apart at once")]
#[derive(Debug)]
pub(super) enum Answer {
    /// It is active, with these claims. `class` says whether it is an access token that may be used so.
    Active { claims: Claims, class: Result<(), InvalidToken> },
    /// It is not active, or the endpoint does not know it.
    Inactive,
    /// It is active, but a claim has a wrong type.
    Unusable(InvalidToken),
}

/// Why an answer says nothing. Its text repeats nothing of the answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum UnusableAnswer {
    #[error("active is not a boolean")]
    Active,
    #[error("a member appears twice")]
    DuplicateMember,
    #[error("it is not a JSON object")]
    NotAnObject,
}

/// Reads the answer of the endpoint of `issuer`. Without `iss`, its token is from that issuer.
pub(super) fn read(json: Vec<u8>, issuer: &str) -> Result<Answer, UnusableAnswer> {
    let object = JsonObject::parse(json).map_err(|error| match error {
        JsonError::DuplicateMember => UnusableAnswer::DuplicateMember,
        _ => UnusableAnswer::NotAnObject,
    })?;
    match object.raw("active") {
        Some("true") => {}
        Some("false") => return Ok(Answer::Inactive),
        _ => return Err(UnusableAnswer::Active),
    }
    let json = if object.raw("iss").is_some() { object.text().to_owned() } else { with_issuer(object.text(), issuer) };
    Ok(match Claims::parse(json.into_bytes()) {
        Ok(claims) => {
            let class = check_class(&claims);
            Answer::Active { claims, class }
        }
        Err(unusable) => Answer::Unusable(unusable),
    })
}

/// Adds `iss` to the text of an object that has other members and no `iss`.
fn with_issuer(object: &str, issuer: &str) -> String {
    let members = object.trim_start().strip_prefix('{').unwrap_or_default();
    format!("{{\"iss\":{},{members}", serde_json::Value::from(issuer))
}

/// Checks that the token is an access token: an endpoint may also answer for refresh tokens (RFC 7662 §2.1).
///
/// `token_type` is that of RFC 6749 §5.1; some servers write there that it is an access token. `token_use` is a member of
/// Ory Hydra and others. A DPoP token has to name its key (RFC 9449 §6.2).
fn check_class(claims: &Claims) -> Result<(), InvalidToken> {
    let is_one_of = |name: &'static str, known: &[&str]| match claims.get::<&RawValue>(name)? {
        None => Ok(true),
        Some(_) => {
            let value = claims.required::<String>(name)?;
            Ok(known.iter().any(|known| value.eq_ignore_ascii_case(known)))
        }
    };
    const ACCESS_TOKEN: [&str; 2] = ["access_token", "urn:ietf:params:oauth:token-type:access_token"];
    let [name, urn] = ACCESS_TOKEN;
    if !is_one_of("token_type", &["Bearer", "DPoP", name, urn])? || !is_one_of("token_use", &["access", name])? {
        return Err(InvalidToken::WrongTokenClass);
    }
    let is_dpop = claims.get::<String>("token_type")?.is_some_and(|value| value.eq_ignore_ascii_case("DPoP"));
    match SenderConstraint::read(claims) {
        Some(SenderConstraint::Dpop { .. }) => Ok(()),
        _ if is_dpop => Err(InvalidToken::SenderConstrained),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: &str = "https://issuer.example/\"q";

    fn answer(json: &str) -> Result<Answer, UnusableAnswer> {
        read(json.as_bytes().to_vec(), ISSUER)
    }

    fn active(json: &str) -> (Claims, Result<(), InvalidToken>) {
        match answer(json) {
            Ok(Answer::Active { claims, class }) => (claims, class),
            other => panic!("{json}: {other:?}"),
        }
    }

    #[test]
    fn active_must_be_the_boolean_true() {
        assert!(matches!(answer(r#"{"active":true}"#), Ok(Answer::Active { .. })));
        assert!(matches!(answer(r#" { "\u0061ctive" : true } "#), Ok(Answer::Active { .. })));
        for json in [r#"{"active":false}"#, r#"{"active":false,"sub":7,"exp":"never"}"#] {
            assert!(matches!(answer(json), Ok(Answer::Inactive)), "{json}");
        }
        for value in [r#""true""#, r#""false""#, "1", "0", "null", "[true]", r#"{"active":true}"#, r#""""#] {
            assert_eq!(
                answer(&format!(r#"{{"active":{value},"sub":"u"}}"#)).unwrap_err(),
                UnusableAnswer::Active,
                "{value}"
            );
        }
        for json in ["{}", r#"{"Active":true}"#, r#"{"sub":"u"}"#] {
            assert_eq!(answer(json).unwrap_err(), UnusableAnswer::Active, "{json}");
        }
    }

    #[test]
    fn answer_is_one_object_without_duplicates() {
        for json in [
            r#"{"active":true,"active":true}"#,
            r#"{"active":true,"sub":"a","sub":"b"}"#,
            r#"{"active":false,"x":1,"x":1}"#,
        ] {
            assert_eq!(answer(json).unwrap_err(), UnusableAnswer::DuplicateMember, "{json}");
        }
        let deep = format!(r#"{{"active":true,"x":{}{}}}"#, "[".repeat(80), "]".repeat(80));
        for json in
            ["", "true", "[]", r#"[{"active":true}]"#, r#"{"active":true"#, r#"{"active":true}{}"#, "<html>", &deep]
        {
            assert_eq!(answer(json).unwrap_err(), UnusableAnswer::NotAnObject, "{json:.30}");
        }
        assert_eq!(
            read(b"{\"active\":true,\"x\":\"\xff\"}".to_vec(), ISSUER).unwrap_err(),
            UnusableAnswer::NotAnObject
        );
    }

    #[test]
    fn absent_issuer_is_that_of_the_endpoint() {
        let (claims, _) = active(" {\"active\":true,\"sub\":\"u\"}");
        assert_eq!((claims.issuer(), claims.subject()), (Some(ISSUER), Some("u")));
        let (claims, _) = active(r#"{"active":true,"iss":"https://other.example"}"#);
        assert_eq!(claims.issuer(), Some("https://other.example"));
        assert!(matches!(
            answer(r#"{"active":true,"iss":null}"#),
            Ok(Answer::Unusable(InvalidToken::InvalidClaim { .. }))
        ));
    }

    #[test]
    fn claim_of_a_wrong_type_is_the_fault_of_the_token() {
        for (claim, name) in
            [(r#""exp":"7""#, "exp"), (r#""sub":7"#, "sub"), (r#""aud":{}"#, "aud"), (r#""nbf":[]"#, "nbf")]
        {
            match answer(&format!(r#"{{"active":true,{claim}}}"#)) {
                Ok(Answer::Unusable(found)) => assert_eq!(found, InvalidToken::invalid(name)),
                other => panic!("{claim}: {other:?}"),
            }
        }
    }

    #[test]
    fn other_tokens_than_access_tokens_are_of_the_wrong_class() {
        let class = |members: &str| active(&format!(r#"{{"active":true{members}}}"#)).1;
        for members in [
            "",
            r#","token_type":null"#,
            r#","token_type":"Bearer""#,
            r#","token_type":"bearer""#,
            r#","token_type":"access_token","token_use":"access_token""#,
            r#","token_use":"access""#,
        ] {
            assert_eq!(class(members), Ok(()), "{members}");
        }
        for members in [
            r#","token_type":"refresh_token""#,
            r#","token_type":"urn:ietf:params:oauth:token-type:refresh_token""#,
            r#","token_type":"N_A""#,
            r#","token_type":"PoP""#,
            r#","token_type":"""#,
            r#","token_type":"Bearer","token_use":"refresh_token""#,
            r#","token_use":"id""#,
        ] {
            assert_eq!(class(members), Err(InvalidToken::WrongTokenClass), "{members}");
        }
        assert_eq!(class(r#","token_type":["Bearer"]"#), Err(InvalidToken::invalid("token_type")));
        assert_eq!(class(r#","token_use":7"#), Err(InvalidToken::invalid("token_use")));
    }

    #[test]
    fn dpop_token_names_its_key() {
        let class = |members: &str| active(&format!(r#"{{"active":true{members}}}"#)).1;
        assert_eq!(class(r#","token_type":"DPoP","cnf":{"jkt":"0Zcf"}"#), Ok(()));
        for members in [
            r#","token_type":"DPoP""#,
            r#","token_type":"dpop","cnf":null"#,
            r#","token_type":"DPoP","cnf":{"x5t#S256":"0Zcf"}"#,
            r#","token_type":"DPoP","cnf":{}"#,
        ] {
            assert_eq!(class(members), Err(InvalidToken::SenderConstrained), "{members}");
        }
        // Some servers write Bearer for every token: the key decides.
        assert_eq!(class(r#","token_type":"Bearer","cnf":{"jkt":"0Zcf"}"#), Ok(()));
    }
}
