//! Compares the verdicts of this library and of the crate jsonwebtoken 11 on good, damaged and unusual tokens.
//!
//! jsonwebtoken is configured as strictly as possible. It accepts some tokens that we refuse, only for the causes in
//! [`STRICTER`]. We accept one kind of token that it refuses: [`BEFORE_1970`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{DecodingKey, Validation};
use portcullis::Gate;
use portcullis::jose::Algorithm;
use portcullis_testing::{SigningKey, TestIssuer};
use serde_json::Value;

/// The algorithms that both implement.
const SHARED: [Algorithm; 12] = [
    Algorithm::Es256,
    Algorithm::Es384,
    Algorithm::EdDsa,
    Algorithm::Hs256,
    Algorithm::Hs384,
    Algorithm::Hs512,
    Algorithm::Ps256,
    Algorithm::Ps384,
    Algorithm::Ps512,
    Algorithm::Rs256,
    Algorithm::Rs384,
    Algorithm::Rs512,
];

/// Our errors for tokens that jsonwebtoken accepts, and why we refuse them.
const STRICTER: [(&str, &str); 10] = [
    ("claim iat has a wrong type or value", "iat is a number (RFC 7519 §4.1.6); jsonwebtoken does not read it"),
    ("claim iss has a wrong type or value", "iss is one string (RFC 7519 §4.1.1); jsonwebtoken accepts an array"),
    ("claim jti has a wrong type or value", "jti is a string (RFC 7519 §4.1.7); jsonwebtoken does not read it"),
    ("claim sub has a wrong type or value", "sub is a string (RFC 7519 §4.1.2); jsonwebtoken does not read it"),
    ("iat lies in the future", "the token is not issued yet, or a clock is wrong; jsonwebtoken does not read iat"),
    (
        "no key of the issuer fits the token",
        "kid names another key; jsonwebtoken gets one key and does not compare kid",
    ),
    ("the header has crit or b64", "neither may be ignored (RFC 7515 §4.1.11, RFC 7797)"),
    ("the payload (a claim appears twice) is malformed", "readers could choose different values (RFC 8725 §2.4)"),
    (
        "the token is bound to a key (cnf), which a bearer token cannot prove",
        "the request does not prove the key (RFC 7800)",
    ),
    (
        "typ is not an accepted token type",
        "typ distinguishes token types (RFC 8725 §3.11); jsonwebtoken does not read it",
    ),
];

/// The only change that we accept and jsonwebtoken refuses: a date before 1970 is a date (RFC 7519 §2).
const BEFORE_1970: &str = "nbf: -1";

#[tokio::test]
async fn signed_changes_get_the_same_verdict() {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut tally = Tally::default();
    for algorithm in SHARED {
        let pair = Pair::new(algorithm);
        let changes = changes(&pair);
        // Each change, and then two or three at once.
        for change in &changes {
            pair.compare(&pair.sign(&[change]), &[change], &mut tally).await;
        }
        for _ in 0..40 {
            let picked: Vec<_> = (0..2 + dice.below(2)).map(|_| &changes[dice.below(changes.len())]).collect();
            pair.compare(&pair.sign(&picked), &picked, &mut tally).await;
        }
    }
    println!("{tally:?}");
    assert!(tally.both_accept > 100 && tally.both_refuse > 400, "{tally:?}");
    let met: Vec<_> = tally.only_theirs.keys().map(String::as_str).collect();
    assert_eq!(met, STRICTER.map(|(said, _)| said), "each cause occurs, and no other");
    assert!(tally.only_ours >= SHARED.len(), "{BEFORE_1970} occurs with each algorithm");
}

#[tokio::test]
async fn damaged_tokens_get_the_same_verdict() {
    let mut dice = Dice(0x2545_f491_4f6c_dd1d);
    let mut tally = Tally::default();
    for algorithm in SHARED {
        let pair = Pair::new(algorithm);
        let token = pair.sign(&[]);
        pair.compare(&token, &[], &mut tally).await;
        for _ in 0..60 {
            pair.compare(&damage(&token, &mut dice), &[], &mut tally).await;
        }
    }
    println!("{tally:?}");
    assert_eq!(tally.both_accept + tally.both_refuse, SHARED.len() * 61, "no verdict differs: {tally:?}");
    assert!(tally.both_accept >= SHARED.len(), "the tokens themselves are good: {tally:?}");
    assert!(tally.both_refuse > SHARED.len() * 50, "{tally:?}");
}

/// Counts the pairs of verdicts.
#[derive(Debug, Default)]
struct Tally {
    both_accept: usize,
    both_refuse: usize,
    only_ours: usize,
    only_theirs: BTreeMap<String, usize>,
}

/// The two verifiers, for the tokens of one key.
struct Pair {
    issuer: TestIssuer,
    key: Arc<SigningKey>,
    ours: Gate,
    theirs: (DecodingKey, Validation),
}

impl Pair {
    fn new(algorithm: Algorithm) -> Self {
        let issuer = TestIssuer::from_algorithms([algorithm]);
        let key = Arc::clone(issuer.first_key());
        let jwk: Jwk = serde_json::from_value(key.jwk()).unwrap();
        let mut validation = Validation::new(algorithm.name().parse().unwrap());
        validation.leeway = 5;
        validation.validate_nbf = true;
        validation.set_issuer(&[issuer.url()]);
        validation.set_audience(&[issuer.audience()]);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        let ours = Gate::new(issuer.verifier().leeway(Duration::from_secs(5)).build().unwrap());
        Self { key, ours, theirs: (DecodingKey::from_jwk(&jwk).unwrap(), validation), issuer }
    }

    async fn compare(&self, token: &str, changes: &[&Change], tally: &mut Tally) {
        let ours = self.ours.verify(token).await;
        let theirs = jsonwebtoken::decode::<Value>(token, &self.theirs.0, &self.theirs.1);
        let context = || format!("{} {changes:?}", self.key.algorithm());
        match (ours, theirs) {
            (Ok(ours), Ok(theirs)) => {
                assert_eq!(ours.claims::<Value>().unwrap(), theirs.claims, "{}", context());
                tally.both_accept += 1;
            }
            (Err(_), Err(_)) => tally.both_refuse += 1,
            (Err(ours), Ok(_)) => {
                let said = ours.to_string();
                assert!(STRICTER.iter().any(|(stricter, _)| *stricter == said), "{said}: {}", context());
                *tally.only_theirs.entry(said).or_default() += 1;
            }
            (Ok(_), Err(theirs)) => {
                let known = changes.iter().any(|change| change.name() == BEFORE_1970);
                assert!(known, "only jsonwebtoken refuses ({theirs}): {}", context());
                tally.only_ours += 1;
            }
        }
    }

    /// Returns a token with a good signature. It is good except for `changes`.
    fn sign(&self, changes: &[&Change]) -> String {
        let mut header = vec![member("alg", self.key.algorithm().name())];
        header.extend([member("kid", self.key.id()), member("typ", "at+jwt")]);
        let mut claims = vec![member("iss", self.issuer.url()), member("aud", self.issuer.audience())];
        claims.extend([member("sub", "user-1"), member("role", "reader")]);
        // Far from the present, so that clocks do not matter.
        claims.extend([("exp", "9999999999".to_owned()), ("iat", "1700000000".to_owned())]);
        for change in changes {
            change.apply(if change.in_header { &mut header } else { &mut claims });
        }
        let input = [header, claims].map(|members| URL_SAFE_NO_PAD.encode(object(&members))).join(".");
        let signature = self.key.sign(input.as_bytes());
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

type Member = (&'static str, String);

fn member(name: &'static str, text: &str) -> Member {
    (name, Value::from(text).to_string())
}

fn object(members: &[Member]) -> String {
    let members: Vec<_> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", members.join(","))
}

/// A change of the header or the claims.
#[derive(Debug)]
struct Change {
    in_header: bool,
    member: &'static str,
    how: How,
}

#[derive(Debug)]
enum How {
    Again(String),
    Remove,
    Set(String),
}

impl Change {
    fn apply(&self, members: &mut Vec<Member>) {
        if !matches!(self.how, How::Again(_)) {
            members.retain(|(name, _)| *name != self.member);
        }
        if let How::Again(value) | How::Set(value) = &self.how {
            members.push((self.member, value.clone()));
        }
    }

    fn name(&self) -> String {
        match &self.how {
            How::Set(value) => format!("{}: {value}", self.member),
            How::Again(value) => format!("{} again: {value}", self.member),
            How::Remove => format!("no {}", self.member),
        }
    }
}

fn changes(pair: &Pair) -> Vec<Change> {
    let (iss, aud) = (pair.issuer.url(), pair.issuer.audience());
    let claims: [(&str, &[&str]); 11] = [
        ("exp", &["null", "\"9999999999\"", "0", "-1", "1700000000", "1e300", "9999999999.5", "1e10", "[]", "true"]),
        ("nbf", &["1", "99999999999", "\"1\"", "null", "-1", "1.5", "{}", "1e300"]),
        ("iat", &["99999999999", "\"1\"", "null", "0"]),
        ("iss", &["null", "1", "\"other\"", &format!("[\"{iss}\"]"), &format!("\"{iss} \""), &escaped(iss)]),
        ("aud", &["null", "1", "{}", "\"other\"", "[]", "[\"other\"]", "\"\""]),
        ("aud", &[&format!("[\"other\",\"{aud}\"]"), &format!("[\"{aud}\",1]"), &format!("\"{aud}/\""), &escaped(aud)]),
        ("sub", &["1", "null", "[\"u\"]", "\"\""]),
        ("jti", &["1", "\"j\""]),
        ("cnf", &["{\"jkt\":\"x\"}", "null"]),
        ("role", &["{\"deep\":[1,2.5,\"\\u0041\"]}", "null"]),
        ("scope", &["\"read write\"", "7"]),
    ];
    let header: [(&str, &[&str]); 9] = [
        ("alg", &["\"none\"", "\"None\"", "\"HS256\"", "\"RS256\"", "\"ES256\"", "\"\"", "null", "1"]),
        ("kid", &["\"other\"", "1", "\"\""]),
        ("typ", &["\"JWT\"", "\"at+jwt\"", "\"dpop+jwt\"", "\"\"", "1"]),
        ("crit", &["[\"exp\"]", "[]"]),
        ("b64", &["false", "true"]),
        ("jwk", &["{\"kty\":\"oct\",\"k\":\"AAAA\"}"]),
        ("jku", &["\"https://attacker.example/\""]),
        ("cty", &["\"JWT\""]),
        ("zip", &["\"DEF\""]),
    ];
    let set = |in_header: bool, table: &[(&'static str, &[&str])]| -> Vec<Change> {
        let all = table.iter().flat_map(|(member, values)| values.iter().map(move |value| (*member, *value)));
        all.map(|(member, value)| Change { in_header, member, how: How::Set(value.to_owned()) }).collect()
    };
    let mut changes = set(false, &claims);
    changes.extend(set(true, &header));
    for (in_header, member) in
        [(false, "exp"), (false, "iss"), (false, "aud"), (false, "iat"), (true, "alg"), (true, "kid"), (true, "typ")]
    {
        changes.push(Change { in_header, member, how: How::Remove });
    }
    for (in_header, member, value) in [
        (false, "exp", "1"),
        (false, "sub", "\"admin\""),
        (false, "role", "\"admin\""),
        (true, "alg", "\"none\""),
        (true, "kid", "\"other\""),
    ] {
        changes.push(Change { in_header, member, how: How::Again(value.to_owned()) });
    }
    changes
}

/// Returns the text as a JSON string with every character escaped.
fn escaped(text: &str) -> String {
    let units: String = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
    format!("\"{units}\"")
}

/// Damages the text of a token.
fn damage(token: &str, dice: &mut Dice) -> String {
    const BYTES: [char; 12] = ['A', 'Q', 'z', '0', '-', '_', '.', '=', '+', '/', ' ', '?'];
    let mut text: Vec<char> = token.chars().collect();
    let at = dice.below(text.len());
    let byte = BYTES[dice.below(BYTES.len())];
    match dice.below(8) {
        0 => text[at] = byte,
        1 => text.insert(at, byte),
        2 => {
            text.remove(at);
        }
        3 => text.truncate(at),
        4 => text.push(byte),
        5 => {
            // The last character has unused bits.
            let last = text.len() - 1;
            text[last] = byte;
        }
        6 => {
            let mut parts: Vec<_> = token.split('.').collect();
            let (from, to) = (dice.below(3), dice.below(3));
            parts.swap(from, to);
            return parts.join(".");
        }
        _ => {
            let mut parts: Vec<_> = token.split('.').collect();
            parts[dice.below(3)] = "";
            return parts.join(".");
        }
    }
    text.into_iter().collect()
}

/// Pseudorandom numbers, equal in every run (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % limit
    }
}
