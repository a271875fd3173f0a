//! Published advisories against other verifiers, 2015 to 2026, each as the question it asks of this one. Those that are
//! answered by a test elsewhere are not repeated here; SECURITY.md says where every answer is.

mod confusion;
mod exhaustion;
mod forged;
mod signatures;
mod validation;
