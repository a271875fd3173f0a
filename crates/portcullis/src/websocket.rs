//! WebSockets: how their clients present a token.
//!
//! Design notes: [Browsers and long connections](crate::_docs::browsers).

pub use crate::credential::select_subprotocol;
#[cfg(feature = "remote")]
pub use crate::gate::{FirstMessage, NotAdmitted};
