//! Placeholder while the house is being laid out.
