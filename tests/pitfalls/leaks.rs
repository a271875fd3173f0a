//! Tokens, claims and secrets stay out of logs, `Debug`, error texts and answers.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use portcullis::adapter::HeaderList;
use portcullis::error::InvalidToken;
use portcullis::jose::Algorithm;
use portcullis::keys::{CachedKeys, FixedKeys, KeyError, KeyQuery, VerifyingKey};
use portcullis::{Gate, JwtVerifier, KeyProvider, Policy, Reason, async_trait, scopes};
use portcullis_testing::TestIssuer;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt;

use crate::support::{ChangingKeys, builder_with};

/// The text in every place of a token that the sender can fill.
const MARKER: &str = "c0ffee-marker";

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Captured {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Captured {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

#[derive(Debug, serde::Deserialize)]
struct Numbered {
    #[expect(dead_code, reason = "only deserialized")]
    email: u64,
}

#[derive(Debug)]
struct Vault {
    #[expect(dead_code, reason = "only Debug reads it")]
    password: &'static str,
    keys: FixedKeys,
}

#[async_trait]
impl KeyProvider for Vault {
    async fn key(&self, query: &KeyQuery<'_>) -> Result<Arc<VerifyingKey>, KeyError> {
        self.keys.key(&KeyQuery::new(query.algorithm())).await
    }
}

#[tokio::test]
async fn the_log_of_a_wrong_key_hides_its_provider() {
    let log = Captured::default();
    let subscriber = || tracing_subscriber::fmt().with_writer(log.clone()).with_ansi(false).finish();
    let _guards = (subscriber().set_default(), subscriber().set_default());
    let issuer = TestIssuer::new();
    let vault = CachedKeys::new(Vault { password: MARKER, keys: issuer.keys() }, 10, Duration::from_secs(60)).unwrap();
    let gate = Gate::new(builder_with(&issuer, vault).build().unwrap());
    let refused = gate.verify(&issuer.token().header("kid", "asked-for").sign()).await.unwrap_err();
    assert_eq!(refused.reason(), Some(Reason::UnknownKey));
    let text = log.text();
    assert!(text.contains("the key provider returned another key than it was asked for"), "{text}");
    assert!(text.contains(r#"wanted=RS256 other_id=true returned_id="RS256-1""#), "{text}");
    assert!(text.contains(issuer.url()), "{text}");
    assert!(!text.contains(MARKER) && !text.contains("asked-for"), "{text}");
}

#[tokio::test]
async fn explanation_is_only_in_the_log() {
    let issuer = TestIssuer::new();
    let verifier = issuer.verifier().explain(|token, _| {
        let claims = token.unverified_claims()?;
        claims.contains("nonce").then_some("this looks like an ID token")
    });
    let gate = Gate::new(verifier.build().unwrap());
    let forged = issuer.token().claim("nonce", MARKER).forged_with(TestIssuer::new().first_key().clone()).sign();
    let request = HeaderList::new("GET", [("authorization", format!("Bearer {forged}"))]);
    let answer = || async {
        let refused: Result<(_, portcullis::claims::NoClaims), _> =
            gate.extract(&request, None, &Policy::authenticated()).await;
        refused.err().unwrap()
    };
    let without_log = answer().await;
    let log = Captured::default();
    let subscriber = || {
        let debug = tracing_subscriber::fmt().with_max_level(tracing_subscriber::filter::LevelFilter::DEBUG);
        debug.with_writer(log.clone()).with_ansi(false).finish()
    };
    let _guards = (subscriber().set_default(), subscriber().set_default());
    // The tests before may have cached that the event is disabled.
    tracing::callsite::rebuild_interest_cache();
    assert_eq!(answer().await, without_log);
    assert_eq!(without_log.reason, Some(Reason::BadSignature));
    assert!(!without_log.body.contains("ID token"), "{}", without_log.body);
    let line =
        r#"request refused reason="bad_signature" detail=bad signature explanation="this looks like an ID token""#;
    assert!(log.text().contains(line), "{}", log.text());
    assert!(!log.text().contains(MARKER), "{}", log.text());
}

#[tokio::test]
async fn values_of_refused_tokens_are_only_in_the_developers_log() {
    let log = Captured::default();
    let subscriber = || {
        let debug = tracing_subscriber::fmt().with_max_level(tracing_subscriber::filter::LevelFilter::DEBUG);
        debug.with_writer(log.clone()).with_ansi(false).finish()
    };
    let _guards = (subscriber().set_default(), subscriber().set_default());
    tracing::callsite::rebuild_interest_cache();
    let issuer = TestIssuer::new();
    let gate = || Gate::new(issuer.verifier().build().unwrap());
    let token = issuer.token().issuer("https://other.test/\u{202e}").subject(MARKER).claim("email", MARKER).sign();
    let logged = |gate: Gate| {
        let (token, log) = (token.clone(), log.clone());
        async move {
            log.0.lock().unwrap().clear();
            let refused = gate.verify(&token).await.unwrap_err();
            let answer = gate.refuse(&refused);
            (log.text(), answer)
        }
    };
    // By default there is no value, and in release builds no comparison.
    let (hidden, answer) = logged(gate()).await;
    assert!(hidden.contains(r#"reason="wrong_issuer""#) && !hidden.contains("other.test"), "{hidden}");
    let compared = r#"expected="iss \"https://issuer.test/\"; aud "#;
    let relation = r#"actual="kid present; iss differs; aud accepted; exp in "#;
    assert_eq!(hidden.contains(compared) && hidden.contains(relation), cfg!(debug_assertions), "{hidden}");
    let (shown, same) = logged(portcullis::dangerous::log_refused_tokens(gate())).await;
    assert_eq!(same, answer);
    for part in [compared, r#"iss \"https://other.test/"#, r#"actual="kid \"RS256-1\"; "#, "exp "] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(!shown.contains('\u{202e}') && !shown.contains(MARKER) && !shown.contains("eyJ"), "{shown}");
}

#[tokio::test]
async fn no_part_of_a_token_is_printed() {
    let log = Captured::default();
    let subscriber = || {
        let everything = tracing_subscriber::fmt().with_max_level(tracing_subscriber::filter::LevelFilter::TRACE);
        everything.with_writer(log.clone()).with_ansi(false).finish()
    };
    // Two subscribers: with one, tracing caches that an event is disabled when a thread without a subscriber, for example
    // another test, meets the event first.
    let _guards = (subscriber().set_default(), subscriber().set_default());

    let issuer = TestIssuer::new();
    let keys = ChangingKeys::new(issuer.keys());
    let verifier = builder_with(&issuer, Arc::clone(&keys))
        .cache_tokens(10)
        .check_fn("own check", |token| !token.claims().contains("refuse_me"));
    let gate = Gate::new(verifier.build().unwrap());

    let marked = issuer.token().subject(MARKER).claim("email", MARKER).header("extra", MARKER);
    let signed = [
        marked.clone(),
        marked.clone().claim("refuse_me", MARKER),
        marked.clone().header("kid", MARKER),
        marked.clone().header("typ", MARKER),
        marked.clone().header("alg", MARKER),
        marked.clone().header("crit", [MARKER]),
        marked.clone().issuer(MARKER),
        marked.clone().audience(MARKER),
        marked.clone().claim("exp", MARKER),
        marked.clone().claim("iss", [MARKER]),
        marked.clone().claim("cnf", MARKER),
        marked.clone().payload(MARKER),
        marked.clone().payload(format!("{{\"{MARKER}\":1,\"{MARKER}\":2}}")),
        marked.expired(),
    ];
    let mut tokens: Vec<String> = signed.iter().map(portcullis_testing::TokenBuilder::sign).collect();
    tokens.extend([MARKER.to_owned(), format!("{MARKER}.{MARKER}.{MARKER}"), format!("{}{MARKER}", tokens[0])]);
    tokens.extend(issuer.forgeries().into_iter().map(|forgery| forgery.token));

    let mut seen = String::new();
    let mut refusals = 0;
    for token in &tokens {
        let request = HeaderList::new("GET", [("authorization", format!("Bearer {token}"))]);
        seen += &format!("{request:?}");
        for policy in [Policy::authenticated(), scopes("read")] {
            match gate.admit(&request, &policy).await {
                Ok(caller) => seen += &format!("{caller:?} {:?}", caller.all_claims()),
                Err(error) => {
                    refusals += 1;
                    seen += &format!("{error} {error:?} {:?}", gate.refuse(&error));
                }
            }
        }
    }
    let caller = gate.verify(&tokens[0]).await.unwrap();
    // `Debug` of the caller hides the token and the claims.
    assert_eq!(caller.raw_token().as_deref(), Some(&*tokens[0]));
    seen += &format!("{caller:?} {caller:#?}");
    let unfit = caller.claims::<Vec<String>>().unwrap_err();
    assert_eq!(unfit, InvalidToken::InvalidClaims);
    seen += &format!("{unfit} {unfit:?} {:?}", caller.claim::<u64>("email").unwrap_err());
    seen += &format!("{:?}", caller.claims::<Numbered>().unwrap_err());
    assert!(log.text().contains(r"leaks::Numbered"), "{}", log.text());
    assert!(log.text().contains("because=claim email is of another type"), "{}", log.text());
    keys.fail();
    seen += &format!("{:?} {gate:?}", gate.verify(&tokens[0]).await.unwrap_err());
    seen += &log.text();

    assert!(refusals > 150, "{refusals}");
    // The log has the causes, so the checks below are not about an empty text.
    for reason in [Reason::BadSignature, Reason::Expired, Reason::CheckFailed, Reason::UnknownKey] {
        assert!(log.text().contains(reason.as_str()), "{reason}");
    }
    assert!(log.text().contains("own check"));
    assert!(!seen.contains(MARKER) && !seen.contains("eyJ"), "a token shows");
    for part in tokens.iter().flat_map(|token| token.split('.')).filter(|part| part.len() > 12) {
        assert!(!seen.contains(part), "a part of a token shows");
    }
}

#[test]
fn no_part_of_a_secret_is_printed() {
    let issuer = TestIssuer::from_algorithms([Algorithm::Hs256]);
    let secret = "0123456789abcdef-c0ffee-marker-0123456789abcdef";
    let keys = FixedKeys::secret(secret.as_bytes()).unwrap();
    let mut seen = format!("{keys:?} {:?}", keys.key_set());
    let verifier: JwtVerifier = builder_with(&issuer, keys).build().unwrap();
    seen += &format!("{:?}", Gate::new(verifier));
    let short = FixedKeys::secret(&secret.as_bytes()[20..34]).unwrap_err();
    seen += &format!("{short} {short:?}");
    let odd =
        portcullis::keys::VerifyingKey::from_secret_jwk(&format!(r#"{{"kty":"oct","k":"{secret}!"}}"#)).unwrap_err();
    seen += &format!("{odd} {odd:?} {:?}", issuer.first_key());
    assert!(seen.contains("it needs at least 32 for HS256"), "{seen}");
    assert!(!seen.contains("c0ffee") && !seen.contains("marker"), "{seen}");
    let bytes = format!("{:?}", &secret.as_bytes()[..8]);
    assert!(!seen.contains(bytes.trim_matches(['[', ']'])), "{seen}");
}
