//! The receiver of security events: what they do, and the answer to a push (RFC 8935).

use std::fmt;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use aws_lc_rs::constant_time;
use portcullis::adapter::RequestView;
use portcullis::error::Unavailable;
use portcullis::{Audience, ConfigError, KeyProvider};
use serde_json::json;

use super::report::{Kind, ReportVerifier};
use super::request::{EventResponse, MAX_BODY_BYTES, has_type, only};
use super::set::{Event, EventEffect, EventError, EventKind, ReceivedEvent};
use super::status::{EventStatus, Status};
use super::subject::{Affected, EventSubject, EventSubjects};
use crate::deny_list::DenyList;
use crate::timestamp::Timestamp;

/// Receives the security events of a transmitter (OpenID Shared Signals Framework 1.0), pushed or polled, and denies the access
/// tokens that they concern. Cheap to clone.
///
/// The modules `axum` and `actix` have the route for pushed events. `EventPoller` (feature `poll`) fetches them.
///
/// | event | what it does |
/// |---|---|
/// | CAEP `session-revoked`, `credential-change` | denies the access tokens of the subject that were issued before the event |
/// | SSF `verification`, `stream-updated` | is shown by [`status`](Self::status) |
/// | any other | is reported as [`EventEffect::UnknownEvent`] |
///
/// A subject of the format `iss_sub` or `jwt_id`, or with such a user, is understood if its issuer is that of the access tokens.
/// [`EventReceiverBuilder::subjects`] adds others. An event about an unknown subject is accepted, has no effect, and is
/// reported as [`EventEffect::UnknownSubject`], with a warning in the log.
#[derive(Clone)]
pub struct EventReceiver(Arc<Inner>);

struct Inner {
    verifier: ReportVerifier,
    settings: Settings,
    status: Status,
}

struct Settings {
    deny_list: DenyList,
    token_issuer: String,
    subjects: Option<Arc<dyn EventSubjects>>,
    critical: Vec<String>,
    authorization: Option<String>,
    also: Option<Effect>,
    on_event: Option<Handler>,
}

type Effect = Arc<dyn Fn(ReceivedEvent) -> EffectFuture + Send + Sync>;
type EffectFuture = Pin<Box<dyn Future<Output = Result<(), Unavailable>> + Send>>;
type Handler = Arc<dyn Fn(&ReceivedEvent) + Send + Sync>;

/// The settings of an [`EventReceiver`]. [`EventReceiver::builder`] starts one.
#[must_use = "call build()"]
pub struct EventReceiverBuilder {
    verifier: Result<ReportVerifier, ConfigError>,
    settings: Settings,
}

impl EventReceiver {
    /// Starts a receiver of the events of `transmitter`, the `iss` of its tokens. Their audience is what the transmitter calls
    /// this receiver. The access tokens that it may deny are those of the same issuer, unless
    /// [`token_issuer`](EventReceiverBuilder::token_issuer) names another.
    pub fn builder(
        transmitter: &str,
        audience: impl Into<Audience>,
        keys: impl KeyProvider + 'static,
        deny_list: &DenyList,
    ) -> EventReceiverBuilder {
        let clock = deny_list.clock().clone();
        EventReceiverBuilder {
            verifier: ReportVerifier::new(Kind::SecurityEvent, transmitter.into(), audience.into(), keys, clock),
            settings: Settings {
                deny_list: deny_list.clone(),
                token_issuer: transmitter.to_owned(),
                subjects: None,
                critical: Vec::new(),
                authorization: None,
                also: None,
                on_event: None,
            },
        }
    }

    /// Answers a pushed event (RFC 8935 §2): a body of the type `application/secevent+jwt`, of at most 32 KiB.
    ///
    /// | case | status |
    /// |---|---|
    /// | the event was accepted, now or before | 202 |
    /// | the request or the token is wrong | 400, with `err` and `description` |
    /// | keys, the store or the users are unavailable | 503; the transmitter sends the event again |
    pub async fn receive(&self, request: &dyn RequestView, body: &[u8]) -> EventResponse {
        if !self.is_authorized(request) {
            self.0.status.refused();
            return refused("authentication_failed", "The transmitter is not authenticated");
        }
        let problem = if !has_type(request, "application/secevent+jwt") {
            Some("The body is not of the type application/secevent+jwt")
        } else if body.len() > MAX_BODY_BYTES {
            Some("The body is too long")
        } else {
            None
        };
        if let Some(problem) = problem {
            self.0.status.refused();
            return refused("invalid_request", problem);
        }
        match self.process(std::str::from_utf8(body).unwrap_or_default()).await {
            Ok(_) => EventResponse::empty(202),
            Err(EventError::Unavailable(unavailable)) => EventResponse::unavailable(503, unavailable),
            Err(error) => refused(error.code().unwrap_or("invalid_request"), &error.description()),
        }
    }

    /// Verifies a security event token and does what its event says. [`receive`](Self::receive) and `EventPoller` call it.
    ///
    /// An event that was processed before does nothing. If the process dies within, the event is processed again when the
    /// transmitter repeats it, which changes nothing. One about an unknown subject is processed each time.
    ///
    /// # Errors
    /// [`EventError`] says why it was not accepted.
    pub async fn process(&self, token: &str) -> Result<ReceivedEvent, EventError> {
        self.finish(self.verified(token, None).await)
    }

    /// Processes a token that the transmitter calls `name`, which is its `jti` (RFC 8936 §2.3).
    #[cfg(feature = "poll")]
    pub(super) async fn process_named(&self, token: &str, name: &str) -> Result<ReceivedEvent, EventError> {
        self.finish(self.verified(token, Some(name)).await)
    }

    fn finish(&self, result: Result<ReceivedEvent, EventError>) -> Result<ReceivedEvent, EventError> {
        match &result {
            Ok(event) => self.report(event),
            Err(EventError::Unavailable(_)) => tracing::warn!("a security event could not be processed now"),
            Err(error) => {
                self.0.status.refused();
                tracing::warn!(error = %error, "a security event token was refused");
            }
        }
        result
    }

    /// Returns what the receiver has seen, for monitoring.
    #[must_use]
    pub fn status(&self) -> EventStatus {
        self.0.status.get()
    }

    async fn verified(&self, token: &str, name: Option<&str>) -> Result<ReceivedEvent, EventError> {
        let report = self.0.verifier.verify(token).await?;
        if name.is_some_and(|name| name != report.token_id) {
            return Err(EventError::Malformed("The name of the token is not its jti"));
        }
        let event = Event::read(&report)?;
        let list = &self.0.settings.deny_list;
        let is_received = list.is_received(&report.issuer, &report.token_id).await?;
        let effect = if is_received { EventEffect::Repeated } else { self.apply(&event).await? };
        let received = ReceivedEvent { event_type: event.uri, subject: event.subject, effect };
        if !is_received {
            self.also(&received).await?;
            // Another receiver with the same list, or this one after its users were completed, may know the subject.
            if received.effect != EventEffect::UnknownSubject {
                list.set_received(&report.issuer, &report.token_id, report.issued_at).await?;
            }
        }
        Ok(received)
    }

    /// Awaits what the service does with an event.
    async fn also(&self, event: &ReceivedEvent) -> Result<(), Unavailable> {
        let Some(also) = &self.0.settings.also else { return Ok(()) };
        let mut work = pin!(async { also(event.clone()).await });
        poll_fn(|context| {
            // The transmitter sends the event again.
            let panicked =
                |_| Poll::Ready(Err(Unavailable::new().with_source("an effect of security events panicked")));
            catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))).unwrap_or_else(panicked)
        })
        .await
    }

    async fn apply(&self, event: &Event) -> Result<EventEffect, EventError> {
        Ok(match (&event.kind, &event.subject) {
            (EventKind::Revocation, Some(subject)) => {
                let affected = self.affected(subject).await?;
                if affected.is_empty() {
                    return Ok(EventEffect::UnknownSubject);
                }
                for each in &affected {
                    self.deny(each, event.at).await?;
                }
                EventEffect::Denied
            }
            (EventKind::Revocation, None) => EventEffect::UnknownSubject,
            (EventKind::Verification { state }, _) => EventEffect::Verified { state: state.clone() },
            (EventKind::StreamUpdated { status }, _) => EventEffect::StreamUpdated { status: status.clone() },
            (EventKind::Unknown, _) => EventEffect::UnknownEvent,
        })
    }

    async fn affected(&self, subject: &EventSubject) -> Result<Vec<Affected>, EventError> {
        let settings = &self.0.settings;
        if let Some(subjects) = &settings.subjects {
            let found = subjects.find(subject).await?;
            if !found.is_empty() {
                return Ok(found);
            }
        }
        // Of complex subjects, only the user is understood here (Shared Signals Framework 1.0 §3.6).
        if subject.parts().any(|part| part != "user" && settings.critical.iter().any(|critical| critical == part)) {
            return Ok(Vec::new());
        }
        Ok(subject.affected(&settings.token_issuer))
    }

    async fn deny(&self, affected: &Affected, at: Timestamp) -> Result<(), EventError> {
        let Settings { deny_list, token_issuer: issuer, .. } = &self.0.settings;
        match affected {
            Affected::Subject(subject) => deny_list.deny_issued_before(issuer, subject, at.to_date()).await?,
            Affected::Session { session, subject } => {
                deny_list.deny_session_at(issuer, session, deny_list.now()).await?;
                if let Some(subject) = subject {
                    deny_list.deny_without_session(issuer, subject, at).await?;
                }
            }
            Affected::Token(token_id) => deny_list.deny_token(issuer, token_id, deny_list.latest_expiry()).await?,
        }
        Ok(())
    }

    fn report(&self, event: &ReceivedEvent) {
        let settings = &self.0.settings;
        self.0.status.record(&event.effect, settings.deny_list.now());
        match &event.effect {
            EventEffect::UnknownSubject => {
                let format = event.subject.as_ref().map_or("none", EventSubject::known_format);
                tracing::warn!(format, "a security event had no effect: its subject is unknown");
            }
            EventEffect::UnknownEvent => tracing::info!("a security event had no effect: its type is unknown"),
            EventEffect::StreamUpdated { status } if status.as_deref() != Some("enabled") => {
                tracing::warn!("the transmitter has stopped the stream of security events");
            }
            _ => {}
        }
        let Some(handler) = &settings.on_event else { return };
        if catch_unwind(AssertUnwindSafe(|| handler(event))).is_err() {
            tracing::error!("the handler of security events panicked");
        }
    }

    fn is_authorized(&self, request: &dyn RequestView) -> bool {
        let Some(expected) = &self.0.settings.authorization else { return true };
        let given = only(request, "authorization").unwrap_or_default();
        constant_time::verify_slices_are_equal(given.as_bytes(), expected.as_bytes()).is_ok()
    }
}

impl EventReceiverBuilder {
    /// Sets the issuer of the access tokens that events may deny, if it is not the transmitter.
    pub fn token_issuer(mut self, issuer: &str) -> Self {
        issuer.clone_into(&mut self.settings.token_issuer);
        self
    }

    /// Asks `subjects` which access tokens a subject means, before the receiver tries what it understands itself.
    pub fn subjects(mut self, subjects: impl EventSubjects + 'static) -> Self {
        self.settings.subjects = Some(Arc::new(subjects));
        self
    }

    /// Names the parts of complex subjects that must be understood, as the metadata of the transmitter does
    /// (`critical_subject_members`). An event with such a part has no effect unless [`subjects`](Self::subjects) knows it; only
    /// `user` is understood in any case.
    pub fn critical_subject_members<S: Into<String>>(mut self, members: impl IntoIterator<Item = S>) -> Self {
        self.settings.critical = members.into_iter().map(Into::into).collect();
        self
    }

    /// Demands this value in the `Authorization` field of each push, as it was given to the transmitter
    /// (`authorization_header`). Without it, only the signature of the event is checked.
    pub fn authorization(mut self, value: impl Into<String>) -> Self {
        self.settings.authorization = Some(value.into());
        self
    }

    /// Awaits `effect` with each event, unless it was processed before, for example to end sessions of the service.
    ///
    /// The event counts as processed only after that. If `effect` fails or panics, [`receive`](EventReceiver::receive) answers
    /// 503, `EventPoller` does not acknowledge the event, and the transmitter sends it again. So `effect` may be called several
    /// times with one event.
    pub fn also<F>(mut self, effect: impl Fn(ReceivedEvent) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), Unavailable>> + Send + 'static,
    {
        self.settings.also = Some(Arc::new(move |event| Box::pin(effect(event))));
        self
    }

    /// Calls `handler` with each event that was accepted, for metrics and alarms. It should return at once. If it panics, that
    /// goes to the log, and the event counts as processed.
    pub fn on_event(mut self, handler: impl Fn(&ReceivedEvent) + Send + Sync + 'static) -> Self {
        self.settings.on_event = Some(Arc::new(handler));
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    /// [`ConfigError`] with all settings that cannot work.
    pub fn build(self) -> Result<EventReceiver, ConfigError> {
        let settings = self.settings;
        let mut errors = Vec::new();
        if settings.token_issuer.is_empty() {
            errors.push(ConfigError::new("token_issuer", "empty", "write the `iss` of the access tokens"));
        }
        if settings.authorization.as_ref().is_some_and(|value| value.len() < 16 || !value.is_ascii()) {
            let hint = "write the value of the field as the transmitter has it, for example `Bearer` and a random text";
            errors.push(ConfigError::new("authorization", "shorter than 16 characters, or not ASCII", hint));
        }
        let (verifier, ()) = ConfigError::both(self.verifier, ConfigError::all(errors))?;
        Ok(EventReceiver(Arc::new(Inner { verifier, settings, status: Status::default() })))
    }
}

fn refused(code: &str, description: &str) -> EventResponse {
    let mut response = EventResponse::json(400, &json!({"err": code, "description": description}));
    response.headers.insert(0, ("content-language", "en".to_owned()));
    response
}

impl fmt::Debug for EventReceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventReceiver").field("deny_list", &self.0.settings.deny_list).finish_non_exhaustive()
    }
}

impl fmt::Debug for EventReceiverBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventReceiverBuilder").finish_non_exhaustive()
    }
}
