//! The instance's Frontend API, whose host makes the issuer of the instance's tokens.

use portcullis::ConfigError;
use portcullis::checks::{CheckAbout, ClaimCheck, TokenView};
use portcullis::config::values;
use portcullis::error::InvalidToken;

/// Returns the issuer of the instance whose Frontend API is at `host`. It has a scheme and no slash at the end.
pub(crate) fn issuer(host: &str) -> Result<String, ConfigError> {
    let wrong = |problem, instead| Err(ConfigError::new("frontend_api", problem, instead));
    if host.starts_with("pk_") {
        return wrong("it is a publishable key", "write the host, or call Clerk::from_publishable_key");
    }
    if host.starts_with("sk_") {
        return wrong("it is a secret key, which must stay secret", "write the host, such as clerk.example.com");
    }
    let issuer = values::origin("frontend_api", host, "clerk.example.com or lucky-cat-1.clerk.accounts.dev")?;
    if issuer == "https://api.clerk.com" {
        return wrong("it is the Backend API, the same for all instances", "copy the Frontend API URL next to it");
    }
    Ok(issuer)
}

/// The issuer rule for an instance that is known only by its public key: `iss` must have the form of a Clerk issuer.
///
/// The form is enough, because only this instance can sign with the key.
pub(crate) struct InstanceIssuerForm;

impl ClaimCheck for InstanceIssuerForm {
    fn check(&self, token: &TokenView<'_>) -> Result<(), InvalidToken> {
        let issuer = token.claims().issuer().ok_or_else(|| InvalidToken::missing("iss"))?;
        if is_instance_issuer(issuer) { Ok(()) } else { Err(InvalidToken::WrongIssuer) }
    }

    fn about(&self) -> CheckAbout {
        CheckAbout::claim("iss").expecting("the issuer of an instance, for example https://clerk.example.com")
    }
}

/// Tells whether `issuer` has the form of a production instance, `https://clerk.{domain}`, or of a development instance,
/// `https://{slug}.clerk.accounts.dev`, with nothing after it.
pub(crate) fn is_instance_issuer(issuer: &str) -> bool {
    let Some(host) = issuer.strip_prefix("https://") else { return false };
    let labels: Vec<&str> = host.split('.').collect();
    host.len() <= 253
        && labels.iter().all(|label| is_label(label))
        && match labels.as_slice() {
            [_, "clerk", "accounts", "dev"] => true,
            ["clerk", domain @ ..] => !domain.is_empty(),
            _ => false,
        }
}

/// Tells whether `label` is a label of a host name (RFC 1123 §2.1) in lower case. Issuers are in lower case.
fn is_label(label: &str) -> bool {
    let byte = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&label.len()) && label.bytes().all(byte) && !label.starts_with('-') && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn issuer_has_a_scheme_and_no_slash() {
        for host in
            ["clerk.example.com", "https://clerk.example.com", "https://clerk.example.com/", "Clerk.Example.com/"]
        {
            assert_eq!(issuer(host).as_deref(), Ok("https://clerk.example.com"), "{host}");
        }
        assert_eq!(issuer("clerk.example.com:8443").as_deref(), Ok("https://clerk.example.com:8443"));
    }

    #[test]
    fn plain_http_is_accepted_only_on_loopback() {
        for host in ["http://127.0.0.1:3000", "http://[::1]:3000", "http://localhost:3000"] {
            assert_eq!(issuer(host).as_deref(), Ok(host));
        }
        for host in ["http://clerk.example.com", "http://127.0.0.1.example.com", "http://10.0.0.1"] {
            assert!(issuer(host).is_err(), "{host}");
        }
    }

    #[test]
    fn errors_say_what_to_write() {
        for host in [
            "",
            " ",
            "clerk.example.com ",
            "clerk.exa\tmple.com",
            "clerk.example.com/.well-known/jwks.json",
            "https://example.com/__clerk",
            "clerk.example.com?x",
            "clerk.example.com#x",
            "user@clerk.example.com",
            "clerk.example.com\\@other.example",
            "ftp://clerk.example.com",
            "https://",
        ] {
            let error = issuer(host).unwrap_err();
            assert_eq!(error.field(), "frontend_api");
            assert!(error.to_string().contains("clerk.example.com"), "{host}: {error}");
        }
    }

    #[test]
    fn other_dashboard_values_are_named() {
        for (host, problem) in [
            ("pk_live_Y2xlcmsuZXhhbXBsZS5jb20k", "it is a publishable key"),
            ("sk_test_abcdefgh", "it is a secret key"),
            ("https://api.clerk.com", "it is the Backend API"),
        ] {
            let error = issuer(host).unwrap_err().to_string();
            assert!(error.starts_with(&format!("frontend_api: {problem}")), "{error}");
            assert!(!error.contains("abcdefgh"), "{error}");
        }
    }

    #[test]
    fn issuer_form_is_exact() {
        for issuer in [
            "https://clerk.example.com",
            "https://clerk.app.example.co.uk",
            "https://clerk.test",
            "https://clerk.xn--bcher-kva.example",
            "https://lucky-cat-1.clerk.accounts.dev",
        ] {
            assert!(is_instance_issuer(issuer), "{issuer}");
        }
        for issuer in [
            "",
            "clerk.example.com",
            "http://clerk.example.com",
            "https://clerk.example.com/",
            "https://clerk.example.com/x",
            "https://clerk.example.com:443",
            "https://clerk.example.com?x",
            "https://clerk.example.com#x",
            "https://user@clerk.example.com",
            "https://Clerk.example.com",
            "HTTPS://clerk.example.com",
            "https://clerk.example.com.",
            "https://clerk.example..com",
            "https://clerk.-example.com",
            "https://clerk",
            "https://clerk.",
            "https://clerk.exam ple.com",
            "https://example.com",
            "https://other.example.com",
            "https://notclerk.example.com",
            "https://.clerk.accounts.dev",
            "https://a.b.clerk.accounts.dev",
            "https://lucky-cat-1.clerk.accounts.dev.example.com",
            "https://tenant.eu.auth0.com",
            "https://127.0.0.1",
        ] {
            assert!(!is_instance_issuer(issuer), "{issuer}");
        }
    }
}
