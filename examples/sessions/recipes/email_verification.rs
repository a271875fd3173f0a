//! A link by mail with which a user verifies the address of the account.

use std::time::Duration;

use portcullis_axum::ConfigError;
use portcullis_sessions::{PurposeTokenError, PurposeTokens, Sessions};

use crate::accounts::{Account, Accounts, Outbox};

pub(crate) struct EmailVerification {
    tokens: PurposeTokens,
    accounts: Accounts,
    outbox: Outbox,
}

impl EmailVerification {
    pub(crate) fn new(sessions: &Sessions, accounts: Accounts, outbox: Outbox) -> Result<Self, ConfigError> {
        let tokens = sessions.purpose_tokens("e-mail verification", Duration::from_secs(24 * 60 * 60))?;
        Ok(Self { tokens, accounts, outbox })
    }

    /// Sends a link, after a registration and when the user asks for another.
    ///
    /// The token is bound to the address. So a link that went to an old address does not verify a new one.
    pub(crate) async fn request(&self, account: &Account) -> Result<(), PurposeTokenError> {
        let token = self.tokens.issue(&account.subject, account.email.as_bytes()).await?;
        self.outbox.send(&account.email, format!("https://app.example.com/verify#token={}", token.as_str()));
        Ok(())
    }

    /// Verifies the address. The page behind the link sends the token with POST, because programs that read mail open links.
    pub(crate) async fn complete(&self, token: &str) -> Result<(), PurposeTokenError> {
        let subject = self.tokens.subject(token).await?;
        let account = self.accounts.by_subject(&subject).ok_or(PurposeTokenError::Refused)?;
        self.tokens.redeem(token, account.email.as_bytes()).await?;
        self.accounts.put(Account { is_verified: true, ..account });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use portcullis_sessions::{MemoryStore, SuccessorKeys};

    use super::*;

    #[tokio::test]
    async fn link_verifies_only_its_address() {
        let sessions = Sessions::builder(MemoryStore::new(), SuccessorKeys::generate().unwrap()).build().unwrap();
        let (accounts, outbox) = (Accounts::with_ada(), Outbox::default());
        let verification = EmailVerification::new(&sessions, accounts.clone(), outbox.clone()).unwrap();
        let account = accounts.by_subject("1").unwrap();
        verification.request(&account).await.unwrap();
        let old = outbox.last_token();
        // A token for another purpose opens nothing here.
        let resets = sessions.purpose_tokens("password reset", Duration::from_secs(60)).unwrap();
        let other = resets.issue("1", account.email.as_bytes()).await.unwrap();
        assert!(verification.complete(other.as_str()).await.is_err());

        let moved = Account { email: "ada@example.org".to_owned(), ..account };
        accounts.put(moved.clone());
        assert!(verification.complete(&old).await.is_err());
        assert!(!accounts.by_subject("1").unwrap().is_verified);

        verification.request(&moved).await.unwrap();
        let token = outbox.last_token();
        verification.complete(&token).await.unwrap();
        assert!(accounts.by_subject("1").unwrap().is_verified);
        assert!(verification.complete(&token).await.is_err());
    }
}
