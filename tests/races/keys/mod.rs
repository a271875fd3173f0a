//! The module tree of the core, as far as its files name it.

mod remote;
