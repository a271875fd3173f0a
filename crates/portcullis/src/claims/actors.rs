//! The actors of a token (RFC 8693 §4.1): who calls on behalf of the subject.

use std::fmt;

use crate::claims::Claims;
use crate::error::InvalidToken;
use crate::jose::json::{JsonObject, Text, WrongType};

/// The most actors of a token. Each exchange of a token adds one, and real chains have two or three.
pub(crate) const MAX_ACTORS: usize = 16;

/// A party that acts on behalf of the token's subject, for example a service that exchanged the subject's token, or an agent
/// (RFC 8693 §4.1). [`Verified::actors`](crate::Verified::actors) returns the actors of a token.
#[derive(Clone, Eq, PartialEq)]
pub struct Actor {
    subject: Option<String>,
    issuer: Option<String>,
    client_id: Option<String>,
}

impl Actor {
    /// `sub`: the actor's name at its issuer.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// `iss`: the issuer that knows the actor. `None` means the issuer of the token.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    /// `client_id`: the client that the actor is.
    #[must_use]
    pub fn client_id(&self) -> Option<&str> {
        self.client_id.as_deref()
    }

    /// Reads one actor, and the JSON text of the actor before it.
    fn read(json: &str) -> Option<(Self, Option<String>)> {
        let object = JsonObject::parse(json.as_bytes().to_vec()).ok()?;
        let text = |name: &str| -> Result<Option<String>, WrongType> {
            Ok(object.optional_string(name)?.map(|text: Text| text.of(object.text()).to_owned()))
        };
        let actor = Self { subject: text("sub").ok()?, issuer: text("iss").ok()?, client_id: text("client_id").ok()? };
        let is_named = |name: &Option<String>| name.as_ref().is_some_and(|name| !name.trim().is_empty());
        let is_identified = is_named(&actor.subject) || is_named(&actor.client_id);
        is_identified.then(|| (actor, object.raw("act").map(str::to_owned)))
    }
}

impl Claims {
    /// Reads `act`: the current actor first, then the one before it. Empty if the claim is absent or null.
    ///
    /// # Errors
    /// [`InvalidToken::InvalidClaim`] when an actor is not an object, has a member twice, has neither `sub` nor `client_id`, or is
    /// one too many.
    pub(crate) fn actors(&self) -> Result<Vec<Actor>, InvalidToken> {
        let mut actors = Vec::new();
        let mut next = self.object.raw("act").filter(|json| *json != "null").map(str::to_owned);
        while let Some(json) = next {
            let (actor, before) = Actor::read(&json).ok_or_else(|| InvalidToken::invalid("act"))?;
            if actors.len() == MAX_ACTORS {
                return Err(InvalidToken::invalid("act"));
            }
            actors.push(actor);
            next = before.filter(|json| json != "null");
        }
        Ok(actors)
    }
}

impl fmt::Debug for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Actor { .. }")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn actors(act: &str) -> Result<Vec<Actor>, InvalidToken> {
        Claims::parse(format!(r#"{{"sub":"alice","act":{act}}}"#).into_bytes()).unwrap().actors()
    }

    #[test]
    fn actors_are_read_from_the_current_one_to_the_first() {
        // The example of RFC 8693 §4.1.
        let chain = actors(r#"{"sub":"https://service16.example.com","act":{"sub":"https://service77.example.com"}}"#);
        let names: Vec<_> = chain.as_ref().unwrap().iter().map(Actor::subject).collect();
        assert_eq!(names, [Some("https://service16.example.com"), Some("https://service77.example.com")]);
        let one = actors(r#"{"client_id":"\u0061gent","iss":"https://i.example","exp":1,"act":null}"#).unwrap();
        let [actor] = one.as_slice() else { panic!("{}", one.len()) };
        assert_eq!(
            (actor.subject(), actor.issuer(), actor.client_id()),
            (None, Some("https://i.example"), Some("agent"))
        );
        assert_eq!(format!("{actor:?}"), "Actor { .. }");
        assert_eq!(actors("null"), Ok(Vec::new()));
        assert_eq!(Claims::parse(b"{}".to_vec()).unwrap().actors(), Ok(Vec::new()));
    }

    #[test]
    fn malformed_actors_are_errors() {
        for act in [
            "\"agent\"",
            "[]",
            r#"[{"sub":"agent"}]"#,
            "true",
            "7",
            "{}",
            r#"{"sub":""}"#,
            r#"{"sub":" "}"#,
            r#"{"sub":7}"#,
            r#"{"sub":null}"#,
            r#"{"client_id":["agent"]}"#,
            r#"{"sub":"agent","iss":7}"#,
            r#"{"sub":"agent","sub":"admin"}"#,
            r#"{"sub":"agent","act":{"sub":"one"},"act":{"sub":"two"}}"#,
            r#"{"sub":"agent","act":"one"}"#,
            r#"{"sub":"agent","act":{}}"#,
            r#"{"sub":"agent","act":{"sub":"one","act":[]}}"#,
        ] {
            assert_eq!(actors(act), Err(InvalidToken::invalid("act")), "{act}");
        }
    }

    #[test]
    fn number_of_actors_is_bounded() {
        let nested = |depth: usize| format!("{}{}", r#"{"sub":"a","act":"#.repeat(depth), "null") + &"}".repeat(depth);
        assert_eq!(actors(&nested(MAX_ACTORS)).unwrap().len(), MAX_ACTORS);
        assert_eq!(actors(&nested(MAX_ACTORS + 1)), Err(InvalidToken::invalid("act")));
        assert_eq!(actors(&nested(60)), Err(InvalidToken::invalid("act")));
    }
}
