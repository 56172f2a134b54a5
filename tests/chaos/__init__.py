"""A mixed load on real processes that are killed, frozen and cut off: `make chaos SEED=n MINUTES=m`.

Each run has a PostgreSQL, a Redis and data of its own, so nothing of the developer's is touched. The seed decides the world,
the load and the faults, and when each begins. How the processes interleave is up to the machine.
"""
