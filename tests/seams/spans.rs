//! The spans of a verification and of a fetch of keys: their names, levels and fields.

use std::sync::{Arc, Mutex};

use portcullis::jose::Algorithm;
use portcullis::keys::RemoteKeys;
use portcullis::{Gate, JwtVerifier, Policy, scopes};
use portcullis_testing::TestIssuer;
use tracing::Level;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

/// The closed spans, each with its level and its fields, and what was in a span when an event came.
#[derive(Clone, Default)]
struct Spans {
    closed: Arc<Mutex<Vec<String>>>,
    events: Arc<Mutex<Vec<Event>>>,
}

/// The fields of an event, and the name of its span.
type Event = (String, Option<&'static str>);

struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0 += &format!(" {}={}", field.name(), format!("{value:?}").trim_matches('"'));
    }
}

impl<S: tracing::Subscriber + for<'a> LookupSpan<'a>> tracing_subscriber::Layer<S> for Spans {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields(String::new());
        attributes.record(&mut fields);
        context.span(id).unwrap().extensions_mut().insert(fields);
    }

    fn on_record(&self, id: &Id, record: &Record<'_>, context: Context<'_, S>) {
        let span = context.span(id).unwrap();
        record.record(span.extensions_mut().get_mut::<Fields>().unwrap());
    }

    fn on_event(&self, event: &tracing::Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields(String::new());
        event.record(&mut fields);
        let span = context.event_span(event).map(|span| span.name());
        self.events.lock().unwrap().push((fields.0, span));
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let span = context.span(&id).unwrap();
        let (name, level) = (span.name(), *span.metadata().level());
        if !name.starts_with("portcullis.") {
            return;
        }
        let parent = span.parent().map_or("", |_| " with a parent");
        let fields = span.extensions().get::<Fields>().unwrap().0.clone();
        let level = if level == Level::DEBUG { "debug" } else { "info" };
        self.closed.lock().unwrap().push(format!("{level} {name}{parent}{fields}"));
    }
}

#[tokio::test]
async fn spans_have_the_fields_of_the_contract() {
    let spans = Spans::default();
    // Two subscribers: with one, tracing caches what another test without a subscriber meets first.
    let _guards = [(); 2].map(|()| tracing_subscriber::registry().with(spans.clone()).set_default());
    let server = TestIssuer::from_algorithms([Algorithm::Es256]).serve();
    let (issuer, host) = (server.issuer(), server.address());
    let keys = RemoteKeys::discover(issuer.url()).unwrap();
    let gate = Gate::new(JwtVerifier::builder(issuer.url(), issuer.audience(), keys).build().unwrap());
    let token = issuer.token().subject("alice").sign();
    let request = portcullis::adapter::HeaderList::new("GET", [("authorization", format!("Bearer {token}"))]);
    assert!(gate.admit(&request, &Policy::authenticated()).await.is_ok());
    assert!(gate.admit(&request, &scopes("write")).await.is_err());
    assert!(gate.verify(&issuer.token().expired().sign()).await.is_err());
    // Without a credential there is nothing to verify.
    assert!(gate.admit(&portcullis::adapter::HeaderList::default(), &Policy::authenticated()).await.is_err());
    let mut closed = spans.closed.lock().unwrap().clone();
    closed.sort();
    assert_eq!(
        closed,
        [
            "debug portcullis.verify scheme=bearer outcome=accepted reason=none".to_owned(),
            "debug portcullis.verify scheme=bearer outcome=refused reason=expired".to_owned(),
            "debug portcullis.verify scheme=bearer outcome=refused reason=insufficient_scope".to_owned(),
            format!("info portcullis.keys.fetch trigger=no_keys host={host} outcome=ok document=key_set"),
        ]
    );
    let events = spans.events.lock().unwrap().clone();
    let fetched: Vec<_> = events.iter().filter(|(fields, _)| fields.contains("keys fetched")).collect();
    assert!(fetched.iter().all(|(_, span)| *span == Some("portcullis.keys.fetch")), "{fetched:?}");
    assert!(!fetched.is_empty());
    let everything = format!("{closed:?} {events:?}");
    assert!(!everything.contains("alice") && !everything.contains(&token), "{everything}");
}

#[test]
fn contract_names_both_spans() {
    let contract = include_str!("../../crates/portcullis/docs/metrics.md");
    for row in [
        "| `portcullis.verify` | debug | `scheme` `outcome` `reason` |",
        "| `portcullis.keys.fetch` | info | `trigger` `host` `document` `outcome` |",
    ] {
        assert!(contract.contains(row), "{row}");
    }
}
