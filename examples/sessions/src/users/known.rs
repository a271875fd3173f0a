//! What the gate asks about users.

use std::fmt;

use portcullis_axum::async_trait;
use portcullis_axum::error::Unavailable;
use portcullis_sessions::UserStatus;

use super::Users;

/// Tells the gate whether the user of a token still exists and may use the service.
pub(crate) struct KnownUsers {
    users: Users,
    require_verified: bool,
}

impl KnownUsers {
    pub(crate) fn new(users: Users, require_verified: bool) -> Self {
        Self { users, require_verified }
    }
}

#[async_trait]
impl portcullis_sessions::Users for KnownUsers {
    async fn status(&self, subject: &str) -> Result<UserStatus, Unavailable> {
        let user = self.users.by_subject(subject).await;
        Ok(match user.map_err(|error| Unavailable::new().with_source(error))? {
            None => UserStatus::Gone,
            Some(user) if self.require_verified && !user.is_verified => UserStatus::Unverified,
            Some(_) => UserStatus::Active,
        })
    }
}

impl fmt::Debug for KnownUsers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KnownUsers").finish_non_exhaustive()
    }
}
