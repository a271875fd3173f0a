//! `portcullis apikey` on SQLite.

#![cfg(feature = "apikey")]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests may fail by panic; clippy can't tell that these functions are tests"
)]

mod support;

use portcullis_sessions::api_keys::{ApiKeyStore as _, StoredApiKey};
use portcullis_sessions::{SqlStore, Timestamp, TokenHash};
use serde_json::Value;

use crate::support::{Folder, Outcome, run};

/// A database that one test uses.
struct Database(String);

impl Database {
    fn new(name: &str) -> Self {
        let folder = Folder::new(&format!("apikey-{name}"));
        // An empty file is an empty database.
        Self(format!("sqlite:{}", folder.file("keys.db", "")))
    }

    fn run(&self, arguments: &[&str]) -> Outcome {
        self.run_with_input(arguments, b"")
    }

    fn run_with_input(&self, arguments: &[&str], input: &[u8]) -> Outcome {
        let (command, rest) = arguments.split_first().unwrap();
        let all = ["apikey", command, "--database", &self.0].into_iter().chain(rest.iter().copied());
        run(all.map(str::to_owned), input)
    }

    /// Makes a key, and returns it with its description.
    fn new_key(&self, arguments: &[&str]) -> Value {
        let outcome = self.run(&[&["new", "--json", "--owner", "alice"], arguments].concat());
        assert_eq!(outcome.status, 0, "{outcome:?}");
        serde_json::from_str(&outcome.stdout).unwrap()
    }

    fn list(&self, owner: &str) -> Vec<Value> {
        let outcome = self.run(&["list", "--json", "--owner", owner]);
        assert_eq!(outcome.status, i32::from(outcome.stdout.is_empty()), "{outcome:?}");
        outcome.verdicts()
    }
}

#[test]
fn new_key_is_the_only_output() {
    let database = Database::new("new");
    let outcome =
        database.run(&["new", "--owner", "alice", "--label", "CI \u{202e}", "--scope", "read", "--scope", "write"]);
    assert_eq!(outcome.status, 0, "{outcome:?}");
    let key = outcome.stdout.strip_suffix('\n').unwrap();
    assert!(key.len() == 52 && key.starts_with("pk_"), "{key}");
    assert!(!outcome.stderr.contains(key) && outcome.stderr.contains("shown once"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("expires in 89 days") || outcome.stderr.contains("expires in 90 days"));
    assert!(outcome.stderr.contains("scopes read write") && !outcome.stderr.contains('\u{202e}'), "{}", outcome.stderr);

    let listed = database.run(&["list", "--owner", "alice"]);
    assert_eq!(listed.status, 0, "{listed:?}");
    assert!(listed.stdout.contains("active") && listed.stdout.contains("never used"), "{}", listed.stdout);
    assert!(!listed.stdout.contains(key));
    let file = std::fs::read(database.0.strip_prefix("sqlite:").unwrap()).unwrap();
    assert!(!file.windows(20).any(|bytes| bytes == &key.as_bytes()[3..23]), "the database has the key");
}

#[test]
fn json_has_every_member() {
    let database = Database::new("json");
    let made = database.new_key(&["--label", "CI", "--scope", "read", "--expires-in", "12h"]);
    let (created, expires) = (made["created_at"].as_i64().unwrap(), made["expires_at"].as_i64().unwrap());
    assert_eq!(expires - created, 43_200);
    let expected = serde_json::json!({
        "key": made["key"], "id": made["id"], "owner": "alice", "label": "CI", "scopes": ["read"], "status": "active",
        "created_at": created, "issued_at": created, "expires_at": expires, "last_used_at": null, "revoked_at": null,
        "previous": null,
    });
    assert_eq!(made, expected);
    let mut listed = expected;
    listed.as_object_mut().unwrap().remove("key");
    assert_eq!(database.list("alice"), [listed]);
    let eternal = database.new_key(&["--never-expires", "--prefix", "acme_"]);
    assert_eq!((eternal["expires_at"].clone(), eternal["scopes"].clone()), (Value::Null, serde_json::json!([])));
    assert!(eternal["key"].as_str().unwrap().starts_with("acme_"));
    assert_eq!(database.list("alice").len(), 2);
    assert_eq!(database.list("Alice").len(), 0);
}

#[test]
fn key_is_revoked_by_name_text_or_owner() {
    let database = Database::new("revoke");
    let keys: Vec<Value> = (0..4).map(|_| database.new_key(&[])).collect();
    let id = keys[0]["id"].as_str().unwrap();
    let by_name = database.run(&["revoke", "--", id]);
    assert_eq!((by_name.status, by_name.stdout.as_str()), (0, ""), "{by_name:?}");
    assert_eq!(database.run(&["revoke", "--", id]).status, 1, "it was revoked before");
    assert_eq!(database.run(&["revoke", "unknown"]).status, 1);

    let text = format!(" {}\r\n", keys[1]["key"].as_str().unwrap());
    let by_text = database.run_with_input(&["revoke", "-", "--json"], text.as_bytes());
    assert_eq!((by_text.status, by_text.stdout.as_str()), (0, "{\"revoked\":1}\n"), "{by_text:?}");
    assert_eq!(database.run_with_input(&["revoke", "-"], b"pk_not_a_key").status, 1);
    assert_eq!(database.run_with_input(&["revoke", "-"], b"").status, 1);

    let of_owner = database.run(&["revoke", "--owner", "alice", "--json"]);
    assert_eq!((of_owner.status, of_owner.stdout.as_str()), (0, "{\"revoked\":2}\n"), "{of_owner:?}");
    assert_eq!(database.run(&["revoke", "--owner", "bob"]).status, 1);
    assert!(database.list("alice").iter().all(|key| key["status"] == "revoked"));
}

#[test]
fn name_that_begins_with_a_hyphen_is_no_flag() {
    let database = Database::new("hyphen");
    for (number, id) in (0..).zip(["-hG1pQb0JTQ6mZ0a0yqS2V", "-VjsonQ6mZ0a0yqS2VkG1p", "--json6mZ0a0yqS2VkG1pQ"]) {
        insert(&database, number, id);
        let unknown = database.run(&["revoke", &id.replace('Q', "R"), "--json"]);
        assert_eq!((unknown.status, unknown.stdout.as_str()), (1, "{\"revoked\":0}\n"), "{unknown:?}");
        let revoked = database.run(&["revoke", id, "--json"]);
        assert_eq!((revoked.status, revoked.stdout.as_str()), (0, "{\"revoked\":1}\n"), "{revoked:?}");
        assert_eq!(database.run(&["revoke", "--", id]).status, 1, "it was revoked before");
    }
}

/// Stores a key with a name as keys of before may have it.
fn insert(database: &Database, number: u8, id: &str) {
    let made = Timestamp::from_unix_millis(1_700_000_000_000);
    let key = StoredApiKey {
        id: id.to_owned(),
        hash: TokenHash::from_bytes([number; 32]),
        owner: "alice".to_owned(),
        label: String::new(),
        scopes: Vec::new(),
        version: 0,
        created_at: made,
        issued_at: made,
        expires_at: None,
        previous: None,
        last_used_at: None,
        revoked_at: None,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        SqlStore::builder(&database.0).connect().await.unwrap().insert_api_key(&key).await.unwrap();
    });
}

#[test]
fn wrong_usage_exits_with_2() {
    let database = Database::new("usage");
    let refused = |arguments: &[&str]| {
        let outcome = database.run(arguments);
        assert_eq!((outcome.status, outcome.stdout.as_str()), (2, ""), "{outcome:?}");
        outcome.stderr
    };
    for (arguments, flag) in [
        (&["new", "--owner", ""][..], "--owner"),
        (&["new", "--owner", "a\nb"], "--owner"),
        (&["new", "--owner", "alice", "--label", "a\nb"], "--label"),
        (&["new", "--owner", "alice", "--scope", "a b"], "--scope"),
        (&["new", "--owner", "alice", "--expires-in", "0s"], "--expires-in"),
        (&["new", "--owner", "alice", "--expires-in", "soon"], "--expires-in"),
        (&["new", "--owner", "alice", "--expires-in", "1d", "--never-expires"], "--never-expires"),
        (&["new", "--owner", "alice", "--prefix", "PK"], "prefix"),
        (&["new", "--owner", "alice", "--table-prefix", "a b"], "table_prefix"),
        (&["new"], "--owner"),
        (&["list"], "--owner"),
        (&["revoke"], "ID"),
        (&["revoke", "id", "--owner", "alice"], "--owner"),
    ] {
        let message = refused(arguments);
        assert!(message.contains(flag), "{arguments:?}: {message}");
    }
    assert_eq!(database.list("alice").len(), 0);
}

#[test]
fn secrets_in_arguments_are_refused_and_not_repeated() {
    let database = Database::new("arguments");
    let key = database.new_key(&[])["key"].as_str().unwrap().to_owned();
    let outcome = database.run(&["revoke", &key]);
    assert_eq!(outcome.status, 2, "{outcome:?}");
    assert!(!outcome.stderr.contains(&key) && outcome.stderr.contains("standard input"), "{}", outcome.stderr);
    for url in ["postgres://user:hunter2@localhost/db", "mysql://user:hunter2@localhost/db"] {
        let outcome = run(["apikey", "list", "--owner", "alice", "--database", url].map(str::to_owned), b"");
        assert_eq!(outcome.status, 2, "{outcome:?}");
        assert!(outcome.stderr.contains("DATABASE_URL") && !outcome.stderr.contains("hunter2"), "{}", outcome.stderr);
    }
}

#[test]
fn database_that_is_unavailable_exits_with_2() {
    for url in ["sqlite:/no/such/folder/keys.db", "oracle://host/db", "postgres://user@127.0.0.1:1/db"] {
        let outcome = run(["apikey", "list", "--owner", "alice", "--database", url].map(str::to_owned), b"");
        assert!(outcome.fails().contains("database"), "{outcome:?}");
    }
}
