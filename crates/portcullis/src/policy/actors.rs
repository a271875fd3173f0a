//! Demands about who acts on behalf of the subject.

use crate::claims::Actor;
use crate::verifier::Verified;

/// An actor that a policy allows ([`Policy::actors`](crate::Policy::actors)): one name at one issuer, for all subjects or for
/// some.
///
/// ```
/// use portcullis::Policy;
/// use portcullis::policy::AllowedActor;
///
/// let agent = AllowedActor::subject("agent-7").of_issuer("https://agents.example.com");
/// let support = AllowedActor::client("support-desk").acting_for(["alice", "bob"]);
/// let policy = Policy::no_actor().or(Policy::actors([agent, support]));
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use = "give it to Policy::actors"]
pub struct AllowedActor {
    name: Name,
    issuer: Option<String>,
    subjects: Option<Vec<String>>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Name {
    Client(String),
    Subject(String),
}

impl AllowedActor {
    /// The actor with this `sub` at the issuer of the token.
    pub fn subject(name: impl Into<String>) -> Self {
        Self { name: Name::Subject(name.into()), issuer: None, subjects: None }
    }

    /// The actor with this `client_id` at the issuer of the token.
    pub fn client(id: impl Into<String>) -> Self {
        Self { name: Name::Client(id.into()), issuer: None, subjects: None }
    }

    /// Instead of at the issuer of the token, at `issuer` (`iss` of the actor). A name is unique only within its issuer.
    pub fn of_issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = Some(issuer.into());
        self
    }

    /// Only on behalf of these subjects (`sub` of the token).
    pub fn acting_for<S: Into<String>>(mut self, subjects: impl IntoIterator<Item = S>) -> Self {
        self.subjects = Some(subjects.into_iter().map(Into::into).collect());
        self
    }

    /// Whether it has a name.
    pub(super) fn is_named(&self) -> bool {
        let (Name::Client(name) | Name::Subject(name)) = &self.name;
        !name.trim().is_empty()
    }

    fn is(&self, actor: &Actor, caller: &Verified) -> bool {
        let has_name = match &self.name {
            Name::Client(id) => actor.client_id() == Some(id),
            Name::Subject(name) => actor.subject() == Some(name),
        };
        let may_act_for = self.subjects.as_ref().is_none_or(|subjects| {
            caller.subject().is_some_and(|subject| subjects.iter().any(|allowed| allowed == subject))
        });
        let own = caller.issuer();
        has_name && may_act_for && actor.issuer().or(own) == self.issuer.as_deref().or(own)
    }
}

/// The actor with this `sub` at the issuer of the token.
impl From<&str> for AllowedActor {
    fn from(name: &str) -> Self {
        Self::subject(name)
    }
}

/// Whether the current actor is one of `allowed`. Actors before it are not looked at (RFC 8693 §4.1).
pub(super) fn is_allowed(allowed: &[AllowedActor], caller: &Verified) -> bool {
    let actors = caller.actors().unwrap_or_default();
    actors.first().is_some_and(|current| allowed.iter().any(|allowed| allowed.is(current, caller)))
}

/// Whether the token has at most `max` actors. Actors that cannot be read are too many.
pub(super) fn are_at_most(max: usize, caller: &Verified) -> bool {
    caller.actors().is_ok_and(|actors| actors.len() <= max)
}
