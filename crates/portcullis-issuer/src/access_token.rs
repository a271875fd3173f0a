//! What an access token says (RFC 9068), before it is minted.

use std::fmt;
use std::time::Duration;

use portcullis::claims::NumericDate;
use portcullis::verifier::SenderConstraint;
use serde::Serialize;
use serde::ser::SerializeMap;
use serde_json::{Map, Value};

/// The claims that the issuer writes. Other claims cannot have these names.
const REGISTERED: [&str; 16] = [
    "acr",
    "act",
    "amr",
    "aud",
    "auth_time",
    "client_id",
    "cnf",
    "exp",
    "iat",
    "iss",
    "jti",
    "may_act",
    "nbf",
    "scope",
    "sid",
    "sub",
];
/// How far `auth_time` may be ahead of this machine's clock, in seconds.
const LOGIN_CLOCK_MARGIN: i64 = 60;

/// An access token to mint: its subject, its client and its claims (RFC 9068 §2.2).
///
/// ```
/// use portcullis_issuer::AccessToken;
///
/// let token = AccessToken::new("user-1", "web")
///     .scopes(["read:messages", "write:messages"])
///     .session("session-7")
///     .claim("tenant", "acme");
/// ```
///
/// `iss`, `aud`, `iat`, `exp` and a random `jti` are added by [`Issuer::mint`](crate::Issuer::mint), which also checks the
/// values. Everyone who holds a token can read its claims.
#[derive(Clone)]
#[must_use = "pass it to Issuer::mint"]
pub struct AccessToken {
    subject: String,
    client_id: String,
    audiences: Vec<String>,
    scopes: Vec<String>,
    session: Option<String>,
    auth_time: Option<NumericDate>,
    acr: Option<String>,
    amr: Vec<String>,
    actor: Option<Value>,
    confirmation: Option<SenderConstraint>,
    own: Map<String, Value>,
    pub(crate) lifetime: Option<Duration>,
    fault: Option<(String, &'static str)>,
}

/// A claim that cannot be minted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct InvalidClaim {
    pub(crate) name: String,
    pub(crate) problem: &'static str,
}

impl AccessToken {
    /// Starts a token for `subject`, the identifier of a user that never changes (`sub`), and the client that asked for it
    /// (`client_id`), for example the name of your web application. If the client acts for itself, both are its identifier.
    pub fn new(subject: impl Into<String>, client_id: impl Into<String>) -> Self {
        Self {
            subject: subject.into(),
            client_id: client_id.into(),
            audiences: Vec::new(),
            scopes: Vec::new(),
            session: None,
            auth_time: None,
            acr: None,
            amr: Vec::new(),
            actor: None,
            confirmation: None,
            own: Map::new(),
            lifetime: None,
            fault: None,
        }
    }

    /// Sets the services that the token is for (`aud`). Default: the audience of the issuer.
    pub fn audiences<S: Into<String>>(mut self, audiences: impl IntoIterator<Item = S>) -> Self {
        self.audiences = audiences.into_iter().map(Into::into).collect();
        self
    }

    /// Sets what the client may do (`scope`).
    pub fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the session that the token belongs to (`sid`), so that a session check can refuse it after a logout.
    pub fn session(mut self, id: impl Into<String>) -> Self {
        self.session = Some(id.into());
        self
    }

    /// Sets when the user last proved who they are (`auth_time`), for policies such as
    /// [`Policy::authenticated_within`](portcullis::Policy::authenticated_within). A refresh does not change it.
    pub fn auth_time(mut self, date: NumericDate) -> Self {
        self.auth_time = Some(date);
        self
    }

    /// Sets how strong the login was (`acr`), for example a level from the list of your service.
    pub fn acr(mut self, class: impl Into<String>) -> Self {
        self.acr = Some(class.into());
        self
    }

    /// Sets how the user logged in (`amr`, RFC 8176), for example `pwd` and `otp`.
    pub fn amr<S: Into<String>>(mut self, methods: impl IntoIterator<Item = S>) -> Self {
        self.amr = methods.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the party that acts for the subject (`act`, RFC 8693 §4.1), for example `{"sub": "support-3"}`.
    pub fn actor(mut self, actor: impl Serialize) -> Self {
        match serde_json::to_value(actor) {
            Ok(actor) => self.actor = Some(actor),
            Err(_) => self.fault("act", "not JSON"),
        }
        self
    }

    /// Binds the token to a key (`cnf`, RFC 7800): a DPoP key, a client certificate, or both. The core refuses a bound token
    /// unless its gate checks the binding ([`Gate::with_dpop`](portcullis::Gate::with_dpop)).
    pub fn bound_to(mut self, key: SenderConstraint) -> Self {
        self.confirmation = Some(key);
        self
    }

    /// Adds your own claim, or replaces it. [`Issuer::mint`](crate::Issuer::mint) refuses the names of registered
    /// claims: each has its own method.
    pub fn claim(mut self, name: impl Into<String>, value: impl Serialize) -> Self {
        let name = name.into();
        match serde_json::to_value(value) {
            Ok(value) => _ = self.own.insert(name, value),
            Err(_) => self.fault(name, "not JSON"),
        }
        self
    }

    /// Sets the lifetime of this token. Default: that of the issuer.
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = Some(lifetime);
        self
    }

    fn fault(&mut self, name: impl Into<String>, problem: &'static str) {
        self.fault.get_or_insert((name.into(), problem));
    }

    /// Checks the values, at the date `issued_at`.
    pub(crate) fn validate(&self, issued_at: i64) -> Result<(), InvalidClaim> {
        let wrong = |name: &str, problem| Err(InvalidClaim { name: name.to_owned(), problem });
        if let Some((name, problem)) = &self.fault {
            return wrong(name, problem);
        }
        let texts = [("sub", Some(&self.subject)), ("client_id", Some(&self.client_id))];
        let optional = [("sid", self.session.as_ref()), ("acr", self.acr.as_ref())];
        let listed = self.audiences.iter().map(|text| ("aud", Some(text)));
        let listed = listed.chain(self.amr.iter().map(|text| ("amr", Some(text))));
        let mut texts = texts.into_iter().chain(optional).chain(listed);
        if let Some((name, _)) = texts.find(|(_, text)| text.is_some_and(String::is_empty)) {
            return wrong(name, "empty");
        }
        if !self.scopes.iter().all(|scope| is_scope(scope)) {
            return wrong("scope", "a scope is empty, or has a space, a quotation mark or a byte outside of ASCII");
        }
        if self.auth_time.is_some_and(|date| date.seconds() > issued_at.saturating_add(LOGIN_CLOCK_MARGIN)) {
            return wrong("auth_time", "in the future");
        }
        match &self.actor {
            None => {}
            Some(Value::Object(actor)) if actor.get("sub").is_some_and(Value::is_string) => {}
            Some(_) => return wrong("act", "not an object with a text sub"),
        }
        match &self.confirmation {
            None => {}
            Some(SenderConstraint::Certificate { thumbprint } | SenderConstraint::Dpop { thumbprint })
                if is_thumbprint(thumbprint) => {}
            Some(SenderConstraint::CertificateAndDpop { certificate, dpop })
                if is_thumbprint(certificate) && is_thumbprint(dpop) => {}
            Some(_) => return wrong("cnf", "not the SHA-256 thumbprint of a key in base64url"),
        }
        match self.own.keys().find(|name| name.is_empty() || REGISTERED.contains(&name.as_str())) {
            Some(name) => wrong(name, "a registered claim; the issuer writes it, or AccessToken has a method for it"),
            None => Ok(()),
        }
    }

    /// Returns the claims as JSON.
    pub(crate) fn payload(&self, stamp: &Stamp<'_>) -> serde_json::Result<Vec<u8>> {
        // Enough for the claims of most tokens.
        let mut json = Vec::with_capacity(512);
        serde_json::to_writer(&mut json, &Payload { token: self, stamp })?;
        Ok(json)
    }
}

/// Shows no value, because claims are personal data.
impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessToken { .. }")
    }
}

/// What the issuer adds to a token.
pub(crate) struct Stamp<'a> {
    pub(crate) issuer: &'a str,
    pub(crate) audience: &'a str,
    pub(crate) issued_at: i64,
    pub(crate) expires_at: i64,
    pub(crate) id: &'a str,
}

struct Payload<'a> {
    token: &'a AccessToken,
    stamp: &'a Stamp<'a>,
}

impl Serialize for Payload<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { token, stamp } = self;
        let mut claims = serializer.serialize_map(None)?;
        claims.serialize_entry("iss", stamp.issuer)?;
        claims.serialize_entry("sub", &token.subject)?;
        match token.audiences.as_slice() {
            [] => claims.serialize_entry("aud", stamp.audience)?,
            [one] => claims.serialize_entry("aud", one)?,
            several => claims.serialize_entry("aud", several)?,
        }
        claims.serialize_entry("client_id", &token.client_id)?;
        claims.serialize_entry("iat", &stamp.issued_at)?;
        claims.serialize_entry("exp", &stamp.expires_at)?;
        claims.serialize_entry("jti", stamp.id)?;
        if !token.scopes.is_empty() {
            claims.serialize_entry("scope", &SpaceSeparated(&token.scopes))?;
        }
        if let Some(session) = &token.session {
            claims.serialize_entry("sid", session)?;
        }
        if let Some(date) = token.auth_time {
            claims.serialize_entry("auth_time", &date.seconds())?;
        }
        if let Some(class) = &token.acr {
            claims.serialize_entry("acr", class)?;
        }
        if !token.amr.is_empty() {
            claims.serialize_entry("amr", &token.amr)?;
        }
        if let Some(actor) = &token.actor {
            claims.serialize_entry("act", actor)?;
        }
        if let Some(key) = &token.confirmation {
            claims.serialize_entry("cnf", &confirmation(key))?;
        }
        for (name, value) in &token.own {
            claims.serialize_entry(name, value)?;
        }
        claims.end()
    }
}

/// The value of `cnf` (RFC 7800 §3.1).
fn confirmation(key: &SenderConstraint) -> Map<String, Value> {
    let (certificate, dpop) = match key {
        SenderConstraint::Certificate { thumbprint } => (Some(thumbprint), None),
        SenderConstraint::CertificateAndDpop { certificate, dpop } => (Some(certificate), Some(dpop)),
        SenderConstraint::Dpop { thumbprint } => (None, Some(thumbprint)),
        _ => (None, None),
    };
    let members = [("x5t#S256", certificate), ("jkt", dpop)];
    members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.as_str().into()))).collect()
}

/// Texts with spaces in between, without a copy of them.
struct SpaceSeparated<'a>(&'a [String]);

impl Serialize for SpaceSeparated<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for SpaceSeparated<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, text) in self.0.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { " " })?;
            f.write_str(text)?;
        }
        Ok(())
    }
}

/// Whether `text` is one scope (RFC 6749 §3.3). A space would make two of it.
pub(crate) fn is_scope(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
    !text.is_empty() && text.bytes().all(is_allowed)
}

fn is_thumbprint(text: &str) -> bool {
    text.len() == 43 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}
