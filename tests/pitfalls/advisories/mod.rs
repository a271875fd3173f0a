//! Published advisories against other verifiers, 2015 to 2026, each as the question it asks of this one. Those that are
//! answered by a test elsewhere are not repeated here; `tests/THREATS.md` names the test for each one.

mod confusion;
mod exhaustion;
mod forged;
mod signatures;
mod validation;
