"""The figures of watching mailboxes; `benches/watch` runs them."""
