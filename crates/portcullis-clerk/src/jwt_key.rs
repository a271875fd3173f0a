//! Reads the instance's public key in PEM (RFC 7468), as environment variables contain it.

use portcullis::jose::Algorithm;
use portcullis::keys::FixedKeys;
use portcullis::{ConfigError, KeyProvider};

const BEGIN: &str = "-----BEGIN ";
const DASHES: &str = "-----";
/// The number of characters in a line of PEM.
const LINE: usize = 64;

/// Reads a key in PEM. It may have `\n` written out, be on one line, be in quotes, or lack its first and last line, as
/// in many environment variables.
pub(crate) fn read(text: &str) -> Result<FixedKeys, ConfigError> {
    let problem = |problem: String| {
        let hint = "copy the PEM public key from Show JWT public key, on the API keys page of the Clerk dashboard";
        ConfigError::new("pem", problem, hint)
    };
    let pem = tidied(text).ok_or_else(|| problem("not PEM".to_owned()))?;
    let keys = FixedKeys::pem(&pem).map_err(|error| problem(error.to_string()))?;
    if keys.algorithms().contains(Algorithm::Rs256) { Ok(keys) } else { Err(problem("not an RSA key".to_owned())) }
}

fn tidied(text: &str) -> Option<String> {
    let text = text.trim().trim_matches(['"', '\'']);
    let text = text.replace("\\r", "\n").replace("\\n", "\n");
    let (label, body) = match text.trim().strip_prefix(BEGIN) {
        Some(rest) => {
            let (label, rest) = rest.split_once(DASHES)?;
            (label, rest.split_once(DASHES)?.0)
        }
        None => ("PUBLIC KEY", text.as_str()),
    };
    let body: Vec<char> = body.split_whitespace().flat_map(str::chars).collect();
    let lines: Vec<String> = body.chunks(LINE).map(|line| line.iter().collect()).collect();
    Some(format!("{BEGIN}{label}{DASHES}\n{}\n-----END {label}{DASHES}\n", lines.join("\n")))
}

#[cfg(test)]
mod tests {
    use portcullis_testing::{SigningKey, TestIssuer};

    use super::*;

    #[test]
    fn every_form_of_a_variable_is_read() {
        let pem = TestIssuer::new().public_key_pem();
        let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
        for text in [
            pem.clone(),
            pem.replace('\n', "\r\n"),
            pem.replace('\n', "\\n"),
            pem.replace('\n', "\\r\\n"),
            pem.replace('\n', ""),
            pem.replace('\n', " "),
            format!("\"{}\"", pem.replace('\n', "\\n")),
            format!("\n  {pem}"),
            body.clone(),
            pem.lines().filter(|line| !line.starts_with("-----")).collect::<Vec<_>>().join("\n"),
        ] {
            assert!(read(&text).is_ok(), "{text}");
        }
    }

    #[test]
    fn error_names_the_problem_without_the_value() {
        let elliptic = SigningKey::generate(Algorithm::Es256, "k").public_key_pem().unwrap();
        let pem = TestIssuer::new().public_key_pem();
        for (text, problem) in [
            (String::new(), "pem: "),
            ("-----BEGIN PUBLIC KEY".to_owned(), "not PEM"),
            ("-----BEGIN PUBLIC KEY-----MIIB".to_owned(), "not PEM"),
            ("secret words".to_owned(), "pem: "),
            (pem.replace("MII", "!!!"), "pem: "),
            (pem.replace("PUBLIC", "RSA PRIVATE"), "private"),
            (elliptic, "not an RSA key"),
        ] {
            let error = read(&text).unwrap_err();
            assert_eq!(error.field(), "pem");
            assert!(error.to_string().contains(problem), "{error}");
            assert!(!error.to_string().contains("secret words"), "{error}");
        }
    }
}
