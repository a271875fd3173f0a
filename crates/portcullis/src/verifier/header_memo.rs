//! Memory of one header.

use std::sync::Arc;

use arc_swap::ArcSwapOption;

use crate::error::InvalidToken;
use crate::jose::Header;
use crate::jose::compact::Compact;

/// The header of the last good token, by its encoded text. An issuer writes the same header, byte for byte, until it
/// changes its key, so decoding and parsing it again would be the same work with the same result.
///
/// Only a token whose signature verified is remembered: what others send can't push it out.
#[derive(Default)]
pub(super) struct HeaderMemo(ArcSwapOption<(Box<str>, Arc<Header>)>);

impl HeaderMemo {
    /// The token's header, remembered or read.
    pub(super) fn recall_or_read(&self, token: &Compact<'_>) -> Result<Arc<Header>, InvalidToken> {
        match &*self.0.load() {
            Some(known) if *known.0 == *token.encoded_header() => Ok(Arc::clone(&known.1)),
            _ => token.header().map(Arc::new),
        }
    }

    /// Remembers the header of a token whose signature verified.
    pub(super) fn remember(&self, token: &Compact<'_>, header: &Arc<Header>) {
        let is_known = self.0.load().as_ref().is_some_and(|known| Arc::ptr_eq(&known.1, header));
        if !is_known {
            self.0.store(Some(Arc::new((token.encoded_header().into(), Arc::clone(header)))));
        }
    }
}
