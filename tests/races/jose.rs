//! What the files of the core need from its module `jose`.

pub(crate) mod key_set {
    pub(crate) const MAX_BYTES: usize = 1024 * 1024;
}
