//! Tests of demands in combination: each has its challenge, and what the challenge asks for lets the caller in.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::clock::ManualClock;
use crate::dangerous::assume_verified;
use crate::error::{AuthError, InvalidToken};
use crate::policy::{AllowedActor, Alternatives, Policy, any_role, scopes};
use crate::verifier::Verified;

const NOW: i64 = 10_000;
const MINUTE: Duration = Duration::from_secs(60);

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Payment {
    #[serde(rename = "type")]
    _kind: String,
    creditor: String,
}

fn pay(creditor: &'static str) -> Policy {
    Policy::authorization_details("payment", move |payment: &Payment| payment.creditor == creditor)
}

fn caller(claims: &Value) -> Verified {
    assume_verified(claims).unwrap().with_clock(Arc::new(ManualClock::at_unix(NOW)))
}

fn refused(policy: &Policy, claims: &Value) -> Option<AuthError> {
    policy.check(&caller(claims)).err()
}

/// Whether the refusal is a 403 without scopes.
fn is_forbidden(policy: &Policy, claims: &Value) -> bool {
    match refused(policy, claims) {
        None => false,
        Some(AuthError::InsufficientScope { scope: None }) => true,
        Some(other) => panic!("{other}: {claims}"),
    }
}

/// Claims that meet each demand of [`demands`].
fn all_claims() -> Value {
    json!({
        "sub": "alice", "scope": "read", "acr": "gold", "auth_time": NOW, "iat": NOW,
        "authorization_details": [{"type": "payment", "creditor": "shop"}], "act": {"sub": "agent"},
    })
}

/// Each with the claim that it reads, and whether a challenge can help.
fn demands() -> [(Policy, &'static str, bool); 6] {
    [
        (scopes("read"), "scope", true),
        (Policy::acr(["gold", "silver"]), "acr", true),
        (Policy::authenticated_within(MINUTE), "auth_time", true),
        (Policy::max_token_age(MINUTE), "iat", true),
        (pay("shop"), "authorization_details", false),
        (Policy::actors(["agent"]), "act", false),
    ]
}

/// Does what the challenge asks for, as a client would. `None` means that it asks for nothing.
fn answered(claims: &Value, refused: &AuthError) -> Option<Value> {
    let mut claims = claims.clone();
    match refused {
        AuthError::InsufficientScope { scope } => claims["scope"] = json!(scope.clone()?),
        AuthError::InsufficientUserAuthentication { acr_values, max_age } => {
            assert!(acr_values.is_some() || max_age.is_some());
            if let Some(acr_values) = acr_values {
                claims["acr"] = json!(acr_values.split(' ').next());
            }
            claims["auth_time"] = json!(NOW);
            claims["iat"] = json!(NOW);
        }
        AuthError::InvalidToken(_) => claims["iat"] = json!(NOW),
        other => panic!("{other}"),
    }
    Some(claims)
}

#[test]
fn challenge_of_each_combination_helps() {
    let mut checked = 0;
    let demands = demands();
    let all = || demands.iter().enumerate();
    for ((first, (one, ..)), (second, (two, ..)), (third, (three, ..))) in
        all().flat_map(|one| all().flat_map(move |two| all().map(move |three| (one, two, three))))
    {
        let both = || one.clone().and(two.clone());
        let either = || one.clone().or(two.clone());
        for (policy, shape) in [
            (both().and(three.clone()), "and and"),
            (both().or(three.clone()), "and or"),
            (either().and(three.clone()), "or and"),
            (either().or(three.clone()), "or or"),
        ] {
            // Each subset of the claims that matter.
            for present in 0..1_u32 << demands.len() {
                if all().any(|(at, _)| present & (1 << at) == 0 && ![first, second, third].contains(&at)) {
                    continue;
                }
                let mut claims = all_claims();
                for (at, (_, claim, _)) in all() {
                    if present & (1 << at) == 0 {
                        claims.as_object_mut().unwrap().remove(*claim);
                    }
                }
                let holds = |at: usize| present & (1 << at) != 0;
                let (one, two, three) = (holds(first), holds(second), holds(third));
                let expected = match shape {
                    "and and" => one && two && three,
                    "and or" => one && two || three,
                    "or and" => (one || two) && three,
                    _ => one || two || three,
                };
                let mut refusal = refused(&policy, &claims);
                assert_eq!(refusal.is_none(), expected, "{policy:?} {claims}");
                checked += 1;
                // At most one step for each kind of challenge.
                for _ in 0..3 {
                    let Some(better) = refusal.as_ref().and_then(|refused| answered(&claims, refused)) else { break };
                    claims = better;
                    refusal = refused(&policy, &claims);
                }
                // No challenge can ask for what is left.
                if let Some(refusal) = refusal {
                    assert_eq!(refusal.status(), 403, "{policy:?} {claims}");
                    let lacks =
                        all().any(|(at, (_, _, helps))| !helps && !holds(at) && [first, second, third].contains(&at));
                    assert!(lacks, "{policy:?} {claims}");
                }
            }
        }
    }
    // Three different demands have 8 subsets, two have 4, and one has 2, each in four shapes.
    assert_eq!(checked, 4 * (6 * 5 * 4 * 8 + 3 * 6 * 5 * 4 + 6 * 2));
}

#[test]
fn refusals_have_one_order() {
    let policy = demands().into_iter().map(|(demand, ..)| demand).reduce(Policy::and).unwrap();
    let mut claims = json!({"sub": "alice"});
    let mut statuses = Vec::new();
    // Each claim is added in the order of the refusals.
    for claim in ["scope", "authorization_details", "act", "acr", "auth_time", "iat"] {
        let refusal = refused(&policy, &claims).unwrap();
        statuses.push((refusal.status(), refusal.code().to_owned()));
        claims[claim] = all_claims()[claim].clone();
    }
    assert!(refused(&policy, &claims).is_none());
    let codes: Vec<_> = statuses.iter().map(|(status, code)| (*status, code.as_str())).collect();
    let scope = (403, "insufficient_scope");
    let login = (401, "insufficient_user_authentication");
    assert_eq!(codes, [scope, scope, scope, login, login, (401, "invalid_token")]);
}

#[test]
fn login_helps_behind_more_alternatives_than_are_listed() {
    let names: Vec<String> = (0..=Alternatives::MAX).map(|at| format!("role-{at}")).collect();
    let last = names.last().unwrap().clone();
    let policy = any_role(names).and(Policy::authenticated_within(MINUTE * 5));
    assert_eq!(policy.alternatives().as_slice().len(), Alternatives::MAX);
    let asks_for_login = |policy: &Policy, role: &str| {
        let refusal = refused(policy, &json!({"roles": [role], "auth_time": NOW - 600})).unwrap();
        let five_minutes = Some(MINUTE * 5);
        matches!(refusal, AuthError::InsufficientUserAuthentication { acr_values: None, max_age } if max_age == five_minutes)
    };
    assert!(asks_for_login(&policy, "role-0") && asks_for_login(&policy, &last));
    assert!(is_forbidden(&policy, &json!({"roles": ["other"], "auth_time": NOW - 600})));
    assert!(refused(&policy, &json!({"roles": [last], "auth_time": NOW})).is_none());
    // The demands are those of the alternative for which the caller has the grants.
    assert!(asks_for_login(&scopes("read").and(Policy::acr(["gold"])).or(policy), &last));
}

#[test]
fn old_token_is_refused() {
    let policy = Policy::max_token_age(MINUTE);
    let with = |iat: Value| refused(&policy, &json!({"iat": iat, "auth_time": NOW, "exp": NOW + 60}));
    let reason = |iat: Value| match with(iat) {
        None => "none".to_owned(),
        Some(AuthError::InvalidToken(error)) => error.reason().to_string(),
        Some(other) => panic!("{other}"),
    };
    for (iat, expected) in [
        (json!(NOW), "none"),
        (json!(NOW - 60), "none"),
        (json!(NOW - 61), "expired"),
        (json!(NOW as f64 - 60.5), "expired"),
        (json!(0), "expired"),
        (json!(-5), "expired"),
        // The issuer's clock may be ahead. A date in milliseconds lies too far ahead.
        (json!(NOW + 600), "none"),
        (json!(NOW + 601), "issued_in_future"),
        (json!(NOW * 1_000), "issued_in_future"),
    ] {
        assert_eq!(reason(iat.clone()), expected, "{iat}");
    }
    let absent = refused(&policy, &json!({"auth_time": NOW, "nbf": NOW})).unwrap();
    assert_eq!(absent.reason(), Some(InvalidToken::missing("iat").reason()));
    assert!(refused(&Policy::max_token_age(Duration::MAX), &json!({"iat": 0})).is_none());
    assert!(refused(&Policy::max_token_age(Duration::MAX), &json!({})).is_some());
}

#[test]
fn details_of_another_type_or_form_grant_nothing() {
    let policy = pay("shop");
    let with = |details: &str| json!({"authorization_details": serde_json::from_str::<Value>(details).unwrap()});
    let shop = r#"{"type":"payment","creditor":"shop"}"#;
    for details in [format!("[{shop}]"), format!(r#"[{{"type":"account","actions":["read"]}},{shop}]"#)] {
        assert!(refused(&policy, &with(&details)).is_none(), "{details}");
    }
    assert!(refused(&policy, &with(&format!(r#"[{{"type":"payment","creditor":"me"}},{shop}]"#))).is_none());
    for details in [
        "[]",
        "null",
        "{}",
        shop,
        "\"payment\"",
        r#"[{"type":"payments","creditor":"shop"}]"#,
        r#"[{"type":"Payment","creditor":"shop"}]"#,
        r#"[{"creditor":"shop"}]"#,
        r#"[{"type":"payment","creditor":"me"}]"#,
        r#"[{"type":"payment"}]"#,
        r#"[{"type":"payment","creditor":"shop","limit":5}]"#,
        r#"[["payment","shop"]]"#,
        r#"[{"type":"payment","creditor":"shop"},7]"#,
    ] {
        assert!(is_forbidden(&policy, &with(details)), "{details}");
    }
    assert!(is_forbidden(&policy, &json!({"scope": "payment"})));
    assert!(is_forbidden(
        &Policy::authorization_details(" ", |_: &Value| true),
        &json!({"authorization_details": [{"type": " "}]})
    ));
}

#[test]
fn demands_for_details_are_equal_to_their_clones() {
    let policy = pay("shop");
    assert_eq!(policy, policy.clone());
    assert_ne!(policy, pay("shop"));
    // Two of them, although their types are equal.
    let either = pay("shop").or(pay("me"));
    let alternatives = either.alternatives();
    assert_eq!(alternatives.as_slice().len(), 2);
    let both = policy.clone().and(policy.clone()).and(pay("me"));
    let kinds: Vec<&str> = both.alternatives().as_slice()[0].authorization_details().collect();
    assert_eq!(kinds, ["payment", "payment"]);
    assert_eq!(format!("{policy:?}"), r#"Policy(Details(DetailsDemand { kind: "payment", .. }))"#);
}

#[test]
fn only_allowed_actors_act() {
    let with = |act: Value| json!({"iss": "https://i.example", "sub": "alice", "act": act});
    let allowed = |policy: Policy, act: Value| !is_forbidden(&policy, &with(act));
    let agent = || Policy::actors(["agent"]);
    assert!(allowed(agent(), json!({"sub": "agent"})));
    assert!(allowed(agent(), json!({"sub": "agent", "iss": "https://i.example"})));
    assert!(!allowed(agent(), json!({"sub": "agent", "iss": "https://other.example"})));
    assert!(!allowed(agent(), json!({"client_id": "agent"})));
    assert!(!allowed(agent(), json!({"sub": "other"})));
    assert!(!allowed(agent(), json!(null)));
    // Only the current actor counts.
    assert!(allowed(agent(), json!({"sub": "agent", "act": {"sub": "other"}})));
    assert!(!allowed(agent(), json!({"sub": "other", "act": {"sub": "agent"}})));
    let client = || Policy::actors([AllowedActor::client("c").of_issuer("https://other.example")]);
    assert!(allowed(client(), json!({"client_id": "c", "iss": "https://other.example"})));
    assert!(!allowed(client(), json!({"client_id": "c"})));
    assert!(!allowed(client(), json!({"sub": "c", "iss": "https://other.example"})));
    let for_bob = || Policy::actors([AllowedActor::subject("agent").acting_for(["bob"])]);
    let for_both = Policy::actors([AllowedActor::subject("agent").acting_for(["bob", "alice"])]);
    assert!(!allowed(for_bob(), json!({"sub": "agent"})));
    assert!(allowed(for_both, json!({"sub": "agent"})));
    assert!(!allowed(Policy::actors([AllowedActor::subject("agent").acting_for([""; 0])]), json!({"sub": "agent"})));
    // One of several, and one in both lists.
    assert!(allowed(for_bob().or(agent()), json!({"sub": "agent"})));
    assert!(!allowed(for_bob().and(agent()), json!({"sub": "agent"})));
    for nobody in [Policy::actors([""; 0]), Policy::actors([" "]), Policy::actors([AllowedActor::client("")])] {
        assert!(!allowed(nobody.clone(), json!({"sub": "", "client_id": ""})), "{nobody:?}");
        assert!(!allowed(nobody, json!({"sub": "agent"})));
    }
}

#[test]
fn number_of_actors_is_limited() {
    let chain = [json!(null), json!({"sub": "one"}), json!({"sub": "one", "act": {"sub": "two"}})];
    for (count, act) in chain.iter().enumerate() {
        let claims = json!({"sub": "alice", "act": act});
        for max in 0..3 {
            assert_eq!(is_forbidden(&Policy::max_actors(max), &claims), count > max, "{count} {max}");
        }
        assert_eq!(is_forbidden(&Policy::no_actor(), &claims), count > 0);
        assert_eq!(is_forbidden(&Policy::max_actors(2).and(Policy::max_actors(1)), &claims), count > 1);
        assert!(!is_forbidden(&Policy::authenticated(), &claims));
    }
    // What cannot be read is refused by each demand about actors, and by no other.
    for act in [json!("agent"), json!({}), json!([]), json!({"sub": "agent", "act": 7})] {
        let claims = json!({"sub": "alice", "act": act});
        for policy in [Policy::no_actor(), Policy::max_actors(9), Policy::actors(["agent"])] {
            assert!(is_forbidden(&policy, &claims), "{policy:?} {claims}");
        }
        assert!(refused(&Policy::authenticated(), &claims).is_none());
    }
}

#[test]
fn alternatives_show_every_demand() {
    let policy = Policy::max_token_age(MINUTE)
        .and(Policy::max_token_age(MINUTE * 2))
        .and(pay("shop"))
        .and(Policy::actors(["agent"]))
        .and(Policy::max_actors(2))
        .or(Policy::no_actor());
    let alternatives = policy.alternatives();
    let [first, second] = alternatives.as_slice() else { panic!("{alternatives:?}") };
    assert_eq!((first.max_token_age(), first.max_actors()), (Some(MINUTE), Some(2)));
    assert_eq!(first.authorization_details().collect::<Vec<_>>(), ["payment"]);
    assert_eq!(first.actors(), [&[AllowedActor::subject("agent")][..]]);
    assert_eq!((second.max_token_age(), second.max_actors(), second.actors().len()), (None, Some(0), 0));
}
