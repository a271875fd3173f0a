//! Many requests at once, floods of made-up tokens, and outages.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use portcullis::Gate;
use portcullis_testing::{Endpoint, Fault};
use tokio::task::JoinSet;

use crate::support::{admitted, answer, builder, gate, gate_of, header, refused, server, token};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousand_requests_with_one_token_ask_once() {
    let server = server();
    let opaque = server.opaque_token(&token(&server));
    let gate = gate(&server);
    server.misbehave_at(Endpoint::Introspection, Fault::Delay(Duration::from_millis(200)));
    let mut requests = JoinSet::new();
    for _ in 0..1_000 {
        let (gate, opaque) = (gate.clone(), opaque.clone());
        requests.spawn(async move { admitted(&gate, &opaque).await.subject().map(str::to_owned) });
    }
    let all = requests.join_all().await;
    assert!(all.len() == 1_000 && all.iter().all(|subject| subject.as_deref() == Some("user-1")));
    assert_eq!(server.introspection_hits(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousand_requests_with_one_made_up_token_ask_once() {
    let server = server();
    let gate = gate(&server);
    let mut requests = JoinSet::new();
    for _ in 0..1_000 {
        let gate = gate.clone();
        requests.spawn(async move { refused(&gate, "made-up").await });
    }
    assert!(requests.join_all().await.iter().all(|refused| *refused == (401, Some("inactive"))));
    assert_eq!(server.introspection_hits(), 1);
}

#[tokio::test]
async fn three_instances_are_independent() {
    let server = server();
    let opaque = server.opaque_token(&token(&server));
    let instances: Vec<_> = (0..3).map(|_| gate(&server)).collect();
    for gate in &instances {
        for _ in 0..3 {
            admitted(gate, &opaque).await;
        }
    }
    assert_eq!(server.introspection_hits(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flood_of_made_up_tokens_asks_a_bounded_number_of_times() {
    let server = server();
    let gate = gate_of(builder(&server).made_up_tokens(20, 10));
    let good = server.opaque_token(&token(&server));
    admitted(&gate, &good).await;
    let started = Instant::now();
    let (inactive, surplus) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    for round in 0..20 {
        let mut requests = JoinSet::new();
        for number in 0..100 {
            let (gate, inactive, surplus) = (gate.clone(), Arc::clone(&inactive), Arc::clone(&surplus));
            requests.spawn(async move {
                let refusal = answer(&gate, &format!("made-up-{round}-{number}")).await;
                match refusal.status {
                    401 => inactive.fetch_add(1, Ordering::Relaxed),
                    503 if header(&refusal, "retry-after").is_some() => surplus.fetch_add(1, Ordering::Relaxed),
                    other => panic!("{other}"),
                };
            });
        }
        requests.join_all().await;
        // A token that was active before is not affected.
        admitted(&gate, &good).await;
    }
    let seconds = usize::try_from(started.elapsed().as_secs()).unwrap();
    let (inactive, surplus) = (inactive.load(Ordering::Relaxed), surplus.load(Ordering::Relaxed));
    assert_eq!(inactive + surplus, 2_000);
    let most = 1 + 20 + 10 * (seconds + 1);
    assert!(server.introspection_hits() <= most, "{} questions in {seconds} s", server.introspection_hits());
    assert!(inactive >= 20 && inactive < server.introspection_hits() + 1, "{inactive}");
}

#[tokio::test]
async fn known_token_is_asked_about_during_a_flood() {
    let server = server();
    let short = Duration::from_millis(50);
    let gate = gate_of(builder(&server).made_up_tokens(1, 1).cache(short, short));
    let good = server.opaque_token(&token(&server));
    admitted(&gate, &good).await;
    assert_eq!(refused(&gate, "made-up-1").await, (401, Some("inactive")));
    assert_eq!(refused(&gate, "made-up-2").await, (503, None), "the budget is used up");
    tokio::time::sleep(short).await;
    admitted(&gate, &good).await;
    assert_eq!(server.introspection_hits(), 3);
    // Good tokens do not count.
    let server = crate::support::server();
    let gate = gate_of(builder(&server).made_up_tokens(1, 1));
    for _ in 0..10 {
        admitted(&gate, &server.opaque_token(&token(&server))).await;
    }
}

#[tokio::test]
async fn outage_is_a_503_with_retry_after() {
    let server = server();
    let opaque = server.opaque_token(&token(&server));
    let gate = gate_of(builder(&server).timeout(Duration::from_millis(300)));
    for fault in [
        Fault::status(500),
        Fault::status(502),
        Fault::status(404),
        Fault::status(429),
        Fault::status(204),
        Fault::status(201),
        Fault::Close,
        Fault::Reset,
        Fault::Hang,
        Fault::Truncate,
        Fault::CutShort,
        Fault::DripBody(Duration::from_millis(50)),
        Fault::Raw(b"not http\r\n\r\n".to_vec()),
        Fault::Oversize(1_000_000),
    ] {
        server.misbehave_at(Endpoint::Introspection, fault.clone());
        let started = Instant::now();
        let refusal = answer(&gate, &opaque).await;
        assert_eq!((refusal.status, header(&refusal, "www-authenticate")), (503, None), "{fault:?}");
        assert_eq!(
            refusal.body,
            r#"{"error":"temporarily_unavailable","error_description":"The access token cannot be verified at the moment"}"#
        );
        assert!(header(&refusal, "retry-after").is_some(), "{fault:?}");
        assert!(started.elapsed() < Duration::from_secs(3), "{fault:?}");
    }
    server.behave();
    admitted(&gate, &opaque).await;
    server.go_down();
    admitted(&gate, &opaque).await;
    assert_eq!(refused(&gate, "new").await, (503, None));
}

#[tokio::test]
async fn retry_after_of_the_endpoint_reaches_callers() {
    let server = server();
    for (sent, received) in [("7", "7"), ("86400", "300")] {
        server.misbehave_at(Endpoint::Introspection, Fault::status_with(503, "retry-after", sent));
        assert_eq!(header(&answer(&gate(&server), "new").await, "retry-after"), Some(received));
    }
}

#[tokio::test]
async fn outage_is_not_remembered() {
    let server = server();
    let opaque = server.opaque_token(&token(&server));
    let gate = gate(&server);
    server.misbehave(Fault::status(503));
    assert_eq!(refused(&gate, &opaque).await, (503, None));
    server.behave();
    admitted(&gate, &opaque).await;
}

#[tokio::test]
async fn cancelled_caller_leaves_the_others_alone() {
    let server = server();
    let opaque = server.opaque_token(&token(&server));
    let gate = gate(&server);
    server.misbehave_at(Endpoint::Introspection, Fault::Hold);
    let call = |gate: &Gate, opaque: &str| {
        let (gate, opaque) = (gate.clone(), opaque.to_owned());
        tokio::spawn(async move { gate.verify(&opaque).await.is_ok() })
    };
    let first = call(&gate, &opaque);
    while server.held() == 0 {
        tokio::task::yield_now().await;
    }
    let second = call(&gate, &opaque);
    tokio::task::yield_now().await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    // The second caller asks again.
    server.behave();
    assert!(second.await.unwrap());
    assert_eq!(server.introspection_hits(), 2);
}

#[tokio::test]
async fn caller_with_its_own_time_limit_gives_up() {
    let server = server();
    let opaque = server.opaque_token(&token(&server));
    let gate = gate(&server);
    server.misbehave_at(Endpoint::Introspection, Fault::Hang);
    let limited = tokio::time::timeout(Duration::from_millis(50), gate.verify(&opaque)).await;
    assert!(limited.is_err());
    server.behave();
    admitted(&gate, &opaque).await;
}

#[test]
fn runtime_that_stopped_does_not_matter() {
    let server = server();
    let opaque = server.opaque_token(&token(&server));
    let gate = gate_of(builder(&server).cache(Duration::ZERO, Duration::ZERO));
    for _ in 0..2 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { admitted(&gate, &opaque).await });
    }
    let refused = std::thread::spawn(move || {
        let mut refused = std::pin::pin!(gate.verify(&opaque));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match refused.as_mut().poll(&mut context) {
            std::task::Poll::Ready(Err(denied)) => denied.status(),
            _ => 0,
        }
    });
    assert_eq!(refused.join().unwrap(), 503, "requests need a tokio runtime");
}
