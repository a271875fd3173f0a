//! How long good tokens are refused around a rotation, in seconds of a manual clock: for several timings, on the default
//! numbers and on those of Azure, without and with a flood of made-up names.
//!
//! To see the table: `cargo test -p portcullis-tests --test faults rotation_seconds -- --nocapture`

use std::time::Duration;

use portcullis::jose::Algorithm;
use portcullis::keys::RemoteKeysBuilder;
use tokio::runtime::Handle;

use crate::support::{Scene, key, secs, set_of};

/// When the new key is published.
const PUBLISHED: u64 = 1_000;
/// New names per second in a flood.
const FLOOD: u64 = 3;

/// When the new key signs first, in seconds after its publication, and when a stranger asks for it.
struct Timing {
    name: &'static str,
    first_use: i64,
    guessed: Option<i64>,
}

const TIMINGS: [Timing; 6] = [
    Timing { name: "signs 40 s before publication", first_use: -40, guessed: None },
    Timing { name: "signs 1 s before publication", first_use: -1, guessed: None },
    Timing { name: "signs at publication", first_use: 0, guessed: None },
    Timing { name: "signs 1 s after publication", first_use: 1, guessed: None },
    Timing { name: "signs 40 s after publication", first_use: 40, guessed: None },
    Timing { name: "guessed 20 s before, signs 1 s after", first_use: 1, guessed: Some(-20) },
];

/// The seconds after the publication in which the new token was refused.
#[derive(Default)]
struct Refused {
    with_401: u64,
    with_503: u64,
}

#[tokio::test]
async fn rotation_refuses_good_tokens_for_one_cooldown() {
    rotations(30, |builder| builder).await;
}

#[tokio::test]
async fn rotation_on_azures_numbers_stays_within_one_cooldown() {
    let hour = secs(3_600);
    rotations(300, |builder| builder.lifetime(secs(60), hour, hour).stale(23 * hour).cooldown(secs(300), 2)).await;
}

#[allow(clippy::print_stdout, reason = "the table is for people")]
async fn rotations(cooldown: u64, options: impl Fn(RemoteKeysBuilder) -> RemoteKeysBuilder + Copy) {
    for cache_control in ["max-age=3600", "no-store"] {
        for flood in [false, true] {
            for timing in &TIMINGS {
                let refused = rotation(timing, flood, cache_control, cooldown, options).await;
                println!(
                    "cooldown {cooldown:>3} s, {cache_control:>12}, {}, {:<37}: 401 for {:>3} s, 503 for {:>3} s",
                    if flood { "   flood" } else { "no flood" },
                    timing.name,
                    refused.with_401,
                    refused.with_503,
                );
                let published_first = timing.first_use >= 0;
                let limit = if published_first && !flood { 0 } else { cooldown };
                assert!(refused.with_401 + refused.with_503 <= limit, "{}, flood: {flood}", timing.name);
                // A 401 means that a fetch looked for the key and did not find it.
                if published_first && timing.guessed.is_none() {
                    assert_eq!(refused.with_401, 0, "{}, flood: {flood}", timing.name);
                }
            }
        }
    }
}

async fn rotation(
    timing: &Timing,
    flood: bool,
    cache_control: &str,
    cooldown: u64,
    options: impl Fn(RemoteKeysBuilder) -> RemoteKeysBuilder,
) -> Refused {
    let scene = Scene::with(options);
    scene.server.set_header("cache-control", cache_control);
    let (old, new) = (scene.token(), key(Algorithm::Es256, "new"));
    let new_token = scene.server.issuer().token().signed_with(new.clone()).sign();
    let both = set_of(&[scene.server.issuer().first_key().jwk(), new.jwk()]);
    scene.admits(&old).await;
    scene.clock.advance(secs(PUBLISHED - 100));
    let input = scene.server.issuer().token();
    let mut refused = Refused::default();
    for second in -100..i64::try_from(2 * cooldown + 60).unwrap() {
        if second == 0 {
            scene.server.set_jwks_body(both.clone());
        }
        if timing.guessed == Some(second) {
            scene.gate.verify(&new_token).await.expect_err("the key is not published yet");
        }
        for number in 0..if flood { FLOOD } else { 0 } {
            let forged = input.clone().header("kid", format!("made-up-{second}-{number}")).signing_input() + ".AAAA";
            assert!(scene.gate.verify(&forged).await.is_err());
        }
        scene.admits(&old).await;
        if second >= timing.first_use {
            let status = scene.gate.verify(&new_token).await.err().map(|error| error.status());
            match status.filter(|_| second >= 0) {
                None => {}
                Some(401) => refused.with_401 += 1,
                Some(503) => refused.with_503 += 1,
                Some(other) => panic!("{other}"),
            }
        }
        // A refresh ends within the second.
        while Handle::current().metrics().num_alive_tasks() > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        scene.clock.advance(secs(1));
    }
    refused
}
