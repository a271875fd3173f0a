//! A process that refreshes as fast as it can is killed at any moment.

use std::time::Duration;

use portcullis_sessions::{SessionsError, Verdict};

use crate::process::{Running, task, tell};
use crate::requests::{facts, sessions};
use crate::stores;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn process_killed_in_a_write_loses_no_session() {
    const TEST: &str = "in_writes::process_killed_in_a_write_loses_no_session";
    if let Some(task) = task() {
        let [url, first] = &task[..] else { panic!("{task:?}") };
        let (sessions, mut token) = (sessions(stores::open(url).await), first.clone());
        loop {
            token = sessions.refresh(&token).await.unwrap().refresh_token.as_str().to_owned();
            tell(&token);
        }
    }
    for stored in stores::all() {
        let mut unfinished = 0;
        for round in 0..10 {
            let writer = sessions(stores::open(&stored.url).await);
            let first = writer.start(&format!("writer {round}"), facts()).await.unwrap().refresh_token;
            let mut child = Running::test(TEST, &[&stored.url, first.as_str()]);
            let mut told = vec![first.as_str().to_owned()];
            told.extend(std::iter::from_fn(|| child.next()).take(5 + round));
            std::thread::sleep(Duration::from_micros(u64::try_from(round).unwrap() * 137));
            told.extend(child.kill());

            // The newest token that was told is the current one, or its successor is, which was stored but not told.
            let reader = sessions(stores::open(&stored.url).await);
            let newest = told.last().unwrap();
            let next = reader.refresh(newest).await.unwrap();
            unfinished += usize::from(next.verdict == Verdict::WithinGrace);
            let next = reader.refresh(next.refresh_token.as_str()).await.unwrap();
            assert_eq!(next.verdict, Verdict::Rotated, "{} round {round}", stored.name);
            // Every older one is refused, and ends the session.
            for (older, expected) in told.iter().rev().skip(1).zip([Verdict::Stolen, Verdict::Ended]) {
                let refused = reader.refresh(older).await;
                assert!(matches!(refused, Err(SessionsError::Refused(verdict)) if verdict == expected), "{refused:?}");
            }
        }
        println!("passed  {}: killed in 10 writes, {unfinished} of them stored but not answered", stored.name);
    }
}
