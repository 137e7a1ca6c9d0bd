//! Bytes to typed rows, or a reject reason.
