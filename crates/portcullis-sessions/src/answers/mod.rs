//! Answers of a store about tokens, which are used for a short time.

mod flight;
mod name;

use std::fmt;
use std::sync::atomic::Ordering;
use std::time::Duration;

use portcullis::ConfigError;
use portcullis::clock::Clock;
use portcullis::error::Unavailable;
use quick_cache::sync::Cache;

use crate::answers::flight::InFlight;
use crate::answers::name::{Name, Wanted, Weight};

/// Uses each answer for up to a maximum age, which counts from when the store was asked. Of callers with the same question, one
/// asks, and the others wait for its answer. A failure is never kept, and no older answer replaces it.
///
/// An answer that is too old is never used. It takes its place until a new answer or other questions need it.
pub(crate) struct Answers<T> {
    max_age: Duration,
    /// When the store was asked, by the monotonic clock, and what it answered.
    answers: Cache<Name, (Duration, T), Weight>,
    in_flight: InFlight,
}

/// What names a question: texts of the token that it is about, in the same order each time. An absent text and an empty one differ.
pub(crate) type Texts<'a> = [Option<&'a [u8]>];

const MOST_ANSWERS: u64 = 100_000;
/// How much memory they may take, in bytes. There is room for fewer if their texts take more than about 300 bytes each.
const MOST_BYTES: u64 = 64 * 1024 * 1024;
/// What an entry takes in addition to its texts, in bytes: the answer, links, counters, and parts that allocators add.
const ENTRY_BYTES: usize = 256;
/// What a text takes in addition to its bytes.
const TEXT_BYTES: usize = 32;
/// The number of entries that the cache has room for at first. Its tables grow when more are needed.
const FIRST_ROOM: usize = 1024;

impl<T: Copy + Send + Sync + 'static> Answers<T> {
    /// # Errors
    /// [`ConfigError`] when the age is not from 1 ms to 60 s.
    pub(crate) fn new(max_age: Duration) -> Result<Self, ConfigError> {
        if max_age < Duration::from_millis(1) || max_age > Duration::from_secs(60) {
            let hint = "write for example 5 s, or leave the cache out";
            return Err(ConfigError::new("max_age", "not from 1 ms to 60 s", hint));
        }
        // One more entry than allowed weighs more than all bytes, so that the weight bounds the number of entries as well.
        let weight =
            Weight { least: MOST_BYTES / (MOST_ANSWERS + 1) + 1, entry_bytes: ENTRY_BYTES, text_bytes: TEXT_BYTES };
        let answers = Cache::with_weighter(FIRST_ROOM, MOST_BYTES, weight);
        Ok(Self { max_age, answers, in_flight: InFlight::default() })
    }

    pub(crate) fn max_age(&self) -> Duration {
        self.max_age
    }

    /// Returns the answer to the question about `texts`, if there is one that is not too old.
    pub(crate) fn at_hand(&self, texts: &Texts<'_>, clock: &dyn Clock) -> Option<T> {
        self.find(Wanted(texts), || clock.monotonic())
    }

    /// Returns the answer to the question about `texts`. `ask` asks the store. It is not polled if there is an answer.
    pub(crate) async fn get(
        &self,
        texts: &Texts<'_>,
        clock: &dyn Clock,
        ask: impl Future<Output = Result<T, Unavailable>>,
    ) -> Result<T, Unavailable> {
        let wanted = Wanted(texts);
        if let Some(answer) = self.find(wanted, || clock.monotonic()) {
            return Ok(answer);
        }
        let flight = self.in_flight.join(wanted.to_name());
        let question = &flight.question;
        let failures = question.failures.load(Ordering::SeqCst);
        let _turn = question.turn.lock().await;
        let asked_at = clock.monotonic();
        if let Some(answer) = self.find(wanted, || asked_at) {
            return Ok(answer);
        }
        // The failure is the answer to all who waited for it. Otherwise they would fail one after the other.
        if question.failures.load(Ordering::SeqCst) != failures {
            return Err(Unavailable::new().with_source("the store could not answer just now"));
        }
        match ask.await {
            Ok(answer) => {
                self.answers.insert(flight.name.clone(), (asked_at, answer));
                Ok(answer)
            }
            Err(error) => {
                question.failures.fetch_add(1, Ordering::SeqCst);
                Err(error)
            }
        }
    }

    fn find(&self, wanted: Wanted<'_>, now: impl FnOnce() -> Duration) -> Option<T> {
        let (asked_at, answer) = self.answers.get(&wanted)?;
        (now().saturating_sub(asked_at) < self.max_age).then_some(answer)
    }
}

impl<T> fmt::Debug for Answers<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answers").field("max_age", &self.max_age).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;

    use portcullis::clock::ManualClock;

    use super::*;

    const TOKEN: &Texts<'_> = &[Some(b"s1"), Some(b"alice")];

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
                    answers.get(TOKEN, &*clock, ask).await.ok()
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
        assert_eq!(answers.in_flight.len(), 0, "no question stays");
    }

    #[tokio::test]
    async fn caller_that_goes_away_leaves_its_turn() {
        let (answers, clock) = (Answers::new(Duration::from_secs(5)).unwrap(), ManualClock::at_unix(0));
        let never = answers.get(TOKEN, &clock, std::future::pending::<Result<u8, Unavailable>>());
        assert!(tokio::time::timeout(Duration::from_millis(10), never).await.is_err());
        assert_eq!(answers.in_flight.len(), 0, "no question stays");
        assert_eq!(answers.get(TOKEN, &clock, async { Ok(7) }).await.unwrap(), 7);
    }

    #[tokio::test]
    async fn age_counts_from_the_question() {
        let (answers, clock) = (Answers::new(Duration::from_secs(5)).unwrap(), ManualClock::at_unix(0));
        // The store takes three seconds to answer.
        let slow = async {
            clock.advance(Duration::from_secs(3));
            Ok(1)
        };
        assert_eq!(answers.get(TOKEN, &clock, slow).await.unwrap(), 1);
        clock.advance(Duration::from_millis(1_999));
        assert_eq!(answers.get(TOKEN, &clock, async { Ok(2) }).await.unwrap(), 1);
        clock.advance(Duration::from_millis(1));
        assert_eq!(answers.get(TOKEN, &clock, async { Ok(2) }).await.unwrap(), 2);
    }

    #[tokio::test]
    async fn answer_is_at_hand_until_it_is_too_old() {
        let (answers, clock) = (Answers::new(Duration::from_secs(5)).unwrap(), ManualClock::at_unix(0));
        assert_eq!(answers.at_hand(TOKEN, &clock), None);
        assert!(answers.get(TOKEN, &clock, async { Err(Unavailable::new()) }).await.is_err());
        assert_eq!(answers.at_hand(TOKEN, &clock), None);
        answers.get(TOKEN, &clock, async { Ok(1) }).await.unwrap();
        for other in [&[Some(&b"s1"[..]), Some(b"bob")][..], &[Some(b"s1"), None], &[Some(b"s1a"), Some(b"lice")]] {
            assert_eq!(answers.at_hand(other, &clock), None);
        }
        clock.advance(Duration::from_millis(4_999));
        assert_eq!(answers.at_hand(TOKEN, &clock), Some(1));
        clock.advance(Duration::from_millis(1));
        assert_eq!(answers.at_hand(TOKEN, &clock), None);
    }

    #[tokio::test]
    async fn answers_are_bounded_in_number_and_bytes() {
        let clock = ManualClock::at_unix(0);
        for (questions, length, at_least) in [(MOST_ANSWERS + 20_000, 8, MOST_ANSWERS / 2), (12_000, 8_000, 4_000)] {
            let answers = Answers::new(Duration::from_secs(60)).unwrap();
            let mut text = vec![b'x'; length];
            for number in 0..questions {
                text[..8].copy_from_slice(&number.to_be_bytes());
                answers.get(&[Some(&text)], &clock, async { Ok(number) }).await.unwrap();
            }
            let (number, bytes) = (answers.answers.len() as u64, answers.answers.weight());
            assert!((at_least..=MOST_ANSWERS).contains(&number) && bytes <= MOST_BYTES, "{number} in {bytes}");
            assert!(bytes >= number * (ENTRY_BYTES + TEXT_BYTES + length) as u64, "each byte of a text counts");
        }
    }
}
