//! Sessions and purpose tokens as the fields of a hash.

use std::collections::HashMap;

use portcullis::error::Unavailable;

use crate::session::{AuthFacts, EndReason};
use crate::store::{Ended, PreviousToken, StoredPurposeToken, StoredSession};
use crate::timestamp::Timestamp;
use crate::token::TokenHash;

/// What Redis returns for a hash.
pub(super) type Fields = HashMap<String, String>;

/// The fields of a session that a replacement may change. Those without a value are missing.
pub(super) fn changing(session: &StoredSession) -> Vec<(&'static str, String)> {
    let mut fields = vec![
        ("version", session.version.to_string()),
        ("current", session.current.to_text()),
        ("auth_time", time(session.facts.auth_time.into())),
        ("amr", serde_json::Value::from(session.facts.amr.clone()).to_string()),
        ("last_used_at", time(session.last_used_at)),
        ("expires_at", time(session.expires_at)),
    ];
    if let Some(previous) = &session.previous {
        fields.push(("previous", previous.hash.to_text()));
        fields.push(("rotated_at", time(previous.rotated_at)));
        fields.push(("key_version", previous.key_version.to_string()));
    }
    if let Some(acr) = &session.facts.acr {
        fields.push(("acr", acr.clone()));
    }
    if let Some(label) = &session.label {
        fields.push(("label", label.clone()));
    }
    if let Some(ended) = &session.ended {
        fields.push(("ended_at", time(ended.at)));
        fields.push(("end_reason", ended.reason.as_str().to_owned()));
    }
    fields
}

/// The fields of a session that never change.
pub(super) fn fixed(session: &StoredSession) -> Vec<(&'static str, String)> {
    vec![
        ("id", session.id.clone()),
        ("family", session.family.to_text()),
        ("subject", session.subject.clone()),
        ("created_at", time(session.created_at)),
        ("ends_at", time(session.ends_at)),
    ]
}

pub(super) fn read_session(fields: &Fields) -> Result<StoredSession, Unavailable> {
    let previous = match fields.get("previous") {
        Some(hash) => Some(PreviousToken {
            hash: hash_from(hash)?,
            rotated_at: read_time(fields, "rotated_at")?,
            key_version: number(fields, "key_version")?,
        }),
        None => None,
    };
    let ended = match fields.get("ended_at") {
        Some(_) => Some(Ended {
            at: read_time(fields, "ended_at")?,
            // The name of a later version is also an end.
            reason: fields.get("end_reason").and_then(|name| EndReason::from_name(name)).unwrap_or(EndReason::Revoked),
        }),
        None => None,
    };
    Ok(StoredSession {
        id: text(fields, "id")?,
        family: hash_from(&text(fields, "family")?)?,
        subject: text(fields, "subject")?,
        version: number(fields, "version")?,
        current: hash_from(&text(fields, "current")?)?,
        previous,
        facts: AuthFacts {
            auth_time: read_time(fields, "auth_time")?.to_date(),
            acr: fields.get("acr").cloned(),
            amr: serde_json::from_str(&text(fields, "amr")?).map_err(|_| unreadable())?,
        },
        label: fields.get("label").cloned(),
        created_at: read_time(fields, "created_at")?,
        last_used_at: read_time(fields, "last_used_at")?,
        expires_at: read_time(fields, "expires_at")?,
        ends_at: read_time(fields, "ends_at")?,
        ended,
    })
}

pub(super) fn of_purpose_token(token: &StoredPurposeToken) -> Vec<(&'static str, String)> {
    vec![
        ("purpose", token.purpose.clone()),
        ("subject", token.subject.clone()),
        ("binding", token.binding.to_text()),
        ("expires_at", time(token.expires_at)),
    ]
}

pub(super) fn read_purpose_token(hash: TokenHash, fields: &Fields) -> Result<StoredPurposeToken, Unavailable> {
    Ok(StoredPurposeToken {
        hash,
        purpose: text(fields, "purpose")?,
        subject: text(fields, "subject")?,
        binding: hash_from(&text(fields, "binding")?)?,
        expires_at: read_time(fields, "expires_at")?,
    })
}

pub(super) fn time(timestamp: Timestamp) -> String {
    timestamp.as_unix_millis().to_string()
}

fn text(fields: &Fields, name: &str) -> Result<String, Unavailable> {
    fields.get(name).cloned().ok_or_else(unreadable)
}

fn number<T: std::str::FromStr>(fields: &Fields, name: &str) -> Result<T, Unavailable> {
    text(fields, name)?.parse().map_err(|_| unreadable())
}

fn read_time(fields: &Fields, name: &str) -> Result<Timestamp, Unavailable> {
    number(fields, name).map(Timestamp::from_unix_millis)
}

fn hash_from(text: &str) -> Result<TokenHash, Unavailable> {
    TokenHash::from_text(text).ok_or_else(unreadable)
}

pub(super) fn unreadable() -> Unavailable {
    Unavailable::new().with_source("Redis has an entry that cannot be read")
}
