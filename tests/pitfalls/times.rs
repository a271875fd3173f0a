//! `exp`, `nbf` and `iat`: checked by default, in 64 bits, without overflow, with a small leeway.

use std::time::Duration;

use portcullis::claims::NumericDate;
use portcullis::clock::{Clock, ManualClock};
use portcullis::error::InvalidToken;
use portcullis::verifier::JwtVerifierBuilder;
use portcullis::{Gate, JwtVerifier};
use portcullis_testing::{TestIssuer, TokenBuilder};
use serde_json::{Value, json};

use crate::support::{admitted, refused};

/// 2023-11-14T22:13:20Z.
const NOW: i64 = 1_700_000_000;

fn gate(builder: JwtVerifierBuilder) -> Gate {
    Gate::new(builder.build().unwrap())
}

fn gate_at(issuer: &TestIssuer, seconds: i64) -> Gate {
    gate(issuer.verifier().clock(ManualClock::at_unix(seconds)))
}

fn token_at(issuer: &TestIssuer, seconds: i64) -> TokenBuilder {
    issuer.token().issued_at(seconds)
}

#[tokio::test]
async fn nbf_is_checked_by_default() {
    let issuer = TestIssuer::new();
    let gate = gate_at(&issuer, NOW);
    let token = |not_before: i64| token_at(&issuer, NOW).claim("nbf", not_before).sign();
    assert_eq!(refused(&gate, &token(NOW + 60)).await, InvalidToken::NotYetValid);
    admitted(&gate, &token(NOW)).await;
}

#[tokio::test]
async fn a_token_without_exp_is_refused() {
    let issuer = TestIssuer::new();
    let token = issuer.token().without("exp").sign();
    assert_eq!(refused(&issuer.gate(), &token).await, InvalidToken::missing("exp"));
    admitted(&gate(issuer.verifier().dangerous().allow_missing_expiration()), &token).await;
}

#[tokio::test]
async fn exp_of_the_wrong_type_is_refused() {
    let issuer = TestIssuer::new();
    // Even if it may be absent.
    let lax = gate(issuer.verifier().dangerous().allow_missing_expiration());
    for gate in [issuer.gate(), lax] {
        for value in wrong_dates() {
            let token = issuer.token().claim("exp", &value).sign();
            assert_eq!(refused(&gate, &token).await, InvalidToken::invalid("exp"), "{value}");
        }
        // Numbers that no f64 can represent.
        let claims = Value::Object(issuer.token().without("exp").claims().clone()).to_string();
        let token = issuer.token().payload(claims.replacen('{', r#"{"exp":1e999,"#, 1)).sign();
        assert_eq!(refused(&gate, &token).await, InvalidToken::invalid("exp"));
        admitted(&gate, &issuer.token().sign()).await;
    }
}

#[tokio::test]
async fn nbf_and_iat_of_the_wrong_type_are_refused() {
    let issuer = TestIssuer::new();
    let gate = issuer.gate();
    for claim in ["nbf", "iat"] {
        for value in wrong_dates() {
            let token = issuer.token().claim(claim, &value).sign();
            assert_eq!(refused(&gate, &token).await, InvalidToken::invalid(claim), "{value}");
        }
    }
    admitted(&gate, &issuer.token().claim("nbf", 0).claim("iat", 0.5).sign()).await;
}

fn wrong_dates() -> [Value; 9] {
    [
        Value::Null,
        json!("4102444800"),
        json!(true),
        json!([4_102_444_800_i64]),
        json!({}),
        json!(1e300),
        json!(-1e300),
        json!(u64::MAX),
        json!(""),
    ]
}

/// The expected result is computed in 128 bits, without overflow.
#[tokio::test]
async fn time_arithmetic_neither_overflows_nor_wraps() {
    #[derive(Debug)]
    struct StandingClock(i64);

    impl Clock for StandingClock {
        fn now(&self) -> NumericDate {
            NumericDate::from_unix(self.0, 0)
        }

        fn monotonic(&self) -> Duration {
            Duration::ZERO
        }
    }

    let issuer = TestIssuer::new();
    let dates = [i64::MIN, i64::MIN + 1, -601, -1, 0, 1, 599, 601, NOW, 1 << 31, 1 << 32, i64::MAX - 1, i64::MAX];
    let mut seen = [0; 3];
    for now in [i64::MIN, 0, NOW, i64::MAX] {
        for leeway in [0, 600] {
            let builder = issuer.verifier().clock(StandingClock(now)).leeway(Duration::from_secs(leeway));
            let gate = gate(builder);
            for date in dates {
                let wide = |date: i64| i128::from(date);
                let leeway = i128::from(leeway);
                // There is no date after i64::MAX, so the leeway cannot extend a token that expires then.
                let expired = (wide(date) + leeway).min(wide(i64::MAX)) <= wide(now);
                let token = issuer.token().without("iat").claim("exp", date).sign();
                if expired {
                    assert_eq!(refused(&gate, &token).await, InvalidToken::Expired, "exp {date} at {now}");
                    seen[0] += 1;
                } else {
                    admitted(&gate, &token).await;
                    seen[1] += 1;
                }

                if now == i64::MAX {
                    continue;
                }
                let early = wide(date) > wide(now) + leeway;
                let token = issuer.token().without("iat").claim("exp", i64::MAX).claim("nbf", date).sign();
                if early {
                    assert_eq!(refused(&gate, &token).await, InvalidToken::NotYetValid, "nbf {date} at {now}");
                    seen[2] += 1;
                } else {
                    admitted(&gate, &token).await;
                }
            }
        }
    }
    assert!(seen.iter().all(|count| *count > 10), "{seen:?}");
}

#[tokio::test]
async fn dates_after_2106_are_not_truncated() {
    let issuer = TestIssuer::new();
    for edge in [1_i64 << 31, 1 << 32] {
        // Today, a date after the edge is far in the future, not in 1970.
        let token = token_at(&issuer, NOW).claim("exp", edge + 10).sign();
        let caller = admitted(&gate_at(&issuer, NOW), &token).await;
        assert_eq!(caller.expires_at(), Some(NumericDate::from_unix(edge + 10, 0)));
        let early = token_at(&issuer, NOW).claim("nbf", edge + 10).claim("exp", edge + 20).sign();
        assert_eq!(refused(&gate_at(&issuer, NOW), &early).await, InvalidToken::NotYetValid);
        let issued_later = token_at(&issuer, edge + 10).sign();
        assert_eq!(refused(&gate_at(&issuer, NOW), &issued_later).await, InvalidToken::IssuedInFuture);

        // After the edge, tokens are valid and expire as before.
        let token = token_at(&issuer, edge + 1_000).sign();
        admitted(&gate_at(&issuer, edge + 1_000), &token).await;
        assert_eq!(refused(&gate_at(&issuer, edge + 10_000), &token).await, InvalidToken::Expired);
    }
}

#[tokio::test]
async fn the_default_leeway_is_five_seconds() {
    let issuer = TestIssuer::new();
    let gate = gate_at(&issuer, NOW);
    let token =
        |exp: i64, nbf: i64, iat: i64| issuer.token().claim("exp", exp).claim("nbf", nbf).claim("iat", iat).sign();
    assert_eq!(refused(&gate, &token(NOW - 5, 0, 0)).await, InvalidToken::Expired);
    admitted(&gate, &token(NOW - 4, 0, 0)).await;
    assert_eq!(refused(&gate, &token(NOW + 60, NOW + 6, 0)).await, InvalidToken::NotYetValid);
    admitted(&gate, &token(NOW + 60, NOW + 5, 0)).await;
    assert_eq!(refused(&gate, &token(NOW + 60, 0, NOW + 6)).await, InvalidToken::IssuedInFuture);
    admitted(&gate, &token(NOW + 60, 0, NOW + 5)).await;
}

#[test]
fn a_leeway_over_ten_minutes_is_an_error() {
    let issuer = TestIssuer::new();
    let build = |leeway| issuer.verifier().leeway(leeway).build().map(|verifier: JwtVerifier| drop(verifier));
    for leeway in [Duration::from_secs(900), Duration::from_secs(601), Duration::MAX] {
        assert_eq!(build(leeway).unwrap_err().field(), "leeway");
    }
    assert!(build(Duration::from_secs(600)).is_ok());
}
