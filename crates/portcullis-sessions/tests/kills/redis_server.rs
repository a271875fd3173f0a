//! The Redis server is killed, and stopped, while a service uses it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use portcullis_sessions::{RedisStore, RedisStoreError, Sessions, SessionsError, SuccessorKeys, Verdict};

use crate::requests::facts;
use crate::server::{Server, retried};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_redis_loses_nothing_that_it_acknowledged() {
    let Some(mut server) = Server::start(&["--appendonly", "yes", "--appendfsync", "always"]).await else { return };
    let sessions = sessions(server.store().connect().await.unwrap());
    for round in 0..5 {
        let mut told = vec![sessions.start("alice", facts()).await.unwrap().refresh_token.as_str().to_owned()];
        let ended = sessions.start("alice", facts()).await.unwrap();
        assert!(sessions.log_out_one("alice", &ended.session.id).await.unwrap());
        // Refreshes go on while the server dies.
        let (writer, first) = (sessions.clone(), told[0].clone());
        let written = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&written);
        let writing = tokio::spawn(async move {
            let mut acknowledged = Vec::new();
            let mut token = first;
            loop {
                match writer.refresh(&token).await {
                    Ok(next) => token = next.refresh_token.as_str().to_owned(),
                    Err(SessionsError::Unavailable(_)) => return acknowledged,
                    Err(other) => panic!("{other:?}"),
                }
                acknowledged.push(token.clone());
                count.fetch_add(1, Ordering::SeqCst);
            }
        });
        while written.load(Ordering::SeqCst) < 4 + 3 * round && !writing.is_finished() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        server.kill();
        told.extend(writing.await.unwrap());
        assert!(told.len() > 3, "{}", told.len());
        // Down is unavailable, and neither a refusal nor a success.
        let down = sessions.refresh(told.last().unwrap()).await;
        assert!(matches!(down, Err(SessionsError::Unavailable(_))), "{down:?}");

        // The same store connects again.
        server.run().await;
        let newest = told.last().unwrap();
        let next = retried(async || sessions.refresh(newest).await).await.unwrap();
        assert!(matches!(next.verdict, Verdict::Rotated | Verdict::WithinGrace));
        let next = sessions.refresh(next.refresh_token.as_str()).await.unwrap();
        assert_eq!(next.verdict, Verdict::Rotated);
        for (older, expected) in told.iter().rev().skip(1).zip([Verdict::Stolen, Verdict::Ended]) {
            let refused = sessions.refresh(older).await;
            assert!(matches!(refused, Err(SessionsError::Refused(verdict)) if verdict == expected), "{refused:?}");
        }
        let ended = sessions.refresh(ended.refresh_token.as_str()).await;
        assert!(matches!(ended, Err(SessionsError::Refused(Verdict::Ended))), "{ended:?}");
    }
    println!("passed  redis with `appendfsync always`: killed 5 times");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_that_hangs_is_unavailable_in_time() {
    let Some(server) = Server::start(&["--appendonly", "yes", "--appendfsync", "always"]).await else { return };
    let store = server.store().command_timeout(Duration::from_millis(300)).connect_timeout(Duration::from_millis(300));
    let sessions = sessions(store.connect().await.unwrap());
    let login = sessions.start("bob", facts()).await.unwrap();
    server.signal("STOP");
    let begun = Instant::now();
    for _ in 0..3 {
        let hanging = sessions.refresh(login.refresh_token.as_str()).await;
        assert!(matches!(hanging, Err(SessionsError::Unavailable(_))), "{hanging:?}");
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    server.signal("CONT");
    let next = retried(async || sessions.refresh(login.refresh_token.as_str()).await).await.unwrap();
    assert!(matches!(next.verdict, Verdict::Rotated | Verdict::WithinGrace));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_that_may_lose_writes_needs_consent() {
    let table: [(&[&str], &str); 5] = [
        (&["--appendonly", "no"], "`appendonly` is `no`"),
        (&["--appendonly", "yes"], "`appendfsync` is not `always`"),
        (
            &["--appendonly", "yes", "--appendfsync", "always", "--no-appendfsync-on-rewrite", "yes"],
            "`no-appendfsync-on-rewrite` is not `no`",
        ),
        (
            &[
                "--appendonly",
                "yes",
                "--appendfsync",
                "always",
                "--maxmemory",
                "100mb",
                "--maxmemory-policy",
                "volatile-lru",
            ],
            "removes sessions",
        ),
        (&["--appendonly", "yes", "--appendfsync", "always", "--rename-command", "CONFIG", ""], "does not tell"),
    ];
    for (settings, expected) in table {
        let Some(server) = Server::start(settings).await else { return };
        match server.store().connect().await {
            Err(RedisStoreError::Config(error)) => assert!(error.to_string().contains(expected), "{error}"),
            other => panic!("{settings:?}: {other:?}"),
        }
        let store = server.store().allow_lost_writes().connect().await.unwrap();
        sessions(store).start("carol", facts()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cluster_without_tls_has_no_nodes_elsewhere() {
    let settings = ["--appendonly", "yes", "--appendfsync", "always", "--cluster-enabled", "yes"];
    let settings = [&settings[..], &["--cluster-port", "{free}", "--cluster-announce-ip", "10.255.255.7"]].concat();
    let Some(server) = Server::start(&settings).await else { return };
    match server.store().connect().await {
        Err(RedisStoreError::Config(error)) => assert!(error.to_string().contains("are on other machines"), "{error}"),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn sessions(store: RedisStore) -> Sessions {
    let keys = SuccessorKeys::new(1, b"a key of the tests with 32 bytes or more").unwrap();
    Sessions::builder(store, keys).grace(Duration::from_secs(60)).build().unwrap()
}
