//! Presets for portcullis.
