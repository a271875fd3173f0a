//! Measures what a refused request costs that caused no signature check, as a part of the cost of one RS256 verification.
//!
//! A refusal is `Gate::admit` with an error, a verification the same with a caller. The answer is not part of it. All figures
//! are ratios within one run. Both take short turns, and the fastest turn of each counts, so that other load on the machine
//! hardly changes them. The run fails when a refusal costs more than the limit.
//!
//! `cargo bench -p portcullis-benches --bench reject`, or with words in the names of gates or kinds: `-- "20 Azure" cookies`

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a bench may fail by panicking"
)]

use std::fmt;
use std::hint::black_box;
use std::pin::pin;
use std::process::ExitCode;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis::adapter::HeaderList;
use portcullis::error::Unavailable;
use portcullis::jose::Algorithm;
use portcullis::keys::RemoteKeys;
use portcullis::verifier::{ByIssuer, IssuerDirectory, OpenIssuers};
use portcullis::{Audience, ConfigError, Gate, JwtVerifier, Policy, TokenSource, async_trait};
use portcullis_auth0::Auth0;
use portcullis_azure::Azure;
use portcullis_clerk::Clerk;
use portcullis_oidc::Google;
use portcullis_testing::TestIssuer;

/// The largest part of a verification that a refusal may cost. A machine with other work needs a margin over the tenth that
/// is the goal, and 180 cookies at a gate with five cookie names cost 0.15.
const LIMIT: f64 = 0.16;
/// Below this, a kind is not measured again.
const GOAL: f64 = 0.1;
/// A token of this kind was signed by the issuer, and its signature was checked. So it has no limit.
const SIGNED: &str = "cached, for another audience";
/// The number of turns of each.
const ROUNDS: usize = 40;
/// How long a turn takes, in nanoseconds.
const TURN: f64 = 60_000.0;
/// How often a kind is measured that seems to miss the goal: other processes can only make it slower.
const TRIES: usize = 4;
/// The sizes of the tokens, in bytes. The last is the limit.
const SIZES: [usize; 4] = [100, 1_000, 4_000, 16_384];
const CLIENT: &str = "7c1f6b2e-0d3a-4c55-9f0e-3a1b5c7d9e11";
const CLERK: &str = "https://clerk.example.com";

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let _in_runtime = runtime.enter();
    let issuer = TestIssuer::from_algorithms([Algorithm::Rs256]);
    let good = Attempt::bearer(&issuer.gate(), &issuer.token().sign());
    assert!(good.passes(), "the premise");
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let is_wanted = |gate: &str, kind: &str| {
        words.is_empty() || words.iter().any(|word| gate.contains(&**word) || kind.contains(&**word))
    };
    let gates = gates(&issuer, &runtime);
    println!("| refused at | token | {} |", SIZES.map(|size| format!("{size} B")).join(" | "));
    println!("|---|---|{}", "---|".repeat(SIZES.len()));
    let (mut broken, mut summary) = (Vec::new(), Vec::new());
    let caching = Gate::new(issuer.verifier().cache_tokens(1_000).build().expect("complete"));
    let cached = |size: usize| {
        let token = issuer.token().audience("other").claim("a", filler(size.saturating_sub(700) * 3 / 4, 0)).sign();
        let attempt = Attempt::bearer(&caching, &token);
        assert!(!attempt.passes(), "the signature is checked and cached");
        attempt
    };
    let mut rows: Vec<(&str, &str, OfSize<'_>)> = Vec::new();
    for (name, gate, issuers) in &gates {
        rows.extend(
            KINDS
                .iter()
                .map(|(kind, make)| (*name, *kind, Box::new(move |size| make(gate, issuers, size)) as OfSize<'_>)),
        );
    }
    rows.push(("JwtVerifier, token cache", SIGNED, Box::new(cached)));
    for group in rows.chunk_by(|(one, ..), (other, ..)| one == other) {
        let Some((name, ..)) = group.first() else { continue };
        let mut costliest = [0.0_f64; SIZES.len()];
        for (_, kind, make) in group.iter().filter(|(_, kind, _)| is_wanted(name, kind)) {
            let ratios = SIZES.map(|size| {
                let attempt = make(size);
                assert!(!attempt.passes(), "{kind} of {size} bytes passes at {name}");
                measure(&attempt, &good)
            });
            println!("| {name} | {kind} | {} |", ratios.map(|ratio| format!("{ratio:.3}")).join(" | "));
            costliest = std::array::from_fn(|at| costliest[at].max(ratios[at]));
            for (size, ratio) in SIZES.iter().zip(ratios) {
                if ratio > limit_of(kind) {
                    broken.push(format!("{kind} of {size} bytes at {name} costs {ratio:.3} of a verification"));
                }
            }
        }
        summary.push((name, costliest));
    }
    println!("\n| refused at | {} |", SIZES.map(|size| format!("{size} B")).join(" | "));
    println!("|---|{}", "---|".repeat(SIZES.len()));
    for (name, ratios) in &summary {
        println!("| {name} | {} |", ratios.map(|ratio| format!("{ratio:.2}")).join(" | "));
    }
    for limit in &broken {
        println!("LIMIT BROKEN: {limit}");
    }
    if broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn limit_of(kind: &str) -> f64 {
    if kind == SIGNED { f64::MAX } else { LIMIT }
}

/// Makes an attempt with a token of this size.
type OfSize<'a> = Box<dyn Fn(usize) -> Attempt + 'a>;

/// A gate, and the issuers that its tokens may name.
type Named = (&'static str, Gate, Vec<String>);

fn gates(issuer: &TestIssuer, runtime: &tokio::runtime::Runtime) -> Vec<Named> {
    let keys = || issuer.keys();
    let tenant = |number: usize| format!("8eaef023-2b34-4da1-9baa-{number:012}");
    let of_tenant =
        |number: usize| Azure::single_tenant(tenant(number), CLIENT).keys(keys()).verifier().expect("complete");
    let azure_issuer = |number: usize| format!("https://login.microsoftonline.com/{}/v2.0", tenant(number));
    let clerk =
        || Clerk::from_frontend_api("clerk.example.com").keys(keys()).authorized_parties(["https://app.example.com"]);
    let generic = |number: usize| {
        let url = format!("https://issuer-{number}.example");
        JwtVerifier::builder(url, Audience::any_of(["api"]), keys())
            .algorithms([Algorithm::Rs256])
            .build()
            .expect("complete")
    };
    let mixed = |of_each: usize| {
        let all = (0..of_each).flat_map(|number| {
            let clerk = Clerk::from_frontend_api(format!("clerk-{number}.example.com")).keys(keys());
            let auth0 = Auth0::new(format!("tenant-{number}.eu.auth0.com"), "https://api.example.com").keys(keys());
            [
                of_tenant(number),
                clerk.verifier().expect("complete"),
                auth0.verifier().expect("complete"),
                generic(number),
            ]
        });
        Gate::new(ByIssuer::new(all).expect("complete"))
    };
    let server = issuer.clone().serve();
    let remote = RemoteKeys::builder().cooldown(Duration::from_secs(3_600), 5);
    let remote = remote.at(&server.jwks_url()).expect("a URL");
    let remote_gate =
        Gate::new(JwtVerifier::builder(server.url(), Audience::any_of(["api"]), remote).build().expect("complete"));
    // The keys are cached, and further fetches are not allowed at the moment.
    runtime.block_on(async {
        remote_gate.warm_up().await.expect("the server is up");
        for number in 0..50 {
            let header = format!(r#"{{"alg":"RS256","kid":"made-up-{number}"}}"#);
            let _ = remote_gate.verify(&format!("{}.{}.AAAA", encode(&header), encode("{}"))).await;
        }
    });
    std::mem::forget(server);
    let accepted = "https://issuer-0.example";
    let open =
        OpenIssuers::new(Directory(accepted, issuer.clone()), 1_000, Duration::from_secs(300)).expect("complete");
    let auth0 = Auth0::new("tenant.eu.auth0.com", "https://api.example.com").keys(keys());
    let google = Google::id_tokens("1234987819200.apps.googleusercontent.com").keys(keys());
    vec![
        ("JwtVerifier", Gate::new(generic(0)), vec!["https://issuer-0.example".to_owned()]),
        ("JwtVerifier, remote keys", remote_gate, vec!["https://issuer-0.example".to_owned()]),
        ("Azure", Gate::new(of_tenant(0)), vec![azure_issuer(0)]),
        ("Auth0", Gate::new(auth0.verifier().expect("complete")), vec!["https://tenant.eu.auth0.com/".to_owned()]),
        ("Google", Gate::new(google.verifier().expect("complete")), vec!["https://accounts.google.com".to_owned()]),
        (
            "Clerk, cookies",
            Gate::new(clerk().verifier().expect("complete"))
                .with_token_sources([TokenSource::authorization(), clerk().session_cookies()]),
            vec![CLERK.to_owned()],
        ),
        (
            "JwtVerifier, other fields",
            Gate::new(generic(0)).with_token_sources([
                TokenSource::header_with_scheme("x-forwarded-authorization"),
                TokenSource::header("x-token"),
                TokenSource::websocket_protocol(),
                TokenSource::cookies(["a", "session", "__session_1", "__session_2", "__session"], |_| 0),
            ]),
            vec!["https://issuer-0.example".to_owned()],
        ),
        ("OpenIssuers", Gate::new(open), vec!["https://issuer-0.example".to_owned()]),
        ("ByIssuer, 1 Azure", Gate::new(ByIssuer::new([of_tenant(0)]).expect("complete")), vec![azure_issuer(0)]),
        (
            "ByIssuer, 20 Azure",
            Gate::new(ByIssuer::new((0..20).map(of_tenant)).expect("complete")),
            vec![azure_issuer(0), azure_issuer(19)],
        ),
        ("ByIssuer, 20 mixed", mixed(5), vec!["https://issuer-4.example".to_owned(), azure_issuer(0)]),
    ]
}

/// A directory of one issuer.
struct Directory(&'static str, TestIssuer);

#[async_trait]
impl IssuerDirectory for Directory {
    type Entry = ();

    async fn find(&self, unverified_issuer: &str) -> Result<Option<()>, Unavailable> {
        Ok((unverified_issuer == self.0).then_some(()))
    }

    fn verifier(&self, issuer: &str, (): &()) -> Result<JwtVerifier, ConfigError> {
        JwtVerifier::builder(issuer, Audience::any_of(["api"]), self.1.keys()).algorithms([Algorithm::Rs256]).build()
    }
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Directory").field(&self.0).finish_non_exhaustive()
    }
}

/// A request that a gate refuses.
struct Attempt {
    gate: Gate,
    request: HeaderList,
    policy: Policy,
}

impl Attempt {
    fn bearer(gate: &Gate, token: &str) -> Self {
        Self::new(gate, [("authorization", format!("Bearer {token}"))])
    }

    fn new<const N: usize>(gate: &Gate, fields: [(&str, String); N]) -> Self {
        Self { gate: gate.clone(), request: HeaderList::new("GET", fields), policy: Policy::authenticated() }
    }

    /// Polls once: a refusal without a signature check never waits. One that waits counts as passed.
    fn passes(&self) -> bool {
        let admission = pin!(self.gate.admit(&self.request, &self.policy));
        match admission.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(admitted)) => {
                black_box(admitted);
                true
            }
            Poll::Ready(Err(denied)) => {
                black_box(denied);
                false
            }
            Poll::Pending => true,
        }
    }
}

type Make = fn(&Gate, &[String], usize) -> Attempt;

const UNKNOWN: &str = "https://unknown.example";

/// What is sent. None of it makes a verifier check a signature.
const KINDS: &[(&str, Make)] = &[
    ("unsigned", |gate, issuers, size| sent(gate, r#"{"alg":"none"}"#, size, |room| claims(&issuers[0], room))),
    ("unsigned, wide payload", |gate, _, size| sent(gate, r#"{"alg":"none"}"#, size, |room| wide(room, UNKNOWN))),
    ("opaque", |gate, _, size| Attempt::bearer(gate, &"a".repeat(size))),
    ("opaque, prefixed", |gate, _, size| Attempt::bearer(gate, &format!("ya29.{}", "a".repeat(size - 5)))),
    ("opaque, all bytes but letters", |gate, _, size| Attempt::bearer(gate, &"~+/-_".repeat(size / 5))),
    ("dots", |gate, _, size| Attempt::bearer(gate, &".".repeat(size))),
    ("encrypted", |gate, _, size| {
        let part = "A".repeat(size / 5 - 1);
        Attempt::bearer(gate, &[part.as_str(); 5].join("."))
    }),
    ("malformed field", |gate, _, size| Attempt::bearer(gate, &format!("{},", "a".repeat(size)))),
    ("unknown kid", |gate, issuers, size| {
        let header = r#"{"alg":"RS256","typ":"JWT","kid":"made-up-1"}"#;
        sent(gate, header, size, |room| claims(&issuers[0], room))
    }),
    ("unknown kid, wide payload", |gate, issuers, size| {
        let header = r#"{"alg":"RS256","typ":"JWT","kid":"made-up-1"}"#;
        sent(gate, header, size, |room| wide(room, &issuers[0]))
    }),
    ("huge kid", |gate, issuers, size| {
        let payload = format!(r#"{{"iss":"{}"}}"#, issuers[0]);
        with_header(gate, &payload, size, |room| format!(r#"{{"alg":"RS256","kid":"{}"}}"#, filler(room, 24)))
    }),
    ("huge kid, escaped", |gate, issuers, size| {
        let payload = format!(r#"{{"iss":"{}"}}"#, issuers[0]);
        with_header(gate, &payload, size, |room| {
            format!(r#"{{"alg":"RS256","kid":"{}"}}"#, r"\u0061".repeat(room.saturating_sub(24) / 6))
        })
    }),
    ("kid of 512 bytes", |gate, issuers, size| {
        let kid = "k".repeat(512.min(size / 2));
        let header = format!(r#"{{"alg":"RS256","typ":"JWT","kid":"{kid}"}}"#);
        sent(gate, &header, size, |room| claims(&issuers[0], room))
    }),
    ("huge x5t", |gate, issuers, size| {
        let payload = format!(r#"{{"iss":"{}"}}"#, issuers[0]);
        with_header(gate, &payload, size, |room| {
            format!(r#"{{"alg":"RS256","kid":"made-up-1","x5t":"{}","x5t#S256":"a"}}"#, filler(room, 60))
        })
    }),
    ("huge typ", |gate, issuers, size| {
        let payload = format!(r#"{{"iss":"{}"}}"#, issuers[0]);
        with_header(gate, &payload, size, |room| format!(r#"{{"alg":"RS256","typ":"{}"}}"#, filler(room, 24)))
    }),
    ("header, many members", |gate, issuers, size| {
        let payload = format!(r#"{{"iss":"{}"}}"#, issuers[0]);
        with_header(gate, &payload, size, |room| members(room, |at| format!("\"{at:x}\":0")))
    }),
    ("header, many escaped members", |gate, issuers, size| {
        let payload = format!(r#"{{"iss":"{}"}}"#, issuers[0]);
        with_header(gate, &payload, size, |room| members(room, |at| format!("\"\\u0061{at:x}\":0")))
    }),
    ("header, equal long members", |gate, issuers, size| {
        let payload = format!(r#"{{"iss":"{}"}}"#, issuers[0]);
        with_header(gate, &payload, size, |room| {
            let long = "a".repeat(room / 48);
            members(room, |at| format!("\"a{long}{at:02}a\":0"))
        })
    }),
    ("header, 60 escaped members", |gate, issuers, size| {
        let payload = format!(r#"{{"iss":"{}"}}"#, issuers[0]);
        with_header(gate, &payload, size, |room| {
            let long = r"\u0061".repeat(room / 400);
            members(room.min(60 * (room / 400 * 6 + 10)), |at| format!("\"{long}{at:02}\":0"))
        })
    }),
    ("header, wide value", |gate, issuers, size| {
        let payload = format!(r#"{{"iss":"{}"}}"#, issuers[0]);
        with_header(gate, &payload, size, |room| {
            format!(r#"{{"alg":"RS256","x":[{}0]}}"#, "0,".repeat(room.saturating_sub(24) / 2))
        })
    }),
    ("header, wide value of strings", |gate, issuers, size| {
        let payload = format!(r#"{{"iss":"{}"}}"#, issuers[0]);
        with_header(gate, &payload, size, |room| {
            format!(r#"{{"alg":"RS256","x":[{}0]}}"#, r#""","#.repeat(room.saturating_sub(24) / 3))
        })
    }),
    ("header, wide value of objects", |gate, issuers, size| {
        let payload = format!(r#"{{"iss":"{}"}}"#, issuers[0]);
        with_header(gate, &payload, size, |room| {
            format!(r#"{{"alg":"RS256","x":[{}0]}}"#, r#"{"":0},"#.repeat(room.saturating_sub(24) / 7))
        })
    }),
    ("header, deep value", |gate, issuers, size| {
        let payload = format!(r#"{{"iss":"{}"}}"#, issuers[0]);
        with_header(gate, &payload, size, |room| {
            let nested = format!("{}{},", "[".repeat(60), "]".repeat(60));
            format!(r#"{{"alg":"RS256","x":[{}0]}}"#, nested.repeat(room.saturating_sub(24) / 121))
        })
    }),
    ("header, long number", |gate, issuers, size| {
        let payload = format!(r#"{{"iss":"{}"}}"#, issuers[0]);
        with_header(gate, &payload, size, |room| {
            format!(r#"{{"alg":"none","x":1{}}}"#, "0".repeat(room.saturating_sub(20)))
        })
    }),
    ("header, white space", |gate, issuers, size| {
        let payload = format!(r#"{{"iss":"{}"}}"#, issuers[0]);
        with_header(gate, &payload, size, |room| format!(r#"{{"alg":{}"none"}}"#, " ".repeat(room.saturating_sub(14))))
    }),
    ("header, text of two bytes", |gate, issuers, size| {
        let payload = format!(r#"{{"iss":"{}"}}"#, issuers[0]);
        with_header(gate, &payload, size, |room| {
            format!(r#"{{"alg":"none","x":"{}"}}"#, "é".repeat(room.saturating_sub(24) / 2))
        })
    }),
    ("header, not base64url", |gate, _, size| Attempt::bearer(gate, &format!("{}+.e30.AAAA", "A".repeat(size - 10)))),
    ("header, not JSON", |gate, _, size| with_header(gate, "{}", size, |room| "{".repeat(room))),
    ("wrong type, wide payload", |gate, issuers, size| {
        sent(gate, r#"{"alg":"RS256","typ":"logout+jwt"}"#, size, |room| wide(room, &issuers[0]))
    }),
    ("wrong algorithm, deep payload", |gate, issuers, size| {
        sent(gate, r#"{"alg":"HS256"}"#, size, |room| deep(room, &issuers[0]))
    }),
    ("unknown issuer first", |gate, _, size| sent(gate, HEADER_WITHOUT_KEY, size, |room| claims(UNKNOWN, room))),
    ("unknown issuer last, long text", |gate, _, size| {
        sent(gate, HEADER_WITHOUT_KEY, size, |room| format!(r#"{{"a":"{}","iss":"{UNKNOWN}"}}"#, filler(room, 48)))
    }),
    ("unknown issuer last, many members", |gate, _, size| {
        sent(gate, HEADER_WITHOUT_KEY, size, |room| wide(room, UNKNOWN))
    }),
    ("unknown issuer last, many texts", |gate, _, size| {
        sent(gate, HEADER_WITHOUT_KEY, size, |room| {
            format!(r#"{{"a":[{}0],"iss":"{UNKNOWN}"}}"#, r#""ab","#.repeat(room.saturating_sub(48) / 5))
        })
    }),
    ("unknown issuer last, numbers", |gate, _, size| {
        sent(gate, HEADER_WITHOUT_KEY, size, |room| {
            format!(r#"{{"a":[{}0],"iss":"{UNKNOWN}"}}"#, "1,".repeat(room.saturating_sub(48) / 2))
        })
    }),
    ("unknown issuer last, escapes", |gate, _, size| {
        sent(gate, HEADER_WITHOUT_KEY, size, |room| {
            format!(r#"{{"a":"{}","iss":"{UNKNOWN}"}}"#, r#"\""#.repeat(room.saturating_sub(48) / 2))
        })
    }),
    ("unknown issuer last, deep", |gate, _, size| sent(gate, HEADER_WITHOUT_KEY, size, |room| deep(room, UNKNOWN))),
    ("unknown issuer of any length", |gate, _, size| {
        sent(gate, HEADER_WITHOUT_KEY, size, |room| format!(r#"{{"iss":"https://{}"}}"#, filler(room, 18)))
    }),
    ("unknown issuer, escaped", |gate, _, size| {
        sent(gate, HEADER_WITHOUT_KEY, size, |room| {
            format!(r#"{{"iss":"{}"}}"#, r"\u0061".repeat(room.saturating_sub(10) / 6))
        })
    }),
    ("many nested issuers", |gate, issuers, size| {
        sent(gate, HEADER_WITHOUT_KEY, size, |room| {
            let each = format!(r#"{{"iss":"{}"}},"#, issuers.last().unwrap());
            format!(r#"{{"a":[{}0],"iss":"{UNKNOWN}"}}"#, each.repeat(room.saturating_sub(48) / each.len()))
        })
    }),
    ("many nested unknown issuers", |gate, _, size| {
        sent(gate, HEADER_WITHOUT_KEY, size, |room| {
            format!(r#"{{"a":[{}0],"iss":"{UNKNOWN}"}}"#, r#"{"iss":"a"},"#.repeat(room.saturating_sub(48) / 12))
        })
    }),
    ("no issuer", |gate, _, size| {
        sent(gate, HEADER_WITHOUT_KEY, size, |room| members(room, |at| format!("\"{at:x}\":0")).replace("alg", "foo"))
    }),
    ("issuer is a list", |gate, _, size| {
        sent(gate, HEADER_WITHOUT_KEY, size, |room| {
            format!(r#"{{"iss":[{}0]}}"#, "1,".repeat(room.saturating_sub(12) / 2))
        })
    }),
    ("payload, not base64url at the end", |gate, _, size| {
        let header = encode(HEADER_WITHOUT_KEY);
        let room = size.saturating_sub(header.len() + 8).max(8) / 4 * 4;
        Attempt::bearer(gate, &format!("{header}.{}+.AAAA", encode(&format!(r#"{{"a":"{}"#, filler(room * 3 / 4, 6)))))
    }),
    ("payload, not JSON", |gate, _, size| sent(gate, HEADER_WITHOUT_KEY, size, |room| "[".repeat(room))),
    ("two cookies", |gate, issuers, size| {
        let token = token(r#"{"alg":"none"}"#, size, |room| wide(room, &issuers[0]));
        let other = token.replace(".AAAA", ".AAAB");
        let fields = format!("__session={token}; __session_NlzYlTJw={other}");
        Attempt::new(gate, [("cookie", fields)])
    }),
    ("many cookies", |gate, _, size| Attempt::new(gate, [("cookie", "a=b; ".repeat(size / 5))])),
    ("one large other cookie", |gate, _, size| Attempt::new(gate, [("cookie", format!("x={}", "=".repeat(size)))])),
    ("180 cookies", |gate, _, size| {
        let each = format!("x={}", "b".repeat((size / 180).saturating_sub(4)));
        Attempt::new(gate, [("cookie", vec![each; 180.min(size / 4)].join("; "))])
    }),
    ("180 cookies with almost the name", |gate, _, size| {
        let each = format!("__session_{}", "x".repeat(size / 360));
        Attempt::new(gate, [("cookie", vec![each; 180.min(size / 12)].join("; "))])
    }),
    ("many equal cookies", |gate, _, size| {
        let each = format!("__session={}", "x".repeat(size / 360));
        Attempt::new(gate, [("cookie", vec![each; 180.min(size / 12)].join("; "))])
    }),
    ("two equal cookies", |gate, _, size| {
        let each = format!("__session={}", "x".repeat(size / 2 - 12));
        Attempt::new(gate, [("cookie", format!("{each}; {each}"))])
    }),
    ("cookie, percent-encoded", |gate, _, size| {
        Attempt::new(gate, [("cookie", format!("__session={}", "%41".repeat(size / 3)))])
    }),
    ("cookie, spaces", |gate, _, size| {
        Attempt::new(gate, [("cookie", format!("__session={}", " \t".repeat(size / 2)))])
    }),
    ("cookie, unknown kid", |gate, issuers, size| {
        Attempt::new(
            gate,
            [("cookie", format!("__session={}", token(HEADER_WITHOUT_KEY, size, |room| wide(room, &issuers[0]))))],
        )
    }),
    ("no scheme", |gate, _, size| Attempt::new(gate, [("authorization", "a".repeat(size))])),
    ("long scheme", |gate, _, size| Attempt::new(gate, [("authorization", format!("{} b", "a".repeat(size)))])),
    ("spaces before the token", |gate, _, size| {
        Attempt::new(gate, [("authorization", format!("Bearer{}a", " ".repeat(size)))])
    }),
    ("spaces around the field", |gate, _, size| {
        let spaces = " \t".repeat(size / 4);
        Attempt::new(gate, [("authorization", format!("{spaces}Bearer a{spaces}"))])
    }),
    ("padding", |gate, _, size| Attempt::bearer(gate, &format!("a{}", "=".repeat(size)))),
    ("standard base64", |gate, _, size| Attempt::bearer(gate, &"abcdefghijklmno/".repeat(size / 16))),
    ("other form, longest", |gate, _, size| Attempt::bearer(gate, &"~+/-_.".repeat(size.min(8 * 1_024) / 6))),
    ("100 fields", |gate, _, size| Attempt {
        request: HeaderList::new(
            "GET",
            (0..100).map(|_| ("authorization", format!("Bearer {}", "a".repeat(size / 100)))),
        ),
        ..Attempt::bearer(gate, "")
    }),
    ("header of 3,072 bytes, text", |gate, issuers, size| {
        longest_header(gate, issuers, size, |room| format!(r#""x5c":["{}"]"#, filler(room, 10)))
    }),
    ("header of 3,072 bytes, number", |gate, issuers, size| {
        longest_header(gate, issuers, size, |room| format!(r#""x":1{}"#, "0".repeat(room.saturating_sub(8))))
    }),
    ("header of 3,072 bytes, literals", |gate, issuers, size| {
        longest_header(gate, issuers, size, |room| {
            let each = format!("[{}],", "true,".repeat(8).trim_end_matches(','));
            format!(r#""x":[{}0]"#, each.repeat(6.min(room / each.len())))
        })
    }),
    ("header of 3,072 bytes, escapes", |gate, issuers, size| {
        longest_header(gate, issuers, size, |room| {
            let escapes = r"\u0061".repeat(48.min(room / 12));
            format!(r#""x":"{escapes}{}""#, filler(room, 12 + escapes.len()))
        })
    }),
    ("header of 3,072 bytes, members", |gate, issuers, size| {
        longest_header(gate, issuers, size, |room| {
            let name = "n".repeat((room / 12).saturating_sub(10));
            (0..11).map(|at| format!(r#""{name}{at:02}a":0"#)).collect::<Vec<_>>().join(",")
        })
    }),
    ("header of 3,072 bytes, escaped names", |gate, issuers, size| {
        longest_header(gate, issuers, size, |room| {
            let name = "n".repeat((room / 12).saturating_sub(16));
            (0..11).map(|at| format!(r#""\u0061{name}{at:02}a":0"#)).collect::<Vec<_>>().join(",")
        })
    }),
    ("websocket, many names", |gate, _, size| Attempt::new(gate, [("sec-websocket-protocol", "a,".repeat(size / 2))])),
    ("websocket, 64 names", |gate, _, size| {
        Attempt::new(gate, [("sec-websocket-protocol", vec!["a".repeat(size / 64); 64].join(","))])
    }),
    ("websocket, token", |gate, issuers, size| {
        let token = token(HEADER_WITHOUT_KEY, size, |room| wide(room, &issuers[0]));
        Attempt::new(gate, [("sec-websocket-protocol", format!("bearer, {token}"))])
    }),
    ("websocket, token in base64url", |gate, issuers, size| {
        let token = encode(&token(HEADER_WITHOUT_KEY, size * 3 / 4, |room| wide(room, &issuers[0])));
        Attempt::new(gate, [("sec-websocket-protocol", format!("base64url.bearer.authorization.k8s.io.{token}"))])
    }),
    ("forwarded, unknown kid", |gate, issuers, size| {
        let token = token(HEADER_WITHOUT_KEY, size, |room| wide(room, &issuers[0]));
        Attempt::new(gate, [("x-forwarded-authorization", format!("Bearer {token}"))])
    }),
    ("forwarded, no scheme", |gate, _, size| Attempt::new(gate, [("x-forwarded-authorization", "a".repeat(size))])),
    ("other field, unknown kid", |gate, issuers, size| {
        Attempt::new(gate, [("x-token", token(HEADER_WITHOUT_KEY, size, |room| wide(room, &issuers[0])))])
    }),
    ("other field, all bytes but letters", |gate, _, size| Attempt::new(gate, [("x-token", "~+/-_".repeat(size / 5))])),
];

/// A token whose header is as long as it may be, and has `alg`, a `kid` that no key has, and `more`. Its payload is hard to
/// read.
fn longest_header(gate: &Gate, issuers: &[String], size: usize, more: impl Fn(usize) -> String) -> Attempt {
    let room = (size / 2).min(3_072) * 3 / 4;
    let fixed = r#"{"alg":"RS256","kid":"made-up-1",}"#.len();
    let header = format!(r#"{{"alg":"RS256","kid":"made-up-1",{}}}"#, more(room.saturating_sub(fixed)));
    sent(gate, &header, size, |room| wide(room, &issuers[0]))
}

/// A header whose key no gate has.
const HEADER_WITHOUT_KEY: &str = r#"{"alg":"RS256","typ":"JWT","kid":"made-up-1"}"#;

fn sent(gate: &Gate, header: &str, size: usize, payload: impl Fn(usize) -> String) -> Attempt {
    Attempt::bearer(gate, &token(header, size, payload))
}

/// A token of about `size` bytes. `payload` gets the number of bytes that it may have.
fn token(header: &str, size: usize, payload: impl Fn(usize) -> String) -> String {
    let header = encode(header);
    let room = size.saturating_sub(header.len() + 6) * 3 / 4;
    format!("{header}.{}.AAAA", encode(&payload(room)))
}

fn with_header(gate: &Gate, payload: &str, size: usize, header: impl Fn(usize) -> String) -> Attempt {
    let payload = encode(payload);
    let room = size.saturating_sub(payload.len() + 6).max(32) * 3 / 4;
    Attempt::bearer(gate, &format!("{}.{payload}.AAAA", encode(&header(room))))
}

fn claims(issuer: &str, room: usize) -> String {
    format!(r#"{{"iss":"{issuer}","sub":"u","aud":"api","exp":4102444800,"a":"{}"}}"#, filler(room, 64 + issuer.len()))
}

/// A payload with many members, `iss` last.
fn wide(room: usize, issuer: &str) -> String {
    let members: String = (0..room.saturating_sub(40) / 9).map(|at| format!("\"{at:04x}\":0,")).collect();
    format!(r#"{{{members}"iss":"{issuer}"}}"#)
}

/// A payload with deep values, `iss` last.
fn deep(room: usize, issuer: &str) -> String {
    let nested = format!("{}{},", "[".repeat(50), "]".repeat(50));
    format!(r#"{{"a":[{}0],"iss":"{issuer}"}}"#, nested.repeat(room.saturating_sub(40) / nested.len()))
}

fn members(room: usize, member: impl Fn(usize) -> String) -> String {
    let mut text = r#"{"alg":"RS256""#.to_owned();
    for at in 0.. {
        let next = member(at);
        if text.len() + next.len() + 2 > room {
            break;
        }
        text = format!("{text},{next}");
    }
    format!("{text}}}")
}

fn filler(room: usize, used: usize) -> String {
    "x".repeat(room.saturating_sub(used))
}

fn encode(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

/// The cost of `attempt` divided by that of `good`: of the fastest of many short turns of each.
fn measure(attempt: &Attempt, good: &Attempt) -> f64 {
    let time = |attempt: &Attempt, times: usize| {
        let start = Instant::now();
        (0..times).for_each(|_| {
            attempt.passes();
        });
        start.elapsed().as_nanos() as f64 / times as f64
    };
    let times = |attempt: &Attempt| (TURN / time(attempt, 3).max(1.0)).clamp(1.0, 500.0) as usize;
    let (times_of_attempt, times_of_good) = (times(attempt), times(good));
    let (mut of_attempt, mut of_good) = (f64::MAX, f64::MAX);
    for _ in 0..TRIES {
        for _ in 0..ROUNDS {
            of_attempt = of_attempt.min(time(attempt, times_of_attempt));
            of_good = of_good.min(time(good, times_of_good));
        }
        if of_attempt / of_good <= GOAL {
            break;
        }
    }
    of_attempt / of_good
}
