"""What each type of job does. `run.run_attempt()` is the entry point."""
