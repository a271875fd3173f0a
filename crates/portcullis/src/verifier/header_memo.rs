//! The cache of one header.

use std::sync::Arc;

use arc_swap::ArcSwapOption;

use crate::error::InvalidToken;
use crate::jose::Header;
use crate::jose::compact::Compact;

/// Caches the header of the last good token, by its encoded text. An issuer writes the same header, byte for byte, until it
/// changes its key, so it is decoded and parsed only once.
///
/// Only headers of tokens with a good signature are cached, so forged tokens cannot replace the entry.
#[derive(Default)]
pub(super) struct HeaderMemo(ArcSwapOption<(Box<[u8]>, Arc<Header>)>);

impl HeaderMemo {
    /// Returns the token's header from the cache, or `read`, or reads it.
    pub(super) fn recall_or_read(
        &self,
        token: &Compact<'_>,
        read: Option<Header>,
    ) -> Result<Arc<Header>, InvalidToken> {
        if let Some(known) = &*self.0.load()
            && *known.0 == *token.encoded_header()
        {
            return Ok(Arc::clone(&known.1));
        }
        read.map_or_else(|| token.header(), Ok).map(Arc::new)
    }

    /// Caches the header of a token with a good signature.
    pub(super) fn remember(&self, token: &Compact<'_>, header: &Arc<Header>) {
        let is_known = self.0.load().as_ref().is_some_and(|known| Arc::ptr_eq(&known.1, header));
        if !is_known {
            self.0.store(Some(Arc::new((token.encoded_header().into(), Arc::clone(header)))));
        }
    }
}
