//! A store in Redis.

mod connect;
mod connection;
mod deny_list;
mod expiry;
#[cfg(test)]
mod faults;
mod fields;
#[cfg(feature = "issuer")]
mod key_ring;
mod keys;
mod replay;
mod scripts;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use portcullis::async_trait;
use portcullis::error::Unavailable;

pub use self::connect::{RedisStoreBuilder, RedisStoreError};
use self::connection::Connection;
use self::expiry::lifetime;
use self::fields::Fields;
use self::keys::{Keys, Kind, Place, tag};
use self::scripts::Scripts;
use crate::store::{Ended, SessionStore, StoredPurposeToken, StoredSession, Which};
use crate::timestamp::Timestamp;
use crate::token::TokenHash;

/// A store in Redis, tested with version 7.0: one server or a cluster, for services on many machines.
///
/// ```no_run
/// use portcullis_sessions::{RedisStore, Sessions, SuccessorKeys};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let secret = [0; 32];
/// let store = RedisStore::builder("rediss://user:password@redis.example.com:6379").connect().await?;
/// let sessions = Sessions::builder(store, SuccessorKeys::new(1, &secret)?).build()?;
/// # Ok(()) }
/// ```
///
/// It expects a server that keeps every write that it acknowledged: `appendonly yes`, `appendfsync always`,
/// `no-appendfsync-on-rewrite no` and no eviction of keys. It asks the server of the URL for these settings when it connects,
/// and refuses others unless [`allow_lost_writes`](RedisStoreBuilder::allow_lost_writes) is called.
///
/// A server with `cluster-enabled yes` is used as a cluster: the URL names one of its nodes, and the others are found. Give
/// all nodes the same settings. A failover to a replica can still lose the last writes.
///
/// A server that does not answer in time is unavailable (503). The next operation connects again.
///
/// `rediss` in the URL means TLS, and the system's root certificates decide about the certificate of the server. `redis` has no
/// TLS. For a server, or nodes of a cluster, on another machine it is an error, unless the URL also has
/// `dangerous_unverified_server=true`, for example `redis://cache:6379/0?dangerous_unverified_server=true` in the same private
/// network. Anyone in that network can then read and change the data.
///
/// With the feature `issuer`, it also keeps the signing keys that several machines share, encrypted. Here with a hosted server,
/// which does not tell its settings and is further away:
///
/// ```no_run
/// use std::time::Duration;
/// use portcullis_issuer::{Issuer, KeyRing, RingSecret};
/// use portcullis_sessions::{RedisStore, Sessions, SuccessorKeys};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = RedisStore::builder("rediss://user:password@redis.example.com:6379")
///     .allow_lost_writes()
///     .connect_timeout(Duration::from_secs(5))
///     .command_timeout(Duration::from_secs(2))
///     .connect()
///     .await?;
/// // All machines have the same secrets, which are not in Redis.
/// let secret = RingSecret::from_env()?.ok_or("set JWT_RING_SECRET")?;
/// let keys = SuccessorKeys::from_env()?.ok_or("set REFRESH_TOKEN_KEYS")?;
///
/// let ring = KeyRing::builder().open(store.clone(), secret).await?;
/// let issuer = Issuer::builder("https://api.example.com", "https://api.example.com", ring).build()?;
/// let sessions = Sessions::builder(store, keys).build()?;
/// # Ok(()) }
/// ```
///
/// It is a [`ReplayStore`](portcullis::possession::ReplayStore) of DPoP proofs: `Dpop::required().with_replay_store(store)`. Redis
/// removes them 10 seconds after their window, for clocks that differ. When its memory is full, the gate answers 503.
///
/// Redis removes each other entry by itself a day after it expired. [`Sessions::remove_expired`](crate::Sessions::remove_expired)
/// removes it earlier.
///
/// The tokio runtime needs its timers and its network.
#[derive(Clone)]
pub struct RedisStore {
    core: Arc<Core>,
}

struct Core {
    connection: Connection,
    keys: Keys,
    scripts: Scripts,
}

/// How often an operation on all sessions of a subject is tried when others begin or end in between.
const ATTEMPTS: u32 = 64;

impl RedisStore {
    /// Starts the settings of a store at `url`: `redis://user:password@host:6379/0`, or `rediss://…` for TLS.
    #[must_use]
    pub fn builder(url: &str) -> RedisStoreBuilder {
        RedisStoreBuilder::new(url)
    }

    fn new(connection: Connection, prefix: &str) -> Self {
        Self { core: Arc::new(Core { connection, keys: Keys::new(prefix), scripts: Scripts::new() }) }
    }

    fn connection(&self) -> &Connection {
        &self.core.connection
    }

    fn keys(&self) -> &Keys {
        &self.core.keys
    }

    fn scripts(&self) -> &Scripts {
        &self.core.scripts
    }

    /// Takes a name, if it is free, that leads to a session.
    async fn claim(&self, key: &str, value: &str, lifetime: i64) -> Result<(), Unavailable> {
        let mut command = redis::cmd("SET");
        command.arg(key).arg(value).arg("NX").arg("PX").arg(lifetime);
        match self.connection().run::<Option<String>>(&command).await? {
            Some(_) => Ok(()),
            None => Err(name_is_taken()),
        }
    }

    /// Frees a name if it leads to this session.
    async fn release(&self, key: &str, value: &str) -> Result<(), Unavailable> {
        self.connection().call::<i64>(&self.scripts().release, &[key.to_owned()], &[value][..]).await.map(drop)
    }

    async fn fields(&self, key: &str) -> Result<Option<Fields>, Unavailable> {
        let fields: Fields = self.connection().run(redis::cmd("HGETALL").arg(key)).await?;
        Ok((!fields.is_empty()).then_some(fields))
    }

    async fn session(&self, tag: &str, id: &str) -> Result<Option<StoredSession>, Unavailable> {
        self.fields(&self.keys().session(tag, id)).await?.as_ref().map(fields::read_session).transpose()
    }

    /// Where a name leads.
    async fn follow(&self, key: &str) -> Result<Option<String>, Unavailable> {
        self.connection().run(redis::cmd("GET").arg(key)).await
    }

    /// The names of the sessions in the list of a subject.
    async fn listed(&self, list: &str) -> Result<Vec<String>, Unavailable> {
        self.connection().run(redis::cmd("ZRANGE").arg(list).arg(0).arg(-1)).await
    }

    /// The keys for a script about `ids`, which are sessions of one subject.
    fn keys_of(&self, tag: &str, ids: &[String]) -> Vec<String> {
        let sessions = ids.iter().map(|id| self.keys().session(tag, id));
        std::iter::once(self.keys().subject(tag)).chain(sessions).collect()
    }

    /// Writes a session over the version `before`, or a new one if that is empty. Returns 0 if the session has another version,
    /// and 2 if its expiry changed.
    async fn write(
        &self,
        place: &Place,
        session: &StoredSession,
        before: String,
        fields: impl IntoIterator<Item = (&'static str, String)>,
    ) -> Result<i64, Unavailable> {
        let mut arguments = vec![
            lifetime(session.expires_at).to_string(),
            fields::time(session.expires_at),
            session.id.clone(),
            u8::from(session.ended.is_none()).to_string(),
            before,
        ];
        push_fields(&mut arguments, fields);
        let keys = self.keys_of(&place.tag, std::slice::from_ref(&session.id));
        self.connection().call(&self.scripts().replace, &keys, &arguments[..]).await
    }

    async fn end_one(&self, tag: &str, id: &str, ended: Ended) -> Result<u64, Unavailable> {
        let at = fields::time(ended.at);
        let keys = self.keys_of(tag, &[id.to_owned()]);
        self.connection().call(&self.scripts().end, &keys, &[&at, ended.reason.as_str(), "", "", id][..]).await
    }

    /// Ends all sessions of a subject except `keep`.
    async fn end_all(&self, subject: &str, keep: &str, ended: Ended) -> Result<u64, Unavailable> {
        let tag = tag(subject);
        for _ in 0..ATTEMPTS {
            // A script has to name its keys, so the list is read before. The script does nothing if it has changed since.
            let ids = self.listed(&self.keys().subject(&tag)).await?;
            if ids.is_empty() {
                return Ok(0);
            }
            let (at, length) = (fields::time(ended.at), ids.len().to_string());
            let mut arguments = vec![at.as_str(), ended.reason.as_str(), length.as_str(), keep];
            arguments.extend(ids.iter().map(String::as_str));
            let keys = self.keys_of(&tag, &ids);
            let count: i64 = self.connection().call(&self.scripts().end, &keys, &arguments[..]).await?;
            if let Ok(count) = u64::try_from(count) {
                return Ok(count);
            }
        }
        Err(Unavailable::new().with_source("other requests keep changing the sessions of the subject"))
    }
}

#[async_trait]
impl SessionStore for RedisStore {
    async fn insert(&self, session: &StoredSession) -> Result<(), Unavailable> {
        let place = Place::of(session);
        let (id, family) = (self.keys().id(&place.id), self.keys().family(&place.family));
        // The names come first. They lead nowhere until the last step, which is the only one that adds a session. After a crash
        // in between, Redis removes them by itself.
        let longest = lifetime(session.ends_at.max(session.expires_at));
        self.claim(&id, &place.tag, longest).await?;
        if let Err(error) = self.claim(&family, &place.after_family(), longest).await {
            let _ = self.release(&id, &place.tag).await;
            return Err(error);
        }
        self.schedule(Kind::Session, &place.to_entry(), session.expires_at).await?;
        let fields = fields::fixed(session).into_iter().chain(fields::changing(session));
        match self.write(&place, session, String::new(), fields).await? {
            0 => Err(name_is_taken()),
            _ => Ok(()),
        }
    }

    async fn find(&self, id: &str) -> Result<Option<StoredSession>, Unavailable> {
        match self.follow(&self.keys().id(id)).await? {
            Some(tag) => self.session(&tag, id).await,
            None => Ok(None),
        }
    }

    async fn find_by_family(&self, family: &TokenHash) -> Result<Option<StoredSession>, Unavailable> {
        let Some(place) = self.follow(&self.keys().family(&family.to_text())).await? else { return Ok(None) };
        let (tag, id) = place.split_once(' ').ok_or_else(fields::unreadable)?;
        Ok(self.session(tag, id).await?.filter(|session| session.family == *family))
    }

    async fn open_sessions(&self, subject: &str, now: Timestamp) -> Result<Vec<StoredSession>, Unavailable> {
        let tag = tag(subject);
        let ids = self.listed(&self.keys().subject(&tag)).await?;
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let keys = self.keys_of(&tag, &ids);
        let sessions: Vec<Fields> = self.connection().call(&self.scripts().list, &keys, &ids[..]).await?;
        let sessions = sessions.iter().map(fields::read_session).collect::<Result<Vec<_>, _>>()?;
        Ok(sessions.into_iter().filter(|session| session.is_open(now)).collect())
    }

    async fn replace(&self, session: &StoredSession) -> Result<bool, Unavailable> {
        let place = Place::of(session);
        let before = session.version.saturating_sub(1).to_string();
        let replaced = self.write(&place, session, before, fields::changing(session)).await?;
        if replaced == 2 {
            // It is replaced also if this fails: the removal finds the session at its earlier expiry, and enters the later one.
            let _ = self.schedule(Kind::Session, &place.to_entry(), session.expires_at).await;
        }
        Ok(replaced > 0)
    }

    async fn end(&self, which: Which<'_>, ended: Ended) -> Result<u64, Unavailable> {
        match which {
            Which::Session(id) => match self.follow(&self.keys().id(id)).await? {
                Some(tag) => self.end_one(&tag, id, ended).await,
                None => Ok(0),
            },
            Which::SessionOf { subject, id } => self.end_one(&tag(subject), id, ended).await,
            Which::AllOf(subject) => self.end_all(subject, "", ended).await,
            Which::OthersOf { subject, keep } => self.end_all(subject, keep, ended).await,
        }
    }

    async fn insert_purpose_token(&self, token: &StoredPurposeToken) -> Result<(), Unavailable> {
        let hash = token.hash.to_text();
        self.schedule(Kind::PurposeToken, &hash, token.expires_at).await?;
        let mut arguments = vec![lifetime(token.expires_at).to_string()];
        push_fields(&mut arguments, fields::of_purpose_token(token));
        let keys = [self.keys().purpose_token(&hash)];
        let added: i64 = self.connection().call(&self.scripts().insert_purpose_token, &keys, &arguments[..]).await?;
        if added == 1 { Ok(()) } else { Err(name_is_taken()) }
    }

    async fn find_purpose_token(&self, token: &TokenHash) -> Result<Option<StoredPurposeToken>, Unavailable> {
        let fields = self.fields(&self.keys().purpose_token(&token.to_text())).await?;
        fields.map(|fields| fields::read_purpose_token(*token, &fields)).transpose()
    }

    async fn take_purpose_token(&self, token: &TokenHash) -> Result<bool, Unavailable> {
        let hash = token.to_text();
        let keys = [self.keys().purpose_token(&hash)];
        let taken: Option<i64> = self.connection().call(&self.scripts().take, &keys, &[""; 0][..]).await?;
        if let Some(expires_at) = taken {
            // It is taken also if this fails: the removal finds that it is gone.
            let _ = self.unschedule(Kind::PurposeToken, &hash, Timestamp::from_unix_millis(expires_at)).await;
        }
        Ok(taken.is_some())
    }

    async fn remove_expired(&self, before: Timestamp, limit: u32) -> Result<u64, Unavailable> {
        let mut removed = 0;
        for kind in Kind::ALL {
            removed += self.remove_of(kind, before, limit.into()).await?;
        }
        Ok(removed)
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").finish_non_exhaustive()
    }
}

fn push_fields(arguments: &mut Vec<String>, fields: impl IntoIterator<Item = (&'static str, String)>) {
    arguments.extend(fields.into_iter().flat_map(|(name, value)| [name.to_owned(), value]));
}

fn name_is_taken() -> Unavailable {
    Unavailable::new().with_source("Redis has a session or token of this name")
}
