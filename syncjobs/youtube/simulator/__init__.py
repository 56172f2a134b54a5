"""A YouTube to test and demonstrate against: an HTTP server that the real google client talks to, and no kinder than YouTube."""

from .server import Simulator
from .world import World

__all__ = ["Simulator", "World"]
