//! The folder of vectors.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// Reads a JSON file of the folder. Without the folder, prints that and returns `None`.
pub(crate) fn read(path: &str) -> Option<Value> {
    let base = match std::env::var_os("PORTCULLIS_VECTORS") {
        Some(named) => PathBuf::from(named),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors"),
    };
    if !base.is_dir() {
        println!("SKIPPED: no vectors at {}", base.display());
        return None;
    }
    let path = base.join(path);
    let text = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Some(serde_json::from_slice(&text).unwrap())
}

/// Returns the array `name` of an object.
pub(crate) fn array<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value[name].as_array().unwrap()
}

/// Returns the text `name` of an object.
pub(crate) fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap()
}

/// Decodes the hexadecimal text `name` of an object.
pub(crate) fn bytes(value: &Value, name: &str) -> Vec<u8> {
    let digits = text(value, name);
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}
