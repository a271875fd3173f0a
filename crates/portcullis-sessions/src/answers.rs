//! Answers of a store about tokens, which are used for a short time.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use moka::sync::Cache;
use portcullis::ConfigError;
use portcullis::clock::Clock;
use portcullis::error::Unavailable;

use crate::token::TokenHash;

/// Uses each answer for up to a maximum age, which counts from when the store was asked. Of callers with the same question, one
/// asks, and the others wait for its answer. A failure is never kept, and no older answer replaces it.
pub(crate) struct Answers<T> {
    max_age: Duration,
    answers: Cache<TokenHash, Arc<Question<T>>>,
}

struct Question<T> {
    /// When the store was asked, by the monotonic clock, and what it answered.
    answer: Mutex<Option<(Duration, T)>>,
    /// Held by the caller that asks. If it goes away, the next one asks.
    turn: tokio::sync::Mutex<()>,
    failures: AtomicU64,
}

const MOST_ANSWERS: u64 = 100_000;

impl<T: Copy + Send + Sync + 'static> Answers<T> {
    /// # Errors
    /// [`ConfigError`] when the age is not from 1 ms to 60 s.
    pub(crate) fn new(max_age: Duration) -> Result<Self, ConfigError> {
        if max_age < Duration::from_millis(1) || max_age > Duration::from_secs(60) {
            let hint = "write for example 5 s, or leave the cache out";
            return Err(ConfigError::new("max_age", "not from 1 ms to 60 s", hint));
        }
        // An answer that is not used again for this long is too old in any case.
        let answers = Cache::builder().max_capacity(MOST_ANSWERS).time_to_idle(max_age).build();
        Ok(Self { max_age, answers })
    }

    pub(crate) fn max_age(&self) -> Duration {
        self.max_age
    }

    /// Returns the answer to the question `name`. `ask` asks the store. It is not polled if there is an answer.
    pub(crate) async fn get(
        &self,
        name: TokenHash,
        clock: &dyn Clock,
        ask: impl Future<Output = Result<T, Unavailable>>,
    ) -> Result<T, Unavailable> {
        let question = self.answers.get_with(name, Arc::default);
        let failures = question.failures.load(Ordering::SeqCst);
        if let Some(answer) = question.answer_at(clock.monotonic(), self.max_age) {
            return Ok(answer);
        }
        let _turn = question.turn.lock().await;
        let asked_at = clock.monotonic();
        if let Some(answer) = question.answer_at(asked_at, self.max_age) {
            return Ok(answer);
        }
        // The failure is the answer to all who waited for it. Otherwise they would fail one after the other.
        if question.failures.load(Ordering::SeqCst) != failures {
            return Err(Unavailable::new().with_source("the store could not answer just now"));
        }
        match ask.await {
            Ok(answer) => {
                question.set(asked_at, answer);
                Ok(answer)
            }
            Err(error) => {
                question.failures.fetch_add(1, Ordering::SeqCst);
                Err(error)
            }
        }
    }
}

impl<T: Copy> Question<T> {
    fn answer_at(&self, now: Duration, max_age: Duration) -> Option<T> {
        let (asked_at, answer) = (*self.answer.lock().unwrap_or_else(PoisonError::into_inner))?;
        (now.saturating_sub(asked_at) < max_age).then_some(answer)
    }

    fn set(&self, asked_at: Duration, answer: T) {
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = Some((asked_at, answer));
    }
}

impl<T> Default for Question<T> {
    fn default() -> Self {
        Self { answer: Mutex::new(None), turn: tokio::sync::Mutex::default(), failures: AtomicU64::new(0) }
    }
}

impl<T> fmt::Debug for Answers<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answers").field("max_age", &self.max_age).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use portcullis::clock::ManualClock;

    use super::*;

    fn name(number: u8) -> TokenHash {
        TokenHash::from_bytes([number; 32])
    }

    /// Asks 100 times at once, and returns the results and how often the store was asked.
    async fn hundred_at_once(answers: &Arc<Answers<u8>>, result: Result<u8, ()>) -> (Vec<Option<u8>>, usize) {
        let (clock, asked) = (Arc::new(ManualClock::at_unix(0)), Arc::new(AtomicUsize::new(0)));
        let tasks: Vec<_> = (0..100)
            .map(|_| {
                let (answers, clock, asked) = (Arc::clone(answers), Arc::clone(&clock), Arc::clone(&asked));
                tokio::spawn(async move {
                    let ask = async {
                        asked.fetch_add(1, Ordering::SeqCst);
                        tokio::time::sleep(Duration::from_millis(50)).await;
                        result.map_err(|()| Unavailable::new())
                    };
                    answers.get(name(1), &*clock, ask).await.ok()
                })
            })
            .collect();
        let mut results = Vec::new();
        for task in tasks {
            results.push(task.await.unwrap());
        }
        (results, asked.load(Ordering::SeqCst))
    }

    #[tokio::test]
    async fn callers_at_once_ask_once() {
        let answers = Arc::new(Answers::new(Duration::from_secs(5)).unwrap());
        assert_eq!(hundred_at_once(&answers, Err(())).await, (vec![None; 100], 1));
        assert_eq!(hundred_at_once(&answers, Ok(7)).await, (vec![Some(7); 100], 1));
        assert_eq!(hundred_at_once(&answers, Ok(8)).await, (vec![Some(7); 100], 0));
    }

    #[tokio::test]
    async fn caller_that_goes_away_leaves_its_turn() {
        let (answers, clock) = (Answers::new(Duration::from_secs(5)).unwrap(), ManualClock::at_unix(0));
        let never = answers.get(name(1), &clock, std::future::pending::<Result<u8, Unavailable>>());
        assert!(tokio::time::timeout(Duration::from_millis(10), never).await.is_err());
        assert_eq!(answers.get(name(1), &clock, async { Ok(7) }).await.unwrap(), 7);
    }

    #[tokio::test]
    async fn age_counts_from_the_question() {
        let (answers, clock) = (Answers::new(Duration::from_secs(5)).unwrap(), ManualClock::at_unix(0));
        // The store takes three seconds to answer.
        let slow = async {
            clock.advance(Duration::from_secs(3));
            Ok(1)
        };
        assert_eq!(answers.get(name(1), &clock, slow).await.unwrap(), 1);
        clock.advance(Duration::from_millis(1_999));
        assert_eq!(answers.get(name(1), &clock, async { Ok(2) }).await.unwrap(), 1);
        clock.advance(Duration::from_millis(1));
        assert_eq!(answers.get(name(1), &clock, async { Ok(2) }).await.unwrap(), 2);
    }

    #[tokio::test]
    async fn number_of_answers_is_bounded() {
        let (answers, clock) = (Answers::new(Duration::from_secs(60)).unwrap(), ManualClock::at_unix(0));
        for number in 0..MOST_ANSWERS + 20_000 {
            let name = TokenHash::of("test", &[&number.to_be_bytes()]);
            answers.get(name, &clock, async { Ok(number) }).await.unwrap();
        }
        answers.answers.run_pending_tasks();
        assert!(answers.answers.entry_count() <= MOST_ANSWERS, "{}", answers.answers.entry_count());
    }
}
