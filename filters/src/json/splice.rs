//! Byte splicer.
