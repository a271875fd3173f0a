//! Published advisories against other verifiers, 2015 to 2026: one test for each fault, unless a test elsewhere covers it.
//! `tests/THREATS.md` names the test for each advisory.

mod confusion;
mod exhaustion;
mod forged;
mod signatures;
mod validation;
