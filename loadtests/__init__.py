"""Load with a verdict: shoppers by profile, thresholds, the proof, and what the shoppers were told.

Start reading at `__main__.py`, then `run.py`: it prepares the shop, starts the generator (`drive/`,
the only room that knows Locust and gevent, in processes of its own), judges, and writes the report.
"""
