//! The parts of which adapters for web frameworks are made: what a request presents, and the guard before a route.
//!
//! Design notes: [Adapters](crate::_docs::adapters).

pub use crate::challenge::Challenge;
pub use crate::credential::{CookieChoice, Credential, HeaderList, RequestView, Scheme};
pub use crate::guard::{Admission, Guard};
