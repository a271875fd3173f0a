//! The README's examples, compiled as they stand.
#![doc = include_str!("../README.md")]
