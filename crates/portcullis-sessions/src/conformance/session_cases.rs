//! Cases for sessions, one request after the other.

use std::sync::Arc;
use std::time::Duration;

use super::at_once::{START, builder, clock, expect, facts, machine, subject};
use super::{Outcome, check};
use crate::{PurposeTokenError, SessionStore, Sessions, SessionsError, SuccessorKeys, Verdict};

type Store = Arc<dyn SessionStore>;

const SECOND: Duration = Duration::from_secs(1);

pub(super) async fn used_token_outside_the_grace_ends_the_family(store: Store) -> Outcome {
    let clock = clock();
    let sessions = machine(&store, &clock)?;
    let first = sessions.start(&subject()?, facts()).await?.refresh_token;
    let second = sessions.refresh(first.as_str()).await?.refresh_token;
    // Within the grace of the first token: using its successor ends the grace.
    let third = sessions.refresh(second.as_str()).await?.refresh_token;
    expect(&sessions, first.as_str(), Verdict::Stolen).await?;
    for token in [&first, &second, &third] {
        expect(&sessions, token.as_str(), Verdict::Ended).await?;
    }
    Ok(())
}

pub(super) async fn unused_successor_makes_the_old_token_orphaned(store: Store) -> Outcome {
    let clock = clock();
    let sessions = machine(&store, &clock)?;
    let first = sessions.start(&subject()?, facts()).await?.refresh_token;
    let second = sessions.refresh(first.as_str()).await?.refresh_token;
    clock.advance(Duration::from_millis(9_999));
    expect(&sessions, first.as_str(), Verdict::WithinGrace).await?;
    clock.advance(Duration::from_millis(1));
    expect(&sessions, first.as_str(), Verdict::Orphaned).await?;
    expect(&sessions, second.as_str(), Verdict::Ended).await
}

pub(super) async fn logging_out_selects_the_right_sessions(store: Store) -> Outcome {
    let sessions = machine(&store, &clock())?;
    let (alice, bob) = (subject()?, subject()?);
    let mut logins = Vec::new();
    for subject in [&alice, &alice, &alice, &bob] {
        logins.push(sessions.start(subject, facts()).await?);
    }
    let [one, two, three, other] = &logins[..] else { return Err("four logins are expected".into()) };
    check!(!sessions.log_out_one(&bob, &one.session.id).await?, "bob ended a session of alice");
    check!(sessions.log_out_one(&alice, &one.session.id).await?, "alice could not end her session");
    check!(sessions.log_out_others(&alice, &two.session.id).await? == 1, "the other session did not end");
    for (login, expected) in [(one, Verdict::Ended), (three, Verdict::Ended), (two, Verdict::Rotated)] {
        expect(&sessions, login.refresh_token.as_str(), expected).await?;
    }
    check!(sessions.list(&alice).await?.len() == 1, "the list of alice is wrong");
    check!(sessions.log_out_everywhere(&alice).await? == 1, "the last session did not end");
    check!(sessions.find_open(&two.session.id).await?.is_none(), "an ended session is open");
    expect(&sessions, other.refresh_token.as_str(), Verdict::Rotated).await
}

pub(super) async fn lifetimes_end_sessions(store: Store) -> Outcome {
    let clock = clock();
    let sessions = builder(&store, &clock)?.idle_lifetime(SECOND * 100).absolute_lifetime(SECOND * 250).build()?;
    let idle = sessions.start(&subject()?, facts()).await?.refresh_token;
    let mut used = sessions.start(&subject()?, facts()).await?.refresh_token;
    for _ in 0..4 {
        clock.advance(SECOND * 60);
        used = sessions.refresh(used.as_str()).await?.refresh_token;
    }
    expect(&sessions, idle.as_str(), Verdict::Expired).await?;
    clock.advance(SECOND * 10);
    expect(&sessions, used.as_str(), Verdict::Expired).await
}

pub(super) async fn control_characters_are_refused_or_removed(store: Store) -> Outcome {
    let sessions = machine(&store, &clock())?;
    let resets = sessions.purpose_tokens("password reset", SECOND * 600)?;
    let alice = subject()?;
    for control in ['\0', '\n', '\u{1b}', '\u{7f}', '\u{85}'] {
        let bad = format!("a{control}b");
        let results = [
            sessions.start(&bad, facts()).await,
            sessions.start(&alice, facts().with_acr(bad.clone())).await,
            sessions.start(&alice, facts().with_amr([bad.clone()])).await,
        ];
        for result in results {
            check!(matches!(result, Err(SessionsError::InvalidInput { .. })), "{control:?} is not refused");
        }
        let issued = resets.issue(&bad, b"state").await;
        check!(matches!(issued, Err(PurposeTokenError::InvalidInput { .. })), "{control:?} is not refused");

        // A request may have it in these values, and gets the answer for unknown ones.
        let login = sessions.start_labeled(&alice, facts(), &bad).await?;
        check!(login.session.label.as_deref() == Some("ab"), "the label has {control:?}");
        let id = format!("{}{control}", login.session.id);
        check!(sessions.find_open(&id).await?.is_none(), "a session was found by another name");
        check!(!sessions.log_out_one(&alice, &id).await?, "a session ended by another name");
        check!(!sessions.revoke_session(&id).await?, "a session ended by another name");
        check!(sessions.list(&bad).await?.is_empty(), "another subject has sessions");
        check!(sessions.log_out_everywhere(&bad).await? == 0, "another subject has sessions");
        sessions.revoke_token(&bad, facts().auth_time).await?;
        check!(sessions.is_token_revoked(&bad).await?, "the token is not revoked");
        let token = login.refresh_token.as_str();
        expect(&sessions, &format!("{token}{control}"), Verdict::Unknown).await?;
        let redeemed = resets.redeem(&format!("{token}{control}"), b"state").await;
        check!(matches!(redeemed, Err(PurposeTokenError::Refused)), "a purpose token was found by another text");
        let purpose = resets.issue(&alice, bad.as_bytes()).await?;
        check!(resets.redeem(purpose.as_str(), bad.as_bytes()).await? == alice, "the state is another one");
        expect(&sessions, token, Verdict::Rotated).await?;
    }
    Ok(())
}

pub(super) async fn purpose_tokens_die_with_the_state(store: Store) -> Outcome {
    let clock = clock();
    let sessions = machine(&store, &clock)?;
    let resets = sessions.purpose_tokens("password reset", SECOND * 600)?;
    let mails = sessions.purpose_tokens("e-mail", SECOND * 600)?;
    let subject = subject()?;
    let [one, two, three] = [
        resets.issue(&subject, b"old").await?,
        resets.issue(&subject, b"old").await?,
        resets.issue(&subject, b"old").await?,
    ];
    check!(mails.redeem(one.as_str(), b"old").await.is_err(), "a token was redeemed for another purpose");
    check!(mails.subject(one.as_str()).await.is_err(), "a token of another purpose has a subject");
    check!(resets.subject(one.as_str()).await? == subject, "the subject is another one");
    check!(resets.redeem(one.as_str(), b"old").await? == subject, "the subject is another one");
    check!(resets.redeem(one.as_str(), b"old").await.is_err(), "a token was redeemed twice");
    check!(resets.redeem(two.as_str(), b"new").await.is_err(), "a token was redeemed after the state had changed");
    clock.advance(SECOND * 600);
    check!(resets.redeem(three.as_str(), b"old").await.is_err(), "an expired token was redeemed");
    Ok(())
}

pub(super) async fn key_rotation_keeps_sessions_in_grace(store: Store) -> Outcome {
    let clock = clock();
    let (old, new) = (b"the old key of the conformance suite, 1", b"the new key of the conformance suite, 2");
    let with = |keys: SuccessorKeys| {
        Ok::<_, portcullis::ConfigError>(Sessions::builder(store.clone(), keys).clock(clock.clone()))
    };
    let before = with(SuccessorKeys::new(1, old)?.with_key(2, new)?)?.build()?;
    let after = with(SuccessorKeys::new(2, new)?.with_key(1, old)?)?.build()?;
    let too_early = with(SuccessorKeys::new(1, old)?)?.build()?;

    let first = before.start(&subject()?, facts()).await?.refresh_token;
    let second = before.refresh(first.as_str()).await?.refresh_token;
    let repeated = after.refresh(first.as_str()).await?;
    check!(repeated.refresh_token.as_str() == second.as_str(), "the machine with the new key gives another successor");
    let third = after.refresh(second.as_str()).await?.refresh_token;
    let repeated = before.refresh(second.as_str()).await?;
    check!(repeated.refresh_token.as_str() == third.as_str(), "the machine with the old key gives another successor");
    // A machine that lacks the key cannot answer, and it must not end the session.
    let unknown = too_early.refresh(second.as_str()).await;
    check!(matches!(unknown, Err(SessionsError::Unavailable(_))), "a machine without the key answered");
    expect(&before, third.as_str(), Verdict::Rotated).await
}

pub(super) async fn clocks_may_differ_by_five_seconds(store: Store) -> Outcome {
    let (behind, ahead) = (clock(), clock());
    ahead.set_unix(START + 5);
    let (slow, fast) = (machine(&store, &behind)?, machine(&store, &ahead)?);
    for (one, other) in [(&slow, &fast), (&fast, &slow)] {
        let mut token = one.start(&subject()?, facts()).await?.refresh_token;
        for _ in 0..5 {
            let next = one.refresh(token.as_str()).await?.refresh_token;
            let repeated = other.refresh(token.as_str()).await?;
            check!(repeated.verdict == Verdict::WithinGrace, "the other machine says {}", repeated.verdict);
            check!(repeated.refresh_token.as_str() == next.as_str(), "the other machine gives another successor");
            token = other.refresh(next.as_str()).await?.refresh_token;
        }
        // An old token is stolen on both.
        let newest = one.refresh(token.as_str()).await?.refresh_token;
        other.refresh(newest.as_str()).await?;
        expect(one, token.as_str(), Verdict::Stolen).await?;
    }

    // A clock that is further behind makes no decision about the grace: the client tries again.
    let wrong = clock();
    wrong.set_unix(START - 6);
    let wrong = machine(&store, &wrong)?;
    let first = slow.start(&subject()?, facts()).await?.refresh_token;
    let second = slow.refresh(first.as_str()).await?.refresh_token;
    let unknown = wrong.refresh(first.as_str()).await;
    check!(matches!(unknown, Err(SessionsError::Unavailable(_))), "a machine with a wrong clock answered");
    expect(&slow, second.as_str(), Verdict::Rotated).await
}
