"""How a job moves: enqueue, claim, outcome, retry. Also quota, worker heartbeats and error groups."""
