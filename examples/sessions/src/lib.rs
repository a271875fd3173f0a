//! A complete service that registers users, logs them in, and issues its own access and refresh tokens.
//!
//! Read it in this order:
//!
//! | file | content |
//! |---|---|
//! | `settings/` | the environment variables and the file `.env` |
//! | `server.rs` | starting and stopping |
//! | `app.rs` | the parts of the service, and its routes |
//! | `routes/` | one file for each route |
//! | `client.rs`, `caller.rs`, `attempts.rs`, `body.rs` | what the routes take from a request |
//! | `error.rs` | how they refuse |
//! | `users/`, `passwords.rs` | the accounts, which are the service's own |
//! | `keys.rs` | where the keys come from |
//! | `page.rs` | the page for browsers |

mod app;
mod attempts;
mod body;
mod caller;
mod client;
mod error;
mod keys;
mod page;
mod passwords;
mod routes;
mod server;
mod settings;
mod users;

pub use server::{Server, StartError};
pub use settings::{KeySettings, Settings};
