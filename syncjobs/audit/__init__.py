"""The audit: an append-only record of who did what."""
