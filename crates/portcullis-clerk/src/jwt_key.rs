//! The instance's public key in PEM (RFC 7468), as environment variables hold it.

use portcullis::jose::Algorithm;
use portcullis::keys::FixedKeys;
use portcullis::{ConfigError, KeyProvider};

const BEGIN: &str = "-----BEGIN ";
const DASHES: &str = "-----";
/// How many characters a line of PEM has.
const LINE: usize = 64;

/// The key of `text`: PEM, also with `\n` written out, on one line, in quotes, or without its first and last line, all of
/// which happens to values of environment variables.
pub(crate) fn read(text: &str) -> Result<FixedKeys, ConfigError> {
    let problem = |problem: String| {
        let hint = "copy the PEM public key from the API keys page of the Clerk dashboard, Show JWT public key";
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
    fn a_key_is_read_however_a_variable_holds_it() {
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
    fn what_is_no_public_rsa_key_is_named_and_not_repeated() {
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
