//! Callers. Each is a task, and its time is measured from its creation.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::{Answer, Contender, Outcome};

/// The longest wait for the last callers.
const TIME_LIMIT: Duration = Duration::from_secs(10);

/// The number of tokens per outcome.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) accepted: usize,
    pub(crate) refused: usize,
    pub(crate) unavailable: usize,
    /// Tokens without an answer within the time limit.
    pub(crate) unanswered: usize,
}

/// Callers of one kind that wait for an answer.
pub(crate) struct Callers<C> {
    contender: Arc<C>,
    tasks: JoinSet<(Outcome, Duration)>,
    sent: Vec<Instant>,
}

/// The outcomes and latencies of the callers.
#[derive(Debug)]
pub(crate) struct Answers {
    pub(crate) tally: Tally,
    pub(crate) latencies: Vec<Duration>,
}

impl Tally {
    pub(crate) fn count(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Accepted => self.accepted += 1,
            Outcome::Refused => self.refused += 1,
            Outcome::Unavailable => self.unavailable += 1,
        }
    }

    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            accepted: self.accepted + other.accepted,
            refused: self.refused + other.refused,
            unavailable: self.unavailable + other.unavailable,
            unanswered: self.unanswered + other.unanswered,
        }
    }

    pub(crate) fn all(&self) -> usize {
        self.accepted + self.refused + self.unavailable + self.unanswered
    }
}

impl<C: Contender> Callers<C> {
    pub(crate) fn of(contender: &Arc<C>) -> Self {
        Self { contender: Arc::clone(contender), tasks: JoinSet::new(), sent: Vec::new() }
    }

    pub(crate) fn send(&mut self, token: Arc<str>) {
        let contender = Arc::clone(&self.contender);
        let sent = Instant::now();
        self.sent.push(sent);
        self.tasks.spawn(async move {
            let Answer { outcome, took } = contender.verify(&token).await;
            (outcome, took.unwrap_or_else(|| sent.elapsed()))
        });
    }

    /// Waits for all answers, up to the time limit.
    pub(crate) async fn answers(mut self) -> Answers {
        let mut tally = Tally::default();
        let mut latencies = Vec::with_capacity(self.sent.len());
        let deadline = tokio::time::Instant::now() + TIME_LIMIT;
        while let Ok(Some(answered)) = tokio::time::timeout_at(deadline, self.tasks.join_next()).await {
            let (outcome, took) = answered.expect("the verifier did not panic");
            tally.count(outcome);
            latencies.push(took);
        }
        tally.unanswered = self.tasks.len();
        // The others have waited at least this long.
        latencies.extend(std::iter::repeat_n(TIME_LIMIT, tally.unanswered));
        Answers { tally, latencies }
    }
}

/// Calls `each` once per millisecond, `times` times. Late calls follow in a burst.
pub(crate) async fn every_millisecond(times: usize, mut each: impl FnMut(usize)) {
    let mut ticks = tokio::time::interval(Duration::from_millis(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for number in 0..times {
        ticks.tick().await;
        each(number);
    }
}
