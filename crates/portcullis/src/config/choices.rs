//! Values that a member chooses from.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::credential::TokenSource;
use crate::sentence::debug_as_sentence;

/// Whether tokens need a proof of possession by DPoP (RFC 9449).
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
#[serde(rename_all = "lowercase")]
pub enum DpopMode {
    /// Bound tokens need a proof, and others are accepted as bearer tokens:
    /// [`Dpop::accepted`](crate::possession::Dpop::accepted).
    Accepted,
    /// Every token needs a proof: [`Dpop::required`](crate::possession::Dpop::required).
    Required,
}

/// The kind of an issuer's metadata, by the name of its well-known URL.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
#[serde(rename_all = "kebab-case")]
pub enum MetadataKind {
    /// The metadata of RFC 8414, at `/.well-known/oauth-authorization-server`.
    OauthAuthorizationServer,
    /// The metadata of OpenID Connect Discovery 1.0, at `/.well-known/openid-configuration`.
    OpenidConfiguration,
}

/// Where a request may carry its token, as a configuration writes it: `authorization`, `cookie:NAME` or `header:NAME`.
///
/// ```
/// use portcullis::config::TokenSourceName;
///
/// let source: TokenSourceName = "cookie:session".parse()?;
/// assert_eq!(source, TokenSourceName::Cookie("session".to_owned()));
/// assert_eq!(source.to_string(), "cookie:session");
/// # Ok::<(), portcullis::config::UnknownTokenSource>(())
/// ```
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
#[serde(try_from = "String", into = "String")]
pub enum TokenSourceName {
    /// The field `Authorization`.
    Authorization,
    /// A cookie with this name.
    Cookie(String),
    /// A header field with this name.
    Header(String),
}

/// The text is not the name of a token source.
#[derive(Clone, Copy, Eq, PartialEq, thiserror::Error)]
#[error("write authorization, cookie:NAME or header:NAME")]
pub struct UnknownTokenSource;

debug_as_sentence!(UnknownTokenSource);

impl From<&TokenSourceName> for TokenSource {
    fn from(name: &TokenSourceName) -> Self {
        match name {
            TokenSourceName::Authorization => Self::authorization(),
            TokenSourceName::Cookie(name) => Self::cookie(name.clone()),
            TokenSourceName::Header(name) => Self::header(name.clone()),
        }
    }
}

impl FromStr for TokenSourceName {
    type Err = UnknownTokenSource;

    fn from_str(text: &str) -> Result<Self, UnknownTokenSource> {
        match text.split_once(':') {
            None if text == "authorization" => Ok(Self::Authorization),
            Some(("cookie", name)) if is_token(name) => Ok(Self::Cookie(name.to_owned())),
            Some(("header", name)) if is_token(name) => Ok(Self::Header(name.to_owned())),
            _ => Err(UnknownTokenSource),
        }
    }
}

impl TryFrom<String> for TokenSourceName {
    type Error = UnknownTokenSource;

    fn try_from(text: String) -> Result<Self, UnknownTokenSource> {
        text.parse()
    }
}

impl From<TokenSourceName> for String {
    fn from(name: TokenSourceName) -> Self {
        name.to_string()
    }
}

impl fmt::Display for TokenSourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Authorization => f.write_str("authorization"),
            Self::Cookie(name) => write!(f, "cookie:{name}"),
            Self::Header(name) => write!(f, "header:{name}"),
        }
    }
}

/// Whether `name` can be the name of a cookie or a header field: `1*tchar` (RFC 9110 §5.6.2, RFC 6265 §4.1.1).
fn is_token(name: &str) -> bool {
    let is_tchar = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(is_tchar)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_source_is_read_and_written() {
        for text in ["authorization", "cookie:__session", "header:X-Access-Token"] {
            assert_eq!(text.parse::<TokenSourceName>().unwrap().to_string(), text);
        }
        for text in ["", "Authorization", "cookie", "cookie:", "cookie:a b", "header:a:b", "query:token", "header: a"] {
            assert_eq!(text.parse::<TokenSourceName>(), Err(UnknownTokenSource), "{text}");
        }
    }
}
