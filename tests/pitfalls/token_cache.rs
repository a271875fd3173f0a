//! The cache of verified tokens: it saves the signature check and no other check.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis::adapter::HeaderList;
use portcullis::clock::{Clock, ManualClock};
use portcullis::error::{InvalidToken, Unavailable};
use portcullis::jose::Algorithm;
use portcullis::keys::{FixedKeys, KeyError, KeyQuery, VerifyingKey};
use portcullis::session::{SessionCheck, SessionError};
use portcullis::verifier::JwtVerifierBuilder;
use portcullis::{Audience, AuthError, Gate, JwtVerifier, KeyProvider, Policy, Verified, async_trait};
use portcullis_testing::TestIssuer;
use serde_json::{Value, json};

#[cfg(target_os = "linux")]
use crate::child::{ran_alone, resident_bytes};
use crate::support::{ChangingKeys, admitted, builder_with, generated, refused, with_member};

fn caching(builder: JwtVerifierBuilder) -> Gate {
    Gate::new(builder.cache_tokens(100).build().unwrap())
}

fn caching_with(issuer: &TestIssuer, keys: &Arc<ChangingKeys>) -> Gate {
    caching(builder_with(issuer, Arc::clone(keys)))
}

/// Whether `token` is cached, after its key was replaced by an impostor without a name. The verifier asks whether there is a
/// further key: once after the signature did not verify, and for a cached token also when it compares the keys.
async fn is_cached(gate: &Gate, keys: &ChangingKeys, token: &str) -> bool {
    keys.times_asked();
    assert_eq!(refused(gate, token).await, InvalidToken::BadSignature);
    match keys.times_asked() {
        2 => false,
        3 => true,
        times => panic!("asked {times} times"),
    }
}

/// Another key, without `kid`, so that it serves every `kid`.
fn impostor(issuer: &TestIssuer) -> FixedKeys {
    let mut jwk = generated(issuer.first_key().algorithm(), "impostor").0.jwk();
    jwk.as_object_mut().unwrap().remove("kid");
    let read = if jwk["kty"] == "oct" { VerifyingKey::from_secret_jwk } else { VerifyingKey::from_jwk };
    FixedKeys::key(read(&jwk.to_string()).unwrap())
}

#[tokio::test]
async fn tokens_are_cached_only_when_configured() {
    let issuer = TestIssuer::new();
    for (cached, expected) in [(0, false), (10, true)] {
        let keys = ChangingKeys::new(issuer.keys());
        let builder = builder_with(&issuer, Arc::clone(&keys));
        let gate = Gate::new(if cached > 0 { builder.cache_tokens(cached) } else { builder }.build().unwrap());
        let token = issuer.token().sign();
        admitted(&gate, &token).await;
        keys.replace(impostor(&issuer));
        assert_eq!(is_cached(&gate, &keys, &token).await, expected, "{cached}");
    }
}

#[tokio::test]
async fn tokens_with_common_parts_have_separate_entries() {
    let issuer = TestIssuer::new();
    let gate = caching(issuer.verifier());
    let alice = issuer.token().subject("alice").sign();
    let bob = issuer.token().subject("bob").sign();
    // The same claims with another header. RS256 has one signature for each input, so the signatures differ too.
    let unnamed = issuer.token().subject("alice").without_header("kid").sign();
    let parts = |token: &str| token.split('.').map(str::to_owned).collect::<Vec<_>>();
    let (a, b, u) = (parts(&alice), parts(&bob), parts(&unnamed));
    let mixed = [[&a[0], &b[1], &a[2]], [&a[0], &a[1], &b[2]], [&b[0], &b[1], &a[2]], [&u[0], &a[1], &a[2]]];
    // Before the good tokens are cached, and after.
    for _ in 0..2 {
        for mixture in mixed {
            let token = mixture.map(String::as_str).join(".");
            assert_eq!(refused(&gate, &token).await, InvalidToken::BadSignature);
        }
        for (token, subject) in [(&alice, "alice"), (&bob, "bob"), (&unnamed, "alice")] {
            assert_eq!(admitted(&gate, token).await.subject(), Some(subject));
        }
    }
    for end in 0..alice.len() {
        assert!(gate.verify(&alice[..end]).await.is_err(), "the first {end} characters");
    }
}

#[tokio::test]
async fn exp_is_checked_on_a_hit() {
    let issuer = TestIssuer::new();
    for with_iat in [true, false] {
        let clock = Arc::new(ManualClock::at_unix(1_700_000_000));
        let keys = ChangingKeys::new(issuer.keys());
        let gate = caching(builder_with(&issuer, Arc::clone(&keys)).clock(Arc::clone(&clock)));
        let token = issuer.token().issued_at(1_700_000_000);
        let token = if with_iat { token.sign() } else { token.without("iat").sign() };
        admitted(&gate, &token).await;
        clock.advance(Duration::from_secs(3604));
        admitted(&gate, &token).await;
        // The token is cached until it expires.
        keys.replace(impostor(&issuer));
        assert!(is_cached(&gate, &keys, &token).await);
        keys.replace(issuer.keys());
        clock.advance(Duration::from_secs(1));
        assert_eq!(refused(&gate, &token).await, InvalidToken::Expired, "iat: {with_iat}");
        assert_eq!(refused(&gate, &token).await, InvalidToken::Expired, "iat: {with_iat}");
        keys.replace(impostor(&issuer));
        assert!(!is_cached(&gate, &keys, &token).await);
    }
}

#[tokio::test]
async fn nbf_and_iat_are_checked_on_a_hit() {
    let issuer = TestIssuer::new();
    let clock = Arc::new(ManualClock::at_unix(1_700_000_000));
    let gate = caching(issuer.verifier().clock(Arc::clone(&clock)));
    let token = issuer.token().issued_at(1_700_000_000);
    let (issued, valid_from) = (token.sign(), token.without("iat").claim("nbf", 1_700_000_000).sign());
    admitted(&gate, &issued).await;
    admitted(&gate, &valid_from).await;
    clock.set_unix(1_699_999_000);
    assert_eq!(clock.now().seconds(), 1_699_999_000);
    assert_eq!(refused(&gate, &issued).await, InvalidToken::IssuedInFuture);
    assert_eq!(refused(&gate, &valid_from).await, InvalidToken::NotYetValid);
}

#[tokio::test]
async fn a_withdrawn_key_ends_its_cached_tokens() {
    let issuer = TestIssuer::new();
    let keys = ChangingKeys::new(issuer.keys());
    let gate = caching_with(&issuer, &keys);
    let token = issuer.token().sign();
    admitted(&gate, &token).await;
    keys.replace(FixedKeys::key(generated(Algorithm::Rs256, "next").0.verifying_key()));
    assert_eq!(refused(&gate, &token).await, InvalidToken::UnknownKey);
    keys.replace(issuer.keys());
    admitted(&gate, &token).await;
}

#[tokio::test]
async fn a_replaced_key_ends_its_cached_tokens() {
    let issuer = TestIssuer::new();
    let keys = ChangingKeys::new(issuer.keys());
    let gate = caching_with(&issuer, &keys);
    let token = issuer.token().sign();
    admitted(&gate, &token).await;
    keys.replace(impostor(&issuer));
    assert!(is_cached(&gate, &keys, &token).await);
    // The same key, read again, is good.
    keys.replace(issuer.keys());
    admitted(&gate, &token).await;
}

#[tokio::test]
async fn a_restricted_key_ends_its_cached_tokens() {
    let issuer = TestIssuer::new();
    let keys = ChangingKeys::new(issuer.keys());
    let gate = caching_with(&issuer, &keys);
    let token = issuer.token().sign();
    admitted(&gate, &token).await;
    let narrowed = issuer.first_key().jwk();
    let narrowed = VerifyingKey::from_jwk(&with_member(narrowed, "alg", "PS256").to_string()).unwrap();
    keys.replace(FixedKeys::key(narrowed));
    assert_eq!(refused(&gate, &token).await, InvalidToken::UnknownKey);
}

#[tokio::test]
async fn checks_see_the_current_members_of_the_key() {
    let issuer = TestIssuer::new();
    let with_issuer = |url: &str| {
        let jwk = with_member(issuer.first_key().jwk(), "issuer", url);
        FixedKeys::jwk(&jwk.to_string()).unwrap()
    };
    let keys = ChangingKeys::new(with_issuer(issuer.url()));
    let builder = builder_with(&issuer, Arc::clone(&keys)).check_fn("issuer of the key", |token| {
        token.key().member::<String>("issuer").as_deref() == token.claims().issuer()
    });
    let gate = caching(builder);
    let token = issuer.token().sign();
    admitted(&gate, &token).await;
    keys.replace(with_issuer("https://other.test/"));
    let failed = InvalidToken::CheckFailed { name: "issuer of the key".into() };
    assert_eq!(refused(&gate, &token).await, failed);
    keys.replace(with_issuer(issuer.url()));
    admitted(&gate, &token).await;
}

#[tokio::test]
async fn unavailable_keys_are_an_outage_on_a_hit() {
    let issuer = TestIssuer::new();
    let keys = ChangingKeys::new(issuer.keys());
    let gate = caching_with(&issuer, &keys);
    let token = issuer.token().sign();
    admitted(&gate, &token).await;
    keys.fail();
    let error = gate.verify(&token).await.unwrap_err();
    let AuthError::Unavailable(unavailable) = error.error() else { panic!("{error:?}") };
    assert_eq!((error.status(), unavailable.retry_after), (503, Some(Duration::from_secs(7))));
    keys.replace(issuer.keys());
    admitted(&gate, &token).await;
}

#[tokio::test]
async fn custom_checks_run_on_every_hit() {
    let issuer = TestIssuer::new();
    let keys = ChangingKeys::new(issuer.keys());
    let (calls, lets_in) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(true)));
    let builder = {
        let (calls, lets_in) = (Arc::clone(&calls), Arc::clone(&lets_in));
        builder_with(&issuer, Arc::clone(&keys)).check_fn("deny list", move |_| {
            calls.fetch_add(1, Ordering::SeqCst);
            lets_in.load(Ordering::SeqCst)
        })
    };
    let gate = caching(builder);
    let token = issuer.token().sign();
    for _ in 0..3 {
        admitted(&gate, &token).await;
    }
    assert_eq!(calls.load(Ordering::SeqCst), 3);
    lets_in.store(false, Ordering::SeqCst);
    assert_eq!(refused(&gate, &token).await, InvalidToken::CheckFailed { name: "deny list".into() });
    lets_in.store(true, Ordering::SeqCst);
    admitted(&gate, &token).await;
    assert_eq!(calls.load(Ordering::SeqCst), 5);
    keys.replace(impostor(&issuer));
    assert!(is_cached(&gate, &keys, &token).await);
}

#[tokio::test]
async fn a_bad_token_is_never_cached() {
    let issuer = TestIssuer::new();
    let gate = caching(issuer.verifier());
    for _ in 0..2 {
        for forgery in issuer.forgeries() {
            let why = refused(&gate, &forgery.token).await;
            assert_eq!(why.reason(), forgery.reason, "{}", forgery.name);
        }
        admitted(&gate, &issuer.token().sign()).await;
    }
}

#[tokio::test]
async fn the_size_limit_applies_on_a_hit() {
    let issuer = TestIssuer::new();
    let gate = caching(issuer.verifier().max_token_bytes(2_000));
    let token = issuer.token().claim("filler", json!("x".repeat(2_000))).sign();
    for _ in 0..2 {
        assert_eq!(refused(&gate, &token).await, InvalidToken::TooLarge { limit: 2_000 });
    }
    admitted(&gate, &issuer.token().claim("filler", Value::Null).sign()).await;
}

#[tokio::test]
async fn the_cache_keeps_its_configured_size() {
    const ROOM: u64 = 50;
    const TOKENS: u64 = 3_000;
    let issuer = TestIssuer::from_algorithms([Algorithm::Hs256]);
    let keys = ChangingKeys::new(issuer.keys());
    let gate = Gate::new(builder_with(&issuer, Arc::clone(&keys)).cache_tokens(ROOM).build().unwrap());
    let tokens: Vec<String> = (0..TOKENS).map(|id| issuer.token().claim("jti", id.to_string()).sign()).collect();
    for token in &tokens {
        admitted(&gate, token).await;
    }
    keys.replace(impostor(&issuer));
    let mut cached = 0;
    for token in &tokens {
        cached += u64::from(is_cached(&gate, &keys, token).await);
    }
    assert!(cached > 0 && cached <= ROOM, "{cached}");
}

#[tokio::test]
async fn flood_of_tokens_keeps_those_in_use() {
    const ROOM: u64 = 100;
    let issuer = TestIssuer::from_algorithms([Algorithm::Hs256]);
    let keys = ChangingKeys::new(issuer.keys());
    let gate = Gate::new(builder_with(&issuer, Arc::clone(&keys)).cache_tokens(ROOM).build().unwrap());
    let token = |id: String| issuer.token().claim("jti", id).sign();
    let in_use: Vec<String> = (0..20).map(|id| token(format!("in use {id}"))).collect();
    for round in 0..3_000 {
        admitted(&gate, &in_use[round % in_use.len()]).await;
        admitted(&gate, &token(format!("once {round}"))).await;
        let forged = format!("{}x", token(format!("forged {round}")));
        assert!(gate.verify(&forged).await.is_err());
    }
    keys.replace(impostor(&issuer));
    for token in &in_use {
        assert!(is_cached(&gate, &keys, token).await, "{token}");
    }
}

/// Has its key for the first question only.
#[derive(Debug)]
struct WithdrawnAtOnce(FixedKeys, AtomicBool);

#[async_trait]
impl KeyProvider for WithdrawnAtOnce {
    async fn key(&self, query: &KeyQuery<'_>) -> Result<Arc<VerifyingKey>, KeyError> {
        if self.1.swap(true, Ordering::SeqCst) {
            return Err(KeyError::NotFound);
        }
        self.0.key(query).await
    }
}

#[tokio::test]
async fn key_that_is_withdrawn_during_the_verification_is_not_used_again() {
    let issuer = TestIssuer::new();
    let keys = WithdrawnAtOnce(issuer.keys(), AtomicBool::new(false));
    let builder = JwtVerifier::builder(issuer.url(), Audience::any_of([issuer.audience()]), keys);
    let (gate, token) = (caching(builder), issuer.token().sign());
    // The key is gone before the token is in the cache.
    admitted(&gate, &token).await;
    for _ in 0..2 {
        assert_eq!(refused(&gate, &token).await, InvalidToken::UnknownKey);
    }
}

#[tokio::test]
async fn small_cache_has_room_for_a_token() {
    let issuer = TestIssuer::from_algorithms([Algorithm::Hs256]);
    let token = issuer.token().sign();
    for (tokens, bytes, expected) in [(1, 64 * 1024, true), (100_000, 16 * 1024, true), (100_000, 100, false)] {
        let keys = ChangingKeys::new(issuer.keys());
        let builder = builder_with(&issuer, Arc::clone(&keys)).cache_tokens(tokens).cache_bytes(bytes);
        let gate = Gate::new(builder.build().unwrap());
        admitted(&gate, &token).await;
        keys.replace(impostor(&issuer));
        assert_eq!(is_cached(&gate, &keys, &token).await, expected, "{tokens} tokens, {bytes} bytes");
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn large_tokens_take_no_more_memory_than_allowed() {
    const TOKENS: usize = 1_500;
    // Other tests of this process use memory as well.
    if ran_alone("token_cache::large_tokens_take_no_more_memory_than_allowed") {
        return;
    }
    let issuer = TestIssuer::from_algorithms([Algorithm::Hs256]);
    // As many members as fit: their index takes more memory than the text.
    let wide: String = (0..1_200).map(|at| format!(r#""{at:04x}":0,"#)).collect();
    let audience = issuer.audience();
    let token = |id: usize| {
        let claims = format!(r#""iss":"{}","aud":"{audience}","exp":4102444800,"jti":"{id}""#, issuer.url());
        issuer.token().payload(format!("{{{wide}{claims}}}")).sign()
    };
    let grown = |gate: Gate| {
        let token = &token;
        async move {
            let before = resident_bytes();
            for id in 0..TOKENS {
                admitted(&gate, &token(id)).await;
            }
            resident_bytes().saturating_sub(before)
        }
    };
    let mib = 1024 * 1024;
    let small =
        grown(Gate::new(issuer.verifier().cache_tokens(100_000).cache_bytes(8 * 1024 * 1024).build().unwrap())).await;
    let default = grown(Gate::new(issuer.verifier().cache_tokens(100_000).build().unwrap())).await;
    // Without the bound, the tokens take about 100 MiB.
    println!("{} MiB of 8, {} MiB of 64", small / mib, default / mib);
    assert!(small < 16 * mib, "{small}");
    assert!(default < 72 * mib, "{default}");
}

#[tokio::test]
async fn second_form_of_an_ecdsa_signature_verifies() {
    /// The order of the group of P-256 (SEC 2 §2.4.2).
    const ORDER: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6,
        0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let issuer = TestIssuer::from_algorithms([Algorithm::Es256]);
    let token = issuer.token().claim("jti", "one").sign();
    let (input, signature) = token.rsplit_once('.').unwrap();
    let mut signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let mut borrow = 0_i16;
    for (byte, order) in signature[32..].iter_mut().zip(ORDER).rev() {
        let difference = i16::from(order) - i16::from(*byte) - borrow;
        borrow = i16::from(difference < 0);
        *byte = u8::try_from(difference.rem_euclid(256)).unwrap();
    }
    let other = format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature));
    assert_ne!(token, other);
    // Both texts are good, so a text identifies no token. The claims do.
    for gate in [issuer.gate(), caching(issuer.verifier())] {
        for text in [&token, &other, &token, &other] {
            let caller = admitted(&gate, text).await;
            assert_eq!((caller.raw_token().as_ref(), caller.token_id()), (Some(text), Some("one")));
        }
    }
}

#[test]
fn cache_without_memory_is_an_error() {
    let error = TestIssuer::new().verifier().cache_tokens(10).cache_bytes(0).build().unwrap_err();
    assert_eq!(error.field(), "cache_bytes");
    assert!(TestIssuer::new().verifier().cache_bytes(0).build().is_ok());
    for (tokens, bytes) in [(u64::MAX, u64::MAX), (1, u64::MAX), (u64::MAX, 1)] {
        assert!(TestIssuer::new().verifier().cache_tokens(tokens).cache_bytes(bytes).build().is_ok());
    }
}

/// A session check that can revoke all sessions, be unavailable, or panic.
#[derive(Clone, Debug, Default)]
struct Sessions {
    revoked: Arc<AtomicBool>,
    down: Arc<AtomicBool>,
    panics: Arc<AtomicBool>,
}

#[async_trait]
impl SessionCheck for Sessions {
    async fn check(&self, _: &Verified) -> Result<(), SessionError> {
        assert!(!self.panics.load(Ordering::SeqCst), "an error in the check");
        if self.down.load(Ordering::SeqCst) {
            return Err(Unavailable::new().into());
        }
        if self.revoked.load(Ordering::SeqCst) { Err(SessionError::Revoked) } else { Ok(()) }
    }
}

#[tokio::test]
async fn sessions_are_checked_on_a_hit() {
    let issuer = TestIssuer::new();
    let keys = ChangingKeys::new(issuer.keys());
    let sessions = Sessions::default();
    let gate = caching_with(&issuer, &keys).with_check(sessions.clone());
    let token = issuer.token().sign();
    for _ in 0..2 {
        assert_eq!(admitted(&gate, &token).await.raw_token().as_deref(), Some(&*token));
    }
    sessions.down.store(true, Ordering::SeqCst);
    assert_eq!(gate.verify(&token).await.unwrap_err().status(), 503);
    sessions.panics.store(true, Ordering::SeqCst);
    assert_eq!(gate.verify(&token).await.unwrap_err().status(), 500);
    sessions.panics.store(false, Ordering::SeqCst);
    sessions.down.store(false, Ordering::SeqCst);
    sessions.revoked.store(true, Ordering::SeqCst);
    assert_eq!(refused(&gate, &token).await, InvalidToken::Revoked);
    sessions.revoked.store(false, Ordering::SeqCst);
    admitted(&gate, &token).await;
    keys.replace(impostor(&issuer));
    assert!(is_cached(&gate, &keys, &token).await);
}

#[tokio::test]
async fn freshness_is_checked_on_a_hit() {
    let issuer = TestIssuer::new();
    let clock = Arc::new(ManualClock::at_unix(1_000_000));
    let keys = ChangingKeys::new(issuer.keys());
    let gate = caching(builder_with(&issuer, keys).clock(Arc::clone(&clock)));
    let token = issuer.token().claim("auth_time", 1_000_000).claim("iat", 1_000_000).claim("exp", 2_000_000).sign();
    let policy = Policy::authenticated_within(Duration::from_secs(300));
    let request = HeaderList::new("GET", [("authorization", format!("Bearer {token}"))]);
    assert!(gate.admit(&request, &policy).await.is_ok());
    clock.advance(Duration::from_secs(300));
    let caller = gate.admit(&request, &policy).await.unwrap();
    clock.advance(Duration::from_secs(1));
    let error = gate.admit(&request, &policy).await.unwrap_err();
    assert_eq!((error.status(), error.code()), (401, "insufficient_user_authentication"));
    assert_eq!(gate.authorize(&caller, &policy).unwrap_err().status, 401);
}
