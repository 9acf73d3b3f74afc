//! JSON skimmer.
