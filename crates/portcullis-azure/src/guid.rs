//! Identifiers of tenants and applications.

use portcullis::ConfigError;

/// The tenant to which all personal Microsoft accounts belong:
/// <https://learn.microsoft.com/en-us/entra/identity-platform/access-token-claims-reference>.
pub(crate) const CONSUMERS: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";

/// Tells whether `text` is a GUID as Entra ID writes it into tokens: hexadecimal in lower case, with hyphens.
///
/// Any other spelling would be a second name of the same tenant.
pub(crate) fn is_guid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        })
}

/// Reads a GUID from a configuration and returns it in the spelling of tokens.
pub(crate) fn parse(field: &'static str, text: &str, hint: &'static str) -> Result<String, ConfigError> {
    let guid = text.to_ascii_lowercase();
    if is_guid(&guid) {
        return Ok(guid);
    }
    let problem = if text.is_empty() { "empty" } else { "not a GUID" };
    Err(ConfigError::new(field, problem, hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_have_one_spelling_of_a_guid() {
        assert!(is_guid(CONSUMERS));
        let upper = CONSUMERS.to_uppercase();
        assert!(!is_guid(&upper));
        assert_eq!(parse("tenant", &upper, "x").as_deref(), Ok(CONSUMERS));
        for text in [
            "",
            "common",
            "{tenantid}",
            "contoso.onmicrosoft.com",
            "9188040d6c674c5bb11236a304b66dad",
            "{9188040d-6c67-4c5b-b112-36a304b66dad}",
            "9188040d-6c67-4c5b-b112-36a304b66da",
            "9188040d-6c67-4c5b-b112-36a304b66dadd",
            "9188040g-6c67-4c5b-b112-36a304b66dad",
            "9188040d-6c67-4c5b-b112/36a304b66dad",
            "9188040d-6c67-4c5b-b112-36a304b66da\u{e9}",
            " 9188040d-6c67-4c5b-b112-36a304b66dad",
        ] {
            assert!(!is_guid(text), "{text}");
            assert_eq!(parse("tenant", text, "write the GUID").unwrap_err().field(), "tenant", "{text}");
        }
    }
}
