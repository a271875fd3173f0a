//! Two key providers of one's own, behind the same routes on Axum and on Actix Web:
//!
//! - [`KeyFolder`]: a folder of PEM, JWK and JWK Set files, read again whenever one changes;
//! - [`KeyTable`]: a table of keys in SQL, asked for each key.
//!
//! The program `example-custom-key-provider` serves them; its first lines say how to try it.

pub mod on_actix;
pub mod on_axum;

mod key_folder;
mod key_table;

pub use key_folder::KeyFolder;
pub use key_table::KeyTable;
