"""Load with a verdict: shoppers by profile, thresholds, the proof, and the clients' log.

Start reading at `__main__.py`, then `run.py`: it prepares the shop, starts the generator
(`generator/`, which alone knows Locust and gevent, in processes of its own), judges, and writes the
report.
"""
