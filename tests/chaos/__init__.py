"""Orders under injected faults: a seeded run of the whole shop, judged by every invariant.

Start reading in run.py (one seed, from open to verdict); faults.py is what can go wrong on a hop,
crashes.py where a process can die, customers.py who orders and remembers every answer."""
