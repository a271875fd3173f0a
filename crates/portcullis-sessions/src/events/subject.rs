//! The subjects of events (RFC 9493, Shared Signals Framework 1.0 §3), and the access tokens that they mean.

use std::fmt;

use portcullis::async_trait;
use portcullis::error::Unavailable;
use serde_json::{Map, Value};

/// The subject of a security event: an identifier in one of the formats of RFC 9493, or a complex subject of the Shared Signals
/// Framework, whose parts are subjects. `Debug` shows the format only.
#[derive(Clone)]
pub struct EventSubject(Map<String, Value>);

impl EventSubject {
    /// Reads a subject. `None` means that it is not an object with a `format`.
    pub(super) fn read(value: &Value) -> Option<Self> {
        let members = value.as_object()?;
        members.get("format")?.as_str()?;
        Some(Self(members.clone()))
    }

    /// Returns the format, for example `email`, `opaque`, `iss_sub` or `complex`.
    #[must_use]
    pub fn format(&self) -> &str {
        self.text("format").unwrap_or_default()
    }

    /// Returns a member that is text, for example `email`, or `id` of the format `opaque`.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    /// Returns a part of a complex subject, for example `user` or `session`.
    #[must_use]
    pub fn part(&self, name: &str) -> Option<Self> {
        if self.format() != "complex" {
            return None;
        }
        Self::read(self.0.get(name)?)
    }

    /// The names of the parts of a complex subject.
    pub(super) fn parts(&self) -> impl Iterator<Item = &str> {
        let is_complex = self.format() == "complex";
        self.0.keys().filter(move |name| is_complex && *name != "format").map(String::as_str)
    }

    fn aliases(&self) -> Vec<Self> {
        if self.format() != "aliases" {
            return Vec::new();
        }
        let identifiers = self.0.get("identifiers").and_then(Value::as_array);
        // Aliases do not have aliases (RFC 9493 §3.2.8).
        identifiers.into_iter().flatten().filter_map(Self::read).filter(|each| each.format() != "aliases").collect()
    }
}

impl fmt::Debug for EventSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventSubject").field("format", &self.known_format()).finish_non_exhaustive()
    }
}

/// Which access tokens of the issuer an event is about.
#[derive(Clone, Eq, PartialEq)]
#[non_exhaustive]
pub enum Affected {
    /// Those with this `sub` that were issued before the event.
    Subject(String),
    /// Those with this `sid`. With a subject, also those of the subject without `sid` that were issued before the event.
    Session {
        /// The `sid`.
        session: String,
        /// The `sub`.
        subject: Option<String>,
    },
    /// The one with this `jti`.
    Token(String),
}

impl fmt::Debug for Affected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Subject(_) => "Subject(..)",
            Self::Session { .. } => "Session { .. }",
            Self::Token(_) => "Token(..)",
        })
    }
}

/// Finds the access tokens that a subject of an event means: for addresses, names and sessions that only the service can turn
/// into `sub` or `sid`.
///
/// ```
/// use std::collections::HashMap;
/// use portcullis::async_trait;
/// use portcullis::error::Unavailable;
/// use portcullis_sessions::{Affected, EventSubject, EventSubjects};
///
/// /// The `sub` of each user by address. A service asks its database.
/// #[derive(Debug)]
/// struct Users(HashMap<String, String>);
///
/// #[async_trait]
/// impl EventSubjects for Users {
///     async fn find(&self, subject: &EventSubject) -> Result<Vec<Affected>, Unavailable> {
///         let user = subject.text("email").and_then(|email| self.0.get(email));
///         Ok(user.map(|sub| Affected::Subject(sub.clone())).into_iter().collect())
///     }
/// }
/// ```
#[async_trait]
pub trait EventSubjects: fmt::Debug + Send + Sync {
    /// Returns which tokens the subject means. An empty list means that the service does not know it; then the receiver tries
    /// the formats that it understands itself.
    ///
    /// # Errors
    /// [`Unavailable`] when that cannot be told now. The transmitter sends the event again.
    async fn find(&self, subject: &EventSubject) -> Result<Vec<Affected>, Unavailable>;
}

impl EventSubject {
    /// What a subject means without the help of the service, for access tokens of `issuer`: `iss_sub` and `jwt_id` of this
    /// issuer, an alias with one of them, and the user of a complex subject. The other parts of a complex subject limit it to
    /// a device or a session, so this denies too much rather than too little.
    pub(super) fn affected(&self, issuer: &str) -> Vec<Affected> {
        let is_of_issuer = || self.text("iss") == Some(issuer);
        let text = |name: &str| self.text(name).filter(|text| !text.is_empty()).map(str::to_owned);
        match self.format() {
            "iss_sub" if is_of_issuer() => text("sub").map(Affected::Subject).into_iter().collect(),
            "jwt_id" if is_of_issuer() => text("jti").map(Affected::Token).into_iter().collect(),
            "aliases" => self.aliases().iter().flat_map(|alias| alias.affected(issuer)).collect(),
            // A complex subject inside another one is not valid.
            "complex" => match self.part("user") {
                Some(user) if user.format() != "complex" => user.affected(issuer),
                _ => Vec::new(),
            },
            _ => Vec::new(),
        }
    }

    /// The format for logs, where a transmitter cannot write other texts.
    pub(super) fn known_format(&self) -> &'static str {
        const KNOWN: [&str; 11] = [
            "account",
            "aliases",
            "complex",
            "did",
            "email",
            "ip-addresses",
            "iss_sub",
            "jwt_id",
            "opaque",
            "phone_number",
            "uri",
        ];
        KNOWN.into_iter().find(|known| *known == self.format()).unwrap_or("another")
    }
}
