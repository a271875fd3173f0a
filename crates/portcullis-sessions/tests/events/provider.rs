//! An identity provider that makes access tokens, logout tokens and security event tokens, and a service with a deny-list.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use portcullis::error::Unavailable;
use portcullis::{Gate, async_trait};
use portcullis_sessions::{DenyList, DenyListStore, MemoryStore, StoredDenial, Timestamp, TokenHash};
use portcullis_testing::{TestIssuer, TokenBuilder};
use serde_json::{Value, json};

pub(crate) const LOGOUT: &str = "http://schemas.openid.net/event/backchannel-logout";
pub(crate) const SESSION_REVOKED: &str = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";
pub(crate) const CREDENTIAL_CHANGE: &str = "https://schemas.openid.net/secevent/caep/event-type/credential-change";
pub(crate) const VERIFICATION: &str = "https://schemas.openid.net/secevent/ssf/event-type/verification";

pub(crate) struct Provider {
    pub(crate) issuer: TestIssuer,
    pub(crate) store: Arc<Switched>,
    pub(crate) deny_list: DenyList,
    pub(crate) gate: Gate,
}

impl Provider {
    pub(crate) fn new() -> Self {
        let issuer = TestIssuer::new();
        let store = Arc::new(Switched::default());
        let deny_list = DenyList::new(Arc::clone(&store), Duration::from_secs(3600)).unwrap();
        let gate = issuer.gate().with_check(deny_list.check().max_age(Duration::ZERO).unwrap());
        Self { issuer, store, deny_list, gate }
    }

    /// An access token that was issued `seconds` ago, with a session.
    pub(crate) fn access_token(&self, subject: &str, session: Option<&str>, seconds: i64) -> String {
        let token = self.issuer.token().subject(subject).issued_at(now() - seconds);
        match session {
            Some(session) => token.claim("sid", session).sign(),
            None => token.sign(),
        }
    }

    /// A good logout token for `alice` and the session `s1`.
    pub(crate) fn logout_token(&self) -> TokenBuilder {
        self.issuer
            .token()
            .header("typ", "logout+jwt")
            .audience("client-1")
            .subject("alice")
            .claim("sid", "s1")
            .claim("jti", format!("logout-{}", unique()))
            .issued_at(now() - 2)
            .expires_in(Duration::from_secs(120))
            .claim("events", json!({LOGOUT: {}}))
    }

    /// A good token with one event about `alice`.
    pub(crate) fn event(&self, uri: &str, payload: Value) -> TokenBuilder {
        self.issuer
            .token()
            .header("typ", "secevent+jwt")
            .audience("receiver-1")
            .claim("jti", format!("event-{}", unique()))
            .issued_at(now() - 2)
            .without("exp")
            .without("sub")
            .claim("sub_id", json!({"format": "iss_sub", "iss": self.issuer.url(), "sub": "alice"}))
            .claim("events", json!({uri: payload}))
    }

    /// Whether the gate lets a token in.
    pub(crate) async fn admits(&self, token: &str) -> bool {
        let request = portcullis::adapter::HeaderList::new("GET", [("authorization", format!("Bearer {token}"))]);
        match self.gate.admit(&request, &portcullis::Policy::authenticated()).await {
            Ok(_) => true,
            Err(error) => {
                assert_eq!(error.reason().unwrap().as_str(), "revoked");
                false
            }
        }
    }
}

pub(crate) fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().try_into().unwrap()
}

fn unique() -> usize {
    static NEXT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    NEXT.fetch_add(1, Ordering::SeqCst)
}

/// A store that can be down.
#[derive(Debug, Default)]
pub(crate) struct Switched {
    inner: MemoryStore,
    is_down: AtomicBool,
}

impl Switched {
    pub(crate) fn set_down(&self, is_down: bool) {
        self.is_down.store(is_down, Ordering::SeqCst);
    }

    fn inner(&self) -> Result<&MemoryStore, Unavailable> {
        if self.is_down.load(Ordering::SeqCst) { Err(Unavailable::new()) } else { Ok(&self.inner) }
    }
}

#[async_trait]
impl DenyListStore for Switched {
    async fn deny(&self, denial: &StoredDenial) -> Result<(), Unavailable> {
        self.inner()?.deny(denial).await
    }

    async fn denials(&self, names: &[TokenHash]) -> Result<Vec<StoredDenial>, Unavailable> {
        self.inner()?.denials(names).await
    }

    async fn remove_expired_denials(&self, before: Timestamp, limit: u32) -> Result<u64, Unavailable> {
        self.inner()?.remove_expired_denials(before, limit).await
    }
}
