//! Cases for requests that race.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::at_once::{START, at_once, builder, clock, expect, facts, machine, subject, verdict};
use super::{Outcome, check};
use crate::{EndReason, SessionStore, Verdict};

type Store = Arc<dyn SessionStore>;

pub(super) async fn two_hundred_refreshes_of_one_token_are_one_family(store: Store) -> Outcome {
    let sessions = machine(&store, &clock())?;
    let login = sessions.start(&subject()?, facts()).await?;
    let token = login.refresh_token.as_str();
    let request = |_| {
        let (sessions, token) = (sessions.clone(), token.to_owned());
        async move { sessions.refresh(&token).await }
    };
    let answers = at_once(200, request).await?.into_iter().collect::<Result<Vec<_>, _>>()?;
    let rotated = answers.iter().filter(|answer| answer.verdict == Verdict::Rotated).count();
    check!(rotated == 1, "{rotated} of 200 requests rotated the token");
    check!(answers.iter().all(|answer| answer.session.id == login.session.id), "the session has another name");
    let Some(first) = answers.first() else { return Err("there is no answer".into()) };
    let successor = first.refresh_token.as_str();
    check!(successor != token, "the token did not change");
    check!(answers.iter().all(|answer| answer.refresh_token.as_str() == successor), "the successors differ");
    let version = store.find(&login.session.id).await?.map(|stored| stored.version);
    check!(version == Some(1), "the session was changed another number of times than once: {version:?}");
    expect(&sessions, successor, Verdict::Rotated).await
}

pub(super) async fn twenty_requests_of_one_page_stay_signed_in(store: Store) -> Outcome {
    // Two machines, whose clocks differ, behind a balancer. The page is loaded ten times.
    let clocks = [clock(), clock()];
    if let Some(ahead) = clocks.last() {
        ahead.set_unix(START + 2);
    }
    let [one, other] = &clocks;
    let (one, other) = (machine(&store, one)?, machine(&store, other)?);
    let mut token = one.start(&subject()?, facts()).await?.refresh_token.as_str().to_owned();
    for load in 0..10 {
        let request = |number: usize| {
            let machine = if number.is_multiple_of(2) { one.clone() } else { other.clone() };
            let token = token.clone();
            async move { machine.refresh(&token).await }
        };
        let mut successors = Vec::new();
        for answer in at_once(20, request).await? {
            match answer {
                Ok(answer) => successors.push(answer.refresh_token.as_str().to_owned()),
                Err(error) => return Err(format!("load {load}: a request was signed out: {error:?}").into()),
            }
        }
        let Some(next) = successors.first().cloned() else { return Err("there is no answer".into()) };
        check!(successors.iter().all(|successor| *successor == next), "load {load}: the successors differ");
        token = next;
        for clock in &clocks {
            clock.advance(Duration::from_secs(300));
        }
    }
    Ok(())
}

pub(super) async fn one_theft_is_reported_once(store: Store) -> Outcome {
    let (stolen, others) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (stolen_events, other_events) = (stolen.clone(), others.clone());
    let sessions = builder(&store, &clock())?
        .on_event(move |event| {
            let counter = if event.reason == EndReason::Stolen { &stolen_events } else { &other_events };
            counter.fetch_add(1, Ordering::SeqCst);
        })
        .build()?;
    let first = sessions.start(&subject()?, facts()).await?.refresh_token;
    let second = sessions.refresh(first.as_str()).await?.refresh_token;
    sessions.refresh(second.as_str()).await?;
    let request = |_| {
        let (sessions, token) = (sessions.clone(), first.as_str().to_owned());
        async move { sessions.refresh(&token).await }
    };
    for answer in at_once(20, request).await? {
        let verdict = verdict(&answer)?;
        check!(matches!(verdict, Verdict::Stolen | Verdict::Ended), "an old token is {verdict}");
    }
    let counts = (stolen.load(Ordering::SeqCst), others.load(Ordering::SeqCst));
    check!(counts == (1, 0), "{counts:?} events were reported, of thefts and others");
    Ok(())
}

pub(super) async fn nothing_survives_a_racing_log_out(store: Store) -> Outcome {
    let sessions = machine(&store, &clock())?;
    for _ in 0..5 {
        let subject = subject()?;
        let token = sessions.start(&subject, facts()).await?.refresh_token;
        let request = |number| {
            let (sessions, token, subject) = (sessions.clone(), token.as_str().to_owned(), subject.clone());
            async move {
                if number == 10 {
                    return sessions.log_out_everywhere(&subject).await.map(|_| None);
                }
                Ok(sessions.refresh(&token).await.ok())
            }
        };
        let answers = at_once(20, request).await?.into_iter().collect::<Result<Vec<_>, _>>()?;
        expect(&sessions, token.as_str(), Verdict::Ended).await?;
        for answer in answers.into_iter().flatten() {
            expect(&sessions, answer.refresh_token.as_str(), Verdict::Ended).await?;
        }
    }
    Ok(())
}

pub(super) async fn racing_logins_respect_the_maximum(store: Store) -> Outcome {
    let clock = clock();
    let sessions = builder(&store, &clock)?.max_sessions(5).build()?;
    let subject = subject()?;
    let request = |_| {
        let (sessions, subject) = (sessions.clone(), subject.clone());
        async move { sessions.start(&subject, facts()).await }
    };
    at_once(30, request).await?.into_iter().collect::<Result<Vec<_>, _>>()?;
    let open = sessions.list(&subject).await?.len();
    check!((1..=5).contains(&open), "{open} sessions are open, and at most 5 may be");

    // The least recently used one ends.
    sessions.log_out_everywhere(&subject).await?;
    let mut tokens = Vec::new();
    for _ in 0..5 {
        clock.advance(Duration::from_secs(60));
        tokens.push(sessions.start(&subject, facts()).await?.refresh_token);
    }
    clock.advance(Duration::from_secs(60));
    let [first, second, ..] = &tokens[..] else { return Err("five logins are expected".into()) };
    let first = sessions.refresh(first.as_str()).await?.refresh_token;
    clock.advance(Duration::from_secs(60));
    let newest = sessions.start(&subject, facts()).await?.refresh_token;
    expect(&sessions, second.as_str(), Verdict::Ended).await?;
    expect(&sessions, first.as_str(), Verdict::Rotated).await?;
    expect(&sessions, newest.as_str(), Verdict::Rotated).await
}
