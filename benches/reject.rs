//! Measures what a refused request costs that caused no signature check, as a part of the cost of one RS256 verification.
//!
//! All figures are ratios within one run. The refusal and the verification take turns, so that other load on the machine
//! affects both. The run fails when a refusal costs more than a tenth of a verification.
//!
//! `cargo bench -p portcullis-benches --bench reject`

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a bench may fail by panicking"
)]

use std::hint::black_box;
use std::pin::pin;
use std::process::ExitCode;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis::adapter::HeaderList;
use portcullis::jose::Algorithm;
use portcullis::keys::RemoteKeys;
use portcullis::verifier::ByIssuer;
use portcullis::{Audience, Gate, JwtVerifier, Policy, TokenSource};
use portcullis_auth0::Auth0;
use portcullis_azure::Azure;
use portcullis_clerk::Clerk;
use portcullis_oidc::Google;
use portcullis_testing::TestIssuer;

/// The largest part of a verification that a refusal may cost.
const LIMIT: f64 = 0.1;
const ROUNDS: usize = 61;
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
    let gates = gates(&issuer, &runtime);
    println!("| refused at | token | {} |", SIZES.map(|size| format!("{size} B")).join(" | "));
    println!("|---|---|{}", "---|".repeat(SIZES.len()));
    let mut broken = Vec::new();
    for (name, gate, issuers) in &gates {
        for (kind, make) in KINDS {
            let ratios = SIZES.map(|size| {
                let attempt = make(gate, issuers, size);
                assert!(!attempt.passes(), "{kind} of {size} bytes passes at {name}");
                measure(&attempt, &good)
            });
            println!("| {name} | {kind} | {} |", ratios.map(|ratio| format!("{ratio:.3}")).join(" | "));
            for (size, ratio) in SIZES.iter().zip(ratios) {
                if ratio > LIMIT {
                    broken.push(format!("{kind} of {size} bytes at {name} costs {ratio:.3} of a verification"));
                }
            }
        }
    }
    for limit in &broken {
        println!("LIMIT BROKEN: {limit}");
    }
    if broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

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
        ("ByIssuer, 1 Azure", Gate::new(ByIssuer::new([of_tenant(0)]).expect("complete")), vec![azure_issuer(0)]),
        (
            "ByIssuer, 20 Azure",
            Gate::new(ByIssuer::new((0..20).map(of_tenant)).expect("complete")),
            vec![azure_issuer(0), azure_issuer(19)],
        ),
        ("ByIssuer, 20 mixed", mixed(5), vec!["https://issuer-4.example".to_owned(), azure_issuer(0)]),
    ]
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
            Poll::Ready(admitted) => black_box(admitted).is_ok(),
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
    ("kid of 1,024 bytes", |gate, issuers, size| {
        let kid = "k".repeat(1_024.min(size / 2));
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
    ("one large other cookie", |gate, _, size| Attempt::new(gate, [("cookie", format!("a={}", "=".repeat(size)))])),
];

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

/// The cost of `attempt` divided by that of `good`: the median of the ratios of many short turns.
fn measure(attempt: &Attempt, good: &Attempt) -> f64 {
    let time = |attempt: &Attempt, turns: usize| {
        let start = Instant::now();
        (0..turns).for_each(|_| {
            attempt.passes();
        });
        start.elapsed().as_nanos() as f64 / turns as f64
    };
    let turns = |attempt: &Attempt| (60_000.0 / time(attempt, 3).max(1.0)).clamp(1.0, 500.0) as usize;
    let (turns_of_attempt, turns_of_good) = (turns(attempt), turns(good));
    let mut ratios: Vec<f64> =
        (0..ROUNDS).map(|_| time(attempt, turns_of_attempt) / time(good, turns_of_good)).collect();
    ratios.sort_by(f64::total_cmp);
    ratios[ROUNDS / 2]
}
