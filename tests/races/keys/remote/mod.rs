//! The files of the core, and the tests of every order.

#[path = "../../../../crates/portcullis/src/keys/remote/asked_names.rs"]
mod asked_names;
#[path = "../../../../crates/portcullis/src/keys/remote/coordinator.rs"]
mod coordinator;
#[path = "../../../../crates/portcullis/src/keys/remote/fetch_state.rs"]
mod fetch_state;
#[path = "../../../../crates/portcullis/src/keys/remote/limits.rs"]
mod limits;
#[path = "../../../../crates/portcullis/src/keys/remote/schedule.rs"]
mod schedule;
mod sync;
#[path = "../../../../crates/portcullis/src/keys/remote/waiters.rs"]
mod waiters;

mod every_order;
