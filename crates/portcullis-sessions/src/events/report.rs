//! Verification of signed tokens that report something, and give no access: logout tokens and security event tokens.

use std::fmt;
use std::sync::Arc;

use portcullis::adapter::Credential;
use portcullis::clock::Clock;
use portcullis::error::{InvalidToken, Unavailable};
use portcullis::{Audience, AuthError, ConfigError, Issuer, JwtVerifier, KeyProvider, Verified, Verifier as _};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use crate::timestamp::Timestamp;

/// Verifies one kind of reports. It accepts no access tokens, because it requires another `typ` and the claim `events`.
#[derive(Debug)]
pub(super) struct ReportVerifier(JwtVerifier);

/// The kinds of reports.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// OpenID Connect Back-Channel Logout 1.0. `untyped` also accepts the `typ` `JWT`.
    LogoutToken { untyped: bool },
    /// RFC 8417, as the Shared Signals Framework profiles it.
    SecurityEvent,
}

/// A verified report, with the claims that every report has.
pub(super) struct Report {
    pub(super) issuer: String,
    pub(super) token_id: String,
    pub(super) issued_at: Timestamp,
    pub(super) claims: Verified,
}

/// Why a report was not verified.
#[derive(Debug)]
pub(super) enum NotVerified {
    Invalid(InvalidToken),
    Unavailable(Unavailable),
}

impl ReportVerifier {
    pub(super) fn new(
        kind: Kind,
        issuer: Issuer,
        audience: Audience,
        keys: impl KeyProvider + 'static,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ConfigError> {
        let builder = JwtVerifier::builder(issuer, audience, keys).clock(clock).require_claims(["events"]);
        let builder = match kind {
            Kind::LogoutToken { untyped: false } => builder.token_types(["logout+jwt"]),
            Kind::LogoutToken { untyped: true } => builder.token_types(["logout+jwt", "JWT"]),
            // It must not have `exp`, which would make it look like other tokens. It gives no access, and its effect is limited
            // to what was issued before its `iat`.
            Kind::SecurityEvent => builder.token_types(["secevent+jwt"]).dangerous().allow_missing_expiration(),
        };
        Ok(Self(builder.build()?))
    }

    pub(super) async fn verify(&self, token: &str) -> Result<Report, NotVerified> {
        let claims = self.0.verify(&Credential::bearer(token)).await.map_err(NotVerified::from)?;
        let missing = |name: &'static str| NotVerified::Invalid(InvalidToken::missing(name));
        Ok(Report {
            issuer: claims.issuer().ok_or_else(|| missing("iss"))?.to_owned(),
            token_id: claims.token_id().ok_or_else(|| missing("jti"))?.to_owned(),
            issued_at: claims.all_claims().issued_at().ok_or_else(|| missing("iat"))?.into(),
            claims,
        })
    }
}

impl From<AuthError> for NotVerified {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::InvalidToken(invalid) => Self::Invalid(invalid),
            AuthError::Unavailable(unavailable) => Self::Unavailable(unavailable),
            other => Self::Unavailable(Unavailable::new().with_source(other.to_string())),
        }
    }
}

/// The sentence about a bad token, for its sender. It has the reason, and nothing of the token.
pub(super) fn not_valid(invalid: &InvalidToken) -> String {
    format!("The token is not valid: {}", invalid.reason().as_str())
}

/// The members of a JSON object, in their order. Two members of one name are an error.
pub(super) struct Members(pub(super) Vec<(String, Value)>);

impl Members {
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, value)| value)
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
        let mut members: Vec<(String, Value)> = Vec::new();
        while let Some((name, value)) = map.next_entry()? {
            if members.len() == MOST_MEMBERS || members.iter().any(|(known, _)| *known == name) {
                return Err(serde::de::Error::custom("too many members, or two of one name"));
            }
            members.push((name, value));
        }
        Ok(Members(members))
    }
}

/// More members than any event has, and more events than one answer to a poll may have.
const MOST_MEMBERS: usize = 128;

/// Reads a member that must be absent: it is present, also as `null`.
pub(super) fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| true)
}
