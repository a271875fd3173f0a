//! Cases for machines that die between two steps.

use std::sync::Arc;

use super::at_once::{builder, clock, expect, facts, keys, machine, subject, verdict};
use super::crashing::at_each_step;
use super::{Outcome, check};
use crate::{RefreshToken, SessionStore, Sessions, SessionsError, Verdict};

type Store = Arc<dyn SessionStore>;

pub(super) async fn crash_in_a_login_loses_nothing(store: Store) -> Outcome {
    let clock = clock();
    let on = |store: &Store| {
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(builder(store, &clock)?.max_sessions(2).build()?)
    };
    let sessions = on(&store)?;
    let work = async |dying: Store| {
        let subject = subject()?;
        let tokens = [sessions.start(&subject, facts()).await?, sessions.start(&subject, facts()).await?];
        clock.advance(std::time::Duration::from_secs(1));
        let machine = on(&dying)?;
        let login = {
            let subject = subject.clone();
            async move { drop(machine.start(&subject, facts()).await) }
        };
        Ok((login, (subject, tokens.map(|login| login.refresh_token))))
    };
    at_each_step(&store, work, async |(subject, tokens), step| {
        let mut left = 0;
        for token in &tokens {
            left += usize::from(sessions.refresh(token.as_str()).await.is_ok());
        }
        // The new session may be there without its client, and only then one of the others has ended.
        let listed = sessions.list(&subject).await?.len();
        check!(left == 2 || (left == 1 && listed == 2), "{left} of 2 sessions are left, and {listed} are listed");
        check!(step.is_some() || left == 1, "the login did not end a session");
        let again = sessions.start(&subject, facts()).await?;
        expect(&sessions, again.refresh_token.as_str(), Verdict::Rotated).await?;
        let listed = sessions.list(&subject).await?.len();
        check!(listed == 2, "{listed} sessions are open after the next login");
        Ok(())
    })
    .await
}

pub(super) async fn crash_in_a_refresh_loses_nothing(store: Store) -> Outcome {
    let clock = clock();
    let sessions = machine(&store, &clock)?;
    let work = async |dying: Store| {
        let tokens = chain(&sessions).await?;
        let (machine, last) = (machine(&dying, &clock)?, tokens[2].clone());
        Ok((async move { drop(machine.refresh(last.as_str()).await) }, tokens))
    };
    at_each_step(&store, work, async |[first, second, third], _| {
        // The client has no answer, so it presents its token again, perhaps to another machine.
        let again = sessions.refresh(third.as_str()).await?;
        let fourth = again.refresh_token;
        let repeated = sessions.refresh(third.as_str()).await?;
        check!(repeated.refresh_token.as_str() == fourth.as_str(), "the token has two successors");
        expect(&sessions, fourth.as_str(), Verdict::Rotated).await?;
        for (token, expected) in [(&first, Verdict::Stolen), (&second, Verdict::Ended), (&third, Verdict::Ended)] {
            expect(&sessions, token.as_str(), expected).await?;
        }
        Ok(())
    })
    .await
}

pub(super) async fn crash_in_a_step_up_loses_nothing(store: Store) -> Outcome {
    let clock = clock();
    let sessions = machine(&store, &clock)?;
    let stronger = || facts().with_amr(["pwd", "otp"]);
    let work = async |dying: Store| {
        let subject = subject()?;
        let token = sessions.start(&subject, facts()).await?.refresh_token;
        let machine = machine(&dying, &clock)?;
        let step_up = {
            let (subject, token) = (subject.clone(), token.clone());
            async move { drop(machine.reauthenticate(token.as_str(), &subject, stronger()).await) }
        };
        Ok((step_up, (subject, token)))
    };
    at_each_step(&store, work, async |(subject, token), _| {
        let other = sessions.reauthenticate(token.as_str(), "another subject", stronger()).await;
        check!(matches!(other, Err(SessionsError::OtherSubject)), "another subject stepped up");
        let again = sessions.reauthenticate(token.as_str(), &subject, stronger()).await?;
        check!(again.session.facts == stronger(), "the facts are the old ones");
        let next = sessions.refresh(again.refresh_token.as_str()).await?;
        check!(next.session.facts == stronger(), "the next refresh has the old facts");
        expect(&sessions, token.as_str(), Verdict::WithinGrace)
            .await
            .err()
            .ok_or("the grace outlived its successor")?;
        Ok(())
    })
    .await
}

pub(super) async fn crash_in_a_log_out_opens_nothing(store: Store) -> Outcome {
    let clock = clock();
    let sessions = machine(&store, &clock)?;
    let work = async |dying: Store| {
        let tokens = chain(&sessions).await?;
        let (machine, last) = (machine(&dying, &clock)?, tokens[2].clone());
        Ok((async move { drop(machine.log_out(last.as_str()).await) }, tokens))
    };
    at_each_step(&store, work, async |tokens, _| {
        match sessions.log_out(tokens[2].as_str()).await {
            Ok(()) | Err(SessionsError::Refused(Verdict::Ended)) => {}
            Err(error) => return Err(format!("the second attempt failed: {error:?}").into()),
        }
        for token in &tokens {
            expect(&sessions, token.as_str(), Verdict::Ended).await?;
        }
        Ok(())
    })
    .await
}

pub(super) async fn crash_in_a_theft_admits_no_old_token(store: Store) -> Outcome {
    let clock = clock();
    let sessions = machine(&store, &clock)?;
    let work = async |dying: Store| {
        let tokens = chain(&sessions).await?;
        let (machine, first) = (machine(&dying, &clock)?, tokens[0].clone());
        Ok((async move { drop(machine.refresh(first.as_str()).await) }, tokens))
    };
    at_each_step(&store, work, async |[first, second, third], _| {
        for old in [&first, &second] {
            let verdict = verdict(&sessions.refresh(old.as_str()).await)?;
            check!(matches!(verdict, Verdict::Stolen | Verdict::Ended), "an old token is {verdict}");
        }
        expect(&sessions, third.as_str(), Verdict::Ended).await
    })
    .await
}

pub(super) async fn crash_in_a_redemption_never_redeems_twice(store: Store) -> Outcome {
    let clock = clock();
    let tokens_on = |store: &Store| -> Outcome<_> {
        let sessions = Sessions::builder(store.clone(), keys()?).clock(clock.clone()).build()?;
        Ok(sessions.purpose_tokens("password reset", std::time::Duration::from_secs(600))?)
    };
    let resets = tokens_on(&store)?;
    let work = async |dying: Store| {
        let token = resets.issue(&subject()?, b"state").await?;
        let dying = tokens_on(&dying)?;
        let redeemed = {
            let token = token.clone();
            async move { drop(dying.redeem(token.as_str(), b"state").await) }
        };
        Ok((redeemed, token))
    };
    at_each_step(&store, work, async |token, step| {
        let first = resets.redeem(token.as_str(), b"state").await.is_ok();
        let second = resets.redeem(token.as_str(), b"state").await.is_ok();
        check!(!second, "the token was redeemed twice");
        check!(step.is_some() || !first, "the token was redeemed after it had been redeemed");
        Ok(())
    })
    .await
}

/// The three tokens of a new session. The second and the third came from refreshes.
async fn chain(sessions: &Sessions) -> Outcome<[RefreshToken; 3]> {
    let first = sessions.start(&subject()?, facts()).await?.refresh_token;
    let second = sessions.refresh(first.as_str()).await?.refresh_token;
    let third = sessions.refresh(second.as_str()).await?.refresh_token;
    Ok([first, second, third])
}
