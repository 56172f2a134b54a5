"""What each job type does. `run.run_attempt()` is the entry point."""
