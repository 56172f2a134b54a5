"""A simulated YouTube for tests and demonstrations: an HTTP server for the real Google client, no kinder than YouTube."""

from .server import Simulator
from .world import World

__all__ = ["Simulator", "World"]
