//! What the recipes need from a service: its users, and a way to send mail. Yours are a table and a mail service.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// An account.
#[derive(Clone)]
pub(crate) struct Account {
    pub(crate) subject: String,
    pub(crate) email: String,
    pub(crate) password_hash: String,
    pub(crate) is_verified: bool,
}

/// The accounts, by subject.
#[derive(Clone, Default)]
pub(crate) struct Accounts(Arc<Mutex<BTreeMap<String, Account>>>);

impl Accounts {
    pub(crate) fn with_ada() -> Self {
        let (subject, email) = ("1".to_owned(), "ada@example.com".to_owned());
        let accounts = Self::default();
        accounts.put(Account { subject, email, password_hash: "old hash".to_owned(), is_verified: false });
        accounts
    }

    pub(crate) fn by_subject(&self, subject: &str) -> Option<Account> {
        self.0.lock().unwrap().get(subject).cloned()
    }

    pub(crate) fn by_email(&self, email: &str) -> Option<Account> {
        self.0.lock().unwrap().values().find(|account| account.email == email).cloned()
    }

    pub(crate) fn put(&self, account: Account) {
        self.0.lock().unwrap().insert(account.subject.clone(), account);
    }
}

/// Mail that was sent: addresses and texts.
#[derive(Clone, Default)]
pub(crate) struct Outbox(Arc<Mutex<Vec<(String, String)>>>);

impl Outbox {
    pub(crate) fn send(&self, to: &str, text: String) {
        self.0.lock().unwrap().push((to.to_owned(), text));
    }

    pub(crate) fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// The token in the last mail.
    pub(crate) fn last_token(&self) -> String {
        self.0.lock().unwrap().last().unwrap().1.rsplit('=').next().unwrap().to_owned()
    }
}
