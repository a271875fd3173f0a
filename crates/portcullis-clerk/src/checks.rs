//! Checks that can be added to a verifier, which then refuses every token that fails one of them.
//!
//! ```
//! # fn main() -> Result<(), portcullis::ConfigError> {
//! use std::time::Duration;
//! use portcullis::Gate;
//! use portcullis_clerk::{Clerk, checks};
//!
//! let clerk = Clerk::from_frontend_api("clerk.example.com");
//! let exports = clerk.builder()?.check(checks::feature("org:export")).check(checks::plan("org:pro")).build()?;
//! let payouts = clerk
//!     .builder()?
//!     .check(checks::second_factor_within(Duration::from_secs(600)))
//!     .check(checks::not_impersonated())
//!     .build()?;
//! # let _ = (Gate::new(exports), Gate::new(payouts));
//! # Ok(()) }
//! ```
//!
//! A failed check is answered with 401. For roles and permissions use policies, for example
//! `permissions(["org:invoices:create"])`, which are answered with 403.

use std::time::Duration;

use portcullis::checks::{CheckAbout, ClaimCheck, TokenView};
use portcullis::error::InvalidToken;
use serde_json::Value;

use crate::claims::factor_ages;
use crate::entitlements::Entitlements;

/// Checks that the user or the organization has a feature.
///
/// `org:export` asks for a feature of the organization, `user:export` for one of the user, `export` for either.
pub fn feature(name: impl Into<String>) -> impl ClaimCheck + 'static {
    Entitled { claim: "fea", name: name.into() }
}

/// Checks that the user or the organization has a plan.
///
/// `org:pro` asks for a plan of the organization, `user:pro` for one of the user, `pro` for either.
pub fn plan(name: impl Into<String>) -> impl ClaimCheck + 'static {
    Entitled { claim: "pla", name: name.into() }
}

/// Checks that the first factor was verified less than `limit` before the token was issued.
///
/// Clerk counts in whole minutes. A factor that is not enabled fails the check.
pub fn first_factor_within(limit: Duration) -> impl ClaimCheck + 'static {
    VerifiedWithin { name: "first factor", factor: |[first, _]| first, limit }
}

/// Checks that the second factor was verified less than `limit` before the token was issued.
///
/// Clerk counts in whole minutes. A factor that is not enabled fails the check.
pub fn second_factor_within(limit: Duration) -> impl ClaimCheck + 'static {
    VerifiedWithin { name: "second factor", factor: |[_, second]| second, limit }
}

/// Checks that the user is not impersonated.
///
/// A person who may impersonate users, for example in customer support, gets session tokens of the impersonated user. They name
/// the real person in `act`. By default, they are accepted, and [`ClerkClaims`](crate::ClerkClaims) tells who acts.
/// <https://clerk.com/docs/guides/users/impersonation>
pub fn not_impersonated() -> impl ClaimCheck + 'static {
    NotImpersonated
}

struct NotImpersonated;

impl ClaimCheck for NotImpersonated {
    fn check(&self, token: &TokenView<'_>) -> Result<(), InvalidToken> {
        match token.claims().get::<Value>("act")? {
            None => Ok(()),
            Some(_) => Err(InvalidToken::CheckFailed { name: "not impersonated".into() }),
        }
    }

    fn about(&self) -> CheckAbout {
        CheckAbout::claim("act").expecting("absent")
    }
}

struct Entitled {
    claim: &'static str,
    name: String,
}

impl ClaimCheck for Entitled {
    fn check(&self, token: &TokenView<'_>) -> Result<(), InvalidToken> {
        let list = token.claims().required::<String>(self.claim)?;
        if Entitlements::read(&list).contains(&self.name) {
            Ok(())
        } else {
            Err(InvalidToken::CheckFailed { name: format!("{} {}", self.claim, self.name).into() })
        }
    }

    fn about(&self) -> CheckAbout {
        CheckAbout::claim(self.claim).expecting(format!("has {}", self.name))
    }
}

struct VerifiedWithin {
    name: &'static str,
    factor: fn([Option<Duration>; 2]) -> Option<Duration>,
    limit: Duration,
}

impl ClaimCheck for VerifiedWithin {
    fn check(&self, token: &TokenView<'_>) -> Result<(), InvalidToken> {
        let pair = token.claims().required::<Value>("fva")?;
        match (self.factor)(factor_ages(Some(&pair))) {
            Some(age) if age < self.limit => Ok(()),
            _ => Err(InvalidToken::CheckFailed { name: self.name.into() }),
        }
    }

    fn about(&self) -> CheckAbout {
        CheckAbout::claim("fva").expecting(format!("the {} within {:?}", self.name, self.limit))
    }
}
