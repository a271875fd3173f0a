//! The service's own code around refusals: functions that change them, observers, and code that panics.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use portcullis::adapter::{HeaderList, Outcome, Refused};
use portcullis::claims::{Claims, GrantReader, Grants};
use portcullis::error::InvalidToken;
use portcullis::jose::Algorithm;
use portcullis::session::{SessionCheck, SessionError};
use portcullis::{AuthError, Gate, Policy, Refusal, Require, TokenSource, Verified, async_trait, scopes};
use portcullis_testing::TestIssuer;
use tracing::field::{Field, Visit};
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::ways::{Answer, Ask, Say, WAYS, Way, ask, ask_in};

struct Read;

impl Require for Read {
    fn policy() -> Policy {
        scopes("read")
    }
}

struct Panics;

impl Require for Panics {
    fn policy() -> Policy {
        panic!("a bug in the policy")
    }
}

const SUBJECT: Say = |caller| caller.subject().unwrap_or_default().to_owned();
const SERVER_ERROR: &str =
    r#"{"error":"server_error","error_description":"The service is not configured to authenticate requests"}"#;

fn issuer() -> TestIssuer {
    TestIssuer::from_algorithms([Algorithm::Es256])
}

fn good(issuer: &TestIssuer) -> Ask {
    Ask::with_authorization(&format!("Bearer {}", issuer.token().subject("alice").scope("read").sign()))
}

#[actix_web::test]
async fn writers_compose_and_see_the_request() {
    let issuer = issuer();
    let house_style = |refused: &Refused<'_>, refusal: &mut Refusal| {
        refusal.body = format!("{} {}", refused.code(), refused.header("x-request-id").unwrap_or("-"));
    };
    let gate = issuer.gate().with_refusals(house_style).with_refusals(|refused, refusal| {
        let method = refused.request().map(|request| request.method().into_owned());
        refusal.headers.push(("x-seen".to_owned(), format!("{} {}", method.unwrap_or_default(), refusal.body)));
    });
    let request = Ask::new("/orders");
    for (request, body) in [
        (request.clone(), "missing_token -"),
        (request.clone().field("x-request-id", "r-7"), "missing_token r-7"),
        (request.clone().field("x-request-id", "r-7").field("x-request-id", "r-8"), "missing_token -"),
        (request.field("authorization", "Bearer a b").field("x-request-id", "r-9"), "invalid_request r-9"),
    ] {
        let answer = ask::<Read>(&gate, &request, SUBJECT).await;
        assert_eq!((answer.body.as_str(), answer.values("x-seen")), (body, vec![format!("GET {body}").as_str()]));
    }
    // `refuse` has no request to show.
    let refusal = gate.refuse(&AuthError::MissingToken);
    assert_eq!(refusal.headers.last().unwrap().1, " missing_token -");
}

#[actix_web::test]
async fn each_refusal_is_logged_once() {
    let issuer = issuer();
    let (gate, events) = (issuer.gate(), Events::default());
    let _guards = events.capture();
    let expired = Ask::with_authorization(&format!("Bearer {}", issuer.token().expired().sign()));
    let other = Ask::with_authorization(&format!("Bearer {}", issuer.token().scope("other").sign()));
    for (request, reason) in [
        (&Ask::new("/orders"), "missing_token"),
        (&Ask::with_authorization("Bearer"), "invalid_request"),
        (&expired, "expired"),
        (&other, "insufficient_scope"),
    ] {
        for way in WAYS {
            ask_in::<Read>(way, &gate, request, SUBJECT).await;
            assert_eq!(events.take(), [reason], "{way:?}");
        }
    }
    // The gate has logged its errors. Other errors are logged when they are answered.
    let request = HeaderList::default();
    let denied = gate.admit(&request, &Read::policy()).await.unwrap_err();
    assert_eq!(gate.refuse(&denied).status, 401);
    assert_eq!(events.take(), ["missing_token"]);
    let denied = gate.verify("garbage").await.unwrap_err();
    assert_eq!(gate.refuse(&denied).status, 401);
    assert_eq!(events.take(), ["not_compact_jws"]);
    let caller = gate.verify(&issuer.token().sign()).await.unwrap();
    assert_eq!(gate.authorize(&caller, &Read::policy()).unwrap_err().status, 403);
    assert_eq!(events.take(), ["insufficient_scope"]);
    let own = Read::policy().check(&caller).unwrap_err();
    assert_eq!(gate.refuse(&own).status, 403);
    assert_eq!(events.take(), ["insufficient_scope"]);
    assert_eq!(gate.refuse(&AuthError::from(InvalidToken::Revoked)).status, 401);
    assert_eq!(events.take(), ["revoked"]);
    // An accepted call is not logged.
    assert_eq!(ask::<Read>(&gate, &good(&issuer), SUBJECT).await.body, "alice");
    assert_eq!(events.take(), [""; 0]);
}

#[actix_web::test]
async fn observers_are_told_each_decision() {
    let issuer = issuer();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&seen);
    let gate = issuer.gate().with_observer(|_| {}).with_observer(move |observed| {
        let method = observed.request.map(|request| request.method().into_owned()).unwrap_or_default();
        let outcome = match observed.outcome {
            Outcome::Accepted(caller) => format!("accepted {}", caller.subject().unwrap_or_default()),
            Outcome::Anonymous => "anonymous".to_owned(),
            Outcome::Refused(error) => format!("refused {}", error.code()),
        };
        told.lock().unwrap().push(format!("{method} {outcome}"));
    });
    let take = || std::mem::take(&mut *seen.lock().unwrap());
    for way in WAYS {
        ask_in::<Read>(way, &gate, &good(&issuer), SUBJECT).await;
        assert_eq!(take(), ["GET accepted alice"], "{way:?}");
        ask_in::<Read>(way, &gate, &Ask::new("/orders"), SUBJECT).await;
        assert_eq!(take(), ["GET refused missing_token"], "{way:?}");
    }
    assert!(gate.admit_optional(&HeaderList::new("PUT", [("a", "b")]), &Read::policy()).await.unwrap().is_none());
    let caller = gate.verify(&issuer.token().subject("bob").sign()).await.unwrap();
    assert!(gate.authorize(&caller, &Read::policy()).is_err());
    assert_eq!(take(), ["PUT anonymous", " accepted bob", " refused insufficient_scope"]);
    let denied = gate.verify("").await.unwrap_err();
    assert_eq!(gate.refuse(&denied).status, 401);
    assert_eq!(take(), [" refused missing_token"]);
}

/// User code that panics is a 500 for its request. The next request is served.
#[actix_web::test]
async fn panic_in_user_code_is_a_500_for_one_request() {
    let issuer = issuer();
    let (good, nothing) = (good(&issuer), Ask::new("/orders"));
    let gate = || issuer.gate();
    let grants = issuer.verifier().grants(PanickingGrants).build().unwrap();
    let sources = |source| gate().with_token_sources([source]);
    for (name, gate, request) in [
        ("a function that changes refusals", gate().with_refusals(|_, _| panic!("a bug")), &nothing),
        ("the second of them", gate().with_refusals(|_, _| {}).with_refusals(|_, _| panic!("a bug")), &nothing),
        ("an observer, of an accepted call", gate().with_observer(|_| panic!("a bug")), &good),
        ("an observer, of a refused call", gate().with_observer(|_| panic!("a bug")), &nothing),
        ("a session check", gate().with_check(PanickingCheck), &good),
        ("a reader of grants", Gate::new(grants), &good),
        ("a token source", sources(TokenSource::custom("panics", |_| panic!("a bug"))), &good),
        (
            "the choice of a cookie",
            sources(TokenSource::cookies(["a", "b"], |_| panic!("a bug"))),
            &nothing.clone().field("cookie", "a=x; b=y"),
        ),
    ] {
        let answer = ask::<Read>(&gate, request, SUBJECT).await;
        assert_eq!((answer.status, answer.body.as_str()), (500, SERVER_ERROR), "{name}");
        assert_eq!(answer.values("www-authenticate"), [""; 0], "{name}");
    }
    // A layer gets its policy when it is built; an extractor asks for it.
    for way in [Way::ActixExtractor, Way::AxumExtractor] {
        let Answer { status, body, .. } = ask_in::<Panics>(way, &gate(), &good, SUBJECT).await;
        assert_eq!((status, body.as_str()), (500, SERVER_ERROR), "{way:?}");
    }
    let grants = Gate::new(issuer.verifier().grants(PanickingGrants).build().unwrap());
    let caller = grants.verify(&issuer.token().sign()).await.unwrap();
    assert_eq!(grants.authorize(&caller, &Read::policy()).unwrap_err().status, 500);
}

/// A panic in a writer, an observer or a check stops nothing else.
#[actix_web::test]
async fn requests_after_a_panic_are_served() {
    let issuer = issuer();
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let gate = issuer.gate().with_observer(move |_| assert!(counted.fetch_add(1, Ordering::SeqCst) > 1, "a bug"));
    // The first request observes its caller and then its refusal.
    assert_eq!(ask_in::<Read>(Way::AxumLayer, &gate, &good(&issuer), SUBJECT).await.status, 500);
    assert_eq!(ask::<Read>(&gate, &good(&issuer), SUBJECT).await.body, "alice");
    assert_eq!(calls.load(Ordering::SeqCst), 2 + WAYS.len());
}

/// No callback runs while the gate holds a lock: each of them may ask the gate again.
#[actix_web::test]
async fn callbacks_may_ask_the_gate() {
    let issuer = issuer();
    let inner = issuer.gate();
    let asks = |gate: &Gate| assert!(gate.status().ready && gate.refuse(&AuthError::MissingToken).status == 401);
    let (first, second) = (inner.clone(), inner.clone());
    let gate = inner
        .clone()
        .with_check(AsksGate(inner.clone()))
        .with_observer(move |_| asks(&first))
        .with_refusals(move |_, _| asks(&second));
    let events = Events { gate: Some(inner), ..Events::default() };
    let _guards = events.capture();
    assert_eq!(ask::<Read>(&gate, &good(&issuer), SUBJECT).await.body, "alice");
    assert_eq!(ask::<Read>(&gate, &Ask::new("/orders"), SUBJECT).await.status, 401);
    assert!(events.take().len() > WAYS.len());
}

/// Keeps the reasons of refusals, and asks the gate during each event.
#[derive(Clone, Default)]
struct Events {
    reasons: Arc<Mutex<Vec<String>>>,
    gate: Option<Gate>,
}

impl Events {
    /// Two subscribers: with one, tracing caches that an event is disabled when a thread without a subscriber, for example
    /// another test, meets the event first.
    fn capture(&self) -> [DefaultGuard; 2] {
        [(); 2].map(|()| tracing_subscriber::registry().with(self.clone()).set_default())
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.reasons.lock().unwrap())
    }
}

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Events {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        if fields.message == "request refused" {
            self.reasons.lock().unwrap().push(fields.reason);
        }
        assert!(self.gate.as_ref().is_none_or(|gate| gate.status().ready));
    }
}

#[derive(Default)]
struct Fields {
    message: String,
    reason: String,
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            "reason" => self.reason = format!("{value:?}").trim_matches('"').to_owned(),
            _ => {}
        }
    }
}

#[derive(Debug)]
struct AsksGate(Gate);

#[async_trait]
impl SessionCheck for AsksGate {
    async fn check(&self, _: &Verified) -> Result<(), SessionError> {
        assert!(self.0.verify("garbage").await.is_err());
        Ok(())
    }
}

#[derive(Debug)]
struct PanickingCheck;

#[async_trait]
impl SessionCheck for PanickingCheck {
    async fn check(&self, _: &Verified) -> Result<(), SessionError> {
        panic!("a bug in the check")
    }
}

#[derive(Debug)]
struct PanickingGrants;

impl GrantReader for PanickingGrants {
    fn scopes<'a>(&self, _: &'a Claims) -> Grants<'a> {
        panic!("a bug in the reader")
    }
}
