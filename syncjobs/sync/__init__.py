"""What a job does. `run(attempt)` executes one, and turns however it ends into the job's next state."""

from .runner import run

__all__ = ["run"]
