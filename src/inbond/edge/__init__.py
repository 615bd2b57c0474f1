"""Students for small machines: other formats of their weights, checked and timed."""
