//! Polled security events: RFC 8936.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use portcullis_sessions::{EventPoller, EventPollerBuilder, EventReceiver, PollError};
use serde_json::{Value, json};

use crate::provider::{Provider, SESSION_REVOKED};

/// A transmitter, which answers each request with the next of its answers, and then has no events.
#[derive(Clone, Default)]
struct Transmitter {
    answers: Arc<Mutex<Vec<(u16, String)>>>,
    requests: Arc<Mutex<Vec<(HeaderMap, Value)>>>,
    /// How long it waits before it answers without events.
    waits: Duration,
    /// What it answers then.
    last: Option<Value>,
}

impl Transmitter {
    async fn serve(&self) -> String {
        let this = self.clone();
        let answer = async move |headers: HeaderMap, body: Bytes| {
            let body: Value = serde_json::from_slice(&body).unwrap();
            let is_immediate = body["returnImmediately"] == true;
            this.requests.lock().unwrap().push((headers, body));
            let next = {
                let mut answers = this.answers.lock().unwrap();
                if answers.is_empty() { None } else { Some(answers.remove(0)) }
            };
            if next.is_none() && !is_immediate {
                tokio::time::sleep(this.waits).await;
            }
            let last = || this.last.clone().unwrap_or(json!({"sets": {}}));
            let (status, body) = next.unwrap_or_else(|| (200, last().to_string()));
            (StatusCode::from_u16(status).unwrap(), body)
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/poll?stream=1", listener.local_addr().unwrap());
        tokio::spawn(async { axum::serve(listener, Router::new().route("/poll", post(answer))).await });
        url
    }

    fn answers(&self, answer: &Value) {
        self.answers.lock().unwrap().push((200, answer.to_string()));
    }

    fn fails(&self, status: u16, body: &str) {
        self.answers.lock().unwrap().push((status, body.to_owned()));
    }

    fn requests(&self) -> Vec<Value> {
        self.requests.lock().unwrap().iter().map(|(_, body)| body.clone()).collect()
    }
}

fn receiver(provider: &Provider) -> EventReceiver {
    let builder =
        EventReceiver::builder(provider.issuer.url(), "receiver-1", provider.issuer.keys(), &provider.deny_list);
    builder.build().unwrap()
}

async fn poller(provider: &Provider, transmitter: &Transmitter) -> EventPollerBuilder {
    EventPoller::builder(&receiver(provider), &transmitter.serve().await)
}

#[tokio::test]
async fn events_are_fetched_and_acknowledged() {
    let (provider, transmitter) = (Provider::new(), Transmitter::default());
    let good = provider.event(SESSION_REVOKED, json!({})).claim("jti", "e1").sign();
    let access = provider.issuer.token().claim("jti", "e2").sign();
    let renamed = provider.event(SESSION_REVOKED, json!({})).claim("jti", "e3").sign();
    transmitter.answers(&json!({
        "sets": {"e1": good, "e2": access, "other": renamed, "e4": 7, "e5": "x"}, "moreAvailable": true
    }));
    let poller = poller(&provider, &transmitter).await.authorization("Bearer secret").max_events(7);
    let poller = poller.interval(Duration::from_secs(1)).build().unwrap();
    let polled = poller.poll().await.unwrap();
    assert_eq!((polled.accepted, polled.refused, polled.postponed, polled.more_available), (1, 4, 0, true));
    assert!(!provider.admits(&provider.access_token("alice", None, 60)).await);
    assert!(!poller.poll().await.unwrap().more_available);
    poller.poll().await.unwrap();

    let requests = transmitter.requests();
    assert_eq!(requests[0], json!({"maxEvents": 7, "returnImmediately": true, "ack": []}));
    assert_eq!(requests[1]["ack"], json!(["e1"]));
    let errors = requests[1]["setErrs"].as_object().unwrap();
    assert_eq!(errors.keys().collect::<Vec<_>>(), ["e2", "e4", "e5", "other"]);
    assert!(errors.values().all(|error| error["err"] == "invalid_request" && error["description"].is_string()));
    assert_eq!(requests[2], json!({"maxEvents": 7, "returnImmediately": true, "ack": []}));
    let fields = transmitter.requests.lock().unwrap();
    assert!(fields.iter().all(|(fields, _)| fields["authorization"] == "Bearer secret"));
    assert_eq!(
        fields.iter().map(|(fields, _)| fields.contains_key("content-language")).collect::<Vec<_>>(),
        [false, true, false]
    );
}

#[tokio::test]
async fn event_during_an_outage_is_not_acknowledged() {
    let (provider, transmitter) = (Provider::new(), Transmitter::default());
    let answer = json!({"sets": {"e1": provider.event(SESSION_REVOKED, json!({})).claim("jti", "e1").sign()}});
    transmitter.answers(&answer);
    transmitter.answers(&answer);
    let poller = poller(&provider, &transmitter).await.interval(Duration::from_secs(1)).build().unwrap();
    provider.store.set_down(true);
    let polled = poller.poll().await.unwrap();
    assert_eq!((polled.accepted, polled.refused, polled.postponed), (0, 0, 1));
    provider.store.set_down(false);
    assert_eq!(poller.poll().await.unwrap().accepted, 1);
    poller.poll().await.unwrap();
    let told: Vec<_> = transmitter.requests().into_iter().map(|request| request["ack"].clone()).collect();
    assert_eq!(told, [json!([]), json!([]), json!(["e1"])]);
}

#[tokio::test]
async fn bad_answers_are_errors_and_lose_nothing() {
    let (provider, transmitter) = (Provider::new(), Transmitter::default());
    transmitter.answers(&json!({"sets": {"e1": provider.event(SESSION_REVOKED, json!({})).claim("jti", "e1").sign()}}));
    for (status, body) in [(500, "{}"), (401, "{}"), (302, "{}")] {
        transmitter.fails(status, body);
    }
    let long = format!(r#"{{"sets":{{}},"x":"{}"}}"#, "a".repeat(4 * 1024 * 1024));
    for body in ["", "[]", "{}", r#"{"sets":{"a":"x","a":"y"}}"#, r#"{"sets":[]}"#, &long] {
        transmitter.fails(200, body);
    }
    let poller = poller(&provider, &transmitter).await.interval(Duration::from_secs(1)).build().unwrap();
    poller.poll().await.unwrap();
    for status in [500, 401, 302] {
        assert!(matches!(poller.poll().await, Err(PollError::Status(found)) if found == status));
    }
    for _ in 0..6 {
        assert!(matches!(poller.poll().await, Err(PollError::Unreadable)));
    }
    let told: Vec<_> = transmitter.requests().into_iter().map(|request| request["ack"].clone()).collect();
    // It was told until the transmitter accepted it.
    let expected: Vec<Value> =
        (0..10).map(|number| if (1..5).contains(&number) { json!(["e1"]) } else { json!([]) }).collect();
    assert_eq!(told, expected);
    let gone = EventPoller::builder(&receiver(&provider), "http://127.0.0.1:9/poll").build().unwrap();
    let error = gone.poll().await.unwrap_err();
    assert!(matches!(error, PollError::Unreachable(_)) && !format!("{error:?}").contains("/poll"), "{error:?}");
}

#[tokio::test]
async fn running_poller_stops_and_tells_the_rest() {
    let (provider, transmitter) =
        (Provider::new(), Transmitter { waits: Duration::from_secs(60), ..Default::default() });
    for name in ["e1", "e2"] {
        let event = provider.event(SESSION_REVOKED, json!({})).claim("jti", name).sign();
        transmitter.answers(&json!({"sets": {name: event}, "moreAvailable": name == "e1"}));
    }
    let poller = poller(&provider, &transmitter).await.build().unwrap();
    let (begun, seen) = (Instant::now(), transmitter.clone());
    // Stops while the transmitter waits for an event.
    let stop = async {
        while seen.requests().len() < 3 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    poller.run(stop).await;
    assert!(begun.elapsed() < Duration::from_secs(30));
    let requests = transmitter.requests();
    let told: Vec<_> = requests.iter().map(|request| request["ack"].clone()).collect();
    // The third request was not answered, so the last one says the same again.
    assert_eq!(told, [json!([]), json!(["e1"]), json!(["e2"]), json!(["e2"])]);
    assert_eq!(requests[2]["returnImmediately"], false);
    assert_eq!((&requests[3]["maxEvents"], &requests[3]["returnImmediately"]), (&json!(0), &json!(true)));
}

#[tokio::test]
async fn transmitter_that_repeats_itself_is_not_asked_all_the_time() {
    let provider = Provider::new();
    let event = provider.event(SESSION_REVOKED, json!({})).claim("jti", "e1").sign();
    let unknown = json!({"format": "opaque", "id": "x"});
    let unknown = provider.event(SESSION_REVOKED, json!({})).claim("jti", "e2").claim("sub_id", unknown).sign();
    for sets in [json!({}), json!({"e1": event}), json!({"e2": unknown}), json!({"e3": "no token"})] {
        let last = Some(json!({"sets": sets, "moreAvailable": true}));
        let transmitter = Transmitter { last, ..Default::default() };
        let poller = poller(&provider, &transmitter).await.build().unwrap();
        let stopped = async {
            tokio::time::sleep(Duration::from_millis(1_200)).await;
        };
        poller.run(stopped).await;
        // The first answer may have something new, the last request tells the rest, and one comes after each second.
        let requests = transmitter.requests().len();
        assert!((2..=5).contains(&requests), "{sets}: {requests}");
    }
}

#[tokio::test]
async fn wrong_settings_of_a_poller_are_refused() {
    let provider = Provider::new();
    let builder = |url: &str| EventPoller::builder(&receiver(&provider), url);
    let good = "https://transmitter.example/poll";
    for (builder, field) in [
        (builder("http://transmitter.example/poll"), "url"),
        (builder("transmitter.example"), "url"),
        (builder(good).max_events(0), "max_events"),
        (builder(good).max_events(101), "max_events"),
        (builder(good).interval(Duration::from_millis(999)), "interval"),
        (builder(good).interval(Duration::from_secs(3601)), "interval"),
        (builder(good).authorization("Bearer secret\n"), "authorization"),
    ] {
        let error = builder.build().unwrap_err();
        assert_eq!(error.field(), field);
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}
