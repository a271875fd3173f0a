//! What adapters for web frameworks are made of: the parts of a request that are read, and the guard before a route.
//!
//! Design notes: [Adapters](crate::_docs::adapters).

pub use crate::challenge::Challenge;
pub use crate::credential::{Credential, HeaderList, PresentedToken, RequestView, Scheme};
pub use crate::gate::Admission;
pub use crate::guard::Guard;
