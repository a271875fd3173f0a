//! The file `.env`.

use std::collections::HashMap;

use portcullis_axum::ConfigError;

/// Reads the file in this folder or the nearest folder above. Without a file there is nothing to read.
pub(super) fn read() -> Result<HashMap<String, String>, ConfigError> {
    let lines = match dotenvy::dotenv_iter() {
        Ok(lines) => lines,
        Err(error) if error.not_found() => return Ok(HashMap::new()),
        Err(_) => return Err(unreadable("cannot be opened")),
    };
    // The error of a line repeats the line, which may hold a secret.
    lines.collect::<Result<_, _>>().map_err(|_| unreadable("has a line that is not `NAME=value`"))
}

fn unreadable(problem: &'static str) -> ConfigError {
    ConfigError::new(".env", problem, "write one `NAME=value` on each line; put values with spaces in quotes")
}
