//! The publishable key, which contains the host of the instance's Frontend API:
//! <https://clerk.com/docs/guides/development/clerk-environment-variables>.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use portcullis::ConfigError;

use crate::frontend_api;

/// Most keys have no padding, and some have it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The number of characters of the hash in a cookie's name.
const SUFFIX_BYTES: usize = 8;

/// A publishable key: `pk_test_` or `pk_live_`, then the base64 of the Frontend API's host and a `$`.
#[derive(Clone)]
pub(crate) struct PublishableKey {
    text: String,
    issuer: String,
}

impl PublishableKey {
    pub(crate) fn parse(text: &str) -> Result<Self, ConfigError> {
        let problem = |problem: String| {
            let hint = "copy it from the API keys page of the Clerk dashboard; it starts with pk_test_ or pk_live_";
            ConfigError::new("publishable_key", problem, hint)
        };
        let text = text.trim();
        if text.is_empty() {
            return Err(problem("empty".to_owned()));
        }
        if text.starts_with("sk_") {
            return Err(problem("it is a secret key, which must stay secret".to_owned()));
        }
        let parts: Vec<&str> = text.split('_').collect();
        let ["pk", "test" | "live", encoded] = parts.as_slice() else {
            return Err(problem("not pk_test_ or pk_live_ with one part after it".to_owned()));
        };
        let decoded = BASE64.decode(encoded).map_err(|_| problem("its last part is not base64".to_owned()))?;
        let host = std::str::from_utf8(&decoded).ok().and_then(|text| text.strip_suffix('$'));
        let host = host.filter(|host| !host.contains('$') && host.contains('.'));
        let host = host.ok_or_else(|| problem("its last part does not encode a host and one $".to_owned()))?;
        let issuer = frontend_api::issuer(host)
            .map_err(|_| problem("its last part does not encode the host of a Frontend API".to_owned()))?;
        Ok(Self { text: text.to_owned(), issuer })
    }

    /// Returns the issuer of the instance's tokens.
    pub(crate) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Returns the suffix of the instance's cookie names: the first characters of the base64url of the key's SHA-1.
    ///
    /// The suffix lets several instances share a domain. It is not a security measure.
    pub(crate) fn cookie_suffix(&self) -> String {
        let mut hash = URL_SAFE_NO_PAD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, self.text.as_bytes()));
        hash.truncate(SUFFIX_BYTES);
        hash
    }
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD as PADDED;

    use super::*;

    fn key(kind: &str, content: &str) -> String {
        format!("pk_{kind}_{}", PADDED.encode(content))
    }

    #[test]
    fn padding_is_optional() {
        for text in [
            "pk_test_bHVja3ktY2F0LTEuY2xlcmsuYWNjb3VudHMuZGV2JA",
            "pk_test_bHVja3ktY2F0LTEuY2xlcmsuYWNjb3VudHMuZGV2JA==",
            " pk_test_bHVja3ktY2F0LTEuY2xlcmsuYWNjb3VudHMuZGV2JA\n",
        ] {
            let key = PublishableKey::parse(text).unwrap();
            assert_eq!(key.issuer(), "https://lucky-cat-1.clerk.accounts.dev", "{text}");
        }
        let live = PublishableKey::parse("pk_live_Y2xlcmsuZXhhbXBsZS5jb20k").unwrap();
        assert_eq!(live.issuer(), "https://clerk.example.com");
    }

    #[test]
    fn loopback_key_is_accepted() {
        let local = PublishableKey::parse(&key("test", "http://127.0.0.1:3000$")).unwrap();
        assert_eq!(local.issuer(), "http://127.0.0.1:3000");
        assert!(PublishableKey::parse(&key("test", "http://clerk.example.com$")).is_err());
    }

    #[test]
    fn error_does_not_repeat_an_invalid_key() {
        let good = PADDED.encode("clerk.example.com$");
        for text in [
            String::new(),
            "pk_live_".to_owned(),
            format!("pk_{good}"),
            format!("pk_prod_{good}"),
            format!("PK_live_{good}"),
            format!("live_{good}"),
            format!("pk_live_{good}_x"),
            format!("pk_live__{good}"),
            format!("pk_live_{good}!"),
            key("live", "clerk.example.com"),
            key("live", "clerk.example.com$$"),
            key("live", "cle$rk.example.com$"),
            key("live", "$clerk.example.com"),
            key("live", "clerk$"),
            key("live", "$"),
            key("live", "clerk.example.com/x$"),
            key("live", "clerk.example.com\n$"),
            format!("pk_live_{}", PADDED.encode(b"clerk.\xff.com$")),
        ] {
            let error = PublishableKey::parse(&text).err().unwrap_or_else(|| panic!("{text} was taken"));
            assert_eq!(error.field(), "publishable_key");
            assert!(text.len() < 9 || !error.to_string().contains(&text), "{error}");
        }
        let secret = PublishableKey::parse("sk_live_Y2xlcmsuZXhhbXBsZS5jb20k").err().unwrap().to_string();
        assert!(secret.contains("secret key") && !secret.contains("Y2xlcms"), "{secret}");
    }

    #[test]
    fn cookie_suffix_equals_the_sdks() {
        // The results of `getCookieSuffix` of @clerk/shared 4.36.0.
        for (text, suffix) in [
            ("pk_test_bHVja3ktY2F0LTEuY2xlcmsuYWNjb3VudHMuZGV2JA", "D_2U9dj_"),
            ("pk_live_Y2xlcmsuZXhhbXBsZS5jb20k", "naoXFJnI"),
            ("pk_live_Y2xlcmsuZXhhbXBsZTIuY29tJA", "1H-4_Qbd"),
        ] {
            assert_eq!(PublishableKey::parse(text).unwrap().cookie_suffix(), suffix);
        }
    }
}
