//! The client that fetches security events (RFC 8936).

use std::collections::HashSet;
use std::fmt;
use std::pin::{Pin, pin};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use portcullis::ConfigError;
use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Client, Response};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use url::Url;

use super::receiver::EventReceiver;
use super::report::Members;
use super::set::{EventEffect, EventError};
use crate::public_url::is_private;

/// Fetches the security events of a transmitter (RFC 8936), acknowledges those that were accepted, and reports the others.
///
/// ```no_run
/// use portcullis_sessions::{EventPoller, EventReceiver};
///
/// # async fn example(receiver: EventReceiver, stop: tokio::sync::oneshot::Receiver<()>, token: &str)
/// #     -> Result<(), portcullis::ConfigError> {
/// let poller = EventPoller::builder(&receiver, "https://transmitter.example/poll")
///     .authorization(format!("Bearer {token}"))
///     .build()?;
/// // Until the service stops.
/// poller.run(async { drop(stop.await) }).await;
/// # Ok(()) }
/// ```
pub struct EventPoller {
    settings: EventPollerBuilder,
    url: Url,
    client: Client,
    /// What the next request tells the transmitter.
    pending: Mutex<Pending>,
    /// One request at a time.
    turn: tokio::sync::Mutex<()>,
}

/// The settings of an [`EventPoller`]. [`EventPoller::builder`] starts one.
#[must_use = "call build()"]
pub struct EventPollerBuilder {
    receiver: EventReceiver,
    url: String,
    authorization: Option<String>,
    max_events: usize,
    interval: Option<Duration>,
}

/// What one request to the transmitter brought.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Polled {
    /// The number of events that were accepted, now or before. The next request acknowledges them.
    pub accepted: usize,
    /// The number of tokens that were refused. The next request reports them.
    pub refused: usize,
    /// The number of events that could not be processed now. The transmitter sends them again.
    pub postponed: usize,
    /// Whether the transmitter has more events.
    pub more_available: bool,
}

/// Why no events could be fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PollError {
    /// The transmitter cannot be reached, or did not answer in time.
    #[error("the transmitter of security events cannot be reached")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The transmitter answered with another status than 200.
    #[error("the transmitter of security events answered with the status {0}")]
    Status(u16),
    /// The answer cannot be read, or is longer than 4 MiB.
    #[error("the transmitter of security events sent an answer that cannot be read")]
    Unreadable,
}

#[derive(Default)]
struct Pending {
    accepted: Vec<String>,
    refused: Map<String, Value>,
}

#[derive(Deserialize)]
struct Answer {
    sets: Members,
    #[serde(default, rename = "moreAvailable")]
    more_available: bool,
}

const MOST_EVENTS: usize = 100;
const MOST_BYTES: usize = 4 * 1024 * 1024;
const SECOND: Duration = Duration::from_secs(1);
/// How long the transmitter may wait for an event before it answers.
const LONG_POLL: Duration = Duration::from_secs(120);
const SHORT_POLL: Duration = Duration::from_secs(30);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

impl EventPoller {
    /// Starts a client for the polling endpoint at `url`. `receiver` processes the events.
    pub fn builder(receiver: &EventReceiver, url: &str) -> EventPollerBuilder {
        EventPollerBuilder {
            receiver: receiver.clone(),
            url: url.to_owned(),
            authorization: None,
            max_events: 50,
            interval: None,
        }
    }

    /// Fetches and processes events until `stop` is ready. Then it tells the transmitter, within 5 seconds, what it has not
    /// told yet. Dropping the future stops it at once; then the transmitter sends some events again, which does no harm.
    ///
    /// It asks again at once while the transmitter has more events and the last answer had something new. Otherwise it waits for
    /// 1 second, or for the interval.
    ///
    /// After a failure it waits for 1 second, and twice as long after each further one, up to a minute.
    pub async fn run(&self, stop: impl Future<Output = ()>) {
        let mut stop = pin!(stop);
        let mut failures = 0_u32;
        loop {
            let Some(result) = first(stop.as_mut(), pin!(self.poll_once())).await else { break };
            let failed = match &result {
                Ok((polled, _)) => polled.postponed > 0,
                Err(error) => {
                    tracing::warn!(error = %error, "security events could not be fetched");
                    true
                }
            };
            failures = if failed { failures.saturating_add(1) } else { 0 };
            let pause = match result {
                _ if failed => (SECOND * 2_u32.saturating_pow(failures.min(7) - 1)).min(LONGEST_PAUSE),
                Ok((Polled { more_available: true, .. }, true)) => Duration::ZERO,
                // A transmitter that does not wait for events, or repeats itself, is not asked all the time.
                _ => self.settings.interval.unwrap_or(SECOND),
            };
            if first(stop.as_mut(), pin!(tokio::time::sleep(pause))).await.is_none() {
                break;
            }
        }
        let _ = tokio::time::timeout(5 * SECOND, self.acknowledge()).await;
    }

    /// Sends one request: tells what became of the events before, and processes those in the answer. Without an
    /// [interval](EventPollerBuilder::interval), the transmitter waits for events for up to two minutes.
    ///
    /// # Errors
    /// [`PollError`] says why there is no answer. What was not told then is told by the next request.
    pub async fn poll(&self) -> Result<Polled, PollError> {
        self.poll_once().await.map(|(polled, _)| polled)
    }

    /// Also returns whether the answer had an event or a bad token that is new here.
    async fn poll_once(&self) -> Result<(Polled, bool), PollError> {
        let _turn = self.turn.lock().await;
        let told = self.pending().names();
        let return_immediately = self.settings.interval.is_some();
        let Some(answer) = self.send(self.settings.max_events, return_immediately).await? else {
            return Ok((Polled::default(), false));
        };
        let (mut polled, mut has_news) = (Polled { more_available: answer.more_available, ..Polled::default() }, false);
        for (name, token) in answer.sets.0.into_iter().take(self.settings.max_events) {
            let result = match token.as_str() {
                Some(token) => self.settings.receiver.process_named(token, &name).await,
                None => Err(EventError::Malformed("The token is not a text")),
            };
            match result {
                Ok(event) => {
                    polled.accepted += 1;
                    has_news |= event.effect != EventEffect::Repeated && !told.contains(&name);
                    self.pending().accepted.push(name);
                }
                Err(error) => match error.code() {
                    Some(code) => {
                        polled.refused += 1;
                        has_news |= !told.contains(&name);
                        let report = json!({"err": code, "description": error.description()});
                        self.pending().refused.insert(name, report);
                    }
                    None => polled.postponed += 1,
                },
            }
        }
        Ok((polled, has_news))
    }

    /// Tells what became of the events, and asks for none.
    async fn acknowledge(&self) -> Result<(), PollError> {
        let _turn = self.turn.lock().await;
        if self.pending().is_empty() {
            return Ok(());
        }
        self.send(0, true).await.map(drop)
    }

    /// `None` means that no event came within the time of a long poll.
    async fn send(&self, max_events: usize, return_immediately: bool) -> Result<Option<Answer>, PollError> {
        let (accepted, refused) = {
            let pending = self.pending();
            (pending.accepted.clone(), pending.refused.clone())
        };
        let mut body = json!({"maxEvents": max_events, "returnImmediately": return_immediately, "ack": accepted});
        let mut request = self.client.post(self.url.clone());
        if let (false, Some(body)) = (refused.is_empty(), body.as_object_mut()) {
            body.insert("setErrs".to_owned(), refused.clone().into());
            request = request.header("content-language", "en");
        }
        let limit = if return_immediately { SHORT_POLL } else { LONG_POLL };
        let request = request.body(body.to_string()).timeout(limit);
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) if error.is_timeout() && !error.is_connect() && !return_immediately => return Ok(None),
            Err(error) => return Err(PollError::Unreachable(error.without_url().into())),
        };
        if response.status() != 200 {
            return Err(PollError::Status(response.status().as_u16()));
        }
        self.pending().forget(&accepted, &refused);
        let answer = serde_json::from_slice(&read(response).await?).map_err(|_| PollError::Unreadable)?;
        Ok(Some(answer))
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pending {
    fn is_empty(&self) -> bool {
        self.accepted.is_empty() && self.refused.is_empty()
    }

    fn names(&self) -> HashSet<String> {
        self.accepted.iter().chain(self.refused.keys()).cloned().collect()
    }

    /// Forgets what was told.
    fn forget(&mut self, accepted: &[String], refused: &Map<String, Value>) {
        self.accepted.retain(|name| !accepted.contains(name));
        self.refused.retain(|name, _| !refused.contains_key(name));
    }
}

impl EventPollerBuilder {
    /// Sets the `Authorization` field of the requests, for example `Bearer` and an access token of the transmitter.
    pub fn authorization(mut self, value: impl Into<String>) -> Self {
        self.authorization = Some(value.into());
        self
    }

    /// Sets how many events one answer may have: 1 to 100, and 50 by default.
    pub fn max_events(mut self, events: usize) -> Self {
        self.max_events = events;
        self
    }

    /// Asks once in this time, 1 s to 1 hour, and the transmitter answers at once (`returnImmediately`). By default it waits
    /// until it has an event (long polling), so events arrive without delay.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = Some(interval);
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    /// [`ConfigError`] with all settings that cannot work.
    pub fn build(self) -> Result<EventPoller, ConfigError> {
        let mut errors = Vec::new();
        let url = Url::parse(&self.url).ok().filter(|url| is_private(url) && url.fragment().is_none());
        if url.is_none() {
            let hint = "write an address such as `https://transmitter.example/poll`";
            errors.push(ConfigError::new("url", "is neither https nor http on this machine", hint));
        }
        if !(1..=MOST_EVENTS).contains(&self.max_events) {
            errors.push(ConfigError::new("max_events", "not from 1 to 100", "write 1 to 100"));
        }
        if self.interval.is_some_and(|interval| interval < SECOND || interval > 3600 * SECOND) {
            let hint = "write 1 s to 1 hour, or leave it out for long polling";
            errors.push(ConfigError::new("interval", "not from 1 s to 1 hour", hint));
        }
        let mut fields = HeaderMap::new();
        let json = HeaderValue::from_static("application/json");
        fields.insert("accept", json.clone());
        fields.insert("content-type", json);
        if let Some(value) = &self.authorization {
            match HeaderValue::try_from(value) {
                Ok(mut value) => {
                    value.set_sensitive(true);
                    fields.insert("authorization", value);
                }
                Err(_) => errors.push(ConfigError::new(
                    "authorization",
                    "cannot be the value of a field",
                    "write visible ASCII characters, for example `Bearer` and a token",
                )),
            }
        }
        ConfigError::all(errors)?;
        // Redirects are off, because only this address may see the credential. Proxies of the environment are off.
        let client = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(5 * SECOND)
            .default_headers(fields)
            .referer(false)
            .build();
        match (client, url) {
            (Ok(client), Some(url)) => Ok(EventPoller {
                settings: self,
                url,
                client,
                pending: Mutex::default(),
                turn: tokio::sync::Mutex::default(),
            }),
            _ => {
                let hint = "check the root certificates of the system";
                Err(ConfigError::new("url", "no HTTP client could be made", hint))
            }
        }
    }
}

/// Reads a body of bounded length.
async fn read(mut response: Response) -> Result<Vec<u8>, PollError> {
    let mut body = Vec::new();
    while let Some(chunk) =
        response.chunk().await.map_err(|error| PollError::Unreachable(error.without_url().into()))?
    {
        if body.len() + chunk.len() > MOST_BYTES {
            return Err(PollError::Unreadable);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Returns the output of `work`. `None` means that `stop` was ready before.
async fn first<S: Future<Output = ()>, W: Future>(mut stop: Pin<&mut S>, mut work: Pin<&mut W>) -> Option<W::Output> {
    std::future::poll_fn(|context| {
        if stop.as_mut().poll(context).is_ready() {
            return Poll::Ready(None);
        }
        work.as_mut().poll(context).map(Some)
    })
    .await
}

impl fmt::Debug for EventPoller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventPoller").finish_non_exhaustive()
    }
}

impl fmt::Debug for EventPollerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventPollerBuilder").finish_non_exhaustive()
    }
}
