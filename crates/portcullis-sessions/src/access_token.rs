//! The access tokens of a session.

use portcullis_issuer::AccessToken;

use crate::session::Session;

impl Session {
    /// Begins an access token of this session for `client_id`, the application that the user uses: with `sub`, `sid`,
    /// `auth_time`, `acr` and `amr`. Add scopes and claims, and mint it.
    ///
    /// The token lives until it expires, also when the session ends before, unless the gate has an
    /// [`OpenSessionCheck`](crate::OpenSessionCheck).
    ///
    /// ```
    /// use portcullis_issuer::{Issuer, KeyRing};
    /// use portcullis_sessions::{AuthFacts, MemoryStore, OpenSessionCheck, Sessions, SuccessorKeys};
    /// # use portcullis::claims::NumericDate;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let url = "https://api.example.com";
    /// let issuer = Issuer::builder(url, url, KeyRing::builder().build()?).build()?;
    /// let sessions = Sessions::builder(MemoryStore::new(), SuccessorKeys::generate()?).build()?;
    /// let gate = issuer.gate()?.with_check(OpenSessionCheck::new(sessions.clone()));
    ///
    /// # let now = NumericDate::from_unix(1_700_000_000, 0);
    /// let login = sessions.start("alice", AuthFacts::at(now).with_amr(["pwd"])).await?;
    /// let token = issuer.mint(&login.session.access_token("web").scopes(["read:messages"])).await?;
    /// assert_eq!(gate.verify(token.as_str()).await?.claim::<String>("sid")?, Some(login.session.id));
    /// # Ok(()) }
    /// ```
    pub fn access_token(&self, client_id: impl Into<String>) -> AccessToken {
        let facts = &self.facts;
        let token = AccessToken::new(&self.subject, client_id).session(&self.id).auth_time(facts.auth_time);
        let token = token.amr(facts.amr.iter().cloned());
        match &facts.acr {
            Some(acr) => token.acr(acr),
            None => token,
        }
    }
}
