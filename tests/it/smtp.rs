//! Tests of smtp.
