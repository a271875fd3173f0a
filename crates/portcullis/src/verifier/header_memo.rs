//! The cache of one header.

use std::sync::Arc;

use arc_swap::ArcSwapOption;

use crate::error::AuthError;
use crate::jose::Header;
use crate::jose::compact::Compact;
use crate::verifier::allowance::{Allowance, UsedUp};

/// Caches the header of the last good token, by its encoded text. An issuer writes the same header, byte for byte, until it
/// changes its key, so it is decoded and parsed only once.
///
/// Only headers of tokens with a good signature are cached, so forged tokens cannot replace the entry. Their type and
/// algorithm were checked, so that is not repeated.
#[derive(Default)]
pub(super) struct HeaderMemo(ArcSwapOption<(Box<[u8]>, Arc<Header>)>);

impl HeaderMemo {
    /// Returns the token's header from the cache.
    pub(super) fn recall(&self, token: &Compact<'_>) -> Option<Arc<Header>> {
        self.0.load().as_ref().filter(|known| *known.0 == *token.encoded_header()).map(|known| Arc::clone(&known.1))
    }

    /// Caches the header of a token with a good signature, which was not in the cache.
    pub(super) fn remember(&self, token: &Compact<'_>, header: &Arc<Header>) {
        self.0.store(Some(Arc::new((token.encoded_header().into(), Arc::clone(header)))));
    }
}

/// Reads the header of a token. A header that takes long is taken from `allowance`; then the second value is true.
pub(super) fn read_header(token: &Compact<'_>, allowance: &Allowance) -> Result<(Header, bool), AuthError> {
    let text = token.decode_header()?;
    let is_long = text.takes_long();
    if is_long {
        allowance.take(UsedUp::Headers)?;
    }
    Ok((text.parse()?, is_long))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::base64url;

    #[test]
    fn long_headers_of_refused_tokens_are_limited() {
        let token = |kid: &str| {
            let header = base64url::encode(format!(r#"{{"alg":"RS256","kid":"{kid}"}}"#).as_bytes());
            format!("{header}.e30.AAAA")
        };
        let (short, long, known) = (token("k"), token(&"k".repeat(400)), token(&"g".repeat(400)));
        let (memo, allowance) = (HeaderMemo::default(), Allowance::of(3));
        let read = |token: &str| {
            let token = Compact::parse(token.as_bytes(), 1_000).unwrap();
            let known = memo.recall(&token).map(|header| Ok((header, false)));
            let read = || read_header(&token, &allowance).map(|(header, counts)| (Arc::new(header), counts));
            known.unwrap_or_else(read).map(|(header, counts)| {
                if header.key_id().is_some_and(|id| id.starts_with('g')) {
                    memo.remember(&token, &header);
                }
                counts
            })
        };
        assert!(read(&known).unwrap() && read(&long).unwrap() && read(&long).unwrap());
        for _ in 0..10 {
            assert_eq!(read(&long).unwrap_err().status(), 503);
            assert!(!read(&short).unwrap());
            // The header of the last good token.
            assert!(!read(&known).unwrap());
        }
        allowance.give_back();
        assert!(read(&long).unwrap() && read(&long).is_err());
    }
}
