//! Asking again about a caller, while its connection is open.

use std::fmt;

use async_trait::async_trait;

use crate::error::AuthError;
use crate::verifier::Verified;

/// Asks again whether a caller may go on, long after its token was verified: for verifiers that know more than the token says,
/// for example from a table of sessions. [`Verified::with_recheck`] adds it to a caller, and
/// [`Gate::watch`](crate::Gate::watch) asks it while a connection is open.
///
/// ```
/// use std::collections::HashMap;
/// use std::sync::{Arc, RwLock};
/// use portcullis::adapter::Credential;
/// use portcullis::error::InvalidToken;
/// use portcullis::verifier::{Evidence, Recheck};
/// use portcullis::{AuthError, Verified, Verifier, async_trait};
///
/// /// Verifies handles of sessions.
/// #[derive(Clone, Debug)]
/// struct Handles(Arc<RwLock<HashMap<String, String>>>);
///
/// impl Handles {
///     fn user(&self, handle: &str) -> Result<String, AuthError> {
///         Ok(self.0.read().unwrap().get(handle).cloned().ok_or(InvalidToken::Revoked)?)
///     }
/// }
///
/// #[async_trait]
/// impl Verifier for Handles {
///     async fn verify(&self, credential: &Credential<'_>) -> Result<Verified, AuthError> {
///         let handle = credential.unverified_token();
///         let caller = Verified::from_claims(&serde_json::json!({"sub": self.user(handle)?}), Evidence::Session)?;
///         Ok(caller.with_recheck(StillOpen { handles: self.clone(), handle: handle.to_owned() }))
///     }
/// }
///
/// struct StillOpen {
///     handles: Handles,
///     handle: String,
/// }
///
/// #[async_trait]
/// impl Recheck for StillOpen {
///     async fn recheck(&self, _: &Verified) -> Result<(), AuthError> {
///         self.handles.user(&self.handle).map(|_| ())
///     }
/// }
/// ```
#[async_trait]
pub trait Recheck: Send + Sync {
    /// Checks the caller again. `Ok` means that it may go on.
    ///
    /// # Errors
    /// Why not. [`AuthError::Unavailable`] means that the answer is unknown at the moment.
    async fn recheck(&self, caller: &Verified) -> Result<(), AuthError>;
}

impl fmt::Debug for dyn Recheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Recheck")
    }
}
