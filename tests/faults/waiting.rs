//! Callers that wait behind a slow fetch: one event wakes all of them, their number is limited, and so is their memory.

use portcullis::AuthError;
use portcullis::error::Unavailable;
use portcullis::jose::Algorithm;
use portcullis_testing::Fault;

#[cfg(target_os = "linux")]
use crate::child::{ran_alone, resident_bytes};
use crate::support::{Scene, eventually, secs};

/// The number of callers that may wait for one fetch.
const LIMIT: usize = 4_096;

#[tokio::test]
async fn callers_beyond_the_limit_get_503() {
    let scene = Scene::with(|builder| builder.timeout(secs(120))).warmed().await;
    let good = scene.token();
    scene.server.rotate(Algorithm::Es256);
    let new = scene.token();
    scene.server.misbehave(Fault::Hold);
    let callers: Vec<_> = (0..LIMIT + 500)
        .map(|_| {
            let (gate, new) = (scene.gate.clone(), new.clone());
            tokio::spawn(async move { gate.verify(&new).await.map(drop).map_err(AuthError::from) })
        })
        .collect();
    eventually("the fetch has arrived", || scene.server.held() == 1).await;
    let turned_away = || callers.iter().filter(|caller| caller.is_finished()).count();
    eventually("the others are turned away", || turned_away() == 500).await;
    // Callers with a known key do not wait.
    scene.admits(&good).await;
    // A caller that goes away does not keep the others waiting.
    callers[0].abort();
    assert!(scene.server.release(0));
    let (mut admitted, mut refused) = (0, 0);
    for caller in callers {
        match caller.await {
            Ok(Ok(())) => admitted += 1,
            Ok(Err(AuthError::Unavailable(Unavailable { limited: true, retry_after, .. }))) => {
                assert_eq!(retry_after.unwrap().as_secs(), 1);
                refused += 1;
            }
            Ok(Err(other)) => panic!("{other}"),
            Err(canceled) => assert!(canceled.is_cancelled()),
        }
    }
    assert_eq!((admitted, refused), (LIMIT - 1, 500));
    assert_eq!(scene.server.jwks_hits(), 2, "one fetch for all of them");
}

#[cfg(target_os = "linux")]
#[tokio::test]
#[allow(clippy::print_stdout, reason = "the numbers are for people")]
async fn memory_of_waiting_callers_is_flat() {
    const CALLERS: usize = 50_000;
    // Other tests of this process use memory as well.
    if ran_alone("waiting::memory_of_waiting_callers_is_flat") {
        return;
    }
    let scene = Scene::with(|builder| builder.timeout(secs(120))).warmed().await;
    let unknown: std::sync::Arc<str> = scene.token_of_unknown_key("unknown").into();
    scene.server.misbehave(Fault::Hold);
    let before = resident_bytes();
    for number in 0..CALLERS {
        let (gate, unknown) = (scene.gate.clone(), std::sync::Arc::clone(&unknown));
        tokio::spawn(async move { gate.verify(&unknown).await.map(drop) });
        // The callers arrive one after the other.
        if number % 50 == 0 {
            tokio::task::yield_now().await;
        }
    }
    eventually("the fetch has arrived", || scene.server.held() == 1).await;
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let alive = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let needed = resident_bytes().saturating_sub(before) / 1_048_576;
    let ticks = cpu_ticks();
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    println!("{CALLERS} callers, {alive} tasks: {needed} MiB; {} ms CPU per second", (cpu_ticks() - ticks) * 10);
    assert!(needed < 64, "{needed} MiB for {alive} tasks");
    assert!(scene.server.release(0));
}

/// The time on CPUs, in hundredths of a second.
#[cfg(target_os = "linux")]
fn cpu_ticks() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    stat.rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|ticks| ticks.parse::<u64>().unwrap())
        .sum()
}
