//! Presets for portcullis: each knows what a provider writes into its tokens, where its keys are, and what must be
//! checked beyond issuer and audience.

mod cognito;
mod preset;

pub use cognito::Cognito;
pub use preset::Preset;
