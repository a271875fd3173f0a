//! Passwords, as Argon2id hashes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use argon2::password_hash::{self, PasswordHasher as _, PasswordVerifier as _};
use argon2::{Argon2, PasswordHash};
use tokio::sync::Semaphore;

/// Hashes passwords and compares them.
///
/// A hash takes a lot of time and 19 MiB of memory. So it is made on a thread for blocking work, and at most as many at
/// once as the machine has processors.
pub(crate) struct Passwords {
    turns: Arc<Semaphore>,
    hashes: Arc<AtomicU64>,
    /// The hash that is compared when there is no such user.
    of_unknown_user: String,
}

/// A password could not be hashed: the system has no random numbers or no memory, or a stored hash is damaged.
#[derive(Debug, thiserror::Error)]
#[error("a password could not be hashed")]
pub struct PasswordError(#[source] Box<dyn std::error::Error + Send + Sync>);

impl Passwords {
    pub(crate) async fn new() -> Result<Self, PasswordError> {
        let turns = std::thread::available_parallelism().map_or(1, usize::from);
        let mut passwords = Self {
            turns: Arc::new(Semaphore::new(turns)),
            hashes: Arc::new(AtomicU64::new(0)),
            of_unknown_user: String::new(),
        };
        passwords.of_unknown_user = passwords.hash(String::new()).await?;
        Ok(passwords)
    }

    /// Returns the hash of a password, with a new salt and its parameters.
    pub(crate) async fn hash(&self, password: String) -> Result<String, PasswordError> {
        self.work(move || {
            let hash: PasswordHash = Argon2::default().hash_password(password.as_bytes())?;
            Ok(hash.to_string())
        })
        .await
    }

    /// Returns whether the password has this hash. Without a hash, because there is no such user, it does the same work, so
    /// that the time does not tell which accounts exist.
    pub(crate) async fn verify(&self, password: String, hash: Option<&str>) -> Result<bool, PasswordError> {
        let is_known = hash.is_some();
        let hash = hash.unwrap_or(&self.of_unknown_user).to_owned();
        let fits = self.work(move || {
            let hash = PasswordHash::new(&hash)?;
            match Argon2::default().verify_password(password.as_bytes(), &hash) {
                Ok(()) => Ok(true),
                Err(password_hash::Error::PasswordInvalid) => Ok(false),
                Err(error) => Err(error),
            }
        });
        Ok(fits.await? && is_known)
    }

    /// Returns the number of hashes that were made so far. It goes on counting.
    pub(crate) fn hashes(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.hashes)
    }

    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, password_hash::Error> + Send + 'static,
    ) -> Result<T, PasswordError> {
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|error| PasswordError(error.into()))?;
        self.hashes.fetch_add(1, Ordering::Relaxed);
        let task = tokio::task::spawn_blocking(move || {
            // The turn ends with the work, also when the client has gone away in between.
            let _turn = turn;
            work()
        });
        task.await.map_err(|error| PasswordError(error.into()))?.map_err(|error| PasswordError(error.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_comparison_is_one_hash() {
        let passwords = Passwords::new().await.unwrap();
        let hash = passwords.hash("correct horse".to_owned()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        let start = passwords.hashes().load(Ordering::Relaxed);
        for (password, hash, expected) in [
            ("correct horse", Some(hash.as_str()), true),
            ("wrong horse", Some(hash.as_str()), false),
            ("correct horse", None, false),
            ("", None, false),
        ] {
            assert_eq!(passwords.verify(password.to_owned(), hash).await.unwrap(), expected, "{password}");
        }
        assert_eq!(passwords.hashes().load(Ordering::Relaxed) - start, 4);
        assert!(passwords.verify(String::new(), Some("damaged")).await.is_err());
    }
}
