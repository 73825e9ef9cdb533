//! Tests of forwards.
