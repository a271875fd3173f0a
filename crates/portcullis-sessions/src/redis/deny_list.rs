//! Deny-lists on the same server.

use std::pin::{Pin, pin};
use std::task::Poll;

use portcullis::async_trait;
use portcullis::error::Unavailable;

use super::RedisStore;
use super::expiry::lifetime;
use super::fields;
use super::keys::Kind;
use crate::deny_list::{DenyListStore, StoredDenial};
use crate::timestamp::Timestamp;
use crate::token::TokenHash;

#[async_trait]
impl DenyListStore for RedisStore {
    async fn deny(&self, denial: &StoredDenial) -> Result<(), Unavailable> {
        let hash = denial.name.to_text();
        let issued_before = denial.issued_before.map(fields::time).unwrap_or_default();
        let arguments = [lifetime(denial.expires_at).to_string(), fields::time(denial.expires_at), issued_before];
        let keys = [self.keys().revoked_token(&hash)];
        let counts: i64 = self.connection().call(&self.scripts().revoke, &keys, &arguments[..]).await?;
        if counts == 1 {
            // It is denied also if this fails, and Redis removes it later.
            let _ = self.schedule(Kind::RevokedToken, &hash, denial.expires_at).await;
        }
        Ok(())
    }

    async fn denials(&self, names: &[TokenHash]) -> Result<Vec<StoredDenial>, Unavailable> {
        // The entries are in different slots of a cluster, so each is a command. All are sent before the first answer.
        let found = all(names.iter().map(|name| self.denial(*name)).collect()).await;
        Ok(found.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
    }

    async fn remove_expired_denials(&self, before: Timestamp, limit: u32) -> Result<u64, Unavailable> {
        self.remove_of(Kind::RevokedToken, before, limit.into()).await
    }
}

impl RedisStore {
    async fn denial(&self, name: TokenHash) -> Result<Option<StoredDenial>, Unavailable> {
        let mut command = redis::cmd("HMGET");
        command.arg(self.keys().revoked_token(&name.to_text())).arg("expires_at").arg("issued_before");
        let (expires_at, issued_before): (Option<i64>, Option<i64>) = self.connection().run(&command).await?;
        let [expires_at, issued_before] = [expires_at, issued_before].map(|time| time.map(Timestamp::from_unix_millis));
        Ok(expires_at.map(|expires_at| StoredDenial { name, issued_before, expires_at }))
    }
}

/// Waits for all of a few futures.
async fn all<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut waiting: Vec<Pin<Box<F>>> = futures.into_iter().map(Box::pin).collect();
    let mut outputs: Vec<Option<F::Output>> = waiting.iter().map(|_| None).collect();
    let polled = std::future::poll_fn(|context| {
        let mut is_ready = true;
        for (future, output) in waiting.iter_mut().zip(&mut outputs) {
            if output.is_none() {
                match future.as_mut().poll(context) {
                    Poll::Ready(done) => *output = Some(done),
                    Poll::Pending => is_ready = false,
                }
            }
        }
        if is_ready { Poll::Ready(()) } else { Poll::Pending }
    });
    pin!(polled).await;
    outputs.into_iter().flatten().collect()
}
