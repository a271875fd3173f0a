//! A link by mail with which a user sets a new password.

use std::time::Duration;

use portcullis_axum::ConfigError;
use portcullis_sessions::{PurposeTokenError, PurposeTokens, Sessions};

use crate::accounts::{Account, Accounts, Outbox};

pub(crate) struct PasswordReset {
    tokens: PurposeTokens,
    sessions: Sessions,
    accounts: Accounts,
    outbox: Outbox,
}

impl PasswordReset {
    pub(crate) fn new(sessions: Sessions, accounts: Accounts, outbox: Outbox) -> Result<Self, ConfigError> {
        let tokens = sessions.purpose_tokens("password reset", Duration::from_secs(20 * 60))?;
        Ok(Self { tokens, sessions, accounts, outbox })
    }

    /// Sends a link. The response of the route is the same if there is no such account. So that its time is the same too,
    /// call this in a separate task.
    pub(crate) async fn request(&self, email: &str) -> Result<(), PurposeTokenError> {
        let Some(account) = self.accounts.by_email(email) else { return Ok(()) };
        let token = self.tokens.issue(&account.subject, account.password_hash.as_bytes()).await?;
        // After `#`, so that the token reaches neither the log of a server nor a `Referer` field.
        self.outbox.send(email, format!("https://app.example.com/reset#token={}", token.as_str()));
        Ok(())
    }

    /// Sets the new password, and ends all sessions: the user may have lost the old password to a thief.
    ///
    /// The token is bound to the hash of the old password. So it works once, and a change of the password in another way
    /// ends it too.
    pub(crate) async fn complete(&self, token: &str, password_hash: String) -> Result<(), PurposeTokenError> {
        let subject = self.tokens.subject(token).await?;
        let account = self.accounts.by_subject(&subject).ok_or(PurposeTokenError::Refused)?;
        self.tokens.redeem(token, account.password_hash.as_bytes()).await?;
        // The mail arrived, so the address is the user's.
        self.accounts.put(Account { password_hash, is_verified: true, ..account });
        self.sessions.log_out_everywhere(&subject).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use portcullis_axum::claims::NumericDate;
    use portcullis_sessions::{AuthFacts, MemoryStore, SuccessorKeys};

    use super::*;

    #[tokio::test]
    async fn link_works_once_and_ends_sessions() {
        let sessions = Sessions::builder(MemoryStore::new(), SuccessorKeys::generate().unwrap()).build().unwrap();
        let (accounts, outbox) = (Accounts::with_ada(), Outbox::default());
        let reset = PasswordReset::new(sessions.clone(), accounts.clone(), outbox.clone()).unwrap();
        let login = sessions.start("1", AuthFacts::at(NumericDate::from_unix(0, 0))).await.unwrap();

        reset.request("unknown@example.com").await.unwrap();
        assert_eq!(outbox.count(), 0);
        reset.request("ada@example.com").await.unwrap();
        let first = outbox.last_token();
        reset.request("ada@example.com").await.unwrap();
        let second = outbox.last_token();
        assert!(sessions.refresh(login.refresh_token.as_str()).await.is_ok(), "a request changes nothing");

        assert!(reset.complete("pcp1_made-up", "hash of a thief".to_owned()).await.is_err());
        reset.complete(&second, "new hash".to_owned()).await.unwrap();
        assert_eq!(accounts.by_subject("1").unwrap().password_hash, "new hash");
        assert!(sessions.list("1").await.unwrap().is_empty());
        for used in [first, second] {
            assert!(reset.complete(&used, "another hash".to_owned()).await.is_err());
        }
        assert_eq!(accounts.by_subject("1").unwrap().password_hash, "new hash");
    }
}
