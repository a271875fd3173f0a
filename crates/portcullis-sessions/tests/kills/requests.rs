//! The requests that are interrupted: what is there before, what a process does, and what must hold after its death.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use portcullis::claims::NumericDate;
use portcullis_sessions::{AuthFacts, PurposeTokens, SessionStore, Sessions, SessionsError, SuccessorKeys, Verdict};

/// Each request, with the steps at which its process is killed.
pub(crate) const REQUESTS: [(Request, &[&str]); 6] = [
    (
        Request::LogIn,
        &["before insert", "after insert", "before open_sessions", "after open_sessions", "before end", "after end"],
    ),
    (Request::Refresh, &["before find_by_family", "after find_by_family", "before replace", "after replace"]),
    (Request::RefreshInGrace, &["before find_by_family", "after find_by_family"]),
    (Request::LogOut, &["before find_by_family", "after find_by_family", "before end", "after end"]),
    (Request::ChangePassword, &["before end", "after end"]),
    (
        Request::Redeem,
        &[
            "before find_purpose_token",
            "after find_purpose_token",
            "before take_purpose_token",
            "after take_purpose_token",
        ],
    ),
];

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Request {
    LogIn,
    Refresh,
    RefreshInGrace,
    LogOut,
    ChangePassword,
    Redeem,
}

/// What a request is about: the subject, a session and tokens.
pub(crate) struct Prepared {
    subject: String,
    session: String,
    tokens: Vec<String>,
}

const STATE: &[u8] = b"the hash of a password";

pub(crate) fn sessions(store: Arc<dyn SessionStore>) -> Sessions {
    let keys = SuccessorKeys::new(1, b"a key of the tests with 32 bytes or more").unwrap();
    Sessions::builder(store, keys).max_sessions(2).grace(Duration::from_secs(60)).build().unwrap()
}

pub(crate) fn facts() -> AuthFacts {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    AuthFacts::at(NumericDate::from_unix(i64::try_from(now).unwrap(), 0)).with_amr(["pwd"])
}

fn resets(sessions: &Sessions) -> PurposeTokens {
    sessions.purpose_tokens("password reset", Duration::from_secs(600)).unwrap()
}

impl Request {
    pub(crate) fn named(name: &str) -> Self {
        REQUESTS.into_iter().map(|(request, _)| request).find(|request| format!("{request:?}") == name).unwrap()
    }

    /// Makes what the request needs.
    pub(crate) async fn prepare(self, store: Arc<dyn SessionStore>, subject: &str) -> Prepared {
        let sessions = sessions(store);
        let first = sessions.start(subject, facts()).await.unwrap();
        let mut tokens = vec![first.refresh_token.as_str().to_owned()];
        match self {
            Self::LogIn | Self::ChangePassword => {
                let second = sessions.start(subject, facts()).await.unwrap();
                tokens.push(second.refresh_token.as_str().to_owned());
            }
            Self::Refresh | Self::RefreshInGrace | Self::LogOut => {
                for _ in 0..2 {
                    let next = sessions.refresh(tokens.last().unwrap()).await.unwrap();
                    tokens.push(next.refresh_token.as_str().to_owned());
                }
            }
            Self::Redeem => {
                tokens.push(resets(&sessions).issue(subject, STATE).await.unwrap().as_str().to_owned());
            }
        }
        Prepared { subject: subject.to_owned(), session: first.session.id, tokens }
    }

    /// Does the request, in the process that is killed.
    pub(crate) async fn run(self, store: Arc<dyn SessionStore>, prepared: &Prepared) {
        let sessions = sessions(store);
        let Prepared { subject, session, tokens } = prepared;
        match self {
            Self::LogIn => drop(sessions.start(subject, facts()).await.unwrap()),
            Self::Refresh => drop(sessions.refresh(&tokens[2]).await.unwrap()),
            Self::RefreshInGrace => {
                let again = sessions.refresh(&tokens[1]).await.unwrap();
                assert_eq!(again.verdict, Verdict::WithinGrace);
            }
            Self::LogOut => sessions.log_out(&tokens[2]).await.unwrap(),
            Self::ChangePassword => assert_eq!(sessions.log_out_others(subject, session).await.unwrap(), 1),
            Self::Redeem => drop(resets(&sessions).redeem(&tokens[1], STATE).await.unwrap()),
        }
    }

    /// Checks with new connections that no session is lost and no old token is admitted. `step` is where the process died.
    pub(crate) async fn check(self, store: Arc<dyn SessionStore>, prepared: &Prepared, step: &str) {
        let sessions = sessions(store);
        let Prepared { subject, session, tokens } = prepared;
        let verdict = async |token: &str| match sessions.refresh(token).await {
            Ok(signed_in) => signed_in.verdict,
            Err(SessionsError::Refused(verdict)) => verdict,
            Err(other) => panic!("no verdict: {other:?}"),
        };
        match self {
            Self::LogIn => {
                let listed = sessions.list(subject).await.unwrap().len();
                let left = [verdict(&tokens[0]).await, verdict(&tokens[1]).await];
                let left = left.iter().filter(|verdict| **verdict == Verdict::Rotated).count();
                let expected = match step {
                    "before insert" => (2, 2),
                    "after end" => (2, 1),
                    _ => (3, 2),
                };
                assert_eq!((listed, left), expected);
                // The user logs in again, and the maximum holds.
                let again = sessions.start(subject, facts()).await.unwrap();
                assert_eq!(sessions.list(subject).await.unwrap().len(), 2);
                assert_eq!(verdict(again.refresh_token.as_str()).await, Verdict::Rotated);
            }
            Self::Refresh => {
                let again = sessions.refresh(&tokens[2]).await.unwrap();
                let expected = if step == "after replace" { Verdict::WithinGrace } else { Verdict::Rotated };
                assert_eq!(again.verdict, expected);
                let repeated = sessions.refresh(&tokens[2]).await.unwrap();
                assert_eq!(repeated.refresh_token.as_str(), again.refresh_token.as_str());
                assert_eq!(verdict(again.refresh_token.as_str()).await, Verdict::Rotated);
                assert_eq!(verdict(&tokens[0]).await, Verdict::Stolen);
                assert_eq!(verdict(again.refresh_token.as_str()).await, Verdict::Ended);
            }
            Self::RefreshInGrace => {
                let again = sessions.refresh(&tokens[1]).await.unwrap();
                assert_eq!((again.verdict, again.refresh_token.as_str()), (Verdict::WithinGrace, tokens[2].as_str()));
                assert_eq!(verdict(&tokens[2]).await, Verdict::Rotated);
                assert_eq!(verdict(&tokens[1]).await, Verdict::Stolen);
            }
            Self::LogOut => {
                let again = sessions.log_out(&tokens[2]).await;
                let ended = matches!(again, Err(SessionsError::Refused(Verdict::Ended)));
                assert!(if step == "after end" { ended } else { again.is_ok() }, "{again:?}");
                for token in tokens {
                    assert_eq!(verdict(token).await, Verdict::Ended);
                }
            }
            Self::ChangePassword => {
                let ended = sessions.log_out_others(subject, session).await.unwrap();
                assert_eq!(ended, u64::from(step != "after end"));
                assert_eq!(verdict(&tokens[1]).await, Verdict::Ended);
                assert_eq!(verdict(&tokens[0]).await, Verdict::Rotated);
            }
            Self::Redeem => {
                let first = resets(&sessions).redeem(&tokens[1], STATE).await.is_ok();
                assert_eq!(first, step != "after take_purpose_token");
                assert!(resets(&sessions).redeem(&tokens[1], STATE).await.is_err());
                assert_eq!(verdict(&tokens[0]).await, Verdict::Rotated);
            }
        }
    }
}

impl Prepared {
    pub(crate) fn to_lines(&self) -> Vec<&str> {
        let mut lines = vec![self.subject.as_str(), self.session.as_str()];
        lines.extend(self.tokens.iter().map(String::as_str));
        lines
    }

    pub(crate) fn from_lines(lines: &[String]) -> Self {
        Self { subject: lines[0].clone(), session: lines[1].clone(), tokens: lines[2..].to_vec() }
    }
}
