//! Attempts that run at the same time, for example the first fetches for several issuers.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

/// One attempt.
pub(crate) type Attempt<'a, E> = Pin<Box<dyn Future<Output = Result<(), E>> + Send + 'a>>;

/// Runs all attempts at the same time, until each has ended. Fails only if all fail, with the error of the last one in
/// their order.
pub(crate) async fn run_all<E>(attempts: impl IntoIterator<Item = Attempt<'_, E>>) -> Result<(), E> {
    let outcomes = outcomes_of(attempts).await;
    outcomes.reduce(|all, next| if all.is_ok() { all } else { next }).unwrap_or(Ok(()))
}

/// Like [`run_all`], but fails if one fails, with the first error in their order.
pub(crate) async fn run_all_or_fail<E>(attempts: impl IntoIterator<Item = Attempt<'_, E>>) -> Result<(), E> {
    outcomes_of(attempts).await.collect()
}

async fn outcomes_of<E>(attempts: impl IntoIterator<Item = Attempt<'_, E>>) -> impl Iterator<Item = Result<(), E>> {
    let mut running: Vec<_> = attempts.into_iter().map(|attempt| (attempt, None)).collect();
    poll_fn(|context| {
        let mut all_ended = true;
        for (attempt, outcome) in &mut running {
            if outcome.is_none() {
                match attempt.as_mut().poll(context) {
                    Poll::Ready(ended) => *outcome = Some(ended),
                    Poll::Pending => all_ended = false,
                }
            }
        }
        if all_ended { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    running.into_iter().filter_map(|(_, outcome)| outcome)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(turns: usize, outcome: Result<(), &'static str>) -> Attempt<'static, &'static str> {
        Box::pin(async move {
            for _ in 0..turns {
                tokio::task::yield_now().await;
            }
            outcome
        })
    }

    #[tokio::test]
    async fn one_success_is_enough() {
        let (a, b) = (Err("a"), Err("b"));
        assert_eq!(run_all([after(3, a), after(1, Ok(())), after(0, b)]).await, Ok(()));
        assert_eq!(run_all([after(0, Ok(())), after(2, b)]).await, Ok(()));
        assert_eq!(run_all([after(3, a), after(1, b)]).await, Err("b"));
        assert_eq!(run_all::<&str>([]).await, Ok(()));
    }

    #[tokio::test]
    async fn one_failure_is_too_much() {
        let (a, b) = (Err("a"), Err("b"));
        assert_eq!(run_all_or_fail([after(3, a), after(1, Ok(())), after(0, b)]).await, a);
        assert_eq!(run_all_or_fail([after(0, Ok(())), after(2, b)]).await, b);
        assert_eq!(run_all_or_fail([after(1, Ok(())), after(0, Ok(()))]).await, Ok(()));
        assert_eq!(run_all_or_fail::<&str>([]).await, Ok(()));
    }

    #[tokio::test]
    async fn attempts_run_at_the_same_time() {
        // Each attempt ends only after all have started.
        let all = tokio::sync::Barrier::new(10);
        let together = || -> Attempt<'_, ()> {
            Box::pin(async {
                all.wait().await;
                Err(())
            })
        };
        assert_eq!(run_all((0..10).map(|_| together())).await, Err(()));
    }
}
