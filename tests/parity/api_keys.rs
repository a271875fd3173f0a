//! The tables for API keys.

use std::sync::Arc;
use std::time::Duration;

use portcullis::adapter::Guard;
use portcullis::clock::ManualClock;
use portcullis::error::Unavailable;
use portcullis::verifier::ByForm;
use portcullis::{Gate, TokenSource, async_trait, scopes};
use portcullis_sessions::api_keys::{ApiKeyStore, ApiKeys, StoredApiKey, WhichApiKeys};
use portcullis_sessions::{MemoryStore, Timestamp, TokenHash};
use portcullis_testing::TestIssuer;

use crate::answer::Answer;
use crate::gates::{Gates, Scope};
use crate::requests::{NONE, Row, alice, bearing, get, row, send};

/// Keys in each state. Their owner is alice, except for one of bob.
pub(crate) struct Keys {
    service: ApiKeys,
    good: String,
    admin: String,
    of_bob: String,
    /// The two secrets of a key in a rotation.
    previous: String,
    current: String,
    /// The secret before, after its overlap.
    replaced: String,
    /// A secret from before two rotations.
    forgotten: String,
    expired: String,
    revoked: String,
    /// Good forms that the store never had.
    unknown: Vec<String>,
}

/// The field for keys.
fn header() -> TokenSource {
    TokenSource::header("X-API-Key")
}

impl Keys {
    pub(crate) fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(Self::make())
    }

    async fn make() -> Self {
        const HOUR: Duration = Duration::from_secs(3_600);
        let clock = Arc::new(ManualClock::at_unix(1_800_000_000));
        let service = ApiKeys::builder(MemoryStore::new()).clock(clock.clone()).build().unwrap();
        let make = async |owner: &str, scopes: &str| {
            service.create(owner, "parity", scopes.split_ascii_whitespace(), Some(HOUR * 10)).await.unwrap()
        };
        let text = |made: &portcullis_sessions::api_keys::NewApiKey| made.secret.as_str().to_owned();
        let expired = service.create("alice", "", ["admin"], Some(HOUR)).await.unwrap();
        let (rotated, twice) = (make("alice", "").await, make("alice", "").await);
        let replaced = service.rotate("alice", &twice.key.id, Duration::ZERO).await.unwrap();
        clock.advance(HOUR);
        service.rotate("alice", &twice.key.id, Duration::ZERO).await.unwrap();
        let current = service.rotate("alice", &rotated.key.id, HOUR).await.unwrap();
        let revoked = make("alice", "admin").await;
        assert!(service.revoke("alice", &revoked.key.id).await.unwrap());
        let elsewhere = ApiKeys::builder(MemoryStore::new()).build().unwrap();
        let mut unknown = Vec::new();
        for _ in 0..4 {
            unknown.push(text(&elsewhere.create("alice", "", ["admin"], None).await.unwrap()));
        }
        Self {
            good: text(&make("alice", "read:messages write:messages").await),
            admin: text(&make("alice", "admin").await),
            of_bob: text(&make("bob", "admin").await),
            previous: text(&rotated),
            current: text(&current),
            replaced: text(&replaced),
            forgotten: text(&twice),
            expired: text(&expired),
            revoked: text(&revoked),
            unknown,
            service,
        }
    }

    /// The scopes that these tables ask.
    pub(crate) fn parts(&self, issuer: &TestIssuer) -> [Scope; 8] {
        let gate = || Gate::new(self.service.clone());
        let (header_first, bearer_first) =
            ([header(), TokenSource::authorization()], [TokenSource::authorization(), header()]);
        let jwt = issuer.verifier().build().unwrap();
        let either = ByForm::builder().prefix("pk_", self.service.clone()).jwt(jwt).build().unwrap();
        let outage = Gate::new(ApiKeys::builder(Down).build().unwrap());
        [
            Scope::open("/api-key", gate().with_token_sources([header()])),
            Scope::open("/api-key-bearer", gate()),
            Scope::open("/api-key-first", gate().with_token_sources(header_first.clone())),
            Scope::open("/api-key-second", gate().with_token_sources(bearer_first)),
            Scope::open("/api-key-or-jwt", Gate::new(either).with_token_sources(header_first)),
            Scope::open("/api-key-outage", outage.clone().with_token_sources([header()])),
            Scope::guarded(
                "/guarded-api-key",
                Guard::new(gate().with_token_sources([header()])).require(scopes("admin")),
            ),
            Scope::guarded("/guarded-api-key-optional", Guard::new(outage.with_token_sources([header()])).optional()),
        ]
    }
}

fn with_key(path: &str, key: &str) -> Vec<u8> {
    get(path, &[("X-API-Key", key)])
}

pub(crate) fn let_in(gates: &Gates) -> Vec<Row> {
    let keys = &gates.api_keys;
    let ok = || Answer::ok("alice");
    let token = alice(gates).sign();
    vec![
        row("good", with_key("/api-key/private", &keys.good), ok()),
        row("name in lower case", get("/api-key/private", &[("x-api-key", &keys.good)]), ok()),
        row("space around", get("/api-key/private", &[("X-API-KEY", format!(" \t{} ", keys.good))]), ok()),
        row("all scopes", with_key("/api-key/scoped", &keys.good), ok()),
        row("one of the scopes", with_key("/api-key/any-scope", &keys.admin), ok()),
        row("optional", with_key("/api-key/greeting", &keys.good), ok()),
        row("optional without a key", get("/api-key/greeting", &NONE), Answer::ok("anonymous")),
        row("another owner", with_key("/api-key/private", &keys.of_bob), Answer::ok("bob")),
        row("previous secret in the overlap", with_key("/api-key/private", &keys.previous), ok()),
        row("current secret in the overlap", with_key("/api-key/private", &keys.current), ok()),
        row("POST", send("POST", "/api-key/private", &[("X-API-Key", &keys.good)], b"unread"), ok()),
        row("HEAD", send("HEAD", "/api-key/private", &[("X-API-Key", &keys.good)], b""), ok().without_body()),
        row("as a bearer", bearing("/api-key-bearer/private", &keys.good), ok()),
        row("guarded", with_key("/guarded-api-key/open", &keys.admin), Answer::ok("open")),
        row("guarded, with an extractor", with_key("/guarded-api-key/private", &keys.admin), ok()),
        row("key next to tokens", with_key("/api-key-or-jwt/private", &keys.good), ok()),
        row("key as a bearer next to tokens", bearing("/api-key-or-jwt/private", &keys.good), ok()),
        row("token next to keys", bearing("/api-key-or-jwt/private", &token), ok()),
        row("token in the field for keys", with_key("/api-key-or-jwt/private", &token), ok()),
    ]
}

pub(crate) fn bad_keys(gates: &Gates) -> Vec<Row> {
    let keys = &gates.api_keys;
    let good = keys.good.as_str();
    let (body, checksum) = good.split_at(good.len() - 6);
    let swapped = format!("pk_{}{}{}", &good[4..5], &good[3..4], &good[5..]);
    let other_checksum = keys.admin.split_at(good.len() - 6).1;
    let malformed = [
        ("prefix only", "pk_".to_owned()),
        ("prefix in upper case", good.replace("pk_", "PK_")),
        ("other prefix", good.replace("pk_", "sk_")),
        ("no prefix", good[3..].to_owned()),
        ("prefix twice", format!("pk_{good}")),
        ("one character less", good[..good.len() - 1].to_owned()),
        ("one character more", format!("{good}0")),
        ("padding", format!("{good}=")),
        ("two keys in one", format!("{good}{good}")),
        ("checksum missing", body.to_owned()),
        ("checksum of another key", format!("{body}{other_checksum}")),
        ("checksum of zeros", format!("{body}000000")),
        ("two characters swapped", if swapped == *good { format!("{good}1") } else { swapped }),
        ("all in lower case", good.to_ascii_lowercase()),
        ("base64url character", format!("{}-{checksum}", &body[..body.len() - 1])),
        ("a dot", format!("{}.{checksum}", &body[..body.len() - 1])),
        ("very long", format!("pk_{}", "a".repeat(7_000))),
        ("a JWT", alice(gates).sign()),
        ("three dots", "a.b.c".to_owned()),
        ("a word", "secret".to_owned()),
        ("a refresh token", format!("pcr1_{}", "A".repeat(64))),
    ];
    let mut rows = Vec::new();
    for (name, key) in malformed {
        rows.push(row(name, with_key("/api-key/private", &key), Answer::invalid_token("malformed")));
        rows.push(row(name, bearing("/api-key-bearer/private", &key), Answer::invalid_token("malformed")));
    }
    let states = [
        ("unknown", &keys.unknown[0], "inactive"),
        ("before two rotations", &keys.forgotten, "inactive"),
        ("replaced", &keys.replaced, "expired"),
        ("expired", &keys.expired, "expired"),
        ("revoked", &keys.revoked, "revoked"),
    ];
    for (name, key, reason) in states {
        for path in ["/api-key/private", "/api-key/scoped", "/api-key/greeting", "/guarded-api-key/open"] {
            rows.push(row(name, with_key(path, key), Answer::invalid_token(reason)));
        }
        rows.push(row(name, bearing("/api-key-bearer/private", key), Answer::invalid_token(reason)));
        rows.push(row(name, with_key("/api-key-or-jwt/private", key), Answer::invalid_token(reason)));
    }
    let revoked = [("X-API-Key", keys.revoked.as_str())];
    rows.extend([
        row("HEAD", send("HEAD", "/api-key/private", &revoked, b""), Answer::invalid_token("revoked").without_body()),
        row("body", send("POST", "/api-key/private", &revoked, b"unread"), Answer::invalid_token("revoked")),
    ]);
    rows
}

pub(crate) fn malformed_fields(gates: &Gates) -> Vec<Row> {
    let keys = &gates.api_keys;
    let (good, admin) = (keys.good.as_str(), keys.admin.as_str());
    let mut rows = Vec::new();
    for path in ["/api-key/private", "/api-key/greeting", "/guarded-api-key/open", "/api-key-first/private"] {
        let twice = |one: &str, other: &str| get(path, &[("X-API-Key", one), ("x-api-key", other)]);
        rows.extend([
            row("two equal fields", twice(good, good), Answer::repeated()),
            row("two fields", twice(good, admin), Answer::repeated()),
            row("good and empty field", twice(good, ""), Answer::repeated()),
            row("empty", with_key(path, ""), Answer::malformed_token()),
            row("two keys in a list", with_key(path, &format!("{good},{admin}")), Answer::malformed_token()),
            row("scheme", with_key(path, &format!("Bearer {good}")), Answer::malformed_token()),
            row("quoted", with_key(path, &format!("\"{good}\"")), Answer::malformed_token()),
            row("space inside", with_key(path, &good.replace("pk_", "pk_ ")), Answer::malformed_token()),
            row("byte outside ASCII", with_key(path, &format!("{good}\u{e9}")), Answer::malformed_token()),
        ]);
    }
    rows
}

/// The order of the sources decides, and a bad credential is never saved by a good one.
pub(crate) fn both_fields(gates: &Gates) -> Vec<Row> {
    let keys = &gates.api_keys;
    let both = |path: &str, bearer: &str, key: &str| {
        get(path, &[("Authorization", format!("Bearer {bearer}")), ("X-API-Key", key.to_owned())])
    };
    let (good, bob, bad, unknown) = (&keys.good, &keys.of_bob, &keys.revoked, &keys.unknown[1]);
    let (first, second) = ("/api-key-first/private", "/api-key-second/private");
    let refused = Answer::invalid_token;
    let token = alice(gates).sign();
    vec![
        row("the key decides", both(first, good, bob), Answer::ok("bob")),
        row("the bearer decides", both(second, good, bob), Answer::ok("alice")),
        row("bad key, good bearer", both(first, good, bad), refused("revoked")),
        row("bad bearer, good key", both(second, bad, good), refused("revoked")),
        row("good key, bad bearer", both(first, bad, good), Answer::ok("alice")),
        row("good bearer, bad key", both(second, good, bad), Answer::ok("alice")),
        row("unknown key, good bearer", both(first, good, unknown), refused("inactive")),
        row("broken key, good bearer", both(first, good, "pk_"), refused("malformed")),
        row("empty key, good bearer", both(first, good, ""), Answer::malformed_token()),
        row("broken bearer, good key", both(second, "a b", good), Answer::malformed_authorization()),
        row("only the key", with_key(second, bob), Answer::ok("bob")),
        row("only the bearer", bearing(first, bob), Answer::ok("bob")),
        row(
            "Basic and the key",
            get(second, &[("Authorization", "Basic eA=="), ("X-API-Key", bob)]),
            Answer::ok("bob"),
        ),
        row(
            "two bearers, unread behind the key",
            get(first, &[("Authorization", "Bearer a"), ("Authorization", "Bearer b"), ("X-API-Key", bob)]),
            Answer::ok("bob"),
        ),
        row("key only, and a bearer", both("/api-key/private", good, bob), Answer::ok("bob")),
        row("key where bearers are read", with_key("/api-key-bearer/private", good), Answer::missing_token()),
        row("bearer where keys are read", bearing("/api-key/private", good), Answer::missing_token()),
        row("bearer where keys are read, optional", bearing("/api-key/greeting", good), Answer::ok("anonymous")),
        row("good token, bad key", both("/api-key-or-jwt/private", &token, bad), refused("revoked")),
        row("bad token, good key", both("/api-key-or-jwt/private", "a.b.c", bob), Answer::ok("bob")),
        row("neither a key nor a token", bearing("/api-key-or-jwt/private", "abc"), refused("opaque_token")),
        row("nothing", get(first, &NONE), Answer::missing_token()),
    ]
}

/// Keys under another scheme, and keys without what a policy demands.
pub(crate) fn lacking(gates: &Gates) -> Vec<Row> {
    let keys = &gates.api_keys;
    let under = |scheme: &str, path: &str| get(path, &[("Authorization", format!("{scheme} {}", keys.good))]);
    vec![
        row("DPoP", under("DPoP", "/api-key-bearer/private"), Answer::missing_token()),
        row("DPoP, optional", under("DPoP", "/api-key-bearer/greeting"), Answer::missing_token()),
        row("DPoP next to tokens", under("DPoP", "/api-key-or-jwt/private"), Answer::missing_token()),
        row("ApiKey scheme", under("ApiKey", "/api-key-bearer/private"), Answer::missing_token()),
        row(
            "no scheme",
            get("/api-key-bearer/private", &[("Authorization", &keys.good)]),
            Answer::malformed_authorization(),
        ),
        row(
            "scopes",
            with_key("/api-key/scoped", &keys.admin),
            Answer::insufficient_scope("read:messages write:messages"),
        ),
        row(
            "no scopes",
            with_key("/api-key/any-scope", &keys.current),
            Answer::insufficient_scope("read:messages admin"),
        ),
        row("role", with_key("/api-key/role", &keys.admin), Answer::insufficient()),
        row("guard", with_key("/guarded-api-key/open", &keys.good), Answer::insufficient_scope("admin")),
    ]
}

pub(crate) fn outages(gates: &Gates) -> Vec<Row> {
    let keys = &gates.api_keys;
    vec![
        row("store down", with_key("/api-key-outage/private", &keys.good), Answer::unavailable("7")),
        row("store down, optional", with_key("/api-key-outage/greeting", &keys.good), Answer::unavailable("7")),
        row("store down, guarded", with_key("/guarded-api-key-optional/open", &keys.good), Answer::unavailable("7")),
        row("broken key", with_key("/api-key-outage/private", "pk_x"), Answer::invalid_token("malformed")),
        row("no key, guarded", get("/guarded-api-key-optional/open", &NONE), Answer::ok("open")),
    ]
}

/// A store that is down.
#[derive(Debug)]
struct Down;

impl Down {
    fn unavailable<T>() -> Result<T, Unavailable> {
        let unavailable = Unavailable::new().with_source("the password of the database is hunter2");
        Err(unavailable.with_retry_after(Duration::from_secs(7)))
    }
}

#[async_trait]
impl ApiKeyStore for Down {
    async fn insert_api_key(&self, _: &StoredApiKey) -> Result<(), Unavailable> {
        Self::unavailable()
    }

    async fn find_api_key(&self, _: &str) -> Result<Option<StoredApiKey>, Unavailable> {
        Self::unavailable()
    }

    async fn find_api_key_by_hash(&self, _: &TokenHash) -> Result<Option<StoredApiKey>, Unavailable> {
        Self::unavailable()
    }

    async fn api_keys_of(&self, _: &str) -> Result<Vec<StoredApiKey>, Unavailable> {
        Self::unavailable()
    }

    async fn replace_api_key_secret(&self, _: &StoredApiKey) -> Result<bool, Unavailable> {
        Self::unavailable()
    }

    async fn revoke_api_keys(&self, _: WhichApiKeys<'_>, _: Timestamp) -> Result<u64, Unavailable> {
        Self::unavailable()
    }

    async fn note_api_key_use(&self, _: &TokenHash, _: Timestamp) -> Result<(), Unavailable> {
        Self::unavailable()
    }

    async fn remove_ended_api_keys(&self, _: Timestamp, _: u32) -> Result<u64, Unavailable> {
        Self::unavailable()
    }
}
