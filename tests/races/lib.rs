//! The tests in `main.rs` run with `--cfg loom` only.
