//! The tools: a caller's notes.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use portcullis_axum::{Policy, Verified, scopes};
use serde_json::{Value, json};

#[derive(Clone, Copy)]
pub(crate) enum Tool {
    AddNote,
    ListNotes,
}

/// The owner of notes. A subject identifies a user only together with the issuer.
type Owner = (String, String);

#[derive(Default)]
pub(crate) struct Notes(Mutex<HashMap<Owner, Vec<String>>>);

impl Tool {
    pub(crate) const ALL: [Self; 2] = [Self::AddNote, Self::ListNotes];

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tool| tool.name() == name)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::AddNote => "add_note",
            Self::ListNotes => "list_notes",
        }
    }

    /// What the tool needs in addition to the scope of the endpoint. The guard demands both at once.
    pub(crate) fn policy(self) -> Policy {
        match self {
            Self::AddNote => scopes("notes:write"),
            Self::ListNotes => Policy::authenticated(),
        }
    }

    pub(crate) fn describe(self) -> Value {
        let (description, properties) = match self {
            Self::AddNote => ("Adds a note to yours", json!({"text": {"type": "string"}})),
            Self::ListNotes => ("Lists your notes", json!({})),
        };
        let required: Vec<&String> = properties.as_object().into_iter().flat_map(|object| object.keys()).collect();
        let schema = json!({"type": "object", "properties": properties, "required": required});
        json!({"name": self.name(), "description": description, "inputSchema": schema})
    }

    /// Returns the tool's answer, or what is wrong with the arguments.
    pub(crate) fn call(self, notes: &Notes, caller: &Verified, arguments: &Value) -> Result<String, &'static str> {
        let subject = caller.subject().filter(|subject| !subject.is_empty());
        let (Some(issuer), Some(subject)) = (caller.issuer(), subject) else {
            return Err("the token does not say whose notes they are");
        };
        let owner = (issuer.to_owned(), subject.to_owned());
        // The notes are still valid after a panic elsewhere.
        let mut notes = notes.0.lock().unwrap_or_else(PoisonError::into_inner);
        match self {
            Self::AddNote => {
                let text = arguments.get("text").and_then(Value::as_str).ok_or("text: write the note, a string")?;
                notes.entry(owner).or_default().push(text.to_owned());
                Ok("noted".to_owned())
            }
            Self::ListNotes => Ok(notes.get(&owner).map(|notes| notes.join("\n")).unwrap_or_default()),
        }
    }
}
