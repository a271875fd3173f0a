//! The scenarios, each with its limits.

use std::sync::Arc;
use std::time::{Duration, Instant};

use portcullis::jose::Algorithm;
use portcullis_testing::{Fault, IssuerServer, TestIssuer, TokenBuilder};

use crate::finding::{Finding, Latency, Row, Scenario, show};
use crate::load::{Answers, Callers, Tally, every_millisecond};
use crate::{Contender, IssuerSettings, NotBuilt, Outcome};

/// The response time of a server that is slow, but neither down nor hanging.
const LATENCY: Duration = Duration::from_millis(50);
/// The lifetime of keys in scenarios with a refresh.
const LIFETIME: Duration = Duration::from_secs(1);
/// The largest p99 latency of callers whose key is cached, in bare signature checks.
const BYSTANDER_CHECKS: u32 = 60;
/// How long a thousand first requests may take after the fetches, in bare signature checks. With two threads, they take 500.
const FIRST_CHECKS: u32 = 3_000;
/// The number of requests that forged `kid`s may cause at once.
const BURST: usize = 3;
/// The number of rounds for limits on time. The best round counts, because other processes can only break a limit.
const ROUNDS: usize = 3;
/// How long the server fails when it starts.
const OUTAGE: Duration = Duration::from_millis(100);
/// The pause of a caller before its next attempt.
const RETRY: Duration = Duration::from_millis(10);
/// The longest wait for a rotation: longer than the pause between two fetches of any contender.
const ROTATION_TIME_LIMIT: Duration = Duration::from_secs(65);

impl Scenario {
    fn lifetime(self) -> Option<Duration> {
        match self {
            Self::RefreshHangs | Self::RefreshFails | Self::Withdrawal => Some(LIFETIME),
            _ => None,
        }
    }
}

/// Measures the bare check of an RS256 signature with a prepared key: the unit of limits on time, so that they do not depend
/// on the machine.
pub(crate) fn cost_of_check() -> Duration {
    let issuer = TestIssuer::from_algorithms([Algorithm::Rs256]);
    let (signing_key, message) = (issuer.first_key(), [7; 600]);
    let (key, signature) = (signing_key.verifying_key(), signing_key.sign(&message));
    let turns = (0..200).map(|_| {
        let start = Instant::now();
        (0..10).for_each(|_| assert!(key.verify(Algorithm::Rs256, &message, &signature).is_ok()));
        start.elapsed() / 10
    });
    let mut turns: Vec<Duration> = turns.collect();
    turns.sort_unstable();
    turns[turns.len() / 2]
}

/// Returns the best of a few rounds. Each has its own server and runtime. `check` is the cost of a bare signature check.
pub(crate) fn run<C: Contender>(scenario: Scenario, check: Duration) -> Row {
    let mut row = round::<C>(scenario, check);
    for _ in 1..ROUNDS {
        if !row.is_only_late() {
            break;
        }
        row = round::<C>(scenario, check);
    }
    row
}

fn round<C: Contender>(scenario: Scenario, check: Duration) -> Row {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime can be started");
    let stage = Stage::new(scenario.lifetime(), check);
    let finding = runtime.block_on(async {
        match scenario {
            Scenario::FirstRequests => first_requests::<C>(&stage).await,
            Scenario::ForgedKeys => forged_keys::<C>(&stage).await,
            Scenario::RefreshHangs => refresh::<C>(&stage, Fault::Delay(Duration::from_secs(1))).await,
            Scenario::RefreshFails => refresh::<C>(&stage, failure(500)).await,
            Scenario::Rotation => rotation::<C>(&stage).await,
            Scenario::SlowStart => slow_start::<C>(stage.clone()).await,
            Scenario::Withdrawal => withdrawal::<C>(&stage).await,
        }
    });
    runtime.shutdown_background();
    Row { scenario, finding }
}

/// The server, and the settings for a contender.
#[derive(Clone)]
struct Stage {
    server: Arc<IssuerServer>,
    settings: IssuerSettings,
    /// The cost of a bare signature check.
    check: Duration,
}

impl Stage {
    fn new(lifetime: Option<Duration>, check: Duration) -> Self {
        let server = TestIssuer::new().serve();
        let settings = IssuerSettings {
            issuer: server.url(),
            audience: server.issuer().audience().to_owned(),
            jwks_url: server.jwks_url(),
            lifetime,
        };
        Self { server: Arc::new(server), settings, check }
    }

    async fn build<C: Contender>(&self) -> Result<Arc<C>, String> {
        match C::build(&self.settings).await {
            Ok(contender) => Ok(Arc::new(contender)),
            Err(NotBuilt::NoSuchOption(instead)) => Err(instead.to_owned()),
            Err(NotBuilt::Failed(why)) => Err(format!("it can't be built: {why}")),
        }
    }

    /// Returns a contender with cached keys.
    async fn warm<C: Contender>(&self) -> Result<Arc<C>, String> {
        let contender = self.build::<C>().await?;
        let (token, start) = (self.token(), Instant::now());
        while contender.verify(&token).await.outcome != Outcome::Accepted {
            assert!(start.elapsed() < Duration::from_secs(5), "the contender does not accept a good token");
            tokio::time::sleep(RETRY).await;
        }
        Ok(contender)
    }

    fn token(&self) -> Arc<str> {
        Self::minted(&self.server.issuer()).sign().into()
    }

    /// A token with all claims of RFC 9068.
    fn minted(issuer: &TestIssuer) -> TokenBuilder {
        issuer.token().scope("read:messages").claim("client_id", "client-1").claim("jti", "token-1")
    }

    fn requests(&self) -> [usize; 2] {
        [self.server.metadata_hits(), self.server.jwks_hits()]
    }

    fn requests_since(&self, before: [usize; 2]) -> [usize; 2] {
        let now = self.requests();
        [now[0] - before[0], now[1] - before[1]]
    }
}

/// A thousand callers before any key is cached.
async fn first_requests<C: Contender>(stage: &Stage) -> Result<Finding, String> {
    stage.server.misbehave(Fault::Delay(LATENCY));
    let tokens: Vec<_> = (0..16).map(|_| stage.token()).collect();
    let building = Instant::now();
    let contender = stage.build::<C>().await?;
    // If building the contender fetches, its time counts.
    let start = if stage.requests() == [0, 0] { Instant::now() } else { building };
    let mut callers = Callers::of(&contender);
    for number in 0..1_000 {
        callers.send(Arc::clone(&tokens[number % tokens.len()]));
    }
    let answers = callers.answers().await;
    let time = start.elapsed();
    let mut finding = Finding { time: Some(time), requests: stage.requests(), ..judge_all_accepted(answers, stage) };
    finding.latency = None;
    finding.late.clear();
    let documents = finding.requests.iter().filter(|requests| **requests > 0).count();
    if finding.requests.iter().any(|requests| *requests > 1) {
        finding.broken.push("more than one fetch of a document".to_owned());
    }
    let limit = LATENCY * u32::try_from(documents).unwrap_or(u32::MAX) + stage.check * FIRST_CHECKS;
    if time > limit {
        finding.late.push(format!("done after more than {}", show(limit)));
    }
    Ok(finding)
}

/// A thousand made-up `kid`s in a second, together with callers with good tokens.
async fn forged_keys<C: Contender>(stage: &Stage) -> Result<Finding, String> {
    let contender = stage.warm::<C>().await?;
    let (good, before) = (stage.token(), stage.requests());
    let forged: Vec<Arc<str>> = (0..1_000).map(|number| forge(&good, stage, number)).collect();
    stage.server.misbehave(Fault::Delay(LATENCY));
    let (mut forgers, mut bystanders) = (Callers::of(&contender), Callers::of(&contender));
    every_millisecond(1_000, |number| {
        forgers.send(Arc::clone(&forged[number]));
        bystanders.send(Arc::clone(&good));
    })
    .await;
    let (forgers, bystanders) = tokio::join!(forgers.answers(), bystanders.answers());
    let mut finding = judge_all_accepted(bystanders, stage);
    finding.requests = stage.requests_since(before);
    finding.tally = finding.tally.and(forgers.tally);
    if forgers.tally.accepted > 0 {
        finding.broken.push("a forgery was accepted".to_owned());
    }
    if forgers.tally.unanswered > 0 {
        finding.broken.push(format!("{} forgeries unanswered", forgers.tally.unanswered));
    }
    if finding.requests[1] > BURST {
        finding.broken.push(format!("more than {BURST} fetches"));
    }
    Ok(finding)
}

/// Keys are due for a refresh while the server has this fault.
async fn refresh<C: Contender>(stage: &Stage, fault: Fault) -> Result<Finding, String> {
    let contender = stage.warm::<C>().await?;
    let (good, before) = (stage.token(), stage.requests());
    stage.server.misbehave(fault);
    let mut callers = Callers::of(&contender);
    // The callers continue until more than a second after the refresh is due.
    every_millisecond(2_500, |_| callers.send(Arc::clone(&good))).await;
    let mut finding = judge_all_accepted(callers.answers().await, stage);
    finding.requests = stage.requests_since(before);
    if finding.requests[1] == 0 {
        finding.broken.push("no refresh".to_owned());
    }
    Ok(finding)
}

/// The issuer signs with a new key right after its keys were fetched.
async fn rotation<C: Contender>(stage: &Stage) -> Result<Finding, String> {
    let contender = stage.warm::<C>().await?;
    stage.server.rotate(Algorithm::Rs256);
    let (new, before) = (stage.token(), stage.requests());
    let (tally, time) =
        until(Outcome::Accepted, Duration::from_millis(100), ROTATION_TIME_LIMIT, &contender, &new).await;
    let mut finding = Finding { requests: stage.requests_since(before), tally, time, ..Finding::default() };
    match time {
        None => finding.broken.push(format!("not accepted within {}", show(ROTATION_TIME_LIMIT))),
        Some(_) if tally.all() > 1 => finding.broken.push("not accepted at the first token".to_owned()),
        Some(_) => {}
    }
    if finding.requests[1] > 1 {
        finding.broken.push("more than one fetch".to_owned());
    }
    Ok(finding)
}

/// The server fails for its first tenth of a second.
async fn slow_start<C: Contender>(stage: Stage) -> Result<Finding, String> {
    const FIRST_ACCEPT: Duration = OUTAGE.saturating_mul(5);
    const FETCHES: usize = 4;
    stage.server.misbehave(failure(503));
    let (token, recovering) = (stage.token(), Arc::clone(&stage.server));
    // The time of failure starts with the first request.
    let first_request = tokio::spawn(async move {
        while recovering.all_hits() == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let first_request = Instant::now();
        tokio::time::sleep(OUTAGE).await;
        recovering.behave();
        first_request
    });
    // A service that can't be built is started again.
    let mut restarts = 0;
    let contender = loop {
        match C::build(&stage.settings).await {
            Ok(contender) => break Arc::new(contender),
            Err(NotBuilt::NoSuchOption(instead)) => return Err(instead.to_owned()),
            Err(NotBuilt::Failed(_)) => restarts += 1,
        }
        tokio::time::sleep(RETRY).await;
    };
    let time_limit = Duration::from_secs(65);
    let (tally, accepted) = until(Outcome::Accepted, RETRY, time_limit, &contender, &token).await;
    let time = match accepted {
        Some(_) => {
            let now = Instant::now();
            Some(now - first_request.await.expect("the server recovers"))
        }
        None => None,
    };
    let mut finding = Finding { requests: stage.requests(), tally, time, ..Finding::default() };
    match time {
        None => finding.broken.push(format!("not accepted within {}", show(time_limit))),
        Some(time) if time > FIRST_ACCEPT => {
            finding.late.push(format!("first accepted after more than {}", show(FIRST_ACCEPT)));
        }
        Some(_) => {}
    }
    if restarts > 0 {
        finding.broken.push(format!("does not start while the server fails: restarted {restarts} times"));
    } else if finding.requests.iter().any(|requests| *requests > FETCHES) {
        finding.broken.push(format!("more than {FETCHES} fetches"));
    }
    Ok(finding)
}

/// The issuer withdraws a key that all callers continue to use.
async fn withdrawal<C: Contender>(stage: &Stage) -> Result<Finding, String> {
    let contender = stage.warm::<C>().await?;
    let (old, kid) = (stage.token(), stage.server.issuer().first_key().id().to_owned());
    stage.server.rotate(Algorithm::Rs256);
    stage.server.withdraw(&kid);
    let before = stage.requests();
    let time_limit = LIFETIME * 5;
    let (tally, time) = until(Outcome::Refused, RETRY, time_limit, &contender, &old).await;
    let mut finding = Finding { requests: stage.requests_since(before), tally, time, ..Finding::default() };
    match time {
        None => finding.broken.push(format!("not refused within {}", show(time_limit))),
        Some(time) if time > LIFETIME => finding.late.push(format!("refused after more than {}", show(LIFETIME))),
        Some(_) => {}
    }
    for _ in 0..10 {
        if contender.verify(&old).await.outcome == Outcome::Accepted {
            finding.broken.push("accepted again afterwards".to_owned());
            break;
        }
    }
    Ok(finding)
}

/// Verifies the token again after each `pause` until the outcome is `wanted`. Returns all outcomes, and the time it took.
async fn until<C: Contender>(
    wanted: Outcome,
    pause: Duration,
    time_limit: Duration,
    contender: &Arc<C>,
    token: &str,
) -> (Tally, Option<Duration>) {
    let (mut tally, start) = (Tally::default(), Instant::now());
    while start.elapsed() < time_limit {
        let Ok(answer) = tokio::time::timeout(time_limit, contender.verify(token)).await else {
            tally.unanswered += 1;
            break;
        };
        tally.count(answer.outcome);
        if answer.outcome == wanted {
            return (tally, Some(start.elapsed()));
        }
        tokio::time::sleep(pause).await;
    }
    (tally, None)
}

/// Checks the limits for callers whose key is cached.
fn judge_all_accepted(answers: Answers, stage: &Stage) -> Finding {
    let Answers { tally, latencies } = answers;
    let mut finding = Finding { tally, latency: Latency::of(latencies), ..Finding::default() };
    let turned_away = tally.all() - tally.accepted;
    if turned_away > 0 {
        finding.broken.push(format!("{turned_away} of {} valid callers turned away", tally.all()));
    }
    let limit = stage.check * BYSTANDER_CHECKS;
    if finding.latency.is_some_and(|latency| latency.p99 >= limit) {
        finding.late.push(format!("p99 of valid callers not under {}", show(limit)));
    }
    finding
}

/// A response with this status and an error body.
fn failure(status: u16) -> Fault {
    let body = r#"{"error":"server_error"}"#;
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status} Failure\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n");
    Fault::Raw([head.as_bytes(), body.as_bytes()].concat())
}

/// A token with a made-up `kid`. Its signature is valid for another token.
fn forge(good: &str, stage: &Stage, number: usize) -> Arc<str> {
    let input = Stage::minted(&stage.server.issuer()).header("kid", format!("forged-{number}")).signing_input();
    let (_, signature) = good.rsplit_once('.').expect("a token has dots");
    format!("{input}.{signature}").into()
}
