//! Clerk for portcullis.
