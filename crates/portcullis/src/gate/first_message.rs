//! WebSockets whose first message has the token.

use std::fmt;
use std::time::Duration;

use crate::error::AuthError;
use crate::gate::{Denied, Gate, Watch};
use crate::jose::compact;
use crate::policy::Policy;

const DEFAULT_LIMIT: Duration = Duration::from_secs(10);
const SHORTEST_LIMIT: Duration = Duration::from_millis(10);
const LONGEST_LIMIT: Duration = Duration::from_secs(60);
/// A token of the default length, and what may be around it.
const DEFAULT_MAX_BYTES: usize = compact::DEFAULT_MAX_BYTES + 1024;
const DEFAULT_MAX_LATER_BYTES: usize = 64 * 1024;

/// How a WebSocket is authenticated by its first message, for clients that can present a token neither in `Authorization` nor as
/// a [subprotocol](crate::TokenSource::websocket_protocol). The adapters' `websocket::first_message` does it.
///
/// The connection is open to everyone until the message comes. So there is little time for it (10 seconds), it has to be short,
/// and the handler of the connection starts only after it. If there is no good token in it, the connection is closed with a code:
///
/// | code | meaning |
/// |---|---|
/// | 3000, 3003, 1013, 1011, 1008 | those of [`AuthError::websocket_close_code`] |
/// | 3008 | the message did not come in time |
/// | 1009 | it is too long |
/// | 1003 | it is not text |
#[derive(Clone)]
pub struct FirstMessage {
    gate: Gate,
    policy: Policy,
    limit: Duration,
    max_bytes: usize,
    max_later_bytes: usize,
    read: fn(&str) -> Option<String>,
}

/// Why the first message lets no caller in.
#[derive(Debug)]
#[non_exhaustive]
pub enum NotAdmitted {
    /// The client closed the connection, or it failed.
    Left,
    /// The message did not come in time.
    Late,
    /// The message is longer than the limit.
    TooLarge,
    /// The message is not text.
    NotText,
    /// The gate does not let the caller in.
    Refused(Denied),
}

impl FirstMessage {
    /// Takes the text of the first message for a bearer token, which `gate` verifies.
    #[must_use]
    pub fn new(gate: &Gate) -> Self {
        Self {
            gate: gate.clone(),
            policy: Policy::authenticated(),
            limit: DEFAULT_LIMIT,
            max_bytes: DEFAULT_MAX_BYTES,
            max_later_bytes: DEFAULT_MAX_LATER_BYTES,
            read: |text| Some(text.to_owned()),
        }
    }

    /// Lets only callers in that `policy` allows.
    #[must_use]
    pub fn require(self, policy: Policy) -> Self {
        Self { policy, ..self }
    }

    /// Reads the token from the text of the message by `read`, for clients that send it inside JSON. `None` is a missing token.
    ///
    /// ```
    /// use portcullis::websocket::FirstMessage;
    ///
    /// /// The message `connection_init` of the subprotocol `graphql-transport-ws`.
    /// #[derive(serde::Deserialize)]
    /// #[serde(tag = "type", rename = "connection_init")]
    /// struct ConnectionInit {
    ///     payload: Payload,
    /// }
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Payload {
    ///     authorization: String,
    /// }
    ///
    /// fn token(text: &str) -> Option<String> {
    ///     let init: ConnectionInit = serde_json::from_str(text).ok()?;
    ///     init.payload.authorization.strip_prefix("Bearer ").map(str::to_owned)
    /// }
    ///
    /// # fn first(gate: &portcullis::Gate) -> FirstMessage {
    /// FirstMessage::new(gate).read(token)
    /// # }
    /// ```
    #[must_use]
    pub fn read(self, read: fn(&str) -> Option<String>) -> Self {
        Self { read, ..self }
    }

    /// Waits for the message for `limit`. Default: 10 seconds; 10 milliseconds to one minute.
    #[must_use]
    pub fn within(self, limit: Duration) -> Self {
        Self { limit: limit.clamp(SHORTEST_LIMIT, LONGEST_LIMIT), ..self }
    }

    /// Limits the length of later messages, in bytes. Default: 64 KiB. The first one may have 17 KiB.
    #[must_use]
    pub fn max_later_bytes(self, max_later_bytes: usize) -> Self {
        Self { max_later_bytes, ..self }
    }

    /// The limits in bytes of the first message and of later ones, for adapters.
    #[must_use]
    pub fn limits(&self) -> (usize, usize) {
        (self.max_bytes, self.max_later_bytes.max(self.max_bytes))
    }

    /// Waits for the first message, which `receive` returns, and lets its caller in. For adapters.
    ///
    /// # Errors
    /// Why no caller is let in, which is logged.
    pub async fn admit(
        &self,
        receive: impl Future<Output = Result<String, NotAdmitted>>,
    ) -> Result<Watch, NotAdmitted> {
        if tokio::runtime::Handle::try_current().is_err() {
            let error = AuthError::Server("a first message is awaited outside of a tokio runtime".into());
            return Err(NotAdmitted::Refused(self.gate.noted(Denied::new(error, None), None)));
        }
        let received = tokio::time::timeout(self.limit, receive).await.unwrap_or(Err(NotAdmitted::Late));
        let text = match received {
            Ok(text) if text.len() > self.max_bytes => Err(NotAdmitted::TooLarge),
            received => received,
        };
        let text =
            text.inspect_err(|error| tracing::debug!(reason = error.reason(), "connection without a token ended"))?;
        let token = (self.read)(&text).unwrap_or_default();
        let caller = self.gate.verify_for(&token, &self.policy).await.map_err(NotAdmitted::Refused)?;
        Ok(self.gate.watch(&caller))
    }
}

impl NotAdmitted {
    /// The code and the text for the closing handshake. `None` means that the connection is closed already.
    #[must_use]
    pub fn close(&self) -> Option<(u16, &str)> {
        match self {
            Self::Left => None,
            Self::Late => Some((3008, "The access token did not come in time")),
            Self::TooLarge => Some((1009, "The first message is too large")),
            Self::NotText => Some((1003, "The first message has to be text")),
            Self::Refused(denied) => Some((denied.websocket_close_code(), denied.description())),
        }
    }

    fn reason(&self) -> &str {
        match self {
            Self::Left => "left",
            Self::Late => "late",
            Self::TooLarge => "too_large",
            Self::NotText => "not_text",
            Self::Refused(denied) => denied.code(),
        }
    }
}

impl fmt::Debug for FirstMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FirstMessage")
            .field("policy", &self.policy)
            .field("limit", &self.limit)
            .field("limits", &self.limits())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;

    use super::*;
    use crate::credential::Credential;
    use crate::dangerous::assume_verified;
    use crate::error::InvalidToken;
    use crate::policy::scopes;
    use crate::verifier::{Verified, Verifier};

    #[derive(Debug)]
    struct OneToken;

    #[async_trait]
    impl Verifier for OneToken {
        async fn verify(&self, credential: &Credential<'_>) -> Result<Verified, AuthError> {
            match credential.unverified_token() {
                "good" => Ok(assume_verified(&serde_json::json!({"sub": "alice", "scope": "read"}))?),
                _ => Err(InvalidToken::Revoked.into()),
            }
        }
    }

    async fn closed(first: &FirstMessage, message: Result<&str, NotAdmitted>) -> Option<u16> {
        match first.admit(async { message.map(str::to_owned) }).await {
            Ok(watch) => {
                assert_eq!(watch.caller().subject(), Some("alice"));
                Some(0)
            }
            Err(error) => error.close().map(|(code, _)| code),
        }
    }

    #[tokio::test]
    async fn first_message_has_the_token() {
        let first = FirstMessage::new(&Gate::new(OneToken));
        let long = "a".repeat(DEFAULT_MAX_BYTES + 1);
        for (message, code) in [
            (Ok("good"), Some(0)),
            (Ok("bad"), Some(3000)),
            (Ok(""), Some(3000)),
            (Ok(&*long), Some(1009)),
            (Err(NotAdmitted::NotText), Some(1003)),
            (Err(NotAdmitted::TooLarge), Some(1009)),
            (Err(NotAdmitted::Left), None),
        ] {
            assert_eq!(closed(&first, message).await, code);
        }
        assert_eq!(closed(&first.clone().require(scopes("read")), Ok("good")).await, Some(0));
        assert_eq!(closed(&first.clone().require(scopes("write")), Ok("good")).await, Some(3003));
        let first = first.read(|text| text.strip_prefix("token ").map(str::to_owned));
        assert_eq!(closed(&first, Ok("token good")).await, Some(0));
        assert_eq!(closed(&first, Ok("good")).await, Some(3000));
    }

    #[tokio::test(start_paused = true)]
    async fn late_message_is_not_awaited() {
        let first = FirstMessage::new(&Gate::new(OneToken)).within(Duration::from_secs(2));
        let started_at = tokio::time::Instant::now();
        let refused = first.admit(std::future::pending()).await.unwrap_err();
        assert_eq!(refused.close(), Some((3008, "The access token did not come in time")));
        assert_eq!(started_at.elapsed(), Duration::from_secs(2));
    }
}
