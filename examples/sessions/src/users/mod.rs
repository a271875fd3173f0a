//! The accounts. They are the service's own: the crates for sessions and tokens know only the name of a user.

mod known;
mod table;

use jiff::Timestamp;
use serde::Serialize;

pub(crate) use self::known::KnownUsers;
pub(crate) use self::table::Users;

/// An account, as its user sees it.
#[derive(Serialize)]
pub(crate) struct User {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) photo: Option<String>,
    pub(crate) role: String,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    #[serde(skip)]
    pub(crate) is_verified: bool,
    #[serde(skip)]
    pub(crate) password_hash: String,
}

/// What a new account has.
pub(crate) struct NewUser {
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) photo: Option<String>,
    pub(crate) password_hash: String,
    pub(crate) is_verified: bool,
}

impl User {
    /// Returns the name of the user in sessions and tokens, the claim `sub`.
    pub(crate) fn subject(&self) -> String {
        self.id.to_string()
    }
}

/// Returns the form in which addresses are stored and compared.
pub(crate) fn normal_email(email: &str) -> String {
    email.trim().to_lowercase()
}
