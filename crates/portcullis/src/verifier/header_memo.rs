//! The cache of headers.

use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwapOption;

use crate::error::AuthError;
use crate::jose::Header;
use crate::jose::compact::Compact;
use crate::verifier::allowance::{Allowance, UsedUp};

/// The number of headers that stay in the cache.
const FIRST: usize = 4;

/// Caches headers of good tokens by their encoded text: the first ones, and the last one. An issuer writes the same header, byte for
/// byte, until it changes its key, so it is decoded and parsed only once.
///
/// Only headers of tokens with a good signature are cached, so forged tokens cannot replace an entry. Their type and
/// algorithm were checked, so that is not repeated.
#[derive(Default)]
pub(super) struct HeaderMemo {
    /// Reading them takes no lock and writes nothing.
    first: [OnceLock<Known>; FIRST],
    last: ArcSwapOption<Known>,
}

struct Known {
    encoded: Box<[u8]>,
    header: Arc<Header>,
    /// The length of an encoded signature under this header.
    signature_bytes: usize,
}

impl HeaderMemo {
    /// Splits a token with one of the first headers without a search for dots. Its payload or its signature may have more dots.
    #[inline]
    pub(super) fn split<'t>(&self, token: &'t [u8]) -> Option<(Compact<'t>, &Arc<Header>)> {
        let mut known = self.first.iter().map_while(OnceLock::get);
        known
            .find_map(|known| Some((Compact::split_with(token, &known.encoded, known.signature_bytes)?, &known.header)))
    }

    /// Returns the token's header from the cache.
    pub(super) fn recall(&self, token: &Compact<'_>) -> Option<Arc<Header>> {
        let is_it = |known: &&Known| *known.encoded == *token.encoded_header();
        if let Some(known) = self.first.iter().map_while(OnceLock::get).find(is_it) {
            return Some(Arc::clone(&known.header));
        }
        self.last.load().as_deref().filter(is_it).map(|known| Arc::clone(&known.header))
    }

    /// Caches the header of a token with a good signature, which was not in the cache.
    #[cold]
    pub(super) fn remember(&self, token: &Compact<'_>, header: &Arc<Header>) {
        let mut known = Known {
            encoded: token.encoded_header().into(),
            header: Arc::clone(header),
            signature_bytes: token.encoded_signature().len(),
        };
        for first in &self.first {
            match first.set(known) {
                Ok(()) => return,
                Err(refused) => known = refused,
            }
            // Another thread was faster.
            if first.get().is_some_and(|first| first.encoded == known.encoded) {
                return;
            }
        }
        self.last.store(Some(Arc::new(known)));
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
    fn the_first_headers_stay_and_the_last_one_is_replaced() {
        let memo = HeaderMemo::default();
        let tokens: Vec<String> = (0..FIRST + 3)
            .map(|at| {
                format!("{}.e30.AAAA", base64url::encode(format!(r#"{{"alg":"RS256","kid":"{at}"}}"#).as_bytes()))
            })
            .collect();
        let parse = |token: &'static str| Compact::parse(token, 1_000).unwrap();
        for (at, token) in tokens.iter().enumerate() {
            let parts = Compact::parse(token, 1_000).unwrap();
            assert!(memo.recall(&parts).is_none() && memo.split(token.as_bytes()).is_none());
            let header = Arc::new(parts.header().unwrap());
            // Two threads may have read it at the same time.
            memo.remember(&parts, &header);
            memo.remember(&parts, &header);
            for (earlier, token) in tokens.iter().take(at + 1).enumerate() {
                let is_kept = earlier < FIRST || earlier == at;
                assert_eq!(memo.recall(&Compact::parse(token, 1_000).unwrap()).is_some(), is_kept);
                let split = memo.split(token.as_bytes());
                assert_eq!(split.is_some(), earlier < FIRST);
                let same = |(parts, header): (Compact<'_>, &Arc<Header>)| {
                    parts.encoded_header() == token.split('.').next().unwrap().as_bytes()
                        && parts.encoded_signature() == b"AAAA"
                        && header.key_id() == Some(&*earlier.to_string())
                };
                assert!(split.is_none_or(same));
            }
        }
        assert!(memo.recall(&parse("e30.e30.AAAA")).is_none());
        for token in ["", ".", "..", "e30.e30.AAAA"] {
            assert!(memo.split(token.as_bytes()).is_none(), "{token}");
        }
        // The signature has another length, or there is no payload's dot.
        let header = tokens.first().unwrap().split('.').next().unwrap();
        for rest in ["", ".", "AAAA", ".AAAA", ".e30.AAAAA", ".e30.AAA", "e30.AAAA"] {
            assert!(memo.split(format!("{header}{rest}").as_bytes()).is_none(), "{rest}");
        }
    }

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
