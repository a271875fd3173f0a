//! What adapters for web frameworks are made of: the parts of a request that are read, and the guard before a route.
//!
//! Design notes: [Adapters](crate::_docs::adapters).

pub use crate::challenge::Challenge;
pub use crate::credential::{
    ClientCertificate, Credential, HeaderList, PresentedToken, RequestView, Scheme, hide_parameters,
};
#[cfg(feature = "remote")]
pub use crate::gate::Watched;
pub use crate::gate::{Admission, Denied, Observed, Outcome, Refusable, Refused};
pub use crate::guard::{Decision, Guard};
pub use crate::preflight::PreflightAnswer;
pub use crate::resource_metadata::MetadataAnswer;
