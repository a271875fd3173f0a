//! The tokens: one from the command line, or one per line of standard input.

use std::ffi::OsString;
use std::io::{self, BufRead};

use portcullis::ConfigError;

/// Where the tokens come from.
#[derive(Debug)]
pub(crate) enum Source {
    /// Standard input, one token per line.
    Lines,
    /// The command line.
    Token(String),
}

impl Source {
    /// # Errors
    /// [`ConfigError`] unless there is exactly one.
    pub(crate) fn from_arguments(tokens: &[OsString]) -> Result<Self, ConfigError> {
        const HINT: &str = "write one token, or - to read one per line from standard input";
        match tokens {
            [] => Err(ConfigError::new("TOKEN", "not given", HINT)),
            [one] if one == "-" => Ok(Self::Lines),
            // Bytes that are not UTF-8 become replacement characters, which no token has.
            [one] => Ok(Self::Token(one.to_string_lossy().into_owned())),
            _ => Err(ConfigError::new("TOKEN", "more than one given", HINT)),
        }
    }
}

/// Returns the next line without its end (LF or CR LF); `None` means the end of the input. A line that is too long for a
/// token of `max_token_bytes` is cut, and is still too long.
///
/// # Errors
/// [`io::Error`] if `reader` fails.
pub(crate) fn next_line(reader: &mut impl BufRead, max_token_bytes: usize) -> io::Result<Option<String>> {
    // A longer line is still too long for a token, even if CR LF ends it.
    let max_line_bytes = max_token_bytes.saturating_add(2);
    let mut line = Vec::new();
    let mut started = false;
    loop {
        let available = match reader.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            available => available?,
        };
        if available.is_empty() {
            break;
        }
        started = true;
        let end = available.iter().position(|byte| *byte == b'\n');
        let piece = available.get(..end.unwrap_or(available.len())).unwrap_or_default();
        let room = max_line_bytes.saturating_sub(line.len());
        line.extend_from_slice(piece.get(..room).unwrap_or(piece));
        let used = piece.len() + usize::from(end.is_some());
        reader.consume(used);
        if end.is_some() {
            break;
        }
    }
    if !started {
        return Ok(None);
    }
    let line = line.strip_suffix(b"\r").unwrap_or(&line);
    Ok(Some(String::from_utf8_lossy(line).into_owned()))
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    const LIMIT: usize = 16_384;

    fn lines(input: &[u8], buffer: usize) -> Vec<String> {
        let mut reader = BufReader::with_capacity(buffer, input);
        std::iter::from_fn(|| next_line(&mut reader, LIMIT).unwrap()).collect()
    }

    #[test]
    fn lines_end_at_lf_or_cr_lf() {
        for buffer in [1, 2, 3, 100] {
            assert_eq!(lines(b"a\nbc\r\n\nd", buffer), ["a", "bc", "", "d"]);
            assert_eq!(lines(b"", buffer), [""; 0]);
            assert_eq!(lines(b"\n", buffer), [""]);
            assert_eq!(lines(b"\xff.b.c\n", buffer), ["\u{fffd}.b.c"]);
        }
    }

    #[test]
    fn long_line_is_cut_and_still_too_long() {
        let limit = LIMIT;
        for buffer in [7, 4096, 1 << 20] {
            for excess in [1, 2, 3, 100_000] {
                let input = ["x".repeat(limit + excess), "next".to_owned()].join("\r\n");
                let read = lines(input.as_bytes(), buffer);
                assert!(read[0].len() > limit && read[0].len() <= LIMIT + 2, "{}", read[0].len());
                assert_eq!(read[1..], ["next"]);
            }
            let fits = "x".repeat(limit);
            assert_eq!(lines(format!("{fits}\r\n").as_bytes(), buffer), [fits]);
        }
    }
}
