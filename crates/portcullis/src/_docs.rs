//! [adapters]: crate::_docs::adapters
//! [api_keys]: crate::_docs::api_keys
//! [browsers]: crate::_docs::browsers
//! [building]: crate::_docs::building
//! [checks]: crate::_docs::checks
//! [clerk]: crate::_docs::clerk
//! [configuration]: crate::_docs::configuration
//! [dependencies]: crate::_docs::dependencies
//! [entra_id]: crate::_docs::entra_id
//! [flow]: crate::_docs::flow
//! [introspection]: crate::_docs::introspection
//! [issuing]: crate::_docs::issuing
//! [keys]: crate::_docs::keys
//! [metrics]: crate::_docs::metrics
//! [openapi]: crate::_docs::openapi
//! [policy]: crate::_docs::policy
//! [presets]: crate::_docs::presets
//! [proof_of_possession]: crate::_docs::proof_of_possession
//! [revocation]: crate::_docs::revocation
//! [sessions]: crate::_docs::sessions
//! [recipes]: crate::_docs::recipes
//! [tokens]: crate::_docs::tokens
//! [troubleshooting]: crate::_docs::troubleshooting
//!
#![doc = include_str!("../docs/README.md")]

// Each module shows one page of the folder `docs`. The links above come before those at the end of a page, which lead to
// files, and so replace them.

#[doc = include_str!("../docs/adapters.md")]
pub mod adapters {}

#[doc = include_str!("../docs/api_keys.md")]
pub mod api_keys {}

/// [revocation]: crate::_docs::revocation
///
#[doc = include_str!("../docs/browsers.md")]
pub mod browsers {}

#[doc = include_str!("../docs/building.md")]
pub mod building {}

#[doc = include_str!("../docs/checks.md")]
pub mod checks {}

#[doc = include_str!("../docs/clerk.md")]
pub mod clerk {}

#[doc = include_str!("../docs/configuration.md")]
pub mod configuration {}

#[doc = include_str!("../docs/dependencies.md")]
pub mod dependencies {}

#[doc = include_str!("../docs/entra_id.md")]
pub mod entra_id {}

#[doc = include_str!("../docs/flow.md")]
pub mod flow {}

/// [adapters]: crate::_docs::adapters
/// [keys]: crate::_docs::keys
/// [proof_of_possession]: crate::_docs::proof_of_possession
///
#[doc = include_str!("../docs/introspection.md")]
pub mod introspection {}

#[doc = include_str!("../docs/issuing.md")]
pub mod issuing {}

#[doc = include_str!("../docs/keys.md")]
pub mod keys {}

#[doc = include_str!("../docs/openapi.md")]
pub mod openapi {}

#[doc = include_str!("../docs/metrics.md")]
pub mod metrics {}

#[doc = include_str!("../docs/policy.md")]
pub mod policy {}

/// [clerk]: crate::_docs::clerk
/// [entra_id]: crate::_docs::entra_id
///
#[doc = include_str!("../docs/presets.md")]
pub mod presets {}

#[doc = include_str!("../docs/proof_of_possession.md")]
pub mod proof_of_possession {}

/// [sessions]: crate::_docs::sessions
///
#[doc = include_str!("../docs/revocation.md")]
pub mod revocation {}

#[doc = include_str!("../docs/sessions.md")]
pub mod sessions {}

/// [browsers]: crate::_docs::browsers
/// [metrics]: crate::_docs::metrics
///
#[doc = include_str!("../docs/recipes.md")]
pub mod recipes {}

#[doc = include_str!("../docs/tokens.md")]
pub mod tokens {}

#[doc = include_str!("../docs/troubleshooting.md")]
pub mod troubleshooting {}
