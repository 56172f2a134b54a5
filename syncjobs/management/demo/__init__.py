"""A history of 30 days for demonstrations: what `seed_demo` writes."""
