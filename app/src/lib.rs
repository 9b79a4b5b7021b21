//! The cross-account pipeline.
