//! Three custom sources of keys, behind the same routes on Axum and on Actix Web:
//!
//! - [`KeyFolder`]: a folder of PEM, JWK and JWK Set files, which is read again after each change;
//! - [`KeyService`]: a service that gives all keys at once, in another format;
//! - [`KeyTable`]: an SQL table of keys, which is queried for each key.
//!
//! The program `example-custom-key-provider` serves them. The comment at the start of `main.rs` says how to try it.

pub mod on_actix;
pub mod on_axum;

mod key_folder;
mod key_service;
mod key_table;

pub use key_folder::KeyFolder;
pub use key_service::KeyService;
pub use key_table::KeyTable;
