//! Login sessions: refresh tokens that rotate, survive honest races, and end their session when a stolen one is used.
//!
//! **Here:** sessions, rotation, theft detection, revocation, freshness, single-use purpose tokens, and stores in memory,
//! SQL and Redis. **Not here:** user tables, passwords, e-mail, passkeys, one-time passwords and social login. Any login can begin a
//! session.
//!
//! [`Sessions::start`] begins a session for a user who logged in, and [`Sessions::refresh`] exchanges its refresh token for
//! the next one. Both return a [`Session`], from which `Session::access_token` makes an access token: its `id` is the claim
//! `sid`, and its [`AuthFacts`] are `auth_time`, `acr` and `amr`. An access token lives for minutes, and a route that does not ask
//! whether the session is still open accepts it until it expires.
//!
//! | a presented refresh token | result |
//! |---|---|
//! | is the current one | the next token ([`Verdict::Rotated`]) |
//! | is the one before, within the grace, and the next one is unused | the same next token again ([`Verdict::WithinGrace`]) |
//! | is the one before, after the grace | the session ends ([`Verdict::Orphaned`]) |
//! | is any older one | the session ends ([`Verdict::Stolen`]) |
//! | belongs to an ended, an expired or no session | it is refused |
//!
//! Only [`SessionsError::Refused`] means that the client has to log in again, and that its cookies may be cleared. With
//! [`SessionsError::Unavailable`] (503), it keeps them and tries again.
//!
//! The log has `a session was ended` with the field `reason`, and `a refresh token could not be judged` with a cause: the
//! clock of the machine is wrong, or it lacks a successor key.
//!
//! Why it is built this way: [the design notes](https://docs.rs/portcullis/latest/portcullis/_docs/sessions/).
//!
//! [`OpenSessionCheck`] makes a gate refuse access tokens whose session has ended.
//!
//! [`SessionCookies`] writes and reads the cookies of browsers. [`OriginRule`] refuses cross-site requests to the routes that
//! begin, refresh or end a session: these call [`OriginRule::admit`] first, login included. For all other routes the gate does
//! that on its own, if it reads the access token from the cookie and knows the allowed origins.
//!
//! `WebSessions` puts all of this together, and the modules `axum` and `actix` have a whole service with a login in 30 lines.
//!
//! [`api_keys`] has long-lived keys for programs, which pass through the same gate as tokens.
//!
//! # Tokens of any issuer
//!
//! [`DenyList`] refuses tokens before they expire, also those of identity providers. [`BackchannelLogout`] and [`EventReceiver`]
//! fill it with the logouts and security events that a provider reports. How it works:
//! [the design notes](https://docs.rs/portcullis/latest/portcullis/_docs/revocation/).
//!
//! # Stores
//!
//! `MemoryStore` is for tests and single processes. `SqlStore` keeps sessions in SQLite, and with the features `mysql` and
//! `postgres` on servers that several machines share. With the feature `redis`, `RedisStore` keeps them in a Redis server or
//! cluster. To use another database, implement [`SessionStore`] and run the
//! suite in the module `conformance` on it.
//!
//! `MemoryStore` and `SqlStore` also keep API keys; your own database does if you implement [`api_keys::ApiKeyStore`].
//!
//! With the feature `issuer`, `SqlStore` and `RedisStore` also keep the signing keys that several machines share, encrypted:
//! they are `RingStore`s.
//!
//! # Features
//!
//! - `actix`, `axum`: the modules of these names, with extractors, responses and routes.
//! - `conformance`: the module `conformance`.
//! - `issuer` (default): `Session::access_token`, `WebSessions` and signing keys in `SqlStore` and `RedisStore`, for the issuer of `portcullis-issuer`.
//! - `metrics`: the module `metrics`. Refresh tokens, API keys and questions to deny-lists are counted.
//! - `mysql`, `postgres`, `sqlite` (default): `SqlStore` for each of these databases.
//! - `poll`: `EventPoller`.
//! - `redis`: `RedisStore`.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "issuer")]
mod access_token;
#[cfg(feature = "actix")]
pub mod actix;
mod answers;
pub mod api_keys;
#[cfg(feature = "axum")]
pub mod axum;
mod builder;
mod check;
#[cfg(feature = "conformance")]
pub mod conformance;
mod cookies;
mod counting;
mod deny_list;
mod environment;
mod error;
mod events;
mod input;
mod keys;
mod memory;
#[cfg(feature = "metrics")]
pub mod metrics;
mod origin_rule;
mod public_url;
mod purpose;
#[cfg(feature = "redis")]
mod redis;
#[cfg(any(feature = "mysql", feature = "postgres", feature = "redis", feature = "sqlite"))]
mod replay;
mod request;
mod rules;
#[cfg(any(feature = "mysql", feature = "postgres", feature = "redis"))]
mod server_url;
mod session;
mod sessions;
#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
mod sql;
mod store;
mod timestamp;
mod token;
#[cfg(feature = "issuer")]
mod web;

pub use crate::builder::SessionsBuilder;
pub use crate::check::{CachedSessionCheck, OpenSessionCheck, UserStatus, Users};
pub use crate::cookies::SessionCookies;
pub use crate::deny_list::{DenyList, DenyListCheck, DenyListStore, StoredDenial};
pub use crate::error::{PurposeTokenError, SessionsError};
pub use crate::events::{
    Affected, BackchannelLogout, EventEffect, EventError, EventReceiver, EventReceiverBuilder, EventRequest,
    EventResponse, EventStatus, EventSubject, EventSubjects, LoggedOut, LogoutError, ReceivedEvent, Verification,
};
#[cfg(feature = "poll")]
pub use crate::events::{EventPoller, EventPollerBuilder, PollError, Polled};
pub use crate::keys::SuccessorKeys;
pub use crate::memory::MemoryStore;
pub use crate::origin_rule::{Client, OriginRule};
pub use crate::purpose::{PurposeToken, PurposeTokens};
#[cfg(feature = "redis")]
pub use crate::redis::{RedisStore, RedisStoreBuilder, RedisStoreError};
pub use crate::request::SessionRequest;
pub use crate::session::{AuthFacts, EndReason, Session, SessionEvent, Verdict};
pub use crate::sessions::{Sessions, SignedIn};
#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
pub use crate::sql::{SqlStore, SqlStoreBuilder, SqlStoreError};
pub use crate::store::{Ended, PreviousToken, SessionStore, StoredPurposeToken, StoredSession, Which};
pub use crate::timestamp::Timestamp;
pub use crate::token::{RefreshToken, TokenHash};
#[cfg(feature = "issuer")]
pub use crate::web::{SessionResponse, WebSessions};
pub use portcullis::error::CrossSiteRequest;

/// Compiles the examples of `README.md`.
#[cfg(all(doctest, feature = "issuer", feature = "sqlite"))]
#[doc = include_str!("../README.md")]
struct Readme;
