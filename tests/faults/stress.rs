//! Random callers, faults and rotations on several runtimes. No caller waits forever, and the keys recover.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use portcullis::jose::Algorithm;
use portcullis_testing::Fault;
use tokio::runtime::{Builder, Runtime};

use crate::support::{Scene, secs};

/// The longest time that a caller may take: the time limit of a fetch, the margin, and a slow machine.
const LONGEST: Duration = Duration::from_secs(20);
const THREADS: u64 = 3;
const ACTIONS: u64 = 40;

/// A pseudo-random sequence (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }
}

#[test]
#[allow(clippy::print_stdout, reason = "the seed of a failure is for people")]
fn stress_leaves_no_caller_waiting() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let until = Instant::now() + secs(number("PORTCULLIS_STRESS_SECONDS").unwrap_or(0));
    let mut seed = number("PORTCULLIS_STRESS_SEED").unwrap_or(1);
    loop {
        println!("PORTCULLIS_STRESS_SEED={seed}");
        stress(seed);
        seed += 1;
        if Instant::now() >= until {
            return;
        }
    }
}

fn stress(seed: u64) {
    let scene = Arc::new(Scene::with(|builder| builder.timeout(Duration::from_millis(300))));
    let (waiting, done) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let (scene, waiting) = (Arc::clone(&scene), Arc::clone(&waiting));
            std::thread::spawn(move || act(&scene, &waiting, Random(seed.wrapping_mul(THREADS) + thread)))
        })
        .collect();
    // Held responses are released by time, so that every action is only a delay.
    let releases = {
        let (scene, done) = (Arc::clone(&scene), Arc::clone(&done));
        std::thread::spawn(move || {
            while !done.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(20));
                scene.server.release(0);
            }
        })
    };
    for thread in threads {
        thread.join().unwrap();
    }
    done.store(true, Ordering::SeqCst);
    releases.join().unwrap();
    assert_eq!(waiting.load(Ordering::SeqCst), 0, "no caller is left");
    scene.server.behave();
    runtime().block_on(async {
        scene.recovers().await;
        scene.admits(&scene.token()).await;
    });
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Does random things, each on a runtime that may end at any time.
fn act(scene: &Arc<Scene>, waiting: &Arc<AtomicUsize>, mut random: Random) {
    let mut own = runtime();
    for _ in 0..ACTIONS {
        let token = match random.below(3) {
            0 => scene.token_of_unknown_key(&format!("made-up-{}", random.below(20))),
            _ => scene.token(),
        };
        match random.below(10) {
            0 => scene.server.misbehave(Fault::Hold),
            1 => scene.server.misbehave(Fault::status(503)),
            2 => scene.server.misbehave(Fault::GoSilent),
            3 => scene.server.behave(),
            4 => drop(scene.server.rotate(Algorithm::Es256)),
            5 => scene.keys.stop(),
            6 => scene.clock.advance(secs(random.below(700))),
            // Fetches of this runtime are lost.
            7 => own = runtime(),
            // Nothing drives this runtime for a while.
            8 => std::thread::sleep(Duration::from_millis(random.below(600))),
            _ => {}
        }
        let callers = 1 + random.below(4);
        let patience = Duration::from_millis(random.below(40));
        let cancels = random.below(3) == 0;
        own.block_on(async {
            let callers: Vec<_> = (0..callers)
                .map(|_| {
                    let (gate, token, waiting) = (scene.gate.clone(), token.clone(), Arc::clone(waiting));
                    tokio::spawn(async move {
                        waiting.fetch_add(1, Ordering::SeqCst);
                        if cancels {
                            let _ = tokio::time::timeout(patience, gate.verify(&token)).await;
                        } else {
                            let answer = tokio::time::timeout(LONGEST, gate.verify(&token)).await;
                            assert!(answer.is_ok(), "the caller waits forever");
                        }
                        waiting.fetch_sub(1, Ordering::SeqCst);
                    })
                })
                .collect();
            for caller in callers {
                caller.await.unwrap();
            }
        });
    }
}
