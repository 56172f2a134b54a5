"""How a job moves: enqueue, claim, end, retry; quota, heartbeats and error groups."""
