//! What an OpenAPI document says about a gate: how clients authenticate, what each operation demands of its callers, and the
//! answers to requests that are refused.
//!
//! The parts are plain JSON. With the feature `utoipa`, which the feature `utoipa` of an adapter includes, they are also types of
//! utoipa.
//!
//! Design notes: [OpenAPI](crate::_docs::openapi).

mod guard;
mod recorder;
mod refusals;
mod requirements;
mod schemes;
#[cfg(feature = "utoipa")]
pub mod utoipa;
mod wording;

pub use recorder::GuardRecorder;
pub use refusals::{REFUSAL_SCHEMA, refusal_schema};
pub use schemes::SecuritySchemes;
