//! The routes, in one file each.

mod health;
mod login;
mod logout;
mod me;
mod password;
mod refresh;
mod register;
mod sessions;

pub(crate) use health::health;
pub(crate) use login::log_in;
pub(crate) use logout::log_out;
pub(crate) use me::me;
pub(crate) use password::change_password;
pub(crate) use refresh::refresh;
pub(crate) use register::register;
pub(crate) use sessions::{end_session, list_sessions};
