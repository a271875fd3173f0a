//! What a key provider did to get its keys, for diagnosis.

use std::time::SystemTime;

use crate::jose::KeySet;
use crate::keys::KeyError;

/// One attempt of a key provider to get its keys, for diagnosis; from [`KeyProvider::diagnose`](crate::KeyProvider::diagnose).
#[derive(Debug)]
#[non_exhaustive]
pub struct KeyDiagnosis {
    /// The requests, in their order. Empty for keys that are not fetched.
    pub requests: Vec<KeyRequest>,
    /// The keys, even if none can be used, or why they could not be fetched.
    pub keys: Result<KeySet, KeyError>,
}

impl KeyDiagnosis {
    /// Keys that are not fetched.
    pub(crate) fn of_held(keys: KeySet) -> Self {
        Self { requests: Vec::new(), keys: Ok(keys) }
    }
}

/// A request for metadata or for a key set.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct KeyRequest {
    /// What it asks for: `metadata` or `key set`.
    pub document: &'static str,
    /// Its URL, without the query, which may contain a credential.
    pub url: String,
    /// The status code of the response; `None` without a response.
    pub status: Option<u16>,
    /// The field `Date` of the response (RFC 9110 §6.6.1). `None` if a cache answered (`Age`, RFC 9111 §5.1), whose date may be old.
    pub date: Option<SystemTime>,
    /// When the response came, by the clock of this machine.
    pub answered_at: Option<SystemTime>,
    /// Why the response cannot be used; `None` if it can.
    pub error: Option<String>,
}
