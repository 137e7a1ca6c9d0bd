//! Typed expressions to DataFusion.
